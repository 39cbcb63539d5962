//! Performance, rows and scores over time.

use chrono::NaiveDate;
use learn::metrics::Interval;

use super::performance::interval;
use super::periods::{Drawn, name, periods};
use super::{details, note, scroll, table};
use crate::chart::{DailyBars, DailyLines, Series, Size, daily_bars, daily_lines, legend};
use crate::content::{Content, Day, Performance, Period};
use crate::format::{count, metric, share};
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
        let holdout = &performance.holdout;
        let panels: [(Line, Band, Option<f64>); 4] = [
            (
                ("Accuracy", |day| day.accuracy),
                |day| day.intervals.accuracy,
                holdout.accuracy,
            ),
            (
                ("Precision", |day| day.precision),
                |day| day.intervals.precision,
                holdout.precision,
            ),
            (
                ("Recall", |day| day.recall),
                |day| day.intervals.recall,
                holdout.recall,
            ),
            (("F1", |day| day.f1), |_| None, holdout.f1),
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
    let scores = if performance.overall.is_some() {
        &scores[..]
    } else {
        &scores[..2]
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
         show chance.",
        timezone
    )));
    charts.push(details("Numbers by day", numbers(&performance.days)));
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
    let chart = DailyLines {
        id: &format!("daily-{}", title.to_lowercase()),
        size: Size::Half,
        title,
        dates: &dates(&drawn.points),
        thin_dates: &[],
        series: vec![series],
        level: level.map(|level| ("holdout", level)),
    };
    let beside = format!("holdout {}", metric(level));
    let head = tag(
        "div class=\"head\"",
        [
            tagged("h4", title),
            tag(
                "p",
                [
                    tagged("strong", metric(now)),
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
    let left_out = days.len().saturating_sub(LISTED);
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
    let listed = table(
        "numbers",
        "Numbers by day",
        &columns,
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
