//! Columns of categories: the features among them, and those that the rows carry and the model
//! does not use.

use super::{judgement, named_values};
use crate::chart::{Share, shares};
use crate::content::{CategoryDrift, CategoryRows, CategoryShares};
use crate::format::{count, metric, share};
use crate::html::{Markup, nothing, tag, tagged, text};
use crate::page::parts::{details, note, table};

/// Values of a column that are listed, with those that are new.
const LISTED: usize = 50;
/// Values that have a bar each.
const DRAWN: usize = 6;

/// Each column in a line, and its values below.
pub(super) fn categories(categories: &[CategoryDrift]) -> Markup {
    if categories.is_empty() {
        return nothing();
    }
    let row = |column: &CategoryDrift| {
        let shares = &column.shares;
        let known = shares.reference_rows > 0;
        let gone = shares.values.iter().filter(|value| value.current == 0);
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
            text(part(shares.new_rows, shares.rows)),
            text(if known { count(gone) } else { String::new() }),
            text(part(shares.reference_nulls, shares.reference_rows)),
            text(part(shares.nulls, shares.rows)),
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
        .filter(|column| column.shares.reference_rows > 0)
        .map(|column| listed_values(&column.column, &column.shares, false));
    let said = note("These are segment columns: the model does not use them.");
    let parts = [
        tagged("h3", "Columns that the model does not use"),
        listed,
        said,
    ];
    tag("div class=\"chart\"", parts.into_iter().chain(values))
}

fn part(some: u64, of: u64) -> String {
    share((of > 0).then(|| some as f64 / of as f64))
}

/// The values of a feature as bars: those with the most rows, and the others together.
pub(super) fn bars(id: &str, name: &str, size: (f64, f64), column: &CategoryShares) -> Markup {
    let of = |rows: u64, all: u64| {
        if all > 0 {
            rows as f64 / all as f64
        } else {
            0.0
        }
    };
    let bar = |name: &str, then: u64, now: u64| Share {
        name: name.to_owned(),
        then: of(then, column.reference_rows),
        now: of(now, column.rows),
    };
    let mut known: Vec<&CategoryRows> = column.new_values.iter().chain(&column.values).collect();
    let most = |value: &&CategoryRows| {
        let (then, now) = (value.reference, value.current);
        of(then, column.reference_rows).max(of(now, column.rows))
    };
    known.sort_by(|a, b| most(b).total_cmp(&most(a)));
    let shown = known.len().min(DRAWN);
    let mut drawn: Vec<Share> = known[..shown]
        .iter()
        .map(|value| bar(&value.value, value.reference, value.current))
        .collect();
    let (mut then, mut now) = (column.reference_nulls, column.nulls);
    if then + now > 0 {
        drawn.push(bar("null", then, now));
    }
    for value in &known[..shown] {
        then += value.reference;
        now += value.current;
    }
    let others = (column.reference_rows - then, column.rows - now);
    if others != (0, 0) {
        drawn.push(bar("others", others.0, others.1));
    }
    shares(id, name, size, &drawn)
}

/// Values that came and went.
pub(super) fn changed(column: &CategoryShares) -> Markup {
    fn name(value: &CategoryRows) -> &str {
        &value.value
    }
    let new: Vec<&str> = column.new_values.iter().map(name).collect();
    let gone = column.values.iter().filter(|value| value.current == 0);
    let gone: Vec<&str> = gone.map(name).collect();
    let new = match column.reference_rest {
        0 => named_values("New", &new, DRAWN),
        _ => nothing(),
    };
    let hidden = column.hidden().map_or_else(nothing, |hidden| {
        note(format!(
            "Not judged: {} of the training data have values beyond the {} most frequent, and whether \
             these values changed is not known.",
            share(Some(hidden)),
            column.values.len()
        ))
    });
    let unknown = column.unknown.map_or_else(nothing, |unknown| {
        note(format!(
            "Values that training did not have: {} of the rows. Of training, {} have a value that no \
             other row has.",
            part(unknown, column.rows),
            part(column.reference_unknown.unwrap_or(0), column.reference_rows)
        ))
    });
    [new, named_values("Vanished", &gone, DRAWN), hidden, unknown]
        .into_iter()
        .collect()
}

/// Every value with its share; `others` adds those that are not listed by name.
pub(super) fn listed_values(name: &str, column: &CategoryShares, others: bool) -> Markup {
    details(&format!("Values of {name}"), values(name, column, others))
}

fn values(name: &str, column: &CategoryShares, others: bool) -> Markup {
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
    let beside = |word: &str, reference: u64, current: u64| {
        let rows = CategoryRows {
            value: String::new(),
            reference,
            current,
        };
        (reference + current > 0).then(|| {
            let mut cells = row(&rows);
            cells[0] = tagged("span class=\"muted\"", word);
            cells
        })
    };
    let nulls = beside("null", column.reference_nulls, column.nulls);
    let named: u64 = column.new_values.iter().map(|of| of.current).sum();
    let rest = beside("others", column.reference_rest, column.new_rows - named);
    let rest = rest.filter(|_| others);
    let all = column.new_values.iter().chain(&column.values).take(LISTED);
    table(
        "numbers small",
        &format!("Values of {name}"),
        &["Value", "Training", "Now"],
        all.map(row).chain(nulls).chain(rest),
    )
}
