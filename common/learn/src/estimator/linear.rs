//! Linear regression with an L2 or an elastic-net penalty, exact from one pass.
//!
//! With a free intercept it minimises half the sum of weight * squared error, plus
//! ((1 - `l1_ratio`) / 2 * |coefficients|^2 + `l1_ratio` * sum of |coefficients|) / C. That is
//! scikit-learn's `Ridge(alpha)` with alpha = 1 / C, and its `ElasticNet(alpha, l1_ratio)` with
//! alpha = 1 / (C * weight of all rows).
//!
//! ```
//! use learn::estimator::{FitError, linear};
//! use learn::rows::{InMemory, Rows};
//!
//! let rows = Rows { x: &[1.0, 2.0, 3.0], y: &[2.0, 4.0, 6.0], weights: None };
//! let options = linear::Options { c: 0.5, ..Default::default() };
//! let fit = linear::fit(&mut InMemory::<FitError>::new(rows, 8), &["x".to_owned()], &options)?;
//! // 2 * 2 / (2 + alpha), and alpha is 2.
//! assert_eq!(fit.estimator.coefficients, [1.0]);
//! assert_eq!(fit.estimator.intercept, 2.0);
//! # Ok::<(), FitError>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model;
use crate::model::elastic::{self, refined};
use crate::model::math;
use crate::model::problem::power_of_two;
use crate::model::sum::Sum;
use crate::rows::Passes;
use crate::task::{Target, Task};

use super::erased::Over;
use super::family::{self, Family, FitBytes, FittedEstimator, Read, Request};
use super::seen::Seen;
use super::{
    AnyError, AnyPasses, CoMoments, Estimator, EstimatorError, FitError, Link,
    linear_contributions, options, read, whole,
};

/// Its name in a model file.
pub const KIND: &str = "linear-regression";

/// A fitted linear regression: intercept + coefficients . row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearRegression {
    /// One per input.
    pub coefficients: Vec<f64>,
    /// The free term.
    pub intercept: f64,
}

/// What to minimise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Inverse strength of the penalty, 1 / alpha; positive.
    pub c: f64,
    /// Share of the penalty that is of the coefficients' size, from 0 to 1: it makes some of them
    /// exactly 0.
    pub l1_ratio: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            c: 1.0,
            l1_ratio: 0.0,
        }
    }
}

/// Linear regression.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl Family for Linear {
    fn name(&self) -> &'static str {
        KIND
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![(KIND, read::<LinearRegression>)]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        family::is_number(task, target)
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (options, whole): (Options, _) = options::parse(given)?;
        options::positive("c", options.c)?;
        options::share("l1_ratio", options.l1_ratio)?;
        Ok(whole)
    }

    fn automatic(&self, _target: &Target) -> Vec<Map<String, Value>> {
        family::penalties()
    }

    fn bytes(&self, inputs: usize, _target: &Target) -> FitBytes {
        FitBytes {
            once: 6 * family::table(inputs),
            each: 3 * family::table(inputs),
        }
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let (options, _): (Options, _) = options::parse(request.options)?;
        let fit = fit(&mut Over(rows), request.inputs, &options)?;
        Ok(FittedEstimator {
            seen: Seen::from(&fit.moments),
            importance: model::importance(&fit.estimator.coefficients, &fit.moments),
            descent: None,
            estimator: Box::new(fit.estimator),
        })
    }
}

/// A fit, and what its pass saw.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The regression.
    pub estimator: LinearRegression,
    /// Means and spreads of the training rows.
    pub moments: CoMoments,
}

/// Fits by one pass.
///
/// # Errors
/// Rows that cannot be used, an option that makes no sense, and those of the passes.
pub fn fit<P: Passes>(
    passes: &mut P,
    features: &[String],
    options: &Options,
) -> Result<Fit, P::Error>
where
    P::Error: From<FitError>,
{
    let moments = passes.pass(CoMoments::new(features, &[]))?;
    let estimator = solve(&moments, options)?;
    Ok(Fit { estimator, moments })
}

/// The regression of these moments: another C needs no other pass.
///
/// # Errors
/// No rows, a target that is always the same, a spread that overflows, an option that makes no
/// sense.
pub fn solve(moments: &CoMoments, options: &Options) -> Result<LinearRegression, FitError> {
    let value = options.c;
    if !(value.is_finite() && value > 0.0) {
        return Err(model::FitError::Option { name: "c", value }.into());
    }
    let ratio = options.l1_ratio;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(model::FitError::Share {
            name: "l1_ratio",
            value: ratio,
        }
        .into());
    }
    moments.usable()?;
    let p = moments.features().len();
    let scale: Vec<f64> = (0..p).map(|j| power_of_two(moments.std(j))).collect();
    let mut matrix = vec![0.0; p * p];
    for i in 0..p {
        for j in 0..p {
            matrix[i * p + j] = moments.product(i, j) * scale[i] * scale[j];
        }
        matrix[i * p + i] += (1.0 - ratio) * scale[i] * scale[i] / value;
    }
    let right: Vec<f64> = (0..p).map(|j| moments.product(j, p) * scale[j]).collect();
    let scaled = if ratio == 0.0 {
        refined(&matrix, &right)?
    } else {
        let problem = elastic::Problem {
            matrix: &matrix,
            right: &right,
            l1: &scale.iter().map(|s| ratio * s / value).collect::<Vec<_>>(),
            flat: &[],
        };
        problem.solve()?
    };
    let coefficients: Vec<f64> = scaled.iter().zip(&scale).map(|(b, s)| b * s).collect();
    let mut intercept = Sum::default();
    intercept.add(moments.mean(p));
    for (j, coefficient) in coefficients.iter().enumerate() {
        intercept.add(-coefficient * moments.mean(j));
    }
    let estimator = LinearRegression {
        coefficients,
        intercept: intercept.value(),
    };
    match estimator.validate() {
        Ok(()) => Ok(estimator),
        Err(_) => Err(model::FitError::NotFinite.into()),
    }
}

one_linear_score!(LinearRegression, KIND, Link::Identity);
