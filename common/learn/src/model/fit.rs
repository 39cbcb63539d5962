//! The optimum of scikit-learn's `LogisticRegression`, by damped Newton steps.

use super::beta::Beta;
use super::descent::Descent;
use super::error::FitError;
use super::moments::Moments;
use super::newton::NewtonSums;
use super::options::FitOptions;
use super::problem::Problem;

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
