//! What labelled and scored rows weigh, where rows do.

use serde::{Deserialize, Serialize};

use super::{NumberErrors, NumberScores, OfNumber, ScoreBaseline, numbers};
use crate::cells::{Cells, of_sums, rounded};

/// Weights are kept in units of 2^-64: as whole numbers they add up, and are taken off, exactly.
const UNIT: f64 = (1_u128 << 64) as f64;
/// A row that weighs more counts as this much.
const HEAVIEST: f64 = (1_u64 << 40) as f64;
/// Weight times value, or its square, of one row at most: sums over a thousand of them fit.
const LARGEST: f64 = (1_u64 << 53) as f64;

/// What labelled and scored rows weigh: of probabilities by label, as they are counted in
/// [`ClassCounts`](super::ClassCounts); of numbers by label and error, as in
/// [`NumberCounts`](super::NumberCounts).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    #[serde(skip_serializing_if = "Option::is_none")]
    negative: Option<WeightSums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<WeightSums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<WeightSums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WeightSums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absolute_error: Option<WeightSums>,
}

/// Weights by cell, and weighted sums of the values. Negative numbers only stand in what is to be
/// taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightSums {
    /// Sum of weight times value: of probabilities themselves, of numbers (value - center) / scale.
    /// All sums are in units of 2^-64.
    sum: i128,
    /// The same of the squares of the values.
    squares: i128,
    /// Weight by cell.
    cells: Vec<i128>,
}

impl Weights {
    /// Of no rows yet.
    pub fn new(baseline: &ScoreBaseline) -> Self {
        let none = |cells: &Cells| Some(WeightSums::new(cells));
        match baseline {
            ScoreBaseline::Classes(of) => Self {
                negative: none(&of.cells),
                positive: none(&of.cells),
                ..Self::default()
            },
            ScoreBaseline::Numbers(of) => Self {
                label: none(&of.label.cells),
                error: none(&of.error.cells),
                absolute_error: none(&of.absolute_error.cells),
                ..Self::default()
            },
        }
    }

    /// Adds a row with a label and a score `times` times; -1 takes it off. The label is what
    /// [`Baseline::label`](super::Baseline::label) makes of it.
    pub fn add(
        &mut self,
        baseline: &ScoreBaseline,
        score: f64,
        label: f64,
        weight: f64,
        times: i64,
    ) {
        match baseline {
            ScoreBaseline::Classes(of) => {
                let sums = match label > 0.0 {
                    true => &mut self.positive,
                    false => &mut self.negative,
                };
                let sums = sums.get_or_insert_with(|| WeightSums::new(&of.cells));
                sums.add(&of.cells, score, score, weight, times);
            }
            ScoreBaseline::Numbers(of) => {
                let values = OfNumber::of(score, label);
                for (sums, baseline, value) in [
                    (&mut self.label, &of.label, values.label),
                    (&mut self.error, &of.error, values.error),
                    (
                        &mut self.absolute_error,
                        &of.absolute_error,
                        values.absolute_error,
                    ),
                ] {
                    let cells = &baseline.cells;
                    let sums = sums.get_or_insert_with(|| WeightSums::new(cells));
                    sums.add(cells, value, of_sums(cells, value), weight, times);
                }
            }
        }
    }

    /// Of negatives and positives, or of wrong and of right predictions.
    pub fn classes(&self) -> Option<[&WeightSums; 2]> {
        Some([self.negative.as_ref()?, self.positive.as_ref()?])
    }

    /// What labelled and scored rows weigh in all.
    pub fn weight(&self) -> f64 {
        let classes = [&self.negative, &self.positive];
        let classes = classes.into_iter().flatten().map(WeightSums::weight);
        self.error
            .as_ref()
            .map_or_else(|| classes.sum(), WeightSums::weight)
    }

    fn numbers(&self) -> Option<[&WeightSums; 3]> {
        let (error, absolute) = (self.error.as_ref()?, self.absolute_error.as_ref()?);
        Some([self.label.as_ref()?, error, absolute])
    }

