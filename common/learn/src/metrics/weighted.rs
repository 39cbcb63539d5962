//! Metrics of a binary classifier on rows that weigh, equal to scikit-learn's with
//! `sample_weight`.
//!
//! ```
//! use learn::metrics::weighted::Classification;
//!
//! let mut rows = Classification::new(0.5);
//! rows.add_rows(&[1.0, 0.0], &[0.9, 0.6], Some(&[3.0, 1.0]))?;
//! assert_eq!(rows.report().accuracy, Some(0.75));
//! # Ok::<(), learn::rows::RowError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::share::{Share, log_loss};
use super::{RankError, RankMetrics};
use crate::model::sum::Sum;
use crate::rows::{RowError, Rows, check_weights};

/// What rows weigh by label and prediction; mergeable.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confusion {
    true_negatives: Sum,
    false_positives: Sum,
    false_negatives: Sum,
    true_positives: Sum,
}

/// What follows from a [`Confusion`]. Undefined ones are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Weight of all rows.
    pub weight: f64,
    /// Weighted share of the positive class.
    pub base_rate: Option<f64>,
    /// Weighted share of the rows that are predicted positive.
    pub predicted_positive_rate: Option<f64>,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Option<f64>,
    /// Share of the predicted positives that are.
    pub precision: Option<f64>,
    /// Share of the positives that are found.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
}

/// What is summed per row at one threshold; mergeable.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    threshold: f64,
    rows: u64,
    confusion: Confusion,
    log_loss: Sum,
    squared_error: Sum,
}

/// All metrics of one set of rows but those of their order. Undefined ones are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows in all.
    pub rows: u64,
    /// What they weigh.
    pub weight: f64,
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Weighted share of the positive class.
    pub base_rate: Option<f64>,
    /// Weight by label and prediction: true negatives, false positives, false negatives, true
    /// positives.
    pub confusion: [f64; 4],
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Option<f64>,
    /// Share of the predicted positives that are.
    pub precision: Option<f64>,
    /// Share of the positives that are found.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Mean negative log likelihood.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
}

impl Classification {
    /// Of no rows yet. The positive class is predicted from `threshold` on.
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold,
            rows: 0,
            confusion: Confusion::default(),
            log_loss: Sum::default(),
            squared_error: Sum::default(),
        }
    }

    /// Adds rows: labels are 0 or 1, probabilities those of the positive class.
    ///
    /// # Errors
    /// The first row with a value that is neither. Nothing is added then.
    ///
    /// # Panics
    /// When the slices differ in length: a bug of the caller.
    pub fn add_rows(
        &mut self,
        labels: &[f64],
        probabilities: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(), RowError> {
        let rows = Rows {
            x: probabilities,
            y: labels,
            weights,
        };
        assert_eq!(labels.len(), probabilities.len(), "one probability a label");
        rows.check_classes(2)?;
        check_probabilities(probabilities, 1)?;
        check_weights(weights, labels.len())?;
        for (row, (&label, &p)) in labels.iter().zip(probabilities).enumerate() {
            self.add(label == 1.0, p, rows.weight(row));
        }
        self.rows += labels.len() as u64;
        Ok(())
    }

    fn add(&mut self, positive: bool, p: f64, weight: f64) {
        self.confusion.add(positive, p >= self.threshold, weight);
        let of_label = if positive { p } else { 1.0 - p };
        self.log_loss.add(weight * log_loss(of_label));
        let error = p - f64::from(u8::from(positive));
        self.squared_error.add(weight * error * error);
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the thresholds differ: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.threshold.to_bits(),
            other.threshold.to_bits(),
            "sums at another threshold"
        );
        self.rows += other.rows;
        self.confusion.merge(&other.confusion);
        self.log_loss.merge(&other.log_loss);
        self.squared_error.merge(&other.squared_error);
    }

    /// Every metric.
    pub fn report(&self) -> Report {
        let shares = self.confusion.shares();
        let mean = |sum: Sum| (shares.weight > 0.0).then(|| sum.value() / shares.weight);
        Report {
            rows: self.rows,
            weight: shares.weight,
            threshold: self.threshold,
            base_rate: shares.base_rate,
            confusion: self.confusion.cells(),
            accuracy: shares.accuracy,
            balanced_accuracy: shares.balanced_accuracy,
            precision: shares.precision,
            recall: shares.recall,
            f1: shares.f1,
            log_loss: mean(self.log_loss),
            brier: mean(self.squared_error),
        }
    }
}

impl Confusion {
    /// Adds a row.
    pub fn add(&mut self, positive: bool, predicted: bool, weight: f64) {
        let cell = match (positive, predicted) {
            (false, false) => &mut self.true_negatives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (true, true) => &mut self.true_positives,
        };
        cell.add(weight);
    }

