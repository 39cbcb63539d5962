//! Two versions, or two ranges of days, side by side.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use pages::chart::{DailyLines, Series, Size, daily_lines, legend};
use pages::content::{ColumnDrift, Day};
use pages::format::{NONE, count, difference, metric, number, share};
use pages::html::{Markup, nothing, tag, tagged, text};
use pages::page::periods::{fitting, name, periods as together};
use pages::page::summary::chip;
use pages::page::{scroll, section, table};

use super::model::{THRESHOLD, address, encoded, field, input, periods, query, select};
use super::{document, empty, files, heading, link, troubled};
use crate::{Choice, Model, Side};

/// A line over the days: its id, its title and its values.
type Line = (&'static str, &'static str, fn(&Day) -> Option<f64>);
/// A side's value as a text.
type Shown = fn(&Side) -> String;

/// The page; `b` is the side that the model holds.
pub(crate) fn compare(
    model: &Model,
    left: Option<&Side>,
    a: &Choice,
    b: &Choice,
    troubles: &[(&str, String)],
) -> String {
    let head = [
        heading(
            format!("{}: A and B", model.name),
            link(&address(&model.name, b), "The model alone"),
        ),
        form(model, left, a, b),
        troubled(troubles),
    ];
    let parts = match (left, &model.side) {
        (Some(left), Some(right)) if left.live.rows > 0 && right.live.rows > 0 => {
            parts(&model.name, left, right)
        }
        _ => vec![empty(
            "One side has no predictions: choose another version, or other days, for it.",
            "",
        )],
    };
    document(
        &format!("{}: comparison", model.name),
        "/",
        head.into_iter().chain(parts),
    )
}

fn form(model: &Model, left: Option<&Side>, a: &Choice, b: &Choice) -> Markup {
    let known = model.versions();
    let side = |prefix: &str, name: &str, choice: &Choice, shown: Option<u64>| {
        let versions = known.iter().rev().map(|version| {
            (
                version.to_string(),
                format!("v{version}"),
                Some(*version) == shown,
            )
        });
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        tag(
            "fieldset",
            [
                tagged("legend", name),
                field("Version", select(&format!("{prefix}version"), versions)),
                field(
                    "Data",
                    input(
                        &format!("{prefix}data"),
                        "text\" placeholder=\"all",
                        choice.data.clone(),
                    ),
                ),
                field(
                    "From",
                    input(&format!("{prefix}from"), "date", day(choice.from)),
                ),
                field("To", input(&format!("{prefix}to"), "date", day(choice.to))),
            ],
        )
    };
    tag(
        &format!(
            "form class=\"choice\" method=\"get\" action=\"/models/{}/compare\"",
            encoded(&model.name)
        ),
        [
            side("a-", "A", a, left.map(|side| side.version)),
            side("b-", "B", b, model.side.as_ref().map(|side| side.version)),
            field("By", select("by", periods(b))),
            field(
                "Threshold",
                input(
                    "threshold",
                    THRESHOLD,
                    b.threshold.map(|threshold| threshold.to_string()),
                ),
            ),
            tagged("button type=\"submit\"", "Compare"),
        ],
    )
}

fn parts(name: &str, a: &Side, b: &Side) -> Vec<Markup> {
    let lead = text(
        "Each side is counted at its model's threshold, or the chosen one; drift is from the training data of its own version.",
    );
    let drift =
        text("PSI of the score and of each feature, from the training data of each version.");
    let tables = [("A", a), ("B", b)].into_iter().flat_map(|(side, of)| {
        let query = query(name, of);
        [
            ("Metrics", "metrics"),
            ("Days", "days"),
            ("Drift", "features"),
        ]
        .map(|(what, table)| files(&format!("{what} of {side}"), table, &query))
    });
    vec![
        section("metrics", "Numbers", lead, [numbers(a, b), over_time(a, b)]),
        section("drift", "Drift", drift, [columns(a, b)]),
        tag("div class=\"files\"", tables),
    ]
}

/// Numbers that are of two classes, which come first.
const OF_TWO: usize = 7;

fn numbers(a: &Side, b: &Side) -> Markup {
    type Pick = fn(&Side) -> Option<f64>;
    let rows: [(&str, Pick); 10] = [
        ("Accuracy", |side| {
            side.live.performance.overall.as_ref()?.accuracy
        }),
        ("Precision", |side| {
            side.live.performance.overall.as_ref()?.precision
        }),
        ("Recall", |side| {
            side.live.performance.overall.as_ref()?.recall
        }),
        ("F1", |side| side.live.performance.overall.as_ref()?.f1),
        ("ROC AUC", |side| {
            side.live.performance.overall.as_ref()?.roc_auc
        }),
        ("Brier score", |side| {
            side.live.performance.overall.as_ref()?.brier
        }),
        ("Base rate", |side| {
            side.live.performance.overall.as_ref()?.base_rate
        }),
        ("Mean score", |side| side.live.drift.score.current.mean),
        ("PSI of the score", |side| {
            Some(side.live.drift.score.psi.as_ref()?.value)
        }),
        ("Largest PSI of a feature", |side| side.live.drift.psi_max),
    ];
    let of_two = b.live.performance.of_task.is_none();
    let rows = rows.into_iter().skip(if of_two { 0 } else { OF_TWO });
    let of_task = of_task(a, b).into_iter().map(|(name, then, now)| {
        let apart = now.zip(then).map(|(now, then)| now - then);
        vec![
            text(name),
            text(number(then)),
            text(number(now)),
            text(difference(apart)),
        ]
    });
    let measured = rows.map(|(name, pick)| {
        let (now, then) = (pick(b), pick(a));
        let apart = now.zip(then).map(|(now, then)| now - then);
        vec![
            text(name),
            text(metric(then)),
            text(metric(now)),
            text(difference(apart)),
        ]
    });
    let counted: [(&str, Shown); 4] = [
        ("Rows", |side| count(side.live.rows)),
        ("Labelled", |side| {
            share(side.live.performance.label_coverage)
        }),
        ("Threshold", |side| match side.live.threshold {
            Some(threshold) => threshold.to_string(),
            None => NONE.to_owned(),
        }),
        ("Days", |side| match (side.live.first, side.live.last) {
            (Some(first), Some(last)) => format!("{first} – {last}"),
            _ => NONE.to_owned(),
        }),
    ];
    let counted = counted
        .into_iter()
        .map(|(name, shown)| vec![text(name), text(shown(a)), text(shown(b)), nothing()]);
    let health = [vec![
        text("Health"),
        chip(a.live.verdict),
        chip(b.live.verdict),
        nothing(),
    ]];
    let (left, right) = (format!("A: v{}", a.version), format!("B: v{}", b.version));
    table(
        "numbers",
        "A and B in numbers",
        &["", &left, &right, "B − A"],
        health
            .into_iter()
            .chain(of_task)
            .chain(measured)
            .chain(counted),
    )
}

