//! What the values of one column must keep to, compiled from its contract and applied to arrays.

mod finite;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use super::{ColumnContract, ColumnType};
use catalog::manifest::Role;
use learn::model::ClassValue;
use profile::days;
use runtime::failure::shortened;

/// As much of a value as a message holds.
const SHOWN_CHARACTERS: usize = 60;

/// A way to break the contract of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Breach {
    /// Null where none may be.
    Null,
    /// NaN, which is read as null, where none may be.
    NanAsNull,
    /// A float that is not a number, in a column with bounds.
    NotANumber,
    /// Less than the bound, as the contract spells it.
    Below(String),
    /// Greater than the bound, as the contract spells it.
    Above(String),
    /// None of the allowed values.
    NotAllowed,
    /// Text that does not spell a value of the column's type.
    Misspelt,
    /// A number that is not whole, in a column of whole numbers.
    Fraction,
    /// A number or a moment that the type can't count to.
    Beyond,
    /// A float so large that not every whole number of its size is one, in a column of whole
    /// numbers.
    Ambiguous,
    /// A number that no float of the type equals.
    Rounded,
    /// An infinite float, in a column of whole numbers, labels or weights.
    Infinite,
    /// A number other than 0 and 1, in a column of booleans.
    NotBoolean,
    /// Bytes that are not UTF-8.
    NotText,
    /// A clock reading that is not midnight, in a column of dates.
    TimeOfDay,
    /// A clock reading finer than a microsecond.
    Inexact,
}

/// The first and the last value of a time that has a date in any time zone.
fn calendar(column_type: ColumnType) -> (i64, i64) {
    let day = TimeDelta::days(1);
    let (first, last) = (NaiveDateTime::MIN + day, NaiveDateTime::MAX - day);
    match column_type {
        ColumnType::Date => (
            days::number(first.date()).into(),
            days::number(last.date()).into(),
        ),
        _ => (
            first.and_utc().timestamp_micros(),
            last.and_utc().timestamp_micros(),
        ),
    }
}

/// The rule of one column.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    nullable: bool,
    values: Values,
    min: String,
    max: String,
}

#[derive(Clone, Debug)]
enum Values {
    Any,
    /// Whole numbers, days and microseconds.
    Whole {
        min: i64,
        max: i64,
        allowed: Vec<i64>,
    },
    Float {
        min: f64,
        max: f64,
        bounded: bool,
        /// Whether infinite numbers are refused, whatever the bounds.
        finite: bool,
    },
    Text(Vec<String>),
    Bool(Vec<bool>),
}

impl Values {
    /// Whether no value lies within the bounds.
    fn hold_nothing(&self) -> bool {
        match self {
            Self::Whole { min, max, .. } => min > max,
            Self::Float { min, max, .. } => min > max,
            Self::Any | Self::Text(_) | Self::Bool(_) => false,
        }
    }
}

