//! Partitions of a month each: made as rows come, and dropped whole by retention.

use std::collections::BTreeSet;

use anyhow::Result;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use tokio_postgres::types::Type;

use super::binary::{Cells, DAY_MICROS, MICROS};
use super::definition::Definition;
use super::names::{self, Table};
use super::session::{Session, get};
use profile::days;
use runtime::failure::Failure;
use runtime::retry::Trouble;
use settings::published::NAME_BYTES;

/// A month, counted from January of year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(i32);

impl Month {
    /// The last of the calendar holds what Postgres takes beyond it.
    fn of_day(day: days::DayNumber) -> Self {
        Self::of_date(days::date(day).unwrap_or(NaiveDate::MAX))
    }

    fn of_date(date: NaiveDate) -> Self {
        Self(date.year() * 12 + date.month0() as i32)
    }

    /// The month that holds a moment.
    pub(super) fn of(moment: DateTime<Utc>) -> Self {
        Self::of_date(moment.date_naive())
    }

    pub(super) fn first_day(self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.0.div_euclid(12), self.0.rem_euclid(12) as u32 + 1, 1)
    }

    /// Its first day, and that of the next month; the last day that there is for the last month.
    fn bounds(self) -> Option<(NaiveDate, NaiveDate)> {
        let end = Self(self.0 + 1).first_day().unwrap_or(NaiveDate::MAX);
        Some((self.first_day()?, end))
    }
}

/// The months of a column of time.
pub(super) fn months(times: &Cells) -> BTreeSet<Month> {
    let Some((first, last)) = times.span() else {
        return BTreeSet::new();
    };
    let month = |micros: i64| Month::of_day(micros.div_euclid(DAY_MICROS) as days::DayNumber);
    if month(first) == month(last) {
        return [month(first)].into();
    }
    // Rows lie in the order of their files, in which a day is often followed by the same.
    let mut days = BTreeSet::new();
    times.each_moment(|micros| {
        days.insert(micros.div_euclid(DAY_MICROS) as days::DayNumber);
    });
    days.into_iter().map(Month::of_day).collect()
}

/// A partition, with its range of time.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Its full name, quoted.
    pub(super) name: String,
    /// Its first moment; `None` from the beginning of time on.
    pub(super) from: Option<DateTime<Utc>>,
    /// The first moment after it; `None` until the end of time.
    pub(super) to: Option<DateTime<Utc>>,
    /// Whether it has a range; a default partition has none.
    pub(super) has_range: bool,
}

/// The partitions of a table that is cut by ranges of its column of time; `None` when it is not.
pub(super) async fn look_up(
    session: &Session<'_>,
    table: &Table,
    time: &str,
) -> Result<Option<Vec<Partition>>, Trouble> {
    let name = table.to_string();
    let by_time = session
        .query(
            "looking up how the table is cut",
            "SELECT partstrat = 'r' AND partnatts = 1 AND attname = $2 FROM pg_partitioned_table \
             JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = to_regclass($1)",
            &[(&name, Type::TEXT), (&time, Type::TEXT)],
        )
        .await?;
    if !by_time.first().map_or(Ok(false), |row| get(row, 0))? {
        return Ok(None);
    }
    // The transaction's time zone is UTC, in which clock readings are taken too.
    let rows = session
        .query(
            "looking up the partitions",
            r"SELECT c.oid::regclass::text, NULLIF(trim(BOTH '''' FROM bound[1]), 'MINVALUE')::timestamptz,
                  NULLIF(trim(BOTH '''' FROM bound[2]), 'MAXVALUE')::timestamptz, bound IS NOT NULL FROM pg_inherits
              JOIN pg_class c ON c.oid = inhrelid
              LEFT JOIN LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((.*?)\) TO \((.*?)\)')) AS b (bound)
                  ON true
              WHERE inhparent = to_regclass($1) ORDER BY 2 NULLS FIRST, 1",
            &[(&name, Type::TEXT)],
        )
        .await?;
    let partition = |row| {
        Ok(Partition {
            name: get(row, 0)?,
            from: get(row, 1)?,
            to: get(row, 2)?,
            has_range: get(row, 3)?,
        })
    };
    rows.iter()
        .map(partition)
        .collect::<Result<_, Trouble>>()
        .map(Some)
}

/// The parts of a range of time that no partition covers; `partitions` are in the order of their
/// first moments.
fn uncovered(
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    partitions: &[Partition],
) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let (mut gaps, mut start) = (Vec::new(), from);
    let ranges = partitions.iter().filter(|partition| partition.has_range);
    for partition in ranges.filter(|of| of.to.is_none_or(|end| end > from)) {
        let begin = partition.from.unwrap_or(start).min(to);
        if begin > start {
            gaps.push((start, begin));
        }
        start = start.max(partition.to.unwrap_or(to));
    }
    if start < to {
        gaps.push((start, to));
    }
    gaps
}

/// Makes the partitions of months that have none, and of the rest of those that partitions of a
/// person cover in part. Whoever calls this holds the table's lock.
/// Readers are not held up: a partition is made apart, and attaching it takes no lock that they ask
/// for.
pub(super) async fn ensure(
    session: &Session<'_>,
    table: &Table,
    wanted: &Definition,
    months: &BTreeSet<Month>,
    kept_from: Option<DateTime<Utc>>,
) -> Result<(), Trouble> {
    let Some(time) = &wanted.time else {
        return Ok(());
    };
    let Some(partitions) = look_up(session, table, time).await? else {
        return Ok(());
    };
    let kept = |month: &&Month| kept_from.is_none_or(|kept_from| **month >= Month::of(kept_from));
    for (from, to) in months
        .iter()
        .filter(kept)
        .filter_map(|month| month.bounds())
    {
        let month = (midnight(from), midnight(to));
        for range in uncovered(month, &partitions) {
            let format = if range == month { "_%m" } else { "_%m_%d" };
            let name = format!("{}_{}", table.name, named(range.0.date_naive(), format));
            make(session, table, &name, range).await?;
        }
    }
    Ok(())
}

/// A day as names hold it: its year without a sign, the rest as `format` says, and the era before
/// year 1.
fn named(day: NaiveDate, format: &str) -> String {
    let (is_ad, year) = day.year_ce();
    let era = if is_ad { "" } else { "_bc" };
    format!("{year:04}{}{era}", day.format(format))
}

/// An end of a range as SQL takes it.
fn bound(moment: DateTime<Utc>) -> String {
    // The first month of Postgres begins before its first moment, and the last one has no end.
    if moment.date_naive() == NaiveDate::MAX {
        "MAXVALUE".to_owned()
    } else if moment.timestamp_micros() < *MICROS.start() {
        "MINVALUE".to_owned()
    } else {
        names::moment(moment)
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(chrono::NaiveTime::MIN).and_utc()
}

async fn make(
    session: &Session<'_>,
    table: &Table,
    name: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Trouble> {
    if name.len() > NAME_BYTES {
        return Err(Trouble::Lasting(Failure::usage(format!(
            "the partition {name:?} of {table} would have a name of more than the {NAME_BYTES} bytes that Postgres keeps: \
             choose a shorter name of the table (--predictions-table, PREDICTIONS_TABLE)"
        ))));
    }
    let partition = table.beside(name);
    let sql = format!(
        "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);\
         ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({}) TO ({});",
        bound(from),
        bound(to)
    );
    let operation = format!("making the partition {partition}");
    tracing::info!("{}: {operation}", session.service);
    session.execute_batch(&operation, &sql).await
}

#[cfg(test)]
mod tests;
