//! Dates as numbers of days. Pure.

use chrono::{NaiveDate, TimeDelta};

/// A date, in days since 1970-01-01.
pub type DayNumber = i32;

/// The date of a number; `None` beyond the calendar.
pub fn date(day: DayNumber) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(TimeDelta::try_days(i64::from(day))?)
}

/// The number of a date.
pub fn number(date: NaiveDate) -> DayNumber {
    // A calendar's days are far fewer than 2^31.
    (date - NaiveDate::default()).num_days() as DayNumber
}
