//! The program of this step.

fn main() -> std::process::ExitCode {
    publish_predictions::main()
}
