#![doc = include_str!("../README.md")]

mod publish;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use common::postgres::{Database, Settings, TableArgs};
use common::step::{self, Outputs, Step};

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Publish the scored rows of one results manifest
    Publish(Publish),
}

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// Key of the manifest of the scored rows
    #[arg(long)]
    results_manifest: String,
    #[command(flatten)]
    table: TableArgs,
}

/// The command line of this step.
pub fn command() -> clap::Command {
    step::command::<Verb>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"))
}

/// Runs this step.
pub fn main() -> ExitCode {
    step::main(command(), run)
}

async fn run(step: &Step, Verb::Publish(flags): Verb) -> Result<Outputs> {
    let store = step.store()?;
    let table = flags.table.table()?;
    match Settings::from_environment()? {
        Some(settings) => {
            let database = Database::new(&settings, step)?;
            publish::publish(step, &store, &database, &table, &flags.results_manifest).await
        }
        None => publish::without_database(&store, &flags.results_manifest).await,
    }
}
