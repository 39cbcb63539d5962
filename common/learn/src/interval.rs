//! Prediction intervals of a number: split conformal prediction with signed residuals.
//!
//! The interval of a row is its prediction and two numbers added to it: quantiles of the label
//! less the prediction, over rows that the model was not fitted on, at the level that makes up for
//! their number n: (1 + 1/n) (1 + level) / 2 from either end. Over rows that come as these did, a
//! label lies within with a probability of at least `level`
//! ([Romano, Patterson and Candès](https://arxiv.org/abs/1905.03222), one quantile for each end).
//! Rows that weigh count by their weight, with Kish's effective number for n.
//!
//! ```
//! use learn::interval::{Quantiles, Weights};
//!
//! let residuals: Vec<f64> = (-9..=9).rev().map(f64::from).collect();
//! let mut weights = Weights::default();
//! residuals.iter().for_each(|_| weights.add(1.0));
//! let mut quantiles = Quantiles::new(0.8, &weights).unwrap();
//! residuals.iter().for_each(|residual| quantiles.add(*residual, 1.0));
//! // The second of 19 from either end: (1 + 1/19) x 0.9 x 19 = 18.
//! assert_eq!(quantiles.finish(), Some([-8.0, 8.0]));
//! // 9 rows are needed for 0.8, and 19 for 0.9.
//! assert!(Quantiles::new(0.95, &weights).is_none());
//! ```

use crate::model::sum::Sum;

/// A cumulated weight that is less than the one sought by rounding alone has reached it.
const ROUNDING: f64 = 1e-12;

/// What rows weigh together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weights {
    all: Sum,
    squares: Sum,
}

impl Weights {
    /// Adds a row.
    pub fn add(&mut self, weight: f64) {
        self.all.add(weight);
        self.squares.add(weight * weight);
    }

    /// Adds the rows of a later part.
    pub fn merge(&mut self, later: &Self) {
        self.all.merge(&later.all);
        self.squares.merge(&later.squares);
    }

    /// Kish's effective number of rows: their number where all weigh the same.
    pub fn effective_rows(&self) -> f64 {
        let all = self.all.value();
        match self.squares.value() {
            squares if squares > 0.0 => all * all / squares,
            _ => 0.0,
        }
    }
}

/// Rows that an interval of a level needs at least, where all weigh the same.
pub fn least_rows(level: f64) -> u64 {
    ((1.0 + level) / (1.0 - level) - 1e-9).ceil() as u64
}

/// Looks for both ends, over residuals (the label less the prediction) that come in descending
/// order. Constant memory, and exact.
#[derive(Clone, Debug)]
pub struct Quantiles {
    /// Weight that lies on the inner side of an end, the end itself included.
    sought: f64,
    all: f64,
    /// Of the residuals so far, and of those before the current one.
    seen: Sum,
    above: f64,
    current: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Quantiles {
    /// Of no residual yet; `level` lies between 0 and 1. `None` where rows of these weights are
    /// too few for it.
    pub fn new(level: f64, weights: &Weights) -> Option<Self> {
        let (all, rows) = (weights.all.value(), weights.effective_rows());
        let sought = (1.0 + level) / 2.0 * (all + all / rows);
        let enough = rows > 0.0 && sought <= all * (1.0 + ROUNDING);
        enough.then_some(Self {
            sought: sought * (1.0 - ROUNDING),
            all,
            seen: Sum::default(),
            above: 0.0,
            current: None,
            lower: None,
            upper: None,
        })
    }

    /// Adds a residual, which is not above any before it.
    pub fn add(&mut self, residual: f64, weight: f64) {
        if weight == 0.0 {
            return;
        }
        if self.current != Some(residual) {
            self.above = self.seen.value();
            self.current = Some(residual);
        }
        self.seen.add(weight);
        // The upper end is the least residual that enough weight is not above.
        if self.all - self.above >= self.sought {
            self.upper = Some(residual);
        }
        // The lower end is the greatest one that enough weight is not below.
        if self.lower.is_none() && self.seen.value() >= self.sought {
            self.lower = Some(residual);
        }
    }

    /// What is added to a prediction for the lower and for the upper end.
    pub fn finish(self) -> Option<[f64; 2]> {
        Some([self.lower?, self.upper?])
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        level: f64,
        residuals: Vec<f64>,
        weights: Option<Vec<f64>>,
        least_rows: u64,
        expected: Option<[f64; 2]>,
    }

    #[test]
    fn ends_are_the_quantiles_of_numpy() {
        let text = include_str!("../../testing/fixtures/prediction_intervals.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("a fixture");
        assert!(cases.iter().any(|of| of.expected.is_none()));
        for (at, case) in cases.iter().enumerate() {
            let weight = |row: usize| case.weights.as_ref().map_or(1.0, |of| of[row]);
            let mut weights = [Weights::default(); 2];
            let mut rows: Vec<(f64, f64)> = Vec::new();
            for (row, residual) in case.residuals.iter().enumerate() {
                weights[usize::from(row > 10)].add(weight(row));
                rows.push((*residual, weight(row)));
            }
            let [mut all, later] = weights;
            all.merge(&later);
            rows.sort_by(|a, b| b.0.total_cmp(&a.0));
            let found = Quantiles::new(case.level, &all).and_then(|mut quantiles| {
                rows.iter()
                    .for_each(|(residual, weight)| quantiles.add(*residual, *weight));
                quantiles.finish()
            });
            assert_eq!(found, case.expected, "case {at}");
            assert_eq!(least_rows(case.level), case.least_rows, "case {at}");
        }
    }
}
