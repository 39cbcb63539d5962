//! How every step begins: by looking at all settings.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::wrong::findings;
use runtime::step::{self, Exceptions, Outputs, Step};

/// Runs a step whose verbs all refuse wrong settings before anything else; see [`step::main`].
pub fn main<V: Subcommand>(
    command: clap::Command,
    run: impl AsyncFnOnce(&Step, V) -> Result<Outputs>,
) -> ExitCode {
    main_with(command, Exceptions::default(), run)
}

/// [`main`] with verbs that do not refuse all of them.
pub fn main_with<V: Subcommand>(
    command: clap::Command,
    exceptions: Exceptions,
    run: impl AsyncFnOnce(&Step, V) -> Result<Outputs>,
) -> ExitCode {
    step::main(command, findings(), exceptions, run)
}
