//! Exact sums of windows, over numbers as they lie in their columns.

use std::ops::Range;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder};
use datafusion_common::error::Result;

use super::super::exact::{Kind, Moments, Numbers, Rows};

/// What windows give, row by row.
pub(super) enum Given {
    Whole(Int64Builder),
    Float(Float64Builder),
}

impl Given {
    pub(super) fn new(kind: Kind, whole: bool, rows: usize) -> Self {
        match kind.is_whole(whole) {
            true => Self::Whole(Int64Builder::with_capacity(rows)),
            false => Self::Float(Float64Builder::with_capacity(rows)),
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Whole(mut values) => std::sync::Arc::new(values.finish()),
            Self::Float(mut values) => std::sync::Arc::new(values.finish()),
        }
    }
}

/// The sums of a window that moves over the rows of an entity.
pub(super) struct Sums {
    moments: Moments,
    /// The rows that they are of.
    pub(super) rows: Range<usize>,
}

impl Sums {
    pub(super) fn new(kind: Kind, whole: bool) -> Self {
        Self {
            moments: Moments::new(kind, whole),
            rows: 0..0,
        }
    }

    /// Forgets all rows: others begin at a place.
    pub(super) fn begin(&mut self, at: usize) {
        self.moments.clear();
        self.rows = at..at;
    }

    /// Gives the result of some windows, which begin and end no earlier than those before.
    pub(super) fn give(
        &mut self,
        columns: &[ArrayRef],
        windows: &[Range<usize>],
        given: &mut Given,
    ) -> Result<()> {
        let columns: Vec<Numbers<'_>> = columns.iter().map(Numbers::of).collect::<Result<_>>()?;
        for window in windows {
            if window.start >= self.rows.end {
                self.begin(window.start);
            }
            self.moments
                .pass(&columns, self.rows.end..window.end, Rows::Come)?;
            self.moments
                .pass(&columns, self.rows.start..window.start, Rows::Go)?;
            self.rows = window.clone();
            match given {
                Given::Whole(values) => values.append_option(self.moments.whole()?),
                Given::Float(values) => values.append_option(self.moments.float()),
            }
        }
        Ok(())
    }
}
