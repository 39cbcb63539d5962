//! The hot loop: loss, gradient and Hessian of the softmax loss, summed over streamed rows.

use std::sync::Arc;

use crate::model::math::exp_of_negative;
use crate::model::moments::dot;
use crate::model::sum::Sum;
use crate::rows::{BLOCK, Rows, Sums, class_of};

use super::FitError;

/// The parameters of a pass, in coordinates z = (x - centre) * 2^-k.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub(super) centre: Vec<f64>,
    pub(super) inverse_scale: Vec<f64>,
    /// By class: one per input, then the intercept.
    pub(super) beta: Vec<f64>,
    /// What a row of each class weighs.
    pub(super) of_class: Vec<f64>,
}

/// Sums over rows at one [`Point`]: weighted log loss, its gradient and its Hessian. Mergeable;
/// the same rows in the same calls and merges give the same bits.
#[derive(Clone, Debug)]
pub struct SoftmaxSums {
    features: Arc<[String]>,
    point: Arc<Point>,
    pub(super) rows: u64,
    pub(super) loss: Sum,
    /// As [`Point::beta`].
    pub(super) gradient: Vec<Sum>,
    /// Of the absolute values of the gradient's terms.
    pub(super) spread: Vec<Sum>,
    /// For each pair of classes, the second not before the first: the upper triangle over the
    /// inputs and the intercept, row by row.
    hessian: Vec<Sum>,
}

/// Columns of one block: inputs and a one, and by class the probability and the residual.
struct Block {
    z: Vec<[f64; BLOCK]>,
    probability: Vec<[f64; BLOCK]>,
    weight: [f64; BLOCK],
    curvature: [f64; BLOCK],
    weighted: [f64; BLOCK],
}

impl Point {
    pub(super) fn classes(&self) -> usize {
        self.of_class.len()
    }

    /// Inputs and one for the intercept.
    pub(super) fn width(&self) -> usize {
        self.centre.len() + 1
    }

    pub(super) fn moved(&self, step: &[f64], length: f64) -> Self {
        let mut next = self.clone();
        for (beta, step) in next.beta.iter_mut().zip(step) {
            *beta += length * step;
        }
        next
    }

    /// A share of the way to other parameters; all of it arrives there exactly.
    pub(super) fn towards(&self, target: &[f64], length: f64) -> Self {
        let mut next = self.clone();
        for (beta, target) in next.beta.iter_mut().zip(target) {
            *beta = match length {
                1.0 => *target,
                _ => *beta + length * (target - *beta),
            };
        }
        next
    }

    /// Coefficients and intercepts for raw inputs; intercepts add up to 0.
    pub(super) fn raw(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        let (mut coefficients, mut intercepts) = (Vec::new(), Vec::new());
        for of_class in self.beta.chunks_exact(self.width()) {
            let (slopes, intercept) = of_class.split_at(self.width() - 1);
            let scaled = slopes.iter().zip(&self.inverse_scale);
            let raw: Vec<f64> = scaled.map(|(slope, scale)| slope * scale).collect();
            let mut sum = Sum::default();
            intercept.iter().for_each(|free| sum.add(*free));
            for (raw, centre) in raw.iter().zip(&self.centre) {
                sum.add(-raw * centre);
            }
            coefficients.push(raw);
            intercepts.push(sum.value());
        }
        let mean = intercepts.iter().sum::<f64>() / intercepts.len() as f64;
        intercepts.iter_mut().for_each(|value| *value -= mean);
        (coefficients, intercepts)
    }
}

impl SoftmaxSums {
    /// Of no rows yet.
    pub(super) fn new(features: &[String], point: Arc<Point>) -> Self {
        let (k, n) = (point.classes(), point.width());
        Self {
            features: features.into(),
            rows: 0,
            loss: Sum::default(),
            gradient: vec![Sum::default(); k * n],
            spread: vec![Sum::default(); k * n],
            hessian: vec![Sum::default(); k * (k + 1) / 2 * (n * (n + 1) / 2)],
            point,
        }
    }

    /// Bytes of memory that they take, of so many inputs and classes.
    pub fn bytes(inputs: usize, classes: usize) -> u64 {
        let (n, k) = (inputs as u64 + 1, classes as u64);
        let sums = 2 * k * n + k * (k + 1) / 2 * (n * (n + 1) / 2);
        sums * size_of::<Sum>() as u64
    }

    /// The full symmetric Hessian, by class and input.
    pub(super) fn hessian(&self) -> Vec<f64> {
        let (k, n) = (self.point.classes(), self.point.width());
        let size = k * n;
        let mut full = vec![0.0; size * size];
        let mut sums = self.hessian.iter();
        for a in 0..k {
            for b in a..k {
                for i in 0..n {
                    for (j, sum) in (i..n).zip(&mut sums) {
                        let value = sum.value();
                        for (c, d) in [(a, b), (b, a)] {
                            full[(c * n + i) * size + d * n + j] = value;
                            full[(c * n + j) * size + d * n + i] = value;
                        }
                    }
                }
            }
        }
        full
    }

