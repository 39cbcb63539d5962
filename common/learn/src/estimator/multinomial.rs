//! Multinomial logistic regression with an L2 penalty or elastic net, by Newton steps over streamed
//! rows.
//!
//! scikit-learn's `LogisticRegression` of three classes and more: one set of coefficients for
//! each class, all of them penalised, intercepts that are free and add up to 0. With an even
//! number of classes and the L1 penalty alone, several sets may be equally good: they give the same
//! probabilities.
//! The Hessian has (classes * (inputs + 1))^2 numbers; [`LIMIT`] says how many are too many.
//!
//! ```
//! use learn::estimator::{Estimator, FitError, multinomial};
//! use learn::rows::{InMemory, Rows};
//!
//! let rows = Rows {
//!     x: &[-2.0, -1.0, 0.0, 1.0, 2.0, 3.0],
//!     y: &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0],
//!     weights: None,
//! };
//! let (features, classes) = (["x".to_owned()], ["a", "b", "c"].map(str::to_owned));
//! let mut passes = InMemory::<FitError>::new(rows, 4);
//! let fit = multinomial::fit(&mut passes, &features, &classes, &Default::default())?;
//! assert!(fit.converged);
//!
//! let mut probabilities = Vec::new();
//! fit.estimator.predict(&[0.5], &mut probabilities);
//! assert!(probabilities[1] > probabilities[0] && probabilities[1] > probabilities[2]);
//! # Ok::<(), FitError>(())
//! ```

mod descent;
mod sums;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::math;
use crate::model::{self, FitOptions};
use crate::rows::Passes;

use super::erased::Over;
use super::family::{Descent, FittedEstimator, Request};
use super::seen::Seen;
use super::{
    AnyError, AnyPasses, CoMoments, Estimator, EstimatorError, FitError, Formula, Link,
    linear_contributions, whole,
};

pub use sums::{Point, SoftmaxSums};

/// Its name in a model file.
pub const KIND: &str = "multinomial-logistic-regression";

/// Parameters that are fitted at most, one for each class and input and one for each class. Their
/// Hessian takes 128 MiB, the sums of a pass half of that for each part that is in memory, and a
/// step holds four such matrices.
pub const LIMIT: usize = 4096;

/// A fitted multinomial logistic regression: the softmax of one linear score for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultinomialRegression {
    /// By class, one per input.
    pub coefficients: Vec<Vec<f64>>,
    /// By class.
    pub intercepts: Vec<f64>,
}

/// A fit, and how it was reached.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The regression.
    pub estimator: MultinomialRegression,
    /// Means and spreads of the training rows.
    pub moments: CoMoments,
    /// Newton steps taken.
    pub iterations: u32,
    /// Whether the gradient vanishes beside the terms that it sums.
    pub converged: bool,
    /// Weighted log loss plus penalty, divided by the rows.
    pub objective: f64,
    /// Largest component of the gradient as a share of its terms, whatever their scale.
    pub relative_gradient: f64,
}

/// Bytes of memory that the sums of one pass take, and those of a Newton step.
pub fn bytes(inputs: usize, classes: usize) -> (u64, u64) {
    let parameters = (classes * (inputs + 1)) as u64;
    (
        SoftmaxSums::bytes(inputs, classes),
        4 * 8 * parameters * parameters,
    )
}

/// Fits by one pass for the moments, and one or more for each Newton step. Labels are indices of
/// `classes`. The options are those of two classes; `balanced` weighs a row by
/// weight of all / (classes * weight of its class).
///
/// # Errors
/// More parameters than [`LIMIT`], a class without rows, rows that cannot be used, an option that
/// makes no sense, and those of the passes.
pub fn fit<P: Passes>(
    passes: &mut P,
    features: &[String],
    classes: &[String],
    options: &FitOptions,
) -> Result<Fit, P::Error>
where
    P::Error: From<FitError>,
{
    check(features.len(), classes.len(), options)?;
    let moments = passes.pass(CoMoments::new(features, classes))?;
    let problem = descent::Problem::new(&moments, options)?;
    let (end, iterations) = descent::descend(&problem, options.max_iter, |point| {
        passes.pass(SoftmaxSums::new(features, point))
    })?;
    let (coefficients, intercepts) = end.point.raw();
    Ok(Fit {
        estimator: MultinomialRegression {
            coefficients,
            intercepts,
        },
        iterations,
        converged: end.is_stationary(),
        objective: end.objective / moments.rows() as f64,
        relative_gradient: end.relative_gradient,
        moments,
    })
}

