//! Metrics of a binary classifier, streamed and mergeable, equal to scikit-learn's. Pure.
//!
//! [`Classification`] takes rows in any order; [`rank_metrics`] takes them sorted by score.
//! [`Report`] joins both. Other tasks, and rows that weigh, have modules of their own.
//! A metric that is undefined is `None`, and null in JSON: never NaN.
//!
//! ```
//! use learn::metrics::Classification;
//!
//! let mut counts = Classification::new(0.5);
//! counts.add_rows(&[1, 0, 1], &[0.9, 0.6, 0.7])?;
//! // The counts of another part of the rows are merged, in the order of the parts.
//! let mut others = Classification::new(0.5);
//! others.add_rows(&[0], &[0.1])?;
//! counts.merge(&others);
//! assert_eq!(counts.confusion().accuracy(), Some(0.75));
//! assert_eq!(counts.confusion().recall(), Some(1.0));
//! # Ok::<(), learn::metrics::ScoreError>(())
//! ```

pub(crate) mod beta;
pub mod bootstrap;
mod curve;
mod interval;
pub mod largest;
pub mod multiclass;
mod order;
pub mod paired;
mod rank;
pub mod regression;
pub mod select;
mod share;
#[cfg(test)]
mod tests;
pub mod weighted;

use serde::{Deserialize, Serialize};

use crate::model::sum::Sum;
use crate::rows::RowError;
use weighted::Shares;

pub use curve::{Curve, CurvePoint};
pub use interval::{Interval, Intervals, wilson};
pub use order::{from_ordered_bits, ordered_bits};
pub use rank::{RankError, RankMetrics, Ranking, rank_metrics};
pub use share::Share;

/// Calibration bins of equal width over [0, 1].
pub const CALIBRATION_BINS: usize = 10;

/// What is counted per row for the metrics of a binary classifier at one threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    threshold: f64,
    confusion: Confusion,
    log_loss: Sum,
    squared_error: Sum,
    bins: [Bin; CALIBRATION_BINS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bin {
    rows: u64,
    positives: u64,
    predicted: Sum,
}

/// Rows by label and prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Negative, predicted negative.
    pub true_negatives: u64,
    /// Negative, predicted positive.
    pub false_positives: u64,
    /// Positive, predicted negative.
    pub false_negatives: u64,
    /// Positive, predicted positive.
    pub true_positives: u64,
}

/// A row that has no metrics.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// A probability is NaN or not from 0 to 1.
    #[error("probability is {value} in row {row}: it must be from 0 to 1")]
    Probability {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
    /// A label is neither 0 nor 1.
    #[error("label is {value} in row {row}: a binary label is 0 or 1")]
    Label {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: u8,
    },
}

impl From<ScoreError> for RowError {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Probability { row, value } => Self::Prediction {
                row,
                value,
                expected: "a probability from 0 to 1",
            },
            ScoreError::Label { row, value } => Self::Label {
                row,
                value: f64::from(value),
                expected: "0 or 1".to_owned(),
            },
        }
    }
}

