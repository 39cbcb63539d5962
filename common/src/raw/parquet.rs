//! Parquet files as they come: other writers spell the same types in other ways.

use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampNanosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaDataReader;

use super::{Chunk, Chunks, Misfit, RawFile, unreadable};
use crate::dataset::rule::Breach;
use crate::dataset::{ColumnType, Labels, Role};
use crate::parts::BATCH_ROWS;

/// What is told of pages that the decoder has a panic for.
const PAGES: &str = "its pages make no sense";

pub(super) fn open(raw: &RawFile) -> Result<Chunks> {
    let file = File::open(&raw.path).with_context(|| format!("opening {}", raw.path.display()))?;
    let builder = guard(&raw.key, PAGES, || {
        ParquetRecordBatchReaderBuilder::try_new(file)
    })?;
    let positions = positions(raw, builder.schema())?;
    let mask = ProjectionMask::roots(
        builder.parquet_schema(),
        positions.iter().copied().flatten(),
    );
    let mut reader = guard(&raw.key, PAGES, || {
        builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
    })?;
    // The reader gives columns in the order of the file.
    let mut in_file: Vec<usize> = positions.iter().copied().flatten().collect();
    in_file.sort_unstable();
    let order: Vec<Option<usize>> = positions
        .iter()
        .map(|position| position.and_then(|position| in_file.binary_search(&position).ok()))
        .collect();
    let (raw, schema) = (raw.clone(), raw.dataset.raw_schema());
    let batches = std::iter::from_fn(move || {
        guard(&raw.key, PAGES, || reader.next().transpose()).transpose()
    });
    Ok(Box::new(batches.map(move |batch| {
        let batch = batch?;
        let mut misfits = Vec::new();
        let mut columns = Vec::with_capacity(order.len());
        for (column, position) in order.iter().enumerate() {
            let wanted = schema.field(column).data_type();
            columns.push(match position {
                Some(position) => convert(batch.column(*position), wanted, column, &mut misfits)?,
                None => arrow::array::new_null_array(wanted, batch.num_rows()),
            });
        }
        Ok(Chunk {
            batch: RecordBatch::try_new(schema.clone(), columns)?,
            misfits,
        })
    })))
}

/// Reads from a file that may be damaged: for some damages the decoder has a panic instead of an error, of which
/// `nonsense` is told.
fn guard<T, E: Display>(
    key: &str,
    nonsense: &str,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| unreadable(key, "parquet", &error)),
        Err(_) => Err(unreadable(key, "parquet", &nonsense)),
    }
}

/// Checks that a file ends with the footer of a parquet file, and is as long as its footer says.
///
/// # Errors
/// A file that is truncated or is no parquet file: exit 10, by the name `key`.
pub fn check_footer(path: &Path, key: &str) -> Result<()> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let length = file
        .metadata()
        .with_context(|| format!("looking up {}", path.display()))?
        .len();
    let metadata = guard(key, "its footer makes no sense", || {
        ParquetMetaDataReader::new().parse_and_finish(&file)
    })?;
    let columns = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    let ends = columns.map(|column| {
        let start = column
            .dictionary_page_offset()
            .unwrap_or_else(|| column.data_page_offset());
        u64::try_from(start)
            .ok()?
            .checked_add(u64::try_from(column.compressed_size()).ok()?)
    });
    match ends.max_by_key(|end| end.unwrap_or(u64::MAX)) {
        Some(end) if end.is_none_or(|end| end > length) => Err(unreadable(
            key,
            "parquet",
            &"its footer names pages beyond its end",
        )),
        _ => Ok(()),
    }
}

