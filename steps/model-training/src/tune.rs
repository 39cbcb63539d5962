//! What is found of the scores of a fit on validation rows: the calibration of its probabilities.

use std::sync::Arc;

use anyhow::Result;
use learn::calibration::{Calibration, Method};
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled::{LabelledRows, Side, Split};
use table::scoring;

use crate::fit::Fit;
use crate::job::Job;
use crate::select::{Selected, validation_rows};

/// What was found; it belongs to the model.
#[derive(Default)]
pub(crate) struct Tuned {
    calibration: Option<Calibration>,
}

impl Tuned {
    /// Makes it a part of a fit: the one that it was found of, or that on all training rows.
    pub(crate) fn apply(self, fit: &mut Fit) {
        let model = Arc::make_mut(&mut fit.model);
        model.calibration = self.calibration;
    }
}

/// Finds what `models.json` asks for, of the fit that was selected, and notes it in the selection.
///
/// # Errors
/// Validation rows of one class: exit 10.
pub(crate) async fn tune(
    step: &Step,
    store: &Store,
    job: &Job,
    selected: &mut Selected,
    split: &Arc<Split>,
    progress: &Progress,
) -> Result<Tuned> {
    let mut tuned = Tuned::default();
    let rows = validation_rows(step, store, job, &selected.fitted, split)?;
    if job.choice.calibration != Method::None {
        let calibration = calibration(step, job, selected, &rows, split, progress).await?;
        selected.selection.calibration = Some(calibration.method());
        tuned.calibration = Some(calibration);
    }
    Ok(tuned)
}

async fn calibration(
    step: &Step,
    job: &Job,
    selected: &Selected,
    rows: &LabelledRows,
    split: &Split,
    progress: &Progress,
) -> Result<Calibration> {
    let (method, model) = (job.choice.calibration, &selected.fitted.fit.model);
    let found = scoring::calibrate(step, rows, model, &job.train, method, progress).await?;
    let rows = split.rows(Side::Validation);
    let found = found.ok_or_else(|| {
        Failure::contract(format!(
            "the {rows} validation rows of {} do not hold both classes of target {:?}, and \
             `calibration` in models.json needs them: set a larger `fraction` of `validation`, or \
             leave `calibration` out",
            job.train_key, job.goal.target.name
        ))
    })?;
    match &found {
        Calibration::Sigmoid { a, b } => {
            tracing::info!(
                "calibration on {rows} validation rows: 1 / (1 + exp({a:.4} x score + {b:.4}))"
            );
        }
        Calibration::Isotonic { x, .. } => {
            tracing::info!(
                "calibration on {rows} validation rows: isotonic, {} points",
                x.len()
            );
        }
    }
    Ok(found)
}
