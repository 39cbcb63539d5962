//! Metrics of the holdout that one of its rows decides, such as one whose target is 1e20.

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::fitted_model::FittedModel;
use learn::rows::Rows;
use learn::task::Report;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled;
use table::scoring;

use crate::extremes::{WITHOUT_ROW, natural, number};
use crate::job::Job;
use crate::record::four;
use crate::training_rows::{SCRATCH_BYTES, Sums, TrainingRows};

/// Of so many rows, none should...
const ROWS: u64 = 100;
/// ... make more than this share of the squared error.
const MOST: f64 = 0.5;

/// A sentence on the row of the holdout that makes most of the squared error, where one does.
pub(crate) async fn decided_by_one(
    step: &Step,
    store: &Store,
    job: &Job,
    model: &Arc<FittedModel>,
    holdout: &Report,
    progress: &Progress,
) -> Result<Option<String>> {
    let largest = holdout.number("max_error").filter(|of| *of > 0.0);
    let is_squared = job.data.goal.task.metric("rmse").is_some();
    let Some(unit) = largest.filter(|_| is_squared && holdout.rows() >= ROWS) else {
        return Ok(None);
    };
    // The metrics show whether there is such a row, unless rows weigh.
    let may_be = |rmse: f64| (unit / rmse) * (unit / rmse) > MOST * holdout.rows() as f64;
    let weighs = job.data.config.dataset.weight().is_some();
    if !weighs && !holdout.number("rmse").is_none_or(may_be) {
        return Ok(None);
    }
    let rows = scoring::rows_of(
        (step, store, &job.data.config),
        model,
        &job.data.holdout,
        None,
    )?;
    let rows = TrainingRows::new(step, rows, &job.data.holdout, SCRATCH_BYTES, progress)?;
    let errors = rows.sum(Errors::new(model, unit)).await;
    let errors = errors.context("looking for the largest error of the holdout")?;
    let share = errors.largest.square / errors.squares;
    if share.is_nan() || share <= MOST {
        return Ok(None);
    }
    let Largest {
        row,
        label,
        prediction,
        ..
    } = errors.largest;
    let (part, row) = rows.place(row).context("a row of the holdout")?;
    let target = &job.data.goal.target.name;
    let (value, key) = natural(store, job, &rows, target, part, row).await?;
    Ok(Some(format!(
        "target {target:?} is {}, and predicted as {}, in {}{key} of the holdout: this one of {} \
         rows makes {:.1} % of the squared error, so rmse and r2 say nothing about the others; if \
         the target is wrong, {WITHOUT_ROW}",
        value.unwrap_or_else(|| number(label)),
        four(Some(prediction)),
        labelled::origin(&job.data.holdout, &part.key, row),
        holdout.rows(),
        100.0 * share,
    )))
}

/// Squared errors in a unit, so that they do not overflow, and the largest of them.
#[derive(Clone)]
struct Errors {
    model: Arc<FittedModel>,
    unit: f64,
    rows: u64,
    squares: f64,
    largest: Largest,
    outputs: Vec<f64>,
}

#[derive(Clone, Copy, Default)]
struct Largest {
    square: f64,
    row: u64,
    label: f64,
    prediction: f64,
}

impl Errors {
    fn new(model: &Arc<FittedModel>, unit: f64) -> Self {
        Self {
            model: model.clone(),
            unit,
            rows: 0,
            squares: 0.0,
            largest: Largest::default(),
            outputs: Vec::new(),
        }
    }
}

impl Sums for Errors {
    fn bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        self.outputs.clear();
        self.model.outputs(rows.x, &mut self.outputs);
        let predictions = self.outputs.iter().step_by(self.model.estimator.outputs());
        for (at, (label, prediction)) in rows.y.iter().zip(predictions).enumerate() {
            let error = (prediction - label) / self.unit;
            let square = rows.weight(at) * error * error;
            self.squares += square;
            if square > self.largest.square {
                self.largest = Largest {
                    square,
                    row: self.rows + at as u64,
                    label: *label,
                    prediction: *prediction,
                };
            }
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.squares += later.squares;
        if later.largest.square > self.largest.square {
            self.largest = Largest {
                row: self.rows + later.largest.row,
                ..later.largest
            };
        }
        self.rows += later.rows;
        Ok(())
    }
}
