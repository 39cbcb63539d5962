//! A parquet file that is read in bounded batches, however wide its rows and however large its
//! pages are.
//!
//! A decoder holds a page of every column that it reads. Where these pages together are larger than
//! their share of memory, columns are decoded one group after the other into scratch files, and put
//! together from there.

use std::fmt::Display;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::schema::types::SchemaDescriptor;

use super::batches::{BATCH_BYTES, Cut, Rows, is_text, plain_texts};
use super::pages;
use super::spilled::Spilled;
use runtime::failure::Failure;
use runtime::work::{Work, size};

/// Texts of a row group up to which its rows are decoded a whole batch at a time: they stay in
/// memory as long as the batch.
const ALIVE: u64 = 32 << 20;
/// Rows that are decoded at a time beyond that, at most.
const STEP: usize = 1024;
/// The reason for pages that the decoder panics on.
const NONSENSE: &str = "its pages make no sense";

/// The schema with plain columns in the place of dictionaries that the decoder does not make: those
/// of booleans, as pandas' categories of them are, and of decimals. In the file they are no
/// dictionaries; its writer asks for them.
fn without_odd_dictionaries(schema: &SchemaRef) -> Option<Schema> {
    let odd = |field: &Arc<Field>| match field.data_type() {
        DataType::Dictionary(_, values) if **values == DataType::Boolean || values.is_decimal() => {
            Some(Arc::new(
                field.as_ref().clone().with_data_type((**values).clone()),
            ))
        }
        _ => None,
    };
    schema.fields().iter().find_map(odd)?;
    let fields = schema.fields().iter();
    let fields: Vec<_> = fields
        .map(|field| odd(field).unwrap_or_else(|| field.clone()))
        .collect();
    Some(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

pub(crate) struct ParquetFile {
    file: Arc<File>,
    /// What messages call it.
    name: String,
    /// Makes an error of what is wrong with the file.
    damaged: fn(&str, &dyn Display) -> anyhow::Error,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Opens a file that messages call `name`; `damaged` makes an error of that name and of what is
    /// wrong.
    ///
    /// # Errors
    /// Those of `damaged`.
    pub(crate) fn open(
        file: File,
        name: &str,
        damaged: fn(&str, &dyn Display) -> anyhow::Error,
    ) -> Result<Self> {
        let metadata = guard(name, damaged, || {
            let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
            match without_odd_dictionaries(found.schema()) {
                Some(schema) => {
                    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
                    ArrowReaderMetadata::try_new(found.metadata().clone(), options)
                }
                None => Ok(found),
            }
        })?;
        Ok(Self {
            file: Arc::new(file),
            name: name.to_owned(),
            damaged,
            metadata,
        })
    }

    /// What reads the whole file, at its beginning.
    pub(crate) fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = self.file.try_clone();
        let file = file.with_context(|| format!("opening {}", self.name))?;
        let metadata = self.metadata.clone();
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
            file, metadata,
        ))
    }

    /// The same file, read in another schema.
    ///
    /// # Errors
    /// Those of `damaged`.
    pub(crate) fn in_schema(self, schema: SchemaRef) -> Result<Self> {
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = self.metadata.metadata().clone();
        Ok(Self {
            metadata: guard(&self.name, self.damaged, || {
                ArrowReaderMetadata::try_new(metadata, options)
            })?,
            ..self
        })
    }

    /// The schema of the file, as its writer spelt it.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Nulls in a column, where the file's statistics tell of all its row groups.
    pub(crate) fn nulls(&self, column: usize) -> Option<u64> {
        let leaf = self.leaves_of(column).next()?;
        let groups = self.metadata.metadata().row_groups().iter();
        groups
            .map(|group| group.column(leaf).statistics()?.null_count_opt())
            .sum()
    }

    /// Whether the file's statistics say that a column has no value. Those of a column of columns
    /// are of its leaves, and say nothing of it.
    pub(crate) fn is_null(&self, column: usize) -> bool {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        let is_nested = self.schema().field(column).data_type().is_nested();
        let is_all = |nulls: u64| u64::try_from(rows) == Ok(nulls);
        !is_nested && self.nulls(column).is_some_and(is_all)
    }

    /// The columns at these places of the schema, ascending, in batches of at most `most_rows`
    /// rows. Texts come as [`DataType::Utf8`] whatever the file calls them, other columns as
    /// they are in the file.
    ///
    /// # Errors
    /// Those of `damaged`; scratch files that can't be written; a page that no memory is there for.
    pub(crate) fn rows(&self, columns: &[usize], most_rows: usize, work: &Work) -> Result<Rows> {
        let schema = self.schema().project(columns)?;
        let groups = self.groups(columns, work)?;
        if let [_] | [] = &groups[..] {
            let rows = self.decode(columns, most_rows)?;
            return Ok(Box::new(Cut::new(rows, &schema, most_rows, BATCH_BYTES)));
        }
        tracing::debug!(
            file = self.name,
            columns = columns.len(),
            groups = groups.len(),
            "the pages of all columns do not fit in memory: the columns are put together from scratch files"
        );
        let mut streams = Vec::with_capacity(groups.len());
        for group in &groups {
            let schema = self.schema().project(group)?;
            let rows = self.decode(group, most_rows)?;
            // Pieces of all groups are in memory at the same time.
            let pieces = Cut::new(rows, &schema, most_rows, BATCH_BYTES / groups.len());
            streams.push(Stream::new(spilled(pieces, &plain_texts(&schema), work)?));
        }
        let (name, damaged) = (self.name.clone(), self.damaged);
        let joined = Joined {
            streams,
            schema: plain_texts(&schema),
            uneven: Box::new(move || damaged(&name, &"its columns are not of one length")),
        };
        Ok(Box::new(Cut::new(joined, &schema, most_rows, BATCH_BYTES)))
    }

    /// Columns that are decoded together, so that their pages take no more than their share of
    /// memory.
    fn groups(&self, columns: &[usize], work: &Work) -> Result<Vec<Vec<usize>>> {
        let metadata = self.metadata.metadata();
        let (most, mut groups) = (work.page_memory(), Vec::<Vec<usize>>::new());
        let whole = |leaf: usize| {
            let groups = metadata.row_groups().iter();
            let bytes = groups.map(|group| group.column(leaf).uncompressed_size());
            bytes
                .max()
                .map_or(0, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX))
        };
        let all = self.leaves(columns).into_iter().map(whole);
        if all.fold(0, u64::saturating_add) <= most {
            return Ok(vec![columns.to_vec()]);
        }
        let mut held = 0;
        for &column in columns {
            let leaves = self.leaves_of(column);
            let bytes = leaves
                .map(|leaf| pages::footprint(&self.file, metadata, leaf))
                .fold(0, u64::saturating_add);
            if bytes > work.memory() {
                return Err(self.too_large(column, bytes, work));
            }
            match groups.last_mut() {
                Some(group) if held + bytes <= most => {
                    group.push(column);
                    held += bytes;
                }
                _ => {
                    groups.push(vec![column]);
                    held = bytes;
                }
            }
        }
        Ok(groups)
    }

    fn too_large(&self, column: usize, bytes: u64, work: &Work) -> anyhow::Error {
        Failure::usage(format!(
            "{}: the pages of column {:?} are too large: {} have to be in memory at once to read it, and a file may use {} \
             of --memory (ALAMEDA_MEMORY); write the file with smaller row groups (pandas and pyarrow: row_group_size=100), \
             leave the column out of dataset.json, or raise --memory",
            self.name,
            self.schema().field(column).name(),
            size(bytes),
            size(work.memory()),
        ))
    }

    /// The leaves of columns that are ascending.
    fn leaves(&self, columns: &[usize]) -> Vec<usize> {
        let leaves = columns.iter().map(|&column| self.leaves_of(column));
        leaves.flatten().collect()
    }

    /// The leaves of one column, which are next to each other.
    fn leaves_of(&self, column: usize) -> Range<usize> {
        let parquet = self.metadata.parquet_schema();
        first_leaf(column, parquet)..first_leaf(column + 1, parquet)
    }

    /// Texts as views of the pages that they are on: a long text that many rows share is in memory
    /// once.
    fn viewed(&self) -> ArrowReaderMetadata {
        let viewed = |field: &Arc<Field>| match is_text(field.data_type()) {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            false => field.clone(),
        };
        let fields: Vec<Arc<Field>> = self.schema().fields().iter().map(viewed).collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        ArrowReaderMetadata::try_new(self.metadata.metadata().clone(), options)
            .unwrap_or_else(|_| self.metadata.clone())
    }

    fn decode(&self, columns: &[usize], most_rows: usize) -> Result<Rows> {
        let (name, damaged) = (self.name.clone(), self.damaged);
        let place = || format!("opening {name}");
        let file = self.file.try_clone().with_context(place)?;
        let mut reader = guard(&name, damaged, || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.viewed());
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder
                .with_projection(mask)
                .with_batch_size(self.step(columns, most_rows))
                .build()
        })?;
        Ok(Box::new(std::iter::from_fn(move || {
            guard(&name, damaged, || reader.next().transpose()).transpose()
        })))
    }

    /// Rows to decode at a time, so that the pages of long texts do not pile up.
    fn step(&self, columns: &[usize], most_rows: usize) -> usize {
        let leaves = self.leaves(columns);
        let groups = self.metadata.metadata().row_groups().iter();
        let step = groups.map(|group| {
            let texts = leaves.iter().map(|&leaf| group.column(leaf));
            let texts = texts.filter(|chunk| chunk.column_type() == Type::BYTE_ARRAY);
            let bytes: u64 = texts
                .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
                .sum();
            if bytes <= ALIVE {
                return most_rows;
            }
            let of_row = bytes / u64::try_from(group.num_rows()).unwrap_or(1).max(1);
            (BATCH_BYTES as u64 / of_row.max(1)).clamp(1, STEP as u64) as usize
        });
        step.min().unwrap_or(most_rows).min(most_rows)
    }
}

