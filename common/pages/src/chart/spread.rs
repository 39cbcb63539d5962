//! One column: how its values are spread, and the mean of the target over them.

use super::scale::{Scale, step, tick_label, ticks};
use super::{
    label, leaf_circle, line, n, part, path, rectangle, share_axis, short, svg, tooltip, value_axis,
};
use crate::format::{count, number, share};
use crate::html::Markup;

/// Characters of a name at its bar; the tooltip has all of it.
const NAMED: usize = 14;
/// Height of a bar that lies.
const SLOT: f64 = 19.0;

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadBar {
    /// What the tooltip calls it, and the axis where bars are names.
    pub name: String,
    /// From this value, where bars are ranges.
    pub lower: f64,
    /// To this one.
    pub upper: f64,
    /// Rows in it.
    pub rows: u64,
    /// Mean of the target over those that have one.
    pub mean: Option<f64>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Spread<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// The column.
    pub name: &'a str,
    /// What the mean is of, such as `churned = yes`, and the mean of all rows.
    pub target: Option<(&'a str, f64)>,
    /// The bars, in order.
    pub bars: &'a [SpreadBar],
    /// Rows of the column.
    pub rows: u64,
}

/// Draws ranges of numbers beside each other.
pub fn spread(chart: &Spread) -> Markup {
    const SIZE: (f64, f64) = (420.0, 190.0);
    let (left, right, top, bottom) = (38.0, SIZE.0 - 40.0, 12.0, SIZE.1 - 24.0);
    let (Some(first), Some(last)) = (chart.bars.first(), chart.bars.last()) else {
        return empty(chart, SIZE);
    };
    let most = chart.bars.iter().map(|bar| part(bar.rows, chart.rows));
    let most = most.fold(1e-9, f64::max);
    let x = Scale {
        low: first.lower,
        high: last.upper,
        start: left,
        end: right,
    };
    let y = Scale {
        low: 0.0,
        high: most * 1.04,
        start: bottom,
        end: top,
    };
    let mut inner = Vec::new();
    inner.extend(share_axis(most, &y, (left, right)));
    for bar in chart.bars {
        let (from, to) = (x.at(bar.lower), x.at(bar.upper));
        let height = y.at(part(bar.rows, chart.rows));
        inner.push(rectangle(
            "reference",
            from + 0.5,
            height,
            to - from - 1.0,
            bottom - height,
        ));
    }
    inner.extend(means(chart, &x, (top, bottom, right)));
    for bar in chart.bars {
        let (from, to) = (x.at(bar.lower), x.at(bar.upper));
        inner.push(tooltip(
            from,
            top,
            to - from,
            bottom - top,
            &described(chart, bar),
        ));
    }
    inner.extend(value_axis(&x, 4, bottom));
    inner.push(line("axis", left, bottom, right, bottom));
    svg(
        chart.id,
        "histogram",
        SIZE.0,
        SIZE.1,
        &title(chart),
        &said(chart),
        inner,
    )
}

/// The means as a line with points, on a scale of their own at the right.
fn means(chart: &Spread, x: &Scale, (top, bottom, right): (f64, f64, f64)) -> Vec<Markup> {
    let Some((_, overall)) = chart.target else {
        return Vec::new();
    };
    let ends = chart
        .bars
        .iter()
        .filter_map(|bar| bar.mean)
        .chain([overall]);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
        (low.min(mean), high.max(mean))
    });
    // Shares begin at nothing.
    let low = if low >= 0.0 { 0.0 } else { low };
    let y = Scale {
        low,
        high: if high > low { high } else { low + 1.0 },
        start: bottom,
        end: top,
    };
    let apart = step(y.high - y.low, 3);
    let mut inner: Vec<Markup> = ticks(y.low, y.high, 3)
        .into_iter()
        .map(|tick| {
            label(
                "tick",
                right + 5.0,
                y.at(tick) + 4.0,
                &tick_label(tick, apart),
            )
        })
        .collect();
    inner.push(line("level", x.start, y.at(overall), x.end, y.at(overall)));
    let points: Vec<(f64, f64)> = chart
        .bars
        .iter()
        .filter_map(|bar| Some(((x.at(bar.lower) + x.at(bar.upper)) / 2.0, y.at(bar.mean?))))
        .collect();
    let joints: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{} {}", n(*x), n(*y)))
        .collect();
    if !joints.is_empty() {
        inner.push(path("series s0", &format!("M{}", joints.join("L"))));
    }
    inner.extend(
        points
            .iter()
            .map(|(x, y)| leaf_circle("point-now", *x, *y, 2.6)),
    );
    inner
}

