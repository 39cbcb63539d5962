//! The ledger of labels: one row each time that label files were filled in.

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::{Labelled, Labelling};
use crate::ledger::LEDGER;
use crate::names::Table;
use crate::session::{Session, get};
use crate::side_table::SideTable;
use runtime::retry::Trouble;

pub(super) const LABELS: SideTable = SideTable {
    name: "prediction_labels",
    comment: "One row for each time that Alameda wrote late labels into a table of predictions.",
    columns: &[
        (
            "number",
            "bigint GENERATED ALWAYS AS IDENTITY",
            "Grows with time.",
        ),
        (
            "predictions_table",
            "text NOT NULL",
            "The table that was labelled.",
        ),
        (
            "model_name",
            "text NOT NULL",
            "Registered name of the model whose predictions were labelled.",
        ),
        ("fingerprint", "text NOT NULL", "Digest of the label files."),
        (
            "state",
            "text NOT NULL",
            "Digest of what was published at that time.",
        ),
        ("files", "bigint NOT NULL", "Label files."),
        (
            "labels",
            "bigint NOT NULL",
            "Row keys that have a label in the label files.",
        ),
        (
            "changed",
            "bigint NOT NULL",
            "Rows that got a label, or another one.",
        ),
        (
            "absent",
            "bigint NOT NULL",
            "Labels without a row in the table.",
        ),
        (
            "started_at",
            "timestamptz NOT NULL",
            "When labelling began.",
        ),
        (
            "finished_at",
            "timestamptz NOT NULL",
            "When the labels were in the table.",
        ),
        ("workflow", "text NOT NULL", "The workflow that labelled."),
    ],
    key: "PRIMARY KEY (number)",
};

/// A digest of what is published of the model name: other rows can take other labels.
pub(super) async fn state(
    session: &Session<'_>,
    table: &Table,
    labelling: &Labelling,
) -> Result<String, Trouble> {
    if !LEDGER.exists(session, table).await? {
        return Ok(String::new());
    }
    let sql = format!(
        "SELECT md5(coalesce(string_agg(concat(fingerprint, ' ', extract(epoch FROM finished_at)), ' ' ORDER BY fingerprint), '')) \
         FROM {} WHERE predictions_table = $1 AND model_name = $2",
        LEDGER.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [
        (&table.name, Type::TEXT),
        (&labelling.publication.model_name, Type::TEXT),
    ];
    let rows = session
        .query("reading the ledger", &sql, &parameters)
        .await?;
    rows.first().map_or(Ok(String::new()), |row| get(row, 0))
}

/// What was done last, if it was with the same files and in the same state.
pub(super) async fn find(
    session: &Session<'_>,
    table: &Table,
    labelling: &Labelling,
    state: &str,
) -> Result<Option<Labelled>, Trouble> {
    if !LABELS.exists(session, table).await? {
        return Ok(None);
    }
    let sql = format!(
        "SELECT labels, changed, absent FROM (SELECT * FROM {} WHERE predictions_table = $1 AND model_name = $2 \
         ORDER BY number DESC LIMIT 1) AS last WHERE fingerprint = $3 AND state = $4",
        LABELS.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&table.name, Type::TEXT),
        (&labelling.publication.model_name, Type::TEXT),
        (&labelling.fingerprint, Type::TEXT),
        (&state, Type::TEXT),
    ];
    let rows = session
        .query("reading the ledger of labels", &sql, &parameters)
        .await?;
    let number = |row, index| get::<i64>(row, index).map(|number| number as u64);
    let labelled = |row| {
        Ok(Labelled {
            labels: number(row, 0)?,
            changed: number(row, 1)?,
            absent: number(row, 2)?,
            reused: true,
        })
    };
    rows.first().map(labelled).transpose()
}

pub(super) async fn record(
    session: &Session<'_>,
    table: &Table,
    labelling: &Labelling,
    labelled: &Labelled,
    started_at: DateTime<Utc>,
) -> Result<(), Trouble> {
    let state = state(session, table, labelling).await?;
    // The number comes by itself.
    let names = &LABELS.names()[1..];
    let values: Vec<String> = (1..=names.len())
        .map(|number| format!("${number}"))
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        LABELS.beside(table),
        names.join(", "),
        values.join(", ")
    );
    let numbers = [
        labelling.files,
        labelled.labels,
        labelled.changed,
        labelled.absent,
    ]
    .map(|number| number as i64);
    let finished_at = Utc::now();
    let parameters: [(&(dyn ToSql + Sync), Type); LABELS.columns.len() - 1] = [
        (&table.name, Type::TEXT),
        (&labelling.publication.model_name, Type::TEXT),
        (&labelling.fingerprint, Type::TEXT),
        (&state, Type::TEXT),
        (&numbers[0], Type::INT8),
        (&numbers[1], Type::INT8),
        (&numbers[2], Type::INT8),
        (&numbers[3], Type::INT8),
        (&started_at, Type::TIMESTAMPTZ),
        (&finished_at, Type::TIMESTAMPTZ),
        (&labelling.workflow, Type::TEXT),
    ];
    session
        .execute("writing the ledger of labels", &sql, &parameters)
        .await
        .map(drop)
}
