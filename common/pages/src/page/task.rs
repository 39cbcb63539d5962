//! How right the predictions of a task are, whatever the task: its metrics beside the holdout's,
//! and what the module of the task draws besides.

mod multiclass;

use learn::task::Better;

use super::parts::{self, card, table};
use crate::content::{MetricNow, OfTask, Performance};
use crate::format::{NONE, count, difference, number, rows};
use crate::html::{Markup, tag, tagged, text};

/// Metrics that are in cards above everything else.
const CARDS: usize = 4;

/// Metrics as people write them; others are under their own names.
const TITLES: [(&str, &str); 21] = [
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("bias", "Bias"),
    ("coverage", "Coverage of the interval"),
    ("log_loss", "Log loss"),
    ("macro_f1", "F1, macro"),
    ("macro_precision", "Precision, macro"),
    ("macro_recall", "Recall, macro"),
    ("mae", "MAE"),
    ("mape", "MAPE"),
    ("max_error", "Largest error"),
    ("mean_label", "Mean label"),
    ("mean_prediction", "Mean prediction"),
    ("mean_width", "Mean width of the interval"),
    ("r2", "R²"),
    ("rmse", "RMSE"),
    ("roc_auc", "ROC AUC"),
    ("std_label", "Deviation of the labels"),
    ("weighted_f1", "F1, weighted"),
    ("weighted_precision", "Precision, weighted"),
    ("weighted_recall", "Recall, weighted"),
];

/// A metric as people write it.
pub fn title(name: &str) -> &str {
    let known = TITLES.iter().find(|(known, _)| *known == name);
    known.map_or(name, |(_, title)| title)
}

/// The section on how right the predictions were; `days` is how that changed over time.
pub(super) fn section(performance: &Performance, of: &OfTask, days: Markup) -> Markup {
    let lead = match &of.now {
        None => no_labels(),
        Some(now) => text(format!(
            "On {} with a label and a prediction. {}",
            rows(now.rows()),
            match of.task.as_str() {
                "regression" => "An error is the prediction minus the label; bias is its mean.",
                _ => "",
            }
        )),
    };
    let drawn = match of.task.as_str() {
        "multiclass" => multiclass::drawn(of),
        _ => Markup::default(),
    };
    let beside = match performance.labelled_rows {
        0 if of.holdout.is_none() => Markup::default(),
        _ => beside(of),
    };
    parts::section("performance", "Performance", lead, [beside, drawn, days])
}

/// What is said while there are no labels.
pub(super) fn no_labels() -> Markup {
    text(
        "There are no labels yet, so the performance is unknown. After label files arrive \
         (LABELS_GLOB), run alameda-monitoring, or wait for the next nightly run.",
    )
}

/// Every metric now and on the holdout.
fn beside(of: &OfTask) -> Markup {
    let row = |metric: &MetricNow| {
        let apart = metric.now.zip(metric.holdout).map(|(now, then)| now - then);
        vec![
            text(title(&metric.name)),
            tagged("strong", number(metric.now)),
            text(number(metric.holdout)),
            text(difference(apart)),
            text(match metric.better {
                Some(Better::Larger) => "higher is better",
                Some(Better::Smaller) => "lower is better",
                None => "",
            }),
        ]
    };
    let rows_of = |report: &Option<learn::task::Report>| {
        text(
            report
                .as_ref()
                .map_or(NONE.to_owned(), |of| count(of.rows())),
        )
    };
    let counted = vec![
        text("Rows"),
        rows_of(&of.now),
        rows_of(&of.holdout),
        Markup::default(),
        Markup::default(),
    ];
    let columns = ["Metric", "Now", "Holdout", "Change", ""];
    let table = table(
        "numbers",
        "Metrics now and on the holdout",
        &columns,
        of.metrics.iter().map(row).chain([counted]),
    );
    tag("div", [tagged("h3", "Compared with the holdout"), table])
}

/// Cards of the first metrics, each beside the holdout's.
pub(super) fn cards(of: &OfTask) -> Vec<Markup> {
    let metrics = of.metrics.iter().take(CARDS);
    let of_metric = |metric: &MetricNow| {
        let then = number(metric.holdout);
        let below = match metric.now {
            None => format!("no labels yet; holdout {then}"),
            Some(now) => {
                let apart = metric.holdout.map(|then| now - then);
                format!("holdout {then} ({})", difference(apart))
            }
        };
        card(title(&metric.name), &number(metric.now), &below)
    };
    metrics.map(of_metric).collect()
}

/// What the lines by day show: names, and the holdout's value.
pub(super) fn lines(of: &OfTask) -> impl Iterator<Item = &MetricNow> {
    of.metrics.iter().take(CARDS)
}

/// The metrics that are in a table of segments.
pub(super) fn of_segments(of: &OfTask) -> Vec<&str> {
    let metrics = lines(of).map(|metric| metric.name.as_str());
    match of.task.as_str() {
        "regression" => ["mean_label", "bias"].into_iter().chain(metrics).collect(),
        _ => metrics.collect(),
    }
}
