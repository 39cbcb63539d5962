//! The model: its versioned file, its fit and its predictions. Pure: no I/O, and the same bytes
//! from the same rows.
//!
//! A fit takes two kinds of passes over the training rows, both made by the caller, chunk by chunk
//! and in parallel: one for [`Moments`], then one for [`NewtonSums`] at each set of parameters that
//! [`fit()`] asks for. Parts are merged in the order of the chunks, so that the result does not
//! depend on the threads.
//!
//! ```
//! use learn::model::Model;
//!
//! let model = Model::parse(
//!     br#"{
//!         "format_version": 1,
//!         "family": "logistic-regression",
//!         "target": "churned",
//!         "classes": {"negative": 0, "positive": 1},
//!         "threshold": 0.5,
//!         "features": ["amount", "age"],
//!         "coefficients": [2.0, -1.0],
//!         "intercept": 0.0,
//!         "training": {
//!             "c": 1.0, "class_weight": "balanced",
//!             "rows": 100, "iterations": 4, "converged": true
//!         }
//!     }"#,
//! )?;
//! // Row after row, the features in the order of the model.
//! let mut probabilities = Vec::new();
//! model.predict_probability(&[1.0, 2.0, 1.0, 0.0], &mut probabilities);
//! assert_eq!(probabilities[0], 0.5);
//! assert!(model.decide(probabilities[1]));
//! # Ok::<(), learn::model::ModelError>(())
//! ```

mod beta;
mod descent;
pub(crate) mod elastic;
mod error;
mod fit;
mod importance;
pub(crate) mod math;
pub(crate) mod moments;
mod newton;
mod one_hot;
mod options;
mod point;
pub(crate) mod problem;
pub(crate) mod solve;
pub(crate) mod sum;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use beta::Beta;
pub use error::FitError;
pub use fit::{Fit, fit};
pub use importance::Importance;
pub(crate) use importance::{Spread, importance, ranked};
pub use moments::{Moments, RowError};
pub use newton::NewtonSums;
pub use options::{ClassWeight, FitOptions};

/// The format that this version of the code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The name of the only model family so far.
pub const LOGISTIC_REGRESSION: &str = "logistic-regression";

/// A fitted logistic regression, as it is in `model.json`.
///
/// probability = 1 / (1 + exp(-(intercept + coefficients . features))), on raw features: a person
/// can check it by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`LOGISTIC_REGRESSION`].
    pub family: String,
    /// Name of the column that is predicted.
    pub target: String,
    /// The target's values.
    pub classes: Classes,
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Names of the features, in the order of the coefficients.
    pub features: Vec<String>,
    /// One per feature, per raw unit.
    pub coefficients: Vec<f64>,
    /// The free term.
    pub intercept: f64,
    /// How the model was fitted.
    pub training: Training,
}

/// The two values of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    /// Label 0.
    pub negative: ClassValue,
    /// Label 1, whose probability is predicted.
    pub positive: ClassValue,
}

/// A value of the target column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassValue {
    /// `false` or `true`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for ClassValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// How a model was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Inverse strength of the L2 penalty.
    pub c: f64,
    /// Weights of the classes.
    pub class_weight: ClassWeight,
    /// Rows of the training data.
    pub rows: u64,
    /// Newton steps taken.
    pub iterations: u32,
    /// Whether the optimum was reached.
    pub converged: bool,
}

/// Why a model file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON, or not of a model's shape.
    #[error("the model file cannot be read")]
    Json(#[from] serde_json::Error),
    /// Written by another version of the code.
    #[error(
        "the model file has format_version {found}, and this program reads {FORMAT_VERSION}: use images of the version that trained the model, or train again"
    )]
    FormatVersion {
        /// What the file says.
        found: u64,
    },
    /// A family that this program does not know.
    #[error(
        "the model file is of family {found:?}, and this program knows {LOGISTIC_REGRESSION:?}: use images that know the family"
    )]
    Family {
        /// What the file says.
        found: String,
    },
    /// Well-formed, but no model.
    #[error("the model file is invalid: {0}")]
    Invalid(String),
}