impl Classification {
    /// Of no rows yet. The positive class is predicted from `threshold` on.
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold,
            confusion: Confusion::default(),
            log_loss: Sum::default(),
            squared_error: Sum::default(),
            bins: [Bin::default(); CALIBRATION_BINS],
        }
    }

    /// Adds rows: labels are 0 or 1, probabilities those of the positive class.
    ///
    /// # Errors
    /// The first row with a value that is neither. Nothing is added then.
    ///
    /// # Panics
    /// When the slices differ in length: a bug of the caller.
    pub fn add_rows(&mut self, labels: &[u8], probabilities: &[f64]) -> Result<(), ScoreError> {
        assert_eq!(
            labels.len(),
            probabilities.len(),
            "one probability per label"
        );
        if let Some(row) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(ScoreError::Probability {
                row,
                value: probabilities[row],
            });
        }
        if let Some(row) = labels.iter().position(|&label| label > 1) {
            return Err(ScoreError::Label {
                row,
                value: labels[row],
            });
        }
        for (&label, &p) in labels.iter().zip(probabilities) {
            self.add(label == 1, p);
        }
        Ok(())
    }

    fn add(&mut self, positive: bool, p: f64) {
        let count = match (positive, p >= self.threshold) {
            (false, false) => &mut self.confusion.true_negatives,
            (false, true) => &mut self.confusion.false_positives,
            (true, false) => &mut self.confusion.false_negatives,
            (true, true) => &mut self.confusion.true_positives,
        };
        *count += 1;
        let of_label = if positive { p } else { 1.0 - p };
        self.log_loss.add(share::log_loss(of_label));
        let error = p - f64::from(u8::from(positive));
        self.squared_error.add(error * error);
        let bin = &mut self.bins[calibration_bin(p)];
        bin.rows += 1;
        bin.positives += u64::from(positive);
        bin.predicted.add(p);
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the thresholds differ: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.threshold.to_bits(),
            other.threshold.to_bits(),
            "counts at another threshold"
        );
        self.confusion.merge(&other.confusion);
        self.log_loss.merge(&other.log_loss);
        self.squared_error.merge(&other.squared_error);
        for (ours, theirs) in self.bins.iter_mut().zip(&other.bins) {
            ours.rows += theirs.rows;
            ours.positives += theirs.positives;
            ours.predicted.merge(&theirs.predicted);
        }
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.confusion.rows()
    }

    /// The threshold.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Rows by label and prediction.
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// Every metric. Without [`RankMetrics`] those two are `None`.
    pub fn report(&self, rank: Option<&RankMetrics>) -> Report {
        let c = &self.confusion;
        let rows = c.rows();
        let mean = |sum: &Sum| (rows > 0).then(|| sum.value() / rows as f64);
        Report {
            rows,
            positives: c.positives(),
            weight: None,
            base_rate: c.base_rate(),
            threshold: self.threshold,
            confusion: *c,
            accuracy: c.accuracy(),
            balanced_accuracy: c.balanced_accuracy(),
            precision: c.precision(),
            recall: c.recall(),
            f1: c.f1(),
            log_loss: mean(&self.log_loss),
            brier: mean(&self.squared_error),
            roc_auc: rank.and_then(|rank| rank.roc_auc),
            pr_auc: rank.and_then(|rank| rank.pr_auc),
            calibration: self
                .bins
                .iter()
                .enumerate()
                .map(|(i, bin)| bin.report(i))
                .collect(),
        }
    }
}

impl Confusion {
    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.positives() + self.true_negatives + self.false_positives
    }

    /// Rows of the positive class.
    pub fn positives(&self) -> u64 {
        self.true_positives + self.false_negatives
    }

    /// Adds the rows of another.
    pub fn merge(&mut self, other: &Self) {
        self.true_negatives += other.true_negatives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
        self.true_positives += other.true_positives;
    }

    /// Share of the positive class.
    pub fn base_rate(&self) -> Option<f64> {
        ratio(self.positives(), self.rows())
    }

    /// Accuracy and the like, of rows of which each counts the same.
    pub fn shares(&self) -> Shares {
        let predicted = self.true_positives + self.false_positives;
        Shares {
            weight: self.rows() as f64,
            base_rate: self.base_rate(),
            predicted_positive_rate: ratio(predicted, self.rows()),
            accuracy: self.accuracy(),
            balanced_accuracy: self.balanced_accuracy(),
            precision: self.precision(),
            recall: self.recall(),
            f1: self.f1(),
        }
    }

    /// Share of right predictions.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positives + self.true_negatives, self.rows())
    }

    /// Share of the predicted positives that are; 0 when none is predicted.
    pub fn precision(&self) -> Option<f64> {
        self.or_zero(ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        ))
    }

    /// Share of the positives that are found; 0 when there is none.
    pub fn recall(&self) -> Option<f64> {
        self.or_zero(ratio(self.true_positives, self.positives()))
    }

    /// Harmonic mean of precision and recall; 0 when both are.
    pub fn f1(&self) -> Option<f64> {
        let wrong = self.false_positives + self.false_negatives;
        self.or_zero(ratio(
            2 * self.true_positives,
            2 * self.true_positives + wrong,
        ))
    }

    /// scikit-learn's `zero_division=0`: 0 / 0 counts as 0, where there are rows at all.
    fn or_zero(&self, value: Option<f64>) -> Option<f64> {
        (self.rows() > 0).then(|| value.unwrap_or(0.0))
    }

    /// Mean recall of the classes that occur.
    fn balanced_accuracy(&self) -> Option<f64> {
        let positive = ratio(self.true_positives, self.positives());
        let negative = ratio(
            self.true_negatives,
            self.true_negatives + self.false_positives,
        );
        match (positive, negative) {
            (Some(positive), Some(negative)) => Some((positive + negative) / 2.0),
            (one, other) => one.or(other),
        }
    }
}

