//! The elastic net of a quadratic function, such as that of co-moments: coordinate descent, then
//! the exact solution of what is left.

use super::error::FitError;
use super::solve::equilibrated_step;
use super::sum::Sum;

/// Sweeps over all coordinates at most.
const SWEEPS: usize = 100_000;
/// A sweep that changes no coordinate by more than this share of the largest ends the descent.
const SETTLED: f64 = 1e-13;
/// A share of curvatures below which their sum is rounding.
const UNRESOLVED: f64 = 1e-12;
/// So do sweeps that change none by more than this, once they stop getting smaller for so many:
/// rounding alone is left.
const NEARLY_SETTLED: f64 = 1e-11;
const STALLED: usize = 1000;
/// The optimum's conditions hold but for this share of the terms.
const ROUNDING: f64 = 1e-10;
/// A solution is refined at most this often.
const REFINEMENTS: usize = 8;

/// Minimises x' A x / 2 - right' x + sum of l1 * |x|, where A is the matrix with the L2 penalty.
pub(crate) struct Problem<'a> {
    pub(crate) matrix: &'a [f64],
    pub(crate) right: &'a [f64],
    /// 0 of what has no such penalty.
    pub(crate) l1: &'a [f64],
    /// Coordinates that may all be shifted by the same at next to no curvature, by which single
    /// coordinates would get there in steps that are too small.
    pub(crate) flat: &'a [Vec<usize>],
}

/// A quadratic function by its derivatives at a point, and what the size of its coordinates costs.
pub(crate) struct Model<'a> {
    pub(crate) from: &'a [f64],
    pub(crate) gradient: &'a [f64],
    pub(crate) hessian: &'a [f64],
    /// As [`Problem::l1`].
    pub(crate) l1: &'a [f64],
    /// As [`Problem::flat`].
    pub(crate) flat: &'a [Vec<usize>],
}

/// Where it is least, or near there, and by how much it falls on the way.
pub(crate) fn target(of: &Model<'_>) -> (Vec<f64>, f64) {
    let n = of.gradient.len();
    let rows = of.hessian.chunks_exact(n).zip(of.gradient);
    let right = rows.map(|(row, slope)| {
        let products = row.iter().zip(of.from).map(|(h, b)| h * b);
        products.sum::<f64>() - slope
    });
    let problem = Problem {
        matrix: of.hessian,
        right: &right.collect::<Vec<_>>(),
        l1: of.l1,
        flat: of.flat,
    };
    let target = problem.nearest(of.from.to_vec());
    let falls = (0..n).map(|j| {
        let size = of.from[j].abs() - target[j].abs();
        of.gradient[j] * (of.from[j] - target[j]) + of.l1[j] * size
    });
    let gain = falls.sum();
    (target, gain)
}

