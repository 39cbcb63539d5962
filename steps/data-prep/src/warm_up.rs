//! Rows to train on that are so early that their windows reach back behind the earliest row.

use std::ops::AddAssign;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, not};
use catalog::layout::Split;
use chrono::{NaiveDateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use sql::prepare::Preparation;
use table::dataset::WarmUp;
use table::dates;

use crate::done::Done;
use crate::job::{Job, Kind};

/// The time within which rows to train on have a short history, and what becomes of them.
///
/// It is known from what the shuffle found in all files, so that it is the same for every bucket.
pub(crate) struct Early {
    column: String,
    /// The last time with a short history.
    last: NaiveDateTime,
    drop: bool,
}

impl Early {
    /// `None` where nothing is trained on, or no row has a time.
    pub(crate) fn of(job: &Job, preparation: &Preparation, done: &[Done]) -> Option<Self> {
        let (Kind::Train(_), Some(lookback)) = (job.kind(), preparation.lookback()) else {
            return None;
        };
        let column = job.time_column()?.to_owned();
        // The window of a row that is a whole lookback later reaches the earliest row.
        let span = TimeDelta::microseconds(lookback.micros() - 1);
        let last = earliest(done)?.checked_add_signed(span);
        Some(Self {
            column,
            last: last.unwrap_or(NaiveDateTime::MAX),
            drop: preparation.warm_up() == WarmUp::Drop,
        })
    }

    /// The rows of a batch to train on that are taken; the others are counted, or those with a
    /// short history that are taken.
    pub(crate) fn taken(&self, rows: &RecordBatch, counts: &mut Counts) -> Result<RecordBatch> {
        let early = dates::within(rows, &self.column, [None, Some(self.last)])?;
        let count = early.true_count() as u64;
        match self.drop && count > 0 {
            true => {
                counts.left_out += count;
                Ok(filter_record_batch(rows, &not(&early)?)?)
            }
            false => {
                counts.taken += count;
                Ok(rows.clone())
            }
        }
    }
}

/// Rows to train on with a short history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) left_out: u64,
}

impl Counts {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.taken += other.taken;
        self.left_out += other.left_out;
    }
}

/// The time of the earliest row that windows see, held out or not.
fn earliest(done: &[Done]) -> Option<NaiveDateTime> {
    let read = done.iter().filter(|done| done.bad.is_none());
    let of_splits =
        read.flat_map(|done| [Split::Train, Split::Holdout].map(|split| done.of_split(split)));
    let times = of_splits.filter_map(|counted| Some(counted?.time?.first));
    times.min()
}
