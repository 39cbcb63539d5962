//! Drift of the score and of each feature.

mod categories;

use std::borrow::Borrow;

use profile::drift::{Psi, PsiBucket, PsiKind, Thresholds, Verdict};

use super::parts::{self, details, note, scroll, table};
use super::periods;
use super::summary::chip;
use crate::chart::{HeatRow, Histogram, heat_lines, histogram, meter};
use crate::content::{ColumnDrift, ComparedWith, Content, Drift, OfTask, Periods, Summary, Values};
use crate::format::{count, difference, metric, number, p_value, share, small, some};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Features with a card, the ones that drifted most; the others are in a table.
const DRAWN: usize = 24;
/// Features with a row in the chart over time.
const LINES: usize = 8;
/// Values that a note names; the others are counted.
const NAMED: usize = 6;

pub(super) fn section(content: &Content) -> Markup {
    let of_task = content.performance.of_task.as_ref();
    of(&content.drift, &content.thresholds, of_task)
}

/// The section on how far the rows lie from those of training.
pub fn of(drift: &Drift, thresholds: &Thresholds, of_task: Option<&OfTask>) -> Markup {
    let lead = text(format!(
        "The verdict uses PSI: warn from {}, alert from {}, and only if it also exceeds what \
         chance explains among {} \
         columns.",
        number(Some(thresholds.warn)),
        number(Some(thresholds.alert)),
        count(drift.comparisons)
    ));
    let of_score = match drift.score.compared_with {
        ComparedWith::Holdout => " The score is compared with that on the holdout.",
        ComparedWith::Training | ComparedWith::Either => "",
    };
    let key = tag(
        "p class=\"note\"",
        [
            tagged("span class=\"key reference\"", "training"),
            tagged("span class=\"key current\"", "now"),
            text(format!("Dashed lines are the means.{of_score}")),
        ],
    );
    let (drawn, rest) = drift.features.split_at(drift.features.len().min(DRAWN));
    let cards = drawn
        .iter()
        .enumerate()
        .map(|(index, column)| card(&format!("feature-{index}"), column, thresholds, None));
    parts::section(
        "drift",
        "Drift",
        lead,
        [
            over_time(drift, thresholds),
            key,
            card("score", &drift.score, thresholds, Some(score(of_task))),
            tag("div class=\"features\"", cards),
            others(rest),
            categories::categories(&drift.categories),
        ],
    )
}

/// The verdict on a column, or that there is none.
fn judgement(judged: bool, verdict: Verdict) -> Markup {
    match judged {
        true => chip(verdict),
        false => tagged("span class=\"muted small\"", "not judged"),
    }
}

/// The index of the score and of the features that drifted most, by period.
fn over_time(drift: &Drift, thresholds: &Thresholds) -> Markup {
    let Some(over) = &drift.periods else {
        return nothing();
    };
    let by = periods::name(over.unit);
    let columns: Vec<&ColumnDrift> = std::iter::once(&drift.score)
        .chain(drift.features.iter().take(LINES))
        .collect();
    let judged = |column: &ColumnDrift| -> Vec<(Option<f64>, Verdict)> {
        column
            .psi_by_period
            .iter()
            .enumerate()
            .map(|(i, psi)| (*psi, over.verdict(i, *psi, thresholds)))
            .collect()
    };
    let rows: Vec<HeatRow> = columns
        .iter()
        .map(|column| HeatRow {
            name: &column.name,
            values: judged(column),
        })
        .collect();
    let title = format!("PSI by {by}");
    let key = tag(
        "p class=\"note\"",
        [
            tagged("span class=\"key heat ok\"", "ok"),
            tagged("span class=\"key heat warn\"", "warning"),
            tagged("span class=\"key heat alert\"", "alert, with a dot"),
            tagged(
                "span class=\"key heat unknown\"",
                format!("fewer than {} rows", count(thresholds.min_rows)),
            ),
            text(format!(
                "A full bar is a PSI of {} or more.",
                number(Some(thresholds.alert))
            )),
        ],
    );
    let chart = scroll(
        &title,
        heat_lines("over-time", &title, &over.dates, &rows, thresholds.alert),
    );
    let numbers = details(
        &format!("Numbers by {by}"),
        period_table(over, &columns, &title, thresholds),
    );
    tag(
        "div class=\"chart\"",
        [tagged("h3", &title), chart, key, numbers],
    )
}

