//! The hot loop: loss, gradient and Hessian of the logistic loss, summed over streamed rows.

use std::ops::Range;
use std::sync::Arc;

use super::beta::Beta;
use super::math::exp_of_negative;
use super::moments::{Moments, dot, fold};
use super::one_hot::{BLOCK, Hot, Layout, OfColumn, Products, Weighed};
use super::sum::Sum;

/// Sums over rows at one [`Beta`]: weighted log loss, its gradient and Hessian. Mergeable; the same
/// rows in the same calls and merges give the same bits on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct NewtonSums {
    p: usize,
    layout: Arc<Layout>,
    rows: u64,
    loss: Sum,
    /// By coefficient, then by the intercept: p + 1 values.
    gradient: Vec<Sum>,
    /// Upper triangle of the (p + 1) x (p + 1) matrix, row by row.
    hessian: Vec<Sum>,
    /// As the gradient, of the absolute values of its terms, from the middle of the rows.
    spread: Vec<Sum>,
}

/// Columns of one block, and what each row contributes.
struct Block {
    /// Of those that stand alone.
    z: Vec<[f64; BLOCK]>,
    /// By group of one-hot columns.
    hot: Vec<Hot>,
    eta: [f64; BLOCK],
    residual: [f64; BLOCK],
    curvature: [f64; BLOCK],
    weighted: [f64; BLOCK],
}

impl NewtonSums {
    /// Of no rows yet, for `p` features.
    pub fn new(p: usize) -> Self {
        Self::with_one_hot(p, Vec::new())
    }

    /// Of no rows yet, for the features of these moments: those that are one-hot together take a
    /// few operations a row.
    pub fn of(moments: &Moments) -> Self {
        Self::with_one_hot(moments.features().len(), moments.one_hot())
    }

    fn with_one_hot(p: usize, groups: Vec<Range<usize>>) -> Self {
        Self {
            p,
            layout: Arc::new(Layout::new(p, groups)),
            rows: 0,
            loss: Sum::default(),
            gradient: vec![Sum::default(); p + 1],
            hessian: vec![Sum::default(); (p + 1) * (p + 2) / 2],
            spread: vec![Sum::default(); p + 1],
        }
    }

    /// Adds rows: `x` is row-major, `y.len()` rows of p finite values; `y` is 0 or 1, any other
    /// label counts as 1. Values that are not finite make the sums so, and
    /// [`fit`](super::fit()) refuses them. Calls of a few thousand rows are fastest.
    ///
    /// # Panics
    /// When `beta` or `x` does not have p features: a bug of the caller.
    pub fn add_rows(&mut self, beta: &Beta, x: &[f64], y: &[u8]) {
        self.add(beta, x, y, None);
    }

    /// As [`NewtonSums::add_rows`], of rows that weigh so much beside their class.
    ///
    /// # Panics
    /// As [`NewtonSums::add_rows`], and without one weight for each row.
    pub fn add_weighted_rows(&mut self, beta: &Beta, x: &[f64], y: &[u8], weights: &[f64]) {
        assert_eq!(weights.len(), y.len(), "one weight per row");
        self.add(beta, x, y, Some(weights));
    }

    fn add(&mut self, beta: &Beta, x: &[f64], y: &[u8], weights: Option<&[f64]>) {
        let p = self.p;
        assert_eq!(
            beta.coefficients.len(),
            p,
            "parameters of another number of features"
        );
        assert_eq!(
            x.len(),
            y.len() * p,
            "x must hold one value per row and feature"
        );
        let layout = self.layout.clone();
        let mut products = Products::new(&layout);
        let mut block = Block {
            z: vec![[0.0; BLOCK]; layout.alone.len()],
            hot: layout.groups.iter().map(|_| Hot::new()).collect(),
            eta: [0.0; BLOCK],
            residual: [0.0; BLOCK],
            curvature: [0.0; BLOCK],
            weighted: [0.0; BLOCK],
        };
        for (i, y) in y.chunks(BLOCK).enumerate() {
            let start = i * BLOCK * p;
            block.load(beta, &layout, &x[start..start + y.len() * p], y.len());
            self.loss.add(match weights {
                None => block.weigh::<false>(beta, y, &[]),
                Some(weights) => {
                    let from = i * BLOCK;
                    block.weigh::<true>(beta, y, &weights[from..from + y.len()])
                }
            });
            self.accumulate(beta, &layout, &mut block, &mut products);
        }
        let n = p + 1;
        products.each(&layout, |i, j, product| {
            self.hessian[place(n, i, j)].add(product);
        });
        for j in layout.groups.iter().cloned().flatten() {
            self.spread[j].add(beta.middle[j].abs() * products.absolute.value());
        }
        self.rows += y.len() as u64;
    }

