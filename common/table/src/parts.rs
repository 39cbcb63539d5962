//! Parquet files of ours: written as a stream, read as a stream, and the numbers in them.

pub(crate) mod batches;
mod encoding;
pub(crate) mod file;
mod pages;
mod spilled;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;

use catalog::manifest::Part;
use learn::model::ClassValue;
use learn::task::Label;

use crate::dataset::Goal;
use crate::values;
use runtime::failure::Failure;
use runtime::threads::wait;
use runtime::work::Work;
use store::{BlockingUpload, LocalFile, Store};

pub use batches::{BATCH_BYTES, BATCH_ROWS, Rows, batch_rows};
use file::ParquetFile;
pub use spilled::Spilled;

/// Rows of a row group at most: about 1 MiB per column of numbers.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Bytes of a row group at most, encoded: what a writer holds of rows that are wide.
pub const ROW_GROUP_BYTES: usize = 32 << 20;

/// Bytes of memory that the writer of a part takes at most.
pub fn writer_memory(schema: &Schema) -> u64 {
    match batches::row_bytes(schema) {
        Some(bytes) => (ROW_GROUP_ROWS * bytes).min(ROW_GROUP_BYTES) as u64,
        None => ROW_GROUP_BYTES as u64,
    }
}

/// Bytes of memory that a batch takes at most.
pub fn batch_memory(schema: &Schema) -> u64 {
    match batches::row_bytes(schema) {
        Some(bytes) => (batch_rows(schema) * bytes) as u64,
        None => 2 * BATCH_BYTES as u64,
    }
}

/// A part that is being written. Nothing is visible before [`PartWriter::finish`]. It waits for the
/// store, so it belongs on a blocking thread.
pub struct PartWriter {
    key: String,
    ordinal: usize,
    rows: u64,
    schema: SchemaRef,
    /// Where it goes, until the first rows say how it is written.
    upload: Option<BlockingUpload>,
    writer: Option<ArrowWriter<BlockingUpload>>,
}

impl PartWriter {
    /// Begins a part.
    pub fn new(store: &Store, key: String, ordinal: usize, schema: &SchemaRef) -> Result<Self> {
        let upload = wait(store.upload(&key))?;
        Ok(Self {
            key,
            ordinal,
            rows: 0,
            schema: schema.clone(),
            upload: Some(BlockingUpload(upload)),
            writer: None,
        })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.begin(batch)?;
        let writer = self.writer.as_mut().context("a part has begun")?;
        let written = writer.write(batch);
        written.with_context(|| format!("writing {}", self.key))
    }

    /// Begins the file, which begins with `first`, if nothing is written yet.
    fn begin(&mut self, first: &RecordBatch) -> Result<()> {
        let Some(upload) = self.upload.take() else {
            return Ok(());
        };
        let properties = encoding::properties(first)?;
        let writer = ArrowWriter::try_new(upload, self.schema.clone(), Some(properties));
        self.writer = Some(writer.with_context(|| format!("writing {}", self.key))?);
        Ok(())
    }

    /// Makes the part visible.
    pub fn finish(mut self) -> Result<Part> {
        self.begin(&RecordBatch::new_empty(self.schema.clone()))?;
        let writer = self.writer.context("a part has begun")?;
        let written = writer.into_inner();
        let BlockingUpload(upload) = written.with_context(|| format!("writing {}", self.key))?;
        let written = wait(upload.finish())?;
        Ok(Part {
            key: self.key,
            rows: self.rows,
            bytes: written.bytes,
            sha256: written.sha256,
            ordinal: self.ordinal,
        })
    }
}

