//! Logistic regression of two classes with an L2 penalty: [`crate::model`]'s, with row weights.
//!
//! ```
//! use learn::estimator::{Estimator, LogisticRegression};
//!
//! let estimator = LogisticRegression { coefficients: vec![2.0], intercept: -1.0 };
//! let mut probabilities = Vec::new();
//! estimator.predict(&[0.5, f64::NAN], &mut probabilities);
//! assert_eq!(probabilities[0], 0.5);
//! assert!(probabilities[1].is_nan());
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::math;
use crate::model::{self, Beta, FitOptions, Moments, NewtonSums};
use crate::rows::{Passes, Rows, Sums};

use super::{Estimator, EstimatorError, FitError, Link, linear_contributions, whole};

/// Its name in a model file.
pub const KIND: &str = model::LOGISTIC_REGRESSION;

/// A fitted logistic regression: 1 / (1 + exp(-(intercept + coefficients . row))).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticRegression {
    /// One per input.
    pub coefficients: Vec<f64>,
    /// The free term.
    pub intercept: f64,
}

/// A fit, how it was reached, and what its first pass saw.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The regression.
    pub estimator: LogisticRegression,
    /// How it was reached.
    pub fit: model::Fit,
    /// Means and spreads of the training rows.
    pub moments: Moments,
}

/// Fits by one pass for the moments, and one or more for each Newton step. Labels are 0 and 1.
///
/// # Errors
/// Rows that cannot be used, an option that makes no sense, and those of the passes.
pub fn fit<P: Passes>(
    passes: &mut P,
    features: &[String],
    options: &FitOptions,
) -> Result<Fit, P::Error>
where
    P::Error: From<FitError>,
{
    let Seen(moments) = passes.pass(Seen(Moments::new(features)))?;
    let evaluate = |beta: &Beta| {
        let at = At {
            beta: Arc::new(beta.clone()),
            sums: NewtonSums::new(features.len()),
        };
        Ok(passes.pass(at).map_err(Failure::Pass)?.sums)
    };
    let fit = match model::fit(&moments, options, evaluate) {
        Ok(fit) => fit,
        Err(Failure::Pass(error)) => return Err(error),
        Err(Failure::Fit(error)) => return Err(FitError::from(error).into()),
    };
    let estimator = LogisticRegression {
        coefficients: fit.coefficients.clone(),
        intercept: fit.intercept,
    };
    Ok(Fit {
        estimator,
        fit,
        moments,
    })
}

/// Either side's error.
enum Failure<E> {
    Pass(E),
    Fit(model::FitError),
}

impl<E> From<model::FitError> for Failure<E> {
    fn from(error: model::FitError) -> Self {
        Self::Fit(error)
    }
}

/// The first pass.
#[derive(Clone)]
struct Seen(Moments);

/// One pass at given parameters.
#[derive(Clone)]
struct At {
    beta: Arc<Beta>,
    sums: NewtonSums,
}

fn labels(rows: &Rows<'_>) -> Vec<u8> {
    rows.y.iter().map(|&y| y as u8).collect()
}

impl Sums for Seen {
    type Error = FitError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), FitError> {
        rows.check_classes(2)?;
        let y = labels(&rows);
        match rows.weights {
            Some(weights) => self.0.add_weighted_rows(rows.x, &y, weights)?,
            None => self.0.add_rows(rows.x, &y)?,
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.0.merge(&later.0);
    }
}

impl Sums for At {
    type Error = FitError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), FitError> {
        let y = labels(&rows);
        match rows.weights {
            Some(weights) => self.sums.add_weighted_rows(&self.beta, rows.x, &y, weights),
            None => self.sums.add_rows(&self.beta, rows.x, &y),
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.sums.merge(&later.sums);
    }
}

one_linear_score!(LogisticRegression, KIND, Link::Logistic);
