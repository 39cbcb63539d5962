//! Columns of a parquet file as values of the contract's types. What counts is each value and not
//! the type that the writer chose: the same column comes as integers from one day and as floats
//! from a day with gaps.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Int64Array, PrimitiveArray,
    StringArray, new_null_array,
};
use arrow::compute::{CastOptions, cast, cast_with_options, take};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt64Type,
};
use chrono::DateTime;

use super::{Notes, values};
use crate::dataset::rule::{self, Breach};
use crate::dataset::{ColumnContract, ColumnType};

const DAY_MILLIS: i64 = 86_400_000;
const DAY_MICROS: i64 = 1_000 * DAY_MILLIS;

/// Whether values of a type in a file can be values of the contract's type.
pub(super) fn takes(found: &DataType, wanted: ColumnType) -> bool {
    use DataType::{Boolean, Date32, Date64, Dictionary, Null, Timestamp};
    match (wanted, found) {
        (_, Dictionary(_, values)) => takes(values, wanted),
        (_, Null) => true,
        (ColumnType::Utf8, _) => is_plain_text(found) || is_binary(found),
        (ColumnType::Date | ColumnType::Timestamp, Date32 | Date64 | Timestamp(_, None))
        | (ColumnType::TimestampTz, Timestamp(_, Some(_))) => true,
        (ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz, _) => {
            is_plain_text(found)
        }
        _ => found.is_numeric() || *found == Boolean,
    }
}

/// Whether whole numbers are the digits of a form: `20241231` of `%Y%m%d`.
pub(super) fn takes_by_form(found: &DataType, column: &ColumnContract) -> bool {
    column.format.is_some() && found.is_integer()
}

/// UUIDs, which a file holds as 16 bytes, as the texts that every program shows; bytes of another
/// length stay what they are.
pub(super) fn uuids(found: &ArrayRef) -> ArrayRef {
    let Some(bytes) = found
        .as_fixed_size_binary_opt()
        .filter(|bytes| bytes.value_length() == 16)
    else {
        return found.clone();
    };
    let text = |bytes: &[u8]| {
        let mut text = String::with_capacity(36);
        for (place, byte) in bytes.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    };
    Arc::new(
        bytes
            .iter()
            .map(|bytes| bytes.map(text))
            .collect::<StringArray>(),
    )
}

/// Whether a type is one of texts that are not in a dictionary.
pub(super) fn is_plain_text(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_binary(found: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(
        found,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_)
    )
}

