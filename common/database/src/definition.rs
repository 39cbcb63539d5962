//! The table of predictions: made, widened, and never narrowed.

use anyhow::Result;
use tokio_postgres::types::Type;

use super::names::{Table, list, literal, quoted};
use super::session::{Session, get};
use runtime::failure::Failure;
use runtime::retry::Trouble;
use settings::PartitionBy;
use table::dataset::ColumnType;

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name, letter case included.
    pub name: String,
    /// Its type, from which Postgres's follows.
    pub column_type: ColumnType,
    /// What it holds: the comment on it.
    pub comment: &'static str,
    /// Whether it may hold null.
    pub nullable: bool,
}

/// The table that rows need.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) columns: Vec<TableColumn>,
    /// Names of the columns of the key, in the order of its index.
    pub(super) key: Vec<String>,
    /// Name of the column of time.
    pub(super) time: Option<String>,
}

/// What there is in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// Names and types, as Postgres shows them.
    pub(super) columns: Vec<(String, String)>,
    /// Sorted columns of each unique key.
    keys: Vec<Vec<String>>,
    pub(super) partitioned: bool,
}

impl Existing {
    /// Whether the column is of the type that its values have, so that they need no conversion.
    pub(super) fn is(&self, column: &TableColumn) -> bool {
        self.columns
            .iter()
            .any(|(name, sql)| *name == column.name && sql == sql_type(column.column_type))
    }

    /// Whether there is a column of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.type_of(name).is_some()
    }

    /// The type of the column of that name, as Postgres shows it.
    pub(super) fn type_of(&self, name: &str) -> Option<&str> {
        self.columns
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, sql)| sql.as_str())
    }
}

/// What has to be done to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Create,
    Add(TableColumn),
    Widen(TableColumn),
}

/// Looks the table up; `None` when there is none.
///
/// # Errors
/// No schema, no right to make a table in it, or something else of that name: exit 2.
pub(super) async fn look_up(
    session: &Session<'_>,
    table: &Table,
) -> Result<Option<Existing>, Trouble> {
    const QUERY: &str = "\
        SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'CREATE'), false), current_user::text, c.relkind::text, \
            ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum), \
            ARRAY(SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum), \
            ARRAY(SELECT (SELECT string_agg(a.attname, chr(1) ORDER BY a.attname) FROM pg_attribute a \
                    WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) \
                FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate \
                    AND i.indpred IS NULL AND i.indexprs IS NULL) \
        FROM (VALUES (1)) AS one \
        LEFT JOIN pg_namespace n ON n.nspname = $1 \
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT)];
    let rows = session
        .query("looking up the table", QUERY, &parameters)
        .await?;
    let [row] = &rows[..] else {
        return Err(Trouble::Lasting(anyhow::anyhow!(
            "looking up {table}: no row"
        )));
    };
    let (schema_exists, may_create, user): (bool, bool, String) =
        (get(row, 0)?, get(row, 1)?, get(row, 2)?);
    let kind: Option<String> = get(row, 3)?;
    let refused =
        |text: String| Trouble::Lasting(Failure::usage(format!("{}: {text}", session.service)));
    match kind.as_deref() {
        _ if !schema_exists => Err(refused(format!(
            "there is no schema {}: create it, or name another one (--database-schema, DATABASE_SCHEMA)",
            quoted(&table.schema)
        ))),
        None if !may_create => Err(refused(format!(
            "there is no table {table}, and the user may not create one: GRANT USAGE, CREATE ON \
             SCHEMA {} TO {}, or name another schema (--database-schema, DATABASE_SCHEMA)",
            quoted(&table.schema),
            quoted(&user)
        ))),
        None => Ok(None),
        Some("r" | "p") => {
            let names: Vec<String> = get(row, 4)?;
            let types: Vec<String> = get(row, 5)?;
            let keys: Vec<String> = get(row, 6)?;
            let split = |key: &String| key.split('\u{1}').map(str::to_owned).collect();
            Ok(Some(Existing {
                columns: names.into_iter().zip(types).collect(),
                keys: keys.iter().map(split).collect(),
                partitioned: kind.as_deref() == Some("p"),
            }))
        }
        Some(_) => Err(refused(format!(
            "{table} is not a table but, for example, a view: name another one (--predictions-table, PREDICTIONS_TABLE)"
        ))),
    }
}

