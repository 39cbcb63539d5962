//! What one pass over the rows finds of a column.

use std::borrow::Cow;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, Float64Array};
use pages::judge::far;
use profile::categories::{Known, NewValues};
use profile::cells::{Cells, Counts, Excess, Sketch};
use profile::grid::Hidden;
use profile::profiles::{ScoreBaseline, ScoreCounts};
use table::categories;

/// What is known of a column.
#[derive(Clone)]
pub(crate) struct ColumnScan<C = Counts> {
    pub(crate) counts: C,
    /// The ends of its values, and these where they are few.
    pub(crate) seen: Sketch,
    /// Of categories: values that training's profile does not hold.
    pub(crate) new: NewValues,
    /// Of categories: rows whose value training did not have, where it says which it had.
    pub(crate) unknown: u64,
    /// What the grid of an older model hides.
    pub(crate) hidden: Option<Hidden>,
    /// Of predicted numbers.
    pub(crate) far: FarRows,
    /// Of numbers: what the sums leave out of values that lie far out.
    pub(crate) excess: Excess,
}

/// Rows whose value lies far beyond those that the model was trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FarRows {
    pub(crate) rows: u64,
    /// The farthest.
    pub(crate) farthest: Option<FarRow>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FarRow {
    pub(crate) value: f64,
    /// Its place among all rows.
    pub(crate) place: u64,
    /// How far it lies beyond the limit.
    beyond: f64,
}

impl FarRows {
    /// Looks at a value, by the limits from which on values are far.
    fn see(&mut self, [low, high]: [f64; 2], value: f64, place: u64) {
        let beyond = (low - value).max(value - high);
        if !(value.is_finite() && beyond > 0.0) {
            return;
        }
        self.rows += 1;
        self.keep(FarRow {
            value,
            place,
            beyond,
        });
    }

    fn keep(&mut self, row: FarRow) {
        // Of equal ones the first stays.
        if self.farthest.is_none_or(|of| of.beyond < row.beyond) {
            self.farthest = Some(row);
        }
    }

    fn merge(&mut self, later: &Self) {
        self.rows += later.rows;
        if let Some(row) = later.farthest {
            self.keep(row);
        }
    }
}

impl<C> ColumnScan<C> {
    pub(crate) fn new((counts, hidden): (C, &Option<Hidden>)) -> Self {
        Self {
            counts,
            seen: Sketch::default(),
            new: NewValues::default(),
            unknown: 0,
            hidden: hidden.clone(),
            far: FarRows::default(),
            excess: Excess::default(),
        }
    }

    fn see(&mut self, values: &[f64]) {
        self.seen.see(values);
        if let Some(hidden) = &mut self.hidden {
            hidden.add_all(values);
        }
    }

    pub(crate) fn merge_seen(&mut self, later: &Self) {
        self.seen.merge(&later.seen);
        self.new.merge(&later.new);
        self.unknown += later.unknown;
        self.far.merge(&later.far);
        self.excess.merge(&later.excess);
        if let (Some(ours), Some(theirs)) = (&mut self.hidden, &later.hidden) {
            ours.merge(theirs);
        }
    }

    /// Share of the training data within which rows may have moved unseen.
    pub(crate) fn hidden(&self) -> f64 {
        self.hidden.as_ref().map_or(0.0, Hidden::share)
    }
}

impl ColumnScan {
    /// Looks at categories whose code is none of so many.
    pub(crate) fn see_new(
        &mut self,
        column: &ArrayRef,
        codes: &Float64Array,
        cells: usize,
        known: Option<&Known>,
    ) -> Result<()> {
        let is_new = |code: Option<f64>| code == Some(cells as f64);
        if !codes.iter().any(is_new) {
            return Ok(());
        }
        let texts = categories::texts(column)?;
        let new = texts.iter().zip(codes).filter(|(_, code)| is_new(*code));
        for text in new.map(|(text, _)| text.unwrap_or_default()) {
            self.new.add(text, 1);
            self.unknown += u64::from(known.is_some_and(|known| !known.has(text)));
        }
        Ok(())
    }

    /// Counts the values of a feature, and gives their places among the cells.
    pub(crate) fn add(&mut self, cells: &Cells, numbers: &Float64Array) -> Vec<usize> {
        self.see(&present(numbers));
        let place = |value: Option<f64>| match value {
            Some(value) => {
                self.excess.add(cells, value);
                self.counts.add(cells, value, 1)
            }
            None => {
                self.counts.add_nulls(1);
                cells.null_place()
            }
        };
        numbers.iter().map(place).collect()
    }
}

impl ColumnScan<ScoreCounts> {
    /// Counts the scores of rows from the place `first` on, and gives their places among the cells.
    /// Labels come later.
    pub(crate) fn add(
        &mut self,
        baseline: &ScoreBaseline,
        scores: &Float64Array,
        first: u64,
    ) -> Vec<usize> {
        self.see(&present(scores));
        let cells = baseline.cells();
        if baseline.numbers().is_some() {
            let limits = far::limits(cells.min().zip(cells.max()));
            for (place, value) in (first..).zip(scores) {
                let value = value.unwrap_or(f64::NAN);
                self.excess.add(cells, value);
                if let Some(limits) = limits {
                    self.far.see(limits, value, place);
                }
            }
        }
        let place = |score: Option<f64>| {
            let score = score.filter(|score| !score.is_nan());
            self.counts.add(baseline, score, None, 1);
            score.map_or(cells.null_place(), |score| cells.place(score))
        };
        scores.iter().map(place).collect()
    }
}

/// The values that are there.
fn present(numbers: &Float64Array) -> Cow<'_, [f64]> {
    match numbers.null_count() {
        0 => Cow::Borrowed(numbers.values()),
        _ => Cow::Owned(numbers.iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_row_is_the_same_in_whatever_parts_rows_come() {
        let limits = far::limits(Some((0.0, 10.0))).unwrap();
        let values = [-100.0, 110.0, 111.0, f64::NAN, -101.0, 5.0, f64::INFINITY];
        let of = |from: usize, to: usize| {
            let mut far = FarRows::default();
            for (place, value) in values.iter().enumerate().take(to).skip(from) {
                far.see(limits, *value, place as u64);
            }
            far
        };
        let whole = of(0, values.len());
        // -101 lies as far beyond -100 as 111 beyond 110, and comes later.
        let farthest = whole.farthest.map(|row| (row.value, row.place));
        assert_eq!((whole.rows, farthest), (2, Some((111.0, 2))));
        for cut in 0..=values.len() {
            let mut merged = of(0, cut);
            merged.merge(&of(cut, values.len()));
            assert_eq!(merged, whole, "{cut}");
        }
    }
}
