//! Reading for people who look at a dashboard. It never writes: each transaction is read-only, of one moment, and short.
//!
//! What is shown comes from the profiles, which are small; the predictions themselves are asked for one id alone, which the
//! key's index answers.

use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use tokio_postgres::types::{ToSql, Type};

use super::ledger::LEDGER;
use super::profiles::tables::{self, NUMBERS, PROFILES};
use super::session::{Session, get};
use super::table::{Table, quoted};
use super::{Database, Settings};
use crate::profiles::{Baseline, Profile};
use crate::retry::Trouble;
use crate::step::Step;

/// Rows of one id that are given at most.
const PREDICTIONS: usize = 100;

/// A database that is only read, through a bounded pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    database: Database,
    table: Table,
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

/// Rows of one id.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Name of the column that holds the id.
    pub id: String,
    /// Names of the columns, in the order of the table.
    pub columns: Vec<String>,
    /// The rows, the last scored first; each holds its columns by name.
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are older ones that are not given.
    pub more: bool,
    /// Type of the id, if it is one by which nothing can be looked up.
    pub unknown_type: Option<String>,
}

impl Reader {
    /// A database that is not reached yet: the first call connects. At most so many connections are open at once.
    ///
    /// # Errors
    /// Certificates to trust that can't be read: exit 2.
    pub fn new(settings: &Settings, step: &Step, table: Table, connections: usize) -> Result<Self> {
        Ok(Self {
            database: Database::pooled(settings, step, connections, true)?,
            table,
        })
    }

    /// Where it is, for people: host, port and database.
    pub fn place(&self) -> String {
        self.database.service.to_string()
    }

    /// The table of predictions, as SQL names it.
    pub fn table(&self) -> String {
        self.table.to_string()
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

    /// All that was counted, by model, version and data version; nothing when nothing was published.
    pub async fn versions(&self) -> Result<Vec<VersionDays>> {
        let work = async |session: &Session<'_>| {
            if !PROFILES.exists(session, &self.table).await? {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT model_name, model_version, data_version, min(day), max(day), sum(rows)::bigint, \
                 sum(unscored_rows)::bigint FROM {} WHERE predictions_table = $1 \
                 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                PROFILES.beside(&self.table)
            );
            let rows = session
                .query(
                    "reading which profiles there are",
                    &sql,
                    &[(&self.table.name, Type::TEXT)],
                )
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(VersionDays {
                        model_name: get(row, 0)?,
                        model_version: get::<i64>(row, 1)? as u64,
                        data_version: get(row, 2)?,
                        first: get(row, 3)?,
                        last: get(row, 4)?,
                        rows: get::<i64>(row, 5)? as u64,
                        unscored_rows: get::<i64>(row, 6)? as u64,
                    })
                })
                .collect()
        };
        self.database
            .transaction("reading which profiles there are", work)
            .await
    }

    /// A model version's profiles: of one data version or of all, from the day `from` to the day `to`, both included. `None`
    /// when nothing is known of the version.
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
        let work = async |session: &Session<'_>| {
            if !PROFILES.exists(session, &self.table).await? {
                return Ok(None);
            }
            let mut baselines = tables::baselines(session, &self.table, model_name).await?;
            let Some(baseline) = baselines.remove(&version) else {
                return Ok(None);
            };
            // A day without a date is of no range.
            let sql = format!(
                "SELECT day, {NUMBERS}, data_version, rows FROM {} WHERE predictions_table = $1 AND model_name = $2 \
                 AND model_version = $3 AND ($4::text IS NULL OR data_version = $4) \
                 AND ($5::date IS NULL OR day >= $5) AND ($6::date IS NULL OR day <= $6) ORDER BY day, data_version",
                PROFILES.beside(&self.table)
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
                (&self.table.name, Type::TEXT),
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
                match tables::profile(&row, &found.baseline)? {
                    Some(profile) => {
                        found.days.push(CountedDay {
                            data_version: get(&row, 8)?,
                            day: get(&row, 0)?,
                            profile,
                        });
                    }
                    None => found.left_out_rows += get::<i64>(&row, 9)? as u64,
                }
            }
            Ok(Some(found))
        };
        self.database.transaction("reading profiles", work).await
    }

    /// What was published last, the newest first, at most `limit`.
    pub async fn published(&self, limit: usize) -> Result<Vec<PublishedSet>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let work = async |session: &Session<'_>| {
            if !LEDGER.exists(session, &self.table).await? {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT data_version, model_name, model_version, scored_at, workflow FROM {} \
                 WHERE predictions_table = $1 ORDER BY finished_at DESC LIMIT $2",
                LEDGER.beside(&self.table)
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&self.table.name, Type::TEXT), (&limit, Type::INT8)];
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

    /// The predictions of one id, which is the first column of the key. `None` when there is no table with a key.
    pub async fn predictions(&self, id: &str) -> Result<Option<Predicted>> {
        let work = async |session: &Session<'_>| {
            let Some(columns) = self.columns(session).await? else {
                return Ok(None);
            };
            let Some((name, sql_type)) = columns.first().cloned() else {
                return Ok(None);
            };
            let mut found = Predicted {
                id: name.clone(),
                columns: columns[1..]
                    .iter()
                    .map(|(column, _)| column.clone())
                    .collect(),
                rows: Vec::new(),
                more: false,
                unknown_type: None,
            };
            // What can't be an id of this type is nobody's; the server would call it an error.
            let possible = match sql_type.as_str() {
                "integer" => id.trim().parse::<i32>().is_ok(),
                "bigint" => id.trim().parse::<i64>().is_ok(),
                "date" => id.trim().parse::<NaiveDate>().is_ok(),
                "text" => !id.contains('\0'),
                _ => {
                    found.unknown_type = Some(sql_type.clone());
                    false
                }
            };
            if !possible {
                return Ok(Some(found));
            }
            let sql = format!(
                "SELECT to_jsonb(present)::text FROM {} AS present WHERE {} = $1::text::{sql_type} \
                 ORDER BY scored_at DESC, present::text LIMIT $2",
                self.table,
                quoted(&name)
            );
            // One more tells that there are more.
            let parameters: [(&(dyn ToSql + Sync), Type); 2] =
                [(&id, Type::TEXT), (&(PREDICTIONS as i64 + 1), Type::INT8)];
            for row in session
                .query("reading predictions", &sql, &parameters)
                .await?
            {
                let text: String = get(&row, 0)?;
                found.rows.push(
                    serde_json::from_str(&text).map_err(|error| Trouble::Lasting(error.into()))?,
                );
            }
            found.more = found.rows.len() > PREDICTIONS;
            found.rows.truncate(PREDICTIONS);
            Ok(Some(found))
        };
        self.database.transaction("reading predictions", work).await
    }

    /// The first column of the table's key, then all columns in order, each with its type. `None` without a table or a key.
    async fn columns(
        &self,
        session: &Session<'_>,
    ) -> Result<Option<Vec<(String, String)>>, Trouble> {
        let sql = "SELECT a.attname::text, format_type(a.atttypid, NULL), a.attnum = i.indkey[0] FROM pg_attribute a \
             JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
             WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let rows = session
            .query(
                "looking up the table",
                sql,
                &[(&self.table.to_string(), Type::TEXT)],
            )
            .await?;
        let mut columns = Vec::new();
        let mut first = None;
        for row in &rows {
            let column: (String, String) = (get(row, 0)?, get(row, 1)?);
            if get(row, 2)? {
                first = Some(column.clone());
            }
            columns.push(column);
        }
        Ok(first.map(|first| [first].into_iter().chain(columns).collect()))
    }
}
