//! Gradient boosting: sums of regression trees, which take missing numbers as they are.
//!
//! This crate scores and explains them; what grows them comes with a program that trains, by
//! [`AnyPasses::grower`]. Scores are sums of single precision in the order of the trees, the same
//! bits as XGBoost's margins of the same model, but for a target that these do not hold: see
//! [`Units`].
//!
//! ```
//! use learn::estimator::boosting::{GradientBoosting, Loss, Node, Tree};
//! use learn::estimator::Estimator;
//!
//! let split = Node { input: 0, value: 2.5, left: 1, right: 2, gain: 1.0, ..Node::leaf(0.0, 8.0) };
//! let nodes = vec![split, Node::leaf(10.0, 4.0), Node::leaf(20.0, 4.0)];
//! let trees = vec![Tree::new(0, nodes)?];
//! let boosting = GradientBoosting::new(1, Loss::Squared, trees, vec![1.0])?;
//! let mut predicted = Vec::new();
//! boosting.predict(&[1.0, 3.0, f64::NAN], &mut predicted);
//! assert_eq!(predicted, [10.0, 20.0, 20.0]);
//! assert_eq!(boosting.contributions(&[1.0], &[0.0]), Some(vec![-5.0, 15.0]));
//! # Ok::<(), learn::estimator::EstimatorError>(())
//! ```

mod growth;
mod imported;
mod memory;
mod precision;
mod shap;
#[cfg(test)]
pub(super) mod tests;
mod units;
mod xgboost;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::Importance;
use crate::preprocessing;
use crate::task::{Target, Task};

use super::family::{self, Family, FitBytes, FittedEstimator, HeldRows, Read, Request};
use super::seen::{InputSeen, Seen};
use super::{AnyError, AnyPasses, Estimator, EstimatorError, Export, Formula, Link, options, read};

pub use super::trees::boosting_options::Options;
pub use super::trees::{Grower, Grown, Growth, Look, Loss, Node, Tree, Units, single};
pub(super) use growth::grow_for;
pub use imported::Imported;
pub use precision::{Bounds, Moved};
pub use xgboost::of_categories;

/// Its name in a model file, and in `models.json`.
pub const KIND: &str = "gradient-boosting";
/// The name of a forest in a model file.
pub(super) const FOREST: &str = "random-forest";

/// Numbers of rows that are scored together, tree by tree: they stay in the processor's cache...
const BLOCK_NUMBERS: usize = 8192;
/// ... and so many rows at least, however many inputs there are.
const BLOCK_ROWS: usize = 64;
const IMPORTANCE: &str = "mean size of what the feature adds to the score";

/// Fitted trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientBoosting {
    /// Numbers in a row.
    inputs: usize,
    /// XGBoost's name of the loss that they were grown on.
    objective: String,
    /// What the raw scores of a row begin with.
    base_score: Vec<f32>,
    /// Mean size of what each input adds to the raw scores of training rows.
    importance: Vec<f64>,
    /// In the order in which they are added.
    trees: Vec<Tree>,
    /// Of the sums, where single precision does not hold the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    units: Option<Units>,
    /// Whether each was grown beside the others, and not on what these left over.
    #[serde(skip)]
    forest: bool,
}

/// Gradient boosting.
#[derive(Clone, Copy, Debug)]
pub struct Boosting;

impl Family for Boosting {
    fn name(&self) -> &'static str {
        KIND
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![(KIND, read::<GradientBoosting>)]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        Loss::of(task, target).is_some()
    }

    fn preparation(&self) -> preprocessing::Family {
        preprocessing::Family::Trees
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (options, whole): (Options, _) = options::parse(given)?;
        options.check()?;
        Ok(whole)
    }

    fn automatic(&self, target: &Target) -> Vec<Map<String, Value>> {
        // The second is slower and learns less from each tree: better on few rows and noisy
        // targets. Of several classes the second derivatives vanish as the trees grow sure of them,
        // so that a leaf of sure rows would never weigh enough to be parted further.
        let least = if target.classes.len() > 2 { 0.1 } else { 3.0 };
        let quick = json!({"n_estimators": 1000, "early_stopping_rounds": 20});
        let careful = json!({
            "n_estimators": 3000, "learning_rate": 0.03, "early_stopping_rounds": 60,
            "max_leaves": 15, "min_child_weight": least, "subsample": 0.8, "colsample_bytree": 0.5,
        });
        let options = [quick, careful].into_iter();
        options.filter_map(|of| of.as_object().cloned()).collect()
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
        Ok(options.bytes(rows, family::scores_of_trees(target)))
    }

    fn stops_early(&self, options: &Map<String, Value>) -> bool {
        let rounds = options.get("early_stopping_rounds").and_then(Value::as_u64);
        rounds.is_some_and(|rounds| rounds > 0)
    }

    fn settled(&self, options: &Map<String, Value>, fits: &[&dyn Estimator]) -> Map<String, Value> {
        let mut settled = options.clone();
        if !self.stops_early(options) {
            return settled;
        }
        let parallel = options.get("num_parallel_tree").and_then(Value::as_u64);
        let parallel = parallel.unwrap_or(1).max(1);
        let rounds = fits.iter().filter_map(|fit| match fit.formula() {
            // Each round has as many of every raw score; those of quantiles have rounds of their
            // own.
            Some(Formula::Trees { trees, .. }) => {
                let of_first = trees.iter().filter(|tree| tree.output() == 0).count() as u64;
                Some(of_first / parallel)
            }
            _ => None,
        });
        let rounds: Vec<u64> = rounds.collect();
        let fits = rounds.len() as u64;
        let nearest = rounds.iter().sum::<u64>() + fits / 2;
        if let Some(mean) = nearest.checked_div(fits) {
            settled.insert("n_estimators".to_owned(), mean.into());
            settled.insert("early_stopping_rounds".to_owned(), 0.into());
        }
        settled
    }

    fn fits_quantiles(&self) -> bool {
        true
    }

    fn importance_is(&self) -> &'static str {
        IMPORTANCE
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let loss = Loss::of(request.task, request.target);
        let (loss, grown) = grow_for(rows, request, loss, |grower, growth| grower.grow(growth))?;
        let inputs = request.inputs.len();
        let loss = match request.quantiles {
            Some(_) => Loss::Interval,
            None => loss,
        };
        let boosting = GradientBoosting::new(inputs, loss, grown.trees, vec![0.0; inputs])?;
        let mut boosting = boosting.from(&grown.base_score)?.in_units(grown.units);
        boosting.importance = boosting.mean_contributions(&grown.sample);
        Ok(boosting.fitted(grown.seen))
    }
}

