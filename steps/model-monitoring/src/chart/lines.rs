//! Values by date: lines, and bars of rows.

use chrono::NaiveDate;

use super::scale::{Scale, date_ticks, rounded, step, tick_label};
use super::{label, line, marker, n, path, rectangle, svg, tooltip};
use crate::format::{count, metric, share};
use crate::html::{Markup, leaf, tag, tagged};

const WIDTH: f64 = 1040.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 104.0;
/// Up to so many dates each point has a marker.
const MARKED: usize = 62;
/// Up to so many dates each one tells its numbers when it is pointed at.
const POINTED: usize = 500;
/// Between the names at the ends of lines.
const APART: f64 = 16.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// One value per date; a line is broken where there is none.
    pub values: Vec<Option<f64>>,
    /// One value per thin date, of a thin line behind.
    pub thin: Vec<Option<f64>>,
}

/// Lines over dates.
#[derive(Clone, Debug)]
pub struct DailyLines<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// Dates in ascending order.
    pub dates: &'a [NaiveDate],
    /// Dates of the thin lines behind, in ascending order; empty without any.
    pub thin_dates: &'a [NaiveDate],
    /// At most four.
    pub series: Vec<Series>,
    /// A level to compare with: its name and value.
    pub level: Option<(&'a str, f64)>,
}

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

/// The places of dates: their middles, and half of the width that each one has.
struct Dates {
    scale: Scale,
    half: f64,
    first: NaiveDate,
    last: NaiveDate,
}

impl Dates {
    fn new(dates: &[NaiveDate]) -> Option<Self> {
        let (first, last) = (*dates.first()?, *dates.last()?);
        let gap = |pair: &[NaiveDate]| (pair[1] - pair[0]).num_days();
        let least = dates.windows(2).map(gap).min().unwrap_or(1).max(1) as f64;
        let days = (last - first).num_days() as f64;
        let half = (RIGHT - LEFT) / (days / least + 1.0) / 2.0;
        Some(Self { scale: Scale { low: 0.0, high: days, start: LEFT + half, end: RIGHT - half }, half, first, last })
    }

    /// An axis for both; half of the width is that of `dates`.
    fn of_both(dates: &[NaiveDate], thin: &[NaiveDate]) -> Option<Self> {
        let mut all = [dates, thin].concat();
        all.sort_unstable();
        Some(Self { half: Self::new(dates)?.half, ..Self::new(&all)? })
    }

    fn at(&self, date: NaiveDate) -> f64 {
        self.scale.at((date - self.first).num_days() as f64)
    }

    fn axis(&self, y: f64) -> Vec<Markup> {
        let ticks = date_ticks(self.first, self.last, 10).into_iter();
        let mut axis = vec![line("axis", LEFT, y, RIGHT, y)];
        axis.extend(ticks.flat_map(|(date, text)| {
            let x = self.at(date);
            [line("axis", x, y, x, y + 5.0), label("tick mid", x, y + 19.0, &text)]
        }));
        axis
    }
}