    fn accumulate(
        &mut self,
        beta: &Beta,
        layout: &Layout,
        block: &mut Block,
        products: &mut Products,
    ) {
        let Block {
            z,
            hot,
            residual,
            curvature,
            weighted,
            ..
        } = block;
        let (p, n) = (self.p, self.p + 1);
        let absolute = residual.map(f64::abs);
        for (at, (column, &i)) in z.iter().zip(&layout.alone).enumerate() {
            self.gradient[i].add(dot(residual, column));
            self.spread[i].add(distance(&absolute, column, beta.middle[i]));
            for ((product, c), z) in weighted.iter_mut().zip(curvature.iter()).zip(column) {
                *product = c * z;
            }
            for (other, &j) in z[at..].iter().zip(&layout.alone[at..]) {
                self.hessian[place(n, i, j)].add(dot(weighted, other));
            }
            self.hessian[place(n, i, p)].add(total(weighted));
        }
        self.gradient[p].add(total(residual));
        let terms = total(&absolute);
        self.spread[p].add(terms);
        self.hessian[place(n, p, p)].add(total(curvature));
        if layout.groups.is_empty() {
            return;
        }
        products.absolute.add(terms);
        let rows = Weighed {
            residual,
            absolute: &absolute,
            curvature,
            alone: z,
        };
        products.add(layout, &beta.middle, hot, &rows, |j, of: OfColumn| {
            self.gradient[j].add(of.gradient);
            self.spread[j].add(of.spread);
            self.hessian[place(n, j, j)].add(of.square);
            self.hessian[place(n, j, p)].add(of.curvature);
        });
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the number of features differs: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.p, other.p, "sums of another number of features");
        self.rows += other.rows;
        self.loss.merge(&other.loss);
        for (ours, theirs) in self.gradient.iter_mut().zip(&other.gradient) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.hessian.iter_mut().zip(&other.hessian) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.spread.iter_mut().zip(&other.spread) {
            ours.merge(theirs);
        }
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> u64 {
        ((self.gradient.len() + self.hessian.len()) * size_of::<Sum>()) as u64
    }

    /// Weighted log loss, without penalty.
    pub(super) fn loss(&self) -> f64 {
        self.loss.value()
    }

    /// Gradient by coefficient, then by the intercept.
    pub(super) fn gradient(&self) -> Vec<f64> {
        self.gradient.iter().map(Sum::value).collect()
    }

    /// How large the terms of the gradient are.
    pub(super) fn spread(&self) -> Vec<f64> {
        self.spread.iter().map(Sum::value).collect()
    }

    /// The full symmetric Hessian, (p + 1) x (p + 1).
    pub(super) fn hessian(&self) -> Vec<f64> {
        let n = self.p + 1;
        let mut full = vec![0.0; n * n];
        let mut upper = self.hessian.iter();
        for i in 0..n {
            for (j, sum) in (i..n).zip(&mut upper) {
                full[i * n + j] = sum.value();
                full[j * n + i] = full[i * n + j];
            }
        }
        full
    }
}

