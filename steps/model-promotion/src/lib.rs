#![doc = include_str!("../README.md")]

mod comparison;
mod gate;
mod history;
mod holdout;
mod past_champion;
mod pending_comparison;
mod plan;
mod promote;
mod rollback;
mod segments;
#[cfg(test)]
mod tests;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use catalog::layout::ModelName;
use catalog::manifest::{self, ModelManifest};
use clap::Subcommand;
use learn::task::Binary;
use runtime::failure::Failure;
use runtime::step::{self, Outputs, Step};
use settings::{GateArgs, SegmentsArgs};
use store::Store;
use tracking::{Tracking, TrackingArgs, Version};

use gate::Gate;
use holdout::AtPlan;

/// Raised whenever the same comparison would give another verdict. 2: champions before the current
/// one count too. 3: a verdict has the difference to the champion with its interval.
const ALGORITHM: u32 = 3;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Promote a trained model to champion if it passes the gate, or roll back
    Promote(Promote),
    /// List the configurations with which the candidate's holdout must be prepared first
    Plan(Plan),
}

/// Flags of `plan`.
#[derive(Clone, Debug, clap::Args)]
pub struct Plan {
    /// Name of the model in the registry
    #[arg(long)]
    model_name: ModelName,
    /// The candidate's version
    #[arg(long)]
    model_version: u64,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `promote`.
#[derive(Clone, Debug, clap::Args)]
pub struct Promote {
    /// Name of the model in the registry
    #[arg(long)]
    model_name: ModelName,
    /// The candidate's version
    #[arg(long, required_unless_present = "rollback")]
    model_version: Option<u64>,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    segments: SegmentsArgs,
    /// Move the alias back to previous-champion
    #[arg(long, requires = "expect", conflicts_with = "model_version")]
    rollback: bool,
    /// With --rollback: the version that must be champion now
    #[arg(long, conflicts_with = "model_version")]
    expect: Option<u64>,
    /// The champion at the time of plan: a version, or none
    #[arg(long, conflicts_with = "rollback")]
    planned_champion: Option<AtPlan>,
    /// Earlier releases read raw files here
    #[arg(long, hide = true)]
    raw_url: Option<String>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// The gate on a version of a model.
///
/// # Errors
/// A metric or a floor that its task does not have: exit 2.
async fn gate(store: &Store, flags: &GateArgs, version: &Version) -> Result<Gate> {
    let read = async {
        let manifest: ModelManifest = manifest::require(store, &version.model).await?;
        manifest.load_model(store).await
    };
    // A model that is damaged is compared with nothing, whatever the gate.
    let task = match comparison::by_data_or_damage(read.await)? {
        Ok(model) => model.task,
        Err(_) => &Binary,
    };
    let (metric, floor) = flags.metric(task)?;
    Ok(Gate {
        metric,
        floor,
        margin: flags.gate_margin,
        window: Some(flags.gate_window),
        compare: flags.gate_compare,
        segments: segments::rules(flags, metric)?,
    })
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
    let open = |flags: &TrackingArgs| Tracking::open(&store, flags, step.retry_budget());
    let flags = match verb {
        Verb::Plan(flags) => {
            return plan::plan(step, &store, &open(&flags.tracking)?, &flags).await;
        }
        Verb::Promote(flags) => flags,
    };
    let tracking = open(&flags.tracking)?;
    match (flags.rollback, flags.model_version, flags.expect) {
        (true, None, Some(expect)) => {
            rollback::rollback(&store, &tracking, &flags.model_name, expect).await
        }
        (false, Some(version), None) => {
            promote::promote(step, &store, &tracking, &flags, version).await
        }
        _ => Err(Failure::usage(
            "give --model-version, or --rollback with --expect",
        )),
    }
}
