//! Metrics of the order of the scores.

use serde::{Deserialize, Serialize};

use crate::model::sum::Sum;

/// How well the scores rank positives before negatives. Both are `None` when only one class occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankMetrics {
    /// Area under the ROC curve: the chance that a positive scores above a negative, ties counting
    /// half.
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
    #[error(
        "score {score} in row {row} comes after {before}: rows must be sorted by score, highest first"
    )]
    Unsorted {
        /// Position in the iterator, from 0.
        row: u64,
        /// The score there.
        score: f64,
        /// The score before it.
        before: f64,
    },
}

/// ROC AUC and average precision of (score, is positive) rows sorted by score, HIGHEST first; equal
/// scores in any order.
///
/// # Errors
/// Those of [`RankError`], and the first error of the iterator.
pub fn rank_metrics<E: From<RankError>>(
    sorted: impl IntoIterator<Item = Result<(f64, bool), E>>,
) -> Result<RankMetrics, E> {
    let mut ranking = Ranking::default();
    for item in sorted {
        let (score, positive) = item?;
        ranking.add(score, positive)?;
    }
    Ok(ranking.metrics())
}

/// What [`rank_metrics`] counts, row by row: several of them share one sorted pass, such as one for
/// each day.
///
/// Constant memory. The area is counted in whole numbers and divided once, so it is exact.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    ranks: Ranks,
    /// The current score and its rows.
    tied: Option<(f64, Tie)>,
    rows: u64,
}

impl Ranking {
    /// Adds a row, whose score is not above any before it.
    ///
    /// # Errors
    /// Those of [`RankError`].
    pub fn add(&mut self, score: f64, positive: bool) -> Result<(), RankError> {
        let row = self.rows;
        if score.is_nan() {
            return Err(RankError::NotANumber { row });
        }
        let mut tie = match self.tied {
            Some((before, tie)) if score == before => tie,
            Some((before, _)) if score > before => {
                return Err(RankError::Unsorted { row, score, before });
            }
            Some((_, tie)) => {
                self.ranks.close(tie);
                Tie::default()
            }
            None => Tie::default(),
        };
        if positive {
            tie.positives += 1;
        } else {
            tie.negatives += 1;
        }
        self.tied = Some((score, tie));
        self.rows += 1;
        Ok(())
    }

    /// The metrics of all rows.
    pub fn metrics(mut self) -> RankMetrics {
        if let Some((_, tie)) = self.tied.take() {
            self.ranks.close(tie);
        }
        self.ranks.metrics()
    }
}

/// Rows of one score.
#[derive(Clone, Copy, Debug, Default)]
struct Tie {
    positives: u64,
    negatives: u64,
}

/// What is above the current score.
#[derive(Clone, Debug, Default)]
struct Ranks {
    positives: u64,
    negatives: u64,
    /// Twice the pairs of a positive above a negative, ties counted once. 10^10 rows would
    /// overflow 64 bits.
    twice_pairs: u128,
    precision: Sum,
}

impl Ranks {
    fn close(&mut self, tie: Tie) {
        self.twice_pairs += u128::from(tie.negatives)
            * (2 * u128::from(self.positives) + u128::from(tie.positives));
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
