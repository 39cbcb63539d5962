//! An index of many columns over dates: one row of bars for each.

use chrono::NaiveDate;
use profile::drift::Verdict;

use super::dates::{Dates, LEFT, Size};
use super::{label, line, n, path, rectangle, svg};
use crate::format::metric;
use crate::html::Markup;

/// Height of a row, and of the bars in it.
const ROW: f64 = 26.0;
const BAR: f64 = 19.0;
/// The room for the names, above the bars of each row.
const NAME: f64 = 19.0;

/// The index of one column.
#[derive(Clone, Debug)]
pub struct HeatRow<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// One index and its judgement for each date.
    pub values: Vec<(Option<f64>, Verdict)>,
}

/// Draws a bar for each date, as tall as the index: `alert` fills the row. What alerts also stands
/// out by its shape: it has a dot above. Nothing without dates.
pub fn heat_lines(
    id: &str,
    title: &str,
    dates: &[NaiveDate],
    rows: &[HeatRow],
    alert: f64,
) -> Markup {
    let Some(axis) = Dates::of_both(dates, &[], Size::Page) else {
        return Markup::default();
    };
    let right = Size::Page.right();
    let width = (axis.half * 2.0 * 0.86).clamp(0.8, 26.0);
    let mut inner = Vec::new();
    let mut described = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let top = index as f64 * (ROW + NAME);
        let bottom = top + NAME + ROW;
        inner.push(rectangle("track", LEFT, bottom - ROW, right - LEFT, ROW));
        inner.push(label("name", LEFT, top + 14.0, row.name));
        for verdict in [
            Verdict::InsufficientData,
            Verdict::Ok,
            Verdict::Warn,
            Verdict::Alert,
        ] {
            let mut bars = String::new();
            let mut dots = String::new();
            let of = dates
                .iter()
                .zip(&row.values)
                .filter(|(_, (_, judged))| *judged == verdict);
            for (date, (psi, _)) in of {
                let Some(psi) = psi else { continue };
                let height = 1.5 + (BAR - 1.5) * (psi / alert.max(1e-9)).clamp(0.0, 1.0);
                bars.push_str(&format!(
                    "M{} {}v-{}",
                    n(axis.at(*date)),
                    n(bottom),
                    n(height)
                ));
                if verdict == Verdict::Alert {
                    dots.push_str(&format!(
                        "M{} {}h.01",
                        n(axis.at(*date)),
                        n(bottom - ROW + 3.5)
                    ));
                }
            }
            if !bars.is_empty() {
                let class = class(verdict);
                inner.push(path(
                    &format!("heat {class}\" stroke-width=\"{}", n(width)),
                    &bars,
                ));
                if !dots.is_empty() {
                    inner.push(path("heat-dot", &dots));
                }
            }
        }
        inner.push(line("axis", LEFT, bottom, right, bottom));
        let most = row
            .values
            .iter()
            .zip(dates)
            .filter_map(|((psi, _), date)| Some(((*psi)?, *date)));
        if let Some((psi, date)) = most.max_by(|a, b| a.0.total_cmp(&b.0)) {
            let text = format!("most {}", metric(Some(psi)));
            inner.push(label("name muted", right + 8.0, bottom - 9.0, &text));
            let alerts = row
                .values
                .iter()
                .filter(|(_, verdict)| *verdict == Verdict::Alert)
                .count();
            described.push(format!(
                "{}: at most {} ({date}), {alerts} alerts",
                row.name,
                metric(Some(psi))
            ));
        }
    }
    let bottom = rows.len() as f64 * (ROW + NAME);
    inner.extend(axis.axis(bottom));
    svg(
        id,
        "wide",
        Size::Page.width(),
        bottom + 26.0,
        title,
        &format!("{}.", described.join("; ")),
        inner,
    )
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::InsufficientData => "unknown",
        Verdict::Warn => "warn",
        Verdict::Alert => "alert",
    }
}
