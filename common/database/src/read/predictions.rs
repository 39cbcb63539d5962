//! The predictions of one key.

use anyhow::Result;
use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};
use tokio_postgres::types::{ToSql, Type};

use super::Reader;
use crate::names::{Table, quoted};
use crate::session::{Session, get};
use runtime::retry::Trouble;

/// Rows of one key that are given at most.
const PREDICTIONS: usize = 100;
/// The last column of every key, which nobody is asked for.
const MODEL_NAME: &str = "model_name";

/// Rows of one key, or of all keys that begin with the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Name of the table.
    pub table: String,
    /// Names of the columns that name a row: ids, then time.
    pub key: Vec<String>,
    /// Names of the columns, in the order of the table.
    pub columns: Vec<String>,
    /// The rows, the last scored first; each holds its columns by name.
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are older ones that are not given.
    pub more: bool,
    /// Why nothing was looked up, though the first id was given.
    pub unusable: Option<Unusable>,
}

/// A value by which nothing can be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Name of the column of the key.
    pub column: String,
    /// Its type, as Postgres shows it.
    pub sql_type: String,
    /// What a value may be, such as `2025-01-31`; `None` where the type is one by which nothing is
    /// looked up.
    pub such_as: Option<&'static str>,
}

/// A column, with its type as Postgres shows it, and its place in the key.
struct Column {
    name: String,
    sql_type: String,
    place: Option<usize>,
}

impl Reader {
    /// The predictions of a key: values of its columns in order, of which the first one is needed;
    /// one that is `None` may be anything. A time may be a date, which represents all of it, in
    /// UTC. Of the table of that name, else of the first one. `None` when there is no such
    /// table, or none with a key.
    pub async fn predictions(
        &self,
        table: Option<&str>,
        values: &[Option<String>],
    ) -> Result<Option<Predicted>> {
        let named = |of: &&Table| table.is_none_or(|name| of.name == name);
        let Some(table) = self.tables.iter().find(named) else {
            return Ok(None);
        };
        let work = async |session: &Session<'_>| {
            let columns = columns(session, table).await?;
            let key = key(&columns);
            if key.is_empty() {
                return Ok(None);
            }
            let mut found = Predicted {
                table: table.name.clone(),
                key: key.iter().map(|column| column.name.clone()).collect(),
                columns: columns.iter().map(|column| column.name.clone()).collect(),
                rows: Vec::new(),
                more: false,
                unusable: None,
            };
            if values.first().is_none_or(Option::is_none) {
                return Ok(Some(found));
            }
            match conditions(&key, values) {
                Ok(conditions) => look_up(session, table, &conditions, &mut found).await?,
                Err(unusable) => found.unusable = Some(unusable),
            }
            Ok(Some(found))
        };
        self.database.transaction("reading predictions", work).await
    }
}

async fn look_up(
    session: &Session<'_>,
    table: &Table,
    conditions: &[Condition],
    found: &mut Predicted,
) -> Result<(), Trouble> {
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = Vec::new();
    let mut sql: Vec<String> = Vec::new();
    for condition in conditions {
        parameters.push((&condition.value, Type::TEXT));
        sql.push(condition.sql(parameters.len()));
    }
    // One more says that there are more.
    let limit = PREDICTIONS as i64 + 1;
    parameters.push((&limit, Type::INT8));
    let sql = format!(
        "SELECT to_jsonb(present)::text FROM {table} AS present WHERE {} \
         ORDER BY scored_at DESC, present::text LIMIT ${}",
        sql.join(" AND "),
        parameters.len()
    );
    for row in session
        .query("reading predictions", &sql, &parameters)
        .await?
    {
        let text: String = get(&row, 0)?;
        let row = serde_json::from_str(&text);
        found
            .rows
            .push(row.map_err(|error| Trouble::Lasting(error.into()))?);
    }
    found.more = found.rows.len() > PREDICTIONS;
    found.rows.truncate(PREDICTIONS);
    Ok(())
}

/// What a column of the key has to be.
struct Condition {
    column: String,
    sql_type: String,
    value: String,
    /// How long a stretch of time the value represents; `None` for one that is equal.
    within: Option<&'static str>,
}

impl Condition {
    fn sql(&self, parameter: usize) -> String {
        let (column, sql_type) = (quoted(&self.column), &self.sql_type);
        let value = format!("${parameter}::text::{sql_type}");
        match self.within {
            None => format!("{column} = {value}"),
            Some(within) => {
                format!("{column} >= {value} AND {column} < {value} + interval '{within}'")
            }
        }
    }
}

