//! Raw files, parquet or CSV, read as a stream in the columns and types of the data contract, and checked against it.
//!
//! Memory does not depend on the size of a file: a batch of rows is held at a time, and the keys of rows, which must
//! not repeat, are sorted on disk.

mod check;
mod csv;
mod parquet;
mod values;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use crate::dataset::rule::Breach;
use crate::dataset::{Dataset, Labels};
use crate::failure::Failure;

use check::Checker;
pub use parquet::check_footer;

/// A raw file and what it has to keep to.
#[derive(Clone, Debug)]
pub struct RawFile {
    /// What messages call it.
    pub key: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The contract.
    pub dataset: Arc<Dataset>,
    /// Whether every row needs a label.
    pub labels: Labels,
}

/// Rows as they are in the file.
struct Chunk {
    /// The columns of the contract, in its order and types.
    batch: RecordBatch,
    /// Values that have no place in the type of their column; the batch holds null for them.
    misfits: Vec<Misfit>,
}

struct Misfit {
    column: usize,
    row: usize,
    breach: Breach,
    example: String,
}

type Chunks = Box<dyn Iterator<Item = Result<Chunk>> + Send>;

/// What a check has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are left after the contract's filter.
    pub kept: u64,
    /// Floats that are NaN or infinite where the contract sets no bounds, by column.
    pub not_finite: Vec<(String, u64)>,
}

impl RawFile {
    /// Reads the file and checks it: gives the rows that `keep` keeps, as long as no breach is found. `keep` is given
    /// rows with the columns of [`Dataset::raw_schema`].
    ///
    /// When any was found, the last item is an error that lists all of them: each column and kind with a count, and
    /// the row number and value of the first. Keys are sorted in the folder `scratch`.
    ///
    /// # Errors
    /// A file that can't be read as what its name says, or that lacks a column or holds one of another type: exit 10.
    pub fn checked<K>(&self, scratch: &Path, keep: K) -> Result<Checked<K>>
    where
        K: FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
    {
        let checker = Checker::new(self, scratch)?;
        Ok(Checked {
            file: self.clone(),
            chunks: self.chunks()?,
            keep,
            checker: Some(checker),
            summary: Arc::default(),
        })
    }

    fn chunks(&self) -> Result<Chunks> {
        match self.key.rsplit_once('.') {
            Some((_, "parquet")) => parquet::open(self),
            Some((_, "csv")) => csv::open(self),
            _ => Err(Failure::usage(format!(
                "{}: the name of a raw file ends with .parquet or .csv",
                self.key
            ))),
        }
    }

    /// The error for what stands in `lines`.
    fn broken(&self, lines: &[String]) -> anyhow::Error {
        const SHOWN: usize = 12;
        let mut text = format!("{} breaks the data contract (dataset.json):", self.key);
        for line in lines.iter().take(SHOWN) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if lines.len() > SHOWN {
            text.push_str(&format!("\n  and {} more", lines.len() - SHOWN));
        }
        text.push_str("\nrepair or remove the file, or change the contract if the data is right");
        Failure::contract(text)
    }

    fn unreadable(&self, kind: &str, error: &dyn std::fmt::Display) -> anyhow::Error {
        unreadable(&self.key, kind, error)
    }
}

fn unreadable(key: &str, kind: &str, error: &dyn std::fmt::Display) -> anyhow::Error {
    Failure::contract(format!(
        "{key} can't be read as a {kind} file, it may be truncated or damaged: {error}\ndeliver it again, or remove it"
    ))
}

/// The checked rows of a raw file.
pub struct Checked<K> {
    file: RawFile,
    chunks: Chunks,
    keep: K,
    checker: Option<Checker>,
    summary: Arc<Mutex<Summary>>,
}

impl<K> Checked<K> {
    /// Where the counts stand once the last row was given.
    pub fn summary(&self) -> Arc<Mutex<Summary>> {
        self.summary.clone()
    }
}

impl<K> Iterator for Checked<K>
where
    K: FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
{
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl<K> Checked<K>
where
    K: FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
{
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let Some(checker) = &mut self.checker else {
            return Ok(None);
        };
        for chunk in &mut self.chunks {
            let chunk = chunk?;
            let keep = (self.keep)(&chunk.batch)?;
            checker.see(&chunk, keep.as_ref())?;
            if checker.is_clean() {
                return Ok(Some(match keep {
                    Some(keep) => filter_record_batch(&chunk.batch, &keep)?,
                    None => chunk.batch,
                }));
            }
        }
        let Some(checker) = self.checker.take() else {
            return Ok(None);
        };
        let summary = checker.finish(&self.file, &mut self.keep)?;
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