impl Bin {
    fn report(&self, i: usize) -> CalibrationBin {
        CalibrationBin {
            lower: edge(i),
            upper: edge(i + 1),
            rows: self.rows,
            mean_predicted: (self.rows > 0).then(|| self.predicted.value() / self.rows as f64),
            observed_rate: ratio(self.positives, self.rows),
        }
    }
}

/// All metrics of one set of rows. Undefined ones are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows in all.
    pub rows: u64,
    /// Rows of the positive class.
    pub positives: u64,
    /// What the rows weigh, where they do: shares, means and areas are weighted then, and counts
    /// stay counts of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Share of the positive class: what accuracy must be judged against.
    pub base_rate: Option<f64>,
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Rows by label and prediction.
    pub confusion: Confusion,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Option<f64>,
    /// Share of the predicted positives that are; 0 when none is predicted.
    pub precision: Option<f64>,
    /// Share of the positives that are found; 0 when there is none.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall; 0 when both are.
    pub f1: Option<f64>,
    /// Mean negative log likelihood, clipped as scikit-learn's.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
    /// Area under the ROC curve; `None` with one class only.
    pub roc_auc: Option<f64>,
    /// Average precision; `None` with one class only.
    pub pr_auc: Option<f64>,
    /// [`CALIBRATION_BINS`] bins over [0, 1], empty ones included.
    pub calibration: Vec<CalibrationBin>,
}

impl Report {
    /// Puts the metrics of the same rows in place, as they weigh.
    pub fn weigh(&mut self, weighted: &weighted::Report) {
        self.weight = Some(weighted.weight);
        self.base_rate = weighted.base_rate;
        self.accuracy = weighted.accuracy;
        self.balanced_accuracy = weighted.balanced_accuracy;
        self.precision = weighted.precision;
        self.recall = weighted.recall;
        self.f1 = weighted.f1;
        self.log_loss = weighted.log_loss;
        self.brier = weighted.brier;
    }
}

/// Predicted against observed in one range of probabilities: above `lower` (from 0 in the first
/// bin), up to `upper`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge, included.
    pub upper: f64,
    /// Rows whose probability lies in the bin.
    pub rows: u64,
    /// Mean of their probabilities.
    pub mean_predicted: Option<f64>,
    /// Share of the positive class among them.
    pub observed_rate: Option<f64>,
}

/// Edge `i`, with the rounding of `numpy.linspace`: 3 * 0.1 is not 0.3.
fn edge(i: usize) -> f64 {
    if i == CALIBRATION_BINS {
        1.0
    } else {
        i as f64 * (1.0 / CALIBRATION_BINS as f64)
    }
}

/// The bin whose upper edge is the first that is not below `p`, as in scikit-learn's
/// `calibration_curve`.
fn calibration_bin(p: f64) -> usize {
    let near = ((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
    // The product can be off by one at an edge.
    if near > 0 && p <= edge(near) {
        near - 1
    } else if p > edge(near + 1) {
        near + 1
    } else {
        near
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
