//! `backfill`: which past dates are scored, and why.

#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::{Context, Result};
use catalog::attempt::Attempt;
use catalog::layout::{self, DataVersion, ModelName};
use chrono::NaiveDate;
use chrono_tz::Tz;
use futures::{StreamExt, TryStreamExt, stream};
use runtime::failure::Failure;
use runtime::step::Outputs;
use serde::{Deserialize, Serialize};
use store::Store;
use tracking::Tracking;

/// What a glob must hold for a date to have files of its own.
const DATE: &str = "{data-version}";
/// Dates that are looked at, at most: the decisions must fit an output parameter.
const MOST_DATES: i64 = 1000;
/// Dates that are looked at at the same time.
const LOOKED_AT: usize = 16;
/// Dates of one workflow, at most: each takes some forty nodes, and Argo keeps all of a workflow's
/// in one object.
const MOST_CHOSEN: usize = 100;
/// The item of a plan without dates: Argo trips over an empty list. Nothing runs for it.
const NO_DATE: &str = "none";

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
    pub(crate) model_name: ModelName,
    pub(crate) model_ref: String,
    pub(crate) reprocess: Reprocess,
    pub(crate) max_active: String,
    pub(crate) newest_first: bool,
    pub(crate) dry_run: bool,
    pub(crate) glob: String,
}

/// Which dates are scored again, in Airflow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Reprocess {
    /// None: only dates that were never attempted are scored.
    None,
    /// Those whose last attempt failed, too, and those without files, for which some may have come.
    Failed,
    /// Every date.
    All,
}

/// What became of a date so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Nobody tried.
    Open,
    /// The last attempt failed.
    Failed,
    /// The last attempt found no files to score.
    #[serde(rename = "no files")]
    NoFiles,
    /// There are results.
    Scored,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Open => "never attempted",
            State::Failed => "last attempt failed",
            State::NoFiles => "no files at the last attempt",
            State::Scored => "scored",
        })
    }
}

/// What is decided about one date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) date: NaiveDate,
    pub(crate) state: State,
    pub(crate) run: bool,
    /// Whether there are results, and with them a choice of files that stays.
    #[serde(skip)]
    pub(crate) has_results: bool,
}

/// Reads a date; an instant is cut to its date in `timezone`.
pub(crate) fn date(flag: &str, text: &str, timezone: Tz) -> Result<NaiveDate> {
    let version = DataVersion::parse(text, timezone).with_context(|| flag.to_owned())?;
    let date = NaiveDate::parse_from_str(&version.to_string(), "%Y-%m-%d").ok();
    // Written in another way it would be another data version.
    date.filter(|date| date.to_string() == version.to_string())
        .ok_or_else(|| Failure::usage(format!("{flag} {text} is not a date, such as 2026-11-01")))
}

pub(crate) async fn backfill(
    tracking: &Tracking,
    store: &Store,
    request: &Request,
) -> Result<Outputs> {
    check(request)?;
    // Pinned for all dates: a promotion in between must not mix versions.
    let model = tracking
        .resolve(&request.model_name, &request.model_ref)
        .await?;
    let decisions = decide(store, request).await?;
    check_glob(&request.glob, &decisions)?;
    Ok(outputs(request, &decisions)?.set("model-version", model.version))
}

/// Every date with what is decided about it, in the order in which they are to run.
async fn decide(store: &Store, request: &Request) -> Result<Vec<Decision>> {
    let decide = async |date| {
        let (state, has_results) = state(store, &request.model_name, date).await?;
        let run = match request.reprocess {
            Reprocess::None => state == State::Open,
            Reprocess::Failed => state != State::Scored,
            Reprocess::All => true,
        };
        anyhow::Ok(Decision {
            date,
            state,
            run,
            has_results,
        })
    };
    let dates = request
        .from
        .iter_days()
        .take_while(|date| *date <= request.to);
    let mut decisions: Vec<Decision> = stream::iter(dates)
        .map(decide)
        .buffered(LOOKED_AT)
        .try_collect()
        .await?;
    if request.newest_first {
        decisions.reverse();
    }
    Ok(decisions)
}

