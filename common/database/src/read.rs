//! Reading for people who look at a dashboard. It never writes: each transaction is read-only, of
//! one moment, and short.
//!
//! What is shown comes from the profiles, which are small; the predictions themselves are asked for
//! one key alone, which the key's index answers. Several tables of one schema are shown as one:
//! what two of them hold of the same model version and data version is taken from the one that is
//! named first.

mod predictions;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::ledger::LEDGER;
use super::names::Table;
use super::profiles::tables::{self, PROFILES};
use super::session::{Session, get};
use super::{Database, Settings};
pub use predictions::{Predicted, Unusable};

use profile::profiles::{Baseline, Profile};
use runtime::failure::Failure;
use runtime::step::Step;

/// What each model version and data version is read from: the first of the tables `$1` that holds
/// it.
const FIRST: &str = "SELECT model_name, model_version, data_version, \
     min(array_position($1::text[], predictions_table)) AS place FROM {profiles} \
     WHERE predictions_table = ANY ($1) GROUP BY 1, 2, 3";

/// A database that is only read, through a bounded pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    database: Database,
    /// At least one, all of one schema.
    tables: Arc<[Table]>,
}

/// The predictions of one model version on one data version, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionDays {
    /// Registered name of the model.
    pub model_name: String,
    /// Version of the model.
    pub model_version: u64,
    /// The data version that was scored.
    pub data_version: String,
    /// First day with rows; `None` where there is no time.
    pub first: Option<NaiveDate>,
    /// Last day with rows.
    pub last: Option<NaiveDate>,
    /// Last day with rows that is not after the one on which they were scored.
    pub up_to: Option<NaiveDate>,
    /// Rows in all.
    pub rows: u64,
    /// Rows without a prediction.
    pub unscored_rows: u64,
}

/// The profiles of one model version.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedDays {
    /// What they are counted by.
    pub baseline: Arc<Baseline>,
    /// In the order of the days, then of the data versions.
    pub days: Vec<CountedDay>,
    /// Rows whose profile can't be read, or is counted by something else.
    pub left_out_rows: u64,
}

/// The profile of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedDay {
    /// The data version that was scored.
    pub data_version: String,
    /// The day; `None` where there is no time.
    pub day: Option<NaiveDate>,
    /// What is counted.
    pub profile: Profile,
}

/// A set of results that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSet {
    /// The data version that was scored.
    pub data_version: String,
    /// Registered name of the model.
    pub model_name: String,
    /// Version of the model.
    pub model_version: u64,
    /// When it was scored.
    pub scored_at: DateTime<Utc>,
    /// The workflow that published.
    pub workflow: String,
}

impl Reader {
    /// A database that is not reached yet: the first call connects. At most so many connections are
    /// open at once.
    ///
    /// # Errors
    /// Certificates to trust that can't be read: exit 2.
    pub fn new(
        settings: &Settings,
        step: &Step,
        tables: Vec<Table>,
        connections: usize,
    ) -> Result<Self> {
        if tables.is_empty() {
            return Err(Failure::usage("there is no table to read predictions from"));
        }
        Ok(Self {
            database: Database::pooled(settings, step, connections, true)?,
            tables: tables.into(),
        })
    }

    /// Where it is, for people: host, port and database.
    pub fn place(&self) -> String {
        self.database.service.to_string()
    }

