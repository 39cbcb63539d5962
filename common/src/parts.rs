//! Parquet files of ours: written as a stream, read as a stream, and the numbers in them.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::failure::Failure;
use crate::manifest::Part;
use crate::model::{ClassValue, Classes};
use crate::step::wait;
use crate::store::{BlockingUpload, LocalFile, Store};

/// Rows that are in memory at once, for each file being read or written.
pub const BATCH_ROWS: usize = 8 * 1024;
/// Rows of a row group: what a writer holds, about 1 MiB per column of numbers.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// A part that is being written. Nothing is visible before [`PartWriter::finish`]. It waits for the store, so it belongs on
/// a blocking thread.
pub struct PartWriter {
    key: String,
    ordinal: usize,
    rows: u64,
    writer: ArrowWriter<BlockingUpload>,
}

impl PartWriter {
    /// Begins a part.
    pub fn new(store: &Store, key: String, ordinal: usize, schema: &SchemaRef) -> Result<Self> {
        let upload = wait(store.upload(&key))?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Chunk);
        // A dictionary of numbers that hardly repeat costs time and saves nothing.
        for field in schema
            .fields()
            .iter()
            .filter(|field| field.data_type().is_floating())
        {
            properties = properties
                .set_column_dictionary_enabled(ColumnPath::from(vec![field.name().clone()]), false);
        }
        let writer = ArrowWriter::try_new(
            BlockingUpload(upload),
            schema.clone(),
            Some(properties.build()),
        )
        .with_context(|| format!("writing {key}"))?;
        Ok(Self {
            key,
            ordinal,
            rows: 0,
            writer,
        })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.writer
            .write(batch)
            .with_context(|| format!("writing {}", self.key))
    }

    /// Makes the part visible.
    pub fn finish(self) -> Result<Part> {
        let BlockingUpload(upload) = self
            .writer
            .into_inner()
            .with_context(|| format!("writing {}", self.key))?;
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

/// The schema of the named columns of a parquet file of ours, in the order of `columns`.
pub fn schema(file: &LocalFile, columns: &[String]) -> Result<Schema> {
    let builder = open(file)?;
    Ok(builder
        .schema()
        .project(&positions(builder.schema(), file, columns)?)?)
}

fn positions(schema: &Schema, file: &LocalFile, columns: &[String]) -> Result<Vec<usize>> {
    let position = |column: &String| {
        schema.index_of(column).map_err(|_| {
            Failure::usage(format!(
                "{file} has no column {column:?}: it was not written by the configuration of this model",
            ))
        })
    };
    columns.iter().map(position).collect()
}

/// Reads a parquet file of ours in batches of [`BATCH_ROWS`]: the named columns, in the order of `columns`.
///
/// # Errors
/// A damaged file or a missing column: exit 2, with the file's name.
pub fn read(
    file: &LocalFile,
    columns: &[String],
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let builder = open(file)?;
    let name = file.to_string();
    let indices = positions(builder.schema(), file, columns)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), indices.iter().copied());
    // The reader gives columns in the order of the file.
    let mut in_file = indices.clone();
    in_file.sort_unstable();
    in_file.dedup();
    let order: Vec<usize> = indices
        .iter()
        .filter_map(|index| in_file.binary_search(index).ok())
        .collect();
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .with_context(|| format!("reading {name}"))?;
    Ok(reader.map(move |batch| {
        Ok(batch
            .map_err(|error| damaged(&name, &error))?
            .project(&order)?)
    }))
}

fn open(file: &LocalFile) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>> {
    let opened = std::fs::File::open(file.path()).with_context(|| format!("opening {file}"))?;
    ParquetRecordBatchReaderBuilder::try_new(opened)
        .map_err(|error| damaged(&file.to_string(), &error))
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
    let numbers = match column.data_type() {
        data_type if data_type.is_numeric() || *data_type == DataType::Boolean => {
            cast(column, &DataType::Float64)?
        }
        other => {
            return Err(Failure::usage(format!(
                "feature {name:?} is of type {other}: a feature holds numbers or booleans; encode it in features.sql"
            )));
        }
    };
    let numbers = numbers.as_primitive::<Float64Type>();
    if numbers.null_count() == 0 {
        return Ok(numbers.clone());
    }
    Ok(numbers
        .iter()
        .map(|value| Some(value.unwrap_or(f64::NAN)))
        .collect())
}

/// As [`floats`], but null stays null, so that it is told from NaN.
///
/// # Errors
/// Those of [`floats`].
pub fn numbers(column: &dyn Array, name: &str) -> Result<Float64Array> {
    if column.null_count() == 0 {
        return floats(column, name);
    }
    match column.data_type() {
        data_type if data_type.is_numeric() || *data_type == DataType::Boolean => {
            Ok(cast(column, &DataType::Float64)?
                .as_primitive::<Float64Type>()
                .clone())
        }
        _ => floats(column, name),
    }
}

/// The first columns of a batch as row-major floats: row by row, one value per feature.
pub fn matrix(batch: &RecordBatch, features: &[String]) -> Result<Vec<f64>> {
    let (rows, p) = (batch.num_rows(), features.len());
    let mut matrix = vec![0.0; rows * p];
    for (j, name) in features.iter().enumerate() {
        let column = floats(batch.column(j), name)?;
        for (row, value) in column.values().iter().enumerate() {
            matrix[row * p + j] = *value;
        }
    }
    Ok(matrix)
}

/// The labels of a target column: 1 for the positive class, 0 for the negative one, `None` for null.
///
/// # Errors
/// A value that is neither class: exit 10.
pub fn labels(column: &dyn Array, classes: &Classes, name: &str) -> Result<Vec<Option<u8>>> {
    let unknown = |value: &dyn std::fmt::Display| {
        Failure::contract(format!(
            "target {name:?} holds {value}, which is neither {} nor {}",
            classes.negative, classes.positive
        ))
    };
    let label = |value: ClassValue| match &value {
        value if *value == classes.positive => Ok(1),
        value if *value == classes.negative => Ok(0),
        value => Err(unknown(value)),
    };
    match column.data_type() {
        DataType::Boolean => {
            let values: &BooleanArray = column.as_boolean();
            values
                .iter()
                .map(|value| {
                    value
                        .map(|value| label(ClassValue::Bool(value)))
                        .transpose()
                })
                .collect()
        }
        DataType::Utf8 => {
            let values: &StringArray = column.as_string();
            values
                .iter()
                .map(|value| {
                    value
                        .map(|value| label(ClassValue::Text(value.to_owned())))
                        .transpose()
                })
                .collect()
        }
        data_type if data_type.is_integer() => {
            let values = cast(column, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            values
                .iter()
                .map(|value| value.map(|value| label(ClassValue::Int(value))).transpose())
                .collect()
        }
        other => Err(Failure::usage(format!(
            "target {name:?} is of type {other}: a target is bool, int32, int64 or utf8"
        ))),
    }
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
mod tests;
