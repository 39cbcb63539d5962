//! The predictions of one key.

use database::{Predicted, Unusable};
use learn::explanation::{Reason, TOP_REASONS};
use learn::task::{PREDICTION, PROBABILITY};
use pages::format::{NONE, signed};
use pages::html::{Markup, nothing, tag, tagged, text};
use pages::page::{note, table};
use serde_json::Value;

use super::model::{field, input, select};
use super::{document, empty, files, heading};
use crate::Wanted;
use crate::choice;

/// The page of one id; `found` is nothing where predictions are not in a database.
pub(crate) fn prediction(wanted: &Wanted, found: Option<&Predicted>, tables: &[String]) -> String {
    document(
        "Prediction",
        "/prediction",
        [
            heading("One prediction", nothing()),
            key_form(wanted, found, tables),
            predicted(wanted, found, !tables.is_empty()),
        ],
    )
}

/// What names a row: its table where there are several, its ids, and its time.
fn key_form(wanted: &Wanted, found: Option<&Predicted>, tables: &[String]) -> Markup {
    let shown = found
        .map(|found| found.table.as_str())
        .or(wanted.table.as_deref());
    let options = tables
        .iter()
        .map(|name| (name.clone(), name.clone(), shown == Some(name.as_str())));
    let of_tables = match tables.len() {
        0 | 1 => nothing(),
        _ => field("Table", select("table", options)),
    };
    let id = ["Id".to_owned()];
    let key = found.map_or(&id[..], |found| &found.key[..]);
    let inputs = key.iter().enumerate().map(|(place, name)| {
        let value = wanted.values.get(place).cloned().flatten();
        field(name, input(&choice::key_parameter(place), "search", value))
    });
    let parts = std::iter::once(of_tables)
        .chain(inputs)
        .chain([tagged("button type=\"submit\"", "Find")]);
    tag(
        "form class=\"choice\" method=\"get\" action=\"/prediction\"",
        parts,
    )
}

fn predicted(wanted: &Wanted, found: Option<&Predicted>, in_database: bool) -> Markup {
    if !in_database {
        return empty(
            "Predictions are only Parquet files here, in which single rows can't be looked up. \
             Publish them to Postgres, \
             and give the dashboard its address:",
            "export DATABASE_URL=postgres://...",
        );
    }
    let Some(found) = found else {
        return match &wanted.table {
            Some(table) => empty(
                &format!("No table {table} of predictions is shown here, or it has none yet."),
                "",
            ),
            None => empty(
                "There is no table of predictions yet. Publish some:",
                "alameda publish-predictions publish --help",
            ),
        };
    };
    if !wanted.is_some() {
        let key = found.key.join(", ");
        return empty(
            &format!(
                "Give a row key ({key}): this page shows its predictions, with their features. \
                 The first part is enough if \
                 it identifies one row."
            ),
            "",
        );
    }
    if let Some(Unusable {
        column,
        sql_type,
        such_as,
    }) = &found.unusable
    {
        let why = match such_as {
            Some(such_as) => format!("{column} is of the type {sql_type}: give {such_as}."),
            None => format!(
                "The column {column} is of the type {sql_type}, which this page can't look up: use SQL."
            ),
        };
        return empty(&why, "");
    }
    if found.rows.is_empty() {
        let given = found.key.iter().zip(&wanted.values);
        let given: Vec<String> = given
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
            .collect();
        return empty(&format!("No prediction has the {}.", given.join(", ")), "");
    }
    let query = choice::address("", &wanted.pairs());
    let more = match found.more {
        true => note(format!(
            "Only the last {} predictions of this row key are shown.",
            found.rows.len()
        )),
        false => nothing(),
    };
    tag(
        "section",
        [
            shown(found),
            more,
            files("Predictions", "predictions", &query),
        ],
    )
}

/// A column of the table for each row that was found: a row has many columns, and an id few rows.
fn shown(found: &Predicted) -> Markup {
    let cell = |row: &serde_json::Map<String, Value>, column: &str| match row.get(column) {
        None | Some(Value::Null) => tagged("span class=\"muted\"", NONE),
        Some(Value::String(value)) if column == TOP_REASONS => reasons(value),
        Some(Value::String(value)) => text(value),
        Some(value) => text(value),
    };
    let first = [
        "model_name",
        "model_version",
        PREDICTION,
        PROBABILITY,
        "data_version",
        "scored_at",
    ];
    let ordered = first
        .iter()
        .copied()
        .filter(|name| found.columns.iter().any(|column| column == name));
    let others = found
        .columns
        .iter()
        .map(String::as_str)
        .filter(|name| !first.contains(name));
    let rows = ordered.chain(others).map(|column| {
        std::iter::once(text(column))
            .chain(found.rows.iter().map(|row| cell(row, column)))
            .collect()
    });
    let names: Vec<String> = (1..=found.rows.len())
        .map(|number| format!("Prediction {number}"))
        .collect();
    let columns: Vec<&str> = std::iter::once("Column")
        .chain(names.iter().map(String::as_str))
        .collect();
    table("numbers", "Predictions of this id", &columns, rows)
}

/// The reasons of a row as a table; a text that lists none stays as it is.
fn reasons(value: &str) -> Markup {
    let row = |of: Reason| vec![text(of.feature), text(signed(Some(of.contribution)))];
    match serde_json::from_str::<Vec<Reason>>(value) {
        Ok(reasons) if reasons.is_empty() => tagged("span class=\"muted\"", NONE),
        Ok(reasons) => {
            let columns = ["Feature", "Contribution"];
            table(
                "numbers small",
                "Reasons",
                &columns,
                reasons.into_iter().map(row),
            )
        }
        Err(_) => text(value),
    }
}
