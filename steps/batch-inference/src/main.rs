//! The program of this step.

fn main() -> std::process::ExitCode {
    batch_inference::main()
}
