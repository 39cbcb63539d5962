fn main() -> std::process::ExitCode {
    publish_predictions::main()
}
