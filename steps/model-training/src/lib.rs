#![doc = include_str!("../README.md")]

mod categories;
mod extremes;
mod fit;
mod memory;
mod record;
mod scratch;
mod task;
#[cfg(test)]
mod tests;
mod train;
mod training_rows;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use common::categories::SegmentColumns;
use common::layout::ModelName;
use common::model::{ClassWeight, LOGISTIC_REGRESSION};
use common::step::{self, Outputs, Step};
use common::tracking::{Tracking, TrackingArgs};

/// Raised whenever the same inputs would give another model. 2: fits that stopped far from the optimum
/// reach it; all others keep the bytes of `model.json`.
const ALGORITHM: u32 = 2;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Fit a model, measure it on the holdout, and register it
    Train(Train),
}

/// Flags of `train`.
#[derive(Clone, Debug, clap::Args)]
pub struct Train {
    /// Name of the model in the registry
    #[arg(long)]
    model_name: ModelName,
    /// Key of the manifest of the training data
    #[arg(long)]
    train_manifest: String,
    /// Key of the manifest of the holdout
    #[arg(long)]
    holdout_manifest: String,
    /// Model family
    #[arg(long, env = "MODEL_FAMILY", default_value = LOGISTIC_REGRESSION, value_parser = family)]
    family: String,
    /// Inverse strength of the L2 penalty
    #[arg(long, env = "MODEL_C", default_value_t = 1.0, value_parser = positive)]
    c: f64,
    /// Weights of the classes: balanced or none
    #[arg(long, env = "MODEL_CLASS_WEIGHT", default_value = "balanced", value_parser = class_weight)]
    class_weight: ClassWeight,
    /// Newton steps at most
    #[arg(long, env = "MODEL_MAX_ITER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_iter: u32,
    /// Newton steps go on while a component of the gradient is larger
    #[arg(long, env = "MODEL_TOL", default_value_t = 1e-10, value_parser = positive)]
    tol: f64,
    /// Probability from which the positive class is predicted
    #[arg(long, env = "MODEL_THRESHOLD", default_value_t = 0.5, value_parser = probability)]
    threshold: f64,
    /// Columns that rows are divided by, as in `batch-inference plan`: their values are profiled
    #[arg(long, env = "SEGMENT_COLUMNS", default_value = "")]
    segment_columns: SegmentColumns,
    #[command(flatten)]
    tracking: TrackingArgs,
}

fn family(text: &str) -> Result<String, String> {
    match text {
        LOGISTIC_REGRESSION => Ok(text.to_owned()),
        _ => Err(format!("this version fits {LOGISTIC_REGRESSION} only")),
    }
}

fn class_weight(text: &str) -> Result<ClassWeight, String> {
    match text {
        "balanced" => Ok(ClassWeight::Balanced),
        "none" => Ok(ClassWeight::None),
        _ => Err("give balanced or none".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("give a positive number".to_owned()),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("give a number from 0 to 1".to_owned()),
    }
}

/// The command line of this step.
pub fn command() -> clap::Command {
    step::command::<Verb>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"))
}

/// Runs this step.
pub fn main() -> ExitCode {
    step::main(command(), run)
}

async fn run(step: &Step, Verb::Train(flags): Verb) -> Result<Outputs> {
    let store = step.store()?;
    let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
    train::train(step, &store, &tracking, &flags).await
}
