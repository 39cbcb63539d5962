//! One side of a comparison: a column as it was counted in cells.

use super::{BESIDE, Cells, Counts, Excess, MINUS_INFINITY, NAN, NULL, PLUS_INFINITY};

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Nulls.
    pub nulls: u64,
    /// NaN.
    pub nans: u64,
    /// Values that are -inf.
    pub minus_infinities: u64,
    /// Values that are +inf.
    pub plus_infinities: u64,
    /// Finite values by cell.
    pub cells: Vec<u64>,
    /// Least and greatest finite value, where they are known.
    pub ends: Option<(f64, f64)>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Population standard deviation of the finite values.
    pub std: Option<f64>,
    /// Whether both are bounds: a value lies so far out that it may be counted as nearer.
    pub bounded: bool,
    /// Whether all finite values are the special ones of their cells.
    pub(super) exact: bool,
}

impl Side {
    /// Of what was counted.
    pub fn of(cells: &Cells, counts: &Counts) -> Self {
        let filled = counts.cells.iter().enumerate();
        let mut filled = filled.filter(|(_, rows)| **rows > 0);
        let only = match (filled.next(), filled.next()) {
            (Some((cell, _)), None) => cells.value(cell),
            _ => None,
        };
        let of_counts = Self {
            nulls: counts.nulls as u64,
            nans: counts.nans as u64,
            minus_infinities: counts.minus_infinities as u64,
            plus_infinities: counts.plus_infinities as u64,
            cells: counts.cells.iter().map(|cell| *cell as u64).collect(),
            ends: None,
            mean: counts.mean(cells),
            std: counts.std(cells),
            bounded: counts.is_bounded(cells),
            exact: counts.is_special(cells),
        };
        match only {
            Some(value) => Self {
                mean: Some(value),
                std: Some(0.0),
                ..of_counts
            },
            None => of_counts,
        }
    }

    /// The same, with what the sums leave out of values that lie far out: mean and deviation are no
    /// bounds.
    pub fn with(self, cells: &Cells, counts: &Counts, excess: &Excess) -> Self {
        let (mean, std) = counts.mean_and_std(cells, excess);
        Self {
            mean,
            std,
            bounded: false,
            ..self
        }
    }

    /// Of finite values by cell, with their mean and deviation, and of rows without a value.
    pub(crate) fn of_cells(
        cells: Vec<u64>,
        nulls: u64,
        (mean, std): (Option<f64>, Option<f64>),
    ) -> Self {
        Self {
            nulls,
            cells,
            mean,
            std,
            ..Self::default()
        }
    }

    /// The same, with its least and greatest finite value. Sums are rounded: the mean lies between
    /// these all the same, and where they are equal there is no deviation.
    pub fn within(self, ends: Option<(f64, f64)>) -> Self {
        let Some((low, high)) = ends else {
            return Self { ends, ..self };
        };
        let deviation = |std| if low == high { 0.0 } else { std };
        Self {
            ends,
            mean: self.mean.map(|mean| mean.clamp(low, high)),
            std: self.std.map(deviation),
            ..self
        }
    }

    /// Finite values.
    pub fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// Rows without a finite value.
    pub fn missing(&self) -> u64 {
        self.beside().iter().sum()
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.count() + self.missing()
    }

    /// Rows beside the cells, by place.
    pub(super) fn beside(&self) -> [u64; BESIDE] {
        let mut beside = [0; BESIDE];
        beside[NULL] = self.nulls;
        beside[NAN] = self.nans;
        beside[MINUS_INFINITY] = self.minus_infinities;
        beside[PLUS_INFINITY] = self.plus_infinities;
        beside
    }
}