fn period_table(
    over: &Periods,
    columns: &[&ColumnDrift],
    title: &str,
    thresholds: &Thresholds,
) -> Markup {
    let row = |(i, date): (usize, &chrono::NaiveDate)| {
        let cells = columns.iter().map(|column| {
            let psi = column.psi_by_period[i];
            match over.verdict(i, psi, thresholds) {
                Verdict::Ok => text(metric(psi)),
                Verdict::InsufficientData => tagged("span class=\"muted\"", metric(psi)),
                verdict => tagged("strong", format!("{} {verdict}", metric(psi))),
            }
        });
        [text(date), text(count(over.rows[i]))]
            .into_iter()
            .chain(cells)
            .collect()
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = [&["From", "Rows"], &names[..]].concat();
    table(
        "numbers small",
        title,
        &names,
        over.dates.iter().enumerate().map(row),
    )
}

fn others(rest: &[ColumnDrift]) -> Markup {
    if rest.is_empty() {
        return nothing();
    }
    let row = |column: &ColumnDrift| {
        vec![
            text(&column.name),
            judgement(column.judged, column.verdict),
            text(metric(column.psi.as_ref().map(|psi| psi.value))),
            text(metric(column.ks.map(|ks| ks.statistic))),
            text(mean(&column.reference)),
            text(mean(&column.current)),
        ]
    };
    let columns = [
        "Feature",
        "Verdict",
        "PSI",
        "KS",
        "Mean in training",
        "Mean now",
    ];
    let listed = table(
        "numbers",
        "Features that drifted least",
        &columns,
        rest.iter().map(row),
    );
    details(
        &format!(
            "{} more features, which drifted less",
            count(rest.len() as u64)
        ),
        listed,
    )
}

/// The mean of a column, and whether it is a bound.
pub fn mean(side: &Summary) -> String {
    bound(number(side.mean), side)
}

/// A number of a column, and whether it is a bound.
fn bound(number: String, side: &Summary) -> String {
    match side.bounded {
        true => format!("{number} (bound)"),
        false => number,
    }
}

/// What the score is.
fn score(of_task: Option<&OfTask>) -> &'static str {
    match of_task {
        None => "Score: probability of the positive class",
        Some(of_task) if of_task.classes.is_empty() => "Score: the prediction",
        Some(_) => "Score: probability of the predicted class",
    }
}

/// One column; a title makes the card as wide as the page.
fn card(id: &str, column: &ColumnDrift, thresholds: &Thresholds, title: Option<&str>) -> Markup {
    let wide = title.is_some();
    let values = |side: &Summary| side.rows - side.missing;
    let size = if wide { (640.0, 230.0) } else { (270.0, 200.0) };
    let chart = match &column.categories {
        Some(shares) => categories::bars(&format!("{id}-shares"), &column.name, size, shares),
        None => histogram(&Histogram {
            id: &format!("{id}-histogram"),
            name: &column.name,
            size,
            bins: &column.histogram,
            reference: values(&column.reference),
            current: values(&column.current),
            means: (column.reference.mean, column.current.mean),
            compared_with: column.compared_with.name(),
        }),
    };
    let name = title.unwrap_or(&column.name);
    let judged = [
        index(&format!("{id}-psi"), column, thresholds),
        distance(column),
    ];
    let numbers = match &column.categories {
        Some(shares) => vec![
            categories::changed(shares),
            categories::listed_values(&column.name, shares, true),
        ],
        None => vec![
            beside(column),
            changed(column.values.as_ref()),
            buckets(column),
        ],
    };
    let drawn = scroll(&format!("Distribution of {}", column.name), chart);
    let head = tag(
        "div class=\"head\"",
        [tagged("h3", name), judgement(column.judged, column.verdict)],
    );
    if wide {
        let measured = tag("div", judged.into_iter().chain(numbers));
        return tag(
            "article class=\"column wide\"",
            [head, tag("div class=\"body\"", [drawn, measured])],
        );
    }
    let body = tag("div class=\"body\"", [drawn, tag("div", judged)]);
    tag(
        "article class=\"column\"",
        [head, body, tag("div class=\"below\"", numbers)],
    )
}

fn index(id: &str, column: &ColumnDrift, thresholds: &Thresholds) -> Markup {
    let Some(psi) = &column.psi else {
        return note("PSI is unknown: one side has no rows.");
    };
    let hidden = column.hidden.map_or_else(nothing, |hidden| {
        note(format!(
            "Cannot be judged: {} of the training data share a few cells, within which a shift is \
             not visible.",
            share(Some(hidden))
        ))
    });
    tag(
        "div class=\"psi\"",
        [
            tag(
                "p",
                [
                    text("PSI "),
                    tagged("strong", metric(Some(psi.value))),
                    tagged(
                        "span class=\"muted\"",
                        format!(" chance explains {}", metric(Some(psi.noise_floor))),
                    ),
                ],
            ),
            meter(id, psi.value, thresholds.warn, thresholds.alert),
            hidden,
        ],
    )
}

