//! Parts of the rows: by score, and by columns that the model does not use.

use super::parts::{self, folded, note, share_bar};
use super::task;
use crate::content::{ComparedWith, OfTask, Segment, Segments};
use crate::format::{NONE, count, interval, metric, number, share};
use crate::html::{Markup, tag, tagged, text};

/// Values that are shown before the others are folded.
const SHOWN: usize = 12;

/// Parts of the rows, each with its share and performance. `scores` is what the shares of scores
/// are compared with.
pub fn section(segments: &Segments, of_task: Option<&OfTask>, scores: ComparedWith) -> Markup {
    let mut parts = Vec::new();
    if !segments.score.is_empty() {
        parts.push(by_score(&segments.score, of_task, scores));
    }
    for column in &segments.columns {
        let name = |segment: &Segment| match &segment.name {
            Some(name) => text(name),
            None => tagged("span class=\"muted\"", "null"),
        };
        parts.push(tagged("h3 class=\"part\"", format!("By {}", column.column)));
        parts.push(segment_table(
            &format!("By {}", column.column),
            "Value",
            &column.values,
            column
                .values
                .iter()
                .any(|value| value.reference_share.is_some())
                .then_some(ComparedWith::Training),
            &name,
            of_task,
        ));
    }
    if !segments.too_many_values.is_empty() {
        parts.push(note(format!(
            "Columns with too many values for segments: {}.",
            segments.too_many_values.join(", ")
        )));
    }
    let intervals = match of_task {
        Some(_) => "",
        None => " Intervals are Wilson's, at 95 %.",
    };
    let lead = text(format!("Performance by segment.{intervals}"));
    parts::section("segments", "Segments", lead, parts)
}

fn by_score(score: &[Segment], of_task: Option<&OfTask>, scores: ComparedWith) -> Markup {
    let name = |segment: &Segment| {
        text(match (segment.lower, segment.upper) {
            (None, Some(upper)) => format!("below {}", number(Some(upper))),
            (Some(lower), None) => format!("from {}", number(Some(lower))),
            (Some(lower), Some(upper)) => {
                format!("{} … {}", number(Some(lower)), number(Some(upper)))
            }
            (None, None) => "all".to_owned(),
        })
    };
    let table = segment_table("By score", "Score", score, Some(scores), &name, of_task);
    let said = note(format!(
        "Each range held about a tenth of the rows {}; a larger or smaller share now is drift.",
        scores.within()
    ));
    tag("div", [tagged("h3", "By score"), table, said])
}

fn segment_table(
    caption: &str,
    what: &str,
    segments: &[Segment],
    compared_with: Option<ComparedWith>,
    name: &dyn Fn(&Segment) -> Markup,
    of_task: Option<&OfTask>,
) -> Markup {
    let metrics: Vec<&str> = of_task.map_or_else(Vec::new, task::of_segments);
    let row = |segment: &Segment| {
        let mut cells = vec![
            name(segment),
            text(count(segment.rows)),
            share_bar(segment.share),
        ];
        if compared_with.is_some() {
            cells.push(text(share(segment.reference_share)));
        }
        let measured = |value: Option<f64>| {
            text(if segment.measured_rows > 0 {
                metric(value)
            } else {
                NONE.to_owned()
            })
        };
        if of_task.is_some() {
            cells.push(text(number(segment.mean_score)));
            let metric = |name: &&str| text(number(segment.metrics.get(*name).copied()));
            cells.extend(metrics.iter().map(metric));
            return cells;
        }
        cells.extend([
            text(metric(segment.mean_score)),
            measured(segment.base_rate),
            measured(segment.accuracy),
            text(interval(segment.intervals.accuracy)),
            measured(segment.precision),
            measured(segment.recall),
            measured(segment.f1),
        ]);
        cells
    };
    let mut columns = vec![what, "Rows", "Share"];
    columns.extend(compared_with.map(ComparedWith::head));
    columns.push("Mean score");
    let of_two = [
        "Base rate",
        "Accuracy",
        "95 % interval",
        "Precision",
        "Recall",
        "F1",
    ];
    match of_task {
        Some(_) => columns.extend(metrics.iter().map(|name| task::title(name))),
        None => columns.extend(of_two),
    }
    folded(
        "numbers shares",
        caption,
        &columns,
        segments.iter().map(row),
        SHOWN,
    )
}
