//! Which dates are shown: a date that is wrong must not squeeze, or empty, what is shown of the
//! others.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use profile::days::{self, DayNumber};

use crate::content::Outside;

/// Days before the bulk of the rows within which rows belong to them, however close together these
/// are.
const NEAR: i64 = 366;
/// The same, in spans of the middle half of the rows.
const SPANS: i64 = 5;

/// The dates that are shown, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    first: i64,
    last: i64,
    /// What lies outside.
    pub outside: Outside,
}

impl Window {
    /// For rows by day that were scored on a date: up to that date, and from where the rows begin.
    /// Where all are dated after it, they are shown all the same.
    pub fn new(rows: &BTreeMap<DayNumber, u64>, scored: NaiveDate) -> Self {
        let scored = i64::from(days::number(scored));
        let dated = || rows.iter().map(|(day, rows)| (i64::from(*day), *rows));
        let (mut within, later): (Vec<_>, Vec<_>) = dated().partition(|(day, _)| *day <= scored);
        let in_time = later.is_empty() || !within.is_empty();
        if !in_time {
            within.clone_from(&later);
        }
        let (low, high) = (quartile(&within, 1), quartile(&within, 3));
        let reach = NEAR.max(SPANS * (high - low));
        let (first, last) = (low - reach, if in_time { scored } else { high + reach });
        let ancient: Vec<(i64, u64)> = dated().filter(|(day, _)| *day < first).collect();
        let sum = |rows: &[(i64, u64)]| rows.iter().map(|(_, rows)| rows).sum();
        let date = |day: Option<&(i64, u64)>| days::date(DayNumber::try_from(day?.0).ok()?);
        Self {
            first,
            last,
            outside: Outside {
                later_rows: sum(&later),
                latest: date(later.last()),
                ancient_rows: sum(&ancient),
                earliest: date(ancient.first()),
            },
        }
    }

    /// Whether a date is shown.
    pub fn holds(&self, date: NaiveDate) -> bool {
        self.holds_day(days::number(date))
    }

    /// Whether a day is shown.
    pub fn holds_day(&self, day: DayNumber) -> bool {
        (self.first..=self.last).contains(&i64::from(day))
    }

    /// Whether any day of a longer period is shown, which begins with `first` and ends before
    /// `end`.
    pub fn meets(&self, first: NaiveDate, end: NaiveDate) -> bool {
        let (first, end) = (days::number(first), days::number(end));
        i64::from(first) <= self.last && i64::from(end) > self.first
    }
}

/// The day up to which so many quarters of the rows lie; 0 without rows.
fn quartile(rows: &[(i64, u64)], quarters: u128) -> i64 {
    let all: u128 = rows.iter().map(|(_, rows)| u128::from(*rows)).sum();
    let mut below = 0_u128;
    rows.iter()
        .find(|(_, rows)| {
            below += u128::from(*rows);
            below * 4 >= all * quarters
        })
        .map_or(0, |(day, _)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn window(rows: &[(&str, u64)], scored: &str) -> Window {
        let rows = rows
            .iter()
            .map(|(date, rows)| (days::number(day(date)), *rows));
        Window::new(&rows.collect(), day(scored))
    }

    #[test]
    fn it_ends_with_the_day_of_scoring_and_begins_with_the_rows() {
        let rows = [
            ("1970-01-01", 2),
            ("2025-03-01", 500),
            ("2025-03-02", 400),
            ("2025-03-03", 7),
            ("9999-12-31", 1),
        ];
        let found = window(&rows, "2025-03-02");
        assert_eq!(
            found.outside,
            Outside {
                later_rows: 8,
                latest: Some(day("9999-12-31")),
                ancient_rows: 2,
                earliest: Some(day("1970-01-01")),
            }
        );
        let shown = rows.map(|(date, _)| found.holds(day(date)));
        assert_eq!(shown, [false, true, true, false, false]);
        assert!(found.meets(day("2025-03-01"), day("2025-04-01")));
        assert!(!found.meets(day("2025-04-01"), day("2025-05-01")));

        // Scored long after, as with old data.
        let found = window(&rows, "2026-11-28");
        assert_eq!(
            (found.outside.later_rows, found.outside.ancient_rows),
            (1, 2)
        );
    }

    #[test]
    fn years_of_history_are_no_wrong_dates() {
        let months: Vec<String> = (0..120)
            .map(|i| format!("{}-{:02}-01", 2016 + i / 12, i % 12 + 1))
            .collect();
        let rows: Vec<(&str, u64)> = months.iter().map(|date| (date.as_str(), 10)).collect();
        assert_eq!(window(&rows, "2026-01-01").outside, Outside::default());
    }

    #[test]
    fn rows_that_are_all_dated_later_are_shown_and_counted() {
        let rows = [("2025-03-05", 5), ("2025-03-06", 5), ("9999-01-01", 1)];
        let found = window(&rows, "2025-03-02");
        assert_eq!(found.outside.later_rows, 11);
        let shown = rows.map(|(date, _)| found.holds(day(date)));
        assert_eq!(shown, [true, true, false]);
        assert_eq!(window(&[], "2025-03-02").outside, Outside::default());
    }
}