impl GradientBoosting {
    /// Of trees that add up from 0, and the importance of each input.
    ///
    /// # Errors
    /// What [`Estimator::validate`] refuses.
    pub fn new(
        inputs: usize,
        loss: Loss,
        trees: Vec<Tree>,
        importance: Vec<f64>,
    ) -> Result<Self, EstimatorError> {
        let boosting = Self {
            inputs,
            objective: loss.objective().to_owned(),
            base_score: vec![0.0; loss.outputs()],
            importance,
            trees,
            units: None,
            forest: false,
        };
        boosting.validate()?;
        Ok(boosting)
    }

    /// Of the trees of a forest, whose sum and these numbers are the raw scores.
    ///
    /// # Errors
    /// What [`Estimator::validate`] refuses.
    pub(super) fn forest(
        inputs: usize,
        loss: Loss,
        trees: Vec<Tree>,
        importance: Vec<f64>,
        base_score: &[f32],
    ) -> Result<Self, EstimatorError> {
        let mut forest = Self {
            inputs,
            objective: loss.objective().to_owned(),
            base_score: vec![0.0; loss.outputs()],
            importance,
            trees,
            units: None,
            forest: true,
        };
        forest = forest.from(base_score)?;
        forest.validate()?;
        Ok(forest)
    }

    /// The [`Read`] of a forest.
    pub(super) fn read_forest(fields: Value) -> Result<Box<dyn Estimator>, EstimatorError> {
        let mut forest: Self = serde_json::from_value(fields)?;
        forest.forest = true;
        Ok(Box::new(forest))
    }

    /// With raw scores that begin with these numbers. In the leaves of the first trees the sums are
    /// the same bits, and need no inverse link, which the C library would round, where XGBoost
    /// reads the model.
    fn from(mut self, base_score: &[f32]) -> Result<Self, EstimatorError> {
        for (output, base) in base_score.iter().enumerate() {
            match self.trees.iter_mut().find(|tree| tree.output() == output) {
                Some(first) => first.shift(*base),
                None => {
                    let leaf = Tree::new(output, vec![Node::leaf(*base, 0.0)])?;
                    self.trees.push(leaf);
                }
            }
        }
        Ok(self)
    }

    /// With input `i` at `places[i]`.
    ///
    /// # Errors
    /// Places that are not of its inputs.
    pub fn moved(mut self, places: &[usize]) -> Result<Self, EstimatorError> {
        self.trees
            .iter_mut()
            .for_each(|tree| tree.move_inputs(places));
        self.importance = vec![0.0; self.inputs];
        self.validate()?;
        Ok(self)
    }

    /// The loss that its trees were grown on.
    fn loss(&self) -> Option<Loss> {
        let classes = self.base_score.len();
        let shares = Loss::Shares {
            classes: classes.max(2),
        };
        let of_boosting = [Loss::Logistic, Loss::Softmax { classes }, Loss::Interval];
        let known = match self.forest {
            true => [Loss::Squared, shares].to_vec(),
            false => [&[Loss::Squared], &of_boosting[..]].concat(),
        };
        known
            .into_iter()
            .find(|loss| loss.objective() == self.objective && loss.outputs() == classes)
    }

