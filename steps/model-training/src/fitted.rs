//! One candidate, fitted: its preprocessing, then its estimator.

use std::sync::Arc;

use anyhow::Result;
use learn::estimator::HeldRows;
use learn::models::Chosen;
use learn::preprocessing::Family as PreparedFor;
use learn::threshold::Found;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled::{LabelledRows, Side, Split};

use crate::fit::{self, Fit};
use crate::job::Job;
use crate::memory;
use crate::training_rows::{SCRATCH_BYTES, TrainingRows};

/// A fit, and the rows that it was made of.
pub(crate) struct Fitted {
    pub(crate) fit: Fit,
    pub(crate) rows: TrainingRows,
    /// The step on as many threads as there is memory for beside the tables of the fit.
    pub(crate) step: Step,
    /// The threshold that the rule of `models.json` finds on validation rows, where it was sought
    /// and one keeps the rule.
    pub(crate) threshold: Option<Found>,
}

/// Which rows a candidate is fitted on.
#[derive(Clone, Copy)]
pub(crate) enum On<'a> {
    /// All training rows.
    All,
    /// Those of a split that are to fit on.
    Split(&'a Arc<Split>),
    /// As [`On::Split`], of a fit that is only measured.
    Measured(&'a Arc<Split>),
}

impl<'a> On<'a> {
    /// The split, where there is one.
    pub(crate) fn split(self) -> Option<&'a Arc<Split>> {
        match self {
            Self::All => None,
            Self::Split(split) | Self::Measured(split) => Some(split),
        }
    }
}

/// Fits a candidate.
///
/// # Errors
/// Columns that can't be prepared as asked, and data that no model can be fitted on: exit 2 or 10.
pub(crate) async fn fitted(
    step: &Step,
    store: &Store,
    job: &Job,
    candidate: &Chosen,
    on: On<'_>,
    progress: &Progress,
) -> Result<Fitted> {
    let split = on.split();
    let on_side = |rows: LabelledRows| match split {
        None => rows,
        Some(split) => rows.on_side(split, Side::Fit),
    };
    let prepared = fit::preprocessing(step, store, job, candidate, on_side, progress).await?;
    let (preprocessing, out_of_fold) = prepared;
    let fitting = memory::Fitting {
        candidate,
        target: &job.data.goal.target,
        features: job.signature.features().len(),
    };
    let step = memory::fitting(step, fitting, preprocessing.width())?;
    let stops_early = candidate.family.stops_early(&candidate.options);
    let of_validation = split.filter(|_| stops_early);
    let held = HeldRows {
        fit: split.map_or(job.data.train.rows, |split| split.rows(Side::Fit)),
        validation: of_validation.map_or(0, |split| split.rows(Side::Validation)),
        inputs: preprocessing.width(),
    };
    memory::rows(&step, fitting, held)?;
    let (work, config) = (step.work(), &job.data.config);
    let rows = LabelledRows::new(store, work, config, &job.signature, &preprocessing)?;
    let takes_missing = candidate.family.preparation() == PreparedFor::Trees;
    let rows = rows.with_missing(takes_missing);
    let validation = of_validation.map(|split| rows.clone().on_side(split, Side::Validation));
    let rows = match out_of_fold {
        None => rows,
        some => rows.in_folds(&job.data.train, some),
    };
    let of = |rows| TrainingRows::new(&step, rows, &job.data.train, SCRATCH_BYTES, progress);
    let rows = match validation {
        None => of(on_side(rows))?,
        Some(validation) => of(on_side(rows))?.validated_on(of(validation)?),
    };
    let rows = match on {
        On::Measured(_) => rows.only_measured(),
        On::All | On::Split(_) => rows,
    };
    let fit = fit::fit(store, job, candidate, &rows).await?;
    Ok(Fitted {
        fit,
        rows,
        step,
        threshold: None,
    })
}
