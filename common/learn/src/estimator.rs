//! Estimators: from a row of numbers to a prediction, whatever the task.
//!
//! An [`Estimator`] makes raw scores, and a [`Link`] turns them into probabilities or values.
//! A [`Family`] fits it, by its name in `models.json`. [`Families`] knows all of them, and reads an
//! estimator back from the object `{"kind": ...}` of a model file; a family of another crate joins
//! by [`Families::with`].
//!
//! ```
//! use learn::estimator::{Estimator, Families, FitError, linear};
//! use learn::rows::{InMemory, Rows};
//!
//! let rows = Rows { x: &[0.0, 1.0, 2.0, 3.0], y: &[1.0, 3.0, 5.0, 7.0], weights: None };
//! let features = ["x".to_owned()];
//! let options = linear::Options { c: 1e9, ..Default::default() };
//! let fit = linear::fit(&mut InMemory::<FitError>::new(rows, 2), &features, &options)?;
//!
//! let file = fit.estimator.to_json()?;
//! let read = Families::standard().read(&file)?;
//! let mut predictions = Vec::new();
//! read.predict(&[10.0], &mut predictions);
//! assert!((predictions[0] - 21.0).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The [`Estimator`] of a struct of `coefficients` and one `intercept`.
macro_rules! one_linear_score {
    ($of:ty, $kind:expr, $link:expr) => {
        impl Estimator for $of {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn inputs(&self) -> usize {
                self.coefficients.len()
            }

            fn outputs(&self) -> usize {
                1
            }

            fn link(&self) -> Link {
                $link
            }

            fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
                let score = |row| math::linear(self.intercept, &self.coefficients, row);
                out.extend(whole(rows, self.inputs()).map(score));
            }

            fn importance(&self, std: &[f64]) -> Vec<f64> {
                let inputs = self.coefficients.iter().zip(std);
                inputs.map(|(c, std)| c.abs() * std).collect()
            }

            fn contributions(&self, row: &[f64], centre: &[f64]) -> Option<Vec<f64>> {
                let (free, slopes) = (self.intercept, &self.coefficients);
                Some(linear_contributions(free, slopes, row, centre).collect())
            }

            fn formula(&self) -> Option<super::Formula<'_>> {
                Some(super::Formula::Linear {
                    coefficients: vec![&self.coefficients],
                    intercepts: std::slice::from_ref(&self.intercept),
                })
            }

            fn validate(&self) -> Result<(), EstimatorError> {
                if self.coefficients.is_empty() {
                    return Err(EstimatorError::invalid("it has no coefficients"));
                }
                EstimatorError::finite("coefficients", &self.coefficients)?;
                EstimatorError::finite("intercept", &[self.intercept])
            }

            fn fields(&self) -> Result<Value, EstimatorError> {
                super::fields(self)
            }
        }
    };
}

mod any_error;
pub mod boosting;
mod co_moments;
pub mod constant;
mod erased;
mod families;
mod family;
pub mod forest;
pub mod linear;
pub mod logistic;
pub mod multinomial;
mod options;
mod seen;
#[cfg(test)]
mod tests;
mod trees;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model;
use crate::model::math::{exp_of_negative, sigmoid};
use crate::rows::RowError;

pub use any_error::AnyError;
pub use co_moments::CoMoments;
pub use constant::Constant;
pub use erased::{AnyPasses, AnySums, Erased, pass};
pub use families::Families;
pub use family::{Descent, Family, FitBytes, FittedEstimator, HeldRows, Read, Request};
pub use linear::LinearRegression;
pub use logistic::LogisticRegression;
pub use multinomial::MultinomialRegression;
pub use seen::{InputSeen, Seen};

/// What turns rows of numbers into predictions.
pub trait Estimator: Debug + Send + Sync {
    /// Its name in a model file.
    fn kind(&self) -> &'static str;

    /// Numbers in a row.
    fn inputs(&self) -> usize;

    /// Raw scores of a row: 1 for a number or two classes, else one for each class.
    fn outputs(&self) -> usize;

    /// What makes predictions of the raw scores.
    fn link(&self) -> Link;

    /// Appends the raw scores of each row; `rows` is row-major. A row with NaN gives NaN, unless
    /// the estimator says that it takes missing values.
    ///
    /// # Panics
    /// When `rows` does not hold whole rows: a bug of the caller.
    fn raw(&self, rows: &[f64], out: &mut Vec<f64>);

    /// Appends the predictions of each row: a value, the probability of the positive class, or one
    /// probability for each class.
    ///
    /// # Panics
    /// As [`Estimator::raw`].
    fn predict(&self, rows: &[f64], out: &mut Vec<f64>) {
        let start = out.len();
        self.raw(rows, out);
        self.link().apply(&mut out[start..], self.outputs());
    }

