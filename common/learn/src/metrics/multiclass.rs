//! Metrics of a classifier of several classes, streamed and mergeable, equal to scikit-learn's.
//!
//! Averages over classes leave out a class that neither occurs nor is predicted, and 0 / 0 counts
//! as 0, as in scikit-learn. The ROC AUC of each class against the rest comes from its own pass in
//! the order of that class's probability: see [`one_vs_rest`].
//!
//! ```
//! use learn::metrics::multiclass::Classification;
//!
//! let mut rows = Classification::new(3);
//! rows.add_rows(&[0.0, 2.0], &[0.5, 0.3, 0.2, 0.1, 0.6, 0.3], None)?;
//! let report = rows.report();
//! assert_eq!(report.accuracy, Some(0.5));
//! assert_eq!(rows.top_k_accuracy(2), Some(1.0));
//! # Ok::<(), learn::rows::RowError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::RankMetrics;
use super::share::{Share, log_loss};
use super::weighted::{check_probabilities, mean_recall};
use crate::model::sum::Sum;
use crate::rows::{RowError, Rows, check_weights, class_of};

/// What is summed per row. Its memory grows with the square of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    classes: usize,
    rows: u64,
    /// Weight by class, then by prediction.
    confusion: Vec<Sum>,
    log_loss: Sum,
    /// Weight of the rows whose class has so many classes before it in the order of probability.
    behind: Vec<Sum>,
}

/// All metrics of one set of rows but those of their order. Undefined ones are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows in all.
    pub rows: u64,
    /// What they weigh.
    pub weight: f64,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Option<f64>,
    /// Mean over the classes.
    pub macro_precision: Option<f64>,
    /// Mean over the classes.
    pub macro_recall: Option<f64>,
    /// Mean over the classes.
    pub macro_f1: Option<f64>,
    /// Mean by weight of the class.
    pub weighted_precision: Option<f64>,
    /// Mean by weight of the class.
    pub weighted_recall: Option<f64>,
    /// Mean by weight of the class.
    pub weighted_f1: Option<f64>,
    /// Mean negative log likelihood.
    pub log_loss: Option<f64>,
    /// Weight by class, then by prediction.
    pub confusion: Vec<Vec<f64>>,
    /// By class.
    pub classes: Vec<ClassReport>,
}

/// The metrics of one class against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// What its rows weigh.
    pub support: f64,
    /// Share of the predicted that are of the class.
    pub precision: f64,
    /// Share of the class that is found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// The class of largest probability, the first of equal ones; `None` where one is NaN.
pub fn most_probable(probabilities: &[f64]) -> Option<usize> {
    let mut best = 0;
    for (class, p) in probabilities.iter().enumerate() {
        if p.is_nan() {
            return None;
        }
        if *p > probabilities[best] {
            best = class;
        }
    }
    Some(best)
}

