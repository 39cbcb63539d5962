//! Damped Newton steps to the optimum of scikit-learn's `LogisticRegression`.

use serde::{Deserialize, Serialize};
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linalg::traits::cholesky::CholeskyDecomposable;

use super::moments::Moments;
use super::newton::{Beta, NewtonSums};

/// A full step is halved at most this often before the search gives up.
const MAX_HALVINGS: usize = 40;
/// Newton steps go on until the next one would change the coefficients by less than this share.
const SMALLEST_STEP: f64 = 1e-10;
/// Of the objective: a predicted gain below this is invisible in the objective, and only the gradient still tells.
const INVISIBLE_GAIN: f64 = 1e-12;

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
/// The objective is scikit-learn's: sum of weight * log loss + |coefficients|^2 / (2 C), on raw features, with a free
/// intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Inverse strength of the penalty; positive.
    pub c: f64,
    /// Weights of the classes.
    pub class_weight: ClassWeight,
    /// Newton steps at most.
    pub max_iter: u32,
    /// Converged when no component of the gradient of objective / rows exceeds it; positive.
    pub tol: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            c: 1.0,
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
    /// Whether the gradient came below the tolerance, or to the floor of floating-point arithmetic.
    pub converged: bool,
    /// Weighted log loss plus penalty, divided by the rows.
    pub objective: f64,
    /// Largest component of the gradient of `objective`.
    pub max_gradient: f64,
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
    /// The spread of a feature overflows.
    #[error("feature {feature} is too large to train on (its spread overflows): rescale it")]
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

/// Fits an L2-penalised logistic regression on rows that only `evaluate` sees.
///
/// `moments` come from a first pass over the rows. `evaluate` is one pass over the same rows at the given parameters: it
/// makes [`NewtonSums`] per chunk, in parallel if it likes, and merges them in the order of the chunks. It is called once
/// per Newton step and once more per halved step; typically eight times.
///
/// The solution does not depend on the scale of the features: steps are taken in standardised coordinates, with the penalty
/// carried over to them. Exactly collinear features are fine: the penalty alone decides between them, as in scikit-learn.
///
/// # Errors
/// Those of [`FitError`], and whatever `evaluate` returns.
pub fn fit<E: From<FitError>>(
    moments: &Moments,
    options: &FitOptions,
    mut evaluate: impl FnMut(&Beta) -> Result<NewtonSums, E>,
) -> Result<Fit, E> {
    let problem = Problem::new(moments, options)?;
    let mut beta = problem.start(moments);
    let mut here = problem.at(&beta, &evaluate(&beta)?)?;
    let mut iterations = 0;
    let mut last_gain = f64::INFINITY;
    let converged = loop {
        let step = problem.step(&here)?;
        // Twice the decrease that the quadratic model promises: the squared Newton decrement.
        let gain = -inner(&here.gradient, &step);
        let invisible = gain <= INVISIBLE_GAIN * here.objective.abs();
        let reached = here.max_gradient <= options.tol;
        if reached && is_small(&step, &beta) {
            break true;
        }
        // Newton's method squares the error at each step. Where it no longer shrinks, only rounding is left.
        if invisible && gain >= 0.25 * last_gain {
            break true;
        }
        if iterations == options.max_iter {
            break reached;
        }
        iterations += 1;
        last_gain = gain;
        let mut length = 1.0;
        let mut halvings = 0;
        let accepted = loop {
            let next = beta.moved(&step, length);
            let there = problem.at(&next, &evaluate(&next)?)?;
            if invisible || there.objective <= here.objective - 1e-4 * length * gain {
                break Some((next, there));
            }
            if halvings == MAX_HALVINGS {
                break None;
            }
            halvings += 1;
            length *= 0.5;
        };
        match accepted {
            Some(better) => (beta, here) = better,
            None => break reached,
        }
    };
    let (coefficients, intercept) = beta.raw();
    let rows = moments.rows() as f64;
    Ok(Fit {
        coefficients,
        intercept,
        iterations,
        converged,
        objective: here.objective / rows,
        max_gradient: here.max_gradient,
    })
}

/// The parts of the objective that do not change between steps.
struct Problem {
    rows: u64,
    centre: Vec<f64>,
    inverse_scale: Vec<f64>,
    /// Of the penalty per coordinate: the Hessian of w^2 / (2 C) where w = coefficient * inverse scale.
    ridge: Vec<f64>,
    weights: [f64; 2],
}

/// Objective and derivatives at one point, in standardised coordinates.
struct Point {
    objective: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    /// In raw coordinates, of objective / rows.
    max_gradient: f64,
}

