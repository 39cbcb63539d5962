//! Rows by date.

use chrono::NaiveDate;

use super::dates::{Dates, HALF_OF_BAR, LEFT, POINTED, Size};
use super::scale::Scale;
use super::{label, line, n, rectangle, svg, tooltip};
use crate::format::{compact, count, share};
use crate::html::{Markup, leaf};

/// Bars of rows over dates, each filled as far as its rows have a label.
#[derive(Clone, Debug)]
pub struct DailyBars<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// Dates in ascending order.
    pub dates: &'a [NaiveDate],
    /// Dates of thin lines in a chart above, so that both axes are the same.
    pub thin_dates: &'a [NaiveDate],
    /// Rows of each date.
    pub rows: Vec<u64>,
    /// Rows with a label.
    pub labelled: Vec<u64>,
}

/// Draws the rows of each date and how many of them have a label. Nothing without dates.
pub fn daily_bars(chart: &DailyBars) -> Markup {
    const TOP: f64 = 8.0;
    const BOTTOM: f64 = 76.0;
    let right = Size::Page.right();
    let Some(dates) = Dates::of_both(chart.dates, chart.thin_dates, Size::Page) else {
        return Markup::default();
    };
    let most = chart.rows.iter().copied().max().unwrap_or(0);
    let y = Scale {
        low: 0.0,
        high: (most as f64).max(1.0),
        start: BOTTOM,
        end: TOP,
    };
    let half = (dates.half * 0.82).min(HALF_OF_BAR);
    let mut inner = vec![
        line("grid", LEFT, TOP, right, TOP),
        label("tick end", LEFT - 8.0, TOP + 4.0, &compact(most)),
        label("tick end", LEFT - 8.0, BOTTOM + 4.0, "0"),
    ];
    let (mut labelled_rows, mut rows) = (0, 0);
    for ((&date, &all), &labelled) in chart.dates.iter().zip(&chart.rows).zip(&chart.labelled) {
        let x = dates.at(date);
        let mut bar = |class: &str, count: u64| {
            let top = y.at(count as f64);
            inner.push(rectangle(class, x - half, top, 2.0 * half, BOTTOM - top));
        };
        bar("bar-all", all);
        bar("bar-labelled", labelled);
        rows += all;
        labelled_rows += labelled;
        if chart.dates.len() <= POINTED {
            let of = share((all > 0).then(|| labelled as f64 / all as f64));
            let text = format!(
                "{date}\n{} rows\n{} labelled ({of})",
                count(all),
                count(labelled)
            );
            inner.push(tooltip(
                x - dates.half,
                TOP,
                2.0 * dates.half,
                BOTTOM - TOP,
                &text,
            ));
        }
    }
    inner.extend(dates.axis(BOTTOM));
    inner.push(leaf(&format!(
        "rect class=\"bar-all\" x=\"{}\" y=\"22\" width=\"11\" height=\"11\"",
        n(right + 13.0)
    )));
    inner.push(label("name muted", right + 29.0, 32.0, "rows"));
    inner.push(leaf(&format!(
        "rect class=\"bar-labelled\" x=\"{}\" y=\"42\" width=\"11\" height=\"11\"",
        n(right + 13.0)
    )));
    inner.push(label("name muted", right + 29.0, 52.0, "labelled"));
    let description = format!(
        "{} of {} rows have a label; at most {} rows at one date.",
        count(labelled_rows),
        count(rows),
        count(most)
    );
    svg(
        chart.id,
        "wide",
        Size::Page.width(),
        102.0,
        chart.title,
        &description,
        inner,
    )
}
