//! The page of a report: one self-contained document without scripts, drawn from what the report
//! says. Pure.

mod curves;
pub mod days;
pub mod drift;
pub mod gates;
mod model;
mod parts;
pub mod performance;
pub mod periods;
pub mod quality;
pub mod reasons;
pub mod segments;
mod selection;
pub mod summary;
pub mod task;

pub use parts::{details, folded, note, scroll, section, table};

use crate::content::Content;
use crate::html::{self, Markup, leaf, tag};

/// The style sheet of a report's page.
pub const STYLE: &str = include_str!("page/style.css");

/// The document. `fingerprint` is the report's own.
pub fn render(content: &Content, fingerprint: &str) -> String {
    let title = format!(
        "{} v{} on {}: {}",
        content.model_name, content.model_version, content.data_version, content.verdict
    );
    let main = [
        summary::banner(content),
        summary::cards(
            content.quality.rows,
            content.quality.unscored_rows,
            &content.performance,
            &content.drift,
        ),
        summary::findings(&content.findings),
        quality::section(&content.quality, content.performance.time_column.as_deref()),
        performance::section(content),
        drift::section(content),
        segments::section(
            &content.segments,
            content.performance.of_task.as_ref(),
            content.drift.score.compared_with,
        ),
        model::section(content),
        model::provenance(content, fingerprint),
    ];
    document(&title, tag("main", main))
}

/// A self-contained document in the style of a report.
pub fn document(title: &str, main: Markup) -> String {
    let head = html::head(title, [html::style(STYLE)]);
    html::document(head, [patterns(), main].into_iter().collect())
}

/// Patterns that charts fill areas with.
pub fn patterns() -> Markup {
    let stripe = leaf("path class=\"stripe\" d=\"M0 6L6 0\"");
    let pattern = tag(
        "pattern id=\"stripes\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"",
        [stripe],
    );
    tag(
        "svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\"",
        [tag("defs", [pattern])],
    )
}
