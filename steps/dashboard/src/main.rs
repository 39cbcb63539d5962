//! The program of the dashboard.

fn main() -> std::process::ExitCode {
    dashboard::main()
}
