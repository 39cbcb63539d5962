//! Labels that come later than the predictions: raw files of ids, time and target, and the hash that joins them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::dataset::{ColumnContract, ColumnType, Dataset};
use crate::failure::Failure;
use crate::model::Classes;
use crate::parts::{self, BATCH_ROWS};
use crate::store::{Object, Store};

/// Some rows of a label file.
#[derive(Clone, Debug)]
pub struct LabelRows {
    /// The key columns, in the order that was asked for and in the contract's types.
    pub keys: Vec<ArrayRef>,
    /// 1 for the positive class, 0 for the negative one, `None` while the label is not known.
    pub labels: Vec<Option<u8>>,
    /// Place of the first row in the file, from 0.
    pub first_row: u64,
}

/// The label files that a glob names, in the order of their names: where two of them label the same row, the last one
/// holds. Empty when there is no such folder or file.
///
/// # Errors
/// A file whose name ends neither with `.parquet` nor with `.csv`: exit 2.
pub async fn find(raw: &Store, glob: &str) -> Result<Vec<Object>> {
    let files = raw.glob(glob).await.with_context(|| format!("looking for labels {glob:?}"))?;
    match files.iter().find(|file| Kind::of(&file.key).is_none()) {
        None => Ok(files),
        Some(other) => Err(Failure::usage(format!(
            "label file {} ends neither with .parquet nor with .csv: narrow --labels-glob (LABELS_GLOB), which is {glob:?}",
            other.key
        ))),
    }
}

enum Kind {
    Parquet,
    Csv,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Reads a label file in batches of [`BATCH_ROWS`]. `name` is its key, for messages; `keys` are the contract's columns
/// that name a row.
///
/// # Errors
/// A damaged file, a missing column, a value that does not fit the contract's type, a null in a key that may not be null,
/// a label that is neither class: exit 10, with file, column and row.
pub fn read<'a>(
    file: &Path,
    name: &'a str,
    keys: &'a [ColumnContract],
    dataset: &'a Dataset,
) -> Result<impl Iterator<Item = Result<LabelRows>> + use<'a>> {
    let target = dataset.target();
    let classes = dataset.classes().map_err(Failure::usage)?;
    let columns: Vec<&str> = keys.iter().map(|key| key.name.as_str()).chain([target.name.as_str()]).collect();
    let batches = match Kind::of(name) {
        Some(Kind::Csv) => csv(file, name, &columns)?,
        _ => parquet(file, name, &columns)?,
    };
    let mut first_row = 0;
    Ok(batches.map(move |batch| {
        let batch = batch.map_err(|error| damaged(name, &error))?;
        let rows = label_rows(&batch, keys, target, &classes, first_row)
            .with_context(|| format!("reading labels from {name}"))?;
        first_row += batch.num_rows() as u64;
        Ok(rows)
    }))
}

fn label_rows(
    batch: &RecordBatch,
    keys: &[ColumnContract],
    target: &ColumnContract,
    classes: &Classes,
    first_row: u64,
) -> Result<LabelRows> {
    let mut columns = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let column = conform(batch.column(index), key, first_row)?;
        if column.null_count() > 0 && !key.nullable {
            let row = (0..column.len()).find(|&row| column.is_null(row)).unwrap_or(0) as u64 + first_row;
            return Err(Failure::contract(format!(
                "column {:?} is null in {} rows, the first of them row {row}: a label without a key labels nothing",
                key.name,
                column.null_count()
            )));
        }
        columns.push(column);
    }
    let labels = conform(batch.column(keys.len()), target, first_row)?;
    Ok(LabelRows { keys: columns, labels: parts::labels(&labels, classes, &target.name)?, first_row })
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

fn parquet(file: &Path, name: &str, columns: &[&str]) -> Result<Batches> {
    let opened = File::open(file).with_context(|| format!("opening {name}"))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| damaged(name, &error))?;
    let places = places(builder.schema(), name, columns)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
    let reader =
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|error| damaged(name, &error))?;
    Ok(reordered(reader, places))
}

/// Every column is text, which is parsed into the contract's type later; an empty one is null.
fn csv(file: &Path, name: &str, columns: &[&str]) -> Result<Batches> {
    let open = || File::open(file).with_context(|| format!("opening {name}"));
    let (header, _) =
        Format::default().with_header(true).infer_schema(open()?, Some(0)).map_err(|error| damaged(name, &error))?;
    let fields: Vec<Field> =
        header.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let places = places(&schema, name, columns)?;
    let mut in_file = places.clone();
    in_file.sort_unstable();
    let reader = arrow::csv::ReaderBuilder::new(schema)
        .with_header(true)
        .with_batch_size(BATCH_ROWS)
        .with_projection(in_file)
        .build(open()?)
        .map_err(|error| damaged(name, &error))?;
    Ok(reordered(reader, places))
}

