//! Damped Newton steps to the optimum.

use std::sync::Arc;

use crate::model::problem::power_of_two;
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

/// The parts of the objective that do not change between steps.
pub(super) struct Problem {
    rows: u64,
    c: f64,
    start: Point,
}

/// Objective and derivatives at one point.
pub(super) struct Place {
    pub(super) point: Point,
    pub(super) objective: f64,
    pub(super) relative_gradient: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl Place {
    pub(super) fn is_stationary(&self) -> bool {
        self.relative_gradient <= STATIONARY
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
        let gauge: Vec<f64> = (0..n).map(|j| self.gauge(&hessian, &point, j)).collect();
        for (at, beta) in point.beta.iter().enumerate() {
            let j = at % n;
            if let Some(scale) = point.inverse_scale.get(j) {
                let ridge = scale * scale / self.c;
                objective += 0.5 * ridge * beta * beta;
                gradient[at] += ridge * beta;
                terms[at] += (ridge * beta).abs();
                hessian[at * size + at] += ridge;
            }
            for class in 0..point.classes() {
                hessian[at * size + class * n + j] += gauge[j];
            }
        }
        if !(objective.is_finite() && gradient.iter().chain(&hessian).all(|v| v.is_finite())) {
            return Err(model::FitError::NotFinite.into());
        }
        let share = |(g, terms): (&f64, &f64)| if *g == 0.0 { 0.0 } else { (g / terms).abs() };
        let shares = gradient.iter().zip(&terms).map(share);
        Ok(Place {
            relative_gradient: shares.fold(0.0, f64::max).min(1.0),
            point,
            objective,
            gradient,
            hessian,
        })
    }

    /// Curvature that is added along the shift of input `j` that all classes share. The loss does
    /// not change along it and the optimum is at 0, where a fit begins: so it moves no step, and
    /// makes the Hessian positive definite.
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
    let (mut iterations, mut last) = (0, f64::INFINITY);
    loop {
        let still = here.relative_gradient >= 0.25 * last;
        last = here.relative_gradient;
        if last <= ROUNDING || (here.is_stationary() && still) || iterations == max_iter {
            return Ok((here, iterations));
        }
        let step = equilibrated_step(&here.hessian, &here.gradient)
            .ok_or(FitError::from(model::FitError::Singular))?
            .step;
        let gain = -here
            .gradient
            .iter()
            .zip(&step)
            .fold(0.0, |sum, (g, s)| sum + g * s);
        iterations += 1;
        match search(&here, &step, gain, &mut evaluate)? {
            Some(better) => here = better,
            None => return Ok((here, iterations)),
        }
    }
}

/// Takes the step, or the half of it that lowers the objective; `None` when none does.
fn search<E>(
    here: &Place,
    step: &[f64],
    gain: f64,
    evaluate: &mut impl FnMut(Point) -> Result<Place, E>,
) -> Result<Option<Place>, E> {
    let invisible = gain <= INVISIBLE_GAIN * here.objective.abs();
    let mut length = 1.0;
    for _ in 0..=MAX_HALVINGS {
        let there = evaluate(here.point.moved(step, length))?;
        if invisible || there.objective <= here.objective - 1e-4 * length * gain {
            return Ok(Some(there));
        }
        length *= 0.5;
    }
    Ok(None)
}
