#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod choice;
mod gauges;
mod listener;
mod live;
mod models;
mod page;
mod records;
mod serve;
mod server;
mod source;
mod state;
mod tables;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use pages::judge::Rules;
use runtime::step::{self, Exceptions, Outputs, Step};
use settings::{self, DashboardArgs, JudgeArgs, TableArgs, TrackingArgs};

use choice::{Choice, Wanted};
use live::Live;
use models::{Lookups, Model, SCORE, Side};
use records::{Attempted, DataSet, DataSets, Reported, Reports, Verdict};
use source::{AllScored, Scored};

/// The verbs of this program.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve the dashboard until SIGTERM
    Serve(Serve),
}

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    dashboard: DashboardArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// The command line of this program.
pub fn command() -> clap::Command {
    step::command::<Verb>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"))
}

/// Runs this program.
pub fn main() -> ExitCode {
    // It serves every model, and no workflow runs it.
    let exceptions = Exceptions {
        tolerant: &[],
        independent: &["serve"],
    };
    settings::main_with(command(), exceptions, run)
}

async fn run(step: &Step, Verb::Serve(flags): Verb) -> Result<Outputs> {
    let request = serve::Request {
        bind: flags.dashboard.bind,
        connections: flags.dashboard.connections,
        rules: Rules::of(flags.judge)?,
        tables: flags.dashboard.predictions_tables,
        table: flags.table,
        tracking: flags.tracking,
        user_header: flags.dashboard.user_header,
        user: flags.dashboard.user,
    };
    serve::serve(step, request).await
}
