//! Two distributions over each other: the reference filled, the current data outlined.

use super::scale::Scale;
use super::{label, line, n, part, path, rectangle, share_axis, svg, tooltip, value_axis};
use crate::content::Bin;
use crate::format::{number, share};
use crate::html::Markup;

/// Values with fewer distinct ones than this have a name each at the axis.
const NAMED: usize = 8;

/// Two distributions.
#[derive(Clone, Debug)]
pub struct Histogram<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// What is distributed.
    pub name: &'a str,
    /// Size in units of the chart.
    pub size: (f64, f64),
    /// The bars; of no width where each is one value.
    pub bins: &'a [Bin],
    /// Values of the reference, those beyond the bars included.
    pub reference: u64,
    /// Current values, those beyond the bars included.
    pub current: u64,
    /// Means of reference and current data.
    pub means: (Option<f64>, Option<f64>),
    /// What the reference is called.
    pub compared_with: &'a str,
}

/// Draws them as shares of their values.
pub fn histogram(chart: &Histogram) -> Markup {
    let (width, height) = chart.size;
    let (left, right, top, bottom) = (36.0, width - 10.0, 12.0, height - 24.0);
    let title = format!("Distribution of {}", chart.name);
    let (Some(first), Some(last)) = (chart.bins.first(), chart.bins.last()) else {
        let text = label("tick mid", width / 2.0, height / 2.0, "no values");
        return svg(
            chart.id,
            "histogram",
            width,
            height,
            &title,
            "There are no values.",
            vec![text],
        );
    };
    let shares: Vec<(f64, f64)> = chart
        .bins
        .iter()
        .map(|bin| {
            (
                part(bin.reference, chart.reference),
                part(bin.current, chart.current),
            )
        })
        .collect();
    let most = shares
        .iter()
        .fold(0.0_f64, |most, (a, b)| most.max(*a).max(*b))
        .max(1e-9);
    let y = Scale {
        low: 0.0,
        high: most * 1.04,
        start: bottom,
        end: top,
    };
    let values = first.lower == first.upper;

    let mut inner = Vec::new();
    inner.extend(share_axis(most, &y, (left, right)));
    if values {
        inner.extend(each_value(chart, &shares, &y, (left, right), bottom));
    } else {
        let x = Scale {
            low: first.lower,
            high: last.upper,
            start: left,
            end: right,
        };
        inner.extend(ranges(chart, &shares, &x, &y));
        for (class, mean) in [
            ("mean-reference", chart.means.0),
            ("mean-current", chart.means.1),
        ] {
            let within = mean.filter(|mean| (first.lower..=last.upper).contains(mean));
            inner.extend(within.map(|mean| line(class, x.at(mean), top, x.at(mean), bottom)));
        }
        inner.extend(value_axis(&x, 5, bottom));
    }
    inner.push(line("axis", left, bottom, right, bottom));
    svg(
        chart.id,
        "histogram",
        width,
        height,
        &title,
        &describe(chart),
        inner,
    )
}

fn ranges(chart: &Histogram, shares: &[(f64, f64)], x: &Scale, y: &Scale) -> Vec<Markup> {
    let bins = chart.bins;
    let mut inner = Vec::new();
    let outline = |side: fn(&(f64, f64)) -> f64| {
        let mut path = format!("M{} {}", n(x.at(bins[0].lower)), n(y.start));
        for (bin, shares) in bins.iter().zip(shares) {
            path.push_str(&format!(
                "V{}H{}",
                n(y.at(side(shares))),
                n(x.at(bin.upper))
            ));
        }
        path.push_str(&format!("V{}", n(y.start)));
        path
    };
    inner.push(path(
        "reference",
        &format!("{}Z", outline(|shares| shares.0)),
    ));
    inner.push(path("current", &outline(|shares| shares.1)));
    inner.extend(bins.iter().zip(shares).map(|(bin, shares)| {
        let text = format!(
            "{} to {}\n{} {}\nnow {}",
            number(Some(bin.lower)),
            number(Some(bin.upper)),
            chart.compared_with,
            share(Some(shares.0)),
            share(Some(shares.1))
        );
        tooltip(
            x.at(bin.lower),
            y.end,
            x.at(bin.upper) - x.at(bin.lower),
            y.start - y.end,
            &text,
        )
    }));
    inner
}

/// Two bars for each value.
fn each_value(
    chart: &Histogram,
    shares: &[(f64, f64)],
    y: &Scale,
    (left, right): (f64, f64),
    bottom: f64,
) -> Vec<Markup> {
    let bins = chart.bins;
    let slot = (right - left) / bins.len() as f64;
    let bar = (slot * 0.36).min(34.0);
    let mut inner = Vec::new();
    for (index, (bin, shares)) in bins.iter().zip(shares).enumerate() {
        let middle = left + (index as f64 + 0.5) * slot;
        inner.push(rectangle(
            "reference",
            middle - bar,
            y.at(shares.0),
            bar,
            bottom - y.at(shares.0),
        ));
        inner.push(rectangle(
            "current closed",
            middle + 1.0,
            y.at(shares.1),
            bar - 1.0,
            bottom - y.at(shares.1),
        ));
        let text = format!(
            "{}\n{} {}\nnow {}",
            number(Some(bin.lower)),
            chart.compared_with,
            share(Some(shares.0)),
            share(Some(shares.1))
        );
        inner.push(tooltip(
            middle - slot / 2.0,
            y.end,
            slot,
            bottom - y.end,
            &text,
        ));
        let every = bins.len().div_ceil(NAMED);
        if index % every == 0 {
            inner.push(label(
                "tick mid",
                middle,
                bottom + 17.0,
                &number(Some(bin.lower)),
            ));
        }
    }
    inner
}

fn describe(chart: &Histogram) -> String {
    format!(
        "Training, filled, has the mean {}; now, outlined, the mean is {}.",
        number(chart.means.0),
        number(chart.means.1)
    )
}
