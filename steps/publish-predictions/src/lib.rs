#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use common::failure::Failure;
use common::manifest::{self, ResultsManifest};
use common::step::{self, Outputs, Step};
use common::store::Store;

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
    /// Postgres to publish to; without it nothing is published
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
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
    if flags.database_url.is_some_and(|url| !url.is_empty()) {
        return Err(Failure::usage(
            "DATABASE_URL is set, and this version cannot publish to Postgres: unset it; the predictions are parquet files \
             in the object store",
        ));
    }
    without_database(&step.store()?, &flags.results_manifest).await
}

/// With no database there is nothing to do but to say so; what was asked for must exist all the same.
async fn without_database(store: &Store, key: &str) -> Result<Outputs> {
    let results: ResultsManifest = manifest::require(store, key).await?;
    tracing::info!(
        rows = results.rows,
        "no database is configured (DATABASE_URL): {} predictions stay in {}/{key} and are published nowhere",
        results.rows,
        store.url()
    );
    Ok(Outputs::new().set("rows", 0).set("reused", false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_that_do_not_exist_are_refused_by_key() {
        let home = tempfile::tempdir().unwrap();
        let store = Step::for_test("publish-predictions", home.path()).store().unwrap();
        let error = without_database(&store, "results/1/m/v1/_manifest.json").await.unwrap_err();
        assert!(error.to_string().contains("results/1/m/v1/_manifest.json"), "{error}");
        assert_eq!(common::failure::exit_code(&error), 2);
    }
}