    fn accumulate(&mut self, block: &mut Block, rows: Rows<'_>) {
        let point = self.point.clone();
        block.load(&point, rows);
        self.loss.add(block.predict(&point, rows));
        block.differ(&point, rows, |at, gradient, spread| {
            self.gradient[at].add(gradient);
            self.spread[at].add(spread);
        });
        let mut at = 0;
        for a in 0..point.classes() {
            for b in a..point.classes() {
                block.curve(a, b);
                for i in 0..point.width() {
                    let both = block.curvature.iter().zip(&block.z[i]);
                    for (product, (c, z)) in block.weighted.iter_mut().zip(both) {
                        *product = c * z;
                    }
                    for other in &block.z[i..] {
                        self.hessian[at].add(dot(&block.weighted, other));
                        at += 1;
                    }
                }
            }
        }
    }
}

impl Sums for SoftmaxSums {
    type Error = FitError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), FitError> {
        rows.check(&self.features)?;
        rows.check_classes(self.point.classes())?;
        let mut block = Block {
            z: vec![[0.0; BLOCK]; self.point.width()],
            probability: vec![[0.0; BLOCK]; self.point.classes()],
            weight: [0.0; BLOCK],
            curvature: [0.0; BLOCK],
            weighted: [0.0; BLOCK],
        };
        for chunk in rows.chunks(self.features.len(), BLOCK) {
            self.accumulate(&mut block, chunk);
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        self.loss.merge(&later.loss);
        let all = |ours: &mut [Sum], theirs: &[Sum]| {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                ours.merge(theirs);
            }
        };
        all(&mut self.gradient, &later.gradient);
        all(&mut self.spread, &later.spread);
        all(&mut self.hessian, &later.hessian);
    }
}

impl Block {
    /// Turns rows into centred columns and weights; rows past the last become zeros.
    fn load(&mut self, point: &Point, rows: Rows<'_>) {
        let width = point.centre.len();
        for (j, column) in self.z.iter_mut().enumerate() {
            column.fill(0.0);
            for (row, z) in column[..rows.len()].iter_mut().enumerate() {
                *z = match j < width {
                    true => (rows.x[row * width + j] - point.centre[j]) * point.inverse_scale[j],
                    false => 1.0,
                };
            }
        }
        self.weight.fill(0.0);
        for (row, weight) in self.weight[..rows.len()].iter_mut().enumerate() {
            let class = class_of(rows.y[row], point.classes()).unwrap_or(0);
            *weight = point.of_class[class] * rows.weight(row);
        }
    }

    /// Fills the probabilities, and returns the block's loss.
    fn predict(&mut self, point: &Point, rows: Rows<'_>) -> f64 {
        let classes = point.classes();
        for (of_class, scores) in point
            .beta
            .chunks_exact(point.width())
            .zip(&mut self.probability)
        {
            scores.fill(0.0);
            for (beta, column) in of_class.iter().zip(&self.z) {
                for (score, z) in scores.iter_mut().zip(column) {
                    *score += beta * z;
                }
            }
        }
        let mut loss = 0.0;
        for row in 0..rows.len() {
            let scores = self.probability.iter().map(|of_class| of_class[row]);
            let largest = scores.fold(f64::NEG_INFINITY, f64::max);
            let label = class_of(rows.y[row], classes).unwrap_or(0);
            let behind = largest - self.probability[label][row];
            let mut total = 0.0;
            for of_class in &mut self.probability {
                of_class[row] = exp_of_negative(of_class[row] - largest);
                total += of_class[row];
            }
            for of_class in &mut self.probability {
                of_class[row] /= total;
            }
            loss += self.weight[row] * (libm::log(total) + behind);
        }
        loss
    }

    /// What the block adds to each component of the gradient, and how large its terms are.
    fn differ(&mut self, point: &Point, rows: Rows<'_>, mut add: impl FnMut(usize, f64, f64)) {
        let (classes, width) = (point.classes(), point.width());
        for class in 0..classes {
            let mut residual = self.probability[class];
            // Of the wrong classes together, so that nothing is subtracted from one.
            for (row, value) in residual[..rows.len()].iter_mut().enumerate() {
                if class_of(rows.y[row], classes) == Some(class) {
                    let others = (0..classes).filter(|other| *other != class);
                    *value = -others.fold(0.0, |sum, other| sum + self.probability[other][row]);
                }
            }
            for (value, weight) in residual.iter_mut().zip(&self.weight) {
                *value *= weight;
            }
            let absolute = residual.map(f64::abs);
            for (j, column) in self.z.iter().enumerate() {
                let spread = dot(&absolute, &column.map(f64::abs));
                add(class * width + j, dot(&residual, column), spread);
            }
        }
    }

    /// Fills each row's curvature between two classes.
    fn curve(&mut self, a: usize, b: usize) {
        for row in 0..BLOCK {
            let (p, q) = (self.probability[a][row], self.probability[b][row]);
            let between = if a == b { p * (1.0 - p) } else { -p * q };
            self.curvature[row] = self.weight[row] * between;
        }
    }
}
