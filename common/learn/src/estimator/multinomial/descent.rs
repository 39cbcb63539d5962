//! Damped Newton steps to the optimum.

use std::sync::Arc;

use crate::model::elastic;
use crate::model::problem::{least_slope, power_of_two};
use crate::model::solve::equilibrated_step;
use crate::model::{self, ClassWeight, FitOptions};

use super::sums::{Point, SoftmaxSums};
use super::{CoMoments, FitError};

/// A gradient is zero from this share of its terms on, as for two classes.
const STATIONARY: f64 = 1e-7;
/// Below this share rounding alone is left.
const ROUNDING: f64 = 1e-13;
/// A full step is halved at most this often.
const MAX_HALVINGS: usize = 40;
/// Of the objective: a predicted gain below this is invisible in it.
const INVISIBLE_GAIN: f64 = 1e-12;
/// Steps to an elastic net end after so many without progress.
const FRUITLESS_STEPS: u32 = 30;

/// The parts of the objective that do not change between steps.
pub(super) struct Problem {
    rows: u64,
    c: f64,
    l1_ratio: f64,
    start: Point,
}

/// Objective and derivatives at one point.
pub(super) struct Place {
    pub(super) point: Point,
    pub(super) objective: f64,
    pub(super) relative_gradient: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    /// What the size of each parameter costs beside: no part of `gradient`.
    l1: Vec<f64>,
}

impl Place {
    pub(super) fn is_stationary(&self) -> bool {
        self.relative_gradient <= STATIONARY
    }

    /// Where the elastic net of the quadratic function that has the loss's derivatives here is
    /// least, and by how much it falls on the way.
    fn sparse_target(&self) -> (Vec<f64>, f64) {
        let (n, size) = (self.point.width(), self.point.beta.len());
        let of_input = |j: usize| (j..size).step_by(n).collect();
        let flat: Vec<Vec<usize>> = (0..n - 1).map(of_input).collect();
        elastic::target(&elastic::Model {
            from: &self.point.beta,
            gradient: &self.gradient,
            hessian: &self.hessian,
            l1: &self.l1,
            flat: &flat,
        })
    }
}

impl Problem {
    /// Begins without influence of any input, at the shares of the classes.
    pub(super) fn new(moments: &CoMoments, options: &FitOptions) -> Result<Self, FitError> {
        moments.usable()?;
        let (p, k) = (moments.features().len(), moments.classes().len());
        let of_class: Vec<f64> = (0..k)
            .map(|class| match options.class_weight {
                ClassWeight::Balanced => {
                    moments.weight() / (k as f64 * moments.class_weight(class))
                }
                ClassWeight::None => 1.0,
            })
            .collect();
        let log = |class: usize| libm::log(of_class[class] * moments.class_weight(class));
        let mean = (0..k).fold(0.0, |sum, class| sum + log(class)) / k as f64;
        let zeros = std::iter::repeat_n(0.0, p);
        let beta = (0..k).flat_map(|class| zeros.clone().chain([log(class) - mean]));
        Ok(Self {
            rows: moments.rows(),
            c: options.c,
            l1_ratio: options.l1_ratio,
            start: Point {
                beta: beta.collect(),
                centre: (0..p).map(|j| moments.mean(j)).collect(),
                inverse_scale: (0..p).map(|j| power_of_two(moments.std(j))).collect(),
                of_class,
            },
        })
    }

