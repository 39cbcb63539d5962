//! Profiles of the predictions, kept up to date by the transactions that change the predictions.
//!
//! A profile counts the rows that are in the table for one model version, data version and day,
//! and those that retention has dropped from there. What a transaction overwrites is taken off the
//! profiles that counted it, row by row, so that the cost follows what is overwritten and not what
//! there is; the numbers are whole, so that nothing is lost on the way.

mod migrate;
mod read;
#[cfg(test)]
mod released;
pub(super) mod tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use chrono::NaiveDate;
use tokio_postgres::types::{ToSql, Type};

use super::Database;
use super::names::{Table, literal};
use super::publication::Publication;
use super::session::Session;
use profile::days::{self, DayNumber};
use profile::profiles::{Baseline, Profile};
use runtime::failure::Failure;
use runtime::retry::Trouble;
use table::profiling::Profiler;

pub(super) use read::Rows;

/// What a transaction adds to the profiles of a model name, and takes off them. Whoever has one
/// holds the table's lock.
pub(super) struct Changes<'a> {
    session: &'a Session<'a>,
    table: &'a Table,
    model_name: &'a str,
    /// Name of the table's column of time.
    time: Option<&'a str>,
    /// By model version; rows of other versions are not profiled.
    baselines: BTreeMap<i64, Arc<Baseline>>,
    /// By model and data version.
    counted: BTreeMap<(i64, String), Profiler>,
    /// Model versions whose profiles are made again from the rows in the table.
    anew: BTreeSet<i64>,
    memory: u64,
}

impl<'a> Changes<'a> {
    /// Nothing yet. Makes the tables of profiles when they are missing.
    pub(super) async fn open(
        session: &'a Session<'a>,
        table: &'a Table,
        publication: &'a Publication,
    ) -> Result<Self, Trouble> {
        let model_name = publication.model_name.as_str();
        tables::ensure(session, table).await?;
        migrate::migrate(session, table, model_name).await?;
        Ok(Self {
            session,
            table,
            model_name,
            time: publication.time.as_deref(),
            baselines: tables::baselines(session, table, model_name).await?,
            counted: BTreeMap::new(),
            anew: BTreeSet::new(),
            memory: session.step.memory() / 4,
        })
    }

    /// Says what the profiles of a model version are counted by. `published` says whether rows of
    /// it were published before: where another baseline, or none, held until now, they are
    /// counted again.
    pub(super) async fn measure(
        &mut self,
        version: i64,
        baseline: &Arc<Baseline>,
        published: bool,
    ) -> Result<(), Trouble> {
        let known = self.baselines.insert(version, baseline.clone());
        if known.as_ref() == Some(baseline) {
            return Ok(());
        }
        let same_cells = known.as_ref().is_some_and(|of| of.counts_as(baseline));
        if let Some(known) = known.as_ref().filter(|_| !same_cells) {
            tracing::warn!(
                "model {} version {version} was {} in the time zone {} when its profiles were \
                 made, and is {} in {} now: they are made again from {}",
                self.model_name,
                short(&known.model),
                known.timezone,
                short(&baseline.model),
                baseline.timezone,
                self.table
            );
        }
        tables::set_baseline(self.session, self.table, self.model_name, version, baseline).await?;
        if !same_cells && (known.is_some() || published) {
            tables::clear_version(self.session, self.table, self.model_name, version).await?;
            self.anew.insert(version);
        }
        Ok(())
    }

    /// Adds rows that were counted before they came into the table.
    pub(super) fn add(
        &mut self,
        version: i64,
        data_version: &str,
        counted: &Profiler,
    ) -> Result<(), Trouble> {
        let of = self.counted.entry((version, data_version.to_owned()));
        let sum = of.or_insert_with(|| Profiler::new(counted.baseline(), self.memory));
        sum.merge(counted.clone()).map_err(Trouble::Lasting)
    }

    /// Brings the profiles up to date.
    ///
    /// # Errors
    /// Numbers that overflow: a bug, or more rows of a day than fit 63 bits.
    pub(super) async fn apply(mut self) -> Result<(), Trouble> {
        let anew = std::mem::take(&mut self.anew);
        self.counted
            .retain(|(version, _), _| !anew.contains(version));
        for version in anew {
            let condition = format!("present.model_version = {version}");
            self.read(
                &Rows {
                    join: "",
                    condition: &condition,
                    relabel: None,
                },
                1,
            )
            .await?;
        }
        for ((version, data_version), changes) in std::mem::take(&mut self.counted) {
            let damaged = self.apply_to(version, &data_version, &changes).await?;
            if !damaged.is_empty() {
                self.repair(version, &data_version, &damaged).await?;
            }
        }
        Ok(())
    }

