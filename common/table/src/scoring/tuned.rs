//! The calibration, the threshold and the interval of a model, of rows that it was not fitted on.

use std::sync::Arc;

use anyhow::Result;

use super::Ranks;
use super::pass::{Watch, pass};
use crate::labelled::LabelledRows;
use catalog::manifest::DatasetManifest;
use learn::calibration::{Calibration, Isotonic, Method, SigmoidFit, SigmoidSums};
use learn::fitted_model::FittedModel;
use learn::interval::{Quantiles, Weights};
use learn::rows::Rows;
use learn::threshold::{Found, Sought, Sweep};
use runtime::step::{Progress, Step};
use runtime::threads::blocking;

/// Fits what makes probabilities of the raw scores of a model of two classes; `None` without rows
/// of both classes that weigh something, and of [`Method::None`]. Memory does not grow with the
/// rows, but for the steps of an isotonic function.
///
/// # Errors
/// As [`super::evaluate`].
pub async fn calibrate(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    method: Method,
    progress: &Progress,
) -> Result<Option<Calibration>> {
    let on = (step, rows, model, dataset, progress);
    let [negatives, positives] = watched(on, |_| ClassWeights::default()).await?.0;
    if negatives == 0.0 || positives == 0.0 {
        return Ok(None);
    }
    match method {
        Method::None => Ok(None),
        Method::Sigmoid => {
            let mut fit = SigmoidFit::new(negatives, positives);
            loop {
                let none = fit.sums();
                let sums = watched(on, move |_| Sigmoid(none.clone())).await?;
                if let Some(found) = fit.advance(&sums.0) {
                    return Ok(Some(found));
                }
            }
        }
        Method::Isotonic => {
            let ranks = Ranks::one_of(1, step.work());
            watched(on, move |_| Sorted(ranks.clone()))
                .await?
                .finish()
                .await
        }
    }
}

/// Seeks the threshold of a model of two classes by its probabilities; `None` where none keeps the
/// rule, and without rows of both classes that weigh something. Memory does not grow with the rows.
///
/// # Errors
/// As [`super::evaluate`].
pub async fn threshold(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    sought: Sought,
    progress: &Progress,
) -> Result<Option<Found>> {
    let ranks = Ranks::one_of(1, step.work());
    let begin = move |_| Ranked {
        ranks: ranks.clone(),
        weights: ClassWeights::default(),
    };
    let on = (step, rows, model, dataset, progress);
    let Ranked { ranks, weights } = watched(on, begin).await?;
    let [negatives, positives] = weights.0;
    if negatives == 0.0 || positives == 0.0 {
        return Ok(None);
    }
    blocking(move || {
        let mut sweep = Sweep::new(sought, positives, negatives);
        for row in ranks.ranked()? {
            let (probability, positive, weight) = row?;
            sweep.add(probability, positive, weight);
        }
        Ok(sweep.finish())
    })
    .await
}

/// What is added to the predictions of a model of a number, or to its quantiles, for the ends of an
/// interval that holds this share of the labels; `None` of too few rows that weigh something.
/// Memory does not grow with the rows.
///
/// # Errors
/// As [`super::evaluate`].
pub async fn interval(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    level: f64,
    progress: &Progress,
) -> Result<Option<[f64; 2]>> {
    // Those of the prediction are both ends; those of a quantile are its own.
    let (width, places) = match model.rule.quantiles {
        true => (3, vec![1, 2]),
        false => (1, vec![0]),
    };
    let many = places.len();
    let ranks = places
        .into_iter()
        .map(|at| (at, Ranks::one_of(many, step.work())));
    let ranks: Vec<_> = ranks.collect();
    let begin = move |_| Residuals {
        width,
        ranks: ranks.clone(),
        weights: Weights::default(),
    };
    let on = (step, rows, model, dataset, progress);
    let Residuals { ranks, weights, .. } = watched(on, begin).await?;
    let Some(quantiles) = Quantiles::new(level, &weights) else {
        return Ok(None);
    };
    blocking(move || {
        let found = ranks.iter().map(|(_, ranks)| {
            let mut quantiles = quantiles.clone();
            for row in ranks.ranked()? {
                let (residual, _, weight) = row?;
                quantiles.add(residual, weight);
            }
            Ok(quantiles.finish())
        });
        let found = found.collect::<Result<Option<Vec<[f64; 2]>>>>()?;
        Ok(found.and_then(|of| Some([of.first()?[0], of.last()?[1]])))
    })
    .await
}

