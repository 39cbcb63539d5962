//! Prediction intervals of a number: split conformal prediction with signed residuals.
//!
//! The interval of a row is its prediction and two numbers added to it: quantiles of the label
//! less the prediction, over rows that the model was not fitted on, at the level that makes up for
//! their number n: (1 + 1/n) (1 + level) / 2 from either end. Over rows that come as these did, a
//! label lies within with a probability of at least `level`
//! ([Romano, Patterson and Candès](https://arxiv.org/abs/1905.03222), one quantile for each end).
//! Rows that weigh count by their weight, with Kish's effective number for n.
//!
//! Of a model of quantiles, each end is its quantile and one such number, of the label less that
//! quantile: conformalized quantile regression, of the same paper.
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

use crate::metrics::beta;
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

/// How likely chance may make [`falls_short`] say so of intervals that hold what they are made for.
const CHANCE: f64 = 0.001;

/// Whether fewer labels lie within their intervals than chance explains: `covered` of `rows`, where
/// the intervals are made for the share `level` of the labels by residuals of `validation` rows.
///
/// Chance decides twice. What intervals of so few validation rows truly hold is Beta distributed
/// around `level`, and of that a binomial number of rows is seen. Each gets half of the risk, so
/// that the answer errs on the side of the intervals. All rows weigh the same and are independent.
///
/// ```
/// use learn::interval::falls_short;
///
/// // 900 of 1,000 are expected; 880 may be chance, and more rows make 880 in 1,000 clear.
/// assert!(!falls_short(0.9, 100_000, 880, 1_000));
/// assert!(falls_short(0.9, 100_000, 8_800, 10_000));
/// // By 50 validation rows alone intervals hold 0.9 roughly.
/// assert!(!falls_short(0.9, 50, 8_800, 10_000));
/// ```
pub fn falls_short(level: f64, validation: u64, covered: u64, rows: u64) -> bool {
    if covered >= rows || validation < least_rows(level) {
        return false;
    }
    // Of the n + 1 gaps between n residuals, those within the interval.
    let gaps = validation as f64 + 1.0;
    let end = ((1.0 + level) / 2.0 * gaps - 1e-9).ceil();
    let within = 2.0 * end - gaps;
    let outside = gaps - within;
    if within <= 0.0 || outside <= 0.0 {
        return false;
    }
    let least = beta::quantile(CHANCE / 2.0, within, outside);
    // The binomial distribution function of `covered`.
    let missed = (rows - covered) as f64;
    beta::cdf(1.0 - least, missed, covered as f64 + 1.0) < CHANCE / 2.0
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

    #[derive(Deserialize)]
    struct Fixture {
        short: Vec<Short>,
    }

    #[derive(Deserialize)]
    struct Short {
        level: f64,
        validation: u64,
        rows: u64,
        /// The most covered rows that fall short, by scipy; none where no number does.
        most: Option<u64>,
    }

    #[test]
    fn coverage_falls_short_where_scipys_bounds_say_so() {
        let text = include_str!("../../testing/fixtures/intervals.json");
        let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
        assert!(fixture.short.iter().any(|of| of.most.is_none()));
        for case in fixture.short {
            let short = |covered| falls_short(case.level, case.validation, covered, case.rows);
            let (first_fine, name) = (case.most.map_or(0, |most| most + 1), &case.level);
            assert!(case.most.is_none_or(short), "{name} {}", case.rows);
            assert!(!short(first_fine), "{name} {} {first_fine}", case.rows);
        }
        assert!(!falls_short(0.9, 1_000, 0, 0));
    }
}