/// Metrics of another task than two classes, of either side.
fn of_task(a: &Side, b: &Side) -> Vec<(String, Option<f64>, Option<f64>)> {
    let metrics = |side: &Side| {
        let of_task = side.live.performance.of_task.as_ref();
        of_task.map_or_else(Vec::new, |of| of.metrics.clone())
    };
    let then = metrics(a);
    let before = |name: &str| then.iter().find(|of| of.name == name)?.now;
    let now = metrics(b).into_iter();
    now.map(|of| (of.name.clone(), before(&of.name), of.now))
        .collect()
}

/// Both sides over the days of either; nothing without days.
fn over_time(a: &Side, b: &Side) -> Markup {
    let days = [&a.live.performance.days, &b.live.performance.days];
    // Both by the same: that of the side with more days.
    let longer = days[usize::from(days[1].len() > days[0].len())];
    let period = b.choice.by.unwrap_or_else(|| fitting(longer.len()));
    let sides = days.map(|days| together(days, Some(period)).points);
    let dates: Vec<NaiveDate> = sides
        .iter()
        .flat_map(|days| days.iter().map(|day| day.date))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if dates.is_empty() {
        return nothing();
    }
    let lines: [Line; 2] = [
        ("accuracy", "Accuracy", |day| day.accuracy),
        ("score", "Mean score", |day| day.mean_score),
    ];
    let chart = |(id, what, pick): Line| {
        let title = &format!("{what} by {}", name(period));
        let series = ["A", "B"].into_iter().zip(&sides).map(|(name, days)| {
            let at = |date: &NaiveDate| {
                days.binary_search_by_key(date, |day| day.date)
                    .ok()
                    .and_then(|index| pick(&days[index]))
            };
            Series {
                name,
                values: dates.iter().map(at).collect(),
                thin: Vec::new(),
                band: Vec::new(),
            }
        });
        let lines = DailyLines {
            id,
            size: Size::Page,
            title,
            dates: &dates,
            thin_dates: &[],
            series: series.collect(),
            level: None,
        };
        if lines
            .series
            .iter()
            .all(|series| series.values.iter().all(Option::is_none))
        {
            return nothing();
        }
        let head = tag(
            "div class=\"head\"",
            [tagged("h4", title), legend(&["A", "B"])],
        );
        tag(
            "div class=\"chart\"",
            [head, scroll(title, daily_lines(&lines))],
        )
    };
    tag("div", lines.map(chart))
}

fn columns(a: &Side, b: &Side) -> Markup {
    let all = |side: &'_ Side| {
        std::iter::once(side.live.drift.score.clone())
            .chain(side.live.drift.features.clone())
            .collect::<Vec<_>>()
    };
    let (left, right) = (all(a), all(b));
    let find = |columns: &[ColumnDrift], name: &str| {
        columns.iter().find(|column| column.name == name).cloned()
    };
    let mut names: Vec<&str> = right.iter().map(|column| column.name.as_str()).collect();
    names.extend(
        left.iter()
            .map(|column| column.name.as_str())
            .filter(|name| find(&right, name).is_none()),
    );
    let row = |name: &&str| {
        let (then, now) = (find(&left, name), find(&right, name));
        let psi = |column: &Option<ColumnDrift>| {
            column
                .as_ref()
                .and_then(|column| Some(column.psi.as_ref()?.value))
        };
        let verdict = |column: &Option<ColumnDrift>| {
            column
                .as_ref()
                .map_or_else(|| text(NONE), |column| chip(column.verdict))
        };
        let mean = |column: &Option<ColumnDrift>| {
            let side = column.as_ref().map(|column| &column.current);
            side.map_or_else(|| NONE.to_owned(), pages::page::drift::mean)
        };
        vec![
            text(name),
            verdict(&then),
            text(metric(psi(&then))),
            verdict(&now),
            text(metric(psi(&now))),
            text(mean(&then)),
            text(mean(&now)),
        ]
    };
    let columns = [
        "Column",
        "A",
        "PSI of A",
        "B",
        "PSI of B",
        "Mean of A",
        "Mean of B",
    ];
    table(
        "numbers",
        "Drift of A and B",
        &columns,
        names.iter().map(row),
    )
}