fn distance(column: &ColumnDrift) -> Markup {
    let js = || [text("JS "), tagged("strong", metric(column.jensen_shannon))];
    let Some(ks) = column.ks else {
        return match &column.categories {
            Some(_) => tag("p", js()),
            None => nothing(),
        };
    };
    let bound = if ks.error_bound > 0.0 {
        format!(" (+{} at most)", small(ks.error_bound))
    } else {
        String::new()
    };
    tag(
        "p",
        [
            text("KS "),
            tagged("strong", metric(Some(ks.statistic))),
            tagged(
                "span class=\"muted\"",
                format!("{bound} p\u{a0}{}", p_value(ks.p_value)),
            ),
            text(" · "),
        ]
        .into_iter()
        .chain(js()),
    )
}

/// Values that came and went.
fn changed(values: Option<&Values>) -> Markup {
    let Some(values) = values else {
        return nothing();
    };
    let named = |what: &str, values: &[f64]| {
        let values: Vec<String> = values.iter().map(|value| number(Some(*value))).collect();
        named_values(what, &values, NAMED)
    };
    [
        named("New", &values.new),
        named("Vanished", &values.vanished),
    ]
    .into_iter()
    .collect()
}

/// A note on values that came, or went; nothing without any.
fn named_values<S: Borrow<str>>(what: &str, values: &[S], most: usize) -> Markup {
    match values {
        [] => nothing(),
        _ => note(format!("{what} values: {}", some(values, most))),
    }
}

/// The column in numbers, in training and now.
fn beside(column: &ColumnDrift) -> Markup {
    let (then, now) = (&column.reference, &column.current);
    let missing =
        |side: &Summary| share((side.rows > 0).then(|| side.missing as f64 / side.rows as f64));
    let row = |name: &str, then: String, now: String, change: String| {
        vec![text(name), text(then), text(now), text(change)]
    };
    let moved = column.mean_shift.map_or_else(String::new, |shift| {
        bound(format!("{} σ", difference(Some(shift))), now)
    });
    let wider = column.std_ratio.map_or_else(String::new, |ratio| {
        bound(format!("× {}", metric(Some(ratio))), now)
    });
    let std = |side: &Summary| bound(number(side.std), side);
    let rows = [
        row("mean", mean(then), mean(now), moved),
        row("std", std(then), std(now), wider),
        row("median", median(then), median(now), String::new()),
        row("missing", missing(then), missing(now), String::new()),
    ];
    let compared_with = column.compared_with;
    let caption = format!("{} {} and now", column.name, compared_with.within());
    table(
        "numbers small",
        &caption,
        &["Value", compared_with.head(), "Now", "Change"],
        rows,
    )
}

/// The median, and how far the true one lies from it at most where that shows.
fn median(side: &Summary) -> String {
    let apart = |median: f64| {
        let low = median - side.median_low.unwrap_or(median);
        low.max(side.median_high.unwrap_or(median) - median)
    };
    let bound = side.median.map(apart).filter(|bound| *bound > 0.0);
    let bound = bound.map_or_else(String::new, |bound| format!(" ± {}", number(Some(bound))));
    format!("{}{bound}", number(side.median))
}

fn buckets(column: &ColumnDrift) -> Markup {
    let Some(psi): Option<&Psi> = column.psi.as_ref() else {
        return nothing();
    };
    let range = |bucket: &PsiBucket| match (bucket.kind, bucket.lower, bucket.upper) {
        (PsiKind::Missing, ..) => "missing".to_owned(),
        (PsiKind::MinusInfinity, ..) => "-infinite".to_owned(),
        (PsiKind::PlusInfinity, ..) => "infinite".to_owned(),
        (PsiKind::Value, value, _) => number(value),
        (_, None, Some(upper)) => format!("below {}", number(Some(upper))),
        (_, Some(lower), None) => format!("from {}", number(Some(lower))),
        (_, Some(lower), Some(upper)) => {
            format!("{} … {}", number(Some(lower)), number(Some(upper)))
        }
        (_, None, None) => "all".to_owned(),
    };
    let part = |count: u64, of: u64| share((of > 0).then(|| count as f64 / of as f64));
    let row = |bucket: &PsiBucket| {
        vec![
            text(range(bucket)),
            text(part(bucket.reference, psi.reference_rows)),
            text(part(bucket.current, psi.current_rows)),
            text(metric(Some(bucket.contribution))),
        ]
    };
    let columns = ["Values", column.compared_with.head(), "Now", "PSI"];
    details(
        "PSI by bucket",
        table(
            "numbers small",
            &format!("PSI of {} by bucket", column.name),
            &columns,
            psi.buckets.iter().map(row),
        ),
    )
}
