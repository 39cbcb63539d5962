//! Performance: overall, beside the holdout, and day by day.

use chrono::NaiveDate;
use common::metrics::{CalibrationBin, Confusion, Report as Metrics};

use super::periods::{Drawn, periods};
use super::{details, note, scroll, table};
use crate::chart::{CalibrationPoint, DailyBars, DailyLines, Series, calibration, daily_bars, daily_lines, legend};
use crate::content::{Content, Day, Performance};
use crate::format::{count, difference, metric, rows, share};
use crate::html::{Markup, nothing, tag, tagged, text};
use crate::judge::majority_class;

/// Days that the table of numbers holds; `report.json` holds all.
const LISTED: usize = 400;

pub(super) fn section(content: &Content) -> Markup {
    let performance = &content.performance;
    let lead = match &performance.overall {
        None => text(
            "There are no labels yet, so nothing can be said of how right the predictions are. When labels come, under labels/ \
             in the raw data, make the report again.",
        ),
        Some(overall) => text(format!(
            "On {} with a label and a prediction, {} of which are {}. The positive class is predicted from a probability of {} on.",
            rows(overall.rows),
            share(overall.base_rate),
            performance.classes.positive,
            overall.threshold
        )),
    };
    let inner = [days(content), overall(performance)];
    super::section("performance", "Performance", lead, inner)
}

fn overall(performance: &Performance) -> Markup {
    let Some(overall) = &performance.overall else { return nothing() };
    let (now, then) = (points(&overall.calibration), points(&performance.holdout.calibration));
    let key = tag(
        "p class=\"note\"",
        [
            tagged("span class=\"key now\"", "now"),
            tagged("span class=\"key holdout\"", "holdout"),
            text("On the diagonal a probability means what it says."),
        ],
    );
    tag(
        "div class=\"columns\"",
        [
            tag("div", [tagged("h3", "Beside the holdout"), beside(overall, performance)]),
            tag("div", [tagged("h3", "Confusion matrix"), confusion(&overall.confusion, performance)]),
            tag("div", [tagged("h3", "Calibration"), calibration("calibration", &now, &then), key]),
        ],
    )
}

fn points(bins: &[CalibrationBin]) -> Vec<CalibrationPoint> {
    let point = |bin: &CalibrationBin| {
        Some(CalibrationPoint { rows: bin.rows, predicted: bin.mean_predicted?, observed: bin.observed_rate? })
    };
    bins.iter().filter_map(point).collect()
}

/// Every metric now and on the holdout.
fn beside(overall: &Metrics, performance: &Performance) -> Markup {
    type Pick = fn(&Metrics) -> Option<f64>;
    let metrics: [(&str, Pick); 9] = [
        ("Accuracy", |report| report.accuracy),
        ("Base rate", |report| report.base_rate),
        ("Precision", |report| report.precision),
        ("Recall", |report| report.recall),
        ("F1", |report| report.f1),
        ("ROC AUC", |report| report.roc_auc),
        ("PR AUC", |report| report.pr_auc),
        ("Log loss", |report| report.log_loss),
        ("Brier score", |report| report.brier),
    ];
    let holdout = &performance.holdout;
    let rows_of = metrics.into_iter().map(|(name, pick)| {
        let (now, then) = (pick(overall), pick(holdout));
        let apart = now.zip(then).map(|(now, then)| now - then);
        vec![text(name), text(metric(now)), text(metric(then)), text(difference(apart))]
    });
    let counted = vec![text("Rows"), text(count(overall.rows)), text(count(holdout.rows)), nothing()];
    table("numbers", "Metrics now and on the holdout", &["", "Now", "Holdout", "Change"], rows_of.chain([counted]))
}

fn confusion(confusion: &Confusion, performance: &Performance) -> Markup {
    let (positive, negative) = (&performance.classes.positive, &performance.classes.negative);
    let cell = |value: u64, of: u64, right: bool| {
        let part = if of > 0 { value as f64 / of as f64 } else { 0.0 };
        let class = if right { "right" } else { "wrong" };
        let head = format!("td class=\"{class}\" style=\"--part:{:.1}%\"", part * 100.0);
        tag(
            &head,
            [
                tagged("strong", count(value)),
                tagged(
                    "span class=\"muted\"",
                    format!("{} {}", share(Some(part)), if right { "right" } else { "wrong" }),
                ),
            ],
        )
    };
    let actual = |name: &str, of: u64, cells: [Markup; 2]| {
        let head = tag("th scope=\"row\"", [text(format!("is {name}")), tagged("span class=\"muted\"", rows(of))]);
        tag("tr", [head].into_iter().chain(cells))
    };
    let positives = confusion.true_positives + confusion.false_negatives;
    let negatives = confusion.true_negatives + confusion.false_positives;
    let head = tag(
        "tr",
        [
            tag("td", [nothing()]),
            tagged("th scope=\"col\"", format!("predicted {positive}")),
            tagged("th scope=\"col\"", format!("predicted {negative}")),
        ],
    );
    let body = [
        actual(
            positive,
            positives,
            [cell(confusion.true_positives, positives, true), cell(confusion.false_negatives, positives, false)],
        ),
        actual(
            negative,
            negatives,
            [cell(confusion.false_positives, negatives, false), cell(confusion.true_negatives, negatives, true)],
        ),
    ];
    let caption = tagged("caption", "Rows by label and prediction");
    let matrix = tag("table class=\"confusion\"", [caption, tag("thead", [head]), tag("tbody", body)]);
    tag("div", [matrix, note("Shares are of the rows of the actual class.")])
}