/// The fit of a family.
pub(super) fn fitted(
    rows: &mut dyn AnyPasses,
    request: &Request<'_>,
    options: &FitOptions,
) -> Result<FittedEstimator, AnyError> {
    let classes = request.target.class_names();
    let fit = fit(&mut Over(rows), request.inputs, &classes, options)?;
    let std: Vec<f64> = (0..request.inputs.len())
        .map(|j| fit.moments.std(j))
        .collect();
    let size = fit.estimator.importance(&std);
    Ok(FittedEstimator {
        seen: Seen::from(&fit.moments),
        importance: model::ranked(&fit.moments, |j| size[j], |_| None),
        descent: Some(Descent {
            iterations: fit.iterations,
            most: options.max_iter,
            converged: fit.converged,
            objective: fit.objective,
            max_gradient: None,
            relative_gradient: fit.relative_gradient,
            steepest: None,
        }),
        estimator: Box::new(fit.estimator),
    })
}

fn check(inputs: usize, classes: usize, options: &FitOptions) -> Result<(), FitError> {
    for (name, value) in [("c", options.c), ("tol", options.tol)] {
        if !(value.is_finite() && value > 0.0) {
            return Err(model::FitError::Option { name, value }.into());
        }
    }
    if !(0.0..=1.0).contains(&options.l1_ratio) {
        return Err(model::FitError::Share {
            name: "l1_ratio",
            value: options.l1_ratio,
        }
        .into());
    }
    let parameters = classes * (inputs + 1);
    if parameters > LIMIT {
        return Err(FitError::TooLarge {
            classes,
            inputs,
            parameters,
            limit: LIMIT,
        });
    }
    Ok(())
}

impl Estimator for MultinomialRegression {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn inputs(&self) -> usize {
        self.coefficients.first().map_or(0, Vec::len)
    }

    fn outputs(&self) -> usize {
        self.intercepts.len()
    }

    fn link(&self) -> Link {
        Link::Softmax
    }

    fn formula(&self) -> Option<Formula<'_>> {
        Some(Formula::Linear {
            coefficients: self.coefficients.iter().map(Vec::as_slice).collect(),
            intercepts: &self.intercepts,
        })
    }

    fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
        for row in whole(rows, self.inputs()) {
            let classes = self.intercepts.iter().zip(&self.coefficients);
            out.extend(
                classes.map(|(intercept, of_class)| math::linear(*intercept, of_class, row)),
            );
        }
    }

    /// Mean over the classes of |coefficient|, times the standard deviation.
    fn importance(&self, std: &[f64]) -> Vec<f64> {
        let mean = |j: usize| {
            let of_classes = self.coefficients.iter().map(|of_class| of_class[j].abs());
            of_classes.fold(0.0, |sum, c| sum + c) / self.outputs() as f64
        };
        std.iter()
            .enumerate()
            .map(|(j, std)| mean(j) * std)
            .collect()
    }

    fn contributions(&self, row: &[f64], centre: &[f64]) -> Option<Vec<f64>> {
        let classes = self.intercepts.iter().zip(&self.coefficients);
        let of = |(intercept, of_class): (&f64, &'_ Vec<f64>)| {
            linear_contributions(*intercept, of_class, row, centre).collect::<Vec<f64>>()
        };
        Some(classes.flat_map(of).collect())
    }

    fn validate(&self) -> Result<(), EstimatorError> {
        let (inputs, classes) = (self.inputs(), self.outputs());
        if inputs == 0 || classes < 2 || self.coefficients.len() != classes {
            return Err(EstimatorError::invalid(format!(
                "{} classes of coefficients and {classes} intercepts, of {inputs} inputs",
                self.coefficients.len()
            )));
        }
        if self.coefficients.iter().any(|of| of.len() != inputs) {
            return Err(EstimatorError::invalid(
                "classes with unequal numbers of coefficients",
            ));
        }
        EstimatorError::finite("coefficients", &self.coefficients.concat())?;
        EstimatorError::finite("intercepts", &self.intercepts)
    }

    fn fields(&self) -> Result<Value, EstimatorError> {
        super::fields(self)
    }
}