/// A part as a file on this machine, which holds the bytes that its manifest lists. A copy from S3
/// is hashed while it comes, and a file of a folder once by each process. It waits for the store,
/// so it belongs on a blocking thread.
///
/// # Errors
/// Another file than was written, such as one of a refresh that was killed before it committed:
/// exit 2.
pub fn local(store: &Store, key: &str, sha256: &str) -> Result<LocalFile> {
    let file = wait(store.file(key))?;
    let found = store.digest(key, &file)?;
    if found == sha256 {
        return Ok(file);
    }
    let step = match key.split('/').next() {
        Some("results") => "score the data",
        _ => "prepare the data",
    };
    Err(Failure::usage(format!(
        "{key} in {} is not the file that its manifest lists: the digest of its bytes is {found}, and the manifest's is \
         {sha256}; {step} again with cache=refresh, or restore the file from a copy",
        store.url()
    )))
}

/// The schema of the named columns of a parquet file of ours, in the order of `columns`, as
/// [`read`] gives them.
pub fn schema(file: &LocalFile, columns: &[String]) -> Result<SchemaRef> {
    let opened = open(file)?;
    let schema = opened.schema();
    let named = schema.project(&positions(schema, file, columns)?)?;
    Ok(batches::plain_texts(&named))
}

fn positions(schema: &Schema, file: &LocalFile, columns: &[String]) -> Result<Vec<usize>> {
    let places: HashMap<&str, usize> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(place, field)| (field.name().as_str(), place))
        .collect();
    let position = |column: &String| {
        places.get(column.as_str()).copied().ok_or_else(|| {
            Failure::usage(format!(
                "{file} has no column {column:?}: it was not written by the configuration of this model",
            ))
        })
    };
    columns.iter().map(position).collect()
}

/// Reads a parquet file of ours in batches of at most [`batch_rows`] rows and [`BATCH_BYTES`] of
/// texts: the named columns, in the order of `columns`.
///
/// # Errors
/// A damaged file or a missing column: exit 2, with the file's name.
pub fn read(
    file: &LocalFile,
    columns: &[String],
    work: &Work,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let opened = open(file)?;
    let indices = positions(opened.schema(), file, columns)?;
    // The reader gives columns in the order of the file.
    let mut in_file = indices.clone();
    in_file.sort_unstable();
    in_file.dedup();
    let order: Vec<usize> = indices
        .iter()
        .filter_map(|index| in_file.binary_search(index).ok())
        .collect();
    let most_rows = batch_rows(&opened.schema().project(&in_file)?);
    let rows = opened.rows(&in_file, most_rows, work)?;
    Ok(rows.map(move |batch| Ok(batch?.project(&order)?)))
}

/// The values of one row of a part as texts, in the order of `columns`; `None` beyond its last row.
///
/// # Errors
/// Those of [`read`].
pub fn row(
    file: &LocalFile,
    columns: &[String],
    row: u64,
    work: &Work,
) -> Result<Option<Vec<String>>> {
    let mut before = 0;
    for batch in read(file, columns, work)? {
        let batch = batch?;
        let here = (row - before) as usize;
        if here < batch.num_rows() {
            let columns = batch.columns().iter();
            let texts = columns.map(|column| Ok(array_value_to_string(column, here)?));
            return texts.collect::<Result<_>>().map(Some);
        }
        before += batch.num_rows() as u64;
    }
    Ok(None)
}

fn open(file: &LocalFile) -> Result<ParquetFile> {
    let opened = std::fs::File::open(file.path()).with_context(|| format!("opening {file}"))?;
    ParquetFile::open(opened, &file.to_string(), damaged)
}

fn damaged(file: &str, error: &dyn std::fmt::Display) -> anyhow::Error {
    Failure::damaged(format!(
        "{file} is damaged: {error}; delete it and run the step that wrote it again, or restore it from a copy"
    ))
}

/// The values of a column as floats: numbers as they are, booleans as 0 and 1, null as NaN.
///
/// # Errors
/// A column that holds neither numbers nor booleans.
pub fn floats(column: &dyn Array, name: &str) -> Result<Float64Array> {
    let numbers = numbers(column, name)?;
    if numbers.null_count() == 0 {
        return Ok(numbers);
    }
    Ok(numbers
        .iter()
        .map(|value| Some(value.unwrap_or(f64::NAN)))
        .collect())
}

