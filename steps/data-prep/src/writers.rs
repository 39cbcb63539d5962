//! Where the prepared rows of a raw file or of a bucket go, by split.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::Result;
use arrow::array::RecordBatch;
use catalog::layout::Split;
use catalog::manifest::{Part, TimeRange};
use sql::prepare::Preparation;
use table::dates;

use crate::done::Piece;
use crate::job::Job;

/// The writers of the splits that have rows.
pub(crate) struct Writers<W>(BTreeMap<String, Writer<W>>);

/// Where the rows of one split go, and what is known of them.
struct Writer<W> {
    split: Split,
    rows: W,
    labelled_rows: u64,
    time: Option<TimeRange>,
}

impl<W> Writers<W> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts rows of a split, and gives where they are to be written, which `open` makes for the
    /// first of them; `None` where there is nothing to write.
    pub(crate) fn count(
        &mut self,
        (job, preparation): (&Job, &Preparation),
        split: Split,
        batch: &RecordBatch,
        open: impl FnOnce() -> Result<W>,
    ) -> Result<Option<&mut W>> {
        if batch.num_rows() == 0 || !job.takes(split) {
            return Ok(None);
        }
        let writer = match self.0.entry(split.to_string()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Writer {
                split,
                rows: open()?,
                labelled_rows: 0,
                time: None,
            }),
        };
        writer.labelled_rows += preparation.labelled(batch);
        if let Some(name) = job.time_column() {
            writer.time = dates::widened(writer.time, batch, name)?;
        }
        Ok(Some(&mut writer.rows))
    }

    /// What was written, by split; `finish` ends it, and gives the part that it became.
    pub(crate) fn finish(
        self,
        mut finish: impl FnMut(Split, W) -> Result<Part>,
    ) -> Result<Vec<Piece>> {
        let piece = |writer: Writer<W>| {
            Ok(Piece {
                split: writer.split,
                labelled_rows: writer.labelled_rows,
                part: finish(writer.split, writer.rows)?,
                time: writer.time,
            })
        };
        self.0.into_values().map(piece).collect()
    }
}
