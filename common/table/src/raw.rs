//! Raw files, parquet or CSV, read as a stream in the columns and types of the data contract, and
//! checked against it.
//!
//! Memory does not depend on the size of a file: a batch of rows is held at a time, and the keys of
//! rows, which must not repeat, are sorted on disk.

mod advice;
mod check;
mod convert;
mod csv;
pub mod files;
mod footer;
mod format;
mod int96;
mod notes;
mod others;
mod parquet;
pub mod probe;
pub mod times;
mod values;
mod violations;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{and, filter_record_batch};

use crate::dataset::{ColumnContract, ColumnType, Dataset, Form, Labels, Nan, OnViolation};
use crate::late::{HeldLabels, Join, OfRows};
use crate::parts;
use catalog::manifest::{Role, Violation};
use runtime::failure::Failure;
use runtime::work::Work;

pub use advice::NULL_TEXTS;
use check::Checker;
pub use format::{Compression, ENDINGS, Format, format_of};
use notes::{Misfit, Notes};
pub use others::Others;
use values::Spelling;
pub use violations::{TakeQuarantined, quarantine_schema};

/// Checks what can be seen of a raw file without reading all of it: that it is what its name says,
/// and that it is not cut.
///
/// # Errors
/// A file that no step could read: exit 10, by the name `key`.
pub fn check_file(path: &Path, key: &str) -> Result<()> {
    let format = format::require(key)?;
    format::check_kind(path, key, format)?;
    match format {
        Format::Parquet => footer::check_footer(path, key),
        Format::Csv(Compression::None) => csv::check_ends(path, key),
        Format::Csv(_) => Ok(()),
    }
}

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
    /// Whether the contract is that of a trained model, so that an edit of `dataset.json` does not
    /// change it.
    pub pinned: bool,
    /// Columns that decide which rows are kept: a value there that can't be read breaks the
    /// contract even where the row would not be kept, since nobody knows whether it would.
    pub decisive: Vec<usize>,
    /// What of its rows is read.
    pub reads: Reads,
    /// Files on which advice about this one is tried too.
    pub others: Others,
}

/// What of the rows of a raw file is read. By default all columns are read, in batches as long as
/// their width allows.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// For each column of the contract, whether its values are read.
    pub columns: Option<Arc<[bool]>>,
    /// Rows of a batch at most.
    pub batch_rows: Option<usize>,
}

/// Rows as they are in the file.
struct Chunk {
    /// The columns of the contract, in its order and types.
    batch: RecordBatch,
    /// Values that have no place in the type of their column; the batch holds null for them.
    misfits: Vec<Misfit>,
    /// Of a file that has lines: the one on which each row begins.
    lines: Vec<u64>,
    /// Where quotes are in fields that are not quoted.
    stray: Option<Stray>,
}

/// Quotes in fields of a CSV file that are not quoted.
#[derive(Clone)]
struct Stray {
    rows: u64,
    /// Of the first.
    line: u64,
    text: String,
}

/// What the values of a file's column become.
struct Wanted {
    /// Place of the column in the contract.
    column: usize,
    column_type: ColumnType,
    nullable: bool,
    keep_nan: bool,
    /// Whether each value that does not fit is written down.
    quarantine: bool,
    /// How numbers are spelt in texts.
    spelling: Spelling,
    /// How dates and times are spelt in texts, where it is not as ISO 8601 has it.
    form: Option<Form>,
}

impl Wanted {
    /// Texts as values of the column's type.
    fn texts(&self, texts: &StringArray, misfits: &mut Vec<Misfit>) -> ArrayRef {
        let notes = &mut Notes::new(self, misfits);
        let array = values::parse(texts, notes);
        convert::normalized(array, notes)
    }

    /// An array of a type that [`convert::takes`] as values of the column's type.
    fn array(&self, found: &ArrayRef, misfits: &mut Vec<Misfit>) -> Result<ArrayRef> {
        let notes = &mut Notes::new(self, misfits);
        let array = convert::convert(found, notes)?;
        Ok(convert::normalized(array, notes))
    }

    /// A column that need not be there.
    fn nulls(&self, rows: usize) -> ArrayRef {
        new_null_array(&self.column_type.data_type(), rows)
    }
}

/// Lines that a message about one file shows.
const LINES: usize = 12;

type Chunks = Box<dyn Iterator<Item = Result<Chunk>> + Send>;

