//! A chart of two shares: both axes from 0 to 1.

use super::scale::Scale;
use super::{label, line, n};
use crate::html::{Markup, tag};

/// Width and height.
pub(super) const SIZE: f64 = 320.0;

/// Both scales, and the axes that are drawn already.
pub(super) struct Square {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) inner: Vec<Markup>,
}

/// Draws the axes with their names.
pub(super) fn square(across: &str, up: &str) -> Square {
    let x = Scale {
        low: 0.0,
        high: 1.0,
        start: 44.0,
        end: SIZE - 10.0,
    };
    let y = Scale {
        low: 0.0,
        high: 1.0,
        start: SIZE - 42.0,
        end: 10.0,
    };
    let mut inner = Vec::new();
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        inner.push(line("grid", x.start, y.at(tick), x.end, y.at(tick)));
        inner.push(line("grid", x.at(tick), y.start, x.at(tick), y.end));
        inner.push(label(
            "tick end",
            x.start - 6.0,
            y.at(tick) + 4.0,
            &tick.to_string(),
        ));
        inner.push(label(
            "tick mid",
            x.at(tick),
            y.start + 17.0,
            &tick.to_string(),
        ));
    }
    inner.push(label(
        "tick mid",
        (x.start + x.end) / 2.0,
        SIZE - 6.0,
        across,
    ));
    let (middle, aside) = ((y.start + y.end) / 2.0, 11.0);
    let turned = format!(
        "g transform=\"translate({} {}) rotate(-90)\"",
        n(aside),
        n(middle)
    );
    inner.push(tag(&turned, [label("tick mid", 0.0, 0.0, up)]));
    Square { x, y, inner }
}
