//! Predicted against observed.

use super::square::{SIZE, Square, square};
use super::{leaf_circle, line, marker, n, path, svg, tooltip};
use crate::format::{count, metric};
use crate::html::Markup;

/// The rows in one range of probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationPoint {
    /// Rows.
    pub rows: u64,
    /// Mean of their probabilities.
    pub predicted: f64,
    /// Share of the positive class among them.
    pub observed: f64,
}

/// Draws observed rates over predicted ones: on the diagonal a probability means what it says.
/// Larger points have more rows; those of the holdout are squares.
pub fn calibration(id: &str, now: &[CalibrationPoint], holdout: &[CalibrationPoint]) -> Markup {
    let Square { x, y, mut inner } = square("mean predicted probability", "observed rate");
    inner.push(line("level", x.at(0.0), y.at(0.0), x.at(1.0), y.at(1.0)));

    let place = |point: &CalibrationPoint| (x.at(point.predicted), y.at(point.observed));
    let joined = |points: &[CalibrationPoint]| {
        let joints: Vec<String> = points
            .iter()
            .map(place)
            .map(|(x, y)| format!("{} {}", n(x), n(y)))
            .collect();
        format!("M{}", joints.join("L"))
    };
    if !holdout.is_empty() {
        inner.push(path("calibration-holdout", &joined(holdout)));
        inner.extend(
            holdout
                .iter()
                .map(place)
                .map(|(x, y)| marker(1, "point-holdout", x, y, 3.6)),
        );
    }
    if !now.is_empty() {
        inner.push(path("calibration-now", &joined(now)));
    }
    let most = now.iter().map(|point| point.rows).max().unwrap_or(1).max(1) as f64;
    for point in now {
        let (x, y) = place(point);
        let radius = 3.0 + 5.0 * (point.rows as f64 / most).sqrt();
        inner.push(leaf_circle("point-now", x, y, radius));
        let text = format!(
            "predicted {}\nobserved {}\n{} rows",
            metric(Some(point.predicted)),
            metric(Some(point.observed)),
            count(point.rows)
        );
        inner.push(tooltip(
            x - radius,
            y - radius,
            2.0 * radius,
            2.0 * radius,
            &text,
        ));
    }
    let apart: Vec<String> = now
        .iter()
        .map(|point| {
            format!(
                "predicted {}, observed {}",
                metric(Some(point.predicted)),
                metric(Some(point.observed))
            )
        })
        .collect();
    svg(
        id,
        "square",
        SIZE,
        SIZE,
        "Calibration",
        &format!("{}.", apart.join("; ")),
        inner,
    )
}