/// Lines by date, or why there are none.
fn days(content: &Content) -> Markup {
    let performance = &content.performance;
    if performance.days.is_empty() {
        return match (&performance.time_column, content.quality.rows) {
            (_, 0) => nothing(),
            (None, _) => note("The data has no time column, so nothing is shown by day."),
            (Some(name), _) => note(format!("The time column {name} holds no dates, so nothing is shown by day.")),
        };
    }
    let drawn = periods(&performance.days);
    let (by, days) = (drawn.period.name(), &drawn.points);
    let (mut charts, mut explained) = (Vec::new(), String::new());
    if let Some(overall) = &performance.overall {
        let metrics: [Line; 4] = [
            ("Accuracy", |day| day.accuracy),
            ("Precision", |day| day.precision),
            ("Recall", |day| day.recall),
            ("F1", |day| day.f1),
        ];
        let level = performance.majority_accuracy.map(|accuracy| ("majority", accuracy));
        charts.push(lines("daily", &format!("Right predictions by {by}"), &drawn, &metrics, level));
        explained = format!("majority: accuracy of always answering {}. ", majority_class(performance, overall));
    }
    charts.push(scroll(daily_bars(&DailyBars {
        id: "coverage",
        title: &format!("Rows and labels by {by}"),
        dates: &dates(days),
        thin_dates: &dates(&drawn.days),
        rows: days.iter().map(|day| day.rows).collect(),
        labelled: days.iter().map(|day| day.labelled_rows).collect(),
    })));
    let scores: [Line; 3] = [
        ("Mean score", |day| day.mean_score),
        ("Predicted +", |day| day.predicted_positive_rate),
        ("Base rate", |day| day.base_rate),
    ];
    let scores = if performance.overall.is_some() { &scores[..] } else { &scores[..2] };
    charts.push(lines("scores", &format!("Scores by {by}"), &drawn, scores, None));
    let what = performance.time_column.as_deref().unwrap_or_default();
    let thin = if drawn.days.is_empty() { "" } else { "Thin lines: day by day. " };
    charts.push(note(format!(
        "{explained}{thin}Dates of {what} in {}. A {by} with less than a twentieth of the usual rows is left out of the lines: it would \
         show chance.",
        content.timezone
    )));
    charts.push(details("Numbers by day", numbers(&performance.days)));
    tag("div", charts)
}

fn dates(days: &[Day]) -> Vec<NaiveDate> {
    days.iter().map(|day| day.date).collect()
}

/// A line's name and its values.
type Line = (&'static str, fn(&Day) -> Option<f64>);

fn lines(id: &str, title: &str, drawn: &Drawn, lines: &[Line], level: Option<(&str, f64)>) -> Markup {
    let series = |&(name, pick): &Line| Series {
        name,
        values: drawn.points.iter().map(pick).collect(),
        thin: drawn.days.iter().map(pick).collect(),
    };
    let names: Vec<&'static str> = lines.iter().map(|(name, _)| *name).collect();
    let chart = DailyLines {
        id,
        title,
        dates: &dates(&drawn.points),
        thin_dates: &dates(&drawn.days),
        series: lines.iter().map(series).collect(),
        level,
    };
    tag(
        "div class=\"chart\"",
        [tag("div class=\"head\"", [tagged("h3", title), legend(&names)]), scroll(daily_lines(&chart))],
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
        "Precision",
        "Recall",
        "F1",
        "ROC AUC",
        "Log loss",
        "Mean score",
    ];
    let listed = table("numbers", "Numbers by day", &columns, days[left_out..].iter().map(row));
    match left_out {
        0 => listed,
        _ => tag("div", [note(format!("The last {LISTED} days; report.json holds all {}.", days.len())), listed]),
    }
}
