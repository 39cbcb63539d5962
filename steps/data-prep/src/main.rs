fn main() -> std::process::ExitCode {
    data_prep::main()
}
