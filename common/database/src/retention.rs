//! Retention: rows of a model name that are older than a number of days are dropped, and do not
//! come back. A partition goes whole once no other model has rows in it.
//!
//! Their profiles are kept: they are small, and history is what a dashboard shows. What was dropped
//! up to is remembered, and rows from before are left out of everything that is published of the
//! model name afterwards.

use anyhow::Result;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::names::{Table, moment, quoted};
use super::partitions::{self, Month, Partition};
use super::publication::Publication;
use super::session::{Session, get};
use super::side_table::SideTable;
use super::stage::STAGE;
use super::{Database, definition};
use runtime::failure::Failure;
use runtime::retry::Trouble;

pub(super) const RETENTION: SideTable = SideTable {
    name: "prediction_retention",
    comment: "The time before which Alameda has dropped predictions of a model. It does not publish older rows again.",
    columns: &[
        (
            "predictions_table",
            "text NOT NULL",
            "The table that rows were dropped from.",
        ),
        (
            "model_name",
            "text NOT NULL",
            "Registered name of the model whose rows were dropped.",
        ),
        (
            "kept_from",
            "timestamptz NOT NULL",
            "Time of the oldest rows that are kept; clock readings are taken as UTC.",
        ),
        (
            "first_day",
            "date NOT NULL",
            "Day of that time. Profiles of earlier days are always kept.",
        ),
    ],
    key: "PRIMARY KEY (predictions_table, model_name)",
};

/// The type of a column of instants, as Postgres shows it.
const INSTANT: &str = "timestamp with time zone";

/// How long the rows of a model name are kept.
#[derive(Clone, Debug)]
pub struct Retention {
    model_name: String,
    /// Name of the column of time.
    time: String,
    days: u32,
}

impl Retention {
    /// Keeps rows like those of `publication` for `days` days.
    ///
    /// # Errors
    /// Predictions without a column of time: exit 2.
    pub fn new(publication: &Publication, days: u32) -> Result<Self> {
        let time = publication.time.clone().ok_or_else(|| {
            Failure::usage(format!(
                "RETENTION_DAYS is {days}, and the predictions have no time column: leave out \
                 --retention-days (RETENTION_DAYS), or give a column of dataset.json the role \
                 time and train a new version"
            ))
        })?;
        Ok(Self {
            model_name: publication.model_name.clone(),
            time,
            days,
        })
    }
}

/// What retention dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Partitions that were dropped whole.
    pub partitions: u64,
    /// Rows that were deleted from what is not dropped whole.
    pub rows: u64,
}

impl Database {
    /// Drops the model's rows that are older, at `now`, than the days that rows are kept. A table
    /// with partitions by time loses those before the month of that day, and the partitions that
    /// then hold none of another model; another one loses the rows before that day.
    ///
    /// # Errors
    /// A database that does not answer: exit 75. A partition that can't be dropped: exit 2.
    pub async fn retain(
        &self,
        table: &Table,
        retention: &Retention,
        now: DateTime<Utc>,
    ) -> Result<Dropped> {
        let operation = format!("dropping old rows of {table}");
        let dropped = self
            .transaction(&operation, async |session| {
                drop_old(session, table, retention, now).await
            })
            .await?;
        if dropped != Dropped::default() {
            tracing::info!(
                "{} partitions and {} rows of model {} in {table} were older than {} days, and are dropped; their profiles stay",
                dropped.partitions,
                dropped.rows,
                retention.model_name,
                retention.days
            );
        }
        Ok(dropped)
    }
}

async fn drop_old(
    session: &Session<'_>,
    table: &Table,
    retention: &Retention,
    now: DateTime<Utc>,
) -> Result<Dropped, Trouble> {
    let Retention {
        model_name,
        time,
        days,
    } = retention;
    session.lock(table).await?;
    let existing = definition::look_up(session, table).await?;
    let Some(type_of_time) = existing
        .as_ref()
        .and_then(|existing| existing.type_of(time))
    else {
        return Ok(Dropped::default());
    };
    let Some(oldest) = oldest_day(session, type_of_time, *days, now) else {
        return Ok(Dropped::default());
    };
    let before = kept_from(session, table, model_name).await?;
    let mut dropped = Dropped::default();
    let partitions = partitions::look_up(session, table, time).await?;
    let oldest = if partitions.is_some() {
        month_of(oldest)
    } else {
        oldest
    };
    let from = before.map_or(oldest, |before| before.max(oldest));
    for partition in partitions
        .iter()
        .flatten()
        .filter(|partition| partition.to.is_some_and(|to| to <= from))
    {
        if !holds_others(session, partition, model_name).await? {
            session
                .execute_batch(
                    "dropping a partition",
                    &format!("DROP TABLE {}", partition.name),
                )
                .await?;
            dropped.partitions += 1;
        }
    }
    let sql = format!(
        "DELETE FROM {table} WHERE {} < {} AND model_name = $1",
        quoted(time),
        moment(from)
    );
    dropped.rows = session
        .execute("deleting old rows", &sql, &[(model_name, Type::TEXT)])
        .await?;
    if before != Some(from) {
        let zone = if type_of_time == INSTANT {
            session.step.timezone()
        } else {
            chrono_tz::UTC
        };
        remember(
            session,
            table,
            model_name,
            from,
            from.with_timezone(&zone).date_naive(),
        )
        .await?;
    }
    Ok(dropped)
}

