//! What a first pass knows of weighted rows: means, spreads and co-moments, with the label.

use std::sync::Arc;

use crate::model::Spread;
use crate::model::moments::{dot, fold};
use crate::model::sum::Sum;
use crate::rows::{BLOCK, Rows, Sums, class_of};

use super::FitError;

/// Weighted means and co-moments of the features and the label, and what each class weighs.
///
/// Products are taken around the mean of each block and combined as Chan, Golub and LeVeque do,
/// each in a compensated sum. Rows that weigh 0 are counted, and change nothing else.
#[derive(Clone, Debug)]
pub struct CoMoments {
    features: Arc<[String]>,
    /// Of the target; without any the label is a number.
    classes: Arc<[String]>,
    rows: u64,
    weight: Sum,
    of_class: Vec<Sum>,
    /// By feature, then of the label.
    mean: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Upper triangle, row by row.
    products: Vec<Sum>,
}

/// The columns of a block, the label last, and what its rows weigh.
struct Block {
    columns: Vec<[f64; BLOCK]>,
    weights: [f64; BLOCK],
    weighted: [f64; BLOCK],
}

impl CoMoments {
    /// What the target is called where a feature would be named.
    pub const TARGET: &'static str = "(the target)";

    /// Of no rows yet. Without `classes` the label is a number.
    pub fn new(features: &[String], classes: &[String]) -> Self {
        let n = features.len() + 1;
        Self {
            features: features.into(),
            classes: classes.into(),
            rows: 0,
            weight: Sum::default(),
            of_class: vec![Sum::default(); classes.len()],
            mean: vec![0.0; n],
            low: vec![f64::INFINITY; n],
            high: vec![f64::NEG_INFINITY; n],
            products: vec![Sum::default(); n * (n + 1) / 2],
        }
    }

    /// Names of the features.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The target's classes; none of a number.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What all rows weigh.
    pub fn weight(&self) -> f64 {
        self.weight.value()
    }

    /// What the rows of a class weigh.
    pub fn class_weight(&self, class: usize) -> f64 {
        self.of_class[class].value()
    }

    /// Weighted mean of feature `j`; of the label for the number of features.
    pub fn mean(&self, j: usize) -> f64 {
        if self.is_constant(j) {
            self.low[j]
        } else {
            self.mean[j]
        }
    }

    /// Population standard deviation of feature `j`, exactly 0 for a constant.
    pub fn std(&self, j: usize) -> f64 {
        match self.weight() {
            weight if weight > 0.0 => (self.product(j, j) / weight).sqrt(),
            _ => 0.0,
        }
    }

    /// Weighted sum of products around the means of columns `i` and `j`.
    pub fn product(&self, i: usize, j: usize) -> f64 {
        if self.is_constant(i) || self.is_constant(j) {
            return 0.0;
        }
        let (i, j) = (i.min(j), i.max(j));
        let n = self.mean.len();
        self.products[i * n - i * (i + 1) / 2 + j].value()
    }

    /// Least and greatest value of feature `j`.
    pub fn range(&self, j: usize) -> [f64; 2] {
        [self.low[j], self.high[j]]
    }

