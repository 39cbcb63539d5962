//! Categories as bars beside each other: the reference filled, the current data outlined.

use super::{label, line, rectangle, short, svg, tooltip};
use crate::format;
use crate::html::Markup;

/// Characters of a name at its bar; the tooltip has all of it.
const NAMED: usize = 12;

/// A category.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Name of the value.
    pub name: String,
    /// Its part of the reference, from 0 to 1.
    pub then: f64,
    /// Its part now.
    pub now: f64,
}

/// Draws them from the top, in the order that they have.
pub fn shares(id: &str, name: &str, size: (f64, f64), rows: &[Share]) -> Markup {
    let (width, height) = size;
    let (left, right, top, bottom) = (92.0, width - 54.0, 6.0, height - 4.0);
    let most = rows.iter().map(|row| row.then.max(row.now));
    let most = most.fold(1e-9, f64::max);
    let slot = (bottom - top) / rows.len().max(1) as f64;
    let bar = (slot * 0.38).min(12.0);
    let mut inner = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let middle = top + (index as f64 + 0.5) * slot;
        let length = |share: f64| (right - left) * share / most;
        inner.push(rectangle(
            "reference",
            left,
            middle - bar,
            length(row.then),
            bar,
        ));
        let (y, long) = (middle + 1.0, length(row.now));
        inner.push(rectangle("current closed", left, y, long, bar - 1.0));
        inner.push(label(
            "tick end",
            left - 5.0,
            middle + 4.0,
            &short(&row.name, NAMED),
        ));
        let end = left + length(row.then.max(row.now)) + 4.0;
        let now = format::share(Some(row.now));
        inner.push(label("tick", end, middle + 4.0, &now));
        inner.push(tooltip(
            0.0,
            middle - slot / 2.0,
            width,
            slot,
            &described(row),
        ));
    }
    inner.push(line("axis", left, top, left, bottom));
    let title = format!("Distribution of {name}");
    let said: Vec<String> = rows
        .iter()
        .map(|row| described(row).replace('\n', " "))
        .collect();
    let said = format!("Training, filled, and now, outlined: {}.", said.join("; "));
    svg(id, "histogram", width, height, &title, &said, inner)
}

fn described(row: &Share) -> String {
    let (then, now) = (format::share(Some(row.then)), format::share(Some(row.now)));
    format!("{}\ntraining {then}\nnow {now}", row.name)
}
