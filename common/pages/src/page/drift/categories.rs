//! Drift of the columns that the rows carry and the model does not use.

use super::judgement;
use crate::content::{CategoryDrift, CategoryRows};
use crate::format::{count, metric, share};
use crate::html::{Markup, nothing, tag, tagged, text};
use crate::page::{details, note, table};

/// Values of a column that are listed, with those that are new.
const LISTED: usize = 50;

/// Each column in a line, and its values below.
pub(super) fn categories(categories: &[CategoryDrift]) -> Markup {
    if categories.is_empty() {
        return nothing();
    }
    let part = |some: u64, of: u64| share((of > 0).then(|| some as f64 / of as f64));
    let row = |column: &CategoryDrift| {
        let known = column.reference_rows > 0;
        let gone = column.values.iter().filter(|value| value.current == 0);
        let gone = gone.count() as u64;
        let judged = match known {
            true => judgement(column.judged, column.verdict),
            false => tagged("span class=\"muted small\"", "no profile of training"),
        };
        vec![
            text(&column.column),
            judged,
            text(metric(column.psi)),
            text(metric(column.noise_floor)),
            text(part(column.new_rows, column.rows)),
            text(if known { count(gone) } else { String::new() }),
            text(part(column.reference_nulls, column.reference_rows)),
            text(part(column.nulls, column.rows)),
        ]
    };
    let columns = [
        "Column",
        "Verdict",
        "PSI",
        "Chance explains",
        "Rows with new values",
        "Vanished values",
        "Null in training",
        "Null now",
    ];
    let listed = table(
        "numbers",
        "Drift of columns that the model does not use",
        &columns,
        categories.iter().map(row),
    );
    let values = categories
        .iter()
        .filter(|column| column.reference_rows > 0)
        .map(|column| {
            details(
                &format!("Values of {}", column.column),
                values(column, &part),
            )
        });
    let said = note("These columns are carried for segments: the model does not use them.");
    let parts = [
        tagged("h3", "Columns that the model does not use"),
        listed,
        said,
    ];
    tag("div class=\"chart\"", parts.into_iter().chain(values))
}

fn values(column: &CategoryDrift, part: &dyn Fn(u64, u64) -> String) -> Markup {
    let row = |value: &CategoryRows| {
        let name = match value.reference {
            0 => tag("span", [text(&value.value), tagged("strong", " new")]),
            _ => text(&value.value),
        };
        vec![
            name,
            text(part(value.reference, column.reference_rows)),
            text(part(value.current, column.rows)),
        ]
    };
    let nulls = CategoryRows {
        value: String::new(),
        reference: column.reference_nulls,
        current: column.nulls,
    };
    let nulls = (nulls.reference + nulls.current > 0).then(|| {
        let mut cells = row(&nulls);
        cells[0] = tagged("span class=\"muted\"", "null");
        cells
    });
    let all = column.new_values.iter().chain(&column.values).take(LISTED);
    table(
        "numbers small",
        &format!("Values of {}", column.column),
        &["Value", "Training", "Now"],
        all.map(row).chain(nulls),
    )
}
