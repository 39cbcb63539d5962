//! Arrow columns as cells of Postgres's binary COPY: four bytes of length, big-endian, then the
//! value; -1 for null.

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, Float32Array,
    Float64Array, Int32Array, Int64Array, PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{max, min, take};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;

use runtime::failure::{Failure, shortened};
use table::dataset::ColumnType;
use table::values;

/// What every binary COPY begins with: the signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
/// Days from 1970-01-01 to 2000-01-01, from which Postgres counts.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
pub(super) const DAY_MICROS: i64 = 86_400_000_000;
/// Days that a date can hold, from 1970-01-01: 4713 BC to 5874897 AD.
const DAYS: std::ops::RangeInclusive<i32> = -2_440_588..=2_145_042_541;
/// Microseconds that a timestamp can hold, from 1970-01-01: 4713 BC to more than is counted here.
pub(super) const MICROS: std::ops::RangeInclusive<i64> = -210_866_803_200_000_000..=i64::MAX;

/// As much of a value of a key as a message holds.
const SHOWN_CHARACTERS: usize = 60;

/// The column type in which values of an Arrow type are published; `None` when there is none.
pub(super) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 | DataType::Int32 => {
            ColumnType::Int32
        }
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => ColumnType::Int64,
        DataType::Float16 | DataType::Float32 => ColumnType::Float32,
        DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => ColumnType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Utf8,
        DataType::Boolean => ColumnType::Bool,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(_, None) => ColumnType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ColumnType::TimestampTz,
        DataType::Dictionary(_, values) => return column_type(values),
        _ => return None,
    })
}

/// What a message says of a column and its rows.
pub(super) struct Source<'a> {
    pub(super) column: &'a str,
    /// What names the row of that number.
    pub(super) row: &'a dyn Fn(usize) -> String,
    /// What to do about a value that Postgres can't hold.
    pub(super) advice: &'a str,
}

/// The row of that number by the columns that name it, as a person writes them.
pub(super) fn named<'a>(keys: impl Iterator<Item = (&'a str, &'a ArrayRef)>, row: usize) -> String {
    let values = keys.map(|(name, array)| {
        let value = array_value_to_string(array, row).unwrap_or_default();
        let value = shortened(&value.replace('\0', "\\0"), SHOWN_CHARACTERS);
        format!("{name} {value}")
    });
    values.collect::<Vec<_>>().join(", ")
}

/// One column of a batch, ready to be written row by row.
pub(super) enum Cells {
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringArray),
    Bool(BooleanArray),
    Days(Date32Array),
    Micros(TimestampMicrosecondArray),
}

