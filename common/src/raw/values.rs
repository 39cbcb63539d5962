//! Texts as values of the contract's types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray,
};
use arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike, Utc};

use super::Misfit;
use crate::dataset::ColumnType;
use crate::dataset::rule::Breach;

/// Texts as values of a type.
pub(super) fn parse(
    texts: &StringArray,
    column_type: ColumnType,
    column: usize,
    misfits: &mut Vec<Misfit>,
) -> ArrayRef {
    let misspelt = Breach::Misspelt(column_type);
    let mut reject = |row: usize, breach: Breach| {
        misfits.push(Misfit {
            column,
            row,
            breach,
            example: format!("{:?}", texts.value(row)),
        });
    };
    let at = |reading: Option<DateTime<Utc>>| micros(reading.ok_or_else(|| misspelt.clone())?);
    match column_type {
        ColumnType::Utf8 => Arc::new(texts.clone()),
        ColumnType::Int32 => Arc::new(primitive::<Int32Type>(
            texts,
            |text| text.parse().map_err(|_| misspelt.clone()),
            reject,
        )),
        ColumnType::Int64 => Arc::new(primitive::<Int64Type>(
            texts,
            |text| text.parse().map_err(|_| misspelt.clone()),
            reject,
        )),
        ColumnType::Float32 => Arc::new(primitive::<Float32Type>(
            texts,
            |text| text.parse().map_err(|_| misspelt.clone()),
            reject,
        )),
        ColumnType::Float64 => Arc::new(primitive::<Float64Type>(
            texts,
            |text| text.parse().map_err(|_| misspelt.clone()),
            reject,
        )),
        ColumnType::Date => Arc::new(primitive::<Date32Type>(
            texts,
            |text| days(text).ok_or_else(|| misspelt.clone()),
            reject,
        )),
        ColumnType::Timestamp => Arc::new(primitive::<TimestampMicrosecondType>(
            texts,
            |text| at(reading(text).map(|reading| reading.and_utc())),
            reject,
        )),
        ColumnType::TimestampTz => Arc::new(
            primitive::<TimestampMicrosecondType>(
                texts,
                |text| {
                    at(DateTime::parse_from_rfc3339(text)
                        .ok()
                        .map(|instant| instant.to_utc()))
                },
                reject,
            )
            .with_timezone("UTC"),
        ),
        ColumnType::Bool => {
            let mut values = Vec::with_capacity(texts.len());
            for (row, text) in texts.iter().enumerate() {
                values.push(match text {
                    Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
                    Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
                    None => None,
                    Some(_) => {
                        reject(row, misspelt.clone());
                        None
                    }
                });
            }
            Arc::new(BooleanArray::from(values))
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    texts: &StringArray,
    parse: impl Fn(&str) -> Result<T::Native, Breach>,
    mut reject: impl FnMut(usize, Breach),
) -> PrimitiveArray<T> {
    let mut values = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        values.push(match text.map(&parse) {
            None => None,
            Some(Ok(value)) => Some(value),
            Some(Err(breach)) => {
                reject(row, breach);
                None
            }
        });
    }
    PrimitiveArray::from_iter(values)
}

/// `2024-12-31` as days since 1970.
fn days(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// `2024-12-31`, `2024-12-31T23:59` or `2024-12-31 23:59:59.25`.
fn reading(text: &str) -> Option<NaiveDateTime> {
    if text.len() == 10 {
        return Some(
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_time(Default::default()),
        );
    }
    let text = text.replacen(' ', "T", 1);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
}

fn micros(at: DateTime<Utc>) -> Result<i64, Breach> {
    if at.nanosecond().is_multiple_of(1000) {
        Ok(at.timestamp_micros())
    } else {
        Err(Breach::Inexact)
    }
}