/// What a check has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are left once all were left out that the contract leaves out.
    pub kept: u64,
    /// Rows without a label that the filter keeps and the contract leaves out.
    pub unlabelled: u64,
    /// Rows that break the contract and are quarantined.
    pub quarantined: u64,
    /// Rows that break the contract, and are quarantined or taken.
    pub violations: Vec<Violation>,
    /// Floats that are infinite, or NaN where the contract keeps it, without breaking bounds: by
    /// column.
    pub not_finite: Vec<(String, u64)>,
}

impl RawFile {
    /// Reads the file and checks it: gives the rows that `keep` keeps, as long as no breach is
    /// found. `keep` is given rows with the columns of [`Dataset::raw_schema`].
    ///
    /// When any was found, the last item is an error that lists all of them: each column and kind
    /// with a count, and the row number and value of the first. Keys are sorted in the folder
    /// `scratch`.
    ///
    /// # Errors
    /// A file that can't be read as what its name says, or that lacks a column or holds one of
    /// another type: exit 10.
    pub fn checked<K>(&self, scratch: impl Into<Work>, keep: K) -> Result<Checked<K>>
    where
        K: FnMut(&RecordBatch) -> Result<Option<BooleanArray>>,
    {
        let work = scratch.into();
        let (chunks, unread) = self.chunks(&work)?;
        let checker = Checker::new(self, &unread, &work)?;
        Ok(Checked {
            file: self.clone(),
            chunks,
            keep,
            checker: Some(checker),
            take_key: None,
            take_quarantined: None,
            late: None,
            summary: Arc::default(),
        })
    }

    /// A file of which everything is read, by a contract that is no model's.
    pub fn new(key: String, path: PathBuf, dataset: Arc<Dataset>, labels: Labels) -> Self {
        Self {
            key,
            path,
            dataset,
            labels,
            pinned: false,
            decisive: Vec::new(),
            reads: Reads::default(),
            others: Others::default(),
        }
    }

    fn is_csv(&self) -> bool {
        matches!(format_of(&self.key), Some(Format::Csv(_)))
    }

    /// Whether somebody reads the values of the contract's column of this number.
    fn reads(&self, column: usize) -> bool {
        let columns = self.reads.columns.as_ref();
        // Rows that are quarantined are written as they are.
        self.dataset.quarantines()
            || columns.is_none_or(|columns| columns.get(column).copied().unwrap_or(true))
    }

    /// Rows of a batch at most.
    fn batch_rows(&self) -> usize {
        let rows = parts::batch_rows(&self.dataset.raw_schema());
        self.reads.batch_rows.map_or(rows, |most| most.min(rows))
    }

    /// The rows, and which columns of the contract are null in them because nobody reads their
    /// values.
    fn chunks(&self, work: &Work) -> Result<(Chunks, Vec<bool>)> {
        let format = format::require(&self.key)?;
        format::check_kind(&self.path, &self.key, format)?;
        match format {
            Format::Parquet => parquet::open(self, work),
            Format::Csv(compression) => csv::open(self, compression),
        }
    }

    /// The error for what is in `lines`.
    fn broken(&self, lines: &[String]) -> anyhow::Error {
        let mut text = format!("{} breaks the data contract (dataset.json):", self.key);
        for line in lines.iter().take(LINES) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if lines.len() > LINES {
            text.push_str(&format!("\n  and {} more", lines.len() - LINES));
        }
        text.push('\n');
        text.push_str(advice::of_file(self));
        Failure::contract(text)
    }

    /// What each column of the contract becomes, in order.
    fn wanted(&self) -> Vec<Wanted> {
        let columns = self.dataset.columns.iter().enumerate();
        let is_csv = self.is_csv();
        let csv = &self.dataset.csv;
        columns
            .map(|(column, contract)| Wanted {
                column,
                column_type: contract.column_type,
                nullable: match contract.role {
                    Role::Target => self.labels != Labels::Required,
                    role @ Role::Weight => self.labels.may_lack(role),
                    _ => contract.nullable,
                },
                keep_nan: self.dataset.nan == Nan::Keep,
                quarantine: contract.on_violation == OnViolation::QuarantineRow,
                spelling: match is_csv {
                    true => Spelling::of(csv),
                    false => Spelling::PLAIN,
                },
                form: match is_csv {
                    true => csv.form(contract).cloned(),
                    false => contract.format.clone(),
                },
            })
            .collect()
    }

