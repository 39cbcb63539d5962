//! The parts that sections are made of: headings, tables, cards, bars and notes.

use crate::format::{metric, share};
use crate::html::{Markup, escaped, tag, tagged, text};

/// Features that a table shows before the others are folded.
pub(super) const SHOWN_FEATURES: usize = 20;

/// A part of the page with a heading.
pub fn section(
    id: &str,
    heading: &str,
    lead: Markup,
    inner: impl IntoIterator<Item = Markup>,
) -> Markup {
    let heading = [tagged("h2", heading), tag("p class=\"lead\"", [lead])];
    tag(
        &format!("section id=\"{id}\""),
        heading.into_iter().chain(inner),
    )
}

/// A table with a caption for screen readers; the first column of each row names it.
pub fn table(
    class: &str,
    caption: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<Markup>>,
) -> Markup {
    let head = columns
        .iter()
        .map(|column| tagged("th scope=\"col\"", column));
    let body = rows.into_iter().map(|cells| {
        let cells = cells.into_iter().enumerate();
        tag(
            "tr",
            cells.map(|(index, cell)| {
                tag(if index == 0 { "th scope=\"row\"" } else { "td" }, [cell])
            }),
        )
    });
    let table = tag(
        &format!("table class=\"{}\"", escaped(class)),
        [
            tagged("caption", caption),
            tag("thead", [tag("tr", head)]),
            tag("tbody", body),
        ],
    );
    scroll(caption, table)
}

/// The first rows of a table, and the others folded.
pub fn folded(
    class: &str,
    caption: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<Markup>>,
    shown: usize,
) -> Markup {
    let mut rows: Vec<Vec<Markup>> = rows.into_iter().collect();
    let rest = rows.split_off(shown.min(rows.len()));
    let first = table(class, caption, columns, rows);
    if rest.is_empty() {
        return first;
    }
    let summary = format!("{} more", rest.len());
    let rest = table(class, &format!("{caption}, the others"), columns, rest);
    [first, details(&summary, rest)].into_iter().collect()
}

/// A metric beside a bar that is full at `most`.
pub(super) fn bar(value: f64, most: f64) -> Markup {
    let part = match most > 0.0 {
        true => (value / most * 100.0).max(0.0),
        false => 0.0,
    };
    let bar = format!("span class=\"bar\" style=\"--part:{part:.1}%\"");
    tag(&bar, [text(metric(Some(value)))])
}

/// A share beside a bar that is full at 1.
pub(super) fn share_bar(value: Option<f64>) -> Markup {
    let part = value.unwrap_or_default() * 100.0;
    let bar = format!("span class=\"bar\" style=\"--part:{part:.1}%\"");
    tag(&bar, [text(share(value))])
}

/// A small text below or beside something.
pub fn note(value: impl std::fmt::Display) -> Markup {
    tag("p class=\"note\"", [text(value)])
}

/// Something wide, which scrolls sideways on a narrow screen, by the keyboard too.
pub fn scroll(name: &str, inner: Markup) -> Markup {
    tag(
        &format!(
            "div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{}\"",
            escaped(name)
        ),
        [inner],
    )
}

/// Something that is shown when asked for.
pub fn details(summary: &str, inner: Markup) -> Markup {
    tag("details", [tagged("summary", summary), inner])
}

/// A number with its name above and an explanation below.
pub(super) fn card(name: &str, value: &str, below: &str) -> Markup {
    tag(
        "div class=\"card\"",
        [
            tagged("p class=\"what\"", name),
            tagged("p class=\"value\"", value),
            tagged("p class=\"below\"", below),
        ],
    )
}
