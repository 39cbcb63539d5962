fn main() -> std::process::ExitCode {
    alameda::main()
}
