//! Moments that stand for none, such as 9999-12-31.

use anyhow::Result;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use serde_json::json;
use table::dataset::{ColumnType, HoldoutRule};

use crate::column::Column;
use crate::findings::SENTINEL_ROWS;
use crate::places::Places;
use crate::question::{Question, quoted};
use crate::sample::Sampled;

/// Values of a column at least.
const VALUES: usize = 4;
/// How many times as many rows as any other day a usual placeholder has, if it is not far from all.
const FREQUENT: u64 = 3;
/// Days that programs put where there is none.
const USUAL: [&str; 7] = [
    "0001-01-01",
    "1899-12-30",
    "1900-01-01",
    "1970-01-01",
    "2099-12-31",
    "2999-12-31",
    "9999-12-31",
];

/// A moment before or after all others, of more rows than a slip of a hand.
pub(crate) struct Far {
    /// As [`Column::ticks`] has it.
    pub(crate) tick: i64,
    rows: u64,
    first: usize,
    year: i32,
    is_late: bool,
    /// Rows of the first and the last one of the others.
    others: [usize; 2],
}

impl Far {
    pub(crate) fn of(column: &Column) -> Result<Option<Self>> {
        if !column.is_moment() || column.distinct.len() < VALUES {
            return Ok(None);
        }
        let ticks = column.ticks()?;
        let values = column.distinct.iter();
        let values = values.filter_map(|&(_, rows, first)| Some((ticks[first]?, rows, first)));
        let mut values: Vec<(i64, u64, usize)> = values.collect();
        values.sort_unstable();
        let at_end = |is_late: bool| Self::at_end(&values, is_late, column.column_type);
        Ok([true, false].into_iter().find_map(at_end))
    }

    fn at_end(values: &[(i64, u64, usize)], is_late: bool, of: ColumnType) -> Option<Self> {
        let (&(tick, rows, first), others) = match is_late {
            true => values.split_last()?,
            false => values.split_first()?,
        };
        let (low, high) = (others.first()?, others.last()?);
        let near = if is_late { high.0 } else { low.0 };
        let date = day(of, tick)?;
        let is_usual = USUAL.contains(&date.to_string().as_str());
        let most = others.iter().map(|other| other.1).max()?;
        let is_far = tick.abs_diff(near) > high.0.abs_diff(low.0);
        let is_apart = is_far || is_usual && rows > FREQUENT * most;
        let is_other_year = day(of, near)?.year() != date.year();
        (rows >= SENTINEL_ROWS && is_apart && is_other_year).then_some(Self {
            tick,
            rows,
            first,
            year: date.year(),
            is_late,
            others: [low.2, high.2],
        })
    }

    fn question(&self, column: &Column, time: Option<HoldoutRule>, places: &Places) -> Question {
        let held_out = match time {
            Some(HoldoutRule::After(_)) if self.is_late => {
                ", so they are held out as the last ones"
            }
            _ => "",
        };
        let seen = format!(
            "{} of {} values are {}, the first in {}, all others from {} to {}{held_out}",
            self.rows,
            column.rows(),
            column.show(self.first),
            places.of(self.first),
            column.show(self.others[0]),
            column.show(self.others[1]),
        );
        let name = quoted(&column.name);
        let sign = if self.is_late { '<' } else { '>' };
        let is_real = format!("date_part('year', {name}) {sign} {}", self.year);
        let advice = match time {
            Some(_) => format!(
                "if it stands for an unknown time, \"train_filter\": {} in dataset.json leaves such \
                 rows out of training and holdout",
                json!(is_real)
            ),
            None => format!(
                "if it stands for an unknown time, CASE WHEN {is_real} THEN {name} END in \
                 features.sql makes it null"
            ),
        };
        Question::new(&column.name, seen, advice)
    }
}

/// Asks about the moments of all columns; `time` is that of the rows.
pub(crate) fn questions(
    sampled: &Sampled,
    time: Option<usize>,
    holdout: HoldoutRule,
) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    for (at, column) in sampled.columns.iter().enumerate() {
        let rule = (Some(at) == time).then_some(holdout);
        let far = Far::of(column)?;
        questions.extend(far.map(|far| far.question(column, rule, &sampled.places)));
    }
    Ok(questions)
}

/// The day of a moment as [`Column::ticks`] has it.
pub(crate) fn day(column_type: ColumnType, tick: i64) -> Option<NaiveDate> {
    match column_type {
        ColumnType::Date => NaiveDate::default().checked_add_signed(TimeDelta::try_days(tick)?),
        _ => Some(DateTime::from_timestamp_micros(tick)?.date_naive()),
    }
}