    /// The tables of predictions, as SQL names them.
    pub fn table(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::to_string).collect();
        tables.join(", ")
    }

    /// Names of the tables of predictions.
    pub fn tables(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.name.clone()).collect()
    }

    /// Where the side tables are, which is the same for all of them.
    fn beside(&self) -> &Table {
        &self.tables[0]
    }

    /// Asks for an answer.
    ///
    /// # Errors
    /// A server that gives none within the budget: exit 75. One that refuses: exit 2.
    pub async fn check(&self) -> Result<()> {
        let work = async |session: &Session<'_>| {
            session
                .query("asking for an answer", "SELECT 1", &[])
                .await
                .map(drop)
        };
        self.database
            .transaction("asking for an answer", work)
            .await
    }

    /// All that was counted, by model, version and data version; nothing when nothing was
    /// published.
    pub async fn versions(&self) -> Result<Vec<VersionDays>> {
        let (names, timezone) = (self.tables(), self.database.step.timezone().name());
        let work = async |session: &Session<'_>| {
            if !PROFILES.exists(session, self.beside()).await? {
                return Ok(Vec::new());
            }
            let profiles = PROFILES.beside(self.beside()).to_string();
            let ledger = match LEDGER.exists(session, self.beside()).await? {
                true => format!(
                    "SELECT predictions_table, model_name, model_version, data_version, \
                     max(scored_at) AS scored_at FROM {} GROUP BY 1, 2, 3, 4",
                    LEDGER.beside(self.beside())
                ),
                // Where it is not known when they were scored, it was not after now.
                false => format!(
                    "SELECT predictions_table, model_name, model_version, data_version, \
                     now() AS scored_at FROM {profiles} GROUP BY 1, 2, 3, 4"
                ),
            };
            let sql = format!(
                "WITH first AS ({}), ledger AS ({ledger}) \
                 SELECT model_name, model_version, data_version, min(day), max(day), \
                 max(day) FILTER (WHERE day <= (coalesce(scored_at, now()) AT TIME ZONE $2)::date), \
                 sum(rows)::bigint, sum(unscored_rows)::bigint FROM {profiles} \
                 JOIN first USING (model_name, model_version, data_version) \
                 LEFT JOIN ledger USING (predictions_table, model_name, model_version, data_version) \
                 WHERE predictions_table = ($1::text[])[place] GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                FIRST.replace("{profiles}", &profiles)
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&names, Type::TEXT_ARRAY), (&timezone, Type::TEXT)];
            let rows = session
                .query("reading which profiles there are", &sql, &parameters)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(VersionDays {
                        model_name: get(row, 0)?,
                        model_version: get::<i64>(row, 1)? as u64,
                        data_version: get(row, 2)?,
                        first: get(row, 3)?,
                        last: get(row, 4)?,
                        up_to: get(row, 5)?,
                        rows: get::<i64>(row, 6)? as u64,
                        unscored_rows: get::<i64>(row, 7)? as u64,
                    })
                })
                .collect()
        };
        self.database
            .transaction("reading which profiles there are", work)
            .await
    }

    /// A model version's profiles: of one data version or of all, from the day `from` to the day
    /// `to`, both included. `None` when nothing is known of the version.
    pub async fn days(
        &self,
        model_name: &str,
        model_version: u64,
        data_version: Option<&str>,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
    ) -> Result<Option<CountedDays>> {
        // A number that no version has is one of no version.
        let Ok(version) = i64::try_from(model_version) else {
            return Ok(None);
        };
        let names = self.tables();
        let work = async |session: &Session<'_>| {
            if !PROFILES.exists(session, self.beside()).await? {
                return Ok(None);
            }
            let mut baselines: BTreeMap<&str, Arc<Baseline>> = BTreeMap::new();
            for table in self.tables.iter() {
                let mut of_table = tables::baselines(session, table, model_name).await?;
                baselines.extend(
                    of_table
                        .remove(&version)
                        .map(|of| (table.name.as_str(), of)),
                );
            }
            let first = names.iter().find_map(|name| baselines.get(name.as_str()));
            let Some(baseline) = first.cloned() else {
                return Ok(None);
            };
            let profiles = PROFILES.beside(self.beside()).to_string();
            let numbers = tables::numbers(session, self.beside()).await?;
            // A day without a date is of no range.
            let sql = format!(
                "WITH first AS ({}) \
                 SELECT day, {numbers}, data_version, rows, predictions_table FROM {profiles} \
                 JOIN first USING (model_name, model_version, data_version) \
                 WHERE predictions_table = ($1::text[])[place] AND model_name = $2 \
                 AND model_version = $3 AND ($4::text IS NULL OR data_version = $4) \
                 AND ($5::date IS NULL OR day >= $5) AND ($6::date IS NULL OR day <= $6) \
                 ORDER BY day, data_version",
                FIRST.replace("{profiles}", &profiles)
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
                (&names, Type::TEXT_ARRAY),
                (&model_name, Type::TEXT),
                (&version, Type::INT8),
                (&data_version, Type::TEXT),
                (&from, Type::DATE),
                (&to, Type::DATE),
            ];
            let mut found = CountedDays {
                baseline,
                days: Vec::new(),
                left_out_rows: 0,
            };
            for row in session.query("reading profiles", &sql, &parameters).await? {
                let of_table = baselines.get(get::<String>(&row, 11)?.as_str());
                let same = of_table.is_some_and(|of| of.counts_as(&found.baseline));
                match tables::profile(&row, &found.baseline)?.filter(|_| same) {
                    Some(profile) => {
                        found.days.push(CountedDay {
                            data_version: get(&row, 9)?,
                            day: get(&row, 0)?,
                            profile,
                        });
                    }
                    None => found.left_out_rows += get::<i64>(&row, 10)? as u64,
                }
            }
            Ok(Some(found))
        };
        self.database.transaction("reading profiles", work).await
    }

    /// What was published last, the newest first, at most `limit`.
    pub async fn published(&self, limit: usize) -> Result<Vec<PublishedSet>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names = self.tables();
        let work = async |session: &Session<'_>| {
            if !LEDGER.exists(session, self.beside()).await? {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT data_version, model_name, model_version, scored_at, workflow FROM {} \
                 WHERE predictions_table = ANY ($1) ORDER BY finished_at DESC LIMIT $2",
                LEDGER.beside(self.beside())
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&names, Type::TEXT_ARRAY), (&limit, Type::INT8)];
            let rows = session
                .query("reading the ledger", &sql, &parameters)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(PublishedSet {
                        data_version: get(row, 0)?,
                        model_name: get(row, 1)?,
                        model_version: get::<i64>(row, 2)? as u64,
                        scored_at: get(row, 3)?,
                        workflow: get(row, 4)?,
                    })
                })
                .collect()
        };
        self.database.transaction("reading the ledger", work).await
    }
}