    /// Adds the penalty to the sums.
    fn at(&self, point: Point, sums: &SoftmaxSums) -> Result<Place, FitError> {
        if sums.rows != self.rows {
            return Err(model::FitError::RowsChanged {
                expected: self.rows,
                found: sums.rows,
            }
            .into());
        }
        let (n, size) = (point.width(), point.beta.len());
        let mut objective = sums.loss.value();
        let mut gradient: Vec<f64> = sums.gradient.iter().map(|sum| sum.value()).collect();
        let mut terms: Vec<f64> = sums.spread.iter().map(|sum| sum.value()).collect();
        let mut hessian = sums.hessian();
        let mut l1 = vec![0.0; size];
        let gauge: Vec<f64> = (0..n).map(|j| self.gauge(&hessian, &point, j)).collect();
        for (at, beta) in point.beta.iter().enumerate() {
            let j = at % n;
            if let Some(scale) = point.inverse_scale.get(j) {
                let ridge = scale * scale / self.c * (1.0 - self.l1_ratio);
                l1[at] = scale / self.c * self.l1_ratio;
                objective += 0.5 * ridge * beta * beta + l1[at] * beta.abs();
                gradient[at] += ridge * beta;
                terms[at] += (ridge * beta).abs() + l1[at];
                hessian[at * size + at] += ridge;
            }
            if l1[at] == 0.0 {
                for class in 0..point.classes() {
                    hessian[at * size + class * n + j] += gauge[j];
                }
            }
        }
        if !(objective.is_finite() && gradient.iter().chain(&hessian).all(|v| v.is_finite())) {
            return Err(model::FitError::NotFinite.into());
        }
        let shares = gradient.iter().zip(&point.beta).zip(&l1).zip(&terms);
        let shares = shares.map(
            |(((g, beta), l1), terms)| match least_slope(*g, *beta, *l1) {
                0.0 => 0.0,
                slope => (slope / terms).abs(),
            },
        );
        Ok(Place {
            relative_gradient: shares.fold(0.0, f64::max).min(1.0),
            point,
            objective,
            gradient,
            hessian,
            l1,
        })
    }

    /// Curvature that is added along the shift of input `j` that all classes share. The loss does
    /// not change along it and the optimum is at 0, where a fit begins: so it moves no step, and
    /// makes the Hessian positive definite. Where the size of coefficients costs something the
    /// optimum is elsewhere.
    fn gauge(&self, hessian: &[f64], point: &Point, j: usize) -> f64 {
        let (n, size) = (point.width(), point.beta.len());
        let own = |class: usize| hessian[(class * n + j) * size + class * n + j];
        let classes = point.classes();
        (0..classes).fold(0.0, |sum, class| sum + own(class)) / (classes * classes) as f64
    }
}

/// Steps until the gradient vanishes or nothing helps; where that is, and how many.
pub(super) fn descend<E: From<FitError>>(
    problem: &Problem,
    max_iter: u32,
    mut pass: impl FnMut(Arc<Point>) -> Result<SoftmaxSums, E>,
) -> Result<(Place, u32), E> {
    let mut evaluate = |point: Point| {
        let point = Arc::new(point);
        let sums = pass(point.clone())?;
        Ok::<_, E>(problem.at((*point).clone(), &sums)?)
    };
    let mut here = evaluate(problem.start.clone())?;
    let (mut iterations, mut last, mut fruitless) = (0, f64::INFINITY, 0);
    loop {
        let still = here.relative_gradient >= 0.25 * last;
        last = here.relative_gradient;
        fruitless = if still { fruitless + 1 } else { 0 };
        if last <= ROUNDING || (here.is_stationary() && still) || iterations == max_iter {
            return Ok((here, iterations));
        }
        iterations += 1;
        let found = if problem.l1_ratio == 0.0 {
            let step = equilibrated_step(&here.hessian, &here.gradient)
                .ok_or(FitError::from(model::FitError::Singular))?
                .step;
            let slopes = here.gradient.iter().zip(&step);
            let gain = -slopes.fold(0.0, |sum, (g, s)| sum + g * s);
            let to = |length| here.point.moved(&step, length);
            search(&here, gain, to, &mut evaluate)?
        } else if fruitless > FRUITLESS_STEPS {
            None
        } else {
            let (target, gain) = here.sparse_target();
            let to = |length| here.point.towards(&target, length);
            search(&here, gain, to, &mut evaluate)?
        };
        match found {
            Some(better) => here = better,
            None => return Ok((here, iterations)),
        }
    }
}

/// Takes the step, or the half of it that lowers the objective; `None` when none does.
fn search<E>(
    here: &Place,
    gain: f64,
    to: impl Fn(f64) -> Point,
    evaluate: &mut impl FnMut(Point) -> Result<Place, E>,
) -> Result<Option<Place>, E> {
    let invisible = gain <= INVISIBLE_GAIN * here.objective.abs();
    let mut length = 1.0;
    for _ in 0..=MAX_HALVINGS {
        let there = evaluate(to(length))?;
        if invisible || there.objective <= here.objective - 1e-4 * length * gain {
            return Ok(Some(there));
        }
        length *= 0.5;
    }
    Ok(None)
}