/// Where each column of the contract stands in the file; `None` for labels that need not be there.
fn positions(raw: &RawFile, schema: &SchemaRef) -> Result<Vec<Option<usize>>> {
    let (mut positions, mut lines) = (Vec::new(), Vec::new());
    for column in &raw.dataset.columns {
        let mut found = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| *field.name() == column.name);
        let (first, second) = (found.next(), found.next());
        positions.push(first.map(|(position, _)| position));
        let Some((_, field)) = first else {
            if column.role != Role::Target || raw.labels != Labels::Optional {
                lines.push(missing(
                    &column.name,
                    schema.fields().iter().map(|field| field.name().as_str()),
                ));
            }
            continue;
        };
        if second.is_some() {
            lines.push(format!("column {:?} stands in the file twice", column.name));
        } else if !fits(field.data_type(), column.column_type) {
            lines.push(format!(
                "column {:?} is of type {} in the file, and {} in the contract",
                column.name,
                field.data_type(),
                column.column_type
            ));
        }
    }
    if lines.is_empty() {
        Ok(positions)
    } else {
        Err(raw.broken(&lines))
    }
}

/// The line for a column that is not there.
pub(super) fn missing<'a>(name: &str, mut there: impl Iterator<Item = &'a str> + Clone) -> String {
    match there
        .clone()
        .find(|other| other.trim().eq_ignore_ascii_case(name.trim()))
    {
        Some(other) => {
            format!("column {name:?} is missing; the file has {other:?}, and spelling counts")
        }
        None => {
            let mut names: Vec<String> = there
                .by_ref()
                .take(8)
                .map(|name| format!("{name:?}"))
                .collect();
            if there.next().is_some() {
                names.push("...".to_owned());
            }
            format!(
                "column {name:?} is missing; the file has {}",
                names.join(", ")
            )
        }
    }
}

/// Whether every value of the type in the file has the same value in the contract's type. Clock readings that are
/// finer than a microsecond are found when they are read.
fn fits(found: &DataType, wanted: ColumnType) -> bool {
    use DataType::{Boolean, Date32, Dictionary, Float16, Float32, Float64, Timestamp};
    use DataType::{Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, Utf8, Utf8View};
    match (wanted, found) {
        (_, Dictionary(_, values)) => fits(values, wanted),
        (ColumnType::Int32, Int8 | Int16 | Int32 | UInt8 | UInt16) => true,
        (ColumnType::Int64, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32) => true,
        (ColumnType::Float32, Float16 | Float32) => true,
        (ColumnType::Float64, Float16 | Float32 | Float64) => true,
        (ColumnType::Utf8, Utf8 | LargeUtf8 | Utf8View) => true,
        (ColumnType::Bool, Boolean) | (ColumnType::Date, Date32) => true,
        (ColumnType::Timestamp, Timestamp(_, None))
        | (ColumnType::TimestampTz, Timestamp(_, Some(_))) => true,
        _ => false,
    }
}

/// The column in the contract's type.
fn convert(
    found: &ArrayRef,
    wanted: &DataType,
    column: usize,
    misfits: &mut Vec<Misfit>,
) -> Result<ArrayRef> {
    if found.data_type() == wanted {
        return Ok(found.clone());
    }
    if let (DataType::Timestamp(TimeUnit::Nanosecond, _), None) =
        (found.data_type(), found.as_any_dictionary_opt())
    {
        let readings = found.as_primitive::<TimestampNanosecondType>();
        for (row, reading) in readings.iter().enumerate() {
            if reading.is_some_and(|reading| reading % 1000 != 0) {
                let example = arrow::util::display::array_value_to_string(found, row)?;
                misfits.push(Misfit {
                    column,
                    row,
                    breach: Breach::Inexact,
                    example,
                });
            }
        }
    }
    // Null instead of an error where the value is beyond the type: the row can then be told.
    let converted = cast_with_options(
        found,
        wanted,
        &CastOptions {
            safe: true,
            ..Default::default()
        },
    )?;
    if converted.null_count() > found.null_count() {
        for row in (0..found.len()).filter(|&row| converted.is_null(row) && found.is_valid(row)) {
            let example =
                arrow::util::display::array_value_to_string(found, row).unwrap_or_default();
            misfits.push(Misfit {
                column,
                row,
                breach: Breach::Inexact,
                example,
            });
        }
    }
    Ok(converted)
}
