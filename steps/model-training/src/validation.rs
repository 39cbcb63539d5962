//! The validation rows of a fit, and the threshold that is found on them.

use std::sync::Arc;

use anyhow::Result;
use learn::fitted_model::FittedModel;
use learn::threshold::Found;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled::{LabelledRows, Side, Split};
use table::scoring;

use crate::fit::Fit;
use crate::job::Job;

/// Validation rows, as a fitted preprocessing makes numbers of them.
pub(crate) fn validation_rows(
    step: &Step,
    store: &Store,
    job: &Job,
    model: &FittedModel,
    split: &Arc<Split>,
) -> Result<LabelledRows> {
    let on = (step, store, &job.data.config);
    let rows = scoring::rows_of(on, model, &job.data.train, None)?;
    Ok(rows.on_side(split, Side::Validation))
}

/// Makes a part of a fit the threshold that the rule finds on rows, where one keeps it.
pub(crate) async fn threshold(
    step: &Step,
    job: &Job,
    fit: &mut Fit,
    rows: &LabelledRows,
    progress: &Progress,
) -> Result<Option<Found>> {
    let Some(sought) = job.choice.sought() else {
        return Ok(None);
    };
    let found =
        scoring::threshold(step, rows, &fit.model, &job.data.train, sought, progress).await?;
    if let Some(found) = &found {
        Arc::make_mut(&mut fit.model).rule.threshold = found.threshold;
    }
    Ok(found)
}
