//! What a first pass over the rows must know: counts, means, spreads and co-moments of the
//! features.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::one_hot::{self, BLOCK, Layout};

/// Counts per class, and mean, range and co-moments of every feature, from one pass; mergeable.
///
/// Co-moments are kept as sums of products around the mean (Chan, Golub and LeVeque 1979), which
/// does not cancel as sums of squares do. Merging parts in the same order gives the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    features: Vec<String>,
    /// Rows of the negative and of the positive class.
    classes: [u64; 2],
    mean: Vec<f64>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    /// Row-major p x p, symmetric: sum over rows of (x_i - mean_i) * (x_j - mean_j).
    co_moments: Vec<f64>,
    /// What the rows of either class weigh; without it each row weighs 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights: Option<[f64; 2]>,
    /// Groups of features of which a row has at most one that is not at its lowest value.
    #[serde(skip)]
    one_hot: Vec<Range<usize>>,
}

/// A row that no model can be fitted on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// A feature is NaN or infinite.
    #[error(
        "feature {feature} is {value} in row {row}: fill or filter such values before training"
    )]
    NotFinite {
        /// Name of the feature.
        feature: String,
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
    /// A label is neither 0 nor 1.
    #[error("label is {value} in row {row}: a binary label is 0 or 1")]
    Label {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: u8,
    },
    /// A weight is negative or no number.
    #[error("weight is {value} in row {row}: it must be a finite number, 0 or more")]
    Weight {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
}

impl Moments {
    /// Of no rows yet.
    pub fn new(features: &[String]) -> Self {
        let p = features.len();
        Self {
            features: features.to_vec(),
            classes: [0; 2],
            mean: vec![0.0; p],
            min: vec![None; p],
            max: vec![None; p],
            co_moments: vec![0.0; p * p],
            weights: None,
            one_hot: Vec::new(),
        }
    }

    /// The same, where groups of features, in order, are the one-hot columns of a category each:
    /// their co-moments take a few operations a row.
    pub fn with_one_hot(mut self, groups: &[Range<usize>]) -> Self {
        self.one_hot = groups.to_vec();
        self
    }

    /// Adds rows: `x` is row-major, `y.len()` rows of one value per feature; `y` is 0 or 1.
    ///
    /// # Errors
    /// The first row that is not finite or has another label, by feature and position. Nothing is
    /// added then.
    ///
    /// # Panics
    /// When `x` is not `y.len()` rows long: a bug of the caller.
    pub fn add_rows(&mut self, x: &[f64], y: &[u8]) -> Result<(), RowError> {
        let p = self.features.len();
        assert_eq!(
            x.len(),
            y.len() * p,
            "x must hold one value per row and feature"
        );
        self.check(x, y)?;
        if p == 0 {
            for &label in y {
                self.classes[usize::from(label)] += 1;
            }
            return Ok(());
        }
        let mut columns = vec![[0.0; BLOCK]; p];
        let layout = Layout::new(p, self.one_hot.clone());
        for (x, y) in x.chunks(BLOCK * p).zip(y.chunks(BLOCK)) {
            self.add_block(&layout, &mut columns, x, y);
        }
        Ok(())
    }

    /// As [`Moments::add_rows`], of rows that weigh so much. Means and co-moments stay those of the
    /// rows: they only say where a fit begins, which its result does not depend on.
    ///
    /// # Errors
    /// Those of [`Moments::add_rows`], and a weight that is negative or not finite.
    ///
    /// # Panics
    /// As [`Moments::add_rows`], and without one weight for each row.
    pub fn add_weighted_rows(
        &mut self,
        x: &[f64],
        y: &[u8],
        weights: &[f64],
    ) -> Result<(), RowError> {
        assert_eq!(weights.len(), y.len(), "one weight per row");
        let bad = |weight: &f64| !(weight.is_finite() && *weight >= 0.0);
        if let Some(row) = weights.iter().position(bad) {
            let value = weights[row];
            return Err(RowError::Weight { row, value });
        }
        let mut of_class = self.weights();
        self.add_rows(x, y)?;
        for (&label, weight) in y.iter().zip(weights) {
            of_class[usize::from(label)] += weight;
        }
        self.weights = Some(of_class);
        Ok(())
    }

    fn check(&self, x: &[f64], y: &[u8]) -> Result<(), RowError> {
        let p = self.features.len();
        if let Some(at) = x.iter().position(|v| !v.is_finite()) {
            return Err(RowError::NotFinite {
                feature: self.features[at % p].clone(),
                row: at / p,
                value: x[at],
            });
        }
        match y.iter().position(|&label| label > 1) {
            Some(row) => Err(RowError::Label { row, value: y[row] }),
            None => Ok(()),
        }
    }

    fn add_block(&mut self, layout: &Layout, columns: &mut [[f64; BLOCK]], x: &[f64], y: &[u8]) {
        let p = self.features.len();
        let rows = y.len();
        let before = self.rows() as f64;
        let added = rows as f64;
        let positive = y.iter().map(|&label| u64::from(label)).sum::<u64>();
        self.classes[1] += positive;
        self.classes[0] += rows as u64 - positive;

        let (mut shift, mut lowest, mut means) = (vec![0.0; p], vec![0.0; p], vec![0.0; p]);
        for (j, column) in columns.iter_mut().enumerate() {
            let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
            let mut sum = 0.0;
            for (i, value) in column[..rows].iter_mut().enumerate() {
                *value = x[i * p + j];
                min = min.min(*value);
                max = max.max(*value);
                sum += *value;
            }
            self.min[j] = Some(self.min[j].map_or(min, |old| old.min(min)));
            self.max[j] = Some(self.max[j].map_or(max, |old| old.max(max)));
            // A constant is its own mean exactly; the division could move it by a bit.
            let mean = if min == max { min } else { sum / added };
            for value in &mut column[..rows] {
                *value -= mean;
            }
            column[rows..].fill(0.0);
            shift[j] = mean - self.mean[j];
            (lowest[j], means[j]) = (min, mean);
        }
        // The mean of centred values is not exactly zero; the deviation is far below the rounding
        // of the sums.
        let mut block = vec![0.0; p * p];
        for (at, &i) in layout.alone.iter().enumerate() {
            for &j in &layout.alone[at..] {
                block[i * p + j] = dot(&columns[i], &columns[j]);
            }
        }
        if !layout.groups.is_empty() {
            let alone: Vec<_> = layout.alone.iter().map(|&j| columns[j]).collect();
            let at = one_hot::Block {
                x,
                rows,
                lowest: &lowest,
                means: &means,
            };
            at.co_moments(layout, &alone, &mut block);
        }
        self.combine(before, added, &shift, &block);
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Panics
    /// When the features differ: a bug of the caller.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.features, other.features, "moments of other features");
        let (before, added) = (self.rows() as f64, other.rows() as f64);
        if added == 0.0 {
            return;
        }
        if self.weights.is_some() || other.weights.is_some() {
            let (ours, theirs) = (self.weights(), other.weights());
            self.weights = Some([ours[0] + theirs[0], ours[1] + theirs[1]]);
        }
        for class in 0..2 {
            self.classes[class] += other.classes[class];
        }
        let least = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        for j in 0..self.features.len() {
            self.min[j] = least(self.min[j], other.min[j], f64::min);
            self.max[j] = least(self.max[j], other.max[j], f64::max);
        }
        let shift: Vec<f64> = other
            .mean
            .iter()
            .zip(&self.mean)
            .map(|(theirs, ours)| theirs - ours)
            .collect();
        self.combine(before, added, &shift, &other.co_moments);
    }

    /// Adds the co-moments of `added` rows whose means lie `shift` from ours; reads the upper
    /// triangle only.
    fn combine(&mut self, before: f64, added: f64, shift: &[f64], co_moments: &[f64]) {
        let p = shift.len();
        let share = added / (before + added);
        for i in 0..p {
            for j in i..p {
                let between = if before == 0.0 {
                    0.0
                } else {
                    shift[i] * shift[j] * before * share
                };
                let value = self.co_moments[i * p + j] + (co_moments[i * p + j] + between);
                self.co_moments[i * p + j] = value;
                self.co_moments[j * p + i] = value;
            }
        }
        for (mean, shift) in self.mean.iter_mut().zip(shift) {
            *mean += shift * share;
        }
    }

    /// Names of the features, in the order of the columns.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The groups of one-hot columns in which something varies.
    pub(super) fn one_hot(&self) -> Vec<Range<usize>> {
        let varies = |group: &Range<usize>| group.clone().any(|j| !self.is_constant(j));
        self.one_hot
            .iter()
            .filter(|group| varies(group))
            .cloned()
            .collect()
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.classes[0] + self.classes[1]
    }

    /// Rows of the negative and of the positive class.
    pub fn classes(&self) -> [u64; 2] {
        self.classes
    }

    /// What the rows of the negative and of the positive class weigh.
    pub fn weights(&self) -> [f64; 2] {
        self.weights
            .unwrap_or_else(|| self.classes.map(|rows| rows as f64))
    }

    /// Mean of feature `j`; `None` without rows.
    pub fn mean(&self, j: usize) -> Option<f64> {
        (self.rows() > 0).then(|| {
            if self.is_constant(j) {
                self.min[j].unwrap_or(self.mean[j])
            } else {
                self.mean[j]
            }
        })
    }

    /// Population standard deviation of feature `j`, exactly 0 for a constant; `None` without rows.
    pub fn std(&self, j: usize) -> Option<f64> {
        (self.rows() > 0).then(|| {
            if self.is_constant(j) {
                0.0
            } else {
                (self.co_moment(j, j) / self.rows() as f64).sqrt()
            }
        })
    }

    /// Smallest value of feature `j`; `None` without rows.
    pub fn min(&self, j: usize) -> Option<f64> {
        self.min[j]
    }

    /// Largest value of feature `j`; `None` without rows.
    pub fn max(&self, j: usize) -> Option<f64> {
        self.max[j]
    }

    /// Pearson's correlation of features `i` and `j`; `None` when either is constant.
    pub fn correlation(&self, i: usize, j: usize) -> Option<f64> {
        if self.is_constant(i) || self.is_constant(j) {
            return None;
        }
        let spread = self.co_moment(i, i).sqrt() * self.co_moment(j, j).sqrt();
        (spread > 0.0).then(|| (self.co_moment(i, j) / spread).clamp(-1.0, 1.0))
    }

    fn is_constant(&self, j: usize) -> bool {
        self.min[j] == self.max[j]
    }

    fn co_moment(&self, i: usize, j: usize) -> f64 {
        self.co_moments[i * self.features.len() + j]
    }
}

/// Sum of products in eight lanes, so that it vectorises and its error is that of a pairwise sum.
#[inline(always)]
pub(crate) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    fold(&lanes)
}

/// Sum of eight lanes in one fixed order.
#[inline(always)]
pub(crate) fn fold(lanes: &[f64; 8]) -> f64 {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
        + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}
