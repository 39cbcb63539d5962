//! One Newton step: Hessian * step = -gradient.

use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linalg::traits::cholesky::CholeskyDecomposable;

use super::point::Point;

/// The first ridge that is tried, as a share of what it is added to; each next one is ten times
/// as large.
const FIRST_RIDGE: f64 = 1e-15;
const RIDGES: usize = 11;

/// A step, and what was added to the Hessian to find it.
pub(crate) struct NewtonStep {
    pub(crate) step: Vec<f64>,
    pub(super) ridge: f64,
}

impl NewtonStep {
    /// Twice the decrease that the quadratic model promises: the squared Newton decrement.
    pub(super) fn gain(&self, point: &Point) -> f64 {
        -inner(&point.gradient, &self.step)
    }
}

/// With one ridge for all coordinates, as large as the largest of them asks for; `None` when no
/// ridge helps.
///
/// Where collinear features leave a Hessian that is not positive definite to sixteen digits, the
/// ridge makes it so: the step is shorter then, but its target, where the gradient vanishes, is
/// the same. Beside one coordinate that is huge the step may vanish in all others.
pub(super) fn with_one_ridge(point: &Point) -> Option<NewtonStep> {
    let n = point.gradient.len();
    let largest = (0..n).map(|i| point.hessian[i * n + i]).fold(0.0, f64::max);
    ridges(largest * FIRST_RIDGE).find_map(|ridge| {
        let mut matrix = point.hessian.clone();
        for i in 0..n {
            matrix[i * n + i] += ridge;
        }
        let step = solve(matrix, &point.gradient)?;
        (inner(&point.gradient, &step) <= 0.0).then_some(NewtonStep { step, ridge })
    })
}

/// As [`equilibrated_step`], of a point.
pub(super) fn equilibrated(point: &Point) -> Option<NewtonStep> {
    equilibrated_step(&point.hessian, &point.gradient)
}

/// With a ridge for each coordinate, in proportion to it: what one coordinate needs does not hide
/// another, whatever their scales and penalties are. `None` when no ridge helps.
pub(crate) fn equilibrated_step(hessian: &[f64], slope: &[f64]) -> Option<NewtonStep> {
    let n = slope.len();
    // Powers of two round nothing.
    let factors: Vec<f64> = (0..n)
        .map(|i| match hessian[i * n + i] {
            value if value > 0.0 => libm::ldexp(1.0, -(libm::log2(value) / 2.0).round() as i32),
            _ => 1.0,
        })
        .collect();
    let mut unit = hessian.to_vec();
    for i in 0..n {
        for j in 0..n {
            unit[i * n + j] = unit[i * n + j] * factors[i] * factors[j];
        }
    }
    let gradient: Vec<f64> = scaled(slope, &factors);
    ridges(FIRST_RIDGE).find_map(|ridge| {
        let mut matrix = unit.clone();
        for i in 0..n {
            let value = &mut matrix[i * n + i];
            *value += ridge * if *value > 0.0 { *value } else { 1.0 };
        }
        let step = scaled(&solve(matrix, &gradient)?, &factors);
        let finite = step.iter().all(|v| v.is_finite());
        (finite && inner(slope, &step) <= 0.0).then_some(NewtonStep { step, ridge })
    })
}

fn ridges(first: f64) -> impl Iterator<Item = f64> {
    let tenfold = std::iter::successors(Some(first), |ridge| Some(ridge * 10.0));
    std::iter::once(0.0).chain(tenfold.take(RIDGES))
}

/// By Cholesky's factors; `None` for a matrix that is not positive definite.
fn solve(matrix: Vec<f64>, gradient: &[f64]) -> Option<Vec<f64>> {
    let n = gradient.len();
    let negative = gradient.iter().map(|g| -g).collect();
    let matrix = DenseMatrix::new(n, n, matrix, false).ok()?;
    let right = DenseMatrix::new(n, 1, negative, false).ok()?;
    // smartcore refuses a negative pivot; a zero one shows as a step that is not finite.
    let solved = matrix.cholesky_solve_mut(right).ok()?;
    let step: Vec<f64> = solved.iterator(0).copied().collect();
    step.iter().all(|v| v.is_finite()).then_some(step)
}

fn scaled(values: &[f64], factors: &[f64]) -> Vec<f64> {
    values.iter().zip(factors).map(|(v, f)| v * f).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
