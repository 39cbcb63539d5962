//! The program of this step.

fn main() -> std::process::ExitCode {
    data_prep::main()
}
