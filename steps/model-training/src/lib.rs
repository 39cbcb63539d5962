#![doc = include_str!("../README.md")]

mod blame;
mod boosting;
mod candidate;
mod categories;
mod choice;
mod extremes;
mod fit;
mod fitted;
mod forest;
mod holdout;
mod import;
mod job;
mod memory;
mod onnx;
mod passes;
mod plan;
mod pyfunc;
mod record;
mod reference;
mod rounded;
mod scratch;
mod select;
#[cfg(test)]
mod tests;
mod texts;
mod train;
mod training_rows;
mod tree_rows;
mod tune;
mod validation;

use std::process::ExitCode;

use anyhow::Result;
use catalog::layout::ModelName;
use clap::Subcommand;
use runtime::step::{self, Outputs, Step};
use settings::{ConfigArgs, FanOutArgs, SegmentsArgs, TrainingArgs};
use store::{RawArgs, Store};
use tracking::{Tracking, TrackingArgs};

/// Raised whenever the same inputs would give another model. 2: fits that stopped far from the
/// optimum reach it; all others keep the bytes of `model.json`. 3: `model.json` is of version 2,
/// with the same numbers, and `reference.json` holds cells.
const ALGORITHM: u32 = 3;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the candidates to measure first, each in its own pod
    Plan(Plan),
    /// Fit a model, measure it on the holdout, and register it
    Train(Train),
    /// Import a model of XGBoost or LightGBM, measure it on the holdout, and register it
    Import(Import),
}

/// What is trained.
#[derive(Clone, Debug, clap::Args)]
pub struct Training {
    /// Name of the model in the registry
    #[arg(long)]
    model_name: ModelName,
    /// Key of the manifest of the training data
    #[arg(long)]
    train_manifest: String,
    /// Key of the manifest of the holdout
    #[arg(long)]
    holdout_manifest: String,
    #[command(flatten)]
    configuration: ConfigArgs,
    #[command(flatten)]
    fit: TrainingArgs,
    #[command(flatten)]
    segments: SegmentsArgs,
}

/// Flags of `plan`.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    fan_out: FanOutArgs,
}

/// Flags of `train`.
#[derive(Clone, Debug, clap::Args)]
pub struct Train {
    #[command(flatten)]
    training: Training,
    /// Only measure this candidate, counted from 1, and keep the result for the run without this
    /// flag
    #[arg(long)]
    candidate: Option<usize>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `import`.
#[derive(Clone, Debug, clap::Args)]
pub struct Import {
    /// Name of the model in the registry
    #[arg(long)]
    model_name: ModelName,
    /// Key of the model file below RAW_URL: XGBoost's JSON, or LightGBM's text
    #[arg(long)]
    model_file: String,
    /// Key of the manifest of the training data
    #[arg(long)]
    train_manifest: String,
    /// Key of the manifest of the holdout
    #[arg(long)]
    holdout_manifest: String,
    #[command(flatten)]
    raw: RawArgs,
    #[command(flatten)]
    segments: SegmentsArgs,
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
    let open = |flags| Tracking::open(&store, flags, step.retry_budget());
    match verb {
        Verb::Plan(flags) => plan::plan(step, &store, &flags).await,
        Verb::Train(flags) => match flags.candidate {
            Some(number) => candidate::candidate(step, &store, &flags.training, number).await,
            None => {
                let tracking = open(&flags.tracking)?;
                train::train(step, &store, &tracking, &flags.training).await
            }
        },
        Verb::Import(flags) => {
            let (raw, tracking) = (flags.raw.open(step)?, open(&flags.tracking)?);
            import::import(step, &store, &raw, &tracking, &flags).await
        }
    }
}
