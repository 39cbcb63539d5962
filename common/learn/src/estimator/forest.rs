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

use serde_json::{Map, Value};

use crate::preprocessing;
use crate::task::{Target, Task};

use super::boosting::{FOREST, GradientBoosting, grow_for};
use super::family::{self, Family, FitBytes, FittedEstimator, HeldRows, Read, Request};
use super::trees::{Loss, Node};
use super::{AnyError, AnyPasses, EstimatorError, options};

pub use super::trees::forest_options::Options;

/// Its name in a model file, and in `models.json`.
pub const KIND: &str = FOREST;

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

impl Options {
    /// Bytes of memory for so many rows, inputs and raw scores: the most of when rows are put into
    /// cells of a byte beside their mapped file, and of when trees grow.
    fn bytes(&self, rows: u64, inputs: u64, outputs: u64) -> u64 {
        let rows = options::sampled(rows, self.max_rows);
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
        let (options, whole): (Options, _) = options::parse(given)?;
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
        let (options, _): (Options, _) = options::parse(options)?;
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
