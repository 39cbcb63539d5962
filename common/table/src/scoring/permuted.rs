//! How much each feature matters to a model, by rows that it was not fitted on.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::pass::{Watch, pass};
use crate::labelled::LabelledRows;
use catalog::manifest::DatasetManifest;
use learn::fitted_model::FittedModel;
use learn::permutation::{Permuted, Sample, features, importance, unshuffled};
use learn::rows::Rows;
use learn::task::Metric;
use runtime::step::{Progress, Step};
use runtime::threads::blocking;

/// Permutation importance of the features, largest first, on the rows of a [`Sample`]. Empty where
/// the metric is undefined on them. `std` is the standard deviation of each input of the estimator.
///
/// # Errors
/// As [`super::evaluate`].
pub async fn permuted(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    (metric, std): (Metric, &[f64]),
    progress: &Progress,
) -> Result<Vec<Permuted>> {
    let counts = dataset.parts.iter().map(|part| rows.rows_of(part));
    let count = counts.sum::<Result<u64>>()?;
    let places = features(model, std);
    let none = Sample::of(count, model, places.len());
    let begin = move |row| Picked {
        sample: none.clone(),
        row,
    };
    let Picked { sample, .. } = pass(step, rows, model, dataset, progress, &[], begin).await?;
    tracing::info!(
        "permutation importance is measured on {} of {count} validation rows",
        sample.rows()
    );
    let sample = Arc::new(sample);
    let whole = {
        let (model, sample) = (model.clone(), sample.clone());
        blocking(move || unshuffled(&model, metric, &sample).context("measuring validation rows"))
    };
    let Some(whole) = whole.await? else {
        return Ok(Vec::new());
    };
    let permute = {
        let (step, model) = (step.clone(), model.clone());
        move |place| {
            step.check()?;
            importance(&model, metric, &sample, whole, place).context("permuting a feature")
        }
    };
    let mut found = Vec::new();
    step.fold(places, permute, |of| {
        found.extend(of);
        Ok(())
    })
    .await?;
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Ok(found)
}

/// The rows of the sample.
struct Picked {
    sample: Sample,
    /// Number of the next row among all.
    row: u64,
}

impl Watch for Picked {
    fn outputs(_: &FittedModel, _: &[f64], _: &mut Vec<f64>) {}

    fn take(&mut self, rows: Rows<'_>, _: &[f64]) -> Result<()> {
        self.sample.add(self.row, rows);
        self.row += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.sample.merge(later.sample);
    }
}
