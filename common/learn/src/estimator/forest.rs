//! Random forests (Breiman 2001): the mean of trees, each grown on a draw of the rows of its own
//! and split on few of the inputs at a time. Missing numbers are taken as they are.
//!
//! The mean of what trees say is kept as a sum, so that forests are scored, explained and written
//! for XGBoost as [boosted trees](super::boosting) are. Of classes the raw scores are their shares.
//!
//! ```
//! use learn::estimator::Families;
//!
//! let family = Families::standard().get("random-forest")?;
//! let options = family.options(&Default::default())?;
//! assert_eq!(options["n_estimators"], 100);
//! # Ok::<(), learn::estimator::EstimatorError>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::preprocessing;
use crate::task::{Target, Task};

use super::boosting::{GradientBoosting, Loss, Node, grow_for};
use super::family::{self, Family, FitBytes, FittedEstimator, HeldRows, Read, Request};
use super::{AnyError, AnyPasses, EstimatorError};

/// Its name in a model file, and in `models.json`.
pub const KIND: &str = "random-forest";

const IMPORTANCE: &str = "share of the squared error that splits on the feature took away";
/// Bytes of a number in the mapped file of the rows.
const OF_NUMBER: u64 = 4;
/// Bytes of a row beside its numbers: label and weight, and its draw and place for two trees.
const OF_ROW: u64 = 32;
/// Bytes of a node of each raw score, while the model is written.
const OF_NODE: u64 = 400;

/// Random forests.
#[derive(Clone, Copy, Debug)]
pub struct Forest;

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
    fn check(&self) -> Result<(), EstimatorError> {
        if !(1..=10_000).contains(&self.n_estimators) {
            return family::wrong("n_estimators", self.n_estimators.into(), "from 1 to 10000");
        }
        if self.min_samples_leaf == 0 {
            return family::wrong("min_samples_leaf", 0.0, "1 or more");
        }
        let shares = [
            ("max_features", self.max_features),
            ("max_samples", Some(self.max_samples)),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
                return family::wrong(name, share, "above 0 and at most 1");
            }
        }
        match self.max_rows {
            Some(0) => family::wrong("max_rows", 0.0, "1 or more, or null for all rows"),
            _ => Ok(()),
        }
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

    /// Bytes of memory for so many rows, inputs and raw scores: the most of when rows are put into
    /// cells of a byte beside their mapped file, and of when trees grow.
    fn bytes(&self, rows: u64, inputs: u64, outputs: u64) -> u64 {
        let rows = family::sampled(rows, self.max_rows);
        // Of the rows that a tree draws two thirds differ, and leaves hold half as many again as
        // they need.
        let leaves = rows / 2 / u64::from(self.min_samples_leaf).max(1) + 1;
        let deepest = 1_u64 << self.max_depth.min(62);
        let leaves = match self.max_depth {
            0 => leaves,
            _ => leaves.min(deepest),
        };
        let nodes = 2 * leaves * u64::from(self.n_estimators) * outputs;
        let binning = rows.saturating_mul((1 + OF_NUMBER) * inputs + OF_ROW);
        let growing = rows
            .saturating_mul(inputs + OF_ROW)
            .saturating_add(nodes.saturating_mul(OF_NODE));
        binning.max(growing)
    }
}

impl Family for Forest {
    fn name(&self) -> &'static str {
        KIND
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![(KIND, GradientBoosting::read_forest)]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        Loss::of_forest(task, target).is_some()
    }

    fn preparation(&self) -> preprocessing::Family {
        preprocessing::Family::Trees
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (options, whole): (Options, _) = family::options(given)?;
        options.check()?;
        Ok(whole)
    }

    fn bytes(&self, inputs: usize, _target: &Target) -> FitBytes {
        FitBytes::alike(256 * inputs as u64)
    }

    fn row_bytes(
        &self,
        rows: HeldRows,
        target: &Target,
        options: &Map<String, Value>,
    ) -> Result<u64, EstimatorError> {
        let (options, _): (Options, _) = family::options(options)?;
        let outputs = family::scores_of_trees(target);
        Ok(options.bytes(rows.fit, rows.inputs as u64, outputs))
    }

    fn importance_is(&self) -> &'static str {
        IMPORTANCE
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let loss = Loss::of_forest(request.task, request.target);
        let (loss, grown) = grow_for(rows, request, loss, |grower, growth| {
            grower.grow_forest(growth)
        })?;
        let inputs = request.inputs.len();
        let splits = grown.trees.iter().flat_map(|tree| tree.nodes());
        let importance = impurity_taken(splits, inputs);
        let base_score = &grown.base_score;
        let forest = GradientBoosting::forest(inputs, loss, grown.trees, importance, base_score)?;
        Ok(forest.in_units(grown.units).fitted(grown.seen))
    }
}

/// By input, the share of what splits on it took of the squared error.
fn impurity_taken<'a>(nodes: impl Iterator<Item = &'a Node>, inputs: usize) -> Vec<f64> {
    let mut taken = vec![0.0; inputs];
    for split in nodes.filter(|node| !node.is_leaf()) {
        taken[split.input as usize] += f64::from(split.gain);
    }
    let total: f64 = taken.iter().sum();
    if total > 0.0 {
        taken.iter_mut().for_each(|of| *of /= total);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_the_mapped_rows_or_of_the_trees_whichever_is_more() {
        let bytes = |n_estimators, rows| {
            let options = Options {
                n_estimators,
                max_rows: None,
                max_depth: 4,
                ..Options::default()
            };
            options.bytes(rows, 100, 1)
        };
        let rows = 1_000_000;
        assert_eq!(bytes(1, rows), rows * (5 * 100 + OF_ROW));
        assert_eq!(bytes(1000, rows), bytes(1, rows));
        let nodes = 2 * 16 * 100_000;
        assert_eq!(
            bytes(100_000, rows),
            rows * (100 + OF_ROW) + nodes * OF_NODE
        );
    }
}
