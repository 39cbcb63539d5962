//! `runs` and `models`: what the tracking holds, from wherever it is kept.

mod compare;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use catalog::layout::ModelName;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use runtime::retry::Budget;
use store::Store;
use tracking::{RunRecord, RunView, Status, Tracking, TrackingArgs, VersionView};

use crate::output::{Output, print_object};
use crate::place::Place;
use crate::ui;
use crate::workflow::now;

/// Metrics that tables show, where a run has them.
const SHOWN: [&str; 5] = ["roc_auc", "accuracy", "f1", "r2", "rmse"];

/// Flags of `runs`.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Only runs of this model
    #[arg(long, value_name = "NAME")]
    model_name: Option<ModelName>,
    /// Maximum number of runs
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Output format
    #[arg(short, long)]
    output: Option<Output>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// What `models` does besides.
#[derive(Debug, Subcommand)]
enum ModelVerb {
    /// Compare two versions or runs of a model: settings that differ, and metrics
    Compare(compare::CompareOptions),
}

/// Flags of `models`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelOptions {
    #[command(subcommand)]
    verb: Option<ModelVerb>,
    /// Only this model
    name: Option<ModelName>,
    /// Maximum number of versions per model
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// Output format
    #[arg(short, long)]
    output: Option<Output>,
    #[command(flatten)]
    tracking: TrackingArgs,
}

/// Lists runs.
pub(crate) fn runs(place: &Place, options: &RunOptions) -> Result<()> {
    let runs = ask(place, &options.tracking, async |tracking| {
        tracking
            .runs(options.model_name.as_ref(), options.limit)
            .await
    })?;
    match options.output {
        Some(Output::Json | Output::Yaml) => print_object(&runs, options.output)?,
        Some(Output::Name) => runs
            .iter()
            .for_each(|view| ui::print(&format!("{}\n", view.run.run_id))),
        wide => ui::print(&run_table(&runs, wide.is_some())),
    }
    Ok(())
}

/// Lists versions of models.
pub(crate) fn models(place: &Place, options: &ModelOptions) -> Result<()> {
    if let Some(ModelVerb::Compare(options)) = &options.verb {
        return compare::compare(place, options);
    }
    let versions = ask(place, &options.tracking, async |tracking| {
        tracking
            .registered(options.name.as_ref(), options.limit)
            .await
    })?;
    match options.output {
        Some(Output::Json | Output::Yaml) => print_object(&versions, options.output)?,
        Some(Output::Name) => versions
            .iter()
            .for_each(|view| ui::print(&format!("{}\n", view.version.uri()))),
        wide => ui::print(&version_table(&versions, wide.is_some())),
    }
    Ok(())
}

/// Asks the tracking that the steps use.
fn ask<R>(
    place: &Place,
    args: &TrackingArgs,
    question: impl AsyncFnOnce(&Tracking) -> Result<R>,
) -> Result<R> {
    let given = place
        .given()?
        .into_iter()
        .map(|(name, url)| (name.to_owned(), url))
        .collect::<BTreeMap<_, _>>();
    let store = Store::create(&place.addresses(&given)?.store_url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async { question(&Tracking::open(&store, args, Budget::default())?).await })
}

fn run_table(runs: &[RunView], wide: bool) -> String {
    let mut rows = vec![row([
        "RUN", "MODEL", "STATUS", "AGE", "DURATION", "METRICS", "ID", "PAGE",
    ])];
    for RunView { run, url } in runs {
        // A run that lies in a workflow's is below it in MLflow, not here.
        let model = run
            .model_name
            .as_ref()
            .map_or_else(|| "(workflow)".to_owned(), ToString::to_string);
        rows.push(vec![
            run.name.clone(),
            model,
            status(run.status).to_owned(),
            age(run.start_time),
            ui::duration(run.start_time, run.end_time),
            metrics(run),
            run.run_id.clone(),
            url.clone().unwrap_or_default(),
        ]);
    }
    shown(
        rows,
        if wide {
            &[0, 1, 2, 3, 4, 5, 6, 7]
        } else {
            &[0, 1, 2, 3, 5, 7]
        },
        "no runs yet",
    )
}

fn version_table(versions: &[VersionView], wide: bool) -> String {
    let mut rows = vec![row([
        "MODEL", "VERSION", "ALIAS", "STATUS", "AGE", "METRICS", "MANIFEST", "RUN",
    ])];
    for view in versions {
        let run = view.run.as_ref();
        rows.push(vec![
            view.version.model_name.to_string(),
            view.version.version.to_string(),
            view.aliases.join(", "),
            run.map_or("no run", |view| status(view.run.status))
                .to_owned(),
            age(view.version.created_at),
            run.map(|view| metrics(&view.run)).unwrap_or_default(),
            view.version.model.clone(),
            run.and_then(|view| view.url.clone())
                .unwrap_or_else(|| view.version.run_id.clone()),
        ]);
    }
    shown(
        rows,
        if wide {
            &[0, 1, 2, 3, 4, 5, 6, 7]
        } else {
            &[0, 1, 2, 3, 4, 5, 7]
        },
        "no models yet",
    )
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// The columns that are asked for; a sentence where there is nothing to show.
fn shown(rows: Vec<Vec<String>>, columns: &[usize], nothing: &str) -> String {
    if rows.len() == 1 {
        return format!("{nothing}\n");
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|i| row[*i].clone()).collect())
        .collect();
    ui::table(&rows)
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Finished => "finished",
        Status::Failed => "failed",
        Status::Killed => "killed",
    }
}

fn age(since: DateTime<Utc>) -> String {
    ui::duration(since, Some(now()))
}

fn metrics(run: &RunRecord) -> String {
    let metric = |name: &&str| Some(format!("{name} {:.4}", run.metric(name)?));
    SHOWN
        .iter()
        .filter_map(metric)
        .collect::<Vec<_>>()
        .join("  ")
}