fn conditions(key: &[&Column], values: &[Option<String>]) -> Result<Vec<Condition>, Unusable> {
    let given = key.iter().zip(values);
    given
        .filter_map(|(column, value)| Some(condition(column, value.as_deref()?.trim())))
        .collect()
}

/// What can't be of the column's type is nobody's; the server would call it an error.
fn condition(column: &Column, value: &str) -> Result<Condition, Unusable> {
    let (value, within, such_as) = match column.sql_type.as_str() {
        "integer" => (equal(value.parse::<i32>().ok(), value), None, Some("123")),
        "bigint" => (equal(value.parse::<i64>().ok(), value), None, Some("123")),
        "boolean" => (equal(value.parse::<bool>().ok(), value), None, Some("true")),
        "text" => {
            let text = (!value.contains('\0')).then(|| value.to_owned());
            (text, None, Some("a text"))
        }
        "date" => (
            equal(value.parse::<NaiveDate>().ok(), value),
            None,
            Some("2025-01-31"),
        ),
        "timestamp without time zone" | "timestamp with time zone" => {
            let (value, within) = moment(value).unzip();
            (value, within, Some("2025-01-31 or 2025-01-31 10:00:00"))
        }
        _ => (None, None, None),
    };
    match value {
        Some(value) => Ok(Condition {
            column: column.name.clone(),
            sql_type: column.sql_type.clone(),
            value,
            within,
        }),
        None => Err(Unusable {
            column: column.name.clone(),
            sql_type: column.sql_type.clone(),
            such_as,
        }),
    }
}

fn equal<T>(parsed: Option<T>, value: &str) -> Option<String> {
    parsed.map(|_| value.to_owned())
}

/// A time in UTC as Postgres reads it, and how long a stretch it represents.
fn moment(value: &str) -> Option<(String, &'static str)> {
    if let Ok(date) = value.parse::<NaiveDate>() {
        return Some((date.to_string(), "1 day"));
    }
    let value = value
        .trim_end_matches("+00:00")
        .trim_end_matches("+00")
        .trim_end_matches('Z')
        .replace('T', " ");
    let parsed = |format: &str| NaiveDateTime::parse_from_str(&value, format).ok();
    let (at, within) = match (parsed("%Y-%m-%d %H:%M"), parsed("%Y-%m-%d %H:%M:%S")) {
        (Some(at), _) => (at, "1 minute"),
        (None, Some(at)) => (at, "1 second"),
        (None, None) => (parsed("%Y-%m-%d %H:%M:%S%.f")?, "1 microsecond"),
    };
    Some((at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(), within))
}

/// The columns that a person names a row by, in the order of the key.
fn key(columns: &[Column]) -> Vec<&Column> {
    let mut key: Vec<&Column> = columns
        .iter()
        .filter(|column| column.place.is_some() && column.name != MODEL_NAME)
        .collect();
    key.sort_by_key(|column| column.place);
    key
}

/// All columns of a table in order; none of a table that is not there, or has no key.
async fn columns(session: &Session<'_>, table: &Table) -> Result<Vec<Column>, Trouble> {
    let sql = "SELECT a.attname::text, format_type(a.atttypid, NULL), \
         array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum) FROM pg_attribute a \
         JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum";
    let name = table.to_string();
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&name, Type::TEXT)];
    let rows = session
        .query("looking up the table", sql, &parameters)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                name: get(row, 0)?,
                sql_type: get(row, 1)?,
                place: get::<Option<i32>>(row, 2)?.map(|place| place as usize),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_for_as_long_as_it_does_not_say() {
        for (text, expected) in [
            ("2025-01-31", Some(("2025-01-31", "1 day"))),
            (
                "2025-01-31T10:00",
                Some(("2025-01-31 10:00:00.000000", "1 minute")),
            ),
            (
                "2025-01-31 10:00:07+00:00",
                Some(("2025-01-31 10:00:07.000000", "1 second")),
            ),
            (
                "2025-01-31T10:00:07.25Z",
                Some(("2025-01-31 10:00:07.250000", "1 microsecond")),
            ),
            ("yesterday", None),
            ("2025-13-31", None),
        ] {
            let found = moment(text);
            let found = found.as_ref().map(|(at, within)| (at.as_str(), *within));
            assert_eq!(found, expected, "{text}");
        }
    }
}