impl Rule {
    /// Compiles the rule of a column that may hold nulls, or not, whatever its contract says of
    /// that; `allowed` are the values that may occur.
    pub(crate) fn new(
        column: &ColumnContract,
        nullable: bool,
        allowed: &[ClassValue],
    ) -> Result<Self, String> {
        let wrong = |what: &str| {
            Err(format!(
                "column {:?} of type {} has {what}",
                column.name, column.column_type
            ))
        };
        let bounded = column.min.is_some() || column.max.is_some();
        let allowed_whole: Option<Vec<i64>> = allowed.iter().map(whole).collect();
        let values = match column.column_type {
            ColumnType::Int32 | ColumnType::Int64 => {
                let Some(allowed) = allowed_whole else {
                    return wrong("an `allowed` value that is not a whole number");
                };
                let (min, max) = (
                    bound(&column.min, Value::as_i64),
                    bound(&column.max, Value::as_i64),
                );
                let (Ok(min), Ok(max)) = (min, max) else {
                    return wrong("a bound that is not a whole number");
                };
                Values::Whole {
                    min: min.unwrap_or(i64::MIN),
                    max: max.unwrap_or(i64::MAX),
                    allowed,
                }
            }
            ColumnType::Float32 | ColumnType::Float64 if !allowed.is_empty() => {
                return wrong("`allowed` values: give `min` and `max`");
            }
            ColumnType::Float32 | ColumnType::Float64 => {
                let (min, max) = (
                    bound(&column.min, Value::as_f64),
                    bound(&column.max, Value::as_f64),
                );
                let (Ok(min), Ok(max)) = (min, max) else {
                    return wrong("a bound that is not a number");
                };
                // 0.7 as the column would hold it, so that the bound itself is within the bounds.
                let single = column.column_type == ColumnType::Float32;
                let held = |bound: f64| {
                    if single {
                        f64::from(bound as f32)
                    } else {
                        bound
                    }
                };
                Values::Float {
                    min: held(min.unwrap_or(f64::NEG_INFINITY)),
                    max: held(max.unwrap_or(f64::INFINITY)),
                    bounded,
                    finite: false,
                }
            }
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz
                if !allowed.is_empty() =>
            {
                return wrong("`allowed` values: give `min` and `max`");
            }
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => {
                let (min, max) = (
                    bound(&column.min, |value| {
                        moment(value, column.column_type, false)
                    }),
                    bound(&column.max, |value| moment(value, column.column_type, true)),
                );
                let (Ok(min), Ok(max)) = (min, max) else {
                    return wrong(match column.column_type {
                        ColumnType::TimestampTz => {
                            "a bound that is not an instant such as \"2024-12-31T23:59:59Z\""
                        }
                        ColumnType::Timestamp => {
                            "a bound that is neither a date nor a clock reading such as \"2024-12-31T23:59:59\""
                        }
                        _ => "a bound that is not a date such as \"2024-12-31\"",
                    });
                };
                let (first, last) = match column.role {
                    Role::Time => calendar(column.column_type),
                    _ => (i64::MIN, i64::MAX),
                };
                Values::Whole {
                    min: min.unwrap_or(first),
                    max: max.unwrap_or(last),
                    allowed: Vec::new(),
                }
            }
            ColumnType::Utf8 | ColumnType::Bool if bounded => {
                return wrong("`min` or `max`: give its `allowed` values");
            }
            ColumnType::Utf8 => {
                let texts: Option<Vec<String>> = allowed.iter().map(text).collect();
                match texts {
                    Some(texts) => Values::Text(texts),
                    None => return wrong("an `allowed` value that is not a text in quotes"),
                }
            }
            ColumnType::Bool => {
                let values: Option<Vec<bool>> = allowed.iter().map(boolean).collect();
                match values {
                    Some(values) => Values::Bool(values),
                    None => return wrong("an `allowed` value that is neither true nor false"),
                }
            }
        };
        if values.hold_nothing() {
            return wrong("a `min` that is above its `max`");
        }
        let values = match values {
            Values::Whole {
                min: i64::MIN,
                max: i64::MAX,
                allowed,
            } if allowed.is_empty() => Values::Any,
            Values::Text(allowed) if allowed.is_empty() => Values::Any,
            Values::Bool(allowed) if allowed.is_empty() => Values::Any,
            other => other,
        };
        let spelled =
            |bound: &Option<Value>| bound.as_ref().map(Value::to_string).unwrap_or_default();
        Ok(Self {
            nullable,
            values,
            min: spelled(&column.min),
            max: spelled(&column.max),
        })
    }

    /// Whether a column keeps the rule whatever its values are. How many `nulls` it holds is asked
    /// only where that matters.
    pub(crate) fn holds_for_any_value(&self, nulls: impl FnOnce() -> Option<u64>) -> bool {
        match self.values {
            Values::Any => self.nullable || nulls() == Some(0),
            Values::Float {
                bounded: false,
                finite: false,
                ..
            } => self.nullable,
            _ => false,
        }
    }

    /// Reports each breach, with its row in the array, among the rows to keep. Gives how many
    /// floats to keep are NaN or infinite without breaking the rule.
    pub(crate) fn check(
        &self,
        array: &ArrayRef,
        keep: Option<&BooleanArray>,
        mut report: impl FnMut(Breach, usize),
    ) -> u64 {
        let kept = |row: usize| keep.is_none_or(|keep| keep.value(row));
        if !self.nullable && array.null_count() > 0 {
            (0..array.len())
                .filter(|&row| array.is_null(row) && kept(row))
                .for_each(|row| report(Breach::Null, row));
        }
        let valid = |row: usize| array.is_valid(row) && kept(row);
        match array.data_type() {
            DataType::Int32 => self.whole::<Int32Type>(array, valid, report),
            DataType::Int64 => self.whole::<Int64Type>(array, valid, report),
            DataType::Date32 => self.whole::<Date32Type>(array, valid, report),
            DataType::Timestamp(..) => self.whole::<TimestampMicrosecondType>(array, valid, report),
            DataType::Float32 => return self.float::<Float32Type>(array, valid, report),
            DataType::Float64 => return self.float::<Float64Type>(array, valid, report),
            DataType::Utf8 => {
                let Values::Text(allowed) = &self.values else {
                    return 0;
                };
                let values = array.as_string::<i32>();
                let broken = |&row: &usize| {
                    valid(row) && !allowed.iter().any(|text| text == values.value(row))
                };
                (0..values.len())
                    .filter(broken)
                    .for_each(|row| report(Breach::NotAllowed, row));
            }
            DataType::Boolean => {
                let Values::Bool(allowed) = &self.values else {
                    return 0;
                };
                let values = array.as_boolean();
                let broken = |&row: &usize| valid(row) && !allowed.contains(&values.value(row));
                (0..values.len())
                    .filter(broken)
                    .for_each(|row| report(Breach::NotAllowed, row));
            }
            _ => {}
        }
        0
    }