/// Draws lines over dates. Nothing without dates.
pub fn daily_lines(chart: &DailyLines) -> Markup {
    const TOP: f64 = 12.0;
    const BOTTOM: f64 = 250.0;
    let Some(dates) = Dates::of_both(chart.dates, chart.thin_dates) else { return Markup::default() };
    let values = chart.series.iter().flat_map(|series| series.values.iter().chain(&series.thin).flatten().copied());
    let values: Vec<f64> = values.chain(chart.level.map(|(_, value)| value)).collect();
    let (low, high) = values.iter().fold((1.0_f64, 0.0_f64), |(low, high), &value| (low.min(value), high.max(value)));
    // A line that hardly moves must not look as if it jumped.
    let middle = (low + high) / 2.0;
    let (low, high) = (low.min(middle - 0.05).max(0.0), high.max(middle + 0.05).min(1.0));
    let (from, to, ticks) = rounded(low, high.max(low), 6);
    let y = Scale { low: from, high: to, start: BOTTOM, end: TOP };

    let mut inner = Vec::new();
    let apart = step(to - from, 8);
    for tick in ticks {
        inner.push(line("grid", LEFT, y.at(tick), RIGHT, y.at(tick)));
        inner.push(label("tick end", LEFT - 8.0, y.at(tick) + 4.0, &tick_label(tick, apart)));
    }
    inner.extend(dates.axis(BOTTOM));
    let mut names: Vec<(f64, Markup)> = Vec::new();
    if let Some((name, value)) = chart.level {
        inner.push(line("level", LEFT, y.at(value), RIGHT, y.at(value)));
        names.push((y.at(value), tagged("text class=\"name muted\"", name)));
    }
    for (index, series) in chart.series.iter().enumerate().filter(|(_, series)| !series.thin.is_empty()) {
        inner.push(path(&format!("thin s{index}"), &points(&dates, &y, chart.thin_dates, &series.thin)));
    }
    for (index, series) in chart.series.iter().enumerate() {
        inner.push(path(&format!("series s{index}"), &points(&dates, &y, chart.dates, &series.values)));
        let points = || chart.dates.iter().zip(&series.values).filter_map(|(date, value)| Some((*date, (*value)?)));
        if chart.dates.len() <= MARKED {
            inner.extend(
                points()
                    .map(|(date, value)| marker(index, &format!("mark s{index}"), dates.at(date), y.at(value), 3.4)),
            );
        }
        if let Some((_, value)) = points().next_back() {
            names.push((y.at(value), tagged(&format!("text class=\"name n{index}\""), series.name)));
        }
    }
    inner.extend(ends(names, TOP, BOTTOM));
    if chart.dates.len() <= POINTED {
        inner.extend(chart.dates.iter().enumerate().map(|(i, &date)| {
            let values: Vec<String> =
                chart.series.iter().map(|series| format!("{} {}", series.name, metric(series.values[i]))).collect();
            tooltip(
                dates.at(date) - dates.half,
                TOP,
                2.0 * dates.half,
                BOTTOM - TOP,
                &format!("{date}\n{}", values.join("\n")),
            )
        }));
    }
    svg(chart.id, "wide", WIDTH, 276.0, chart.title, &describe(chart), inner)
}

/// Names of the lines beside their ends, moved apart where they would overlap.
fn ends(mut names: Vec<(f64, Markup)>, top: f64, bottom: f64) -> Vec<Markup> {
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
        placed.push(line("lead", RIGHT + 2.0, y, RIGHT + 10.0, place));
        placed.push(tag(&format!("g transform=\"translate({} {})\"", n(RIGHT + 13.0), n(place + 4.0)), [name]));
    }
    placed
}

/// The path of a line, which begins anew after each gap. A value alone between two gaps is a short dash.
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
            [path(&format!("series s{index}"), "M1 6H33"), marker(index, &format!("mark s{index}"), 17.0, 6.0, 3.4)],
        );
        tag("li", [sample, tagged("span", name)])
    };
    tag("ul class=\"legend\"", names.iter().enumerate().map(item))
}

/// Draws the rows of each date and how many of them have a label. Nothing without dates.
pub fn daily_bars(chart: &DailyBars) -> Markup {
    const TOP: f64 = 8.0;
    const BOTTOM: f64 = 76.0;
    let Some(dates) = Dates::of_both(chart.dates, chart.thin_dates) else { return Markup::default() };
    let most = chart.rows.iter().copied().max().unwrap_or(0);
    let y = Scale { low: 0.0, high: (most as f64).max(1.0), start: BOTTOM, end: TOP };
    let half = (dates.half * 0.82).min(22.0);
    let mut inner = vec![
        line("grid", LEFT, TOP, RIGHT, TOP),
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
            let text = format!("{date}\n{} rows\n{} labelled ({of})", count(all), count(labelled));
            inner.push(tooltip(x - dates.half, TOP, 2.0 * dates.half, BOTTOM - TOP, &text));
        }
    }
    inner.extend(dates.axis(BOTTOM));
    inner.push(leaf(&format!("rect class=\"bar-all\" x=\"{}\" y=\"22\" width=\"11\" height=\"11\"", n(RIGHT + 13.0))));
    inner.push(label("name muted", RIGHT + 29.0, 32.0, "rows"));
    inner.push(leaf(&format!(
        "rect class=\"bar-labelled\" x=\"{}\" y=\"42\" width=\"11\" height=\"11\"",
        n(RIGHT + 13.0)
    )));
    inner.push(label("name muted", RIGHT + 29.0, 52.0, "labelled"));
    let description = format!(
        "{} of {} rows have a label; at most {} rows at one date.",
        count(labelled_rows),
        count(rows),
        count(most)
    );
    svg(chart.id, "wide", WIDTH, 102.0, chart.title, &description, inner)
}

/// A count that fits beside an axis: `5.6k`, `2M`.
fn compact(value: u64) -> String {
    let (divisor, unit) = match value {
        0..10_000 => return count(value),
        10_000..1_000_000 => (1e3, "k"),
        1_000_000..1_000_000_000 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    let text = format!("{:.1}", value as f64 / divisor);
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}