    /// By output, what each input adds to the raw score of a row, and then what is left.
    fn parts(&self, row: &[f32]) -> Vec<f64> {
        let width = self.inputs + 1;
        let mut parts = vec![0.0; self.base_score.len() * width];
        for (output, base) in self.base_score.iter().enumerate() {
            parts[output * width + self.inputs] = f64::from(*base);
        }
        for tree in &self.trees {
            let of_output = &mut parts[tree.output() * width..][..width];
            shap::contributions(tree, row, of_output);
        }
        let of_outputs = parts.chunks_exact_mut(width);
        of_outputs.for_each(|of_output| self.own_units(of_output));
        parts
    }

    /// With what the training rows held.
    pub(super) fn fitted(self, seen: Seen) -> FittedEstimator {
        FittedEstimator {
            importance: self.ranked(&seen),
            estimator: Box::new(self),
            seen,
            descent: None,
        }
    }

    /// Importance of every input, largest first; equal ones in their order.
    fn ranked(&self, seen: &Seen) -> Vec<Importance> {
        let of = |(input, importance): (&InputSeen, &f64)| Importance {
            feature: input.name.clone(),
            coefficient: None,
            std: input.std,
            importance: *importance,
            vif: None,
            collinear_with: Vec::new(),
        };
        let mut list: Vec<Importance> = seen.inputs.iter().zip(&self.importance).map(of).collect();
        list.sort_by(|a, b| b.importance.total_cmp(&a.importance));
        list
    }
}

fn singles(row: &[f64]) -> Vec<f32> {
    row.iter().copied().map(single).collect()
}

impl Estimator for GradientBoosting {
    fn kind(&self) -> &'static str {
        match self.forest {
            true => FOREST,
            false => KIND,
        }
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.base_score.len()
    }

    fn link(&self) -> Link {
        self.loss().map_or(Link::Identity, Loss::link)
    }

    fn takes_missing(&self) -> bool {
        true
    }

    fn predicts_quantiles(&self) -> bool {
        self.loss() == Some(Loss::Interval)
    }

    fn trees(&self) -> Option<usize> {
        Some(self.trees.len())
    }

    fn formula(&self) -> Option<Formula<'_>> {
        Some(Formula::Trees {
            base_score: &self.base_score,
            trees: &self.trees,
            units: self.units,
        })
    }

    fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
        let outputs = self.outputs();
        let (mut row_of, mut scores) = (Vec::new(), Vec::new());
        assert!(rows.len().is_multiple_of(self.inputs), "rows must be whole");
        let together = (BLOCK_NUMBERS / self.inputs).max(BLOCK_ROWS);
        for block in rows.chunks(together * self.inputs) {
            row_of.clear();
            row_of.extend(block.iter().copied().map(single));
            scores.clear();
            for _ in 0..block.len() / self.inputs {
                scores.extend_from_slice(&self.base_score);
            }
            for tree in &self.trees {
                tree.add(&row_of, self.inputs, &mut scores, outputs);
            }
            out.extend(scores.iter().map(|score| self.number(*score)));
        }
    }

    fn importance(&self, _std: &[f64]) -> Vec<f64> {
        self.importance.clone()
    }

    fn contributions(&self, row: &[f64], _centre: &[f64]) -> Option<Vec<f64>> {
        let mut raw = Vec::new();
        self.raw(row, &mut raw);
        let mut parts = self.parts(&singles(row));
        let of_outputs = parts.chunks_exact_mut(self.inputs + 1);
        for (parts, raw) in of_outputs.zip(raw) {
            // What the sums of single precision rounded is left over as well.
            if let Some((left, inputs)) = parts.split_last_mut() {
                *left = raw - inputs.iter().sum::<f64>();
            }
        }
        Some(parts)
    }

    fn exports(&self, names: &[String]) -> Result<Vec<Export>, EstimatorError> {
        if self.units.is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![Export {
            name: xgboost::FILE,
            bytes: self.to_xgboost(names)?,
        }])
    }

    fn validate(&self) -> Result<(), EstimatorError> {
        let invalid = |reason: String| Err(EstimatorError::Invalid(reason));
        let outputs = self.base_score.len();
        if self.inputs == 0 || self.trees.is_empty() {
            return invalid("it has no inputs or no trees".to_owned());
        }
        if self.loss().is_none() {
            let objective = &self.objective;
            return invalid(format!("objective is {objective:?} of {outputs} scores"));
        }
        if self.importance.len() != self.inputs {
            return invalid("importance is not of all inputs".to_owned());
        }
        EstimatorError::finite("importance", &self.importance)?;
        let base: Vec<f64> = self.base_score.iter().map(|base| (*base).into()).collect();
        EstimatorError::finite("base_score", &base)?;
        self.check_units()?;
        for tree in &self.trees {
            let inputs = tree.last_input().map_or(0, |last| last as usize + 1);
            if inputs > self.inputs || tree.output() >= outputs {
                return invalid(format!(
                    "a tree looks at input {inputs} and adds to score {}, and there are {} and \
                     {outputs}",
                    tree.output(),
                    self.inputs
                ));
            }
        }
        Ok(())
    }

    fn fields(&self) -> Result<Value, EstimatorError> {
        super::fields(self)
    }
}
