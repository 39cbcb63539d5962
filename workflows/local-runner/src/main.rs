//! Runs, lints and inspects workflows; see the library.

fn main() -> std::process::ExitCode {
    alameda::main()
}