impl Block {
    /// Turns rows into centred columns and computes eta. Rows past the end become zeros.
    fn load(&mut self, beta: &Beta, layout: &Layout, x: &[f64], rows: usize) {
        let p = beta.coefficients.len();
        self.eta = [beta.intercept; BLOCK];
        for (column, &j) in self.z.iter_mut().zip(&layout.alone) {
            let (centre, scale, coefficient) =
                (beta.centre[j], beta.inverse_scale[j], beta.coefficients[j]);
            for (value, row) in column.iter_mut().zip(x.chunks_exact(p)) {
                *value = (row[j] - centre) * scale;
            }
            column[rows..].fill(0.0);
            for (eta, z) in self.eta.iter_mut().zip(column.iter()) {
                *eta += coefficient * z;
            }
        }
        for (hot, group) in self.hot.iter_mut().zip(&layout.groups) {
            hot.load(beta, group, x, &mut self.eta);
        }
    }

    /// Fills each row's residual and curvature, and returns the block's loss. `of_rows` are the
    /// rows' own weights, where they are `WEIGHTED`.
    fn weigh<const WEIGHTED: bool>(&mut self, beta: &Beta, y: &[u8], of_rows: &[f64]) -> f64 {
        let mut weight = [0.0; BLOCK];
        let mut sign = [1.0; BLOCK];
        for ((weight, sign), &label) in weight.iter_mut().zip(&mut sign).zip(y) {
            // Arithmetic instead of a branch: labels are unpredictable.
            let positive = f64::from(label.min(1));
            *weight = beta.weights[0] + positive * (beta.weights[1] - beta.weights[0]);
            *sign = 2.0 * positive - 1.0;
        }
        if WEIGHTED {
            for (weight, own) in weight.iter_mut().zip(of_rows) {
                *weight *= own;
            }
        }
        // log(1 + e) is taken once per block and class, of the product over its rows.
        let (mut hinge, mut negative, mut positive) = ([0.0; 8], [1.0; 8], [1.0; 8]);
        for start in (0..BLOCK).step_by(8) {
            for lane in 0..8 {
                let i = start + lane;
                let (weight, sign) = (weight[i], sign[i]);
                let margin = sign * self.eta[i];
                let e = exp_of_negative(-margin.abs());
                let likely = 1.0 / (1.0 + e);
                // The probability of the wrong class, computed without subtracting from one.
                let wrong = if margin >= 0.0 { e * likely } else { likely };
                self.residual[i] = -sign * weight * wrong;
                self.curvature[i] = weight * (e * likely) * likely;
                hinge[lane] += if margin < 0.0 { -margin * weight } else { 0.0 };
                if WEIGHTED {
                    // Rows of their own weights share no logarithm.
                    hinge[lane] += weight * libm::log1p(e);
                    continue;
                }
                let present = if weight > 0.0 { e } else { 0.0 };
                positive[lane] *= 1.0 + if sign > 0.0 { present } else { 0.0 };
                negative[lane] *= 1.0 + if sign > 0.0 { 0.0 } else { present };
            }
        }
        if WEIGHTED {
            return fold(&hinge);
        }
        let log = |lanes: &[f64; 8]| libm::log(lanes.iter().product());
        fold(&hinge) + beta.weights[0] * log(&negative) + beta.weights[1] * log(&positive)
    }
}

/// Where (i, j), with i up to j, stands in the upper triangle of an n x n matrix, row by row.
fn place(n: usize, i: usize, j: usize) -> usize {
    i * (2 * n - i + 1) / 2 + (j - i)
}

/// Sum of weighted distances from `middle`.
#[inline(always)]
fn distance(weights: &[f64; BLOCK], values: &[f64; BLOCK], middle: f64) -> f64 {
    let mut lanes = [0.0; 8];
    for (weights, values) in weights.chunks_exact(8).zip(values.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += weights[lane] * (values[lane] - middle).abs();
        }
    }
    fold(&lanes)
}

#[inline(always)]
fn total(values: &[f64; BLOCK]) -> f64 {
    let mut lanes = [0.0; 8];
    for chunk in values.chunks_exact(8) {
        for lane in 0..8 {
            lanes[lane] += chunk[lane];
        }
    }
    fold(&lanes)
}