impl Cells {
    /// The column as the type that it is published in.
    ///
    /// # Errors
    /// A value that Postgres cannot hold: exit 10, naming column and row.
    pub(super) fn new(of: &Source<'_>, array: &ArrayRef, column_type: ColumnType) -> Result<Self> {
        let refused = |what: &str, row: Option<usize>| {
            let row = row.map(|row| format!(" in the row {}", (of.row)(row)));
            Failure::contract(format!(
                "column {:?} holds {what}{}, which Postgres can't store: {}",
                of.column,
                row.unwrap_or_default(),
                of.advice
            ))
        };
        let array = &plain(array)?;
        let integers = || values::integers(array);
        let found = match column_type {
            ColumnType::Int32 => integers()
                .map(|values| Self::Int32(values.unary_opt(|value| value.try_into().ok()))),
            ColumnType::Int64 => integers().map(Self::Int64),
            ColumnType::Float32 => values::floats(array)
                .map(|values| Self::Float32(values.unary(|value| value as f32))),
            ColumnType::Float64 => values::floats(array).map(Self::Float64),
            ColumnType::Bool => array.as_boolean_opt().cloned().map(Self::Bool),
            ColumnType::Utf8 => Some(Self::Text(values::texts(array)?)),
            ColumnType::Date => days(array).map(Self::Days),
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                values::microseconds(array).map(Self::Micros)
            }
        };
        let cells = found.ok_or_else(|| {
            let what = format!(
                "values of type {} (none is a {column_type})",
                array.data_type()
            );
            refused(&what, None)
        })?;
        // A value that the type does not hold is null.
        let lost = |row: &usize| array.is_valid(*row) && cells.array().is_null(*row);
        if cells.null_count() > array.null_count()
            && let Some(row) = (0..array.len()).find(lost)
        {
            let value = values::texts(&array.slice(row, 1))?;
            let value = value.iter().flatten().next().unwrap_or_default();
            return Err(refused(&format!("{value} (no {column_type})"), Some(row)));
        }
        let unfit = match &cells {
            Self::Text(texts) => {
                let (begin, end) = (
                    texts.value_offsets()[0] as usize,
                    texts.value_offsets()[texts.len()] as usize,
                );
                let holds_zero =
                    |row: &usize| texts.is_valid(*row) && texts.value(*row).contains('\0');
                // A pass over all bytes at once: almost no text holds one.
                let found = texts.value_data()[begin..end].contains(&0);
                let row = found.then(|| (0..texts.len()).find(holds_zero));
                row.flatten()
                    .map(|row| (row, "a text with a zero byte".to_owned()))
            }
            Self::Days(days) => outside(days, &DAYS).map(|row| {
                let day = days.value(row);
                let shown = profile::days::date(day).map(|date| format!("the date {date}"));
                (
                    row,
                    shown.unwrap_or_else(|| format!("day {day} from 1970-01-01")),
                )
            }),
            Self::Micros(micros) => outside(micros, &MICROS).map(|row| {
                let micros = micros.value(row);
                let shown = chrono::DateTime::from_timestamp_micros(micros)
                    .map(|at| format!("the time {}", at.naive_utc()));
                (
                    row,
                    shown.unwrap_or_else(|| format!("microsecond {micros} from 1970-01-01")),
                )
            }),
            _ => None,
        };
        if let Some((row, what)) = unfit {
            return Err(refused(&what, Some(row)));
        }
        Ok(cells)
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Int32(values) => values,
            Self::Int64(values) => values,
            Self::Float32(values) => values,
            Self::Float64(values) => values,
            Self::Text(values) => values,
            Self::Bool(values) => values,
            Self::Days(values) => values,
            Self::Micros(values) => values,
        }
    }

    pub(super) fn null_count(&self) -> usize {
        self.array().null_count()
    }

    /// Appends the cell of a row.
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Int32(values) if values.is_valid(row) => {
                put(out, &values.value(row).to_be_bytes())
            }
            Self::Int64(values) if values.is_valid(row) => {
                put(out, &values.value(row).to_be_bytes())
            }
            Self::Float32(values) if values.is_valid(row) => {
                put(out, &values.value(row).to_be_bytes())
            }
            Self::Float64(values) if values.is_valid(row) => {
                put(out, &values.value(row).to_be_bytes())
            }
            Self::Text(values) if values.is_valid(row) => put(out, values.value(row).as_bytes()),
            Self::Bool(values) if values.is_valid(row) => put(out, &[u8::from(values.value(row))]),
            Self::Days(values) if values.is_valid(row) => {
                put(out, &(values.value(row) - EPOCH_DAYS).to_be_bytes())
            }
            Self::Micros(values) if values.is_valid(row) => {
                put(out, &(values.value(row) - EPOCH_MICROS).to_be_bytes())
            }
            _ => out.extend((-1_i32).to_be_bytes()),
        }
    }

    /// The first bytes of the value of a row, as a number of the same order.
    pub(super) fn prefix(&self, row: usize) -> u64 {
        /// Negative numbers come first.
        const SIGN: u64 = 1 << 63;
        match self {
            Self::Int32(values) => i64::from(values.value(row)) as u64 ^ SIGN,
            Self::Int64(values) => values.value(row) as u64 ^ SIGN,
            Self::Days(values) => i64::from(values.value(row)) as u64 ^ SIGN,
            Self::Micros(values) => values.value(row) as u64 ^ SIGN,
            Self::Bool(values) => u64::from(values.value(row)),
            Self::Text(values) => {
                let text = values.value(row).as_bytes();
                let mut first = [0; 8];
                let length = text.len().min(8);
                first[..length].copy_from_slice(&text[..length]);
                u64::from_be_bytes(first)
            }
            // No id is a float.
            Self::Float32(_) | Self::Float64(_) => 0,
        }
    }

    /// Least and greatest moment in microseconds from 1970-01-01, clock readings taken as UTC;
    /// `None` for other columns, and for no rows. A date beyond 64 bits counts as their last
    /// moment.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let of_day = |day: i32| i64::from(day).saturating_mul(DAY_MICROS);
        match self {
            Self::Days(days) => Some((of_day(min(days)?), of_day(max(days)?))),
            Self::Micros(micros) => Some((min(micros)?, max(micros)?)),
            _ => None,
        }
    }

    /// Hands over each moment, as [`Cells::span`] counts it; none of other columns.
    pub(super) fn each_moment(&self, mut take: impl FnMut(i64)) {
        match self {
            Self::Days(days) => days
                .iter()
                .flatten()
                .for_each(|day| take(i64::from(day).saturating_mul(DAY_MICROS))),
            Self::Micros(micros) => micros.iter().flatten().for_each(take),
            _ => {}
        }
    }
}

/// The values of a dictionary, row by row; any other column as it is.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.as_any_dictionary_opt() {
        Some(dictionary) => take(dictionary.values(), dictionary.keys(), None)?,
        None => array.clone(),
    })
}

/// Dates as days from 1970-01-01; what 32 bits do not hold is null.
fn days(array: &dyn Array) -> Option<Date32Array> {
    match array.data_type() {
        DataType::Date32 => Some(array.as_primitive().clone()),
        DataType::Date64 => values::integers(array)
            .map(|millis| millis.unary_opt(|of| (of / (DAY_MICROS / 1_000)).try_into().ok())),
        _ => None,
    }
}

