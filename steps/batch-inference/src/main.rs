fn main() -> std::process::ExitCode {
    batch_inference::main()
}
