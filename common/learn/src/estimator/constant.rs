//! The same prediction for every row: the mean, or the shares of the classes. What a model must
//! beat.
//!
//! ```
//! use learn::estimator::{CoMoments, Constant, Estimator};
//! use learn::rows::{Rows, Sums};
//!
//! let mut moments = CoMoments::new(&["x".to_owned()], &[]);
//! moments.add(Rows { x: &[7.0, 8.0], y: &[1.0, 2.0], weights: Some(&[3.0, 1.0]) }).unwrap();
//! let mean = Constant::of(&moments)?;
//! assert_eq!(mean.values, [1.25]);
//! # Ok::<(), learn::estimator::FitError>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::erased::Over;
use super::family::{self, Family, FitBytes, FittedEstimator, Read, Request};
use super::seen::Seen;
use super::{
    AnyError, AnyPasses, CoMoments, Estimator, EstimatorError, FitError, Formula, Link, options,
    read, whole,
};
use crate::rows::Passes;
use crate::task::{Target, Task};

/// Its name in a model file.
pub const KIND: &str = "constant";

/// Predicts `values`, whatever the row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Numbers in a row, none of which counts.
    pub inputs: usize,
    /// A number, the probability of the positive class, or one probability for each class.
    pub values: Vec<f64>,
}

/// The mean of the label, or the share of each class.
#[derive(Clone, Copy, Debug)]
pub struct Mean;

/// A number that is given.
#[derive(Clone, Copy, Debug)]
pub struct Given;

/// [`Mean`] takes none.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

/// The options of [`Given`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    value: f64,
}

impl Family for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        Vec::new()
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        let outputs = match target.classes.len() {
            0 | 2 => 1,
            classes => classes,
        };
        task.outputs(target) == outputs
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (NoOptions {}, whole) = options::parse(given)?;
        Ok(whole)
    }

    fn bytes(&self, inputs: usize, _target: &Target) -> FitBytes {
        bytes(inputs)
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let moments = moments(rows, request)?;
        let constant = Constant::of(&moments)?;
        Ok(fitted(constant, &moments))
    }
}

impl Family for Given {
    fn name(&self) -> &'static str {
        KIND
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![(KIND, read::<Constant>)]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        family::is_number(task, target)
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (Options { .. }, whole) = options::parse(given)?;
        Ok(whole)
    }

    fn example_options(&self) -> Map<String, Value> {
        Map::from_iter([("value".to_owned(), Value::from(3.5))])
    }

    fn bytes(&self, inputs: usize, _target: &Target) -> FitBytes {
        bytes(inputs)
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let (Options { value }, _) = options::parse(request.options)?;
        let constant = Constant {
            inputs: request.inputs.len(),
            values: vec![value],
        };
        Ok(fitted(constant, &moments(rows, request)?))
    }
}

fn moments(rows: &mut dyn AnyPasses, request: &Request<'_>) -> Result<CoMoments, AnyError> {
    let classes = request.target.class_names();
    Over(rows).pass(CoMoments::new(request.inputs, &classes))
}

fn fitted(constant: Constant, moments: &CoMoments) -> FittedEstimator {
    FittedEstimator {
        estimator: Box::new(constant),
        seen: Seen::from(moments),
        importance: Vec::new(),
        descent: None,
    }
}

fn bytes(inputs: usize) -> FitBytes {
    FitBytes::alike(3 * family::table(inputs))
}

impl Constant {
    /// The weighted mean of a number, or the weighted shares of the classes: of two only that of
    /// the second.
    ///
    /// # Errors
    /// No rows, a class without any, or a number that is always the same.
    pub fn of(moments: &CoMoments) -> Result<Self, FitError> {
        moments.usable()?;
        let share = |class: usize| moments.class_weight(class) / moments.weight();
        let inputs = moments.features().len();
        let values = match moments.classes().len() {
            0 => vec![moments.mean(inputs)],
            2 => vec![share(1)],
            classes => (0..classes).map(share).collect(),
        };
        Ok(Self { inputs, values })
    }
}

impl Estimator for Constant {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.values.len()
    }

    fn link(&self) -> Link {
        Link::Identity
    }

    fn formula(&self) -> Option<Formula<'_>> {
        Some(Formula::Constant(&self.values))
    }

    fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
        for _ in whole(rows, self.inputs) {
            out.extend(&self.values);
        }
    }

    fn importance(&self, std: &[f64]) -> Vec<f64> {
        vec![0.0; std.len()]
    }

    fn contributions(&self, row: &[f64], _centre: &[f64]) -> Option<Vec<f64>> {
        let of = |value: &f64| std::iter::repeat_n(0.0, row.len()).chain([*value]);
        Some(self.values.iter().flat_map(of).collect())
    }

    fn validate(&self) -> Result<(), EstimatorError> {
        if self.inputs == 0 || self.values.is_empty() {
            return Err(EstimatorError::invalid("it has no inputs or no values"));
        }
        EstimatorError::finite("values", &self.values)
    }

    fn fields(&self) -> Result<Value, EstimatorError> {
        super::fields(self)
    }
}
