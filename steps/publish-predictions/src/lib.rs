#![doc = include_str!("../README.md")]

mod catch_up;
mod labels;
mod publish;
mod publisher;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use catalog::layout::ModelName;
use clap::Subcommand;
use database::{Database, Settings, Table};
use runtime::step::{self, Outputs, Step};
use settings::{CatchUpArgs, LabelsArgs, RetentionArgs, TableArgs};
use store::{RawArgs, Store};

use publisher::Publisher;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Publish the scored rows of one results manifest, and results that earlier runs could not
    /// publish
    Publish(Publish),
    /// Write late labels into the published predictions
    Labels(Labels),
}

/// Flags of `publish`.
#[derive(Debug, clap::Args)]
pub struct Publish {
    /// Key of the manifest of the scored rows
    #[arg(long, required_unless_present = "model_name")]
    results_manifest: Option<String>,
    /// Registered name of the model whose earlier results are published too
    #[arg(long)]
    model_name: Option<ModelName>,
    #[command(flatten)]
    catch_up: CatchUpArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    retention: RetentionArgs,
}

/// Flags of `labels`.
#[derive(Debug, clap::Args)]
pub struct Labels {
    #[command(flatten)]
    raw: RawArgs,
    /// Key of a results manifest of the model whose predictions are labelled
    #[arg(long)]
    results_manifest: String,
    #[command(flatten)]
    labels: LabelsArgs,
    #[command(flatten)]
    table: TableArgs,
}

/// The command line of this step.
pub fn command() -> clap::Command {
    step::command::<Verb>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"))
}

/// Runs this step.
pub fn main() -> ExitCode {
    settings::main(command(), run)
}

async fn run(step: &Step, verb: Verb) -> Result<Outputs> {
    let store = Store::of(step)?;
    let database = Settings::from_environment()?
        .map(|settings| Database::new(&settings, step))
        .transpose()?;
    match (verb, database) {
        (Verb::Publish(flags), Some(database)) => {
            let publisher = Publisher {
                step,
                store: &store,
                database: &database,
                table: &Table::of(&flags.table)?,
                retention_days: flags.retention.retention_days,
            };
            let newest = flags.catch_up.catch_up as usize;
            let request = publish::Request {
                results_manifest: flags.results_manifest,
                catch_up: flags
                    .model_name
                    .map(|model_name| catch_up::Request { model_name, newest }),
            };
            publish::publish(&publisher, &request).await
        }
        (Verb::Publish(flags), None) => {
            publish::without_database(&store, flags.results_manifest.as_deref()).await
        }
        (Verb::Labels(flags), Some(database)) => {
            let request = labels::Request {
                results_manifest: flags.results_manifest,
                labels_glob: flags.labels.labels_glob,
            };
            labels::fill(
                step,
                &store,
                &flags.raw.open(step)?,
                &database,
                &Table::of(&flags.table)?,
                &request,
            )
            .await
        }
        (Verb::Labels(flags), None) => {
            labels::without_database(&store, &flags.results_manifest).await
        }
    }
}
