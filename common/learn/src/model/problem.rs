//! The objective at a point: scikit-learn's, with its penalty on raw coefficients.

use super::beta::Beta;
use super::elastic::shrunk;
use super::error::FitError;
use super::math;
use super::moments::Moments;
use super::newton::NewtonSums;
use super::options::{ClassWeight, FitOptions};
use super::point::Point;

/// Scales beyond 1e±150 are treated as these: their squares are still numbers.
const LARGEST_SCALE: f64 = 1e150;
/// No coordinate of a row gets larger.
const LARGEST_COORDINATE: f64 = 1e100;
/// Of the square of its offset: a variance below this is rounding.
const SMALLEST_VARIANCE: f64 = 1e-16;

/// The parts of the objective that do not change between steps.
pub(super) struct Problem {
    rows: u64,
    c: f64,
    l1_ratio: f64,
    weights: [f64; 2],
    /// By feature: whether it varies at all, and its largest value minus its smallest.
    varies: Vec<bool>,
    range: Vec<f64>,
    /// By feature: its lowest value, where it is one-hot with others.
    lowest: Vec<Option<f64>>,
}

impl Problem {
    pub(super) fn new(moments: &Moments, options: &FitOptions) -> Result<Self, FitError> {
        for (name, value) in [("c", options.c), ("tol", options.tol)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(FitError::Option { name, value });
            }
        }
        if !(0.0..=1.0).contains(&options.l1_ratio) {
            return Err(FitError::Share {
                name: "l1_ratio",
                value: options.l1_ratio,
            });
        }
        let rows = moments.rows();
        if rows == 0 {
            return Err(FitError::NoRows);
        }
        let totals = moments.weights();
        for (label, other) in [(0, 1), (1, 0)] {
            if totals[other] == 0.0 {
                return Err(FitError::OneClass {
                    label: label as u8,
                    rows,
                });
            }
        }
        let weight = |class: usize| match options.class_weight {
            ClassWeight::Balanced => (totals[0] + totals[1]) / (2.0 * totals[class]),
            ClassWeight::None => 1.0,
        };
        let ends = |j| moments.min(j).zip(moments.max(j)).unwrap_or((0.0, 0.0));
        let features = 0..moments.features().len();
        let mut lowest = vec![None; features.len()];
        for j in moments.one_hot().into_iter().flatten() {
            lowest[j] = moments.min(j);
        }
        Ok(Self {
            rows,
            c: options.c,
            l1_ratio: options.l1_ratio,
            weights: [weight(0), weight(1)],
            varies: features.clone().map(|j| ends(j).0 != ends(j).1).collect(),
            range: features.map(|j| ends(j).1 - ends(j).0).collect(),
            lowest,
        })
    }

    /// No influence of any feature, and the intercept that is best then, in the coordinates of
    /// mean and standard deviation; of one-hot features from their lowest value, at which most rows
    /// are.
    pub(super) fn start(&self, moments: &Moments) -> Result<Beta, FitError> {
        let (mut centre, mut inverse_scale) = (Vec::new(), Vec::new());
        for (j, feature) in moments.features().iter().enumerate() {
            match (moments.mean(j), moments.std(j)) {
                (Some(mean), Some(std)) if mean.is_finite() && std.is_finite() => {
                    centre.push(self.lowest[j].unwrap_or(mean));
                    inverse_scale.push(power_of_two(std));
                }
                _ => {
                    return Err(FitError::Overflow {
                        feature: feature.clone(),
                    });
                }
            }
        }
        let [negative, positive] = moments.weights();
        let odds = self.weights[1] * positive / (self.weights[0] * negative);
        Ok(Beta {
            coefficients: vec![0.0; centre.len()],
            middle: vec![0.0; centre.len()],
            centre,
            inverse_scale,
            intercept: math::ln(odds),
            weights: self.weights,
        })
    }

    /// Adds the penalty to the sums.
    pub(super) fn at(&self, beta: Beta, sums: &NewtonSums) -> Result<Point, FitError> {
        if sums.rows() != self.rows {
            return Err(FitError::RowsChanged {
                expected: self.rows,
                found: sums.rows(),
            });
        }
        let p = beta.coefficients.len();
        let (mut objective, mut gradient, mut hessian) =
            (sums.loss(), sums.gradient(), sums.hessian());
        let curvature: Vec<f64> = (0..p).map(|j| hessian[j * (p + 1) + j]).collect();
        let (mean, variance) = weighted(&hessian, p);
        let mut terms = sums.spread();
        for (j, coefficient) in beta.coefficients.iter().enumerate() {
            let squared = beta.inverse_scale[j] * beta.inverse_scale[j];
            let ridge = squared / self.c * (1.0 - self.l1_ratio);
            objective += 0.5 * ridge * coefficient * coefficient;
            gradient[j] += ridge * coefficient;
            hessian[j * (p + 1) + j] += ridge;
            terms[j] += (ridge * coefficient).abs();
        }
        let l1 = self.l1(&beta);
        for (j, coefficient) in beta.coefficients.iter().enumerate() {
            objective += l1[j] * coefficient.abs();
            terms[j] += l1[j];
        }
        if !(objective.is_finite() && gradient.iter().chain(&hessian).all(|v| v.is_finite())) {
            return Err(FitError::NotFinite);
        }
        // With x = centre + scale * z, the raw derivative is scale * d/dz + centre * d/dintercept.
        let raw = |j: usize| {
            let of_loss = gradient[j] / beta.inverse_scale[j] + beta.centre[j] * gradient[p];
            least_slope(of_loss, beta.coefficients[j], self.l1_ratio / self.c)
        };
        let largest = (0..p)
            .map(raw)
            .fold(gradient[p].abs(), |max, g| max.max(g.abs()));
        let (steepest, relative_gradient) = steepest(&gradient, &terms, &beta, &l1);
        Ok(Point {
            beta,
            objective,
            gradient,
            hessian,
            l1,
            curvature,
            max_gradient: largest / self.rows as f64,
            relative_gradient,
            steepest,
            mean,
            variance,
        })
    }

    fn l1(&self, beta: &Beta) -> Vec<f64> {
        let scales = beta.inverse_scale.iter();
        let of = scales.map(|scale| scale * self.l1_ratio / self.c);
        of.chain([0.0]).collect()
    }

    /// Coordinates in which the rows that still curve the loss lie around 0 at distances of 1.
    ///
    /// A value far from all others is among them while the model is wrong about its row, and
    /// leaves them once the model is right about it: then the others are seen at their own scale.
    pub(super) fn coordinates(&self, point: &Point) -> (Vec<f64>, Vec<f64>) {
        let beta = &point.beta;
        let place = |j: usize| {
            let (centre, scale) = (beta.centre[j], beta.inverse_scale[j]);
            let moved = self.lowest[j].unwrap_or(centre + point.mean[j] / scale);
            if !(self.varies[j] && moved.is_finite()) {
                return (centre, scale);
            }
            let std = point.variance[j]
                .max(SMALLEST_VARIANCE * point.mean[j] * point.mean[j])
                .sqrt();
            let wanted = scale * power_of_two(std);
            let largest = LARGEST_SCALE.min(LARGEST_COORDINATE / self.range[j]);
            if (1.0 / LARGEST_SCALE..=largest).contains(&wanted) {
                (moved, wanted)
            } else {
                (moved, power_of_two(1.0 / largest.min(wanted)))
            }
        };
        (0..beta.centre.len()).map(place).unzip()
    }
}

