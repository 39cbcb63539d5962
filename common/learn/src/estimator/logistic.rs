//! Logistic regression of two classes with an L2 or an elastic-net penalty: [`crate::model`]'s,
//! with row weights.
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

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::math;
use crate::model::{self, Beta, ClassWeight, FitOptions, Moments, NewtonSums};
use crate::rows::{Passes, Rows, Sums};
use crate::task::{LabelKind, Target, Task};

use super::erased::Over;
use super::family::{self, Descent, Family, FitBytes, FittedEstimator, Read, Request};
use super::seen::Seen;
use super::{
    AnyError, AnyPasses, Estimator, EstimatorError, FitError, Link, MultinomialRegression,
    linear_contributions, multinomial, options, read, whole,
};

/// Its name in a model file.
pub const KIND: &str = model::LOGISTIC_REGRESSION;

/// Tables of inputs x inputs numbers that a fit has once: the moments, the sums over all rows, the
/// Hessians of two points, and those in which the step between them is computed.
const TABLES: u64 = 9;
/// Tables that each thread has: sums of a part and of what it reads.
const TABLES_OF_THREAD: u64 = 3;

/// Logistic regression of two classes or more.
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

/// The options of [`Logistic`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    c: f64,
    class_weight: ClassWeight,
    /// Left out where it is 0, as fits before it had none.
    #[serde(skip_serializing_if = "is_zero")]
    l1_ratio: f64,
    max_iter: u32,
    tol: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for Options {
    fn default() -> Self {
        let FitOptions {
            c, max_iter, tol, ..
        } = FitOptions::default();
        Self {
            c,
            class_weight: ClassWeight::None,
            l1_ratio: 0.0,
            max_iter,
            tol,
        }
    }
}

impl Family for Logistic {
    fn name(&self) -> &'static str {
        KIND
    }

    fn kinds(&self) -> Vec<(&'static str, Read)> {
        vec![
            (KIND, read::<LogisticRegression>),
            (multinomial::KIND, read::<MultinomialRegression>),
        ]
    }

    fn learns(&self, task: &dyn Task, target: &Target) -> bool {
        let classes = target.classes.len();
        let outputs = if classes == 2 { 1 } else { classes };
        let of_classes = matches!(task.labels(), LabelKind::Classes { .. });
        of_classes && classes >= 2 && task.outputs(target) == outputs
    }

    fn options(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, EstimatorError> {
        let (options, whole): (Options, _) = options::parse(given)?;
        options::positive("c", options.c)?;
        options::positive("tol", options.tol)?;
        options::share("l1_ratio", options.l1_ratio)?;
        Ok(whole)
    }

    fn passes(&self) -> u64 {
        // One for the moments, and eight for Newton's steps.
        9
    }

    fn automatic(&self, _target: &Target) -> Vec<Map<String, Value>> {
        family::penalties()
    }

    fn bytes(&self, inputs: usize, target: &Target) -> FitBytes {
        let (table, classes) = (family::table(inputs), target.classes.len());
        match classes {
            0..=2 => FitBytes {
                once: TABLES * table,
                each: TABLES_OF_THREAD * table,
            },
            _ => {
                let (pass, step) = multinomial::bytes(inputs, classes);
                FitBytes {
                    once: pass + step,
                    each: TABLES_OF_THREAD * pass,
                }
            }
        }
    }

    fn fit(
        &self,
        rows: &mut dyn AnyPasses,
        request: &Request<'_>,
    ) -> Result<FittedEstimator, AnyError> {
        let (options, _): (Options, _) = options::parse(request.options)?;
        let options = FitOptions {
            c: options.c,
            l1_ratio: options.l1_ratio,
            class_weight: options.class_weight,
            max_iter: options.max_iter,
            tol: options.tol,
        };
        if request.target.classes.len() > 2 {
            return multinomial::fitted(rows, request, &options);
        }
        let fit = fit(&mut Over(rows), request.inputs, request.one_hot, &options)?;
        Ok(FittedEstimator {
            seen: Seen::of_two(&fit.moments),
            importance: model::importance(&fit.estimator.coefficients, &fit.moments),
            descent: Some(Descent::of(&fit.fit, options.max_iter)),
            estimator: Box::new(fit.estimator),
        })
    }
}

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
/// `one_hot` are groups of features, in order, of which a row has at most one that is not at its
/// lowest value.
///
/// # Errors
/// Rows that cannot be used, an option that makes no sense, and those of the passes.
pub fn fit<P: Passes>(
    passes: &mut P,
    features: &[String],
    one_hot: &[Range<usize>],
    options: &FitOptions,
) -> Result<Fit, P::Error>
where
    P::Error: From<FitError>,
{
    let none = Moments::new(features).with_one_hot(one_hot);
    let First(moments) = passes.pass(First(none))?;
    let evaluate = |beta: &Beta| {
        let at = At {
            beta: Arc::new(beta.clone()),
            sums: NewtonSums::of(&moments),
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
struct First(Moments);

/// One pass at given parameters.
#[derive(Clone)]
struct At {
    beta: Arc<Beta>,
    sums: NewtonSums,
}

fn labels(rows: &Rows<'_>) -> Vec<u8> {
    rows.y.iter().map(|&y| y as u8).collect()
}

impl Sums for First {
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

    fn bytes(&self) -> u64 {
        family::table(self.0.features().len())
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

    fn bytes(&self) -> u64 {
        self.sums.bytes()
    }
}

one_linear_score!(LogisticRegression, KIND, Link::Logistic);
