//! The options of boosting, by XGBoost's names.

use serde::{Deserialize, Serialize};

use crate::estimator::{EstimatorError, options};

/// What trees are grown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Rounds: each grows one tree, or one for each class.
    pub n_estimators: u32,
    /// What a tree's leaves are multiplied by.
    pub learning_rate: f64,
    /// Splits on the way to a leaf at most; 0 for no limit.
    pub max_depth: u32,
    /// Leaves of a tree at most, which grow where the loss falls most; 0 for no limit, and then
    /// trees grow level by level.
    pub max_leaves: u32,
    /// Sum of second derivatives that a leaf needs.
    pub min_child_weight: f64,
    /// Share of the rows that each tree is grown on.
    pub subsample: f64,
    /// Share of the inputs that each tree may split on.
    pub colsample_bytree: f64,
    /// Share of those that each split may look at.
    pub colsample_bynode: f64,
    /// L2 penalty of leaves.
    pub reg_lambda: f64,
    /// L1 penalty of leaves.
    pub reg_alpha: f64,
    /// By how much a split has to lower the loss.
    pub gamma: f64,
    /// Cells that an input's numbers are put into before splits are looked for.
    pub max_bin: u32,
    /// Trees of a round, each on rows and inputs of its own.
    pub num_parallel_tree: u32,
    /// Rounds without a smaller loss on the validation rows after which no more trees are grown,
    /// and those after the best round are left out; 0 for never.
    pub early_stopping_rounds: u32,
    /// Of the samples.
    pub seed: u64,
    /// Rows that are trained on at most: of more, a sample by `seed`; `None` for all of them.
    pub max_rows: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            learning_rate: 0.1,
            max_depth: 0,
            max_leaves: 31,
            min_child_weight: 1.0,
            subsample: 1.0,
            colsample_bytree: 1.0,
            colsample_bynode: 1.0,
            reg_lambda: 1.0,
            reg_alpha: 0.0,
            gamma: 0.0,
            max_bin: 256,
            num_parallel_tree: 1,
            early_stopping_rounds: 0,
            seed: 0,
            max_rows: None,
        }
    }
}

impl Options {
    /// That trees can be grown by them.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub(in crate::estimator) fn check(&self) -> Result<(), EstimatorError> {
        options::positive("learning_rate", self.learning_rate)?;
        for (name, value, most) in [
            ("n_estimators", self.n_estimators, 100_000),
            ("num_parallel_tree", self.num_parallel_tree, 10_000),
        ] {
            if !(1..=most).contains(&value) {
                return options::wrong(name, value.into(), &format!("from 1 to {most}"));
            }
        }
        if !(2..=65_536).contains(&self.max_bin) {
            return options::wrong("max_bin", self.max_bin.into(), "from 2 to 65536");
        }
        for (name, value) in [
            ("subsample", self.subsample),
            ("colsample_bytree", self.colsample_bytree),
            ("colsample_bynode", self.colsample_bynode),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                return options::wrong(name, value, "above 0 and at most 1");
            }
        }
        for (name, value) in [
            ("min_child_weight", self.min_child_weight),
            ("reg_lambda", self.reg_lambda),
            ("reg_alpha", self.reg_alpha),
            ("gamma", self.gamma),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return options::wrong(name, value, "a finite number, 0 or more");
            }
        }
        if self.max_leaves == 1 {
            return options::wrong("max_leaves", 1.0, "0 for no limit, or 2 and more");
        }
        if self.max_leaves == 0 && !(1..=20).contains(&self.max_depth) {
            let must = "from 1 to 20 where max_leaves is 0, so that trees end";
            return options::wrong("max_depth", self.max_depth.into(), must);
        }
        options::max_rows(self.max_rows)
    }

    /// Of so many training rows, those that trees are grown on.
    pub fn rows_of(&self, rows: u64) -> u64 {
        options::sampled(rows, self.max_rows)
    }
}
