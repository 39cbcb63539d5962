//! The program of this step.

fn main() -> std::process::ExitCode {
    model_monitoring::main()
}
