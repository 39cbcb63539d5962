//! The units that trees are grown in, where single precision does not hold a target as it is.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Tree, single};
use crate::model::problem::power_of_two;

/// Spreads that need no other units, 2^-7 to 2^40: of smaller ones few splits reach the least gain
/// of XGBoost, 1e-6, and of larger ones gains may overflow.
const SPREADS: RangeInclusive<f64> = 0.007_812_5..=1_099_511_627_776.0;
/// How many spreads the mean may be from 0: at more, labels would keep less than 11 bits of what
/// they differ by, and a sum of many trees still less.
const FAR: f64 = 4096.0;
/// The least scale whose leaves keep their digits in single precision, but for very small ones...
const LEAST: f64 = 1e-31;
/// ... and the size of a leaf up to which XGBoost can add leaves up.
const LARGEST: f64 = 1e36;

/// A number is the offset + the scale x what trees say. The gains of splits stay as they were
/// grown: their squares need not be of single precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    pub(in crate::estimator) offset: f64,
    /// A power of two, which rounds nothing.
    pub(in crate::estimator) scale: f64,
}

impl Default for Units {
    fn default() -> Self {
        Self {
            offset: 0.0,
            scale: 1.0,
        }
    }
}

impl Units {
    /// Those of a target; the ones that it has where they do.
    pub(in crate::estimator) fn of(mean: f64, std: f64) -> Self {
        let size = mean.abs();
        let spread = if std > 0.0 { std } else { size };
        let near = size <= FAR * spread;
        let usual = spread == 0.0 || SPREADS.contains(&spread);
        Self {
            offset: if near { 0.0 } else { mean },
            scale: if usual {
                1.0
            } else {
                1.0 / power_of_two(spread)
            },
        }
    }

    /// What is added to all that trees say.
    pub fn offset(self) -> f64 {
        self.offset
    }

    /// What all that trees say is multiplied by.
    pub fn scale(self) -> f64 {
        self.scale
    }

    /// What trees are to say for a number.
    pub fn label(self, number: f64) -> f32 {
        single((number - self.offset) / self.scale)
    }

    pub(in crate::estimator) fn number(self, score: f32) -> f64 {
        self.offset + self.scale * f64::from(score)
    }

    /// Whether the leaves can hold the numbers themselves.
    pub(in crate::estimator) fn fit_in(self, trees: &[Tree]) -> bool {
        let nodes = trees.iter().flat_map(|tree| tree.nodes());
        let mut leaves = nodes.filter(|node| node.is_leaf());
        let held = |size: f32| f64::from(size) * self.scale <= LARGEST;
        self.offset == 0.0 && self.scale >= LEAST && leaves.all(|leaf| held(leaf.value.abs()))
    }
}
