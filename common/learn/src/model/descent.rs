//! Newton steps to the optimum, in coordinates that stay and in coordinates that follow.

use super::beta::Beta;
use super::elastic;
use super::error::FitError;
use super::point::Point;
use super::problem::Problem;
use super::solve::{self, NewtonStep};

/// Below this share rounding alone is left.
const ROUNDING: f64 = 1e-12;
/// A full step is halved at most this often before the search gives up.
const MAX_HALVINGS: usize = 40;
/// Newton steps go on until the next one would change the coefficients by less than this share.
const SMALLEST_STEP: f64 = 1e-10;
/// Of the objective: a predicted gain below this is invisible in the objective, and only the
/// gradient shows whether the optimum is reached.
const INVISIBLE_GAIN: f64 = 1e-12;
/// Steps without progress after which following coordinates give up.
const FRUITLESS_STEPS: u32 = 30;

/// Where steps begin, and how many may be taken.
pub(super) struct Descent<'a, F> {
    pub(super) problem: &'a Problem,
    pub(super) evaluate: F,
    pub(super) max_iter: u32,
    pub(super) tol: f64,
    pub(super) iterations: u32,
}

impl<F> Descent<'_, F> {
    /// Steps in the coordinates of `here`, until nothing changes any more or nothing helps.
    pub(super) fn in_fixed_coordinates<E>(&mut self, mut here: Point) -> Result<Point, E>
    where
        E: From<FitError>,
        F: FnMut(Beta) -> Result<Point, E>,
    {
        let mut last_gain = f64::INFINITY;
        loop {
            let Some(newton) = solve::with_one_ridge(&here) else {
                return Ok(here);
            };
            let gain = newton.gain(&here);
            let settled = here.max_gradient <= self.tol && is_small(&newton.step, &here.beta);
            // Newton's method squares the error at each step. Where it no longer shrinks, only
            // rounding is left, or coordinates that hide what is left.
            let shrinks = gain < 0.25 * last_gain;
            if settled
                || (is_invisible(gain, &here) && !shrinks)
                || self.iterations == self.max_iter
                || here.hides_a_coordinate(newton.ridge)
            {
                return Ok(here);
            }
            last_gain = gain;
            let (from, middle) = (here.beta.clone(), here.middle());
            let to = |length| from.moved(&newton.step, length).around(middle.clone());
            match self.search(&here, gain, to)? {
                Some(better) => here = better,
                None => return Ok(here),
            }
        }
    }

    /// Steps in coordinates that follow the rows which still matter, until the gradient vanishes
    /// or there is no progress.
    ///
    /// # Errors
    /// A Hessian that no ridge makes positive definite.
    pub(super) fn in_following_coordinates<E>(&mut self, mut here: Point) -> Result<Point, E>
    where
        E: From<FitError>,
        F: FnMut(Beta) -> Result<Point, E>,
    {
        let (mut last, mut least_gain, mut least) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        let mut fruitless = 0;
        loop {
            let still = here.relative_gradient >= 0.25 * last;
            last = here.relative_gradient;
            if last <= ROUNDING
                || (here.is_stationary() && still)
                || fruitless > FRUITLESS_STEPS
                || self.iterations == self.max_iter
            {
                return Ok(here);
            }
            let newton: NewtonStep = solve::equilibrated(&here).ok_or(FitError::Singular)?;
            let gain = newton.gain(&here);
            // While one row is driven to the right side the objective shows nothing, but the gain
            // falls at each step.
            let progress = gain < 0.9 * least_gain
                || here.objective < least - INVISIBLE_GAIN * here.objective.abs();
            fruitless = if progress { 0 } else { fruitless + 1 };
            (least_gain, least) = (least_gain.min(gain), least.min(here.objective));
            let from = here.beta.clone();
            let (centre, scale) = self.problem.coordinates(&here);
            let to = |length| {
                from.moved(&newton.step, length)
                    .in_coordinates(centre.clone(), scale.clone())
            };
            match self.search(&here, gain, to)? {
                Some(better) => here = better,
                None => return Ok(here),
            }
        }
    }

    /// Steps to the optimum of an objective that the size of coefficients is a part of, until no
    /// subgradient but zero is left or nothing helps: each goes to the elastic net of the quadratic
    /// function that has the loss's derivatives here. Coordinates stay until that leads no further,
    /// and follow the rows which still matter from then on.
    pub(super) fn with_zeros<E>(&mut self, mut here: Point) -> Result<Point, E>
    where
        F: FnMut(Beta) -> Result<Point, E>,
    {
        let (mut last, mut fruitless, mut follows) = (f64::INFINITY, 0, false);
        loop {
            let still = here.relative_gradient >= 0.25 * last;
            last = here.relative_gradient;
            fruitless = if still { fruitless + 1 } else { 0 };
            if last <= ROUNDING
                || (here.is_stationary() && still)
                || fruitless > FRUITLESS_STEPS
                || self.iterations == self.max_iter
            {
                return Ok(here);
            }
            let (target, gain) = sparse_target(&here);
            let (centre, scale) = match follows {
                true => self.problem.coordinates(&here),
                false => (here.beta.centre.clone(), here.beta.inverse_scale.clone()),
            };
            let (from, middle) = (here.beta.clone(), here.middle());
            let to = |length: f64| {
                let between = from.towards(&target, length);
                match follows {
                    true => between.in_coordinates(centre.clone(), scale.clone()),
                    false => between.around(middle.clone()),
                }
            };
            match self.search(&here, gain, to)? {
                Some(better) => here = better,
                None if follows || here.is_stationary() => return Ok(here),
                None => follows = true,
            }
        }
    }

    /// Takes the step, or the half of it that lowers the objective; `None` when none does.
    fn search<E>(
        &mut self,
        here: &Point,
        gain: f64,
        to: impl Fn(f64) -> Beta,
    ) -> Result<Option<Point>, E>
    where
        F: FnMut(Beta) -> Result<Point, E>,
    {
        self.iterations += 1;
        let mut length = 1.0;
        for _ in 0..=MAX_HALVINGS {
            let there = (self.evaluate)(to(length))?;
            let enough = here.objective - 1e-4 * length * gain;
            if is_invisible(gain, here) || there.objective <= enough {
                return Ok(Some(there));
            }
            length *= 0.5;
        }
        Ok(None)
    }
}

/// Where the elastic net of the quadratic function is least, coefficients before the intercept, and
/// by how much it falls on the way.
fn sparse_target(here: &Point) -> (Vec<f64>, f64) {
    elastic::target(&elastic::Model {
        from: &here.beta.all().collect::<Vec<f64>>(),
        gradient: &here.gradient,
        hessian: &here.hessian,
        l1: &here.l1,
        flat: &[],
    })
}

fn is_invisible(gain: f64, here: &Point) -> bool {
    gain <= INVISIBLE_GAIN * here.objective.abs()
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
