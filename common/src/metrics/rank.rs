//! Metrics of the order of the scores.

use serde::{Deserialize, Serialize};

use crate::model::sum::Sum;

/// How well the scores rank positives before negatives. Both are `None` when only one class occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankMetrics {
    /// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.
    pub roc_auc: Option<f64>,
    /// Average precision, the step-wise area under the precision-recall curve.
    pub pr_auc: Option<f64>,
}

/// Why scores have no ranking.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RankError {
    /// A score is NaN.
    #[error("score is NaN in row {row}")]
    NotANumber {
        /// Position in the iterator, from 0.
        row: u64,
    },
    /// The rows were not sorted: a bug of the caller.
    #[error("score {score} in row {row} comes after {before}: rows must be sorted by score, highest first")]
    Unsorted {
        /// Position in the iterator, from 0.
        row: u64,
        /// The score there.
        score: f64,
        /// The score before it.
        before: f64,
    },
}

/// ROC AUC and average precision of (score, is positive) rows sorted by score, HIGHEST first; equal scores in any order.
///
/// One pass and constant memory. The area is counted in whole numbers and divided once, so it is exact.
///
/// # Errors
/// Those of [`RankError`], and the first error of the iterator.
pub fn rank_metrics<E: From<RankError>>(
    sorted: impl IntoIterator<Item = Result<(f64, bool), E>>,
) -> Result<RankMetrics, E> {
    let mut ranks = Ranks::default();
    let mut tied: Option<(f64, Tie)> = None;
    for (row, item) in (0_u64..).zip(sorted) {
        let (score, positive) = item?;
        if score.is_nan() {
            return Err(RankError::NotANumber { row }.into());
        }
        let mut tie = match tied {
            Some((before, tie)) if score == before => tie,
            Some((before, _)) if score > before => {
                return Err(RankError::Unsorted { row, score, before }.into());
            }
            Some((_, tie)) => {
                ranks.close(tie);
                Tie::default()
            }
            None => Tie::default(),
        };
        if positive {
            tie.positives += 1;
        } else {
            tie.negatives += 1;
        }
        tied = Some((score, tie));
    }
    if let Some((_, tie)) = tied {
        ranks.close(tie);
    }
    Ok(ranks.metrics())
}

/// Rows of one score.
#[derive(Clone, Copy, Default)]
struct Tie {
    positives: u64,
    negatives: u64,
}

/// What stands above the current score.
#[derive(Default)]
struct Ranks {
    positives: u64,
    negatives: u64,
    /// Twice the pairs of a positive above a negative, ties counted once. 10^10 rows would overflow 64 bits.
    twice_pairs: u128,
    precision: Sum,
}

impl Ranks {
    fn close(&mut self, tie: Tie) {
        self.twice_pairs += u128::from(tie.negatives) * (2 * u128::from(self.positives) + u128::from(tie.positives));
        self.positives += tie.positives;
        self.negatives += tie.negatives;
        if tie.positives > 0 {
            let precision = self.positives as f64 / (self.positives + self.negatives) as f64;
            self.precision.add(tie.positives as f64 * precision);
        }
    }

    fn metrics(&self) -> RankMetrics {
        if self.positives == 0 || self.negatives == 0 {
            return RankMetrics::default();
        }
        let twice_all = 2 * u128::from(self.positives) * u128::from(self.negatives);
        RankMetrics {
            roc_auc: Some(self.twice_pairs as f64 / twice_all as f64),
            pr_auc: Some(self.precision.value() / self.positives as f64),
        }
    }
}
