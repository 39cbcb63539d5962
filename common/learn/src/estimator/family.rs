//! Families: what fits an estimator, chosen by its name in `models.json`.
//!
//! ```
//! use learn::estimator::{AnyError, Families, Request};
//! use learn::rows::{InMemory, Rows};
//! use learn::task::{Regression, Target};
//!
//! let target = Target { name: "price".to_owned(), classes: Vec::new() };
//! let family = Families::standard().get("mean")?;
//! let request = Request {
//!     quantiles: None,
//!     task: &Regression,
//!     target: &target,
//!     inputs: &["rooms".to_owned()],
//!     one_hot: &[],
//!     options: &family.options(&Default::default())?,
//! };
//! let rows = Rows { x: &[1.0, 2.0], y: &[100.0, 300.0], weights: None };
//! let fitted = family.fit(&mut InMemory::<AnyError>::new(rows, 8), &request).unwrap();
//! let mut predicted = Vec::new();
//! fitted.estimator.predict(&[7.0], &mut predicted);
//! assert_eq!(predicted, [200.0]);
//! # Ok::<(), learn::estimator::EstimatorError>(())
//! ```

use std::fmt::Debug;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::model::{Fit, Importance};
use crate::preprocessing;
use crate::task::{LabelKind, Target, Task};

use super::seen::Seen;
use super::{AnyError, AnyPasses, Estimator, EstimatorError};

/// What fits estimators of one kind, or of a few that differ by the task.
pub trait Family: Debug + Send + Sync {
    /// Its name in `models.json`.
    fn name(&self) -> &'static str;

    /// Names in model files of the estimators that it makes, and what reads each.
    fn kinds(&self) -> Vec<(&'static str, Read)>;

    /// Whether it can learn a target.
    fn learns(&self, task: &dyn Task, target: &Target) -> bool;

    /// For what kind of model columns are prepared, unless they say otherwise.
    fn preparation(&self) -> preprocessing::Family {
        preprocessing::Family::Linear
    }

    /// The options of a fit, with the defaults of those that are not given.
    ///
    /// # Errors
    /// [`EstimatorError::Option`]: one that is unknown, or makes no sense.
    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError>;

    /// The options that have no default, each with an example of its value.
    fn example_options(&self) -> Map<String, Value> {
        Map::new()
    }

    /// The options of each fit that `"candidates": "auto"` tries for a target; none: it is left out
    /// there.
    fn automatic(&self, _target: &Target) -> Vec<Map<String, Value>> {
        Vec::new()
    }

    /// Bytes of memory that a fit takes of so many inputs and classes, without its rows.
    fn bytes(&self, inputs: usize, target: &Target) -> FitBytes;

    /// Bytes of memory that its rows take beside, of a fit that has to hold them.
    ///
    /// # Errors
    /// Options that are not its own.
    fn row_bytes(
        &self,
        _rows: HeldRows,
        _target: &Target,
        _options: &Map<String, Value>,
    ) -> Result<u64, EstimatorError> {
        Ok(0)
    }

    /// Whether a fit by these options looks at validation rows, to know when to stop.
    fn stops_early(&self, _options: &Map<String, Value>) -> bool {
        false
    }

    /// Whether it fits quantiles beside a number, where [`Request::quantiles`] asks for them.
    fn fits_quantiles(&self) -> bool {
        false
    }

    /// The options of a fit that ends where these ended on average, without validation rows.
    fn settled(
        &self,
        options: &Map<String, Value>,
        _fits: &[&dyn Estimator],
    ) -> Map<String, Value> {
        options.clone()
    }

    /// What the importance of a feature is.
    fn importance_is(&self) -> &'static str {
        "change of the score over one standard deviation of the feature"
    }

    /// Passes over the rows that a fit usually takes, for progress.
    fn passes(&self) -> u64 {
        1
    }

    /// Fits an estimator.
    ///
    /// # Errors
    /// Rows that cannot be used, and those of the passes.
    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError>;
}

/// Reads the fields of one kind.
pub type Read = fn(Value) -> Result<Box<dyn Estimator>, EstimatorError>;

/// Bytes that a fit takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitBytes {
    /// Once.
    pub once: u64,
    /// For each thread that adds up rows.
    pub each: u64,
}

impl FitBytes {
    /// As many for each thread as once.
    pub(super) fn alike(bytes: u64) -> Self {
        Self {
            once: bytes,
            each: bytes,
        }
    }
}

/// Rows that a fit may have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRows {
    /// Rows to fit on.
    pub fit: u64,
    /// Rows by which the fit knows when to stop; 0 where it does not look at any.
    pub validation: u64,
    /// Numbers of a row.
    pub inputs: usize,
}

/// What is to be fitted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// What is predicted.
    pub target: &'a Target,
    /// Names of the numbers in a row.
    pub inputs: &'a [String],
    /// Numbers of which a row has at most one that is not at its lowest value, in order: the
    /// columns of a category each.
    pub one_hot: &'a [Range<usize>],
    /// As [`Family::options`] returns them.
    pub options: &'a Map<String, Value>,
    /// Of a number: the levels of the two quantiles that are predicted with it, as
    /// [`Estimator::predicts_quantiles`] says.
    pub quantiles: Option<[f64; 2]>,
}

/// An estimator, and what is known of its fit.
#[derive(Debug)]
pub struct FittedEstimator {
    /// The estimator.
    pub estimator: Box<dyn Estimator>,
    /// What the training rows held.
    pub seen: Seen,
    /// Influence of the inputs, largest first; none where no input counts.
    pub importance: Vec<Importance>,
    /// The steps of a fit that takes steps.
    pub descent: Option<Descent>,
}

/// How steps towards an optimum ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// Steps taken.
    pub iterations: u32,
    /// The most that were allowed.
    pub most: u32,
    /// Whether the gradient vanishes beside the terms that it sums.
    pub converged: bool,
    /// What was minimised, divided by the rows.
    pub objective: f64,
    /// Largest component of its gradient.
    pub max_gradient: Option<f64>,
    /// The same as a share of the terms that it sums.
    pub relative_gradient: f64,
    /// The input that it belongs to; `None` for a free term, or where it is not known.
    pub steepest: Option<String>,
}

impl Descent {
    pub(super) fn of(fit: &Fit, most: u32) -> Self {
        Self {
            iterations: fit.iterations,
            most,
            converged: fit.converged,
            objective: fit.objective,
            max_gradient: Some(fit.max_gradient),
            relative_gradient: fit.relative_gradient,
            steepest: fit.steepest.clone(),
        }
    }
}

/// Whether a target is one of numbers, for an estimator of one number.
pub(super) fn is_number(task: &dyn Task, target: &Target) -> bool {
    task.labels() == LabelKind::Number && task.outputs(target) == 1
}

/// What `"candidates": "auto"` tries of a linear model: a penalty of four strengths.
pub(super) fn penalties() -> Vec<Map<String, Value>> {
    let of = |c: f64| Map::from_iter([("c".to_owned(), Value::from(c))]);
    [0.01, 0.1, 1.0, 100.0].map(of).into()
}

/// Raw scores that trees of a target add to: one of a number and of two classes.
pub(super) fn scores_of_trees(target: &Target) -> u64 {
    match target.classes.len() {
        0..=2 => 1,
        classes => classes as u64,
    }
}

/// Bytes of a table of inputs x inputs numbers.
pub(super) fn table(inputs: usize) -> u64 {
    8 * (inputs as u64 + 1) * (inputs as u64 + 1)
}
