//! Values for which DataFusion gives another one in silence.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use datafusion_common::error::Result;
use datafusion_common::{ScalarValue, exec_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

pub(super) const ROUND: &str = "round";
pub(super) const TRUNC: &str = "trunc";

/// Seconds from 1970 of the last time with a year, a month and a day, about; the first one is as
/// far away.
const SECONDS: f64 = 8.21e12;

/// The same in days.
const DAYS: f64 = SECONDS / 86_400.0;

/// The functions that make times of numbers, each with the greatest number that it makes one of.
/// The least one is its negative.
const OF_TIMES: [(&str, f64); 6] = [
    ("from_unixtime", SECONDS),
    ("to_date", DAYS),
    // It counts nanoseconds in 64 bits.
    ("to_timestamp", 9_223_372_036.0),
    ("to_timestamp_micros", SECONDS * 1e6),
    ("to_timestamp_millis", SECONDS * 1e3),
    ("to_timestamp_seconds", SECONDS),
];

/// The functions by name.
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    let of_times = OF_TIMES.into_iter().map(|(name, _)| name);
    [ROUND, TRUNC].into_iter().chain(of_times)
}

/// The greatest number of which a function makes a time; `None` if it makes none.
pub(super) fn greatest_of_time(name: &str) -> Option<f64> {
    let mut of_times = OF_TIMES.iter();
    let known = of_times.find(|(known, _)| *known == name);
    known.map(|(_, greatest)| *greatest)
}

/// Refuses numbers of days of which no date can be made.
///
/// # Errors
/// Those of [`check_time`].
pub(super) fn check_days(args: &ScalarFunctionArgs) -> Result<()> {
    check_time("a date", DAYS, args)
}

/// Refuses numbers of which no time, which is called `what`, can be made: NaN would be 1970, and
/// too large a number a time without a year, or the last one that there is.
///
/// # Errors
/// Such a number, also a constant without any row.
pub(super) fn check_time(what: &str, greatest: f64, args: &ScalarFunctionArgs) -> Result<()> {
    let of = args.args.first();
    let Some(of) = of.filter(|of| of.data_type().is_numeric()) else {
        return Ok(());
    };
    let numbers = of.cast_to(&DataType::Float64, None)?.into_array(1)?;
    let mut numbers = numbers.as_primitive::<Float64Type>().iter().flatten();
    match numbers.find(|number| number.is_nan() || number.abs() > greatest) {
        None => Ok(()),
        Some(number) => exec_err!(
            "{what} of {number:?} is out of range: it takes numbers from -{greatest:.0} to \
             {greatest:.0}"
        ),
    }
}

/// Rounds or truncates floats as `inner` does, but for what its multiplication by a power of ten
/// makes of them: as many places as a number has, or more, change nothing of it, and more before
/// the point leave nothing.
///
/// # Errors
/// Those of `inner`, and more places than 32 bits hold.
pub(super) fn rounded(inner: &ScalarUDF, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
    let (of, places) = match &args.args[..] {
        [of, places] if of.data_type().is_floating() => {
            (of.clone(), places.cast_to(&DataType::Int32, None)?)
        }
        _ => return inner.invoke_with_args(args),
    };
    let made = inner.invoke_with_args(args)?;
    let rows = match &made {
        ColumnarValue::Array(made) => made.len(),
        ColumnarValue::Scalar(_) => 1,
    };
    let floats = |value: &ColumnarValue| -> Result<Float64Array> {
        let floats = cast(&value.to_array(rows)?, &DataType::Float64)?;
        Ok(floats.as_primitive::<Float64Type>().clone())
    };
    let is_real = of.data_type() == DataType::Float32;
    let (of, rounded) = (floats(&of)?, floats(&made)?);
    let places = places.into_array(rows)?;
    let places = places.as_primitive::<Int32Type>();
    let right = (0..rows).map(|row| {
        let (of, made, places) = (of.value(row), rounded.value(row), places.value(row));
        let is_nothing = made.is_nan() && of.is_finite() && places < 0;
        rounded.is_valid(row).then(|| match made.is_finite() {
            true if made == of || !has_at_most(places, of, is_real) => made,
            false if is_nothing => 0.0,
            _ => of,
        })
    });
    let right: ArrayRef = Arc::new(right.collect::<Float64Array>());
    let right = cast(&right, &made.data_type())?;
    Ok(match made {
        ColumnarValue::Array(_) => ColumnarValue::Array(right),
        ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&right, 0)?),
    })
}

/// Whether a number has at most so many places after the point, in the shortest decimal that reads
/// back as it; `is_real` says that it is one of 32 bits.
fn has_at_most(places: i32, number: f64, is_real: bool) -> bool {
    let slack = if is_real { 1e-6 } else { 1e-14 };
    let scaled = number.abs() * 10_f64.powi(places);
    // To write a number takes longer, and most that are rounded need not be.
    if (scaled - scaled.round()).abs() > scaled * slack {
        return false;
    }
    let text = match is_real {
        true => format!("{:e}", number as f32),
        false => format!("{number:e}"),
    };
    let Some((digits, exponent)) = text.split_once('e') else {
        return false;
    };
    let decimals = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let exponent = exponent.parse::<i64>();
    exponent.is_ok_and(|exponent| decimals as i64 - exponent <= i64::from(places))
}