    /// The rows of a chunk that count, and how many are left out for want of a label. A label that
    /// could not be read is a breach, and no reason to leave its row out.
    fn labelled(
        &self,
        chunk: &Chunk,
        keep: Option<BooleanArray>,
    ) -> Result<(Option<BooleanArray>, u64)> {
        if !self.labels.are_dropped() {
            return Ok((keep, 0));
        }
        let target = |column: &ColumnContract| column.role == Role::Target;
        let Some(target) = self.dataset.columns.iter().position(target) else {
            return Ok((keep, 0));
        };
        let labels = chunk.batch.column(target);
        if labels.null_count() == 0 {
            return Ok((keep, 0));
        }
        let mut labelled: Vec<bool> = (0..labels.len()).map(|row| labels.is_valid(row)).collect();
        for misfit in chunk
            .misfits
            .iter()
            .filter(|misfit| misfit.column == target)
        {
            labelled[misfit.row] = true;
        }
        let before = keep.as_ref().map_or(labels.len(), BooleanArray::true_count);
        let labelled = BooleanArray::from(labelled);
        let keep = match keep {
            Some(keep) => and(&keep, &labelled)?,
            None => labelled,
        };
        let unlabelled = before - keep.true_count();
        Ok((Some(keep), unlabelled as u64))
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
    take_key: Option<TakeKey>,
    take_quarantined: Option<TakeQuarantined>,
    late: Option<(OfRows, usize)>,
    summary: Arc<Mutex<Summary>>,
}

/// Takes the hash of a key.
pub type TakeKey = Box<dyn FnMut(u128) -> Result<()> + Send>;

impl<K> Checked<K> {
    /// The same rows; `take` is given the hashes of the keys of all rows that are kept, in
    /// ascending order, before the last item; where keys may repeat, a hash as often as it occurs.
    pub fn with_keys(mut self, take: Option<TakeKey>) -> Self {
        if let Some(checker) = &mut self.checker {
            checker.take_keys(take.is_some());
        }
        self.take_key = take;
        self
    }

    /// The same rows without those that the contract has quarantined, which `take` is given. With
    /// nobody to take them, they break the contract as any others.
    pub fn with_quarantine(mut self, take: Option<TakeQuarantined>) -> Self {
        if let Some(checker) = &mut self.checker {
            checker.quarantine(take.is_some());
        }
        self.take_quarantined = take;
        self
    }

    /// The same rows with labels that came later; [`RawFile::labels`] should be
    /// [`Labels::Late`]. It reads the keys of the file at once, and sorts them on disk.
    ///
    /// # Errors
    /// Those of [`RawFile::checked`].
    pub fn with_late(mut self, held: Option<&HeldLabels>, work: &Work) -> Result<Self> {
        let Some(held) = held else {
            return Ok(self);
        };
        let columns = &self.file.dataset.columns;
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let keys: Vec<usize> = held.keys().iter().filter_map(place).collect();
        let target = columns.iter().position(|of| of.role == Role::Target);
        let target = target.context("a contract has a target")?;
        let mut of_keys = self.file.clone();
        of_keys.reads.columns = Some((0..columns.len()).map(|at| keys.contains(&at)).collect());
        let mut join = Join::new(held, work);
        for chunk in of_keys.chunks(work)?.0 {
            let chunk = chunk?;
            let column = |at: &usize| chunk.batch.column(*at).clone();
            join.add(&keys.iter().map(column).collect::<Vec<_>>())?;
        }
        self.late = Some((join.finish()?, target));
        Ok(self)
    }

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
            let mut chunk = chunk?;
            if let Some((late, target)) = &mut self.late {
                chunk.batch = late.label(&chunk.batch, *target)?;
            }
            let keep = checker.keep(&chunk, &mut self.keep)?;
            let (keep, unlabelled) = self.file.labelled(&chunk, keep)?;
            let (keep, quarantined) = checker.see(&self.file, &chunk, keep, unlabelled)?;
            if checker.is_clean() {
                if let (Some(rows), Some(take)) = (&quarantined, &mut self.take_quarantined) {
                    take(rows)?;
                }
                return Ok(Some(match keep {
                    Some(keep) => filter_record_batch(&chunk.batch, &keep)?,
                    None => chunk.batch,
                }));
            }
        }
        let Some(checker) = self.checker.take() else {
            return Ok(None);
        };
        let summary = checker.finish(&self.file, &mut self.keep, &mut self.take_key)?;
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