/// The first leaf of a column or of those after it, by bisection: files have thousands of columns.
fn first_leaf(column: usize, parquet: &SchemaDescriptor) -> usize {
    let (mut least, mut most) = (0, parquet.num_columns());
    while least < most {
        let middle = usize::midpoint(least, most);
        match parquet.get_column_root_idx(middle) < column {
            true => least = middle + 1,
            false => most = middle,
        }
    }
    least
}

/// Reads from a file that may be damaged: the decoder panics on some damages instead of giving an
/// error.
fn guard<T, E: Display>(
    name: &str,
    damaged: fn(&str, &dyn Display) -> anyhow::Error,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| damaged(name, &error)),
        Err(_) => Err(damaged(name, &NONSENSE)),
    }
}

/// Writes rows to a scratch file, and reads them back.
fn spilled(
    pieces: impl Iterator<Item = Result<RecordBatch>>,
    schema: &SchemaRef,
    work: &Work,
) -> Result<Rows> {
    let mut spilled = Spilled::new(schema, work)?;
    for piece in pieces {
        spilled.write(&piece?)?;
    }
    spilled.rows()
}

/// The rows of one group of columns.
struct Stream {
    rows: Rows,
    rest: Option<RecordBatch>,
}

impl Stream {
    fn new(rows: Rows) -> Self {
        Self { rows, rest: None }
    }

