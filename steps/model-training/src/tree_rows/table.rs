//! Rows of single precision and their labels in an unnamed file, which is mapped into memory to be
//! read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::ToByteSlice;
use learn::estimator::boosting::{Units, single};
use learn::rows::Rows;
use runtime::work::{Space, Work};

use super::sample::Sample;

/// Bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;
/// Bytes of a label, of double precision: what units it gets is known after the pass.
const LABEL: u64 = size_of::<f64>() as u64;
/// Labels that are read together.
const BLOCK: usize = 1 << 16;
/// What an error of the file names.
const FOLDER: &str = "the scratch folder (--work)";
/// How long pages of the mapped numbers stay in memory after they were read, at most.
const RELEASED_EVERY: Duration = Duration::from_millis(10);

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
pub(crate) struct Values {
    numbers: Buffer,
    pages: Pages,
}

/// The pages of the mapped numbers.
#[derive(Clone)]
pub(crate) struct Pages(Arc<memmap2::Mmap>);

impl AsRef<[f32]> for Values {
    fn as_ref(&self) -> &[f32] {
        self.numbers.typed_data()
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Values {
    pub(crate) fn pages(&self) -> Pages {
        self.pages.clone()
    }
}

impl Pages {
    /// Does what passes over the numbers, and gives their pages back to the system meanwhile, which
    /// would otherwise all be in memory at the end of a pass.
    pub(crate) fn released_during<T>(&self, passes: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (done, is_done) = mpsc::channel::<()>();
            scope.spawn(move || {
                while is_done.recv_timeout(RELEASED_EVERY) == Err(RecvTimeoutError::Timeout) {
                    self.release();
                }
            });
            let result = passes();
            drop(done);
            result
        })
    }

    #[allow(unsafe_code)]
    fn release(&self) {
        // SAFETY: pages of a file that was mapped only to be read are read from it again when they
        // are next looked at.
        let released = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        if let Err(error) = released {
            tracing::debug!("pages of the scratch folder stay in memory: {error}");
        }
    }
}

impl Table {
    /// Of the rows of a sample, with so many numbers each.
    ///
    /// # Errors
    /// No room in the budget of disk: exit 2.
    pub(crate) fn new(work: &Work, sample: Sample, width: usize) -> Result<Self> {
        let mut space = work.disk().space();
        let bytes = sample.rows() * ((width as u64 + 1) * NUMBER + LABEL);
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
    pub(crate) fn write(&self, first: u64, rows: Rows<'_>) -> Result<()> {
        let (mut x, mut y, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = None;
        for (at, values) in rows.x.chunks_exact(self.width).enumerate() {
            let Some(place) = self.sample.place(first + at as u64) else {
                continue;
            };
            start.get_or_insert(place);
            x.extend(values.iter().copied().map(single));
            y.push(rows.y[at]);
            weights.push(single(rows.weight(at)));
        }
        let Some(start) = start else {
            return Ok(());
        };
        if rows.weights.is_some() {
            self.weighted.store(true, Ordering::Relaxed);
        }
        let writes = [
            (x.to_byte_slice(), start * self.width as u64 * NUMBER),
            (y.to_byte_slice(), self.labels_at() + start * LABEL),
            (weights.to_byte_slice(), self.weights_at() + start * NUMBER),
        ];
        for (bytes, at) in writes {
            self.file.write_all_at(bytes, at).context(FOLDER)?;
        }
        Ok(())
    }

    fn labels_at(&self) -> u64 {
        self.sample.rows() * self.width as u64 * NUMBER
    }

    fn weights_at(&self) -> u64 {
        self.labels_at() + self.sample.rows() * LABEL
    }

    pub(crate) fn labels(&self, units: Units) -> Result<Vec<f32>> {
        let rows = self.rows();
        let mut labels = Vec::with_capacity(rows);
        // All of them in double precision would be the most memory that trees take.
        while labels.len() < rows {
            let at = self.labels_at() + labels.len() as u64 * LABEL;
            let block = self.column(at, BLOCK.min(rows - labels.len()), LABEL)?;
            let block = block.typed_data::<f64>().iter();
            labels.extend(block.map(|label| units.label(*label)));
        }
        Ok(labels)
    }

    /// The weights, where rows have any.
    pub(crate) fn weights(&self) -> Result<Option<Vec<f32>>> {
        let weighted = self.weighted.load(Ordering::Relaxed);
        let read = || self.column(self.weights_at(), self.rows(), NUMBER);
        let weights = weighted.then(read).transpose()?;
        Ok(weights.map(|weights| weights.typed_data::<f32>().to_vec()))
    }

    /// Numbers of so many bytes each.
    fn column(&self, at: u64, count: usize, bytes: u64) -> Result<Buffer> {
        let mut buffer = MutableBuffer::from_len_zeroed(count * bytes as usize);
        let read = self.file.read_exact_at(buffer.as_slice_mut(), at);
        read.context(FOLDER)?;
        Ok(buffer.into())
    }

    /// The numbers.
    #[allow(unsafe_code)]
    pub(crate) fn values(&self) -> Result<Values> {
        let bytes = self.rows() * self.width * NUMBER as usize;
        // SAFETY: the file has no name and no other descriptor, and is not written to any more:
        // nothing changes or cuts it while it is mapped.
        let map = unsafe { memmap2::MmapOptions::new().len(bytes).map(&self.file) };
        let map = map.context("mapping rows of the scratch folder (--work)")?;
        let pages = Pages(Arc::new(map));
        let numbers = Buffer::from(bytes::Bytes::from_owner(pages.clone()));
        Ok(Values { numbers, pages })
    }
}
