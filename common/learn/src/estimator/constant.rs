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
use serde_json::Value;

use super::{CoMoments, Estimator, EstimatorError, FitError, Link, whole};

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

impl Constant {
    /// The weighted mean of a number, or the weighted shares of the classes: of two only that of
    /// the second.
    ///
    /// # Errors
    /// No rows, or a class without any.
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