    fn whole<T>(
        &self,
        array: &ArrayRef,
        valid: impl Fn(usize) -> bool,
        mut report: impl FnMut(Breach, usize),
    ) where
        T: ArrowPrimitiveType<Native: Into<i64>>,
    {
        let Values::Whole { min, max, allowed } = &self.values else {
            return;
        };
        let values: &PrimitiveArray<T> = array.as_primitive();
        let inside = |value: i64| {
            *min <= value && value <= *max && (allowed.is_empty() || allowed.contains(&value))
        };
        // A pass without a branch for each row: almost every batch keeps its contract.
        if values.values().iter().all(|&value| inside(value.into())) {
            return;
        }
        for (row, &value) in values.values().iter().enumerate() {
            let value: i64 = value.into();
            if inside(value) || !valid(row) {
                continue;
            }
            let breach = match value {
                value if value < *min && self.min.is_empty() => Breach::Beyond,
                value if value > *max && self.max.is_empty() => Breach::Beyond,
                value if value < *min => Breach::Below(self.min.clone()),
                value if value > *max => Breach::Above(self.max.clone()),
                _ => Breach::NotAllowed,
            };
            report(breach, row);
        }
    }

    fn float<T>(
        &self,
        array: &ArrayRef,
        valid: impl Fn(usize) -> bool,
        mut report: impl FnMut(Breach, usize),
    ) -> u64
    where
        T: ArrowPrimitiveType<Native: Into<f64>>,
    {
        let Values::Float {
            min,
            max,
            bounded,
            finite,
        } = self.values
        else {
            return 0;
        };
        let values: &PrimitiveArray<T> = array.as_primitive();
        let ordinary = |value: f64| value.is_finite() && min <= value && value <= max;
        if values.values().iter().all(|&value| ordinary(value.into())) {
            return 0;
        }
        let mut not_finite = 0;
        for (row, &value) in values.values().iter().enumerate() {
            let value: f64 = value.into();
            if ordinary(value) || !valid(row) {
                continue;
            }
            if value.is_nan() && bounded {
                report(Breach::NotANumber, row);
            } else if value.is_infinite() && finite {
                report(Breach::Infinite, row);
            } else if value < min {
                report(Breach::Below(self.min.clone()), row);
            } else if value > max {
                report(Breach::Above(self.max.clone()), row);
            } else {
                not_finite += 1;
            }
        }
        not_finite
    }
}

/// A value as a message shows it.
pub(crate) fn show(array: &dyn Array, row: usize) -> String {
    let text = match array.data_type() {
        DataType::Utf8 if array.is_valid(row) => {
            return quoted(array.as_string::<i32>().value(row));
        }
        _ if array.is_null(row) => "null".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, _)
            if DateTime::from_timestamp_micros(micros(array, row)).is_none() =>
        {
            format!("{} microseconds from 1970-01-01", micros(array, row))
        }
        _ => array_value_to_string(array, row).unwrap_or_default(),
    };
    shortened(&text, SHOWN_CHARACTERS)
}

fn micros(array: &dyn Array, row: usize) -> i64 {
    array.as_primitive::<TimestampMicrosecondType>().value(row)
}

/// A text as a message shows it.
pub(crate) fn quoted(text: &str) -> String {
    // What is cut off anyway is not escaped first.
    let end = text
        .char_indices()
        .nth(100)
        .map_or(text.len(), |(end, _)| end);
    shortened(&format!("{:?}", &text[..end]), SHOWN_CHARACTERS)
}

/// A bound that is given must be understood.
fn bound<T>(value: &Option<Value>, parse: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, ()> {
    value
        .as_ref()
        .map(|value| parse(value).ok_or(()))
        .transpose()
}

/// Days since 1970, or microseconds. A date represents its whole day: as an upper bound of a clock
/// reading it means the day's last microsecond.
fn moment(value: &Value, column_type: ColumnType, upper: bool) -> Option<i64> {
    let text = value.as_str()?;
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    match column_type {
        ColumnType::Date => Some(date?.signed_duration_since(NaiveDate::default()).num_days()),
        ColumnType::TimestampTz => {
            Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
        }
        _ => match date {
            Some(date) if upper => Some(
                date.succ_opt()?
                    .and_time(Default::default())
                    .and_utc()
                    .timestamp_micros()
                    - 1,
            ),
            Some(date) => Some(
                date.and_time(Default::default())
                    .and_utc()
                    .timestamp_micros(),
            ),
            None => {
                let reading = NaiveDateTime::parse_from_str(
                    &text.replacen(' ', "T", 1),
                    "%Y-%m-%dT%H:%M:%S%.f",
                );
                Some(reading.ok()?.and_utc().timestamp_micros())
            }
        },
    }
}

fn whole(value: &ClassValue) -> Option<i64> {
    if let ClassValue::Int(value) = value {
        Some(*value)
    } else {
        None
    }
}

fn text(value: &ClassValue) -> Option<String> {
    if let ClassValue::Text(value) = value {
        Some(value.clone())
    } else {
        None
    }
}

fn boolean(value: &ClassValue) -> Option<bool> {
    if let ClassValue::Bool(value) = value {
        Some(*value)
    } else {
        None
    }
}