/// Readers give columns in the order of the file.
fn reordered(batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + 'static, places: Vec<usize>) -> Batches {
    let mut in_file = places.clone();
    in_file.sort_unstable();
    let order: Vec<usize> = places.iter().filter_map(|place| in_file.binary_search(place).ok()).collect();
    Box::new(batches.map(move |batch| batch?.project(&order)))
}

fn places(schema: &Schema, name: &str, columns: &[&str]) -> Result<Vec<usize>> {
    let find = |column: &&str| {
        schema.index_of(column).map_err(|_| {
            let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            Failure::contract(format!(
                "label file {name} has no column {column:?}, but {found:?}: it must hold the contract's id, time and target"
            ))
        })
    };
    columns.iter().map(find).collect()
}

fn damaged(name: &str, error: &dyn std::fmt::Display) -> anyhow::Error {
    Failure::contract(format!("label file {name} is damaged: {error}; deliver it again"))
}

/// The column in the contract's type. Other types are taken where no value changes: `5` in an int32, `1.0` in an int64,
/// text in a CSV file; NaN counts as null.
///
/// # Errors
/// A value that would change: exit 10, with column, value and row, counted from `first_row`.
pub fn conform(column: &ArrayRef, contract: &ColumnContract, first_row: u64) -> Result<ArrayRef> {
    let wanted = contract.column_type.data_type();
    if *column.data_type() == wanted {
        return Ok(column.clone());
    }
    let refused = |what: &dyn std::fmt::Display| {
        let name = &contract.name;
        Failure::contract(format!("column {name:?} {what}: the data contract says {:?}", contract.column_type))
    };
    let plain = plain(column)?;
    let zoned = |data_type: &DataType| match data_type {
        DataType::Timestamp(_, zone) => Some(zone.is_some()),
        _ => None,
    };
    if let (Some(has_zone), ColumnType::Timestamp | ColumnType::TimestampTz) =
        (zoned(plain.data_type()), contract.column_type)
        && has_zone != (contract.column_type == ColumnType::TimestampTz)
    {
        return Err(refused(&if has_zone { "is an instant" } else { "is a timestamp without a zone" }));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(&plain, &wanted, &strict).map_err(|error| {
        refused(&format!("is of type {}, which does not fit near row {first_row} ({error})", column.data_type()))
    })?;
    // Text has many spellings of one value, and instants are kept to the microsecond.
    let is_text = *plain.data_type() == DataType::Utf8;
    let are_times = zoned(plain.data_type()).is_some() && zoned(&wanted).is_some();
    if !is_text && !are_times {
        let back = cast(&converted, plain.data_type()).context("comparing converted labels")?;
        let changed = distinct(&plain, &back).context("comparing converted labels")?;
        if let Some(row) = (0..changed.len()).find(|&row| changed.value(row)) {
            let value = arrow::util::display::array_value_to_string(&plain, row)?;
            return Err(refused(&format!("holds {value} in row {}", first_row + row as u64)));
        }
    }
    Ok(converted)
}

/// Without a dictionary, as one kind of text, and without NaN.
fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    let column = match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values)?,
        _ => column.clone(),
    };
    Ok(match column.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => cast(&column, &DataType::Utf8)?,
        data_type if data_type.is_floating() => {
            let floats = cast(&column, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            Arc::new(floats.iter().map(|value| value.filter(|value| !value.is_nan())).collect::<Float64Array>())
        }
        _ => column,
    })
}

/// Hashes the keys of rows into 128 bits: equal keys have equal hashes, and two others among n rows with a chance of
/// n * n / 2^129, which is 10^-19 for ten billion.
pub struct KeyHasher {
    rows: RowConverter,
}

impl KeyHasher {
    /// For key columns of these types.
    ///
    /// # Errors
    /// A type that has no order, such as a list.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self> {
        let fields = types.into_iter().map(SortField::new).collect();
        Ok(Self { rows: RowConverter::new(fields).context("hashing the keys of rows")? })
    }

    /// One hash for each row.
    ///
    /// # Errors
    /// Columns of other types.
    pub fn hash(&mut self, columns: &[ArrayRef]) -> Result<Vec<u128>> {
        let rows = self.rows.convert_columns(columns).context("hashing the keys of rows")?;
        Ok(rows
            .iter()
            .map(|row| {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&Sha256::digest(row)[..16]);
                u128::from_be_bytes(bytes)
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