/// Mean and variance of each coordinate, with the rows' shares of the curvature as weights.
fn weighted(hessian: &[f64], p: usize) -> (Vec<f64>, Vec<f64>) {
    let total = hessian[p * (p + 1) + p];
    let share = |value: f64| if total > 0.0 { value / total } else { 0.0 };
    let of = |j: usize| {
        let mean = share(hessian[j * (p + 1) + p]);
        (mean, share(hessian[j * (p + 1) + j]) - mean * mean)
    };
    (0..p).map(of).unzip()
}

/// The component of the gradient that is largest beside the terms that it sums. Coordinates are
/// taken around `middle`, so that an offset which all rows share adds nothing to the terms.
fn steepest(gradient: &[f64], terms: &[f64], beta: &Beta, l1: &[f64]) -> (usize, f64) {
    let p = beta.middle.len();
    let share = |j: usize| {
        let component = match beta.middle.get(j) {
            Some(middle) => {
                let slope = gradient[j] - middle * gradient[p];
                least_slope(slope, beta.coefficients[j], l1[j]).abs()
            }
            None => gradient[p].abs(),
        };
        if component > 0.0 {
            (component / terms[j]).min(1.0)
        } else {
            0.0
        }
    };
    (0..=p).fold((p, 0.0), |largest, j| {
        let share = share(j);
        if share > largest.1 {
            (j, share)
        } else {
            largest
        }
    })
}

/// The subgradient of least size along a coefficient whose size costs `l1` beside.
pub(crate) fn least_slope(slope: f64, coefficient: f64, l1: f64) -> f64 {
    match coefficient {
        0.0 => shrunk(slope, l1),
        _ => slope + l1.copysign(coefficient),
    }
}

/// 2^-k with 2^k nearest to `spread`, and 1 for a spread of zero.
pub(crate) fn power_of_two(spread: f64) -> f64 {
    if spread == 0.0 {
        1.0
    } else {
        let bounded = spread.clamp(1.0 / LARGEST_SCALE, LARGEST_SCALE);
        libm::ldexp(1.0, -libm::log2(bounded).round() as i32)
    }
}
