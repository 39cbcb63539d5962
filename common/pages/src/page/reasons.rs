//! Which features move predictions most, by the rows in which they come first.

use super::parts::{note, share_bar, table};
use crate::content::FirstReason;
use crate::format::{count, signed};
use crate::html::{Markup, nothing, tag, tagged, text};

/// What [`of`] shows.
const HEADING: &str = "Most frequent reasons";

/// A table of features; nothing without reasons.
pub fn of(reasons: &[FirstReason]) -> Markup {
    if reasons.is_empty() {
        return nothing();
    }
    let row = |of: &FirstReason| {
        vec![
            match &of.feature {
                Some(name) => text(name),
                None => tagged("span class=\"muted\"", "all others"),
            },
            text(count(of.rows)),
            share_bar(Some(of.share)),
            text(signed(of.mean_contribution)),
        ]
    };
    let lead = note(
        "For each feature, the scored rows that it moved most (the first of top_reasons), their \
         share of the rows that have a reason, and the mean of what it added to their raw score.",
    );
    let columns = ["Feature", "Rows", "Share", "Mean contribution"];
    let rows = reasons.iter().map(row);
    let table = table("numbers shares", HEADING, &columns, rows);
    tag("div", [tagged("h3 class=\"part\"", HEADING), lead, table])
}
