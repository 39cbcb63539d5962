//! Rows of single precision in an unnamed file, which is mapped into memory to be read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::ToByteSlice;
use learn::estimator::boosting::single;
use learn::rows::Rows;
use runtime::work::{Space, Work};

use super::sample::Sample;

/// Bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;
/// What an error of the file names.
const FOLDER: &str = "the scratch folder (--work)";

/// The numbers of the sampled rows, row by row, then their labels, then their weights.
pub(crate) struct Table {
    file: File,
    width: usize,
    sample: Sample,
    weighted: AtomicBool,
    /// What the file takes of the disk.
    _space: Space,
}

/// The numbers, mapped.
pub(crate) struct Values(Buffer);

impl AsRef<[f32]> for Values {
    fn as_ref(&self) -> &[f32] {
        self.0.typed_data()
    }
}

impl Table {
    /// Of the rows of a sample, with so many numbers each.
    ///
    /// # Errors
    /// No room in the budget of disk: exit 2.
    pub(super) fn new(work: &Work, sample: Sample, width: usize) -> Result<Self> {
        let mut space = work.disk().space();
        let bytes = sample.rows() * (width as u64 + 2) * NUMBER;
        space.grow(bytes, || {
            "keeping the rows that trees are grown on".to_owned()
        })?;
        let file = tempfile::tempfile_in(work as &std::path::Path).context(FOLDER)?;
        file.set_len(bytes).context(FOLDER)?;
        Ok(Self {
            file,
            width,
            sample,
            weighted: AtomicBool::new(false),
            _space: space,
        })
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.sample.rows() as usize
    }

    /// Numbers of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Writes the sampled ones of the rows that begin at row number `first`. Several threads may
    /// write at once.
    pub(super) fn write(&self, first: u64, rows: Rows<'_>) -> Result<()> {
        let (mut x, mut y, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = None;
        for (at, values) in rows.x.chunks_exact(self.width).enumerate() {
            let Some(place) = self.sample.place(first + at as u64) else {
                continue;
            };
            start.get_or_insert(place);
            x.extend(values.iter().copied().map(single));
            y.push(single(rows.y[at]));
            weights.push(single(rows.weight(at)));
        }
        let Some(start) = start else {
            return Ok(());
        };
        if rows.weights.is_some() {
            self.weighted.store(true, Ordering::Relaxed);
        }
        let writes = [
            (&x, start * self.width as u64),
            (&y, self.begin(0) + start),
            (&weights, self.begin(1) + start),
        ];
        for (values, at) in writes {
            let bytes = values.as_slice().to_byte_slice();
            self.file.write_all_at(bytes, at * NUMBER).context(FOLDER)?;
        }
        Ok(())
    }

    /// Where the labels begin, 0, or the weights, 1.
    fn begin(&self, column: u64) -> u64 {
        self.sample.rows() * (self.width as u64 + column)
    }

    pub(crate) fn labels(&self) -> Result<Vec<f32>> {
        self.column(0)
    }

    /// The weights, where rows have any.
    pub(crate) fn weights(&self) -> Result<Option<Vec<f32>>> {
        let weighted = self.weighted.load(Ordering::Relaxed);
        weighted.then(|| self.column(1)).transpose()
    }

    fn column(&self, column: u64) -> Result<Vec<f32>> {
        let mut buffer = MutableBuffer::from_len_zeroed(self.rows() * NUMBER as usize);
        let at = self.begin(column) * NUMBER;
        let read = self.file.read_exact_at(buffer.as_slice_mut(), at);
        read.context(FOLDER)?;
        Ok(buffer.typed_data::<f32>().to_vec())
    }

    /// The numbers.
    #[allow(unsafe_code)]
    pub(crate) fn values(&self) -> Result<Values> {
        let bytes = self.rows() * self.width * NUMBER as usize;
        // SAFETY: the file has no name and no other descriptor, and is not written to any more:
        // nothing changes or cuts it while it is mapped.
        let map = unsafe { memmap2::MmapOptions::new().len(bytes).map(&self.file) };
        let map = map.context("mapping rows of the scratch folder (--work)")?;
        Ok(Values(Buffer::from(bytes::Bytes::from_owner(map))))
    }
}
