//! The elastic net on co-moments: coordinate descent, then the exact solution of what is left.

use super::{FitError, refined};
use crate::model;

/// Sweeps over all coordinates at most.
const SWEEPS: usize = 100_000;
/// A sweep that changes no coordinate by more than this share of the largest ends the descent.
const SETTLED: f64 = 1e-13;
/// The optimum's conditions hold but for this share of the terms.
const ROUNDING: f64 = 1e-10;

/// Minimises x' A x / 2 - right' x + sum of l1 * |x|, where A is the matrix with the L2 penalty.
pub(super) struct Problem<'a> {
    pub(super) matrix: &'a [f64],
    pub(super) right: &'a [f64],
    pub(super) l1: &'a [f64],
}

impl Problem<'_> {
    /// The optimum.
    ///
    /// # Errors
    /// No descent reaches it: the columns are too nearly collinear.
    pub(super) fn solve(&self) -> Result<Vec<f64>, FitError> {
        let n = self.right.len();
        let mut x = vec![0.0; n];
        // What pulls each coordinate: right - matrix * x.
        let mut pull = self.right.to_vec();
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
        match self.exact(&x)? {
            Some(exact) => Ok(exact),
            None if self.is_optimal(&x) => Ok(x),
            None => Err(model::FitError::Singular.into()),
        }
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
            if value.is_sign_positive() != x[*j].is_sign_positive() {
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
fn shrunk(value: f64, by: f64) -> f64 {
    match value.abs() - by {
        left if left > 0.0 => left.copysign(value),
        _ => 0.0,
    }
}