    /// Errors of predicted numbers by weight; `rows` were counted. `None` where nothing weighs.
    pub fn errors(&self, baseline: &NumberScores, rows: u64) -> Option<NumberErrors> {
        let [label, error, absolute] = self.numbers()?;
        let (mean_error, spread) = error.mean_and_std(&baseline.error.cells)?;
        let (mae, _) = absolute.mean_and_std(&baseline.absolute_error.cells)?;
        let (_, of_labels) = label.mean_and_std(&baseline.label.cells)?;
        Some(NumberErrors::of(rows, mae, (mean_error, spread), of_labels))
    }

    /// As [`NumberCounts::coverage`](super::NumberCounts::coverage), by weight.
    pub fn coverage(&self, baseline: &NumberScores, interval: [f64; 2]) -> Option<f64> {
        let error = self.error.as_ref()?;
        let within = error.within(numbers::within(baseline, interval)?);
        (error.weight() > 0.0).then(|| within / error.weight())
    }

    /// Adds others, whose cells are the same; `None` where they are of other ones.
    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        for (ours, theirs) in [
            (&mut self.negative, &other.negative),
            (&mut self.positive, &other.positive),
            (&mut self.label, &other.label),
            (&mut self.error, &other.error),
            (&mut self.absolute_error, &other.absolute_error),
        ] {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => ours.merge(theirs)?,
                (None, None) => {}
                _ => return None,
            }
        }
        Some(())
    }

    /// Whether the numbers fit a baseline and no weight is negative.
    pub(super) fn is_sound(&self, baseline: &ScoreBaseline) -> bool {
        let sound = |sums: &WeightSums, cells: &Cells| {
            sums.cells.len() == cells.len() && sums.cells.iter().all(|weight| *weight >= 0)
        };
        match (baseline, self.classes(), self.numbers()) {
            (ScoreBaseline::Classes(of), Some(classes), None) => {
                classes.into_iter().all(|sums| sound(sums, &of.cells))
            }
            (ScoreBaseline::Numbers(of), None, Some(numbers)) => {
                let cells = [&of.label.cells, &of.error.cells, &of.absolute_error.cells];
                let mut pairs = numbers.into_iter().zip(cells);
                pairs.all(|(sums, cells)| sound(sums, cells))
            }
            _ => false,
        }
    }
}

impl WeightSums {
    fn new(cells: &Cells) -> Self {
        Self {
            cells: vec![0; cells.len()],
            ..Self::default()
        }
    }

    /// `value` says the cell, and `of_sums` goes into the sums.
    fn add(&mut self, cells: &Cells, value: f64, of_sums: f64, weight: f64, times: i64) {
        let weight = weight.min(HEAVIEST);
        let times = i128::from(times);
        let add = |sum: &mut i128, value: f64| {
            // Bounded before it is added, so that taking the row off gives the sum before.
            let units = rounded(value.clamp(-LARGEST, LARGEST) * UNIT) as i128;
            *sum = sum.saturating_add(units.saturating_mul(times));
        };
        if let Some(cell) = self.cells.get_mut(cells.place(value)) {
            add(cell, weight);
            add(&mut self.sum, weight * of_sums);
            add(&mut self.squares, weight * of_sums * of_sums);
        }
    }

    /// What rows in some of the cells weigh.
    pub fn within(&self, cells: std::ops::Range<usize>) -> f64 {
        let cells = self.cells.get(cells).unwrap_or_default().iter();
        cells.fold(0_i128, |sum, weight| sum.saturating_add(*weight)) as f64 / UNIT
    }

    /// What all rows weigh.
    pub fn weight(&self) -> f64 {
        self.within(0..self.cells.len())
    }

    /// What rows weigh, by cell.
    pub(super) fn by_cell(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().map(|weight| *weight as f64 / UNIT)
    }

    /// Sum of weight times value, and of weight times its square.
    pub(super) fn sums(&self) -> [f64; 2] {
        [self.sum, self.squares].map(|sum| sum as f64 / UNIT)
    }