/// The column in the contract's type. A value that does not fit is noted, and null takes its place.
pub(super) fn convert(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<ArrayRef> {
    let wanted = notes.wanted.column_type;
    if let Some(dictionary) = found.as_any_dictionary_opt() {
        return convert(&take(dictionary.values(), dictionary.keys(), None)?, notes);
    }
    let data_type = wanted.data_type();
    Ok(match (wanted, found.data_type()) {
        (_, DataType::Null) => new_null_array(&data_type, found.len()),
        (_, same) if *same == data_type => found.clone(),
        (ColumnType::Int64, _) => Arc::new(whole(found, notes)?),
        (ColumnType::Int32, _) => Arc::new(narrow(found, notes)?),
        (ColumnType::Bool, _) => Arc::new(boolean(found, notes)?),
        (ColumnType::Float64, _) => double(found, notes)?,
        (ColumnType::Float32, _) => single(found, notes)?,
        (ColumnType::Utf8, binary) if is_binary(binary) => text(found, notes)?,
        (ColumnType::Utf8, _) => cast(found, &data_type)?,
        (_, texts) if is_plain_text(texts) => {
            values::parse(cast(found, &DataType::Utf8)?.as_string(), notes)
        }
        (ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz, number)
            if number.is_integer() =>
        {
            values::parse(cast(found, &DataType::Utf8)?.as_string(), notes)
        }
        (ColumnType::Date, _) => Arc::new(date(found, notes)),
        (ColumnType::Timestamp, _) => Arc::new(moment(found, notes)),
        (ColumnType::TimestampTz, _) => Arc::new(moment(found, notes).with_timezone("UTC")),
    })
}

/// Floats with null in the place of NaN, unless the contract keeps it, and with one zero: SQL takes
/// -0 for 0 where it compares, and not in `CASE` and `nullif`.
pub(super) fn normalized(array: ArrayRef, notes: &mut Notes<'_>) -> ArrayRef {
    fn floats<T>(array: &ArrayRef, notes: &mut Notes<'_>) -> Option<ArrayRef>
    where
        T: ArrowPrimitiveType<Native: Into<f64> + Copy + Default>,
    {
        let floats: &PrimitiveArray<T> = array.as_primitive();
        let keep_nan = notes.wanted.keep_nan;
        let is_nan = |value: T::Native| !keep_nan && Into::<f64>::into(value).is_nan();
        let is_negative_zero = |value: T::Native| {
            let value: f64 = value.into();
            value == 0.0 && value.is_sign_negative()
        };
        let mut values = floats.values().iter();
        if !values.any(|&value| is_nan(value) || is_negative_zero(value)) {
            return None;
        }
        let fit = |value| match value {
            value if is_nan(value) => Err(Breach::NanAsNull),
            value if is_negative_zero(value) => Ok(T::Native::default()),
            value => Ok(value),
        };
        let shown = |_| "NaN".to_owned();
        Some(Arc::new(values::each::<T, _>(
            floats.iter(),
            notes,
            fit,
            shown,
        )))
    }
    let normal = match array.data_type() {
        DataType::Float64 => floats::<Float64Type>(&array, notes),
        DataType::Float32 => floats::<Float32Type>(&array, notes),
        _ => None,
    };
    normal.unwrap_or(array)
}

/// Numbers and booleans as whole numbers.
fn whole(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<Int64Array> {
    // Below these, a float of the type holds every whole number.
    let limit = match found.data_type() {
        DataType::Float16 => 1 << 11,
        DataType::Float32 => 1 << 24,
        _ => values::WHOLE_FLOATS,
    };
    Ok(match found.data_type() {
        DataType::UInt64 => {
            let values = found.as_primitive::<UInt64Type>().iter();
            let fit = |value| i64::try_from(value).map_err(|_| Breach::Beyond);
            values::each(values, notes, fit, |value: u64| value.to_string())
        }
        float if float.is_floating() => {
            let floats = cast(found, &DataType::Float64)?;
            let fit = |value| values::whole_float(value, limit);
            let values = floats.as_primitive::<Float64Type>().iter();
            values::each(values, notes, fit, |value| format!("{value:?}"))
        }
        decimal if is_decimal(decimal) => {
            let texts = cast(found, &DataType::Utf8)?;
            values::each(
                texts.as_string::<i32>().iter(),
                notes,
                values::exact,
                str::to_owned,
            )
        }
        _ => cast(found, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone(),
    })
}

pub(super) fn is_decimal(found: &DataType) -> bool {
    found.is_numeric() && !found.is_integer() && !found.is_floating()
}

fn narrow(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<PrimitiveArray<Int32Type>> {
    let values = whole(found, notes)?;
    let fit = |value| i32::try_from(value).map_err(|_| Breach::Beyond);
    Ok(values::each(values.iter(), notes, fit, |value: i64| {
        value.to_string()
    }))
}

fn boolean(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<BooleanArray> {
    let values = whole(found, notes)?;
    let fit = |value| {
        if matches!(value, 0 | 1) {
            Ok(value)
        } else {
            Err(Breach::NotBoolean)
        }
    };
    let values = values::each::<Int64Type, _>(values.iter(), notes, fit, |value| value.to_string());
    Ok(values.iter().map(|value| Some(value? == 1)).collect())
}

/// Whole numbers that a float holds exactly, and decimals as the nearest float.
fn double(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<ArrayRef> {
    fn exact<T>(found: &ArrayRef, notes: &mut Notes<'_>) -> ArrayRef
    where
        T: ArrowPrimitiveType<Native: Into<i128> + Copy>,
    {
        let fit = |value: T::Native| {
            let whole: i128 = value.into();
            let float = whole as f64;
            if float as i128 == whole {
                Ok(float)
            } else {
                Err(Breach::Rounded)
            }
        };
        let values = found.as_primitive::<T>().iter();
        let show = |value: T::Native| Into::<i128>::into(value).to_string();
        Arc::new(values::each::<Float64Type, _>(values, notes, fit, show))
    }
    Ok(match found.data_type() {
        DataType::Int64 => exact::<Int64Type>(found, notes),
        DataType::UInt64 => exact::<UInt64Type>(found, notes),
        decimal if is_decimal(decimal) => nearest::<Float64Type>(found, notes)?,
        _ => cast(found, &DataType::Float64)?,
    })
}

fn single(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<ArrayRef> {
    use DataType::{Boolean, Float16, Int8, Int16, UInt8, UInt16};
    match found.data_type() {
        Float16 | Int8 | Int16 | UInt8 | UInt16 | Boolean => {
            return Ok(cast(found, &DataType::Float32)?);
        }
        decimal if is_decimal(decimal) => return nearest::<Float32Type>(found, notes),
        _ => {}
    }
    // What a double does not hold, a float does not hold either.
    let doubles = match found.data_type() {
        DataType::Float64 => found.clone(),
        _ => double(found, notes)?,
    };
    let fit = |value: f64| {
        let float = value as f32;
        if f64::from(float) == value || value.is_nan() {
            Ok(float)
        } else {
            Err(Breach::Rounded)
        }
    };
    let values = doubles.as_primitive::<Float64Type>().iter();
    let show = |value| format!("{value:?}");
    Ok(Arc::new(values::each::<Float32Type, _>(
        values, notes, fit, show,
    )))
}

/// Decimals as the float that lies nearest: few have an equal one.
fn nearest<T>(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType<Native: std::str::FromStr>,
{
    let texts = cast(found, &DataType::Utf8)?;
    let fit = |text: &str| text.parse().map_err(|_| Breach::Misspelt);
    let values = texts.as_string::<i32>().iter();
    Ok(Arc::new(values::each::<T, _>(
        values,
        notes,
        fit,
        str::to_owned,
    )))
}

/// Bytes as text.
fn text(found: &ArrayRef, notes: &mut Notes<'_>) -> Result<ArrayRef> {
    let bytes = cast(found, &DataType::Binary)?;
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let texts = cast_with_options(&bytes, &DataType::Utf8, &options)?;
    if texts.null_count() > bytes.null_count() {
        let bytes = bytes.as_binary::<i32>();
        for row in (0..texts.len()).filter(|&row| texts.is_null(row) && bytes.is_valid(row)) {
            let shown = || rule::quoted(&String::from_utf8_lossy(bytes.value(row)));
            notes.add(row, Breach::NotText, shown);
        }
    }
    Ok(texts)
}

fn date(found: &ArrayRef, notes: &mut Notes<'_>) -> PrimitiveArray<Date32Type> {
    let moments = moment(found, notes);
    let fit = |micros: i64| match micros % DAY_MICROS {
        0 => i32::try_from(micros / DAY_MICROS).map_err(|_| Breach::Beyond),
        _ => Err(Breach::TimeOfDay),
    };
    values::each(moments.iter(), notes, fit, |micros| {
        shown(micros, 1_000_000)
    })
}

/// Dates and clock readings in microseconds. A time zone is only how a reader is to show an
/// instant, so its name does not matter.
fn moment(found: &ArrayRef, notes: &mut Notes<'_>) -> PrimitiveArray<TimestampMicrosecondType> {
    let (ticks, factor, divisor) = match found.data_type() {
        DataType::Date32 => {
            let days = found.as_primitive::<Date32Type>();
            (days.unary::<_, Int64Type>(i64::from), DAY_MICROS, 1)
        }
        DataType::Date64 => (ticks::<Date64Type>(found), 1_000, 1),
        DataType::Timestamp(TimeUnit::Second, _) => {
            (ticks::<TimestampSecondType>(found), 1_000_000, 1)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (ticks::<TimestampMillisecondType>(found), 1_000, 1)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (ticks::<TimestampNanosecondType>(found), 1, 1_000)
        }
        _ => (ticks::<TimestampMicrosecondType>(found), 1, 1),
    };
    let fit = |tick: i64| match tick % divisor {
        0 => (tick / divisor).checked_mul(factor).ok_or(Breach::Beyond),
        _ => Err(Breach::Inexact),
    };
    values::each(ticks.iter(), notes, fit, |tick| match factor {
        DAY_MICROS => format!("{tick} days after 1970-01-01"),
        _ => shown(tick, 1_000_000 * divisor / factor),
    })
}

fn ticks<T: ArrowPrimitiveType<Native = i64>>(found: &ArrayRef) -> Int64Array {
    found.as_primitive::<T>().reinterpret_cast()
}

/// A clock reading as a message shows it.
pub(super) fn shown(tick: i64, per_second: i64) -> String {
    let nanos = tick.rem_euclid(per_second) * (1_000_000_000 / per_second);
    match DateTime::from_timestamp(tick.div_euclid(per_second), nanos as u32) {
        Some(at) => at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
        None => tick.to_string(),
    }
}