fn outputs(request: &Request, decisions: &[Decision]) -> Result<Outputs> {
    let chosen: Vec<String> = decisions
        .iter()
        .filter(|d| d.run)
        .map(|d| d.date.to_string())
        .collect();
    let summary = log_decisions(request, decisions, chosen.len());
    if chosen.len() > MOST_CHOSEN {
        return Err(Failure::usage(format!(
            "{} dates are to be scored, and a backfill can score at most {MOST_CHOSEN}: narrow --from and --to",
            chosen.len()
        )));
    }
    let runs = !chosen.is_empty() && !request.dry_run;
    let count = chosen.len();
    let dates = if chosen.is_empty() {
        vec![NO_DATE.to_owned()]
    } else {
        chosen
    };
    Ok(Outputs::new()
        .set("dates", serde_json::to_string(&dates)?)
        .set("count", count)
        .set(
            "max-active",
            if runs {
                request.max_active.as_str()
            } else {
                "0"
            },
        )
        .set("decisions", serde_json::to_string(decisions)?)
        .set("summary", summary))
}

/// Refuses a glob of the same files for every date, but for dates whose files are chosen already.
fn check_glob(glob: &str, decisions: &[Decision]) -> Result<()> {
    let mut without = decisions
        .iter()
        .filter(|decision| decision.run && !decision.has_results);
    match without.next() {
        Some(first) if !glob.contains(DATE) => Err(Failure::usage(format!(
            "PREDICT_GLOB is {glob}, the same files for every date, and {} of the dates, such as {}, \
             have no results whose files could be scored again: a backfill needs {DATE} in it, as in \
             predict/{DATE}/*.parquet, so that each date has its own files",
            1 + without.count(),
            first.date
        ))),
        _ => Ok(()),
    }
}

fn check(request: &Request) -> Result<()> {
    let Request { from, to, .. } = request;
    let dates = (*to - *from).num_days() + 1;
    if dates < 1 {
        return Err(Failure::usage(format!("--from {from} is after --to {to}")));
    }
    if dates > MOST_DATES {
        return Err(Failure::usage(format!(
            "from {from} to {to} are {dates} dates, and the maximum is {MOST_DATES}"
        )));
    }
    Ok(())
}

/// What became of a date so far: by its last attempt, else by its results.
/// Gives also whether there are results.
async fn state(store: &Store, model_name: &ModelName, date: NaiveDate) -> Result<(State, bool)> {
    let version = DataVersion::of(date);
    let results = store.list(&layout::results(&version, model_name)).await?;
    let is_scored = results
        .iter()
        .any(|object| layout::parse_results_manifest(&object.key).is_some());
    let mut last: Option<Attempt> = None;
    for object in store.list(&layout::attempts(&version)).await? {
        let attempt: Attempt = store.require_json(&object.key).await?;
        if attempt.is_of(model_name)
            && last
                .as_ref()
                .is_none_or(|last| attempt.recorded_at > last.recorded_at)
        {
            last = Some(attempt);
        }
    }
    let state = match (is_scored, last) {
        (true, Some(attempt)) if attempt.status != "Succeeded" => State::Failed,
        (true, _) => State::Scored,
        (false, Some(attempt)) if attempt.status == "Succeeded" => State::NoFiles,
        (false, Some(_)) => State::Failed,
        (false, None) => State::Open,
    };
    Ok((state, is_scored))
}

/// Logs every date and the decision on it; returns the summary.
fn log_decisions(request: &Request, decisions: &[Decision], chosen: usize) -> String {
    let mut table = String::new();
    for Decision {
        date, state, run, ..
    } in decisions
    {
        table += &format!(
            "\n  {date}  {}  {state}",
            if *run { "run " } else { "skip" }
        );
    }
    let verb = if request.dry_run {
        "would be scored (dry run)"
    } else {
        "are scored"
    };
    let mut summary = format!("{chosen} of {} dates {verb}", decisions.len());
    let without = decisions.iter().filter(|of| of.state == State::NoFiles);
    let without: Vec<String> = without.map(|of| of.date.to_string()).collect();
    if !without.is_empty() {
        summary += &format!("; no files at the last attempt: {}", without.join(", "));
    }
    tracing::info!(dates = chosen, "{summary}:{table}");
    summary
}
