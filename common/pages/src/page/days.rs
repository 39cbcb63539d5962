//! Performance, rows and scores over time.

use chrono::NaiveDate;
use learn::metrics::Interval;

use super::parts::{details, note, scroll, table};
use super::periods::{Drawn, name, periods};
use super::task;
use crate::chart::{DailyBars, DailyLines, Series, Size, daily_bars, daily_lines, legend};
use crate::content::{Content, Day, MetricNow, OfTask, Performance, Period};
use crate::format::{count, interval, metric, number, share};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Days that the table of numbers holds; `report.json` holds all.
const LISTED: usize = 400;

/// Lines by date, or why there are none.
pub(super) fn days(content: &Content) -> Markup {
    let performance = &content.performance;
    if performance.days.is_empty() {
        return match (&performance.time_column, content.quality.rows) {
            (_, 0) => nothing(),
            (None, _) => note("The data has no time column, so nothing is shown by day."),
            (Some(name), _) => note(format!(
                "The time column {name} holds no dates, so nothing is shown by day."
            )),
        };
    }
    over_time(performance, &content.timezone, None)
}

/// Lines by date, put together by `unit`, else as it fits.
pub fn over_time(performance: &Performance, timezone: &str, unit: Option<Period>) -> Markup {
    let drawn = periods(&performance.days, unit);
    let (by, days) = (name(drawn.period), &drawn.points);
    let mut charts = vec![tagged("h3 class=\"part\"", format!("By {by}"))];
    let mut explained = String::new();
    if let Some(overall) = &performance.overall {
        let holdout = performance.holdout.as_ref();
        let panels: [(Line, Band, Option<f64>); 4] = [
            (
                ("Accuracy", |day| day.accuracy),
                |day| day.intervals.accuracy,
                holdout.and_then(|of| of.accuracy),
            ),
            (
                ("Precision", |day| day.precision),
                |day| day.intervals.precision,
                holdout.and_then(|of| of.precision),
            ),
            (
                ("Recall", |day| day.recall),
                |day| day.intervals.recall,
                holdout.and_then(|of| of.recall),
            ),
            (("F1", |day| day.f1), |_| None, holdout.and_then(|of| of.f1)),
        ];
        let now = [
            overall.accuracy,
            overall.precision,
            overall.recall,
            overall.f1,
        ];
        let panel = |((line, band, level), now)| panel(&drawn, line, band, level, now);
        charts.push(tag(
            "div class=\"panels\"",
            panels.into_iter().zip(now).map(panel),
        ));
        explained = "Bands are Wilson's 95 % intervals, dotted lines the holdout. ".to_owned();
    }
    if let Some(of_task) = performance.of_task.as_ref().filter(|of| of.now.is_some()) {
        let panels = task::lines(of_task).filter_map(|metric| of_metric(&drawn, metric));
        charts.push(tag("div class=\"panels\"", panels));
        explained = "Dotted lines are the holdout. ".to_owned();
    }
    let rows = format!("Rows and labels by {by}");
    let bars = daily_bars(&DailyBars {
        id: "coverage",
        title: &rows,
        dates: &dates(days),
        thin_dates: &dates(&drawn.days),
        rows: days.iter().map(|day| day.rows).collect(),
        labelled: days.iter().map(|day| day.labelled_rows).collect(),
    });
    charts.push(tag(
        "div class=\"chart\"",
        [tagged("h4", &rows), scroll(&rows, bars)],
    ));
    let scores: [Line; 3] = [
        ("Mean score", |day| day.mean_score),
        ("Predicted +", |day| day.predicted_positive_rate),
        ("Base rate", |day| day.base_rate),
    ];
    let scores = match (&performance.overall, &performance.of_task) {
        (_, Some(_)) => &scores[..1],
        (Some(_), None) => &scores[..],
        (None, None) => &scores[..2],
    };
    charts.push(lines("scores", &format!("Scores by {by}"), &drawn, scores));
    let what = performance.time_column.as_deref().unwrap_or_default();
    let thin = if drawn.days.is_empty() {
        ""
    } else {
        "Thin lines: day by day. "
    };
    charts.push(note(format!(
        "{explained}{thin}Dates of {what} in {}. A {by} with less than a twentieth of the usual rows is left out of the lines: it would \
         show noise.",
        timezone
    )));
    let numbers = match &performance.of_task {
        Some(of_task) => task_numbers(&performance.days, of_task),
        None => numbers(&performance.days),
    };
    charts.push(details("Numbers by day", numbers));
    tag("div", charts)
}

/// One metric over time, with its interval, beside the holdout's.
fn panel(drawn: &Drawn, line: Line, band: Band, level: Option<f64>, now: Option<f64>) -> Markup {
    let (title, pick) = line;
    let series = Series {
        name: title,
        values: drawn.points.iter().map(pick).collect(),
        thin: Vec::new(),
        band: drawn.points.iter().map(band).collect(),
    };
    half(
        drawn,
        &title.to_lowercase(),
        series,
        level,
        metric(now),
        metric(level),
    )
}

