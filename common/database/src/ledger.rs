//! The ledger: what was published, one row for each set of results.

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::names::Table;
use super::publication::{Publication, Span};
use super::session::{Session, get};
use super::side_table::SideTable;
use runtime::retry::Trouble;

pub(super) const LEDGER: SideTable = SideTable {
    name: "prediction_publications",
    comment: "One row for each set of results that Alameda published.",
    columns: &[
        (
            "predictions_table",
            "text NOT NULL",
            "The table that was published to.",
        ),
        (
            "fingerprint",
            "text NOT NULL",
            "Fingerprint of the results manifest.",
        ),
        (
            "data_version",
            "text NOT NULL",
            "The data version that was scored.",
        ),
        (
            "model_name",
            "text NOT NULL",
            "Registered name of the model that scored it.",
        ),
        ("model_version", "bigint NOT NULL", "Version of that model."),
        (
            "scored_at",
            "timestamptz NOT NULL",
            "When the rows were scored: of two rows with the same primary key, the table keeps the one scored later.",
        ),
        ("rows", "bigint NOT NULL", "Rows of the results."),
        (
            "parts_digest",
            "text NOT NULL",
            "Digest of all parts of the results.",
        ),
        (
            "columns",
            "text[] NOT NULL",
            "Columns that the results have.",
        ),
        (
            "first_time",
            "timestamptz",
            "Earliest time of the rows; clock readings and dates are taken as UTC.",
        ),
        ("last_time", "timestamptz", "Latest time of the rows."),
        (
            "started_at",
            "timestamptz NOT NULL",
            "When publishing began.",
        ),
        (
            "finished_at",
            "timestamptz NOT NULL",
            "When the rows were in the table.",
        ),
        ("workflow", "text NOT NULL", "The workflow that published."),
    ],
    key: "PRIMARY KEY (predictions_table, fingerprint)",
};

/// Rows that were published of a set of results; `None` when it was not, or when there is no ledger
/// yet.
pub(super) async fn find(
    session: &Session<'_>,
    table: &Table,
    fingerprint: &str,
) -> Result<Option<u64>, Trouble> {
    if !LEDGER.exists(session, table).await? {
        return Ok(None);
    }
    // Whoever empties the table by hand wants it filled again.
    let query = format!(
        "SELECT rows FROM {} WHERE predictions_table = $1 AND fingerprint = $2 AND (rows = 0 OR EXISTS (SELECT FROM {table}))",
        LEDGER.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.name, Type::TEXT), (&fingerprint, Type::TEXT)];
    let rows = session
        .query("reading the ledger", &query, &parameters)
        .await?;
    rows.first()
        .map(|row| get::<i64>(row, 0).map(|rows| rows as u64))
        .transpose()
}

/// Forgets what a table had.
pub(super) async fn forget(session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
    let sql = format!(
        "DELETE FROM {} WHERE predictions_table = $1",
        LEDGER.beside(table)
    );
    session
        .execute("clearing the ledger", &sql, &[(&table.name, Type::TEXT)])
        .await
        .map(drop)
}

/// What a publication may meet in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Earlier {
    /// Whether rows of the same model name and times were published, so that keys may meet.
    pub(super) overlaps: bool,
    /// Whether rows of the same model version were published.
    pub(super) of_version: bool,
    /// Columns of everything that was published to the table.
    pub(super) columns: Vec<String>,
    /// Model and data version of results that were scored in the same microsecond, and stand
    /// before these.
    pub(super) tied: Vec<(i64, String)>,
}

/// Looks up what a publication may meet.
pub(super) async fn earlier(
    session: &Session<'_>,
    table: &Table,
    publication: &Publication,
    span: Option<Span>,
) -> Result<Earlier, Trouble> {
    let sql = format!(
        "SELECT \
            EXISTS (SELECT FROM {ledger} WHERE predictions_table = $1 AND model_name = $2 AND rows > 0 \
                AND (first_time <= $4 AND last_time >= $3) IS NOT FALSE), \
            ARRAY(SELECT DISTINCT unnest(columns) FROM {ledger} WHERE predictions_table = $1 ORDER BY 1), \
            ARRAY(SELECT model_version FROM {tied}), ARRAY(SELECT data_version FROM {tied}), \
            EXISTS (SELECT FROM {ledger} WHERE predictions_table = $1 AND model_name = $2 AND model_version = $7)",
        ledger = LEDGER.beside(table),
        tied = format_args!(
            "{} WHERE predictions_table = $1 AND model_name = $2 AND scored_at = $5 AND fingerprint > $6 ORDER BY fingerprint",
            LEDGER.beside(table)
        ),
    );
    let (first, last) = (
        span.and_then(|span| span.first()),
        span.and_then(|span| span.last()),
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
        (&table.name, Type::TEXT),
        (&publication.model_name, Type::TEXT),
        (&first, Type::TIMESTAMPTZ),
        (&last, Type::TIMESTAMPTZ),
        (&publication.scored_at, Type::TIMESTAMPTZ),
        (&publication.fingerprint, Type::TEXT),
        (&publication.model_version, Type::INT8),
    ];
    let rows = session
        .query("reading the ledger", &sql, &parameters)
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Earlier::default());
    };
    let (versions, names): (Vec<i64>, Vec<String>) = (get(row, 2)?, get(row, 3)?);
    Ok(Earlier {
        overlaps: get(row, 0)?,
        of_version: get(row, 4)?,
        columns: get(row, 1)?,
        tied: versions.into_iter().zip(names).collect(),
    })
}

pub(super) async fn record(
    session: &Session<'_>,
    table: &Table,
    publication: &Publication,
    span: Option<Span>,
    started_at: DateTime<Utc>,
) -> Result<(), Trouble> {
    let names = LEDGER.names();
    let values: Vec<String> = (1..=names.len())
        .map(|number| format!("${number}"))
        .collect();
    let updated: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (predictions_table, fingerprint) DO UPDATE SET {}",
        LEDGER.beside(table),
        names.join(", "),
        values.join(", "),
        updated.join(", ")
    );
    let columns: Vec<&str> = publication
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let rows = publication.rows as i64;
    let (first, last) = (
        span.and_then(|span| span.first()),
        span.and_then(|span| span.last()),
    );
    let finished_at = Utc::now();
    let parameters: [(&(dyn ToSql + Sync), Type); LEDGER.columns.len()] = [
        (&table.name, Type::TEXT),
        (&publication.fingerprint, Type::TEXT),
        (&publication.data_version, Type::TEXT),
        (&publication.model_name, Type::TEXT),
        (&publication.model_version, Type::INT8),
        (&publication.scored_at, Type::TIMESTAMPTZ),
        (&rows, Type::INT8),
        (&publication.parts_digest, Type::TEXT),
        (&columns, Type::TEXT_ARRAY),
        (&first, Type::TIMESTAMPTZ),
        (&last, Type::TIMESTAMPTZ),
        (&started_at, Type::TIMESTAMPTZ),
        (&finished_at, Type::TIMESTAMPTZ),
        (&publication.workflow, Type::TEXT),
    ];
    session
        .execute("recording the publication", &sql, &parameters)
        .await
        .map(drop)
}
