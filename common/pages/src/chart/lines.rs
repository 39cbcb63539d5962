//! Lines over dates.

use chrono::NaiveDate;
use learn::metrics::Interval;

use super::dates::{Dates, LEFT, POINTED, Size};
use super::scale::{Scale, rounded, tick_label};
use super::{label, line, marker, n, path, svg, tooltip};
use crate::format::metric;
use crate::html::{Markup, tag, tagged};

/// Up to so many dates each point has a marker.
const MARKED: usize = 62;
/// Between the names at the ends of lines.
const APART: f64 = 16.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// Name of the series.
    pub name: &'a str,
    /// One value per date; a line is broken where there is none.
    pub values: Vec<Option<f64>>,
    /// One value per thin date, of a thin line behind.
    pub thin: Vec<Option<f64>>,
    /// One interval per date, of a band behind; empty without any.
    pub band: Vec<Option<Interval>>,
}

/// Lines over dates.
#[derive(Clone, Debug)]
pub struct DailyLines<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// How large it is.
    pub size: Size,
    /// What it shows.
    pub title: &'a str,
    /// Dates in ascending order.
    pub dates: &'a [NaiveDate],
    /// Dates of the thin lines behind, in ascending order; empty without any.
    pub thin_dates: &'a [NaiveDate],
    /// At most four.
    pub series: Vec<Series<'a>>,
    /// A level to compare with: its name and value.
    pub level: Option<(&'a str, f64)>,
}

/// From where to where an axis reaches: a line that hardly moves must not look as if it jumped.
fn span(values: &[f64]) -> (f64, f64) {
    let ends = values.iter().copied().map(|value| (value, value));
    let ends = ends.reduce(|(low, high), (value, _)| (low.min(value), high.max(value)));
    let (low, high) = ends.unwrap_or((0.0, 1.0));
    let middle = (low + high) / 2.0;
    if values.iter().all(|value| (0.0..=1.0).contains(value)) {
        return (
            low.min(middle - 0.05).max(0.0),
            high.max(middle + 0.05).min(1.0),
        );
    }
    let apart = 0.05 * middle.abs();
    (low.min(middle - apart), high.max(middle + apart))
}

/// Draws lines over dates. Nothing without dates.
pub fn daily_lines(chart: &DailyLines) -> Markup {
    const TOP: f64 = 12.0;
    let bottom = if chart.size == Size::Page {
        250.0
    } else {
        150.0
    };
    let right = chart.size.right();
    let Some(dates) = Dates::of_both(chart.dates, chart.thin_dates, chart.size) else {
        return Markup::default();
    };
    let values = chart
        .series
        .iter()
        .flat_map(|series| series.values.iter().chain(&series.thin).flatten().copied());
    let ends_of_bands = chart
        .series
        .iter()
        .flat_map(|series| series.band.iter().flatten());
    let values = values.chain(ends_of_bands.flat_map(|band| [band.low, band.high]));
    let values: Vec<f64> = values.chain(chart.level.map(|(_, value)| value)).collect();
    let (low, high) = span(&values);
    let (from, to, ticks) = rounded(
        low,
        high.max(low),
        if chart.size == Size::Page { 6 } else { 4 },
    );
    let y = Scale {
        low: from,
        high: to,
        start: bottom,
        end: TOP,
    };

    let mut inner = Vec::new();
    let apart = if ticks.len() > 1 {
        ticks[1] - ticks[0]
    } else {
        1.0
    };
    for tick in ticks {
        inner.push(line("grid", LEFT, y.at(tick), right, y.at(tick)));
        inner.push(label(
            "tick end",
            LEFT - 8.0,
            y.at(tick) + 4.0,
            &tick_label(tick, apart),
        ));
    }
    inner.extend(dates.axis(bottom));
    let mut names: Vec<(f64, Markup)> = Vec::new();
    if let Some((name, value)) = chart.level {
        inner.push(line("level", LEFT, y.at(value), right, y.at(value)));
        if chart.size == Size::Page {
            names.push((y.at(value), tagged("text class=\"name muted\"", name)));
        }
    }
    for (index, series) in chart.series.iter().enumerate() {
        inner.extend(
            bands(&dates, &y, chart.dates, &series.band)
                .map(|band| path(&format!("band n{index}"), &band)),
        );
    }
    for (index, series) in chart
        .series
        .iter()
        .enumerate()
        .filter(|(_, series)| !series.thin.is_empty())
    {
        inner.push(path(
            &format!("thin s{index}"),
            &points(&dates, &y, chart.thin_dates, &series.thin),
        ));
    }
    for (index, series) in chart.series.iter().enumerate() {
        inner.push(path(
            &format!("series s{index}"),
            &points(&dates, &y, chart.dates, &series.values),
        ));
        let points = || {
            chart
                .dates
                .iter()
                .zip(&series.values)
                .filter_map(|(date, value)| Some((*date, (*value)?)))
        };
        if chart.dates.len() <= MARKED {
            inner.extend(points().map(|(date, value)| {
                marker(
                    index,
                    &format!("mark s{index}"),
                    dates.at(date),
                    y.at(value),
                    3.4,
                )
            }));
        }
        if let Some((_, value)) = points().next_back().filter(|_| chart.size == Size::Page) {
            names.push((
                y.at(value),
                tagged(&format!("text class=\"name n{index}\""), series.name),
            ));
        }
    }
    inner.extend(ends(names, right, TOP, bottom));
    if chart.dates.len() <= POINTED {
        inner.extend(chart.dates.iter().enumerate().map(|(i, &date)| {
            let values: Vec<String> = chart
                .series
                .iter()
                .map(|series| format!("{} {}", series.name, with_band(series, i)))
                .collect();
            tooltip(
                dates.at(date) - dates.half,
                TOP,
                2.0 * dates.half,
                bottom - TOP,
                &format!("{date}\n{}", values.join("\n")),
            )
        }));
    }
    svg(
        chart.id,
        chart.size.class(),
        chart.size.width(),
        bottom + 26.0,
        chart.title,
        &describe(chart),
        inner,
    )
}

