//! Rows by period and PSI bucket, of every column at once: what a line of indices over time is made
//! from.

use std::collections::HashMap;

use chrono::NaiveDate;
use pages::content::Period;
use profile::cells::{Cells, Parts, Side};
use profile::days::{self, DayNumber};

/// Counters of all periods together, at most about so many.
const COUNTERS: usize = 3 << 20;
/// Up to so many periods are kept apart, where columns are few.
const MOST: usize = 750;
/// At least so many are, however many columns there are.
const LEAST: usize = 40;

/// The parts of every column's index: of the features, then of the score.
pub(crate) struct Columns {
    parts: Vec<Parts>,
    /// Where the counters of each column begin.
    offsets: Vec<usize>,
    width: usize,
}

impl Columns {
    /// Of columns in training.
    pub(crate) fn new<'a>(references: impl IntoIterator<Item = (&'a Cells, Side)>) -> Self {
        let references = references.into_iter();
        let parts: Vec<Parts> = references
            .map(|(cells, reference)| Parts::new(cells, &reference))
            .collect();
        let mut width = 0;
        let offsets = parts
            .iter()
            .map(|parts| {
                width += parts.len();
                width - parts.len()
            })
            .collect();
        Self {
            parts,
            offsets,
            width,
        }
    }

    /// Parts of the column that has the most.
    pub(crate) fn most_parts(&self) -> usize {
        self.parts.iter().map(Parts::len).max().unwrap_or(0)
    }

    pub(crate) fn parts(&self, column: usize) -> &Parts {
        &self.parts[column]
    }

    /// Periods that are kept apart: fewer of many columns, so that memory stays bounded.
    fn most(&self) -> usize {
        (COUNTERS / self.width.max(1)).clamp(LEAST, MOST)
    }
}

/// Rows by period. Periods grow longer when there are too many: what comes out depends on the dates
/// alone.
#[derive(Clone, Debug)]
pub(crate) struct PeriodCounts {
    pub(crate) unit: Period,
    most: usize,
    width: usize,
    /// First date and counters of each period, in the order in which they came.
    periods: Vec<(DayNumber, Vec<u64>)>,
    /// The place in `periods` of each date seen.
    places: HashMap<DayNumber, usize>,
    rows: Vec<u64>,
}

impl PeriodCounts {
    pub(crate) fn new(columns: &Columns) -> Self {
        Self {
            unit: Period::Day,
            most: columns.most(),
            width: columns.width,
            periods: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    /// The place of each row's period, for [`PeriodCounts::add`]; `None` without a date. Counts the
    /// rows.
    pub(crate) fn places(&mut self, days: &[Option<DayNumber>]) -> Vec<Option<usize>> {
        // Places hold until periods grow.
        while days.iter().flatten().any(|day| self.place(*day).is_none()) {
            self.grow();
        }
        let places: Vec<Option<usize>> = days.iter().map(|day| self.place((*day)?)).collect();
        places
            .iter()
            .flatten()
            .for_each(|&place| self.rows[place] += 1);
        places
    }

    fn place(&mut self, day: DayNumber) -> Option<usize> {
        if let Some(&place) = self.places.get(&day) {
            return Some(place);
        }
        let begin = begin(self.unit, day);
        let place = match self.places.get(&begin) {
            Some(&place) => place,
            None if self.periods.len() >= self.most && self.unit != Period::Year => return None,
            None => {
                self.periods.push((begin, vec![0; self.width]));
                self.rows.push(0);
                self.places.insert(begin, self.periods.len() - 1);
                self.periods.len() - 1
            }
        };
        self.places.insert(day, place);
        Some(place)
    }

    /// Puts periods together into longer ones. Weeks are none of them: a week lies in two months.
    fn grow(&mut self) {
        self.unit = match self.unit {
            Period::Day | Period::Week => Period::Month,
            Period::Month | Period::Year => Period::Year,
        };
        let (periods, rows) = (
            std::mem::take(&mut self.periods),
            std::mem::take(&mut self.rows),
        );
        self.places.clear();
        for ((begin, counts), rows) in periods.into_iter().zip(rows) {
            self.merge_period(begin, &counts, rows);
        }
    }

    fn merge_period(&mut self, begin: DayNumber, counts: &[u64], rows: u64) {
        let place = loop {
            match self.place(begin) {
                Some(place) => break place,
                None => self.grow(),
            }
        };
        self.rows[place] += rows;
        for (ours, theirs) in self.periods[place].1.iter_mut().zip(counts) {
            *ours += theirs;
        }
    }

    /// Counts the values of one column, each by its place among its cells, of rows of such periods.
    pub(crate) fn add(
        &mut self,
        columns: &Columns,
        column: usize,
        values: &[usize],
        places: &[Option<usize>],
    ) {
        let (parts, offset) = (&columns.parts[column], columns.offsets[column]);
        for (value, place) in values.iter().zip(places) {
            if let Some(place) = place {
                self.periods[*place].1[offset + parts.of(*value)] += 1;
            }
        }
    }

    /// Adds others.
    pub(crate) fn merge(&mut self, other: &Self) {
        while self.unit < other.unit {
            self.grow();
        }
        for ((begin, counts), rows) in other.periods.iter().zip(&other.rows) {
            self.merge_period(*begin, counts, *rows);
        }
    }

    /// First date and rows of each period, in order, with a column's rows by cell.
    pub(crate) fn sorted(&self) -> Vec<SortedPeriod<'_>> {
        let mut sorted: Vec<SortedPeriod> = self
            .periods
            .iter()
            .zip(&self.rows)
            .filter_map(|((begin, counts), &rows)| {
                Some(SortedPeriod {
                    date: days::date(*begin)?,
                    rows,
                    counts,
                })
            })
            .collect();
        sorted.sort_by_key(|period| period.date);
        sorted
    }
}

/// One period.
pub(crate) struct SortedPeriod<'a> {
    pub(crate) date: NaiveDate,
    pub(crate) rows: u64,
    counts: &'a [u64],
}