    /// Rows that are there without reading on; 0 at the end.
    fn ready(&mut self) -> Result<usize> {
        while self.rest.as_ref().is_none_or(|rest| rest.num_rows() == 0) {
            match self.rows.next() {
                Some(rows) => self.rest = Some(rows?),
                None => return Ok(0),
            }
        }
        Ok(self.rest.as_ref().map_or(0, RecordBatch::num_rows))
    }

    fn take(&mut self, rows: usize) -> Vec<ArrayRef> {
        let Some(rest) = self.rest.take() else {
            return Vec::new();
        };
        self.rest = Some(rest.slice(rows, rest.num_rows() - rows));
        rest.slice(0, rows).columns().to_vec()
    }
}

/// Groups of columns side by side.
struct Joined {
    streams: Vec<Stream>,
    schema: SchemaRef,
    /// The error for columns that differ in length.
    uneven: Box<dyn Fn() -> anyhow::Error + Send>,
}

impl Joined {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let ready = self.streams.iter_mut().map(Stream::ready);
        let ready = ready.collect::<Result<Vec<usize>>>()?;
        match ready.iter().min() {
            Some(0) if ready.iter().any(|&rows| rows > 0) => Err((self.uneven)()),
            None | Some(0) => Ok(None),
            Some(&rows) => {
                let columns = self.streams.iter_mut().flat_map(|stream| stream.take(rows));
                let columns = columns.collect();
                Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
            }
        }
    }
}

impl Iterator for Joined {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
