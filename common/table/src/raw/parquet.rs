//! Parquet files as they come: other writers spell the same types in other ways.

use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::ColumnDescPtr;

use super::{Chunk, Chunks, LINES, RawFile, advice, convert, int96, unreadable};
use crate::parts::batches::is_text;
use crate::parts::file::ParquetFile;
use catalog::manifest::Role;
use runtime::failure::Failure;
use runtime::work::Work;

/// The reason for pages that the decoder panics on.
const PAGES: &str = "its pages make no sense";

/// The rows of a file, and which columns of the contract are null in them because nobody reads
/// their values.
pub(super) fn open(raw: &RawFile, work: &Work) -> Result<(Chunks, Vec<bool>)> {
    let file = File::open(&raw.path).with_context(|| format!("opening {}", raw.path.display()))?;
    let file = opened(file, &raw.key)?;
    let (builder, mut nanos) = int96::in_microseconds(raw, file.builder()?)?;
    let file = match nanos {
        Some(_) => file.in_schema(builder.schema().clone())?,
        None => file,
    };
    let positions = positions(raw, &file, work)?;
    let unread = unread(raw, &file, &positions)?;
    let positions: Vec<Option<usize>> = positions
        .into_iter()
        .zip(&unread)
        .map(|(position, unread)| position.filter(|_| !unread))
        .collect();
    // The reader gives columns in the order of the file.
    let mut in_file: Vec<usize> = positions.iter().copied().flatten().collect();
    in_file.sort_unstable();
    let order: Vec<Option<usize>> = positions
        .iter()
        .map(|position| position.and_then(|position| in_file.binary_search(&position).ok()))
        .collect();
    let (key, schema, wanted) = (raw.key.clone(), raw.dataset.raw_schema(), raw.wanted());
    let uuids = uuids(&file, &in_file)?;
    let rows = file.rows(&in_file, raw.batch_rows(), work)?;
    let chunks = rows.map(move |batch| {
        let batch = batch?;
        let mut misfits = Vec::new();
        let mut columns = Vec::with_capacity(order.len());
        for (wanted, position) in wanted.iter().zip(&order) {
            columns.push(match position {
                Some(position) if uuids[*position] => {
                    wanted.array(&convert::uuids(batch.column(*position)), &mut misfits)?
                }
                Some(position) => wanted.array(batch.column(*position), &mut misfits)?,
                None => wanted.nulls(batch.num_rows()),
            });
        }
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        if let Some(nanos) = &mut nanos {
            let nanos = guard(&key, PAGES, || nanos.rows(batch.num_rows()))?;
            int96::check(&batch, &nanos, &wanted, &mut misfits);
        }
        let (lines, stray) = (Vec::new(), None);
        Ok(Chunk {
            batch,
            misfits,
            lines,
            stray,
        })
    });
    Ok((Box::new(chunks), unread))
}

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

/// Which columns need not be decoded: nobody reads their values, and there is nothing to check in
/// them that the file's statistics do not say.
fn unread(raw: &RawFile, file: &ParquetFile, positions: &[Option<usize>]) -> Result<Vec<bool>> {
    if raw.reads.columns.is_none() {
        return Ok(vec![false; positions.len()]);
    }
    let rules = raw.dataset.rules(raw.labels).map_err(Failure::usage)?;
    let columns = raw.dataset.columns.iter().zip(positions).zip(rules);
    let unread = columns
        .enumerate()
        .map(|(index, ((column, position), rule))| {
            let Some(position) = *position else {
                return false;
            };
            let found = file.schema().field(position).data_type();
            let wanted = column.column_type.data_type();
            let is_plain = *found == wanted || (is_text(found) && wanted == DataType::Utf8);
            !raw.reads(index)
                && matches!(column.role, Role::Ignored | Role::Feature)
                && is_plain
                && rule.holds_for_any_value(|| file.nulls(position))
        });
    Ok(unread.collect())
}

/// Reads from a file that may be damaged: for some damages the decoder has a panic instead of an
/// error, of which `nonsense` says what it means.
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

/// Where each column of the contract is in the file; `None` for labels that need not be there, and
/// for a column without values, whose type does not matter.
fn positions(raw: &RawFile, file: &ParquetFile, work: &Work) -> Result<Vec<Option<usize>>> {
    let (mut positions, mut lines) = (Vec::new(), Vec::new());
    let schema = file.schema();
    for column in &raw.dataset.columns {
        let mut found = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| *field.name() == column.name);
        let (first, second) = (found.next(), found.next());
        let Some((position, field)) = first else {
            positions.push(None);
            if !raw.labels.may_lack(column.role) {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let mut line = missing(&column.name, names);
                if range_index(schema).as_ref() == Some(&column.name) {
                    line += "; ";
                    line += RANGE_INDEX;
                }
                lines.push(line);
            }
            continue;
        };
        let takes = convert::takes(field.data_type(), column.column_type)
            || convert::takes_by_form(field.data_type(), column);
        let reads = takes || !file.is_null(position);
        positions.push(reads.then_some(position));
        if second.is_some() {
            lines.push(format!("column {:?} occurs twice in the file", column.name));
        } else if !takes && reads {
            if raw.others.is_trial() {
                return Err(advice::Mistyped.into());
            }
            let found = field.data_type();
            // What is not shown need not be tried.
            let advice = match lines.len() < LINES {
                true => advice::of_type(found, &advice::Tried::new(raw, column, work)),
                false => String::new(),
            };
            lines.push(format!(
                "column {:?} is of type {found} in the file, and {} in the contract: {advice}",
                column.name, column.column_type
            ));
        }
    }
    if lines.is_empty() {
        Ok(positions)
    } else {
        Err(raw.broken(&lines))
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