impl SortedPeriod<'_> {
    /// Rows of a column by part.
    pub(crate) fn of(&self, columns: &Columns, column: usize) -> &[u64] {
        &self.counts[columns.offsets[column]..][..columns.parts[column].len()]
    }
}

/// The first date of the period that a date lies in; one beyond the calendar is a period of its
/// own.
fn begin(unit: Period, day: DayNumber) -> DayNumber {
    days::date(day).map_or(day, |date| days::number(unit.begin_of(date)))
}

#[cfg(test)]
mod tests {
    use profile::cells::Counted;

    use super::*;

    fn reference() -> Counted {
        Counted::of(&(0..100).map(f64::from).collect::<Vec<_>>())
    }

    fn columns() -> Columns {
        let reference = reference();
        let side = Side::of(&reference.cells, &reference.counts);
        Columns::new([(&reference.cells, side.clone()), (&reference.cells, side)])
    }

    fn counted(days: &[i32], columns: &Columns) -> PeriodCounts {
        let mut counts = PeriodCounts::new(columns);
        let days: Vec<Option<DayNumber>> = days.iter().copied().map(Some).collect();
        let (places, cells) = (counts.places(&days), reference().cells);
        let values = days.iter().map(|day| f64::from(day.unwrap_or(0) % 90));
        let values: Vec<usize> = values.map(|value| cells.place(value)).collect();
        for column in 0..2 {
            counts.add(columns, column, &values, &places);
        }
        counts
    }

    fn shape(counts: &PeriodCounts, columns: &Columns) -> Vec<(NaiveDate, u64, Vec<u64>)> {
        counts
            .sorted()
            .iter()
            .map(|period| (period.date, period.rows, period.of(columns, 1).to_vec()))
            .collect()
    }

    #[test]
    fn many_days_become_months_and_years_in_whatever_order_they_come() {
        let columns = columns();
        for (days, unit) in [
            (700, Period::Day),
            (9_000, Period::Month),
            (40_000, Period::Year),
        ] {
            let all: Vec<i32> = (0..days).collect();
            let whole = counted(&all, &columns);
            assert_eq!(whole.unit, unit, "{days}");
            let (first, second) = all.split_at(days as usize / 3);
            let mut merged = counted(second, &columns);
            merged.merge(&counted(first, &columns));
            assert_eq!(merged.unit, unit);
            assert_eq!(shape(&merged, &columns), shape(&whole, &columns));
            let rows: u64 = shape(&whole, &columns)
                .iter()
                .map(|(_, rows, _)| rows)
                .sum();
            let cells: u64 = shape(&whole, &columns)
                .iter()
                .flat_map(|(_, _, cells)| cells)
                .sum();
            assert_eq!((rows, cells), (days as u64, days as u64));
        }
    }

    #[test]
    fn rows_without_a_date_are_in_no_period() {
        let columns = columns();
        let mut counts = PeriodCounts::new(&columns);
        assert_eq!(counts.places(&[None, Some(3), None]), [None, Some(0), None]);
        let values = [1.0, f64::NAN, 2.0].map(|value| reference().cells.place(value));
        counts.add(&columns, 0, &values, &[None, Some(0), None]);
        assert_eq!(
            counts.sorted()[0].of(&columns, 0)[0],
            1,
            "the NaN is missing"
        );
        assert_eq!(counts.sorted()[0].rows, 1);
    }
}