    /// Applies changes to the profiles of one model and data version; gives the days of which more
    /// would be taken off than was ever counted, which are left.
    async fn apply_to(
        &self,
        version: i64,
        data_version: &str,
        changes: &Profiler,
    ) -> Result<BTreeSet<Option<DayNumber>>, Trouble> {
        let key = Key {
            table: &self.table.name,
            model_name: self.model_name,
            version,
            data_version,
        };
        let baseline = changes.baseline();
        let days: Vec<NaiveDate> = changes
            .days()
            .keys()
            .flatten()
            .map(|day| date(*day))
            .collect::<Result<_, _>>()?;
        let mut known = tables::profiles(self.session, self.table, &key, &days, baseline).await?;
        let mut damaged = BTreeSet::new();
        for (&day, change) in changes.days() {
            let on = day.map(date).transpose()?;
            let before = known.remove(&on).unwrap_or_else(|| Profile::new(baseline));
            let mut after = before.clone();
            after
                .merge(change)
                .map_err(|error| Trouble::Lasting(error.into()))?;
            if !after.is_sound(baseline) {
                damaged.insert(day);
            } else if after != before {
                tables::write(self.session, self.table, &key, on, &after, baseline).await?;
            }
        }
        Ok(damaged)
    }

    /// Counts days again from the table, where somebody else changed rows or profiles.
    async fn repair(
        &mut self,
        version: i64,
        data_version: &str,
        days: &BTreeSet<Option<DayNumber>>,
    ) -> Result<(), Trouble> {
        tracing::warn!(
            "the profiles of {} days of model {} version {version}, data version {data_version}, \
             do not agree with {}: somebody else changed rows or profiles; they are counted again",
            days.len(),
            self.model_name,
            self.table
        );
        let condition = format!(
            "present.model_version = {version} AND present.data_version = {}",
            literal(data_version)
        );
        self.read(
            &Rows {
                join: "",
                condition: &condition,
                relabel: None,
            },
            1,
        )
        .await?;
        let Some(baseline) = self.baselines.get(&version) else {
            return Ok(());
        };
        let found = self.counted.remove(&(version, data_version.to_owned()));
        let empty = Profile::new(baseline);
        let key = Key {
            table: &self.table.name,
            model_name: self.model_name,
            version,
            data_version,
        };
        for &day in days {
            let profile = found
                .as_ref()
                .and_then(|found| found.days().get(&day))
                .unwrap_or(&empty);
            tables::write(
                self.session,
                self.table,
                &key,
                day.map(date).transpose()?,
                profile,
                baseline,
            )
            .await?;
        }
        Ok(())
    }

    /// Refuses more profiles at once than memory holds.
    fn check_memory(&self) -> Result<()> {
        let bytes = |profiler: &Profiler| {
            8 * profiler.baseline().counters() as u64 * profiler.days().len() as u64
        };
        let bytes: u64 = self.counted.values().map(bytes).sum();
        if bytes <= self.memory {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "the rows are of so many days and data versions that their profiles take more than {} MiB: publish, or label, fewer \
             at a time, or raise --memory (ALAMEDA_MEMORY)",
            self.memory >> 20
        )))
    }
}

/// What names the profiles of all days of a model and data version.
struct Key<'a> {
    table: &'a str,
    model_name: &'a str,
    version: i64,
    data_version: &'a str,
}

impl Key<'_> {
    /// As the first four parameters of a statement.
    fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 4] {
        [
            (&self.table, Type::TEXT),
            (&self.model_name, Type::TEXT),
            (&self.version, Type::INT8),
            (&self.data_version, Type::TEXT),
        ]
    }
}

/// Adds what the tables of the first release lack, in a transaction of its own, which is short: the
/// one that changes the predictions would keep readers out for as long as it takes.
pub(super) async fn renew(database: &Database, table: &Table) -> Result<()> {
    let operation = format!("looking at the profiles of {table}");
    let work = async |session: &Session<'_>| tables::add_columns(session, table).await;
    database.transaction(&operation, work).await
}

/// Forgets the profiles of rows that are gone though retention did not drop them.
pub(super) async fn forget(session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
    tables::clear(session, table).await
}

fn date(day: DayNumber) -> Result<NaiveDate, Trouble> {
    let date = days::date(day).context("a day is beyond the calendar");
    date.map_err(|error| {
        Trouble::Lasting(anyhow!(Failure::Contract(format!(
            "{error:#}: {day} days from 1970-01-01"
        ))))
    })
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