/// Draws values with a name each below each other.
pub fn spread_names(chart: &Spread) -> Markup {
    const WIDTH: f64 = 420.0;
    if chart.bars.is_empty() {
        return empty(chart, (WIDTH, 60.0));
    }
    let height = 22.0 + SLOT * chart.bars.len() as f64;
    let (left, right, top) = (104.0, WIDTH - 150.0, 20.0);
    let most = chart.bars.iter().map(|bar| part(bar.rows, chart.rows));
    let most = most.fold(1e-9, f64::max);
    let means = chart.bars.iter().filter_map(|bar| bar.mean);
    let overall = chart.target.map(|(_, overall)| overall);
    let (low, high) = means
        .chain(overall)
        .fold((0.0_f64, 0.0_f64), |(low, high), mean| {
            (low.min(mean), high.max(mean))
        });
    let track = Scale {
        low,
        high: if high > low { high } else { low + 1.0 },
        start: right + 50.0,
        end: WIDTH - 62.0,
    };
    let mut inner = vec![label("tick", left, 12.0, "rows")];
    if let Some((of_what, overall)) = chart.target {
        inner.push(label("tick", track.start, 12.0, &short(of_what, NAMED)));
        let at = track.at(overall);
        inner.push(line("level", at, top, at, height - 2.0));
    }
    for (index, bar) in chart.bars.iter().enumerate() {
        let middle = top + (index as f64 + 0.5) * SLOT;
        let length = (right - left) * part(bar.rows, chart.rows) / most;
        inner.push(rectangle("reference", left, middle - 6.0, length, 12.0));
        inner.push(label(
            "tick end",
            left - 5.0,
            middle + 4.0,
            &short(&bar.name, NAMED),
        ));
        let part = share(Some(part(bar.rows, chart.rows)));
        inner.push(label("tick", left + length + 4.0, middle + 4.0, &part));
        if let Some(mean) = bar.mean.filter(|_| overall.is_some()) {
            inner.push(leaf_circle("point-now", track.at(mean), middle, 3.4));
            inner.push(label("tick end", WIDTH, middle + 4.0, &number(Some(mean))));
        }
        inner.push(tooltip(
            0.0,
            middle - SLOT / 2.0,
            WIDTH,
            SLOT,
            &described(chart, bar),
        ));
    }
    inner.push(line("axis", left, top, left, height - 2.0));
    svg(
        chart.id,
        "histogram",
        WIDTH,
        height,
        &title(chart),
        &said(chart),
        inner,
    )
}

fn empty(chart: &Spread, (width, height): (f64, f64)) -> Markup {
    let text = label("tick mid", width / 2.0, height / 2.0, "no values");
    let said = "There are no values.";
    svg(
        chart.id,
        "histogram",
        width,
        height,
        &title(chart),
        said,
        vec![text],
    )
}

fn title(chart: &Spread) -> String {
    format!("Distribution of {}", chart.name)
}

fn said(chart: &Spread) -> String {
    let bars = chart.bars.iter();
    let bars: Vec<String> = bars
        .map(|bar| described(chart, bar).replace('\n', " "))
        .collect();
    format!("{}.", bars.join("; "))
}

fn described(chart: &Spread, bar: &SpreadBar) -> String {
    let rows = format!(
        "{}\n{} rows, {}",
        bar.name,
        count(bar.rows),
        share(Some(part(bar.rows, chart.rows)))
    );
    match (chart.target, bar.mean) {
        (Some((name, _)), Some(mean)) => format!("{rows}\nmean of {name} {}", number(Some(mean))),
        _ => rows,
    }
}
