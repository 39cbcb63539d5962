//! A value on a scale with limits.

use super::scale::Scale;
use super::{label, line, n, rectangle, svg};
use crate::format::{metric, number};
use crate::html::{Markup, leaf};

/// Draws an index from 0 on, with the limits from which it warns and alerts. Beyond twice the
/// greater limit it is at the end.
pub fn meter(id: &str, value: f64, warn: f64, alert: f64) -> Markup {
    const WIDTH: f64 = 220.0;
    let end = (2.0 * alert.max(warn)).max(1e-9);
    let x = Scale {
        low: 0.0,
        high: end,
        start: 4.0,
        end: WIDTH - 4.0,
    };
    let mut inner = vec![
        rectangle("zone ok", x.start, 8.0, x.at(warn) - x.start, 6.0),
        rectangle("zone warn", x.at(warn), 8.0, x.at(alert) - x.at(warn), 6.0),
        rectangle("zone alert", x.at(alert), 8.0, x.end - x.at(alert), 6.0),
    ];
    for limit in [warn, alert] {
        inner.push(line("limit", x.at(limit), 5.0, x.at(limit), 17.0));
        inner.push(label("tick mid", x.at(limit), 28.0, &number(Some(limit))));
    }
    let at = x.at(if value.is_finite() { value } else { end });
    inner.push(leaf(&format!(
        "polygon class=\"needle\" points=\"{},11 {},0 {},0\"",
        n(at),
        n(at - 5.0),
        n(at + 5.0)
    )));
    let description = format!(
        "{}, where {} warns and {} alerts.",
        metric(Some(value)),
        number(Some(warn)),
        number(Some(alert))
    );
    svg(
        id,
        "meter",
        WIDTH,
        32.0,
        "Population stability index",
        &description,
        inner,
    )
}
