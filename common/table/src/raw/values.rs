//! Texts as values of the contract's types.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray};
use arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::Notes;
use crate::dataset::rule::{self, Breach};
use crate::dataset::{ColumnType, Csv, Form};

/// Floats hold every whole number below this, and only some of those from here on: what is read
/// from a float may have been another number.
pub(super) const WHOLE_FLOATS: i64 = 1 << 53;

/// How numbers are spelt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    /// The decimal mark.
    pub(super) decimal: char,
    /// The separator between groups of three digits before it.
    pub(super) thousands: Option<char>,
}

impl Spelling {
    /// As CSV files have it.
    pub(super) fn of(csv: &Csv) -> Self {
        Self {
            decimal: csv.decimal,
            thousands: csv.thousands,
        }
    }

    /// With a point, and no groups.
    pub(super) const PLAIN: Self = Self {
        decimal: '.',
        thousands: None,
    };

    /// The same number with a point, and without groups; `None` where marks are in a place in which
    /// they have no meaning.
    pub(super) fn plain(self, text: &str) -> Option<Cow<'_, str>> {
        let Self { decimal, thousands } = self;
        let is_mark = |char: char| char == '.' || char == decimal || Some(char) == thousands;
        if decimal == '.' && thousands.is_none() || !text.contains(is_mark) {
            return Some(text.into());
        }
        let (whole, fraction) = match text.split_once(decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        if fraction.is_some_and(|fraction| fraction.contains(is_mark)) {
            return None;
        }
        let mut plain = String::with_capacity(text.len());
        match thousands {
            Some(mark) if whole.contains(mark) => {
                let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
                for (place, group) in unsigned.split(mark).enumerate() {
                    let is_long = group.len() == 3 || place == 0 && (1..3).contains(&group.len());
                    if !is_long || !group.bytes().all(|digit| digit.is_ascii_digit()) {
                        return None;
                    }
                }
                plain.extend(whole.chars().filter(|char| *char != mark));
            }
            _ if whole.contains('.') => return None,
            _ => plain.push_str(whole),
        }
        if let Some(fraction) = fraction {
            plain.push('.');
            plain.push_str(fraction);
        }
        Some(plain.into())
    }
}

/// Texts as values of the column's type.
pub(super) fn parse(texts: &StringArray, notes: &mut Notes<'_>) -> ArrayRef {
    let (column_type, spelling) = (notes.wanted.column_type, notes.wanted.spelling);
    let whole = |text: &str| whole(&spelling.plain(text).ok_or(Breach::Misspelt)?);
    if let Some(form) = &notes.wanted.form {
        return formed(texts, form, notes);
    }
    match column_type {
        ColumnType::Utf8 => Arc::new(texts.clone()),
        ColumnType::Int32 => Arc::new(spelled::<Int32Type>(texts, notes, |text| {
            i32::try_from(whole(text)?).map_err(|_| Breach::Beyond)
        })),
        ColumnType::Int64 => Arc::new(spelled::<Int64Type>(texts, notes, whole)),
        ColumnType::Float32 => Arc::new(spelled::<Float32Type>(texts, notes, |text| {
            let text = &*spelling.plain(text).ok_or(Breach::Misspelt)?;
            let value: f32 = text.parse().map_err(|_| Breach::Misspelt)?;
            finite(text, value.is_infinite()).map(|()| value)
        })),
        ColumnType::Float64 => Arc::new(spelled::<Float64Type>(texts, notes, |text| {
            let text = &*spelling.plain(text).ok_or(Breach::Misspelt)?;
            let value: f64 = text.parse().map_err(|_| Breach::Misspelt)?;
            finite(text, value.is_infinite()).map(|()| value)
        })),
        ColumnType::Date => Arc::new(spelled::<Date32Type>(texts, notes, days)),
        ColumnType::Timestamp => {
            Arc::new(spelled::<TimestampMicrosecondType>(texts, notes, |text| {
                micros(text, reading(text).map(|reading| reading.and_utc()))
            }))
        }
        ColumnType::TimestampTz => {
            let instant = |text: &str| {
                let instant = DateTime::parse_from_rfc3339(text).ok();
                micros(text, instant.map(|instant| instant.to_utc()))
            };
            let instants = spelled::<TimestampMicrosecondType>(texts, notes, instant);
            Arc::new(instants.with_timezone("UTC"))
        }
        ColumnType::Bool => Arc::new(booleans(texts, notes, whole)),
    }
}

/// Texts of a form as dates or moments.
fn formed(texts: &StringArray, form: &Form, notes: &mut Notes<'_>) -> ArrayRef {
    let moment = |text: &str| {
        let at = form.read(text).ok_or(Breach::Misspelt)?;
        if at.timestamp_subsec_nanos() % 1_000 != 0 || form.is_finer(text) {
            return Err(Breach::Inexact);
        }
        Ok(at)
    };
    let micros = |text: &str| moment(text).map(|at| at.timestamp_micros());
    match notes.wanted.column_type {
        ColumnType::Date => Arc::new(spelled::<Date32Type>(texts, notes, |text| {
            days_of(moment(text)?.naive_utc())
        })),
        ColumnType::TimestampTz => {
            let instants = spelled::<TimestampMicrosecondType>(texts, notes, micros);
            Arc::new(instants.with_timezone("UTC"))
        }
        _ => Arc::new(spelled::<TimestampMicrosecondType>(texts, notes, micros)),
    }
}