impl Model {
    /// The model of a fit. See [`Model::validate`] for what must hold.
    ///
    /// # Errors
    /// [`ModelError::Invalid`].
    pub fn new(
        fit: &Fit,
        moments: &Moments,
        options: &FitOptions,
        target: &str,
        classes: Classes,
        threshold: f64,
    ) -> Result<Self, ModelError> {
        let model = Self {
            format_version: FORMAT_VERSION,
            family: LOGISTIC_REGRESSION.to_owned(),
            target: target.to_owned(),
            classes,
            threshold,
            features: moments.features().to_vec(),
            coefficients: fit.coefficients.clone(),
            intercept: fit.intercept,
            training: Training {
                c: options.c,
                class_weight: options.class_weight,
                rows: moments.rows(),
                iterations: fit.iterations,
                converged: fit.converged,
            },
        };
        model.validate()?;
        Ok(model)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// Another `format_version` or `family`, unknown or missing fields, and whatever
    /// [`Model::validate`] refuses.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        /// Read first: the shape of the rest depends on it.
        #[derive(Deserialize)]
        struct Header {
            format_version: u64,
            family: String,
        }
        let header: Header = serde_json::from_slice(bytes)?;
        if header.format_version != u64::from(FORMAT_VERSION) {
            return Err(ModelError::FormatVersion {
                found: header.format_version,
            });
        }
        if header.family != LOGISTIC_REGRESSION {
            return Err(ModelError::Family {
                found: header.family,
            });
        }
        let model: Self = serde_json::from_slice(bytes)?;
        model.validate()?;
        Ok(model)
    }

    /// The model file: indented JSON with a newline at its end. Reading it back gives every number
    /// to the last bit.
    ///
    /// # Errors
    /// [`ModelError::Invalid`]: JSON would turn a number that is not finite into null.
    pub fn to_json(&self) -> Result<Vec<u8>, ModelError> {
        self.validate()?;
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Checks version and family, that there are features and one coefficient per distinct feature,
    /// that numbers are finite, that the threshold is a probability, and that the classes
    /// differ.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ModelError> {
        let invalid = |text: String| Err(ModelError::Invalid(text));
        if self.format_version != FORMAT_VERSION {
            return Err(ModelError::FormatVersion {
                found: u64::from(self.format_version),
            });
        }
        if self.family != LOGISTIC_REGRESSION {
            return Err(ModelError::Family {
                found: self.family.clone(),
            });
        }
        if self.features.is_empty() {
            return invalid("it has no features".to_owned());
        }
        if self.features.len() != self.coefficients.len() {
            return invalid(format!(
                "{} features, but {} coefficients",
                self.features.len(),
                self.coefficients.len()
            ));
        }
        let mut names: Vec<&str> = self.features.iter().map(String::as_str).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return invalid(format!("feature {:?} is listed twice", pair[0]));
        }
        for (feature, coefficient) in self.features.iter().zip(&self.coefficients) {
            if !coefficient.is_finite() {
                return invalid(format!("the coefficient of {feature:?} is {coefficient}"));
            }
        }
        if !self.intercept.is_finite() {
            return invalid(format!("intercept is {}", self.intercept));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return invalid(format!(
                "threshold is {}: it must be from 0 to 1",
                self.threshold
            ));
        }
        if !(self.training.c.is_finite() && self.training.c > 0.0) {
            return invalid(format!(
                "training.c is {}: it must be positive",
                self.training.c
            ));
        }
        if self.classes.negative == self.classes.positive {
            return invalid(format!("both classes are {}", self.classes.positive));
        }
        Ok(())
    }

    /// Appends the probability of the positive class for each row of `rows`, which is row-major
    /// with one value per feature. A row with NaN gives NaN.
    ///
    /// # Panics
    /// When the model has no features or `rows` does not hold whole rows: a bug of the caller.
    pub fn predict_probability(&self, rows: &[f64], out: &mut Vec<f64>) {
        let p = self.coefficients.len();
        assert!(p > 0 && rows.len().is_multiple_of(p), "rows must be whole");
        let start = out.len();
        out.extend(
            rows.chunks_exact(p)
                .map(|row| math::linear(self.intercept, &self.coefficients, row)),
        );
        // A loop of its own, so that it vectorises.
        for eta in &mut out[start..] {
            *eta = math::sigmoid(*eta);
        }
    }

    /// Whether the positive class is predicted at this probability.
    pub fn decide(&self, probability: f64) -> bool {
        probability >= self.threshold
    }

    /// The target's value that is predicted at this probability.
    pub fn class_at(&self, probability: f64) -> &ClassValue {
        if self.decide(probability) {
            &self.classes.positive
        } else {
            &self.classes.negative
        }
    }
}
