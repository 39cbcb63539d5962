//! Rows that wait in a scratch file until there is memory for what becomes of them.

use std::io::{BufReader, BufWriter, Seek};

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use super::batches::Rows;
use runtime::work::{ScratchFile, Work};

/// Bytes that are read from a scratch file at once, and written to it.
const BUFFER: usize = 1 << 18;
const PURPOSE: &str = "putting wide rows together";

/// Rows on their way into a scratch file.
pub struct Spilled {
    work: Work,
    writer: StreamWriter<BufWriter<ScratchFile>>,
}

impl Spilled {
    /// No rows so far.
    ///
    /// # Errors
    /// A scratch folder that can't be written.
    pub fn new(schema: &SchemaRef, work: &Work) -> Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, work.file(PURPOSE)?);
        let writer = StreamWriter::try_new(file, schema).map_err(|error| failed(error, work))?;
        Ok(Self {
            work: work.clone(),
            writer,
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// A scratch folder that is full, or the budget of disk.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.writer.write(batch);
        written.map_err(|error| failed(error, &self.work))
    }

    /// The rows again, in the batches that they came in.
    ///
    /// # Errors
    /// Those of [`Spilled::write`].
    pub fn rows(self) -> Result<Rows> {
        let Self { work, writer } = self;
        let file = writer.into_inner().map_err(|error| failed(error, &work))?;
        let mut file: ScratchFile = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .with_context(|| work.spilling(PURPOSE))?;
        file.rewind().with_context(|| work.spilling(PURPOSE))?;
        let reader = StreamReader::try_new(BufReader::with_capacity(BUFFER, file), None);
        let reader = reader.map_err(|error| failed(error, &work))?;
        Ok(Box::new(
            reader.map(|rows| rows.context("reading spilled columns")),
        ))
    }
}

fn failed(error: ArrowError, work: &Work) -> anyhow::Error {
    match error {
        ArrowError::IoError(_, error) => anyhow::Error::new(error).context(work.spilling(PURPOSE)),
        other => anyhow::Error::new(other).context(work.spilling(PURPOSE)),
    }
}