    /// Merges `other`, whose rows come after these.
    pub fn merge(&mut self, other: &Self) {
        self.true_negatives.merge(&other.true_negatives);
        self.false_positives.merge(&other.false_positives);
        self.false_negatives.merge(&other.false_negatives);
        self.true_positives.merge(&other.true_positives);
    }

    /// Of what was summed by true negatives, false positives, false negatives and true positives.
    pub fn of([tn, fp, fn_, tp]: [f64; 4]) -> Self {
        let mut all = Self::default();
        all.add(false, false, tn);
        all.add(false, true, fp);
        all.add(true, false, fn_);
        all.add(true, true, tp);
        all
    }

    /// True negatives, false positives, false negatives, true positives.
    pub fn cells(&self) -> [f64; 4] {
        [
            self.true_negatives,
            self.false_positives,
            self.false_negatives,
            self.true_positives,
        ]
        .map(|cell| cell.value())
    }

    /// Accuracy and the like.
    pub fn shares(&self) -> Shares {
        Shares::of(self.cells())
    }
}

impl Shares {
    /// Of true negatives, false positives, false negatives and true positives.
    pub fn of([tn, fp, fn_, tp]: [f64; 4]) -> Self {
        let share = |right, predicted, actual| Share {
            right,
            predicted,
            actual,
        };
        let (positive, negative) = (share(tp, tp + fp, tp + fn_), share(tn, tn + fn_, tn + fp));
        let weight = positive.actual + negative.actual;
        let some = |value: f64| (weight > 0.0).then_some(value);
        Self {
            weight,
            base_rate: some(positive.actual / weight),
            predicted_positive_rate: some(positive.predicted / weight),
            accuracy: some((tn + tp) / weight),
            balanced_accuracy: mean_recall(&[negative, positive]),
            precision: some(positive.precision()),
            recall: some(positive.recall()),
            f1: some(positive.f1()),
        }
    }
}

/// Mean recall of the classes that occur; `None` when none does.
pub(super) fn mean_recall(classes: &[Share]) -> Option<f64> {
    let mut sum = Sum::default();
    let present = classes.iter().filter(|class| class.actual > 0.0);
    let count = present.map(|class| sum.add(class.recall())).count();
    (count > 0).then(|| sum.value() / count as f64)
}

/// That probabilities, `outputs` a row, are from 0 to 1.
pub(super) fn check_probabilities(values: &[f64], outputs: usize) -> Result<(), RowError> {
    match values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(at) => Err(RowError::Prediction {
            row: at / outputs,
            value: values[at],
            expected: "a probability from 0 to 1",
        }),
        None => Ok(()),
    }
}

/// ROC AUC and average precision of rows that weigh, sorted by score, HIGHEST first; equal scores
/// in any order. Constant memory.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    positives: Sum,
    negatives: Sum,
    /// Weight of the pairs of a positive above a negative, ties counting half.
    pairs: Sum,
    precision: Sum,
    /// The current score, and the weight of its positives and negatives.
    tied: Option<(f64, Sum, Sum)>,
    rows: u64,
}

impl Ranking {
    /// Adds a row, whose score is not above any before it.
    ///
    /// # Errors
    /// Those of [`RankError`].
    pub fn add(&mut self, score: f64, positive: bool, weight: f64) -> Result<(), RankError> {
        let row = self.rows;
        if score.is_nan() {
            return Err(RankError::NotANumber { row });
        }
        let (_, mut above, mut below) = match self.tied.take() {
            Some(tied) if score == tied.0 => tied,
            Some((before, ..)) if score > before => {
                return Err(RankError::Unsorted { row, score, before });
            }
            tied => {
                self.close(tied);
                (score, Sum::default(), Sum::default())
            }
        };
        if positive { &mut above } else { &mut below }.add(weight);
        self.tied = Some((score, above, below));
        self.rows += 1;
        Ok(())
    }

    fn close(&mut self, tied: Option<(f64, Sum, Sum)>) {
        let Some((_, positives, negatives)) = tied else {
            return;
        };
        let (own, others) = (positives.value(), negatives.value());
        self.pairs
            .add(others * (self.positives.value() + 0.5 * own));
        self.positives.merge(&positives);
        self.negatives.merge(&negatives);
        if own > 0.0 {
            let above = self.positives.value();
            let share = above / (above + self.negatives.value());
            self.precision.add(own * share);
        }
    }

    /// The metrics of all rows.
    pub fn metrics(mut self) -> RankMetrics {
        let tied = self.tied.take();
        self.close(tied);
        let (positives, negatives) = (self.positives.value(), self.negatives.value());
        if positives <= 0.0 || negatives <= 0.0 {
            return RankMetrics::default();
        }
        RankMetrics {
            roc_auc: Some(self.pairs.value() / (positives * negatives)),
            pr_auc: Some(self.precision.value() / positives),
        }
    }
}