pub(super) async fn is_empty(session: &Session<'_>, table: &Table) -> Result<bool, Trouble> {
    let rows = session
        .query(
            "looking for rows",
            &format!("SELECT NOT EXISTS (SELECT FROM {table})"),
            &[],
        )
        .await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

/// Looks whether the table can take the rows, as it is or widened.
///
/// # Errors
/// Another key, or a column of a type that would have to narrow or change: exit 2, naming them.
pub(super) fn check(
    table: &Table,
    existing: Option<&Existing>,
    wanted: &Definition,
) -> Result<(), Trouble> {
    changes(table, existing, wanted)
        .map(drop)
        .map_err(Trouble::Lasting)
}

/// Makes or widens the table. Whoever calls this holds its lock: two that make one table at once
/// would collide.
pub(super) async fn ensure(
    session: &Session<'_>,
    table: &Table,
    existing: Option<&Existing>,
    wanted: &Definition,
) -> Result<(), Trouble> {
    for change in changes(table, existing, wanted).map_err(Trouble::Lasting)? {
        let (operation, sql) = match &change {
            Change::Create => (format!("creating the table {table}"), create(table, wanted)),
            Change::Add(column) => (
                format!("adding the column {} to {table}", quoted(&column.name)),
                format!(
                    "ALTER TABLE {table} ADD COLUMN {} {};{}",
                    quoted(&column.name),
                    sql_type(column.column_type),
                    comment(table, column)
                ),
            ),
            Change::Widen(column) => (
                format!("widening the column {} of {table}", quoted(&column.name)),
                format!(
                    "ALTER TABLE {table} ALTER COLUMN {} TYPE {}",
                    quoted(&column.name),
                    sql_type(column.column_type)
                ),
            ),
        };
        tracing::info!("{}: {operation}", session.service);
        // A column that is widened is written again, however many rows there are.
        session.execute_batch(&operation, &sql).await?;
    }
    Ok(())
}

/// Looks whether the table has, or can be made with, the partitions that are asked for.
///
/// # Errors
/// Partitions that are asked for, and a table that has none, or rows without a time: exit 2.
fn check_partitions(table: &Table, existing: Option<&Existing>, wanted: &Definition) -> Result<()> {
    if table.partition_by == PartitionBy::None {
        return Ok(());
    }
    if wanted.time.is_none() {
        return Err(Failure::usage(format!(
            "--predictions-partition (PREDICTIONS_PARTITION) asks for partitions by month of {table}, and the predictions \
             have no time column: leave it out, or give a column of dataset.json the role time and train a new version"
        )));
    }
    match existing {
        Some(existing) if !existing.partitioned => Err(Failure::usage(format!(
            "{table} has no partitions, and --predictions-partition (PREDICTIONS_PARTITION) asks for months: leave that \
             out; or rename the table, publish to a new one and copy the rows of the old one into it"
        ))),
        _ => Ok(()),
    }
}

fn changes(table: &Table, existing: Option<&Existing>, wanted: &Definition) -> Result<Vec<Change>> {
    check_partitions(table, existing, wanted)?;
    let Some(existing) = existing else {
        return Ok(vec![Change::Create]);
    };
    let mut key = wanted.key.clone();
    key.sort_unstable();
    if !existing.keys.contains(&key) {
        return Err(Failure::usage(format!(
            "the table {table} has no unique key ({}), which these predictions need: publish them to another table \
             (--predictions-table, PREDICTIONS_TABLE)",
            list(wanted.key.iter().map(String::as_str))
        )));
    }
    let mut changes = Vec::new();
    for column in &wanted.columns {
        let of_rows = sql_type(column.column_type);
        match existing
            .columns
            .iter()
            .find(|(name, _)| *name == column.name)
        {
            None => changes.push(Change::Add(column.clone())),
            Some((_, of_table)) if holds(of_table, of_rows) => {}
            Some((_, of_table)) if holds(of_rows, of_table) => {
                changes.push(Change::Widen(column.clone()))
            }
            Some((name, of_table)) => {
                return Err(Failure::usage(format!(
                    "column {} is {of_table} in the table {table} and {of_rows} in these predictions, and Postgres can't widen \
                     the one to the other: change it in features.sql and train a new version, or publish to \
                     another table (--predictions-table, PREDICTIONS_TABLE)",
                    quoted(name)
                )));
            }
        }
    }
    Ok(changes)
}

/// Whether a column of one type holds every value of the other unchanged, and as the same kind of
/// thing.
pub(super) fn holds(wide: &str, narrow: &str) -> bool {
    wide == narrow
        || matches!(
            (wide, narrow),
            ("bigint", "integer") | ("double precision", "real")
        )
}

/// Postgres's name of a type, as the server itself shows it.
pub(super) fn sql_type(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Int32 => "integer",
        ColumnType::Int64 => "bigint",
        ColumnType::Float32 => "real",
        ColumnType::Float64 => "double precision",
        ColumnType::Utf8 => "text",
        ColumnType::Bool => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp without time zone",
        ColumnType::TimestampTz => "timestamp with time zone",
    }
}

fn create(table: &Table, wanted: &Definition) -> String {
    let columns: Vec<String> = wanted
        .columns
        .iter()
        .map(|column| {
            let in_key = wanted.key.contains(&column.name);
            // Comparing bytes is several times faster than the order of a language, which nobody
            // asks of an id.
            let collation = if in_key && column.column_type == ColumnType::Utf8 {
                " COLLATE \"C\""
            } else {
                ""
            };
            let not_null = if in_key || !column.nullable {
                " NOT NULL"
            } else {
                ""
            };
            format!(
                "{} {}{collation}{not_null}",
                quoted(&column.name),
                sql_type(column.column_type)
            )
        })
        .collect();
    let key = list(wanted.key.iter().map(String::as_str));
    let partitioned = partition_clause(table, wanted);
    let mut sql = format!(
        "CREATE TABLE {table} ({}, PRIMARY KEY ({key})){partitioned};",
        columns.join(", ")
    );
    sql += &format!(
        "COMMENT ON TABLE {table} IS {};",
        literal(
            "Predictions, written by Alameda: for each primary key, the row that was scored last. \
             prediction_publications lists what was published."
        )
    );
    for column in &wanted.columns {
        sql += &comment(table, column);
    }
    if let Some(time) = &wanted.time {
        // A few kilobytes, and no cost in publishing: rows of one data version lie together.
        sql += &format!("CREATE INDEX ON {table} USING brin ({});", quoted(time));
    }
    sql
}

/// What makes a table one that has partitions.
fn partition_clause(table: &Table, wanted: &Definition) -> String {
    match (table.partition_by, &wanted.time) {
        (PartitionBy::Month, Some(time)) => format!(" PARTITION BY RANGE ({})", quoted(time)),
        _ => String::new(),
    }
}

fn comment(table: &Table, column: &TableColumn) -> String {
    format!(
        "COMMENT ON COLUMN {table}.{} IS {};",
        quoted(&column.name),
        literal(column.comment)
    )
}

#[cfg(test)]
mod tests;