impl Problem<'_> {
    /// The optimum.
    ///
    /// # Errors
    /// No descent reaches it: the columns are too nearly collinear.
    pub(crate) fn solve(&self) -> Result<Vec<f64>, FitError> {
        let x = self.descended(vec![0.0; self.right.len()]);
        match self.exact(&x)? {
            Some(exact) => Ok(exact),
            None if self.is_optimal(&x) => Ok(x),
            None => Err(FitError::Singular),
        }
    }

    /// The optimum, or how near the descent from a point comes to it.
    pub(crate) fn nearest(&self, from: Vec<f64>) -> Vec<f64> {
        let x = self.descended(from);
        let exact = self.exact(&x).ok().flatten();
        exact.unwrap_or(x)
    }

    /// Coordinate descent from a point.
    fn descended(&self, mut x: Vec<f64>) -> Vec<f64> {
        let n = x.len();
        // What pulls each coordinate: right - matrix * x.
        let rows = self.right.iter().enumerate();
        let rows = rows.map(|(i, right)| (right, &self.matrix[i * n..(i + 1) * n]));
        let pulled =
            rows.map(|(right, row)| row.iter().zip(&x).fold(*right, |pull, (a, x)| pull - a * x));
        let mut pull: Vec<f64> = pulled.collect();
        let (mut least, mut stalled) = (f64::INFINITY, 0);
        for _ in 0..SWEEPS {
            let (mut moved, mut largest) = (0.0_f64, 0.0_f64);
            for j in 0..n {
                let curvature = self.matrix[j * n + j];
                if curvature <= 0.0 {
                    continue;
                }
                let next = shrunk(pull[j] + curvature * x[j], self.l1[j]) / curvature;
                let step = next - x[j];
                if step != 0.0 {
                    let column = &self.matrix[j * n..(j + 1) * n];
                    for (pull, a) in pull.iter_mut().zip(column) {
                        *pull -= a * step;
                    }
                }
                x[j] = next;
                moved = moved.max(step.abs());
                largest = largest.max(next.abs());
            }
            for group in self.flat {
                moved = moved.max(self.shift(group, &mut x, &mut pull).abs());
            }
            stalled = if moved < least { 0 } else { stalled + 1 };
            least = least.min(moved);
            let stands = stalled > STALLED && moved <= NEARLY_SETTLED * largest;
            if moved <= SETTLED * largest || stands {
                break;
            }
        }
        x
    }

    /// Shifts coordinates by what is best for all of them; gives by how much.
    fn shift(&self, group: &[usize], x: &mut [f64], pull: &mut [f64]) -> f64 {
        let n = x.len();
        let rows = group.iter().map(|i| &self.matrix[i * n..(i + 1) * n]);
        let pairs = rows.flat_map(|row| group.iter().map(|j| row[*j]));
        let (curvature, size) = pairs.fold((0.0, 0.0), |(sum, size), value: f64| {
            (sum + value, size + value.abs())
        });
        let curvature = match curvature > UNRESOLVED * size {
            true => curvature,
            false => 0.0,
        };
        let pulled = group.iter().fold(0.0, |sum, j| sum + pull[*j]);
        let held = group.iter().map(|j| (-x[*j], self.l1[*j]));
        let step = least_of_sizes(curvature, pulled, held.collect());
        if step == 0.0 {
            return 0.0;
        }
        for j in group {
            let column = &self.matrix[j * n..(j + 1) * n];
            for (pull, a) in pull.iter_mut().zip(column) {
                *pull -= a * step;
            }
            x[*j] += step;
        }
        step
    }

    /// The solution whose coordinates have the signs of `x`, where it is the optimum.
    fn exact(&self, x: &[f64]) -> Result<Option<Vec<f64>>, FitError> {
        let n = x.len();
        let active: Vec<usize> = (0..n).filter(|j| x[*j] != 0.0).collect();
        let rows = active.iter().flat_map(|i| {
            let row = &self.matrix[i * n..(i + 1) * n];
            active.iter().map(|j| row[*j])
        });
        let matrix: Vec<f64> = rows.collect();
        let signed = |j: &usize| self.right[*j] - self.l1[*j].copysign(x[*j]);
        let right: Vec<f64> = active.iter().map(signed).collect();
        let mut all = vec![0.0; n];
        for (j, value) in active.iter().zip(refined(&matrix, &right)?) {
            let is_kept =
                self.l1[*j] == 0.0 || value.is_sign_positive() == x[*j].is_sign_positive();
            if !is_kept {
                return Ok(None);
            }
            all[*j] = value;
        }
        Ok(self.is_optimal(&all).then_some(all))
    }

    /// Whether no coordinate is pulled more than its penalty holds it.
    fn is_optimal(&self, x: &[f64]) -> bool {
        let n = x.len();
        (0..n).all(|j| {
            let terms = self.matrix[j * n..(j + 1) * n].iter().zip(x);
            let (mut pull, mut size) = (self.right[j], self.right[j].abs() + self.l1[j]);
            for (a, x) in terms {
                pull -= a * x;
                size += (a * x).abs();
            }
            let excess = match x[j] {
                0.0 => (pull.abs() - self.l1[j]).max(0.0),
                value => (pull - self.l1[j].copysign(value)).abs(),
            };
            excess <= ROUNDING * size
        })
    }
}

/// The t at which curvature t^2 / 2 - pulled t + the sum of held |t - place| is least; of several
/// one at a place, or 0 where there is none.
fn least_of_sizes(curvature: f64, pulled: f64, mut places: Vec<(f64, f64)>) -> f64 {
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The slope is the curvature times t plus this, which jumps at each place.
    let mut level = -pulled - places.iter().fold(0.0, |sum, (_, held)| sum + held);
    for (place, held) in places {
        if curvature * place + level >= 0.0 {
            break;
        }
        level += 2.0 * held;
        if curvature * place + level >= 0.0 {
            return place;
        }
    }
    match curvature > 0.0 {
        true => -level / curvature,
        false => 0.0,
    }
}

/// Moves a number towards 0.
pub(super) fn shrunk(value: f64, by: f64) -> f64 {
    match value.abs() - by {
        left if left > 0.0 => left.copysign(value),
        _ => 0.0,
    }
}

/// Solves matrix * x = right, and corrects x by what is left while that shrinks.
pub(crate) fn refined(matrix: &[f64], right: &[f64]) -> Result<Vec<f64>, FitError> {
    let n = right.len();
    let mut x = vec![0.0; n];
    if n == 0 {
        return Ok(x);
    }
    let mut left = right.to_vec();
    for _ in 0..=REFINEMENTS {
        let slope: Vec<f64> = left.iter().map(|value| -value).collect();
        let step = equilibrated_step(matrix, &slope).ok_or(FitError::Singular)?;
        let next: Vec<f64> = x.iter().zip(&step.step).map(|(x, step)| x + step).collect();
        let rest = residual(matrix, right, &next);
        let size = |values: &[f64]| values.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
        if size(&rest) >= size(&left) {
            break;
        }
        (x, left) = (next, rest);
    }
    Ok(x)
}

/// right - matrix * x, each product with its rounding error.
fn residual(matrix: &[f64], right: &[f64], x: &[f64]) -> Vec<f64> {
    let rows = matrix.chunks_exact(x.len()).zip(right);
    rows.map(|(row, right)| {
        let mut sum = Sum::default();
        sum.add(*right);
        for (a, x) in row.iter().zip(x) {
            let product = a * x;
            sum.add(-product);
            sum.add(-libm::fma(*a, *x, -product));
        }
        sum.value()
    })
    .collect()
}
