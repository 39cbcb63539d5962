#![doc = include_str!("../README.md")]

mod backfill;
mod history;
mod map;
mod plan;
mod profiles;
mod request;
mod resolve;
mod score;
mod scored;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use catalog::layout::{DataVersion, ModelName};
use clap::Subcommand;
use runtime::step::{self, Outputs, Step};
use settings::{ScoringArgs, SegmentsArgs, SelectionArgs};
use store::{RawArgs, Store};
use tracking::{ModelUri, Tracking, TrackingArgs};

use backfill::Reprocess;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Resolve and pin the model version, and select the raw files to score
    Resolve(Resolve),
    /// Group the prepared parts for scoring
    Plan(Plan),
    /// Score one group of parts
    Map(Map),
    /// Write the manifest of the scored rows
    Commit(Commit),
    /// Select the past dates to score
    Backfill(Backfill),
}

/// Flags of `resolve`.
#[derive(Debug, clap::Args)]
pub struct Resolve {
    #[command(flatten)]
    raw: RawArgs,
    /// Registered name of the model
    #[arg(long)]
    model_name: ModelName,
    /// Name of the data version to score
    #[arg(long)]
    data_version: String,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// The pinned model: models:/NAME/VERSION
    #[arg(long)]
    model_uri: ModelUri,
    /// Key of the manifest of the prepared rows
    #[arg(long)]
    predict_manifest: String,
    /// Maximum number of groups
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=200))]
    parallelism: u16,
    #[command(flatten)]
    segments: SegmentsArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `map`.
#[derive(Debug, clap::Args)]
pub struct Map {
    /// Key of the plan
    #[arg(long)]
    plan: String,
    /// Id of the group
    #[arg(long)]
    group: String,
}

/// Flags of `commit`.
#[derive(Debug, clap::Args)]
pub struct Commit {
    /// Key of the plan
    #[arg(long)]
    plan: String,
}

/// Flags of `backfill`.
#[derive(Debug, clap::Args)]
pub struct Backfill {
    /// Registered name of the model
    #[arg(long)]
    model_name: ModelName,
    /// First date, such as 2026-11-01
    #[arg(long)]
    from: String,
    /// Last date
    #[arg(long)]
    to: String,
    /// Dates to score again besides those never attempted: none, those whose last attempt failed,
    /// or all
    #[arg(long, default_value = "none")]
    reprocess: Reprocess,
    /// Number of dates that are scored at the same time
    #[arg(long, default_value = "1", value_parser = clap::builder::PossibleValuesParser::new(["1", "2", "4", "8"]))]
    max_active: String,
    /// Whether the newest date is scored first
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set)]
    newest_first: bool,
    /// Whether to list the dates and score nothing
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set)]
    dry_run: bool,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
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
    match verb {
        Verb::Resolve(flags) => {
            let raw = flags.raw.open(step)?;
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            let request = request::Request {
                data_version: DataVersion::parse(&flags.data_version, step.timezone())?,
                model_name: flags.model_name,
                model_ref: flags.scoring.model_ref,
                predict_shards: flags.selection.predict_shards,
                glob: flags.scoring.predict_glob,
                cache: step.cache(),
                workflow: (!step.is_manual()).then(|| step.workflow().to_owned()),
            };
            resolve::resolve(step, &tracking, &store, &raw, &request).await
        }
        Verb::Plan(flags) => {
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            let request = plan::Request {
                model: flags.model_uri,
                predict_manifest: flags.predict_manifest,
                parallelism: usize::from(flags.parallelism),
                segment_columns: flags.segments.segment_columns,
            };
            plan::plan(step, &tracking, &store, &request).await
        }
        Verb::Map(flags) => map::map(step, &store, &flags.plan, &flags.group).await,
        Verb::Commit(flags) => map::commit(step, &store, &flags.plan).await,
        Verb::Backfill(flags) => {
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            let date = |flag, text: &str| backfill::date(flag, text, step.timezone());
            let request = backfill::Request {
                from: date("--from", &flags.from)?,
                to: date("--to", &flags.to)?,
                model_name: flags.model_name,
                model_ref: flags.scoring.model_ref,
                reprocess: flags.reprocess,
                max_active: flags.max_active,
                newest_first: flags.newest_first,
                dry_run: flags.dry_run,
                glob: flags.scoring.predict_glob,
            };
            backfill::backfill(&tracking, &store, &request).await
        }
    }
}
