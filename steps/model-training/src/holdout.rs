//! Metrics of the holdout that few of its rows decide, such as one whose target is 1e20, and
//! classes that they do not judge.

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::fitted_model::FittedModel;
use learn::metrics::largest::LargestErrors;
use learn::metrics::multiclass;
use learn::rows::Rows;
use learn::task::Report;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled;
use table::scoring;

use crate::extremes::{WITHOUT_ROW, natural, number};
use crate::job::Job;
use crate::texts::four;
use crate::training_rows::{SCRATCH_BYTES, Sums, TrainingRows};

/// Rows of a class from which on metrics say something of it.
const ROWS_OF_CLASS: f64 = 5.0;

/// A sentence on the classes of which the holdout has hardly a row.
pub(crate) fn unjudged(job: &Job, holdout: &Report) -> Option<String> {
    let weighs = job.data.config.dataset.weight().is_some();
    let (rows, least) = match holdout {
        Report::Binary(report) => {
            let negatives = report.rows - report.positives;
            let rows = [negatives, report.positives];
            (rows.map(|rows| rows as f64).to_vec(), ROWS_OF_CLASS)
        }
        Report::Other(_) => {
            let report = holdout.read::<multiclass::Report>()?;
            let rows = report.classes.iter().map(|class| class.support);
            // What rows weigh is no number of rows, unless it is nothing.
            let least = if weighs {
                f64::MIN_POSITIVE
            } else {
                ROWS_OF_CLASS
            };
            (rows.collect(), least)
        }
    };
    let target = &job.data.goal.target;
    let few = target.class_names().into_iter().zip(rows);
    let few = few.filter(|(_, rows)| *rows < least);
    let few: Vec<String> = few
        .map(|(class, rows)| match rows > 0.0 {
            true => format!("only {rows} of class {class}"),
            false => format!("none of class {class}"),
        })
        .collect();
    (!few.is_empty()).then(|| {
        format!(
            "the {} rows of the holdout have {} of target {:?}: its metrics, which the gate compares, do \
             not judge what is predicted for them; change HOLDOUT, or deliver more such rows",
            holdout.rows(),
            few.join(", "),
            target.name
        )
    })
}

/// A sentence on the row of the holdout that makes most of the squared error, or on the few rows
/// that do.
pub(crate) async fn decided_by_few(
    step: &Step,
    store: &Store,
    job: &Job,
    model: &Arc<FittedModel>,
    holdout: &Report,
    progress: &Progress,
) -> Result<Option<String>> {
    let is_squared = job.data.goal.task.metric("rmse").is_some();
    let [largest, rmse] = ["max_error", "rmse"].map(|name| holdout.number(name));
    let (Some(largest), true) = (largest, is_squared) else {
        return Ok(None);
    };
    // The metrics show whether there is such a row, unless rows weigh.
    let weighs = job.data.config.dataset.weight().is_some();
    let may_be = |rmse| LargestErrors::may_decide(holdout.rows(), largest, rmse);
    if !weighs && !rmse.is_none_or(may_be) {
        return Ok(None);
    }
    let rows = scoring::rows_of(
        (step, store, &job.data.config),
        model,
        &job.data.holdout,
        None,
    )?;
    let rows = TrainingRows::new(step, rows, &job.data.holdout, SCRATCH_BYTES, progress)?;
    let errors = rows.sum(Errors::new(model)).await;
    let errors = errors.context("looking for the largest error of the holdout")?;
    let Some((found, share)) = errors.largest.deciding() else {
        return Ok(None);
    };
    let target = &job.data.goal.target.name;
    let mut named = Vec::new();
    for of in found {
        let (part, row) = rows.place(of.row).context("a row of the holdout")?;
        let (value, key) = natural(store, job, &rows, target, part, row).await?;
        let weight = match weighs {
            true => format!(" with the weight {}", number(of.weight)),
            false => String::new(),
        };
        named.push(format!(
            "{}, and predicted as {}{weight}, in {}{key}",
            value.unwrap_or_else(|| number(of.label)),
            four(Some(of.prediction)),
            labelled::origin(&job.data.holdout, &part.key, row),
        ));
    }
    let (these, make) = match found.len() {
        1 => ("this one".to_owned(), "makes"),
        count => (format!("these {count}"), "make"),
    };
    let wrong = match weighs {
        true => "the target or the weight",
        false => "the target",
    };
    Ok(Some(format!(
        "target {target:?} is {} of the holdout: {these} of {} rows {make} {:.1} % of the squared \
         error, so rmse and r2 say nothing about the others; if {wrong} is wrong, {WITHOUT_ROW}",
        named.join("; "),
        holdout.rows(),
        100.0 * share,
    )))
}

/// The largest errors of a model.
#[derive(Clone)]
struct Errors {
    model: Arc<FittedModel>,
    /// Number of the next row.
    row: u64,
    largest: LargestErrors,
    outputs: Vec<f64>,
}

impl Errors {
    fn new(model: &Arc<FittedModel>) -> Self {
        Self {
            model: model.clone(),
            row: 0,
            largest: LargestErrors::default(),
            outputs: Vec::new(),
        }
    }
}

impl Sums for Errors {
    fn bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }

    fn begin(&mut self, row: u64) {
        self.row = row;
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        self.outputs.clear();
        self.model.outputs(rows.x, &mut self.outputs);
        let predictions = self.outputs.iter().step_by(self.model.estimator.outputs());
        for (at, (label, prediction)) in rows.y.iter().zip(predictions).enumerate() {
            let weight = rows.weight(at);
            self.largest.add(self.row, *label, *prediction, weight);
            self.row += 1;
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.largest.merge(&later.largest);
        Ok(())
    }
}