/// As [`floats`], but null stays null, so that it differs from NaN.
///
/// # Errors
/// Those of [`floats`].
pub fn numbers(column: &dyn Array, name: &str) -> Result<Float64Array> {
    values::floats(column).ok_or_else(|| {
        Failure::usage(format!(
            "feature {name:?} is of type {}: a feature holds numbers or booleans; encode it in features.sql",
            column.data_type()
        ))
    })
}

/// The labels of a target column: indices of classes, or numbers; `None` for null.
///
/// # Errors
/// A value that is none of the classes, or no number: exit 10.
pub fn labels(column: &dyn Array, goal: &Goal) -> Result<Vec<Option<f64>>> {
    let label = |label: Label<'_>| {
        let found = goal.task.label(&goal.target, label);
        found.map_err(|error| Failure::contract(format!("target {error}")))
    };
    match column.data_type() {
        DataType::Boolean => {
            let values: &BooleanArray = column.as_boolean();
            let values = values.iter();
            values
                .map(|value| value.map(|value| label(Label::Bool(value))).transpose())
                .collect()
        }
        DataType::Utf8 => {
            let values: &StringArray = column.as_string();
            let values = values.iter();
            values
                .map(|value| value.map(|value| label(Label::Text(value))).transpose())
                .collect()
        }
        data_type if data_type.is_integer() => {
            let values = values::integers(column).context("a type of integers")?;
            let values = values.iter();
            values
                .map(|value| value.map(|value| label(Label::Int(value))).transpose())
                .collect()
        }
        data_type if data_type.is_numeric() => {
            let values = values::floats(column).context("a type of numbers")?;
            // NaN is no label, as null is none.
            let values = values.iter();
            let values = values.map(|value| value.filter(|value| !value.is_nan()));
            values
                .map(|value| value.map(|value| label(Label::Number(value))).transpose())
                .collect()
        }
        other => Err(Failure::usage(format!(
            "target {:?} is of type {other}: a target is bool, utf8, or a number",
            goal.target.name
        ))),
    }
}

/// A column of a target from what [`labels`] gives of it.
///
/// # Errors
/// A type that no target has.
pub fn of_labels(labels: &[Option<f64>], goal: &Goal, data_type: &DataType) -> Result<ArrayRef> {
    let classes = &goal.target.classes;
    if !classes.is_empty() {
        let classes = labels.iter().map(|label| classes.get((*label)? as usize));
        return of_classes(&classes.collect::<Vec<_>>(), data_type);
    }
    values::of_floats(labels, data_type)
        .with_context(|| format!("target {:?} is of type {data_type}", goal.target.name))
}

/// A column of a target from its classes: null for one that is no value of the type; every class
/// has a text.
///
/// # Errors
/// A type that no target of classes has.
pub fn of_classes(classes: &[Option<&ClassValue>], data_type: &DataType) -> Result<ArrayRef> {
    let booleans = |class: &Option<&ClassValue>| match class {
        Some(ClassValue::Bool(value)) => Some(*value),
        _ => None,
    };
    let integers = |class: &Option<&ClassValue>| match class {
        Some(ClassValue::Int(value)) => Some(*value),
        _ => None,
    };
    Ok(match data_type {
        DataType::Boolean => Arc::new(classes.iter().map(booleans).collect::<BooleanArray>()),
        DataType::Utf8 => {
            let texts = classes.iter().map(|class| Some((*class)?.to_string()));
            Arc::new(texts.collect::<StringArray>())
        }
        DataType::Int64 => Arc::new(classes.iter().map(integers).collect::<Int64Array>()),
        DataType::Int32 => {
            let integers = classes.iter().map(|class| integers(class)?.try_into().ok());
            Arc::new(integers.collect::<Int32Array>())
        }
        other => bail!("a target of classes is of type {other}"),
    })
}

/// A schema in which every column may be null.
pub fn nullable(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
pub(crate) mod tests;
