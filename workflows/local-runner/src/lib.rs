#![doc = include_str!("../README.md")]

mod answers;
mod cli;
#[cfg(test)]
mod contract;
mod data;
mod demo;
mod emissary;
mod engine;
mod leaf;
mod output;
mod place;
#[cfg(test)]
mod released;
mod retry;
mod runs;
mod sample_data;
mod servers;
mod submit;
mod tracked;
mod ui;
mod upload;
mod workflow;

use std::path::Path;
use std::process::ExitCode;

/// Is what its name says: the runner, a step, or the emissary that starts a leaf's program.
/// `alameda STEP ...` is that step too.
pub fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if let Some(step) = programs::find(name) {
        return (step.main)();
    }
    if name == emissary::NAME {
        return emissary::main();
    }
    if let Some(error) = emissary::become_step(std::env::args_os().skip(1)) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    cli::main()
}
