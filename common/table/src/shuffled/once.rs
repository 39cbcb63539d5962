//! Rows that are in several data sets, of which one counts.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, make_comparator};
use arrow::compute::{SortOptions, filter_record_batch, partition};
use arrow::datatypes::UInt32Type;
use serde::{Deserialize, Serialize};

use super::Shape;

/// Rows that were left out because another data set has the same ids and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubles {
    /// All of them.
    pub rows: u64,
    /// Those that differ from the row that counts.
    pub differing: u64,
}

impl Doubles {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.rows == 0
    }
}

impl AddAssign for Doubles {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.differing += other.differing;
    }
}

/// Sorted rows, each key from one data set: that of the file that comes first.
pub struct Once<R, F> {
    rows: R,
    shape: Shape,
    /// Data sets of files by their places.
    data_set: F,
    /// Columns in which doubles may differ without a word.
    unlike: Vec<usize>,
    doubles: Arc<Mutex<Doubles>>,
    /// The first row of the last key, and the data set that it is of.
    last: Option<(RecordBatch, usize)>,
}

impl<R, F> Once<R, F>
where
    R: Iterator<Item = Result<RecordBatch>>,
    F: Fn(u32) -> usize,
{
    /// Of rows in the order of [`Shape::sorted_schema`]. `unlike` names raw columns that are not
    /// compared, such as the target, which some have not yet.
    pub fn new(rows: R, shape: &Shape, data_set: F, unlike: &[&str]) -> Self {
        let schema = shape.sorted_schema();
        let place = |name: &&str| schema.index_of(name).ok();
        Self {
            rows,
            shape: shape.clone(),
            data_set,
            unlike: unlike.iter().filter_map(place).collect(),
            doubles: Arc::default(),
            last: None,
        }
    }

    /// Where the counts stand once all rows were given.
    pub fn doubles(&self) -> Arc<Mutex<Doubles>> {
        self.doubles.clone()
    }

    fn advance(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let keys: Vec<ArrayRef> = batch.columns()[..self.shape.keys].to_vec();
        let files = batch.column(self.shape.keys).as_primitive::<UInt32Type>();
        let mut keep = vec![true; batch.num_rows()];
        let mut found = Doubles::default();
        for range in partition(&keys)?.ranges() {
            let known = match self.last.take() {
                Some(last) if range.start == 0 && self.is_same(&last.0, batch)? => Some(last),
                _ => None,
            };
            let (first, data_set) = match known {
                Some(known) => known,
                None => {
                    let data_set = (self.data_set)(files.value(range.start));
                    (batch.slice(range.start, 1), data_set)
                }
            };
            for row in range {
                if (self.data_set)(files.value(row)) == data_set {
                    continue;
                }
                keep[row] = false;
                found.rows += 1;
                found.differing += u64::from(self.differs(&first, batch, row)?);
            }
            self.last = Some((first, data_set));
        }
        if found.is_none() {
            return Ok(batch.clone());
        }
        *self.doubles.lock().unwrap_or_else(PoisonError::into_inner) += found;
        Ok(filter_record_batch(batch, &BooleanArray::from(keep))?)
    }

    /// Whether the first row of a batch has the key of a row.
    fn is_same(&self, row: &RecordBatch, batch: &RecordBatch) -> Result<bool> {
        let places = 0..self.shape.keys;
        equal(row, batch, 0, places)
    }

    fn differs(&self, first: &RecordBatch, batch: &RecordBatch, row: usize) -> Result<bool> {
        let others = self.shape.keys + 2..batch.num_columns();
        let places = others.filter(|place| !self.unlike.contains(place));
        Ok(!equal(first, batch, row, places)?)
    }
}

fn equal(
    one: &RecordBatch,
    batch: &RecordBatch,
    row: usize,
    places: impl Iterator<Item = usize>,
) -> Result<bool> {
    for place in places {
        let (left, right) = (one.column(place), batch.column(place));
        debug_assert_eq!(left.len(), 1);
        if make_comparator(left, right, SortOptions::default())?(0, row).is_ne() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl<R, F> Iterator for Once<R, F>
where
    R: Iterator<Item = Result<RecordBatch>>,
    F: Fn(u32) -> usize,
{
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.rows.next()?;
        Some(batch.and_then(|batch| self.advance(&batch)))
    }
}
