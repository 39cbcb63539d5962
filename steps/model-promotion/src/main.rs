//! The container's entry point; the step is the library.

fn main() -> std::process::ExitCode {
    model_promotion::main()
}
