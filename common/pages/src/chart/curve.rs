//! The ROC and the precision-recall curve.

use super::square::{SIZE, Square, square};
use super::{leaf_circle, line, n, path, svg, tooltip};
use crate::format::metric;
use crate::html::Markup;

/// One curve over all thresholds.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// Title of the curve.
    pub title: &'a str,
    /// Names of both axes.
    pub axes: (&'a str, &'a str),
    /// Places from 0 to 1, in order.
    pub points: Vec<(f64, f64)>,
    /// What knowing nothing gives: the ends of a line.
    pub chance: ((f64, f64), (f64, f64)),
    /// The place of the model's own threshold, with its value.
    pub threshold: Option<((f64, f64), f64)>,
    /// What a screen reader reads.
    pub description: String,
}

/// Draws a curve, with the line of chance and the model's own threshold.
pub fn curve(trace: &Trace) -> Markup {
    let Square { x, y, mut inner } = square(trace.axes.0, trace.axes.1);
    let place = |(across, up): (f64, f64)| (x.at(across), y.at(up));
    let (from, to) = (place(trace.chance.0), place(trace.chance.1));
    inner.push(line("level", from.0, from.1, to.0, to.1));
    if !trace.points.is_empty() {
        let joints: Vec<String> = trace
            .points
            .iter()
            .map(|point| place(*point))
            .map(|(x, y)| format!("{} {}", n(x), n(y)))
            .collect();
        inner.push(path("curve", &format!("M{}", joints.join("L"))));
    }
    if let Some((point, threshold)) = trace.threshold {
        let (x, y) = place(point);
        inner.push(leaf_circle("point-now", x, y, 5.0));
        let text = format!(
            "threshold {}\n{} {}\n{} {}",
            metric(Some(threshold)),
            trace.axes.0,
            metric(Some(point.0)),
            trace.axes.1,
            metric(Some(point.1))
        );
        inner.push(tooltip(x - 9.0, y - 9.0, 18.0, 18.0, &text));
    }
    svg(
        trace.id,
        "square",
        SIZE,
        SIZE,
        trace.title,
        &trace.description,
        inner,
    )
}
