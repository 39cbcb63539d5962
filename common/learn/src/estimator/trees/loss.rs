//! Losses that trees are grown on: their derivatives, which are XGBoost's, with exponentials that
//! are the same on every machine.

use crate::estimator::Link;
use crate::model::math::{exp_of_negative, exp_of_negative_single, sigmoid_single};
use crate::task::{LabelKind, Target, Task};

/// The least second derivative of a class, as in XGBoost.
const LEAST: f32 = 1e-16;
/// Rows whose exponentials are computed together.
const BLOCK: usize = 64;

/// What the trees minimise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Half the squared error of a number.
    Squared,
    /// The log loss of two classes.
    Logistic,
    /// The log loss of more classes, one raw score each.
    Softmax {
        /// How many.
        classes: usize,
    },
    /// Half the squared error of the shares of classes, which are the raw scores: of two classes
    /// the share of the second alone. Forests are grown on it.
    Shares {
        /// How many.
        classes: usize,
    },
    /// [`Loss::Squared`] of the first raw score. The other two are a lower and an upper quantile,
    /// whose trees are grown by themselves.
    Interval,
}

impl Loss {
    /// That of a target; `None` where there is none.
    pub(in crate::estimator) fn of(task: &dyn Task, target: &Target) -> Option<Self> {
        match (target.classes.len(), task.outputs(target)) {
            (0, 1) if task.labels() == LabelKind::Number => Some(Self::Squared),
            (2, 1) => Some(Self::Logistic),
            (classes, outputs) if classes > 2 && classes == outputs => {
                Some(Self::Softmax { classes })
            }
            _ => None,
        }
    }

    /// That of a forest of a target; `None` where there is none.
    pub(in crate::estimator) fn of_forest(task: &dyn Task, target: &Target) -> Option<Self> {
        Some(match Self::of(task, target)? {
            Self::Squared => Self::Squared,
            _ => Self::Shares {
                classes: target.classes.len(),
            },
        })
    }

    /// Raw scores of a row.
    pub fn outputs(self) -> usize {
        match self {
            Self::Squared | Self::Logistic | Self::Shares { classes: 2 } => 1,
            Self::Interval => 3,
            Self::Softmax { classes } | Self::Shares { classes } => classes,
        }
    }

    /// What makes predictions of raw scores.
    pub(in crate::estimator) fn link(self) -> Link {
        match self {
            Self::Squared | Self::Interval => Link::Identity,
            Self::Logistic => Link::Logistic,
            Self::Softmax { .. } => Link::Softmax,
            Self::Shares { .. } => Link::Shares,
        }
    }

    /// Its name in a model file: XGBoost's, where that has one.
    pub(in crate::estimator) fn objective(self) -> &'static str {
        match self {
            Self::Squared => "reg:squarederror",
            Self::Logistic => "binary:logistic",
            Self::Softmax { .. } => "multi:softprob",
            Self::Shares { .. } => "shares",
            Self::Interval => "interval",
        }
    }

    /// The share of a class is a raw score.
    fn share(label: f32, output: usize, outputs: usize) -> f32 {
        match outputs {
            1 => label,
            _ if label as usize == output => 1.0,
            _ => 0.0,
        }
    }

    /// Hands over the first and the second derivative of each raw score of rows, by the numbers of
    /// the row and of the score.
    ///
    /// `scores` are row-major; there is a label for each row.
    pub fn derivatives(
        self,
        scores: &[f32],
        labels: &[f32],
        mut take: impl FnMut(usize, usize, [f32; 2]),
    ) {
        let rows = scores.chunks_exact(self.outputs()).zip(labels).enumerate();
        match self {
            Self::Squared | Self::Interval => {
                rows.for_each(|(row, (scores, label))| take(row, 0, [scores[0] - label, 1.0]));
            }
            Self::Logistic => {
                let blocks = scores.chunks(BLOCK).zip(labels.chunks(BLOCK));
                for (block, (scores, labels)) in blocks.enumerate() {
                    // A loop of its own, which the compiler vectorises.
                    let mut shares = [0.0; BLOCK];
                    for (share, score) in shares.iter_mut().zip(scores) {
                        *share = sigmoid_single(*score);
                    }
                    for (at, (p, label)) in shares.iter().zip(labels).enumerate() {
                        let second = (p * (1.0 - p)).max(LEAST);
                        take(block * BLOCK + at, 0, [p - label, second]);
                    }
                }
            }
            Self::Softmax { classes } => {
                let mut powers = vec![0.0; classes];
                for (row, (scores, label)) in rows {
                    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    for (power, score) in powers.iter_mut().zip(scores) {
                        *power = exp_of_negative_single(score - most);
                    }
                    let total: f64 = powers.iter().map(|power| f64::from(*power)).sum();
                    for (class, power) in powers.iter().enumerate() {
                        let p = (f64::from(*power) / total) as f32;
                        let of_label = if class == *label as usize { 1.0 } else { 0.0 };
                        let second = (2.0 * p * (1.0 - p)).max(LEAST);
                        take(row, class, [p - of_label, second]);
                    }
                }
            }
            Self::Shares { .. } => {
                for (row, (scores, label)) in rows {
                    for (output, score) in scores.iter().enumerate() {
                        let share = Self::share(*label, output, scores.len());
                        take(row, output, [score - share, 1.0]);
                    }
                }
            }
        }
    }

    /// What a row of this label loses at its raw scores: half the squared error, or the log loss.
    pub fn value(self, scores: &[f32], label: f32) -> f64 {
        let score = |of: usize| f64::from(scores[of]);
        match self {
            Self::Squared | Self::Interval => {
                let error = score(0) - f64::from(label);
                0.5 * error * error
            }
            Self::Logistic => {
                let score = score(0);
                score.max(0.0) - score * f64::from(label)
                    + libm::log1p(exp_of_negative(-score.abs()))
            }
            Self::Softmax { classes } => {
                let most = (0..classes).map(score).fold(f64::NEG_INFINITY, f64::max);
                let total = (0..classes).map(|class| exp_of_negative(score(class) - most));
                let total: f64 = total.sum();
                most + libm::log(total) - score(label as usize)
            }
            Self::Shares { .. } => {
                let error = |output: usize| {
                    score(output) - f64::from(Self::share(label, output, scores.len()))
                };
                let squares = (0..scores.len()).map(|output| error(output) * error(output));
                0.5 * squares.sum::<f64>()
            }
        }
    }

    /// The raw scores of rows of these shares of classes, or of this mean.
    pub(super) fn scores_of(self, mean: f64, shares: &[f64]) -> Vec<f32> {
        match self {
            Self::Squared | Self::Interval => vec![mean as f32; self.outputs()],
            Self::Logistic => vec![(libm::log(shares[1]) - libm::log(shares[0])) as f32],
            Self::Softmax { .. } => {
                let logs: Vec<f64> = shares.iter().map(|share| libm::log(*share)).collect();
                let mean = logs.iter().sum::<f64>() / logs.len() as f64;
                logs.iter().map(|log| (log - mean) as f32).collect()
            }
            Self::Shares { classes: 2 } => vec![shares[1] as f32],
            Self::Shares { .. } => shares.iter().map(|share| *share as f32).collect(),
        }
    }
}
