//! The optimum of scikit-learn's `LogisticRegression`, by damped Newton steps.

use serde::{Deserialize, Serialize};

use super::beta::Beta;
use super::descent::Descent;
use super::moments::Moments;
use super::newton::NewtonSums;
use super::problem::Problem;

/// How to weigh the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeight {
    /// Each class weighs the same in total: a row weighs rows / (2 * rows of its class).
    #[default]
    Balanced,
    /// Each row weighs 1.
    None,
}

/// What to minimise and when to stop.
///
/// The objective is scikit-learn's: sum of weight * log loss + ((1 - `l1_ratio`) / 2 *
/// |coefficients|^2 + `l1_ratio` * sum of |coefficients|) / C, on raw features, with a free
/// intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Inverse strength of the penalty; positive.
    pub c: f64,
    /// Share of the penalty that is of the coefficients' size, from 0 to 1: it makes some of them
    /// exactly 0.
    pub l1_ratio: f64,
    /// Weights of the classes.
    pub class_weight: ClassWeight,
    /// Maximum number of Newton steps.
    pub max_iter: u32,
    /// Steps go on while a component of the gradient of objective / rows exceeds it; positive.
    pub tol: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            c: 1.0,
            l1_ratio: 0.0,
            class_weight: ClassWeight::Balanced,
            max_iter: 1000,
            tol: 1e-10,
        }
    }
}

/// Coefficients on the raw features, and how they were reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One per feature; exactly 0 for a constant one.
    pub coefficients: Vec<f64>,
    /// The free term.
    pub intercept: f64,
    /// Newton steps taken.
    pub iterations: u32,
    /// Whether the gradient vanishes beside the terms that it sums.
    pub converged: bool,
    /// Weighted log loss plus penalty, divided by the rows.
    pub objective: f64,
    /// Largest component of the gradient of `objective`.
    pub max_gradient: f64,
    /// Largest component of the gradient as a share of its terms, whatever their scale.
    pub relative_gradient: f64,
    /// The feature that it belongs to; `None` for the intercept.
    pub steepest: Option<String>,
}

/// Why no model could be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// There is nothing to learn from.
    #[error("no rows to train on: check the training manifest and the filter of the data contract")]
    NoRows,
    /// Only one class occurs.
    #[error("all {rows} training rows have label {label}: a classifier needs rows of both classes")]
    OneClass {
        /// The label that occurs.
        label: u8,
        /// How many rows have it.
        rows: u64,
    },
    /// An option makes no sense.
    #[error("{name} is {value}: it must be a positive finite number")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// An option is no share.
    #[error("{name} is {value}: it must be from 0 to 1")]
    Share {
        /// Name of the option.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// The spread of a feature overflows.
    #[error(
        "feature {feature} is too large to train on (its spread overflows): `alameda dataset profile` \
         shows its ends; make a value that stands for a missing one null in features.sql, or divide \
         all of them there by a power of ten"
    )]
    Overflow {
        /// Name of the feature.
        feature: String,
    },
    /// Sums of a pass are NaN or infinite.
    #[error(
        "the sums over the training rows are not finite: a feature holds NaN, infinite or overflowing values"
    )]
    NotFinite,
    /// Two passes saw different data.
    #[error(
        "a pass over the training rows saw {found} rows where the first pass saw {expected}: the data changed while training"
    )]
    RowsChanged {
        /// Rows of the moments.
        expected: u64,
        /// Rows of the later pass.
        found: u64,
    },
    /// No Newton step could be computed.
    #[error(
        "the Hessian cannot be factored, even with a ridge: drop collinear features or lower C"
    )]
    Singular,
}

/// Fits a penalised logistic regression on rows that only `evaluate` sees.
///
/// `moments` come from a first pass over the rows. `evaluate` is one pass over the same rows at
/// the given parameters: it makes [`NewtonSums`] per chunk, in parallel if it likes, and merges
/// them in the order of the chunks. It is called once per Newton step and once more per halved
/// step; typically eight times.
///
/// The solution does not depend on the scale of the features. Steps are taken in standardised
/// coordinates first, with the penalty carried over to them. Whether they led to the optimum is
/// decided by the gradient alone, beside the terms that it sums; where they did not, because one
/// far value or one tiny feature sets the scale of all, steps go on in coordinates that follow
/// the rows which still matter. Exactly collinear features are fine: the penalty alone decides
/// between them, as in scikit-learn.
///
/// # Errors
/// Those of [`FitError`], and whatever `evaluate` returns.
pub fn fit<E: From<FitError>>(
    moments: &Moments,
    options: &FitOptions,
    mut evaluate: impl FnMut(&Beta) -> Result<NewtonSums, E>,
) -> Result<Fit, E> {
    let problem = Problem::new(moments, options)?;
    let mut descent = Descent {
        problem: &problem,
        evaluate: |beta: Beta| {
            let sums = evaluate(&beta)?;
            Ok::<_, E>(problem.at(beta, &sums)?)
        },
        max_iter: options.max_iter,
        tol: options.tol,
        iterations: 0,
    };
    let start = (descent.evaluate)(problem.start(moments)?)?;
    let end = match options.l1_ratio {
        0.0 => {
            let end = descent.in_fixed_coordinates(start)?;
            match end.is_stationary() {
                true => end,
                false => descent.in_following_coordinates(end)?,
            }
        }
        _ => descent.with_zeros(start)?,
    };
    let (coefficients, intercept) = end.beta.raw();
    Ok(Fit {
        coefficients,
        intercept,
        iterations: descent.iterations,
        converged: end.is_stationary(),
        objective: end.objective / moments.rows() as f64,
        max_gradient: end.max_gradient,
        relative_gradient: end.relative_gradient,
        steepest: moments.features().get(end.steepest).cloned(),
    })
}
