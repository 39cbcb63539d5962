//! What is counted of predicted numbers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::FeatureBaseline;
use crate::cells::Counts;

/// Something for each of four numbers of a row that has a number predicted.
///
/// ```
/// use profile::profiles::OfNumber;
///
/// let row = OfNumber::of(3.0, 5.0);
/// assert_eq!((row.error, row.absolute_error), (-2.0, 2.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfNumber<T> {
    /// The prediction.
    pub prediction: T,
    /// The label.
    pub label: T,
    /// The prediction less the label.
    pub error: T,
    /// The same without its sign.
    pub absolute_error: T,
}

/// What is counted of predicted numbers: predictions of all rows, labels of those that have one,
/// and errors of the labelled rows; null represents a prediction that is missing.
pub type NumberCounts = OfNumber<Counts>;

/// How predicted numbers are counted, and what the model gave on its training data.
pub type NumberScores = OfNumber<FeatureBaseline>;

/// Where the errors of a model with an interval are cut, so that how many labels lie within it is
/// counted exactly, but for the rounding of an error: from the first to below the second.
///
/// ```
/// // A label at either end is within.
/// assert_eq!(profile::profiles::error_cuts([-1.0, 3.0]), [-3.0, 1.0_f64.next_up()]);
/// ```
pub fn error_cuts([lower, upper]: [f64; 2]) -> [f64; 2] {
    [-upper, (-lower).next_up()]
}

/// Errors of predicted numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberErrors {
    /// Rows with a label and a prediction.
    pub rows: u64,
    /// Mean of the prediction less the label.
    pub mean_error: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Share of the labels' variance that the predictions explain; `None` where the labels are
    /// all equal.
    pub r2: Option<f64>,
}

impl NumberErrors {
    /// From the mean absolute error, mean and standard deviation of the errors, and the latter of
    /// the labels.
    pub(super) fn of(
        rows: u64,
        mae: f64,
        (mean_error, spread): (f64, f64),
        of_labels: f64,
    ) -> Self {
        let mean_square = mean_error * mean_error + spread * spread;
        Self {
            rows,
            mean_error,
            mae,
            rmse: mean_square.sqrt(),
            r2: (of_labels > 0.0).then(|| 1.0 - mean_square / (of_labels * of_labels)),
        }
    }
}

/// Cells of the error in which the label lies within the interval; `None` where they are not cut
/// there.
pub(super) fn within(baseline: &NumberScores, interval: [f64; 2]) -> Option<Range<usize>> {
    let cuts = baseline.error.cells.cuts();
    let place = |of: f64| cuts.iter().position(|cut| *cut == of);
    let [from, to] = error_cuts(interval).map(place);
    // A cut belongs to the cell above it.
    Some(from? + 1..to? + 1)
}

impl OfNumber<f64> {
    /// Of a row.
    pub fn of(prediction: f64, label: f64) -> Self {
        let error = prediction - label;
        Self {
            prediction,
            label,
            error,
            absolute_error: error.abs(),
        }
    }
}

impl<T> OfNumber<T> {
    /// What is made of each.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> OfNumber<U> {
        OfNumber {
            prediction: make(self.prediction),
            label: make(self.label),
            error: make(self.error),
            absolute_error: make(self.absolute_error),
        }
    }

    /// Each beside that of another.
    pub fn zip<U>(self, other: OfNumber<U>) -> OfNumber<(T, U)> {
        OfNumber {
            prediction: (self.prediction, other.prediction),
            label: (self.label, other.label),
            error: (self.error, other.error),
            absolute_error: (self.absolute_error, other.absolute_error),
        }
    }

    /// By reference.
    pub fn as_ref(&self) -> OfNumber<&T> {
        OfNumber {
            prediction: &self.prediction,
            label: &self.label,
            error: &self.error,
            absolute_error: &self.absolute_error,
        }
    }

    /// By mutable reference.
    pub fn as_mut(&mut self) -> OfNumber<&mut T> {
        OfNumber {
            prediction: &mut self.prediction,
            label: &mut self.label,
            error: &mut self.error,
            absolute_error: &mut self.absolute_error,
        }
    }

    /// In the order of the fields.
    pub fn into_array(self) -> [T; 4] {
        [self.prediction, self.label, self.error, self.absolute_error]
    }
}

impl NumberCounts {
    /// Adds a row `times` times; -1 takes it off.
    pub fn add(
        &mut self,
        baseline: &NumberScores,
        prediction: Option<f64>,
        label: Option<f64>,
        times: i64,
    ) {
        match prediction {
            Some(value) => {
                let cells = &baseline.prediction.cells;
                self.prediction.add(cells, value, times);
            }
            None => self.prediction.add_nulls(times),
        }
        let Some(label) = label else { return };
        self.label.add(&baseline.label.cells, label, times);
        match prediction {
            Some(prediction) => {
                let of = OfNumber::of(prediction, label);
                self.error.add(&baseline.error.cells, of.error, times);
                let cells = &baseline.absolute_error.cells;
                self.absolute_error.add(cells, of.absolute_error, times);
            }
            None => {
                self.error.add_nulls(times);
                self.absolute_error.add_nulls(times);
            }
        }
    }

    /// Errors of the rows with a label and a prediction, but for the rounding of sums; `None`
    /// without such rows.
    pub fn errors(&self, baseline: &NumberScores) -> Option<NumberErrors> {
        let of = self.as_ref().zip(baseline.as_ref());
        let moments =
            of.map(|(counts, of)| Some((counts.mean(&of.cells)?, counts.std(&of.cells)?)));
        let (mean_error, spread) = moments.error?;
        let (mae, _) = moments.absolute_error?;
        let (_, of_labels) = moments.label?;
        let rows = self.error.count() as u64;
        Some(NumberErrors::of(rows, mae, (mean_error, spread), of_labels))
    }

    /// Share of the rows with a label and a prediction whose label lies within the interval that
    /// [`error_cuts`] cut the errors at; `None` without such rows, and where they are not cut
    /// there.
    pub fn coverage(&self, baseline: &NumberScores, interval: [f64; 2]) -> Option<f64> {
        let within = self.error.cells.get(within(baseline, interval)?)?;
        let within: i64 = within.iter().sum();
        let rows = self.error.count();
        (rows > 0).then(|| within as f64 / rows as f64)
    }

    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        let pairs = self.as_mut().zip(other.as_ref()).into_array();
        pairs
            .into_iter()
            .try_for_each(|(ours, theirs)| ours.merge(theirs))
    }

    pub(super) fn is_sound(&self, baseline: &NumberScores) -> bool {
        let pairs = self.as_ref().zip(baseline.as_ref()).into_array();
        pairs
            .into_iter()
            .all(|(counts, of)| counts.is_sound(&of.cells))
    }
}
