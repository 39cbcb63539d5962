//! Charts as inline SVG, drawn from plain numbers. Pure.
//!
//! Colours, fonts and patterns come from the page's style sheet by class. Nothing is said by colour
//! alone: series differ in dash and marker, a reference is filled and the current data is outlined.

mod bars;
mod calibration;
mod curve;
mod dates;
mod heat;
mod histogram;
mod lines;
mod meter;
mod scale;
mod shares;
mod spark;
mod spread;
mod square;
#[cfg(test)]
mod tests;

pub use bars::{DailyBars, daily_bars};
pub use calibration::{CalibrationPoint, calibration};
pub use curve::{Trace, curve};
pub use dates::Size;
pub use heat::{HeatRow, heat_lines};
pub use histogram::{Histogram, histogram};
pub use lines::{DailyLines, Series, daily_lines, legend};
pub use meter::meter;
pub use shares::{Share, shares};
pub use spark::sparkline;
pub use spread::{Spread, SpreadBar, spread, spread_names};

use crate::html::{Markup, escaped, leaf, tag, tagged};
use crate::judge::ratio;
use scale::{Scale, step, tick_label, ticks};

/// Length in the units of a chart, with no more digits than a screen shows.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A name as a chart has room for it.
fn short(name: &str, most: usize) -> String {
    match name.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// A chart with a title and a description, which a screen reader reads in its place.
fn svg(
    id: &str,
    class: &str,
    width: f64,
    height: f64,
    title: &str,
    description: &str,
    inner: Vec<Markup>,
) -> Markup {
    let head = format!(
        "svg class=\"{class}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\"",
        n(width),
        n(height)
    );
    let names = [
        tagged(&format!("title id=\"{id}-t\""), title),
        tagged(&format!("desc id=\"{id}-d\""), description),
    ];
    tag(&head, names.into_iter().chain(inner))
}

/// Lines at round shares up to `most`, each named at its left end.
fn share_axis(most: f64, y: &Scale, (left, right): (f64, f64)) -> Vec<Markup> {
    let apart = step(most, 3);
    let tick = |tick: f64| {
        let text = format!("{}%", tick_label(tick * 100.0, apart * 100.0));
        [
            line("grid", left, y.at(tick), right, y.at(tick)),
            label("tick end", left - 5.0, y.at(tick) + 4.0, &text),
        ]
    };
    let above = ticks(0.0, most, 3).into_iter().skip(1);
    above.flat_map(tick).collect()
}

/// Round values below a chart, at most about `many`.
fn value_axis(x: &Scale, many: usize, bottom: f64) -> Vec<Markup> {
    let apart = step(x.high - x.low, many);
    let tick = |tick: f64| {
        let at = x.at(tick);
        [
            line("axis", at, bottom, at, bottom + 4.0),
            label("tick mid", at, bottom + 17.0, &tick_label(tick, apart)),
        ]
    };
    let all = ticks(x.low, x.high, many).into_iter();
    all.flat_map(tick).collect()
}

/// A part of rows; 0 of none.
fn part(some: u64, all: u64) -> f64 {
    ratio(some, all).unwrap_or(0.0)
}

fn line(class: &str, x1: f64, y1: f64, x2: f64, y2: f64) -> Markup {
    leaf(&format!(
        "line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"",
        n(x1),
        n(y1),
        n(x2),
        n(y2)
    ))
}

fn rectangle(class: &str, x: f64, y: f64, width: f64, height: f64) -> Markup {
    let (width, height) = (n(width.max(0.0)), n(height.max(0.0)));
    leaf(&format!(
        "rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"",
        n(x),
        n(y)
    ))
}

fn label(class: &str, x: f64, y: f64, text: &str) -> Markup {
    tagged(
        &format!("text class=\"{class}\" x=\"{}\" y=\"{}\"", n(x), n(y)),
        text,
    )
}

fn path(class: &str, points: &str) -> Markup {
    leaf(&format!("path class=\"{class}\" d=\"{points}\""))
}

fn leaf_circle(class: &str, x: f64, y: f64, radius: f64) -> Markup {
    leaf(&format!(
        "circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"",
        n(x),
        n(y),
        n(radius)
    ))
}

/// A place in a chart that shows its numbers when it is pointed at.
fn tooltip(x: f64, y: f64, width: f64, height: f64, text: &str) -> Markup {
    let (width, height) = (n(width.max(0.0)), n(height.max(0.0)));
    let head = format!(
        "rect class=\"hit\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"",
        n(x),
        n(y)
    );
    tag(&head, [tagged("title", text)])
}

/// The shapes that distinguish series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
}

const MARKERS: [Marker; 4] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
];

/// A marker of about `size` around a point.
fn marker(index: usize, class: &str, x: f64, y: f64, size: f64) -> Markup {
    let points = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners
            .iter()
            .map(|(dx, dy)| format!("{},{}", n(x + dx * size), n(y + dy * size)))
            .collect();
        leaf(&format!(
            "polygon class=\"{}\" points=\"{}\"",
            escaped(class),
            corners.join(" ")
        ))
    };
    match MARKERS[index % MARKERS.len()] {
        Marker::Circle => leaf_circle(class, x, y, size),
        Marker::Square => points(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Marker::Triangle => points(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        Marker::Diamond => points(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
    }
}