impl Classification {
    /// Of no rows yet.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            rows: 0,
            confusion: vec![Sum::default(); classes * classes],
            log_loss: Sum::default(),
            behind: vec![Sum::default(); classes],
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        let sums = self.confusion.len() + self.behind.len();
        (size_of::<Self>() + sums * size_of::<Sum>()) as u64
    }

    /// Adds rows: labels are indices of classes; `probabilities` are row-major, one for each class.
    ///
    /// # Errors
    /// The first row with another value. Nothing is added then.
    ///
    /// # Panics
    /// When the slices do not hold the same rows: a bug of the caller.
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
        assert_eq!(
            labels.len() * self.classes,
            probabilities.len(),
            "one probability for each label and class"
        );
        rows.check_classes(self.classes)?;
        check_probabilities(probabilities, self.classes)?;
        check_weights(weights, labels.len())?;
        for (row, of_row) in probabilities.chunks_exact(self.classes).enumerate() {
            if let Some(class) = class_of(labels[row], self.classes) {
                self.add(class, of_row, rows.weight(row));
            }
        }
        self.rows += labels.len() as u64;
        Ok(())
    }

    fn add(&mut self, class: usize, probabilities: &[f64], weight: f64) {
        let own = probabilities[class];
        let predicted = most_probable(probabilities).unwrap_or(0);
        self.confusion[class * self.classes + predicted].add(weight);
        self.log_loss.add(weight * log_loss(own));
        // Of equal ones the last comes first, as scikit-learn's top k has it.
        let before = |(other, p): &(usize, &f64)| **p > own || (**p == own && *other > class);
        let behind = probabilities.iter().enumerate().filter(before).count();
        self.behind[behind].add(weight);
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the classes differ: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "sums of other classes");
        self.rows += other.rows;
        self.log_loss.merge(&other.log_loss);
        for (ours, theirs) in self.confusion.iter_mut().zip(&other.confusion) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.behind.iter_mut().zip(&other.behind) {
            ours.merge(theirs);
        }
    }

    /// Share of the rows whose class is among the `k` of largest probability.
    pub fn top_k_accuracy(&self, k: usize) -> Option<f64> {
        let within = total(self.behind.iter().take(k));
        let all = total(self.behind.iter());
        (all > 0.0).then(|| within / all)
    }

    fn share(&self, class: usize) -> Share {
        let (n, all) = (self.classes, &self.confusion);
        Share {
            right: all[class * n + class].value(),
            predicted: total((0..n).map(|other| &all[other * n + class])),
            actual: total(all[class * n..(class + 1) * n].iter()),
        }
    }

    /// Every metric.
    pub fn report(&self) -> Report {
        let n = self.classes;
        let shares: Vec<Share> = (0..n).map(|class| self.share(class)).collect();
        let weight = total(self.confusion.iter());
        let right = total((0..n).map(|class| &self.confusion[class * n + class]));
        let some = |value: f64| (weight > 0.0).then_some(value);
        let of = |metric: fn(&Share) -> f64| (mean(&shares, metric), weighted(&shares, metric));
        let (precision, recall, f1) = (of(Share::precision), of(Share::recall), of(Share::f1));
        Report {
            rows: self.rows,
            weight,
            accuracy: some(right / weight),
            balanced_accuracy: mean_recall(&shares),
            macro_precision: precision.0,
            macro_recall: recall.0,
            macro_f1: f1.0,
            weighted_precision: precision.1,
            weighted_recall: recall.1,
            weighted_f1: f1.1,
            log_loss: some(self.log_loss.value() / weight),
            confusion: (self.confusion.chunks(n))
                .map(|row| row.iter().map(Sum::value).collect())
                .collect(),
            classes: shares.iter().map(ClassReport::of).collect(),
        }
    }
}

impl ClassReport {
    fn of(share: &Share) -> Self {
        Self {
            support: share.actual,
            precision: share.precision(),
            recall: share.recall(),
            f1: share.f1(),
        }
    }
}

/// Mean ROC AUC over the classes, each against the rest; `None` where a class does not occur, as
/// in scikit-learn.
pub fn one_vs_rest(classes: &[RankMetrics]) -> Option<f64> {
    let mut sum = Sum::default();
    for class in classes {
        sum.add(class.roc_auc?);
    }
    (!classes.is_empty()).then(|| sum.value() / classes.len() as f64)
}

fn total<'a>(sums: impl Iterator<Item = &'a Sum>) -> f64 {
    let mut all = Sum::default();
    sums.for_each(|sum| all.merge(sum));
    all.value()
}

fn mean(shares: &[Share], metric: fn(&Share) -> f64) -> Option<f64> {
    let mut sum = Sum::default();
    let present = shares.iter().filter(|share| share.occurs());
    let count = present.map(|share| sum.add(metric(share))).count();
    (count > 0).then(|| sum.value() / count as f64)
}

fn weighted(shares: &[Share], metric: fn(&Share) -> f64) -> Option<f64> {
    let (mut sum, mut weight) = (Sum::default(), Sum::default());
    for share in shares {
        sum.add(share.actual * metric(share));
        weight.add(share.actual);
    }
    (weight.value() > 0.0).then(|| sum.value() / weight.value())
}
