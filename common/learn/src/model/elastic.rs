//! The elastic net of a quadratic function, such as that of co-moments: coordinate descent, then the
//! exact solution of what is left.

use super::fit::FitError;
use super::solve::equilibrated_step;
use super::sum::Sum;

/// Sweeps over all coordinates at most.
const SWEEPS: usize = 100_000;
/// A sweep that changes no coordinate by more than this share of the largest ends the descent.
const SETTLED: f64 = 1e-13;
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
            if moved <= SETTLED * largest {
                break;
            }
        }
        x
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