fn with_band(series: &Series, i: usize) -> String {
    let value = metric(series.values[i]);
    match series.band.get(i).copied().flatten() {
        Some(band) => format!(
            "{value} ({} to {})",
            metric(Some(band.low)),
            metric(Some(band.high))
        ),
        None => value,
    }
}

/// The outline of each stretch of a band without a gap.
fn bands<'a>(
    dates: &'a Dates,
    y: &'a Scale,
    days: &'a [NaiveDate],
    band: &'a [Option<Interval>],
) -> impl Iterator<Item = String> + 'a {
    let places: Vec<Option<(f64, f64, f64)>> = days
        .iter()
        .zip(band)
        .map(|(date, band)| band.map(|band| (dates.at(*date), y.at(band.low), y.at(band.high))))
        .collect();
    let stretches: Vec<Vec<(f64, f64, f64)>> = places
        .split(Option::is_none)
        .map(|stretch| stretch.iter().flatten().copied().collect())
        .collect();
    stretches
        .into_iter()
        .filter(|stretch| stretch.len() > 1)
        .map(|stretch| {
            let upper = stretch
                .iter()
                .map(|(x, _, high)| format!("{} {}", n(*x), n(*high)));
            let lower = stretch
                .iter()
                .rev()
                .map(|(x, low, _)| format!("{} {}", n(*x), n(*low)));
            format!("M{}Z", upper.chain(lower).collect::<Vec<_>>().join("L"))
        })
}

/// Names of the lines beside their ends, moved apart where they would overlap.
fn ends(mut names: Vec<(f64, Markup)>, right: f64, top: f64, bottom: f64) -> Vec<Markup> {
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<f64> = names.iter().map(|(y, _)| *y).collect();
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + APART);
    }
    if let Some(last) = places.last().copied() {
        let over = (last - bottom).max(0.0);
        let mut limit = f64::INFINITY;
        for place in places.iter_mut().rev() {
            if over > 0.0 {
                *place = place.min(limit).min(bottom).max(top);
                limit = *place - APART;
            }
        }
    }
    let mut placed = Vec::new();
    for ((y, name), place) in names.into_iter().zip(places) {
        placed.push(line("lead", right + 2.0, y, right + 10.0, place));
        placed.push(tag(
            &format!(
                "g transform=\"translate({} {})\"",
                n(right + 13.0),
                n(place + 4.0)
            ),
            [name],
        ));
    }
    placed
}

/// The path of a line, which starts over after each gap. A value alone between two gaps is a short
/// dash.
fn points(dates: &Dates, y: &Scale, days: &[NaiveDate], values: &[Option<f64>]) -> String {
    let mut path = String::new();
    let mut down = false;
    for (index, (date, value)) in days.iter().zip(values).enumerate() {
        let Some(value) = value else {
            down = false;
            continue;
        };
        let (x, y) = (dates.at(*date), y.at(*value));
        let alone = !down && values.get(index + 1).is_none_or(Option::is_none);
        match (down, alone) {
            (_, true) => path.push_str(&format!("M{} {}h3", n(x - 1.5), n(y))),
            (false, _) => path.push_str(&format!("M{} {}", n(x), n(y))),
            (true, _) => path.push_str(&format!("L{} {}", n(x), n(y))),
        }
        down = true;
    }
    path
}

fn describe(chart: &DailyLines) -> String {
    let span = match (chart.dates.first(), chart.dates.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => first.to_string(),
        _ => String::new(),
    };
    let lines: Vec<String> = chart
        .series
        .iter()
        .map(|series| {
            let values = || series.values.iter().flatten().copied();
            match values().last() {
                None => format!("{} has no values", series.name),
                Some(last) => format!(
                    "{} from {} to {}, last {}",
                    series.name,
                    metric(Some(values().fold(f64::INFINITY, f64::min))),
                    metric(Some(values().fold(f64::NEG_INFINITY, f64::max))),
                    metric(Some(last))
                ),
            }
        })
        .collect();
    format!("{span}: {}.", lines.join("; "))
}

/// What the lines are called, with a sample of each.
pub fn legend(names: &[&'static str]) -> Markup {
    let item = |(index, name): (usize, &&'static str)| {
        let sample = tag(
            "svg class=\"sample\" viewBox=\"0 0 34 12\" aria-hidden=\"true\"",
            [
                path(&format!("series s{index}"), "M1 6H33"),
                marker(index, &format!("mark s{index}"), 17.0, 6.0, 3.4),
            ],
        );
        tag("li", [sample, tagged("span", name)])
    };
    tag("ul class=\"legend\"", names.iter().enumerate().map(item))
}
