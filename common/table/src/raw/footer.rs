//! What a Parquet file says of itself, without its rows.

use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::datatypes::{DataType, Schema};
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::ColumnDescPtr;

use super::{RawFile, unreadable};
use crate::parts::file::ParquetFile;
use runtime::failure::Failure;

/// The type of a column of a file, or that of the values of its dictionary.
pub(super) fn type_of(raw: &RawFile, name: &str) -> Result<Option<DataType>> {
    let file = File::open(&raw.path).with_context(|| format!("opening {}", raw.path.display()))?;
    let file = opened(file, &raw.key)?;
    let field = file.schema().field_with_name(name).ok();
    Ok(field.map(|field| match field.data_type() {
        DataType::Dictionary(_, values) => (**values).clone(),
        other => other.clone(),
    }))
}

/// Which of the columns at these places hold UUIDs, as the file says.
pub(super) fn uuids(file: &ParquetFile, places: &[usize]) -> Result<Vec<bool>> {
    let builder = file.builder()?;
    let columns = builder.parquet_schema().root_schema().get_fields();
    let is_uuid = |place: &usize| {
        let column = columns.get(*place).map(|column| column.get_basic_info());
        let kind = column.and_then(|column| column.logical_type_ref());
        kind == Some(&LogicalType::Uuid)
    };
    Ok(places.iter().map(is_uuid).collect())
}

/// Opens a file.
///
/// # Errors
/// A file that is damaged, or that has a column of a type which Arrow does not know: exit 10.
pub(super) fn opened(file: File, key: &str) -> Result<ParquetFile> {
    let again = file.try_clone();
    let opened = ParquetFile::open(file, key, |key, error| unreadable(key, "parquet", error));
    opened.map_err(|error| {
        let columns = again
            .ok()
            .map(|file| wide_integers(&file))
            .unwrap_or_default();
        match columns.first() {
            Some(first) => Failure::contract(format!(
                "{key}: column {} holds 128-bit integers, which only polars reads: write them as 64-bit \
                 integers if they fit, otherwise as floats or texts (polars: \
                 pl.col({first:?}).cast(pl.Int64))",
                columns
                    .iter()
                    .map(|name| format!("{name:?}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
            None => error,
        }
    })
}

/// Columns of 16 bytes that are said to be nothing else: so polars writes 128-bit integers, with a
/// type in the file's Arrow schema that Arrow does not have.
fn wide_integers(file: &File) -> Vec<String> {
    let read = || ParquetMetaDataReader::new().parse_and_finish(file);
    let Ok(Ok(metadata)) = catch_unwind(AssertUnwindSafe(read)) else {
        return Vec::new();
    };
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    let is_wide = |column: &&ColumnDescPtr| {
        column.physical_type() == Type::FIXED_LEN_BYTE_ARRAY
            && column.type_length() == 16
            && column.logical_type_ref().is_none()
            && column.converted_type() == ConvertedType::NONE
    };
    columns
        .filter(is_wide)
        .map(|column| column.name().to_owned())
        .collect()
}

/// Reads from a file that may be damaged: for some damages the decoder has a panic instead of an
/// error, of which `nonsense` says what it means.
pub(super) fn guard<T, E: Display>(
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
pub(super) fn check_footer(path: &Path, key: &str) -> Result<()> {
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

/// Where the numbers of an index are that the file does not hold.
pub(super) const RANGE_INDEX: &str = "pandas keeps it as a range in the file's metadata (a \
    RangeIndex), and not as a column: call reset_index() before to_parquet";

/// The name of an index that pandas keeps as a range.
pub(super) fn range_index(schema: &Schema) -> Option<String> {
    let pandas = schema.metadata().get("pandas")?;
    let pandas: serde_json::Value = serde_json::from_str(pandas).ok()?;
    let mut indexes = pandas.get("index_columns")?.as_array()?.iter();
    let is_range = |kind: &serde_json::Value| kind == "range";
    let range = indexes.find(|index| index.get("kind").is_some_and(is_range))?;
    Some(range.get("name")?.as_str()?.to_owned())
}
