//! Days that break on their own: the rows of all days together may hide them.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Weekday};
use profile::drift::NoiseFloor;

use super::ratio;
use crate::content::{ColumnDrift, OddPeriod, Periods};

/// Of fewer periods none stands out.
const PERIODS: usize = 5;
/// Periods of fewer rows are not looked at.
const ROWS: u64 = 30;
/// So many times what chance explains makes an index stand out.
const CLEAR: f64 = 2.0;
/// Up to one in so many periods stands out; more of them are how the column is, such as the day of
/// the week.
const RARE: usize = 10;
/// Nulls stand out where their share is so much above that of all rows.
const NULLS: f64 = 0.1;
/// So many times more rows, or fewer, than is usual stand out.
const UNEVEN: u64 = 4;
/// Days before a day, and after it, that show how many rows are usual then.
const NEAR: usize = 3;
/// So many dates in a row without rows are no days off.
const OUTAGE: usize = 7;

/// So few of so many that they are no pattern.
fn are_rare(few: usize, of: usize) -> bool {
    few <= (of / RARE).max(1)
}

/// Periods in which a column is unlike training while it is like it in the others: its index is at
/// least `alert`, and twice what chance explains in any column and period; or it lacks values in a
/// tenth more of the rows than in all periods, and chance, of which `floor` is, does not explain
/// it.
/// `missing` holds of each period the rows without a value, and all rows.
pub fn periods(
    column: &ColumnDrift,
    missing: &[[u64; 2]],
    periods: &Periods,
    floor: &NoiseFloor,
    alert: f64,
) -> Vec<OddPeriod> {
    let all = missing
        .iter()
        .fold([0, 0], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
    let odd = |(at, now): (usize, &[u64; 2])| {
        let psi = column.psi_by_period.get(at).copied().flatten()?;
        let noise_floor = *periods.noise_floor.get(at)?;
        let moved = psi >= alert && psi > CLEAR * noise_floor;
        let others = [all[0] - now[0], all[1] - now[1]];
        let (share, usual) = (ratio(now[0], now[1])?, ratio(all[0], all[1])?);
        let lacks = share - usual >= NULLS && !floor.explains(others, *now, 1);
        (now[1] >= ROWS && (moved || lacks)).then(|| OddPeriod {
            column: column.name.clone(),
            date: periods.dates[at],
            psi,
            noise_floor,
            missing: lacks.then_some(share),
        })
    };
    let found: Vec<OddPeriod> = missing.iter().enumerate().filter_map(odd).collect();
    match missing.len() >= PERIODS && are_rare(found.len(), missing.len()) {
        true => found,
        false => Vec::new(),
    }
}

/// Days with four times the rows of the median day or more, or a quarter or less, that stand out
/// among the days around them, and among the same days of the week, too: numbers may grow. The
/// first and the last may be days in part.
pub fn uneven(days: &[(NaiveDate, u64)]) -> Vec<(NaiveDate, u64)> {
    let median = median(days.iter().map(|(_, rows)| *rows));
    if days.len() < PERIODS || median < ROWS {
        return Vec::new();
    }
    let stands_out = |at: usize, rows: u64, usual: u64| {
        let in_part = at == 0 || at + 1 == days.len();
        rows >= UNEVEN * usual || (rows * UNEVEN <= usual && !in_part)
    };
    let is_odd = |(at, (date, rows)): &(usize, &(NaiveDate, u64))| {
        let from = at.saturating_sub(NEAR);
        let near = days
            .iter()
            .enumerate()
            .skip(from)
            .take(at + NEAR + 1 - from);
        let near = near.filter(|(other, _)| other != at);
        let near = self::median(near.map(|(_, (_, rows))| *rows));
        if !stands_out(*at, *rows, median) || !stands_out(*at, *rows, near) {
            return false;
        }
        let alike = days.iter();
        let alike = alike.filter(|(other, _)| *other != *date && other.weekday() == date.weekday());
        let alike: Vec<u64> = alike.map(|(_, rows)| *rows).collect();
        alike.len() < 2 || stands_out(*at, *rows, self::median(alike.into_iter()))
    };
    let odd = days.iter().enumerate().filter(is_odd);
    let odd: Vec<(NaiveDate, u64)> = odd.map(|(_, day)| *day).collect();
    match are_rare(odd.len(), days.len()) {
        true => odd,
        false => Vec::new(),
    }
}

/// The middle one of some counts, of two the larger one; 0 of none.
pub fn median(counts: impl Iterator<Item = u64>) -> u64 {
    let mut counts: Vec<u64> = counts.collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

/// Dates without rows between the first and the last of ascending ones, of the days of the week
/// that have rows more often than not; a week and more without rows says nothing of these, unless
/// that is how often there are rows.
pub fn gaps(dates: &[NaiveDate]) -> Vec<NaiveDate> {
    let between = dates.windows(2).map(|pair| {
        let (from, to) = (pair[0], pair[1]);
        let dates = from.iter_days().skip(1);
        dates.take_while(|date| *date < to).collect::<Vec<_>>()
    });
    let runs: Vec<Vec<NaiveDate>> = between.collect();
    let outages = runs.iter().filter(|run| run.len() >= OUTAGE).count();
    let are_outages = dates.len() >= PERIODS * outages;
    let off = runs.iter().filter(|run| !are_outages || run.len() < OUTAGE);
    let off: Vec<NaiveDate> = off.flatten().copied().collect();
    let by_weekday = |dates: &[NaiveDate]| -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for date in dates {
            *counts.entry(number_of(date.weekday())).or_insert(0) += 1;
        }
        counts
    };
    let (with, without) = (by_weekday(dates), by_weekday(&off));
    let of = |counts: &BTreeMap<u32, usize>, date: &NaiveDate| {
        let found = counts.get(&number_of(date.weekday()));
        found.copied().unwrap_or(0)
    };
    let lacking = runs.into_iter().flatten();
    lacking
        .filter(|date| of(&with, date) > of(&without, date))
        .collect()
}

fn number_of(day: Weekday) -> u32 {
    day.num_days_from_monday()
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use profile::cells::{Compared, Counted, Counts, Parts, Side};

    use super::*;
    use crate::content::Period;
    use crate::judge::Rules;
    use crate::judge::drift::{Column, judged, over};

    /// 2 November 2026, a Monday.
    fn date(day: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 2).unwrap() + Days::new(day)
    }

    /// What stands out of days with so many rows, whose values come of day and row.
    fn found(
        days: u64,
        rows: u64,
        value: &dyn Fn(u64, u64) -> Option<f64>,
    ) -> Vec<(NaiveDate, bool)> {
        let of = |seed: u64| learn::splitmix::uniform(7, seed);
        let trained = Counted::of(&(0..5000).map(of).collect::<Vec<_>>());
        let cells = &trained.cells;
        let then = Side::of(cells, &trained.counts);
        let parts = Parts::new(cells, &then);
        let floor = NoiseFloor::of(10 * days as usize);
        let mut all = Counts::new(cells);
        let (mut psi_by_period, mut missing) = (Vec::new(), Vec::new());
        for day in 0..days {
            let mut counts = Counts::new(cells);
            for row in 0..rows {
                match value(day, row) {
                    Some(value) => {
                        counts.add(cells, value, 1);
                    }
                    None => counts.add_nulls(1),
                }
            }
            all.merge(&counts).unwrap();
            let now = parts.rows(&Side::of(cells, &counts));
            missing.push([now[0], rows]);
            psi_by_period.push(parts.psi(&now, &floor).map(|psi| psi.value));
        }
        let compared = Compared::new(cells, then, Side::of(cells, &all));
        let column = Column {
            name: "x",
            compared: &compared,
            hidden: 0.0,
            distinct: None,
            categories: None,
            new: None,
            unknown: None,
            psi_by_period,
        };
        let column = judged(column, &NoiseFloor::of(10), &Rules::default());
        let dated: Vec<(NaiveDate, u64)> = (0..days).map(|day| (date(day), rows)).collect();
        let over = over(Period::Day, &dated, &floor, 5000, parts.len()).unwrap();
        let odd = periods(&column, &missing, &over, &floor, 0.25);
        odd.iter()
            .map(|of| (of.date, of.missing.is_some()))
            .collect()
    }

    /// A value as in training.
    fn usual(day: u64, row: u64) -> f64 {
        learn::splitmix::uniform(1000 + day, row)
    }

    #[test]
    fn a_day_of_nulls_and_one_of_a_constant_stand_out() {
        let on = |odd: u64, value: Option<f64>| {
            found(30, 100, &|day, row| match day == odd {
                true => value,
                false => Some(usual(day, row)),
            })
        };
        assert_eq!(on(14, None), [(date(14), true)]);
        assert_eq!(on(14, Some(0.5)), [(date(14), false)]);
        // A fifth of the rows of a day lack a value.
        let some = found(30, 100, &|day, row| {
            (day != 3 || row % 5 > 0).then(|| usual(day, row))
        });
        assert_eq!(some, [(date(3), true)]);
    }

    #[test]
    fn days_as_in_training_are_silent_and_so_is_what_every_day_does() {
        for seed in 0..20 {
            for rows in [30, 100, 500] {
                let still = found(30, rows, &|day, row| {
                    Some(usual(100 * (seed + 1) + day, row))
                });
                assert_eq!(still, [], "{seed} {rows}");
            }
        }
        // Each day has a value of its own.
        assert_eq!(found(30, 100, &|day, _| Some(day as f64 / 30.0)), []);
        // Weekends are other days.
        let weekends = found(28, 100, &|day, row| match day % 7 {
            0..5 => Some(usual(day, row)),
            _ => None,
        });
        assert_eq!(weekends, []);
        assert_eq!(
            found(4, 100, &|day, row| (day > 0).then(|| usual(day, row))),
            []
        );
    }

    #[test]
    fn days_of_many_more_rows_or_fewer_stand_out_among_their_days_of_the_week() {
        let days = |rows: &dyn Fn(u64) -> u64| -> Vec<(NaiveDate, u64)> {
            (0..30).map(|day| (date(day), rows(day))).collect()
        };
        let odd = |rows: &dyn Fn(u64) -> u64| uneven(&days(rows));
        assert_eq!(odd(&|day| 80 + day % 7 * 10), []);
        assert_eq!(
            odd(&|day| if day == 14 { 10 } else { 100 }),
            [(date(14), 10)]
        );
        assert_eq!(
            odd(&|day| if day == 14 { 500 } else { 100 }),
            [(date(14), 500)]
        );
        // Few rows on weekends, and on one Wednesday.
        let weekly = |day: u64| match day % 7 {
            0..5 if day != 16 => 100,
            _ => 10,
        };
        assert_eq!(odd(&weekly), [(date(16), 10)]);
        // Numbers that grow, and a day among them.
        assert_eq!(odd(&|day| 40 + 12 * day), []);
        assert_eq!(
            odd(&|day| if day == 20 { 30 } else { 40 + 12 * day }),
            [(date(20), 30)]
        );
        // A last day in part, and few rows in all.
        assert_eq!(odd(&|day| if day == 29 { 5 } else { 100 }), []);
        assert_eq!(odd(&|day| if day == 14 { 1 } else { 12 }), []);
    }

    #[test]
    fn dates_without_rows_are_gaps_on_days_of_the_week_that_have_some() {
        let without = |lacks: &dyn Fn(u64) -> bool| {
            let with: Vec<NaiveDate> = (0..30).filter(|day| !lacks(*day)).map(date).collect();
            gaps(&with)
        };
        assert_eq!(without(&|day| day == 14), [date(14)]);
        assert_eq!(without(&|day| (10..17).contains(&day)).len(), 7);
        for (first, last) in [(10, 20), (8, 24)] {
            let outage: Vec<NaiveDate> = (first..last).map(date).collect();
            assert_eq!(without(&|day| (first..last).contains(&day)), outage);
            // Where weekends have no rows, they are off then too.
            let working = outage.into_iter();
            let working = working.filter(|date| date.weekday().number_from_monday() < 6);
            let found = without(&|day| day % 7 > 4 || (first..last).contains(&day));
            assert_eq!(found, working.collect::<Vec<_>>());
        }
        // No weekend has rows; nor has a Monday.
        assert_eq!(without(&|day| day % 7 > 4 || day == 7), [date(7)]);
        assert_eq!(without(&|day| day % 15 > 0), []);
        assert_eq!(gaps(&[]), []);
    }
}
