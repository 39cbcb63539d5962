//! Rows in buckets, in each in the order in which they came.

use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use super::PURPOSE;
use crate::parts::batches::{BATCH_BYTES, Cut, batch_rows};
use runtime::work::{ScratchFile, Work};

/// Puts rows in buckets, in a scratch folder what does not fit in memory.
pub(super) struct Partitioned {
    schema: SchemaRef,
    work: Work,
    memory: usize,
    held: Vec<RecordBatch>,
    /// For each bucket its rows among those that are held: the batch, and the row in it.
    places: Vec<Vec<(usize, usize)>>,
    /// What is held, and how many rows.
    bytes: usize,
    rows: usize,
    spilled: Option<Spilled>,
}

/// Rows that did not fit in memory.
struct Spilled {
    file: ScratchFile,
    at: u64,
    /// For each bucket where its rows begin, and their bytes, in the order in which they came.
    pieces: Vec<Vec<(u64, usize)>>,
}

impl Partitioned {
    /// Keeps at most `memory` bytes of rows in memory, and those of at least one batch.
    pub(super) fn new(schema: SchemaRef, buckets: usize, work: &Work, memory: usize) -> Self {
        Self {
            schema,
            work: work.clone(),
            memory,
            held: Vec::new(),
            places: vec![Vec::new(); buckets],
            bytes: 0,
            rows: 0,
            spilled: None,
        }
    }

    /// Takes in rows, each with its bucket.
    ///
    /// # Errors
    /// A scratch folder that can't be written, or the budget of disk.
    pub(super) fn push(
        &mut self,
        rows: RecordBatch,
        buckets: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let batch = self.held.len();
        for (row, bucket) in buckets.enumerate() {
            self.places[bucket].push((batch, row));
        }
        for column in rows.columns() {
            self.bytes += column.to_data().get_slice_memory_size()?;
        }
        self.bytes += rows.num_rows() * size_of::<(usize, usize)>();
        self.rows += rows.num_rows();
        self.held.push(rows);
        match self.bytes >= self.memory {
            true => self.spill(),
            false => Ok(()),
        }
    }

    fn spill(&mut self) -> Result<()> {
        let buckets = self.places.len();
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled {
                file: self.work.file(PURPOSE)?,
                at: 0,
                pieces: vec![Vec::new(); buckets],
            },
        };
        for bucket in (0..buckets).filter(|&bucket| !self.places[bucket].is_empty()) {
            let mut writer = StreamWriter::try_new(Vec::new(), &self.schema)?;
            for rows in self.held(bucket) {
                writer.write(&rows?)?;
            }
            let piece = writer.into_inner()?;
            let writing = || self.work.spilling(PURPOSE);
            spilled.file.write_all(&piece).with_context(writing)?;
            spilled.pieces[bucket].push((spilled.at, piece.len()));
            spilled.at += piece.len() as u64;
        }
        self.spilled = Some(spilled);
        self.held.clear();
        self.places.iter_mut().for_each(Vec::clear);
        (self.bytes, self.rows) = (0, 0);
        Ok(())
    }

    /// The rows of a bucket, in batches whose ends depend on these rows alone.
    pub(super) fn rows(&self, bucket: usize) -> impl Iterator<Item = Result<RecordBatch>> {
        let pieces = self.spilled.iter().flat_map(move |spilled| {
            let pieces = spilled.pieces[bucket].iter();
            pieces.flat_map(|&piece| self.piece(spilled, piece))
        });
        let rows = pieces.chain(self.held(bucket));
        Cut::new(rows, &self.schema, batch_rows(&self.schema), BATCH_BYTES)
    }

    /// Those that are held, in batches of about so many bytes as others have.
    fn held(&self, bucket: usize) -> impl Iterator<Item = Result<RecordBatch>> {
        let each = self.bytes / self.rows.max(1);
        let most = (BATCH_BYTES / each.max(1)).clamp(1, batch_rows(&self.schema));
        let held: Arc<[&RecordBatch]> = self.held.iter().collect();
        let chunks = self.places[bucket].chunks(most);
        chunks.map(move |places| Ok(interleave_record_batch(&held, places)?))
    }

    fn piece(
        &self,
        spilled: &Spilled,
        (at, bytes): (u64, usize),
    ) -> Box<dyn Iterator<Item = Result<RecordBatch>>> {
        let read = || -> Result<_> {
            let reading = || self.work.spilling(PURPOSE);
            let mut piece = vec![0; bytes];
            let file = spilled.file.file();
            file.read_exact_at(&mut piece, at).with_context(reading)?;
            Ok(StreamReader::try_new(Cursor::new(piece), None)?)
        };
        match read() {
            Ok(rows) => Box::new(rows.map(|rows| Ok(rows?))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}
