#![doc = include_str!("../README.md")]

mod by_period;
pub mod chart;
pub mod content;
mod dashboard;
pub mod format;
pub mod html;
mod join;
mod judge;
mod monitored;
mod notify;
pub mod page;
mod record;
mod report;
mod rows;
mod scan;
mod segments;
mod subject;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use common::drift::Thresholds;
use common::failure::Failure;
use common::postgres::TableArgs;
use common::step::{self, Outputs, RawArgs, Step, Verbatim};
use common::tracking::{Tracking, TrackingArgs};
use common::webhook::Webhook;

use judge::Rules;
use monitored::MonitorColumns;
use notify::{Channel, NotifyFormat, NotifyOn};
use report::FailOn;

/// The verbs of this step.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Report data quality, performance and drift of one set of predictions
    Report(Report),
    /// Record how a workflow ended: the exit handler
    Notify(Notify),
    /// Serve the dashboard until SIGTERM
    Serve(Serve),
}

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct Report {
    #[command(flatten)]
    raw: RawArgs,
    /// Key of the predictions' manifest
    #[arg(long)]
    results_manifest: String,
    /// Raw files of later labels: id, time, target; the last file name wins
    #[arg(long, env = "LABELS_GLOB", default_value = "labels/*.parquet")]
    labels_glob: String,
    #[command(flatten)]
    judge: Judge,
    /// From which verdict on to fail, with exit code 11, after the report is written
    #[arg(long, env = "REPORT_FAIL_ON", value_enum, default_value_t = FailOn::Never)]
    fail_on: FailOn,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags that decide a verdict.
#[derive(Debug, clap::Args)]
struct Judge {
    /// Population stability index from which to warn
    #[arg(long, env = "PSI_WARN", default_value_t = Thresholds::default().warn, value_parser = index)]
    psi_warn: f64,
    /// Population stability index from which to alert
    #[arg(long, env = "PSI_ALERT", default_value_t = Thresholds::default().alert, value_parser = index)]
    psi_alert: f64,
    /// Rows below which the verdict is insufficient-data
    #[arg(long, env = "MIN_ROWS", default_value_t = Thresholds::default().min_rows)]
    min_rows: u64,
    /// Columns that the verdict is on: x1,x2 for these alone, -x1,-x2 for all but these; score is one too
    #[arg(
        long,
        env = "MONITOR_COLUMNS",
        default_value = "",
        allow_hyphen_values = true
    )]
    monitor_columns: MonitorColumns,
}

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Address and port to listen on; 0.0.0.0:8501 lets in other machines
    #[arg(long, env = "DASHBOARD_BIND", default_value = "127.0.0.1:8501")]
    bind: SocketAddr,
    /// Connections to Postgres at most
    #[arg(long, env = "DASHBOARD_CONNECTIONS", default_value_t = 4, value_parser = connections)]
    connections: usize,
    /// Header in which a proxy in front names the user; without it a request is refused
    #[arg(long, env = "DASHBOARD_USER_HEADER")]
    user_header: Option<String>,
    /// User that a browser asks for, with the password in the variable DASHBOARD_PASSWORD
    #[arg(long, env = "DASHBOARD_USER")]
    user: Option<String>,
    #[command(flatten)]
    judge: Judge,
    /// Tables that are shown, with a comma between; without it the one of --predictions-table
    #[arg(long, env = "PREDICTIONS_TABLES", value_delimiter = ',')]
    predictions_tables: Vec<String>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Flags of `notify`. It takes whatever Argo gives: it runs when something went wrong, perhaps with these.
#[derive(Debug, clap::Args)]
pub struct Notify {
    /// Name of the data set version that the workflow was for
    #[arg(long, default_value = "")]
    data_version: Verbatim,
    /// Name of the model that the workflow was for
    #[arg(long, default_value = "")]
    model_name: Verbatim,
    /// Key of the predictions' manifest that the workflow was for: it tells data version and model name, where these are not given
    #[arg(long, default_value = "")]
    results_manifest: Verbatim,
    /// How the workflow ended: Succeeded, Failed or Error
    #[arg(long, default_value = "")]
    status: Verbatim,
    /// The nodes that failed, as Argo's JSON list
    #[arg(long, default_value = "[]", allow_hyphen_values = true)]
    failures: Verbatim,
    /// How long the workflow took, in seconds
    #[arg(long, default_value = "")]
    duration: Verbatim,
    /// Which ends are told to the webhook whose URL is in NOTIFY_URL
    #[arg(long, env = "NOTIFY_ON", default_value = "failure")]
    notify_on: NotifyOn,
    /// How they are told: json for programs, slack for Slack and what understands its messages
    #[arg(long, env = "NOTIFY_FORMAT", default_value = "json")]
    notify_format: NotifyFormat,
}

fn index(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|index| (0.0..=f64::MAX).contains(index))
        .ok_or_else(|| "give a number from 0 on".to_owned())
}

fn connections(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=64).contains(number))
        .ok_or_else(|| "give a number from 1 to 64".to_owned())
}

impl Judge {
    fn rules(self) -> Result<Rules> {
        Ok(Rules {
            thresholds: self.thresholds()?,
            columns: self.monitor_columns,
        })
    }

    fn thresholds(&self) -> Result<Thresholds> {
        if self.psi_alert < self.psi_warn {
            return Err(Failure::usage(format!(
                "--psi-alert (PSI_ALERT) is {}, below --psi-warn (PSI_WARN), which is {}: an alert is worse than a warning",
                self.psi_alert, self.psi_warn
            )));
        }
        Ok(Thresholds {
            warn: self.psi_warn,
            alert: self.psi_alert,
            min_rows: self.min_rows,
        })
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

async fn run(step: &Step, verb: Verb) -> Result<Outputs> {
    match verb {
        Verb::Report(flags) => {
            let request = report::Request {
                fail_on: flags.fail_on,
                rules: flags.judge.rules()?,
                results_manifest: flags.results_manifest,
                labels_glob: flags.labels_glob,
            };
            let store = step.store()?;
            let tracking = Tracking::open(&store, &flags.tracking, step.retry_budget())?;
            report::report(step, &store, &flags.raw.open(step)?, &tracking, &request).await
        }
        Verb::Serve(flags) => {
            let request = dashboard::Request {
                bind: flags.bind,
                connections: flags.connections,
                rules: flags.judge.rules()?,
                tables: flags.predictions_tables,
                table: flags.table,
                tracking: flags.tracking,
                user_header: flags.user_header,
                user: flags.user,
            };
            dashboard::serve(step, request).await
        }
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
                on: flags.notify_on,
                format: flags.notify_format,
            };
            notify::notify(step.store(), &ended, step.timezone(), channel).await
        }
    }
}
