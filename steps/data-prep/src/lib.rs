#![doc = include_str!("../README.md")]

mod again;
mod aggregates;
mod commit;
mod committed;
mod done;
mod earlier;
mod flags;
mod job;
mod keys;
mod looks_back;
mod map;
mod plan;
mod quarantine;
mod reduce;
mod repeats;
mod scored;
mod shuffle;
mod task;
mod times;
mod warm_up;
mod writers;

use std::process::ExitCode;

use anyhow::Result;
use catalog::layout::ModelName;
use clap::{Args, Subcommand, ValueEnum};
use map::Stage;
use runtime::step::{self, Outputs, Step};
use settings::{ConfigArgs, LabelsArgs, PreparationArgs};
use store::{RawArgs, Store};

/// Raised whenever the same inputs would give other bytes.
const ALGORITHM: u32 = 2;

/// What this step can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the raw files, check them against committed work, and group them by bytes
    Plan(PlanArgs),
    /// Prepare the raw files of one group
    Map(MapArgs),
    /// Write the rows of one group of raw files into buckets by entity
    Shuffle(MapArgs),
    /// Prepare the rows of one group of buckets, each with all rows of its entities
    Reduce(ReduceArgs),
    /// Write the manifests
    Commit(CommitArgs),
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    raw: RawArgs,

    /// Data set to prepare: train (with its holdout), predict, or holdout, which prepares an
    /// existing holdout with the configuration of another model
    #[arg(long)]
    split: Rows,

    /// Name of the data version; an RFC 3339 instant is truncated to its date
    #[arg(long)]
    data_version: String,

    #[command(flatten)]
    preparation: PreparationArgs,

    /// Source of the training rows: the training files, or rows that were scored and have labels by
    /// now
    #[arg(long, default_value = "files")]
    train_source: TrainSource,

    /// Registered name of the model that is trained; scored-and-labelled, which requires it, takes
    /// the rows that it has scored
    #[arg(long)]
    model_name: Option<ModelName>,

    #[command(flatten)]
    labels: LabelsArgs,

    #[command(flatten)]
    configuration: ConfigArgs,

    /// Digest of the pinned configuration; required for predict and holdout
    #[arg(long)]
    config: Option<String>,

    /// Key of the selection of raw files; required for predict
    #[arg(long)]
    selection: Option<String>,

    /// Key of the manifest of the holdout; required for holdout
    #[arg(long)]
    holdout_manifest: Option<String>,

    /// Maximum number of groups (1 to 200)
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u16).range(1..=200))]
    parallelism: u16,
}

/// Where rows to train on are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TrainSource {
    /// Training files, which hold their labels.
    Files,
    /// Raw files that were scored, joined with late labels.
    ScoredAndLabelled,
}

/// Which data is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// Labelled rows, for training and for the holdout.
    Train,
    /// Rows to score.
    Predict,
    /// The rows of a holdout that is there, with the features of another configuration.
    Holdout,
}

/// Arguments of `map` and `shuffle`.
#[derive(Debug, Args)]
pub struct MapArgs {
    #[command(flatten)]
    raw: RawArgs,

    /// Key of the plan
    #[arg(long)]
    plan: String,

    /// Id of the group
    #[arg(long)]
    group: String,
}

/// Arguments of `reduce`.
#[derive(Debug, Args)]
pub struct ReduceArgs {
    /// Key of the plan
    #[arg(long)]
    plan: String,

    /// Id of the group of buckets
    #[arg(long)]
    group: String,
}

/// Arguments of `commit`.
#[derive(Debug, Args)]
pub struct CommitArgs {
    /// Key of the plan
    #[arg(long)]
    plan: String,
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
        Verb::Plan(args) => plan::plan(step, &store, &args.raw.open(step)?, &args).await,
        Verb::Map(args) => of_files(step, &store, &args, Stage::Map).await,
        Verb::Shuffle(args) => of_files(step, &store, &args, Stage::Shuffle).await,
        Verb::Reduce(args) => reduce::reduce(step, &store, &args.plan, &args.group).await,
        Verb::Commit(args) => commit::commit(step, &store, &args.plan).await,
    }
}

async fn of_files(step: &Step, store: &Store, args: &MapArgs, stage: Stage) -> Result<Outputs> {
    let raw = args.raw.open(step)?;
    map::map(step, store, &raw, [&args.plan, &args.group], stage).await
}

#[cfg(test)]
mod tests;
