//! A line of bars as small as a word.

use super::{n, rectangle};
use crate::format::count;
use crate::html::{Markup, nothing, tag, tagged};

const WIDTH: f64 = 112.0;
const HEIGHT: f64 = 24.0;

/// One bar for each count, the highest as high as the line; nothing without counts.
pub fn sparkline(counts: &[u64]) -> Markup {
    let Some(most) = counts.iter().copied().max().filter(|most| *most > 0) else {
        return nothing();
    };
    let wide = WIDTH / counts.len() as f64;
    let bar = |(index, &value): (usize, &u64)| {
        // What is there is seen, however little it is.
        let high = if value == 0 {
            0.0
        } else {
            (HEIGHT * value as f64 / most as f64).max(1.0)
        };
        rectangle(
            "spark-bar",
            index as f64 * wide,
            HEIGHT - high,
            (wide * 0.8).max(0.4),
            high,
        )
    };
    let name = tagged(
        "title",
        format!(
            "{} to {} rows a day",
            count(counts.iter().copied().min().unwrap_or(0)),
            count(most)
        ),
    );
    let head = format!(
        "svg class=\"spark\" viewBox=\"0 0 {} {}\" role=\"img\"",
        n(WIDTH),
        n(HEIGHT)
    );
    tag(
        &head,
        std::iter::once(name).chain(counts.iter().enumerate().map(bar)),
    )
}