impl Problem {
    fn new(moments: &Moments, options: &FitOptions) -> Result<Self, FitError> {
        for (name, value) in [("c", options.c), ("tol", options.tol)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(FitError::Option { name, value });
            }
        }
        let (rows, classes) = (moments.rows(), moments.classes());
        if rows == 0 {
            return Err(FitError::NoRows);
        }
        for (label, other) in [(0, 1), (1, 0)] {
            if classes[other] == 0 {
                return Err(FitError::OneClass {
                    label: label as u8,
                    rows,
                });
            }
        }
        let (mut centre, mut inverse_scale) = (Vec::new(), Vec::new());
        for (j, feature) in moments.features().iter().enumerate() {
            match (moments.mean(j), moments.std(j)) {
                (Some(mean), Some(std)) if mean.is_finite() && std.is_finite() => {
                    centre.push(mean);
                    inverse_scale.push(power_of_two(std));
                }
                _ => {
                    return Err(FitError::Overflow {
                        feature: feature.clone(),
                    });
                }
            }
        }
        let weight = |class: usize| match options.class_weight {
            ClassWeight::Balanced => rows as f64 / (2.0 * classes[class] as f64),
            ClassWeight::None => 1.0,
        };
        Ok(Self {
            rows,
            ridge: inverse_scale.iter().map(|s| s * s / options.c).collect(),
            centre,
            inverse_scale,
            weights: [weight(0), weight(1)],
        })
    }

    /// No influence of any feature, and the intercept that is best then.
    fn start(&self, moments: &Moments) -> Beta {
        let [negative, positive] = moments.classes();
        Beta {
            centre: self.centre.clone(),
            inverse_scale: self.inverse_scale.clone(),
            coefficients: vec![0.0; self.centre.len()],
            intercept: super::math::ln(
                self.weights[1] * positive as f64 / (self.weights[0] * negative as f64),
            ),
            weights: self.weights,
        }
    }

    /// Adds the penalty to the sums.
    fn at(&self, beta: &Beta, sums: &NewtonSums) -> Result<Point, FitError> {
        if sums.rows() != self.rows {
            return Err(FitError::RowsChanged {
                expected: self.rows,
                found: sums.rows(),
            });
        }
        let p = self.ridge.len();
        let (mut objective, mut gradient, mut hessian) =
            (sums.loss(), sums.gradient(), sums.hessian());
        for (j, (ridge, coefficient)) in self.ridge.iter().zip(&beta.coefficients).enumerate() {
            objective += 0.5 * ridge * coefficient * coefficient;
            gradient[j] += ridge * coefficient;
            hessian[j * (p + 1) + j] += ridge;
        }
        if !(objective.is_finite() && gradient.iter().chain(&hessian).all(|v| v.is_finite())) {
            return Err(FitError::NotFinite);
        }
        // With x = centre + scale * z, the raw derivative is scale * d/dz + centre * d/dintercept.
        let raw = |j: usize| gradient[j] / self.inverse_scale[j] + self.centre[j] * gradient[p];
        let largest = (0..p)
            .map(raw)
            .fold(gradient[p].abs(), |max, g| max.max(g.abs()));
        Ok(Point {
            objective,
            gradient,
            hessian,
            max_gradient: largest / self.rows as f64,
        })
    }

    /// Solves Hessian * step = -gradient.
    ///
    /// Where collinear features leave a Hessian that is not positive definite to sixteen digits, a ridge makes it so: the
    /// step is shorter then, but its target, where the gradient vanishes, is the same.
    fn step(&self, point: &Point) -> Result<Vec<f64>, FitError> {
        let n = point.gradient.len();
        let largest = (0..n).map(|i| point.hessian[i * n + i]).fold(0.0, f64::max);
        let mut ridge = 0.0;
        for _ in 0..12 {
            let mut matrix = point.hessian.clone();
            for i in 0..n {
                matrix[i * n + i] += ridge;
            }
            let negative = point.gradient.iter().map(|g| -g).collect();
            let solved = DenseMatrix::new(n, n, matrix, false).and_then(|a| {
                DenseMatrix::new(n, 1, negative, false).and_then(|b| a.cholesky_solve_mut(b))
            });
            // smartcore refuses a negative pivot; a zero one shows as a step that is not finite.
            if let Ok(solved) = solved {
                let step: Vec<f64> = solved.iterator(0).copied().collect();
                if step.iter().all(|v| v.is_finite()) && inner(&point.gradient, &step) <= 0.0 {
                    return Ok(step);
                }
            }
            ridge = if ridge == 0.0 {
                largest * 1e-15
            } else {
                ridge * 10.0
            };
        }
        Err(FitError::Singular)
    }
}

impl Beta {
    fn moved(&self, step: &[f64], length: f64) -> Self {
        let mut next = self.clone();
        for (coefficient, step) in next.coefficients.iter_mut().zip(step) {
            *coefficient += length * step;
        }
        next.intercept += length * step[self.coefficients.len()];
        next
    }

    /// Coefficients and intercept for raw features.
    fn raw(&self) -> (Vec<f64>, f64) {
        let mut intercept = super::sum::Sum::default();
        intercept.add(self.intercept);
        let mut coefficients = Vec::with_capacity(self.coefficients.len());
        for ((coefficient, scale), centre) in self
            .coefficients
            .iter()
            .zip(&self.inverse_scale)
            .zip(&self.centre)
        {
            let raw = coefficient * scale;
            intercept.add(-raw * centre);
            coefficients.push(raw);
        }
        (coefficients, intercept.value())
    }
}

/// Whether a step changes neither the coefficients nor the intercept by a share that matters.
fn is_small(step: &[f64], beta: &Beta) -> bool {
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    let (slopes, intercept) = step.split_at(beta.coefficients.len());
    largest(slopes) <= SMALLEST_STEP * largest(&beta.coefficients)
        && largest(intercept)
            <= SMALLEST_STEP
                * largest(&beta.coefficients)
                    .max(beta.intercept.abs())
                    .max(1e-3)
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// 2^-k with 2^k nearest to `spread`, and 1 for a spread of zero. Spreads beyond 1e±150 are treated as these.
fn power_of_two(spread: f64) -> f64 {
    if spread == 0.0 {
        1.0
    } else {
        libm::ldexp(1.0, -libm::log2(spread.clamp(1e-150, 1e150)).round() as i32)
    }
}