/// A metric of a task over time, beside the holdout's; `None` where no day has it.
fn of_metric(drawn: &Drawn, of: &MetricNow) -> Option<Markup> {
    let value = |day: &Day| day.metrics.get(&of.name).copied();
    let values: Vec<Option<f64>> = drawn.points.iter().map(value).collect();
    values.iter().flatten().next()?;
    let series = Series {
        name: task::title(&of.name),
        values,
        thin: Vec::new(),
        band: vec![None; drawn.points.len()],
    };
    let shown = [of.now, of.holdout].map(number);
    let [now, then] = shown;
    Some(half(drawn, &of.name, series, of.holdout, now, then))
}

/// One line over time in half of the page's width.
fn half(
    drawn: &Drawn,
    id: &str,
    series: Series<'_>,
    level: Option<f64>,
    now: String,
    then: String,
) -> Markup {
    let title = series.name;
    let chart = DailyLines {
        id: &format!("daily-{id}"),
        size: Size::Half,
        title,
        dates: &dates(&drawn.points),
        thin_dates: &[],
        series: vec![series],
        level: level.map(|level| ("holdout", level)),
    };
    let beside = format!("holdout {then}");
    let head = tag(
        "div class=\"head\"",
        [
            tagged("h4", title),
            tag(
                "p",
                [
                    tagged("strong", now),
                    tagged("span class=\"muted\"", format!(" {beside}")),
                ],
            ),
        ],
    );
    tag("div class=\"panel\"", [head, daily_lines(&chart)])
}

fn dates(days: &[Day]) -> Vec<NaiveDate> {
    days.iter().map(|day| day.date).collect()
}

/// A line's name and its values.
type Line = (&'static str, fn(&Day) -> Option<f64>);

/// The interval of a line.
type Band = fn(&Day) -> Option<Interval>;

fn lines(id: &str, title: &str, drawn: &Drawn, lines: &[Line]) -> Markup {
    let series = |&(name, pick): &Line| Series {
        name,
        values: drawn.points.iter().map(pick).collect(),
        thin: drawn.days.iter().map(pick).collect(),
        band: Vec::new(),
    };
    let names: Vec<&'static str> = lines.iter().map(|(name, _)| *name).collect();
    let chart = DailyLines {
        id,
        size: Size::Page,
        title,
        dates: &dates(&drawn.points),
        thin_dates: &dates(&drawn.days),
        series: lines.iter().map(series).collect(),
        level: None,
    };
    let head = tag("div class=\"head\"", [tagged("h4", title), legend(&names)]);
    tag(
        "div class=\"chart\"",
        [head, scroll(title, daily_lines(&chart))],
    )
}

fn numbers(days: &[Day]) -> Markup {
    let row = |day: &Day| {
        vec![
            text(day.date),
            text(count(day.rows)),
            text(share(day.label_coverage)),
            text(metric(day.base_rate)),
            text(metric(day.accuracy)),
            text(interval(day.intervals.accuracy)),
            text(metric(day.precision)),
            text(metric(day.recall)),
            text(metric(day.f1)),
            text(metric(day.roc_auc)),
            text(metric(day.log_loss)),
            text(metric(day.mean_score)),
        ]
    };
    let columns = [
        "Day",
        "Rows",
        "Labelled",
        "Base rate",
        "Accuracy",
        "95 % interval",
        "Precision",
        "Recall",
        "F1",
        "ROC AUC",
        "Log loss",
        "Mean score",
    ];
    listed(days, &columns, row)
}

/// The metrics of a task, by day.
fn task_numbers(days: &[Day], of: &OfTask) -> Markup {
    let names = || of.metrics.iter().map(|metric| metric.name.as_str());
    let names = || names().filter(|name| days.iter().any(|day| day.metrics.contains_key(*name)));
    let row = |day: &Day| {
        let mut cells = vec![
            text(day.date),
            text(count(day.rows)),
            text(share(day.label_coverage)),
            text(number(day.mean_score)),
        ];
        let metric = |name: &str| text(number(day.metrics.get(name).copied()));
        cells.extend(names().map(metric));
        cells
    };
    let mut columns = vec!["Day", "Rows", "Labelled", "Mean score"];
    columns.extend(names().map(task::title));
    listed(days, &columns, row)
}

/// A table of the last days.
fn listed(days: &[Day], columns: &[&str], row: impl Fn(&Day) -> Vec<Markup>) -> Markup {
    let left_out = days.len().saturating_sub(LISTED);
    let listed = table(
        "numbers",
        "Numbers by day",
        columns,
        days[left_out..].iter().map(row),
    );
    match left_out {
        0 => listed,
        _ => tag(
            "div",
            [
                note(format!(
                    "The last {LISTED} days; report.json holds all {}.",
                    days.len()
                )),
                listed,
            ],
        ),
    }
}
