//! Retention: rows older than a number of days are dropped, by whole partitions where there are some, and do not come back.
//!
//! Their profiles are kept: they are small, and history is what a dashboard shows. What was dropped up to is remembered, and
//! rows from before are left out of everything that is published afterwards.

use anyhow::Result;
use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::partitions::{self, Month};
use super::publication::Publication;
use super::session::{Session, get};
use super::side_table::SideTable;
use super::table::{self, Table, literal, quoted};
use super::{Database, STAGE};
use crate::failure::Failure;
use crate::retry::Trouble;

const RETENTION: SideTable = SideTable {
    name: "prediction_retention",
    comment: "Up to when Alameda has dropped old predictions. Rows from before are not published again.",
    columns: &[
        ("predictions_table", "text", "The table that rows were dropped from."),
        (
            "kept_from",
            "timestamptz NOT NULL",
            "Time of the oldest rows that are kept; clock readings are taken as UTC.",
        ),
    ],
    key: "PRIMARY KEY (predictions_table)",
};

/// What retention dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Partitions that were dropped whole.
    pub partitions: u64,
    /// Rows that were deleted from what is not dropped whole.
    pub rows: u64,
}

impl Database {
    /// Drops rows whose time is more than `days` days before `now`. A table with partitions by time loses those that lie
    /// before the month of that day whole, and nothing else; another one loses the rows before that day.
    ///
    /// # Errors
    /// Predictions without a column of time: exit 2.
    pub async fn retain(
        &self,
        table: &Table,
        publication: &Publication,
        days: u32,
        now: DateTime<Utc>,
    ) -> Result<Dropped> {
        let Some(time) = &publication.time else {
            return Err(Failure::usage(format!(
                "rows of {table} are to be kept for {days} days, and the predictions have no column of time: leave out \
                 --retention-days (RETENTION_DAYS), or give a column of dataset.json the role time"
            )));
        };
        let dropped = self
            .transaction(&format!("dropping old rows of {table}"), async |session| {
                drop_old(session, table, time, days, now).await
            })
            .await?;
        if dropped != Dropped::default() {
            tracing::info!(
                "{} partitions and {} rows of {table} were older than {days} days, and are dropped; their profiles stay",
                dropped.partitions,
                dropped.rows
            );
        }
        Ok(dropped)
    }
}

async fn drop_old(
    session: &Session<'_>,
    table: &Table,
    time: &str,
    days: u32,
    now: DateTime<Utc>,
) -> Result<Dropped, Trouble> {
    session.lock(table).await?;
    let existing = table::look_up(session, table).await?;
    let Some(type_of_time) = existing.as_ref().and_then(|existing| existing.type_of(time)) else {
        return Ok(Dropped::default());
    };
    let Some(oldest) = oldest_day(session, type_of_time, days, now) else { return Ok(Dropped::default()) };
    let before = kept_from(session, table).await?;
    let mut dropped = Dropped::default();
    let from = match partitions::look_up(session, table, time).await? {
        Some(partitions) => {
            let from = month_of(oldest).max(before.unwrap_or(DateTime::<Utc>::MIN_UTC));
            for partition in partitions.iter().filter(|partition| partition.to.is_some_and(|to| to <= from)) {
                session.execute_batch("dropping a partition", &format!("DROP TABLE {}", partition.name)).await?;
                dropped.partitions += 1;
            }
            from
        }
        None => oldest.max(before.unwrap_or(DateTime::<Utc>::MIN_UTC)),
    };
    let sql = format!("DELETE FROM {table} WHERE {} < {}", quoted(time), moment(from));
    dropped.rows = session.execute("deleting old rows", &sql, &[]).await?;
    if before != Some(from) {
        remember(session, table, from).await?;
    }
    Ok(dropped)
}

/// The first moment of the oldest day that is kept. A clock reading has no zone, and is taken as UTC from here on.
fn oldest_day(session: &Session<'_>, type_of_time: &str, days: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let timezone = session.step.timezone();
    let midnight =
        now.with_timezone(&timezone).date_naive().checked_sub_days(Days::new(days.into()))?.and_time(NaiveTime::MIN);
    match type_of_time {
        // Where the clock skips midnight, the day begins at the next reading that there is.
        "timestamp with time zone" => (0..24)
            .find_map(|hours| timezone.from_local_datetime(&(midnight + chrono::TimeDelta::hours(hours))).earliest())
            .map(|instant| instant.to_utc()),
        _ => Some(midnight.and_utc()),
    }
}

fn month_of(moment: DateTime<Utc>) -> DateTime<Utc> {
    Month::of(moment).first_day().map_or(moment, |day| day.and_time(NaiveTime::MIN).and_utc())
}

/// A moment as a column of time of any type takes it: the transaction's time zone is UTC.
fn moment(moment: DateTime<Utc>) -> String {
    literal(&moment.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}

/// From when on rows are kept; `None` when nothing was ever dropped.
pub(super) async fn kept_from(session: &Session<'_>, table: &Table) -> Result<Option<DateTime<Utc>>, Trouble> {
    if !RETENTION.exists(session, table).await? {
        return Ok(None);
    }
    let sql = format!("SELECT kept_from FROM {} WHERE predictions_table = $1", RETENTION.beside(table));
    let rows = session.query("looking up what was dropped", &sql, &[(&table.name, Type::TEXT)]).await?;
    rows.first().map(|row| get(row, 0)).transpose()
}

async fn remember(session: &Session<'_>, table: &Table, from: DateTime<Utc>) -> Result<(), Trouble> {
    RETENTION.ensure(session, table).await?;
    let sql = format!(
        "INSERT INTO {} VALUES ($1, $2) ON CONFLICT (predictions_table) DO UPDATE SET kept_from = excluded.kept_from",
        RETENTION.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&table.name, Type::TEXT), (&from, Type::TIMESTAMPTZ)];
    session.execute("remembering what was dropped", &sql, &parameters).await.map(drop)
}

/// Leaves staged rows out that are older than what is kept; gives how many.
pub(super) async fn leave_out(
    session: &Session<'_>,
    table: &Table,
    time: Option<&str>,
    kept_from: Option<DateTime<Utc>>,
) -> Result<u64, Trouble> {
    let (Some(time), Some(from)) = (time, kept_from) else { return Ok(0) };
    let sql = format!("DELETE FROM {STAGE} WHERE {} < {}", quoted(time), moment(from));
    let rows = session.execute("leaving out old rows", &sql, &[]).await?;
    if rows > 0 {
        tracing::warn!(
            rows,
            "{rows} rows are from before {}, up to when retention has dropped rows of {table}: they are left out",
            from.format("%Y-%m-%d %H:%M UTC")
        );
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
