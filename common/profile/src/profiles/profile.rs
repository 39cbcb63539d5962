//! The profile of one day.

use serde::{Deserialize, Serialize};

use super::{Baseline, ScoreCounts, Weights};
use crate::cells::Counts;

/// What is counted of the rows of one model version, data version and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Scores by label; every row is in them.
    pub score: ScoreCounts,
    /// One per feature, in the model's order.
    pub features: Vec<Counts>,
    /// What labelled and scored rows weigh; none where rows do not weigh, or some were counted
    /// without what they weigh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
}

/// Numbers of two profiles do not add up: other cells, or more than 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("profiles do not add up: they were made for different models, or count more rows than fit")]
pub struct Overflow;

impl Profile {
    /// Of no rows yet.
    pub fn new(baseline: &Baseline) -> Self {
        Self {
            score: ScoreCounts::new(&baseline.score),
            features: baseline
                .features
                .iter()
                .map(|feature| Counts::new(&feature.cells))
                .collect(),
            weights: (baseline.weight.as_ref()).map(|_| Weights::new(&baseline.score)),
        }
    }

    /// Rows in all.
    pub fn rows(&self) -> i64 {
        self.score.rows()
    }

    /// Rows whose label is known.
    pub fn labelled_rows(&self) -> i64 {
        self.score.labelled_rows()
    }

    /// Rows without a prediction, because a feature is missing or not finite.
    pub fn unscored_rows(&self) -> i64 {
        self.score.unscored_rows()
    }

    /// Adds what another profile counts.
    ///
    /// # Errors
    /// Another number of features or cells, and numbers that overflow.
    pub fn merge(&mut self, other: &Self) -> Result<(), Overflow> {
        let cells = |profile: &Self| -> Vec<usize> {
            let features = profile.features.iter().map(|feature| feature.cells.len());
            features.chain(profile.score.widths()).collect()
        };
        if cells(self) != cells(other) {
            return Err(Overflow);
        }
        self.score.merge(&other.score).ok_or(Overflow)?;
        for (ours, theirs) in self.features.iter_mut().zip(&other.features) {
            ours.merge(theirs).ok_or(Overflow)?;
        }
        match (&mut self.weights, &other.weights) {
            (Some(ours), Some(theirs)) => ours.merge(theirs).ok_or(Overflow),
            _ => {
                self.weights = None;
                Ok(())
            }
        }
    }

    /// Whether it fits a baseline, and no count is negative.
    pub fn is_sound(&self, baseline: &Baseline) -> bool {
        self.features.len() == baseline.features.len()
            && self.score.is_sound(&baseline.score)
            && (self.weights.as_ref()).is_none_or(|weights| weights.is_sound(&baseline.score))
            && self
                .features
                .iter()
                .zip(&baseline.features)
                .all(|(counts, feature)| counts.is_sound(&feature.cells))
    }
}