    /// How far each input moves the raw scores over one of its standard deviations, comparable
    /// between inputs.
    fn importance(&self, std: &[f64]) -> Vec<f64>;

    /// What each input of one row adds to each raw score, beside a row that is at `centre`: by
    /// output, the inputs and then what is left. They add up to the raw score. `None` for an
    /// estimator that has no such sum.
    fn contributions(&self, row: &[f64], centre: &[f64]) -> Option<Vec<f64>>;

    /// Whether a missing number, NaN, is a value like others: else a row with one has no score.
    fn takes_missing(&self) -> bool {
        false
    }

    /// Whether it predicts a number and then two of its quantiles, the lower and the upper one.
    fn predicts_quantiles(&self) -> bool {
        false
    }

    /// How many trees it sums up; `None` for another estimator.
    fn trees(&self) -> Option<usize> {
        None
    }

    /// Whether its scores of the rows that it was trained on do not represent those of others:
    /// trees are surer of the rows that they grew on.
    fn is_surer_of_training_rows(&self) -> bool {
        self.trees().is_some()
    }

    /// How its raw scores are computed, for other programs; `None` where [`Formula`] has no such
    /// form.
    fn formula(&self) -> Option<Formula<'_>> {
        None
    }

    /// Files in which other programs read it, kept beside the model file. `names` are those of the
    /// numbers in a row.
    ///
    /// # Errors
    /// What a format cannot hold.
    fn exports(&self, _names: &[String]) -> Result<Vec<Export>, EstimatorError> {
        Ok(Vec::new())
    }

    /// That its numbers make an estimator.
    ///
    /// # Errors
    /// Names the field.
    fn validate(&self) -> Result<(), EstimatorError>;

    /// Its object in a model file, without its kind: see [`Estimator::to_json`].
    ///
    /// # Errors
    /// What JSON cannot hold.
    fn fields(&self) -> Result<Value, EstimatorError>;

    /// Its object in a model file, which [`Families::read`] turns back into the same bits.
    ///
    /// # Errors
    /// Those of [`Estimator::validate`]: JSON would turn a number that is not finite into null.
    fn to_json(&self) -> Result<Value, EstimatorError> {
        self.validate()?;
        let Value::Object(fields) = self.fields()? else {
            return Err(EstimatorError::invalid("its fields are not an object"));
        };
        let kind = std::iter::once(("kind".to_owned(), Value::from(self.kind())));
        Ok(Value::Object(kind.chain(fields).collect()))
    }
}

/// How raw scores come of a row.
#[derive(Clone, Debug)]
pub enum Formula<'a> {
    /// Intercept + sum of coefficient * number.
    Linear {
        /// By raw score, one for each number of a row.
        coefficients: Vec<&'a [f64]>,
        /// By raw score.
        intercepts: &'a [f64],
    },
    /// The same for every row, by raw score.
    Constant(&'a [f64]),
    /// The sum of what trees add, in single precision.
    Trees {
        /// What each raw score begins with.
        base_score: &'a [f32],
        /// In the order in which they are added.
        trees: &'a [boosting::Tree],
        /// Those of the sum, which is turned into the target's own in double precision.
        units: Option<boosting::Units>,
    },
}

/// A file in which other programs read an estimator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Name of the file.
    pub name: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What makes predictions of raw scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The raw scores are the predictions.
    Identity,
    /// 1 / (1 + exp(-score)).
    Logistic,
    /// exp(score) / sum of exp(scores) over the classes.
    Softmax,
    /// The raw scores are shares, but for rounding: from 0 to 1, and of several 1 together.
    Shares,
}

impl Link {
    /// Turns raw scores, `outputs` a row, into predictions.
    pub fn apply(self, scores: &mut [f64], outputs: usize) {
        match self {
            Self::Identity => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Self::Softmax => scores.chunks_exact_mut(outputs).for_each(softmax),
            Self::Shares => scores.chunks_exact_mut(outputs).for_each(shares),
        }
    }
}

/// Shares of one row, which rounding may have taken a little beyond 0 and 1.
fn shares(scores: &mut [f64]) {
    scores
        .iter_mut()
        .for_each(|score| *score = score.clamp(0.0, 1.0));
    if scores.len() > 1 {
        let total: f64 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= total);
    }
}

/// Probabilities of one row, without overflow; all NaN where a score is not finite.
fn softmax(scores: &mut [f64]) {
    if scores.iter().any(|score| !score.is_finite()) {
        scores.fill(f64::NAN);
        return;
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = exp_of_negative(*score - largest);
        total += *score;
    }
    scores.iter_mut().for_each(|score| *score /= total);
}

/// Rows that are whole.
fn whole(rows: &[f64], inputs: usize) -> impl Iterator<Item = &[f64]> {
    assert!(
        inputs > 0 && rows.len().is_multiple_of(inputs),
        "rows must be whole"
    );
    rows.chunks_exact(inputs)
}