    /// Of numbers: their weighted mean and standard deviation.
    fn mean_and_std(&self, cells: &Cells) -> Option<(f64, f64)> {
        let (weight, [sum, squares]) = (self.weight(), self.sums());
        let mean = sum / weight;
        let variance = (squares / weight - mean * mean).max(0.0);
        (weight > 0.0).then(|| {
            (
                cells.center() + cells.scale() * mean,
                cells.scale() * variance.sqrt(),
            )
        })
    }

    fn merge(&mut self, other: &Self) -> Option<()> {
        if self.cells.len() != other.cells.len() {
            return None;
        }
        let sums = [
            (&mut self.sum, &other.sum),
            (&mut self.squares, &other.squares),
        ];
        for (ours, theirs) in sums
            .into_iter()
            .chain(self.cells.iter_mut().zip(&other.cells))
        {
            *ours = ours.saturating_add(*theirs);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::FeatureBaseline;
    use super::*;
    use crate::cells::{Counted, Counts};
    use learn::metrics::regression::Regression;

    #[test]
    fn errors_and_coverage_are_those_of_rows_that_weigh() {
        let interval = [-1.5, 2.5];
        let cells = |name: &str, center: f64, cuts: Vec<f64>| {
            let cells = Cells::new((center, 3.0), Some((-90.0, 90.0)), cuts).unwrap();
            let counts = Counts::new(&cells);
            FeatureBaseline::of_cells(name.to_owned(), &Counted { cells, counts })
        };
        let baseline = NumberScores {
            prediction: cells("prediction", 40.0, vec![30.0, 50.0]),
            label: cells("label", 40.0, vec![30.0, 50.0]),
            error: cells("error", 0.0, numbers::error_cuts(interval).to_vec()),
            absolute_error: cells("absolute error", 2.0, vec![1.0, 4.0]),
        };
        let score = ScoreBaseline::Numbers(Box::new(baseline.clone()));
        let (mut ours, mut theirs) = (
            Weights::new(&score),
            Regression::with_interval(Some(interval)),
        );
        for row in 0..300 {
            let label = f64::from(row * 29 % 61);
            let prediction = label + f64::from(row * 17 % 23) / 3.0 - 3.0;
            let weight = [1e-6, 0.5, 40.0, 0.0][row as usize % 4];
            ours.add(&score, prediction, label, weight, 1);
            ours.add(&score, prediction + 1.0, label, 2.0 * weight, 1);
            ours.add(&score, prediction + 1.0, label, 2.0 * weight, -1);
            theirs
                .add_rows(&[label], &[prediction], Some(&[weight]))
                .unwrap();
        }
        assert!(ours.is_sound(&score));
        let (errors, report) = (ours.errors(&baseline, 300).unwrap(), theirs.report());
        let pairs = [
            (ours.weight(), report.weight),
            (errors.mae, report.mae.unwrap()),
            (errors.rmse, report.rmse.unwrap()),
            (errors.mean_error, report.bias.unwrap()),
            (errors.r2.unwrap(), report.r2.unwrap()),
            (
                ours.coverage(&baseline, interval).unwrap(),
                report.coverage.unwrap(),
            ),
        ];
        for (is, expected) in pairs {
            let difference = (is - expected).abs();
            assert!(
                difference <= 1e-12 * expected.abs().max(1.0),
                "{is} {expected}"
            );
        }
        let text = serde_json::to_string(&ours).unwrap();
        assert_eq!(serde_json::from_str::<Weights>(&text).unwrap(), ours);
    }

    #[test]
    fn no_weight_overflows() {
        let cells = Cells::new((0.5, 0.25), Some((0.0, 1.0)), vec![0.5]).unwrap();
        let mut sums = WeightSums::new(&cells);
        for _ in 0..1 << 20 {
            sums.add(&cells, 0.75, 0.75, f64::MAX, 1 << 20);
        }
        assert!(sums.weight() >= HEAVIEST && sums.clone().merge(&sums).is_some());
    }
}
