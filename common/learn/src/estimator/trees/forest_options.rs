//! The options of forests, mostly by scikit-learn's names.

use serde::{Deserialize, Serialize};

use super::Loss;
use crate::estimator::{EstimatorError, options};

/// What trees are grown, mostly by scikit-learn's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Trees.
    pub n_estimators: u32,
    /// Splits on the way to a leaf at most; 0 for no limit.
    pub max_depth: u32,
    /// Rows that a leaf needs, each counted once, however often it was drawn.
    pub min_samples_leaf: u32,
    /// Share of the inputs that each split looks at; `None` for the square root of their number of
    /// classes, and a third of them of a number.
    pub max_features: Option<f64>,
    /// Rows that are drawn for each tree, with replacement, as a share of all.
    pub max_samples: f64,
    /// Of the draws.
    pub seed: u64,
    /// Rows that are trained on at most: of more, a sample by `seed`; `None` for all of them.
    pub max_rows: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_depth: 0,
            min_samples_leaf: 5,
            max_features: None,
            max_samples: 1.0,
            seed: 0,
            max_rows: Some(50_000),
        }
    }
}

impl Options {
    pub(in crate::estimator) fn check(&self) -> Result<(), EstimatorError> {
        if !(1..=10_000).contains(&self.n_estimators) {
            return options::wrong("n_estimators", self.n_estimators.into(), "from 1 to 10000");
        }
        if self.min_samples_leaf == 0 {
            return options::wrong("min_samples_leaf", 0.0, "1 or more");
        }
        let shares = [
            ("max_features", self.max_features),
            ("max_samples", Some(self.max_samples)),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
                return options::wrong(name, share, "above 0 and at most 1");
            }
        }
        options::max_rows(self.max_rows)
    }

    /// How many of so many inputs a split looks at.
    pub fn features_of(&self, inputs: usize, loss: Loss) -> usize {
        let all = inputs as f64;
        let looked_at = match (self.max_features, loss) {
            (Some(share), _) => share * all,
            (None, Loss::Squared) => all / 3.0,
            (None, _) => all.sqrt(),
        };
        (looked_at as usize).clamp(1, inputs.max(1))
    }
}