fn spelled<T: ArrowPrimitiveType>(
    texts: &StringArray,
    notes: &mut Notes<'_>,
    parse: impl Fn(&str) -> Result<T::Native, Breach>,
) -> PrimitiveArray<T> {
    each(texts.iter(), notes, parse, rule::quoted)
}

/// Values one by one. Where one does not fit, that is noted, and null takes its place.
pub(super) fn each<T: ArrowPrimitiveType, V: Copy>(
    values: impl Iterator<Item = Option<V>>,
    notes: &mut Notes<'_>,
    fit: impl Fn(V) -> Result<T::Native, Breach>,
    show: impl Fn(V) -> String,
) -> PrimitiveArray<T> {
    let mut fitted = |row: usize, value: V| match fit(value) {
        Ok(value) => Some(value),
        Err(breach) => {
            notes.add(row, breach, || show(value));
            None
        }
    };
    let rows = values.enumerate();
    rows.map(|(row, value)| value.and_then(|value| fitted(row, value)))
        .collect()
}

fn booleans(
    texts: &StringArray,
    notes: &mut Notes<'_>,
    whole: impl Fn(&str) -> Result<i64, Breach>,
) -> BooleanArray {
    let boolean = |text: &str| match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(1),
        _ if text.eq_ignore_ascii_case("false") => Ok(0),
        _ => match whole(text) {
            Ok(value @ (0 | 1)) => Ok(value),
            Err(Breach::NanAsNull) => Err(Breach::NanAsNull),
            _ => Err(Breach::Misspelt),
        },
    };
    let values = spelled::<Int64Type>(texts, notes, boolean);
    values.iter().map(|value| Some(value? == 1)).collect()
}

/// A whole number: `3`, or as pandas writes those of a column with gaps, which it keeps as floats:
/// `3.0`, `NaN`.
fn whole(text: &str) -> Result<i64, Breach> {
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Err(Breach::NanAsNull);
    }
    let value = exact(text)?;
    if value.unsigned_abs() >= WHOLE_FLOATS.unsigned_abs() {
        return Err(Breach::Ambiguous);
    }
    Ok(value)
}

/// The whole number that a text such as `12.00` or `1.2e3` spells. It is not read as a float first,
/// which would round.
pub(super) fn exact(text: &str) -> Result<i64, Breach> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().map_err(|_| Breach::Misspelt)?;
            (mantissa, i64::from(exponent))
        }
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = [before, after].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Breach::Misspelt);
    }
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len() + exponent.max(0) as usize;
    let places = after.len() + exponent.min(0).unsigned_abs() as usize;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if places > zeros {
        return Err(Breach::Fraction);
    }
    let value = significant.parse::<i128>().ok().and_then(|value| {
        let power = 10_i128.checked_pow(u32::try_from(zeros - places).ok()?)?;
        let value = value.checked_mul(power)?;
        i64::try_from(if mantissa.starts_with('-') {
            -value
        } else {
            value
        })
        .ok()
    });
    value.ok_or(Breach::Beyond)
}

/// The whole number that a float is, of a type whose floats are exact below `limit`.
pub(super) fn whole_float(value: f64, limit: i64) -> Result<i64, Breach> {
    match value {
        _ if value.is_nan() => Err(Breach::NanAsNull),
        _ if value.is_infinite() => Err(Breach::Infinite),
        _ if value.fract() != 0.0 => Err(Breach::Fraction),
        _ if value.abs() >= limit as f64 => Err(Breach::Ambiguous),
        _ => Ok(value as i64),
    }
}

/// Digits that spell more than the type holds would be read as infinite.
fn finite(text: &str, infinite: bool) -> Result<(), Breach> {
    if infinite && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Breach::Beyond);
    }
    Ok(())
}

/// `2024-12-31` as days since 1970; also as a clock reading at midnight, which pandas writes.
fn days(text: &str) -> Result<i32, Breach> {
    days_of(reading(text).ok_or(Breach::Misspelt)?)
}

fn days_of(reading: NaiveDateTime) -> Result<i32, Breach> {
    if reading.time() != NaiveTime::MIN {
        return Err(Breach::TimeOfDay);
    }
    let days = reading
        .date()
        .signed_duration_since(NaiveDate::default())
        .num_days();
    i32::try_from(days).map_err(|_| Breach::Beyond)
}

/// `2024-12-31`, `2024-12-31T23:59` or `2024-12-31 23:59:59.25`.
pub(super) fn reading(text: &str) -> Option<NaiveDateTime> {
    if text.len() == 10 {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(date.and_time(NaiveTime::MIN));
    }
    let text = text.replacen(' ', "T", 1);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
}

/// A moment that `text` spells. The text shows whether it is finer than a microsecond: beyond
/// nanoseconds, digits are dropped when it is parsed.
fn micros(text: &str, at: Option<DateTime<Utc>>) -> Result<i64, Breach> {
    let at = at.ok_or(Breach::Misspelt)?;
    let (_, fraction) = text.split_once('.').unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit);
    if digits.skip(6).any(|digit| digit != b'0') {
        return Err(Breach::Inexact);
    }
    Ok(at.timestamp_micros())
}