/// The first row whose value is outside a range.
fn outside<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    range: &std::ops::RangeInclusive<T::Native>,
) -> Option<usize>
where
    T::Native: PartialOrd,
{
    let mut ends = [min(values), max(values)].into_iter().flatten();
    if ends.all(|value| range.contains(&value)) {
        return None;
    }
    (0..values.len()).find(|&row| values.is_valid(row) && !range.contains(&values.value(row)))
}

fn put(out: &mut Vec<u8>, value: &[u8]) {
    out.extend((value.len() as i32).to_be_bytes());
    out.extend(value);
}

pub(super) fn text(value: &str) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, value.as_bytes());
    cell
}

pub(super) fn bigint(value: i64) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, &value.to_be_bytes());
    cell
}

/// A number of eight bytes as a cell.
pub(super) fn double(value: f64) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, &value.to_be_bytes());
    cell
}

/// A number of four bytes as a cell.
pub(super) fn real(value: f32) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, &value.to_be_bytes());
    cell
}

/// A whole number of four bytes as a cell.
pub(super) fn integer(value: i32) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, &value.to_be_bytes());
    cell
}

pub(super) fn boolean(value: bool) -> Vec<u8> {
    let mut cell = Vec::new();
    put(&mut cell, &[u8::from(value)]);
    cell
}

/// An instant, in microseconds from 1970-01-01, as a cell.
pub(super) fn instant(micros: i64) -> Vec<u8> {
    let mut cell = Vec::new();
    let array = PrimitiveArray::<TimestampMicrosecondType>::from_iter_values([micros]);
    Cells::Micros(array).put(0, &mut cell);
    cell
}

/// Length in bytes of the first `count` cells of a row.
///
/// # Errors
/// Cells that are cut off: a damaged scratch file.
pub(super) fn length_of(cells: &[u8], count: usize) -> Result<usize> {
    let mut at = 0;
    for _ in 0..count {
        let length = cells
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(i32::from_be_bytes);
        at += 4 + length.context("reading spilled rows")?.max(0) as usize;
    }
    anyhow::ensure!(at <= cells.len(), "reading spilled rows");
    Ok(at)
}

/// Bytes that cells of these columns take in an index without being compressed, and the longest of
/// their texts: its column and its bytes.
///
/// # Errors
/// Those of [`length_of`].
pub(super) fn entry<'a>(
    mut cells: &[u8],
    columns: &[(&'a str, ColumnType)],
) -> Result<(usize, &'a str, usize)> {
    // What stands before the values.
    let mut end: usize = 8;
    let (mut longest, mut most) = ("", 0);
    for &(name, column_type) in columns {
        let (cell, others) = cells.split_at(length_of(cells, 1)?);
        let bytes = cell.len() - 4;
        end = match column_type {
            ColumnType::Utf8 if bytes < 127 => end + 1 + bytes,
            ColumnType::Utf8 => end.next_multiple_of(4) + 4 + bytes,
            _ => end.next_multiple_of(bytes.max(1)) + bytes,
        };
        if column_type == ColumnType::Utf8 && bytes > most {
            (longest, most) = (name, bytes);
        }
        cells = others;
    }
    Ok((end.next_multiple_of(8), longest, most))
}

/// The first `types` cells of a row as a person writes them.
pub(super) fn shown(mut cells: &[u8], types: &[ColumnType]) -> String {
    let mut values = Vec::new();
    for column_type in types {
        let Ok(end) = length_of(cells, 1) else { break };
        let (value, rest) = (&cells[4..end], &cells[end..]);
        values.push(value_shown(value, *column_type));
        cells = rest;
    }
    format!("({})", values.join(", "))
}

fn value_shown(value: &[u8], column_type: ColumnType) -> String {
    let whole = || {
        let mut bytes = [if value.first().is_some_and(|first| *first >= 0x80) {
            0xff
        } else {
            0
        }; 8];
        let length = value.len().min(8);
        bytes[8 - length..].copy_from_slice(&value[..length]);
        i64::from_be_bytes(bytes)
    };
    let moment = |micros: i64| chrono::DateTime::from_timestamp_micros(micros);
    match column_type {
        ColumnType::Utf8 => shortened(&String::from_utf8_lossy(value), SHOWN_CHARACTERS),
        ColumnType::Date => {
            let midnight = moment(
                whole()
                    .saturating_mul(DAY_MICROS)
                    .saturating_add(EPOCH_MICROS),
            );
            midnight.map_or_else(
                || whole().to_string(),
                |day| day.format("%Y-%m-%d").to_string(),
            )
        }
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            let instant = moment(whole().saturating_add(EPOCH_MICROS));
            instant.map_or_else(
                || whole().to_string(),
                |instant| instant.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
            )
        }
        _ => whole().to_string(),
    }
}

#[cfg(test)]
mod tests;
