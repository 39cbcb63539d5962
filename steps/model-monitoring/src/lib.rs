#![doc = include_str!("../README.md")]

mod by_period;
mod by_score;
mod column;
mod join;
mod joined;
mod matching;
mod notify;
mod of_task;
mod reasons;
mod record;
mod renew;
mod report;
mod rows;
mod scan;
mod segments;
mod subject;
#[cfg(test)]
mod tests;
mod webhook;

use std::process::ExitCode;

use crate::webhook::Webhook;
use anyhow::Result;
use catalog::layout::ModelName;
use catalog::manifest::{self, ResultsManifest};
use clap::Subcommand;
use pages::judge::Rules;
use runtime::failure::Failure;
use runtime::step::{self, Exceptions, Outputs, Step, Verbatim};
use settings::{self, JudgeArgs, LabelsArgs, NotifyArgs, RenewArgs, ReportArgs};
use store::{RawArgs, Store};
use tracking::{Tracking, TrackingArgs};

use notify::Channel;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Report data quality, performance and drift of one set of predictions
    Report(Report),
    /// Check that predictions, raw files and tracking can be opened
    Check(Check),
    /// Replace reports on results whose labels arrived later
    Renew(Renew),
    /// Record the outcome of a workflow (the exit handler)
    Notify(Notify),
    /// Say that the dashboard is a separate program
    #[command(hide = true)]
    Serve(Moved),
}

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Report {
    #[command(flatten)]
    raw: RawArgs,
    /// Key of the predictions' manifest
    #[arg(long)]
    results_manifest: String,
    #[command(flatten)]
    labels: LabelsArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    outcome: ReportArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    raw: RawArgs,
    /// Key of the predictions' manifest
    #[arg(long)]
    results_manifest: String,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `renew`.
#[derive(Debug, clap::Args)]
pub struct Renew {
    #[command(flatten)]
    raw: RawArgs,
    /// Registered name of the model whose reports are renewed
    #[arg(long)]
    model_name: ModelName,
    #[command(flatten)]
    renew: RenewArgs,
    #[command(flatten)]
    labels: LabelsArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// The line of a `serve` of the first release.
#[derive(Debug, clap::Args)]
pub struct Moved {
    /// Any arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    line: Vec<String>,
}

/// Flags of `notify`. It takes whatever Argo gives: it runs when something went wrong, perhaps with
/// these.
#[derive(Debug, clap::Args)]
pub struct Notify {
    /// Name of the workflow's data version
    #[arg(long, default_value = "")]
    data_version: Verbatim,
    /// Name of the workflow's model
    #[arg(long, default_value = "")]
    model_name: Verbatim,
    /// Key of the workflow's results manifest; it gives data version and model name if these are
    /// not set
    #[arg(long, default_value = "")]
    results_manifest: Verbatim,
    /// Outcome of the workflow: Succeeded, Failed or Error
    #[arg(long, default_value = "")]
    status: Verbatim,
    /// The failed nodes, as Argo's JSON list
    #[arg(long, default_value = "[]", allow_hyphen_values = true)]
    failures: Verbatim,
    /// Duration of the workflow in seconds
    #[arg(long, default_value = "")]
    duration: Verbatim,
    #[command(flatten)]
    channel: NotifyArgs,
}

/// The command line of this step.
pub fn command() -> clap::Command {
    step::command::<Verb>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"))
}

/// Runs this step.
pub fn main() -> ExitCode {
    // The exit handler runs because of what is wrong.
    let exceptions = Exceptions {
        tolerant: &["notify"],
        independent: &["serve"],
    };
    settings::main_with(command(), exceptions, run)
}

async fn run(step: &Step, verb: Verb) -> Result<Outputs> {
    match verb {
        Verb::Report(flags) => {
            let request = report::Request {
                fail_on: flags.outcome.fail_on,
                rules: Rules::of(flags.judge)?,
                results_manifest: flags.results_manifest,
                labels_glob: flags.labels.labels_glob,
            };
            let store = Store::of(step)?;
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            report::report(step, &store, &flags.raw.open(step)?, &tracking, &request).await
        }
        Verb::Check(flags) => {
            let store = Store::of(step)?;
            Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            flags.raw.open(step)?;
            let key = &flags.results_manifest;
            let results: ResultsManifest = manifest::require(&store, key).await?;
            Ok(Outputs::new().set("rows", results.rows))
        }
        Verb::Renew(flags) => {
            let request = renew::Request {
                model_name: flags.model_name,
                newest: flags.renew.renew_reports as usize,
                labels_glob: flags.labels.labels_glob,
                rules: Rules::of(flags.judge)?,
            };
            let store = Store::of(step)?;
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            renew::renew(step, &store, &flags.raw.open(step)?, &tracking, &request).await
        }
        Verb::Serve(_) => Err(Failure::usage(
            "the dashboard is a separate program with its own image: run `dashboard serve` with the same flags \
             and variables",
        )),
        Verb::Notify(flags) => {
            let ended = notify::Ended {
                workflow: step.workflow().to_owned(),
                data_version: flags.data_version.0,
                model_name: flags.model_name.0,
                status: flags.status.0,
                failures: flags.failures.0,
                duration: flags.duration.0,
            }
            .about(&flags.results_manifest.0);
            let channel = Channel {
                webhook: Webhook::from_environment("NOTIFY_URL", step.retry_budget()),
                on: flags.channel.notify_on,
                format: flags.channel.notify_format,
            };
            notify::notify(Store::of(step), &ended, step.timezone(), channel).await
        }
    }
}