/// Whether a partition holds rows of another model name: those that it still wants, or it would
/// have dropped them.
async fn holds_others(
    session: &Session<'_>,
    partition: &Partition,
    model_name: &str,
) -> Result<bool, Trouble> {
    let sql = format!(
        "SELECT FROM {} WHERE model_name <> $1 LIMIT 1",
        partition.name
    );
    // Where there are none, all rows are read.
    let found = session
        .execute(
            "looking for other models' rows",
            &sql,
            &[(&model_name, Type::TEXT)],
        )
        .await?;
    Ok(found > 0)
}

/// The first moment of the oldest day that is kept; `None` before year 1, which keeps all rows. A
/// clock reading has no zone, and is taken as UTC from here on.
fn oldest_day(
    session: &Session<'_>,
    type_of_time: &str,
    days: u32,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let timezone = session.step.timezone();
    let midnight = now
        .with_timezone(&timezone)
        .date_naive()
        .checked_sub_days(Days::new(days.into()))
        .filter(|day| day.year() >= 1)?
        .and_time(NaiveTime::MIN);
    match type_of_time {
        // Where the clock skips midnight, the day begins at the next reading that there is.
        INSTANT => (0..24)
            .find_map(|hours| {
                timezone
                    .from_local_datetime(&(midnight + chrono::TimeDelta::hours(hours)))
                    .earliest()
            })
            .map(|instant| instant.to_utc()),
        _ => Some(midnight.and_utc()),
    }
}

fn month_of(moment: DateTime<Utc>) -> DateTime<Utc> {
    Month::of(moment)
        .first_day()
        .map_or(moment, |day| day.and_time(NaiveTime::MIN).and_utc())
}

/// From when on rows of a model name are kept; `None` when none of it was ever dropped.
pub(super) async fn kept_from(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
) -> Result<Option<DateTime<Utc>>, Trouble> {
    if !RETENTION.exists(session, table).await? {
        return Ok(None);
    }
    let retention = RETENTION.beside(table);
    let sql = format!(
        "SELECT kept_from FROM {retention} WHERE predictions_table = $1 AND model_name = $2"
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.name, Type::TEXT), (&model_name, Type::TEXT)];
    let rows = session
        .query(&format!("reading {retention}"), &sql, &parameters)
        .await?;
    rows.first().map(|row| get(row, 0)).transpose()
}

async fn remember(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
    from: DateTime<Utc>,
    first_day: NaiveDate,
) -> Result<(), Trouble> {
    RETENTION.ensure(session, table).await?;
    let sql = format!(
        "INSERT INTO {} (predictions_table, model_name, kept_from, first_day) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (predictions_table, model_name) DO UPDATE SET kept_from = excluded.kept_from, first_day = excluded.first_day",
        RETENTION.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&table.name, Type::TEXT),
        (&model_name, Type::TEXT),
        (&from, Type::TIMESTAMPTZ),
        (&first_day, Type::DATE),
    ];
    session
        .execute("recording what was dropped", &sql, &parameters)
        .await
        .map(drop)
}

/// Leaves staged rows out that are older than what is kept; gives how many.
pub(super) async fn leave_out(
    session: &Session<'_>,
    table: &Table,
    time: Option<&str>,
    kept_from: Option<DateTime<Utc>>,
) -> Result<u64, Trouble> {
    let (Some(time), Some(from)) = (time, kept_from) else {
        return Ok(0);
    };
    let sql = format!(
        "DELETE FROM {STAGE} WHERE {} < {}",
        quoted(time),
        moment(from)
    );
    let rows = session.execute("leaving out old rows", &sql, &[]).await?;
    if rows > 0 {
        tracing::warn!(
            rows,
            "{rows} rows are older than {}, the time before which retention has dropped rows of {table}: they are left out",
            from.format("%Y-%m-%d %H:%M UTC")
        );
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