/// Contributions of a linear score: those of the inputs, then what a row at `centre` scores.
fn linear_contributions<'a>(
    intercept: f64,
    coefficients: &'a [f64],
    row: &'a [f64],
    centre: &'a [f64],
) -> impl Iterator<Item = f64> + 'a {
    let at_centre = model::math::linear(intercept, coefficients, centre);
    let beside = coefficients.iter().zip(row).zip(centre);
    beside
        .map(|((coefficient, x), centre)| coefficient * (x - centre))
        .chain([at_centre])
}

/// Why an estimator is refused.
#[derive(Debug, thiserror::Error)]
pub enum EstimatorError {
    /// Features that are not those of the data.
    #[error("{0}")]
    Features(String),
    /// Not JSON, or not of its kind's shape.
    #[error("the estimator of the model file cannot be read")]
    Json(#[from] serde_json::Error),
    /// A kind that this program does not know.
    #[error(
        "the model file has an estimator of kind {found:?}, and this program knows {known}: use \
         images that know the kind"
    )]
    Kind {
        /// What the file says.
        found: String,
        /// The kinds of the registry.
        known: String,
    },
    /// A family that this program does not know.
    #[error("family is {found:?}: it must be one of {known}")]
    Family {
        /// What was asked for.
        found: String,
        /// The families of the registry.
        known: String,
    },
    /// Options that a family does not take.
    #[error("{0}")]
    Option(String),
    /// Well-formed, but no estimator.
    #[error("the estimator of the model file is invalid: {0}")]
    Invalid(String),
}

impl EstimatorError {
    fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }

    fn finite(field: &str, values: &[f64]) -> Result<(), Self> {
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Self::Invalid(format!("{field} holds {value}"))),
            None => Ok(()),
        }
    }
}

/// What else to do where a class is a whole number.
fn or_number(class: &str) -> &'static str {
    match class.parse::<i64>() {
        Ok(_) => {
            "; if the target counts or grades something, predict it as a number: \"task\": \
             \"regression\" there instead of \"allowed\", with a family of models.json for numbers"
        }
        Err(_) => "",
    }
}

/// Why nothing could be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A row cannot be used.
    #[error(transparent)]
    Row(#[from] RowError),
    /// As for a logistic regression.
    #[error(transparent)]
    Fit(#[from] model::FitError),
    /// A class of the target has no rows.
    #[error(
        "class {class} has no training rows with a weight above 0, and its other rows, if any, are \
         in the holdout or among the validation rows: deliver more of them, change HOLDOUT, or leave \
         them out by train_filter and the class out of \"allowed\" in dataset.json{}",
        or_number(.class)
    )]
    MissingClass {
        /// Its value.
        class: String,
    },
    /// A target that is a number, and the same in all rows that weigh something.
    #[error("the target is {value} in all {rows} training rows: there is nothing to predict")]
    OneValue {
        /// The number.
        value: f64,
        /// How many rows there are.
        rows: u64,
    },
    /// A target that is a number, and has no spread in double precision.
    #[error(
        "target {target:?} is from {:e} to {:e}: squares of such numbers are beyond double precision; \
         write it in other units into the raw files",
        .range[0], .range[1]
    )]
    Squares {
        /// Its name.
        target: String,
        /// Its least and its greatest value.
        range: [f64; 2],
    },
    /// The Hessian would be too large.
    #[error(
        "{classes} classes of {inputs} inputs make {parameters} parameters, and a multinomial \
         logistic regression fits {limit} at most: drop or encode columns, or join classes"
    )]
    TooLarge {
        /// Of the target.
        classes: usize,
        /// Numbers in a row.
        inputs: usize,
        /// One for each class and input, and one for each class.
        parameters: usize,
        /// The most that are fitted.
        limit: usize,
    },
}

impl From<model::RowError> for FitError {
    fn from(error: model::RowError) -> Self {
        Self::Row(match error {
            model::RowError::NotFinite {
                feature,
                row,
                value,
            } => RowError::Feature {
                feature,
                row,
                value,
            },
            model::RowError::Label { row, value } => RowError::Label {
                row,
                value: f64::from(value),
                expected: "0 or 1".to_owned(),
            },
            model::RowError::Weight { row, value } => RowError::Weight { row, value },
        })
    }
}

/// The [`Read`] of an estimator that serde reads.
///
/// # Errors
/// Unknown or missing fields.
pub fn read<T: Estimator + DeserializeOwned + 'static>(
    fields: Value,
) -> Result<Box<dyn Estimator>, EstimatorError> {
    Ok(Box::new(serde_json::from_value::<T>(fields)?))
}

/// The [`Estimator::fields`] of an estimator that serde writes.
///
/// # Errors
/// What JSON cannot hold.
pub fn fields(estimator: &impl Serialize) -> Result<Value, EstimatorError> {
    Ok(serde_json::to_value(estimator)?)
}
