//! Times: cut to their dates, and their range.

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray,
};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};
use catalog::manifest::TimeRange;
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::values;
use profile::days::DayNumber;

const SECONDS_PER_DAY: i64 = 86_400;

/// The date of each row, `None` for null. An instant is converted to `timezone` first; a clock
/// reading without a zone is taken as it is. Of a column that holds no times every date is `None`.
pub fn of_column(column: &dyn Array, timezone: Tz) -> Vec<Option<DayNumber>> {
    let day = |seconds: i64| DayNumber::try_from(seconds.div_euclid(SECONDS_PER_DAY)).ok();
    let per_second = match column.data_type() {
        DataType::Date32 => return column.as_primitive::<Date32Type>().iter().collect(),
        DataType::Timestamp(TimeUnit::Second, _) => 1,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000_000,
        _ => return vec![None; column.len()],
    };
    let Some(times) = values::integers(column) else {
        return vec![None; column.len()];
    };
    let seconds = times.iter().map(|time| Some(time?.div_euclid(per_second)));
    match column.data_type() {
        DataType::Timestamp(_, Some(_)) if timezone != Tz::UTC => seconds
            .map(|seconds| day(local(seconds?, timezone)?))
            .collect(),
        _ => seconds.map(|seconds| day(seconds?)).collect(),
    }
}

/// Seconds that a clock in `timezone` shows, counted as if it stood in UTC.
fn local(seconds: i64, timezone: Tz) -> Option<i64> {
    let instant = DateTime::from_timestamp(seconds, 0)?.naive_utc();
    let offset = timezone
        .offset_from_utc_datetime(&instant)
        .fix()
        .local_minus_utc();
    Some(seconds + i64::from(offset))
}

/// The range of times, with those of a batch; `None` while there is no time.
pub fn widened(
    range: Option<TimeRange>,
    batch: &RecordBatch,
    column: &str,
) -> Result<Option<TimeRange>> {
    let times = batch
        .column_by_name(column)
        .context("the column of time is prepared")?;
    Ok(match (range, self::range(times)?) {
        (Some(range), Some(other)) => Some(range.with(other)),
        (range, other) => range.or(other),
    })
}

/// Which rows of a batch are from one time to another, both included; an end that is `None` is
/// before or after all times.
///
/// # Errors
/// A batch without the column, or one that holds no times.
pub fn within(
    batch: &RecordBatch,
    column: &str,
    [from, to]: [Option<NaiveDateTime>; 2],
) -> Result<BooleanArray> {
    let times = batch
        .column_by_name(column)
        .context("the column of time is read")?;
    let micros = |end: Option<NaiveDateTime>| end.map(|end| end.and_utc().timestamp_micros());
    let from = micros(from).unwrap_or(i64::MIN);
    let to = micros(to).unwrap_or(i64::MAX);
    Ok(in_micros(times)?
        .iter()
        .map(|time| Some(time.is_some_and(|time| (from..=to).contains(&time))))
        .collect())
}

fn in_micros(times: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let found = values::microseconds(times);
    found.with_context(|| format!("a column of time is of type {}", times.data_type()))
}

pub(crate) fn range(times: &ArrayRef) -> Result<Option<TimeRange>> {
    let micros = in_micros(times)?;
    let (Some(first), Some(last)) = (min(&micros), max(&micros)) else {
        return Ok(None);
    };
    Ok(reading(first)
        .zip(reading(last))
        .map(|(first, last)| TimeRange { first, last }))
}

/// `None` for a time that no calendar reaches.
fn reading(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        ArrayRef, Date32Array, Int64Array, TimestampMicrosecondArray, TimestampNanosecondArray,
    };
    use profile::days::date;
    use std::sync::Arc;

    fn dates(column: ArrayRef, zone: &str) -> Vec<Option<String>> {
        of_column(&column, zone.parse().unwrap())
            .into_iter()
            .map(|day| day.and_then(date).map(|date| date.to_string()))
            .collect()
    }

    fn instants(times: &[&str]) -> Vec<i64> {
        times
            .iter()
            .map(|time| {
                DateTime::parse_from_rfc3339(time)
                    .unwrap()
                    .timestamp_micros()
            })
            .collect()
    }

    #[test]
    fn instants_are_cut_where_the_clock_of_the_time_zone_strikes_midnight() {
        // Berlin goes to summer time on 2025-03-30 at 01:00 UTC.
        let times = instants(&[
            "2025-03-29T22:59:59Z",
            "2025-03-29T23:00:00Z",
            "2025-03-30T21:59:59.999999Z",
            "2025-03-30T22:00:00Z",
            "1969-12-31T23:59:59.5Z",
        ]);
        let column: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"));
        let some = |dates: [&str; 5]| dates.map(|date| Some(date.to_owned())).to_vec();
        assert_eq!(
            dates(column.clone(), "Etc/UTC"),
            some([
                "2025-03-29",
                "2025-03-29",
                "2025-03-30",
                "2025-03-30",
                "1969-12-31"
            ])
        );
        assert_eq!(
            dates(column.clone(), "Europe/Berlin"),
            some([
                "2025-03-29",
                "2025-03-30",
                "2025-03-30",
                "2025-03-31",
                "1970-01-01"
            ])
        );
        assert_eq!(
            dates(column, "America/New_York")[3],
            Some("2025-03-30".to_owned())
        );
    }

    #[test]
    fn clock_readings_and_dates_stay_where_they_are() {
        let readings = instants(&["2025-03-29T23:30:00Z"]);
        let nanoseconds: ArrayRef =
            Arc::new(TimestampNanosecondArray::from(vec![readings[0] * 1000, -1]));
        assert_eq!(
            dates(nanoseconds, "Asia/Tokyo"),
            [Some("2025-03-29".into()), Some("1969-12-31".into())]
        );
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(-1), None, Some(i32::MAX)]));
        assert_eq!(
            dates(days, "Asia/Tokyo"),
            [Some("1969-12-31".into()), None, None]
        );
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert_eq!(dates(numbers, "Etc/UTC"), [None]);
    }
}