/// Rows of all parts by their residuals, and what they weigh.
struct Residuals {
    /// Numbers of a row of outputs.
    width: usize,
    /// By the place of the number that the residuals are of.
    ranks: Vec<(usize, Ranks)>,
    weights: Weights,
}

impl Watch for Residuals {
    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()> {
        for (at, ranks) in &self.ranks {
            let scored = rows.y.iter().zip(outputs.chunks_exact(self.width));
            ranks.add(
                scored
                    .enumerate()
                    .map(|(row, (label, outputs))| (false, label - outputs[*at], rows.weight(row))),
            )?;
        }
        (0..rows.len()).for_each(|row| self.weights.add(rows.weight(row)));
        Ok(())
    }

    /// All parts add to the same ranks.
    fn merge(&mut self, later: Self) {
        self.weights.merge(&later.weights);
    }
}

/// Rows of all parts by their probability, and what those of each class weigh.
struct Ranked {
    ranks: Ranks,
    weights: ClassWeights,
}

impl Watch for Ranked {
    fn take(&mut self, rows: Rows<'_>, probabilities: &[f64]) -> Result<()> {
        let scored = probabilities.iter().enumerate();
        let scored = scored.map(|(row, of)| (rows.y[row] == 1.0, *of, rows.weight(row)));
        self.ranks.add(scored)?;
        self.weights.take(rows, probabilities)
    }

    /// All parts add to the same ranks.
    fn merge(&mut self, later: Self) {
        self.weights.merge(later.weights);
    }
}

/// Where a pass is made.
type On<'a> = (
    &'a Step,
    &'a LabelledRows,
    &'a Arc<FittedModel>,
    &'a DatasetManifest,
    &'a Progress,
);

async fn watched<W: Watch>(
    (step, rows, model, dataset, progress): On<'_>,
    begin: impl Fn(u64) -> W + Clone + Send + 'static,
) -> Result<W> {
    pass(step, rows, model, dataset, progress, &[], begin).await
}

/// The scores that a calibration is of.
fn raw_scores(model: &FittedModel, rows: &[f64], out: &mut Vec<f64>) {
    model.estimator.raw(rows, out);
}

/// What rows of each class weigh: their number, where they do not weigh.
#[derive(Default)]
struct ClassWeights([f64; 2]);

impl Watch for ClassWeights {
    fn take(&mut self, rows: Rows<'_>, _scores: &[f64]) -> Result<()> {
        for (row, label) in rows.y.iter().enumerate() {
            self.0[usize::from(*label == 1.0)] += rows.weight(row);
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        let pairs = self.0.iter_mut().zip(later.0);
        pairs.for_each(|(ours, theirs)| *ours += theirs);
    }
}

/// Sums of one step.
struct Sigmoid(SigmoidSums);

impl Watch for Sigmoid {
    fn outputs(model: &FittedModel, rows: &[f64], out: &mut Vec<f64>) {
        raw_scores(model, rows, out);
    }

    fn take(&mut self, rows: Rows<'_>, scores: &[f64]) -> Result<()> {
        self.0.add(scores, rows.y, rows.weights);
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.0.merge(&later.0);
    }
}

/// Rows of all parts, by ascending score once they are read: each is added with its score negated.
struct Sorted(Ranks);

impl Watch for Sorted {
    fn outputs(model: &FittedModel, rows: &[f64], out: &mut Vec<f64>) {
        raw_scores(model, rows, out);
    }

    fn take(&mut self, rows: Rows<'_>, scores: &[f64]) -> Result<()> {
        let scored = scores.iter().enumerate();
        self.0
            .add(scored.map(|(row, score)| (rows.y[row] == 1.0, -score, rows.weight(row))))
    }

    /// All parts add to the same.
    fn merge(&mut self, _later: Self) {}
}

impl Sorted {
    async fn finish(self) -> Result<Option<Calibration>> {
        blocking(move || {
            let mut isotonic = Isotonic::default();
            for row in self.0.ranked()? {
                let (negated, positive, weight) = row?;
                isotonic.add(-negated, positive, weight);
            }
            Ok(isotonic.finish())
        })
        .await
    }
}