    /// Pearson's correlation of features `i` and `j`; `None` when either is constant.
    pub fn correlation(&self, i: usize, j: usize) -> Option<f64> {
        let spread = self.product(i, i).sqrt() * self.product(j, j).sqrt();
        (spread > 0.0).then(|| (self.product(i, j) / spread).clamp(-1.0, 1.0))
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> u64 {
        (self.products.len() * size_of::<Sum>()) as u64
    }

    fn is_constant(&self, j: usize) -> bool {
        self.low[j] == self.high[j]
    }

    /// That there is something to learn from.
    ///
    /// # Errors
    /// No rows, a class without any, a number that is always the same, a spread that overflows.
    pub(super) fn usable(&self) -> Result<(), FitError> {
        if self.rows == 0 || self.weight() <= 0.0 {
            return Err(crate::model::FitError::NoRows.into());
        }
        let none = |class: &usize| self.class_weight(*class) <= 0.0;
        if let Some(class) = (0..self.classes.len()).find(none) {
            let class = self.classes[class].clone();
            return Err(FitError::MissingClass { class });
        }
        let label = self.features.len();
        if self.classes.is_empty() && self.is_constant(label) {
            let (value, rows) = (self.low[label], self.rows);
            return Err(FitError::OneValue { value, rows });
        }
        let bad = |j: &usize| !(self.mean(*j).is_finite() && self.product(*j, *j).is_finite());
        match (0..self.mean.len()).find(bad) {
            Some(j) => Err(crate::model::FitError::Overflow {
                feature: match self.features.get(j) {
                    Some(feature) => feature.clone(),
                    None => Self::TARGET.to_owned(),
                },
            }
            .into()),
            None => Ok(()),
        }
    }

    fn add_block(&mut self, block: &mut Block, rows: Rows<'_>) {
        let added = block.load(rows, self.features.len());
        if added == 0.0 {
            return;
        }
        let n = self.mean.len();
        let mut shift = vec![0.0; n];
        for (j, column) in block.columns.iter_mut().enumerate() {
            let used = || column.iter().zip(&block.weights).filter(|(_, w)| **w > 0.0);
            let low = used().fold(f64::INFINITY, |low, (x, _)| low.min(*x));
            let high = used().fold(f64::NEG_INFINITY, |high, (x, _)| high.max(*x));
            // A constant is its own mean exactly; the division could move it by a bit.
            let mean = if low == high {
                low
            } else {
                dot(&block.weights, column) / added
            };
            column.iter_mut().for_each(|value| *value -= mean);
            shift[j] = mean - self.mean[j];
            self.low[j] = self.low[j].min(low);
            self.high[j] = self.high[j].max(high);
        }
        let mut products = Vec::with_capacity(self.products.len());
        for i in 0..n {
            for ((product, weight), x) in block
                .weighted
                .iter_mut()
                .zip(&block.weights)
                .zip(&block.columns[i])
            {
                *product = weight * x;
            }
            for column in &block.columns[i..] {
                let mut sum = Sum::default();
                sum.add(dot(&block.weighted, column));
                products.push(sum);
            }
        }
        let mut weight = Sum::default();
        weight.add(added);
        self.combine(&weight, &shift, &products);
    }

    /// Adds products of rows whose means lie `shift` from ours.
    fn combine(&mut self, added: &Sum, shift: &[f64], products: &[Sum]) {
        let (before, share) = (self.weight(), {
            let all = self.weight() + added.value();
            added.value() / all
        });
        let mut at = 0;
        for i in 0..shift.len() {
            for j in i..shift.len() {
                self.products[at].merge(&products[at]);
                if before > 0.0 {
                    self.products[at].add(shift[i] * shift[j] * before * share);
                }
                at += 1;
            }
        }
        for (mean, shift) in self.mean.iter_mut().zip(shift) {
            *mean += shift * share;
        }
        self.weight.merge(added);
    }
}

impl Spread for CoMoments {
    fn names(&self) -> &[String] {
        self.features()
    }

    fn deviation(&self, j: usize) -> f64 {
        self.std(j)
    }

    fn related(&self, i: usize, j: usize) -> Option<f64> {
        self.correlation(i, j)
    }
}

impl Sums for CoMoments {
    type Error = FitError;

    fn add(&mut self, rows: Rows<'_>) -> Result<(), FitError> {
        rows.check(&self.features)?;
        let classes = self.classes.len();
        if classes == 0 {
            rows.check_numbers()?;
        } else {
            rows.check_classes(classes)?;
            for (row, &label) in rows.y.iter().enumerate() {
                if let Some(class) = class_of(label, classes) {
                    self.of_class[class].add(rows.weight(row));
                }
            }
        }
        let mut block = Block {
            columns: vec![[0.0; BLOCK]; self.mean.len()],
            weights: [0.0; BLOCK],
            weighted: [0.0; BLOCK],
        };
        for chunk in rows.chunks(self.features.len(), BLOCK) {
            self.add_block(&mut block, chunk);
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) {
        assert_eq!(self.features, later.features, "moments of other features");
        self.rows += later.rows;
        for (ours, theirs) in self.of_class.iter_mut().zip(&later.of_class) {
            ours.merge(theirs);
        }
        if later.weight() == 0.0 {
            return;
        }
        for j in 0..self.mean.len() {
            self.low[j] = self.low[j].min(later.low[j]);
            self.high[j] = self.high[j].max(later.high[j]);
        }
        let shift: Vec<f64> = (later.mean.iter().zip(&self.mean))
            .map(|(theirs, ours)| theirs - ours)
            .collect();
        self.combine(&later.weight, &shift, &later.products);
    }
}

impl Block {
    /// Turns rows into columns; rows past the last weigh nothing. What they weigh in all.
    fn load(&mut self, rows: Rows<'_>, width: usize) -> f64 {
        for (j, column) in self.columns.iter_mut().enumerate() {
            column.fill(0.0);
            for (row, value) in column[..rows.len()].iter_mut().enumerate() {
                *value = match j < width {
                    true => rows.x[row * width + j],
                    false => rows.y[row],
                };
            }
        }
        self.weights.fill(0.0);
        for (row, weight) in self.weights[..rows.len()].iter_mut().enumerate() {
            *weight = rows.weight(row);
        }
        let mut lanes = [0.0; 8];
        for weights in self.weights.chunks_exact(8) {
            for lane in 0..8 {
                lanes[lane] += weights[lane];
            }
        }
        fold(&lanes)
    }
}
