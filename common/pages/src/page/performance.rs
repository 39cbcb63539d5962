//! Performance: overall, beside the holdout, and day by day.

use learn::metrics::{Confusion, Interval, Report as Metrics};

use super::parts::{self, note, table};
use super::{curves, days, task};
use crate::content::{Content, Performance};
use crate::format::{NONE, count, difference, interval, metric, number, rows, share};
use crate::html::{Markup, nothing, tag, tagged, text};

pub(super) fn section(content: &Content) -> Markup {
    of(&content.performance, days::days(content))
}

/// The section on how right the predictions were; `days` is how that changed over time.
pub fn of(performance: &Performance, days: Markup) -> Markup {
    if let Some(of_task) = &performance.of_task {
        return task::section(performance, of_task, days);
    }
    let lead = match &performance.overall {
        None => task::no_labels(),
        Some(overall) => text(format!(
            "On {} with a label and a prediction; {} of them are {}. The positive class is \
             predicted from a probability of {} on.",
            rows(overall.rows),
            share(overall.base_rate),
            performance.positive(),
            number(Some(overall.threshold))
        )),
    };
    let inner = [overall(performance), curves::curves(performance), days];
    parts::section("performance", "Performance", lead, inner)
}

fn overall(performance: &Performance) -> Markup {
    let Some(overall) = &performance.overall else {
        return nothing();
    };
    tag(
        "div class=\"columns\"",
        [
            tag(
                "div class=\"broad\"",
                [
                    tagged("h3", "Compared with the holdout"),
                    beside(overall, performance),
                ],
            ),
            tag(
                "div",
                [
                    tagged("h3", "Confusion matrix"),
                    confusion(&overall.confusion, performance),
                ],
            ),
        ],
    )
}

/// Every metric now and on the holdout.
fn beside(overall: &Metrics, performance: &Performance) -> Markup {
    type Pick = fn(&Metrics) -> Option<f64>;
    let of = &performance.intervals;
    let metrics: [(&str, Pick, Option<Interval>); 10] = [
        ("Accuracy", |report| report.accuracy, of.accuracy),
        ("Precision", |report| report.precision, of.precision),
        ("Recall", |report| report.recall, of.recall),
        ("F1", |report| report.f1, None),
        ("Balanced accuracy", |report| report.balanced_accuracy, None),
        ("ROC AUC", |report| report.roc_auc, None),
        ("PR AUC", |report| report.pr_auc, None),
        ("Log loss", |report| report.log_loss, None),
        ("Brier score", |report| report.brier, None),
        ("Base rate", |report| report.base_rate, of.base_rate),
    ];
    let holdout = performance.holdout.as_ref();
    let rows_of = metrics.into_iter().map(|(name, pick, within)| {
        let (now, then) = (pick(overall), holdout.and_then(pick));
        let apart = now.zip(then).map(|(now, then)| now - then);
        let within = if within.is_some() {
            interval(within)
        } else {
            String::new()
        };
        vec![
            text(name),
            tagged("strong", metric(now)),
            text(within),
            text(metric(then)),
            text(difference(apart)),
        ]
    });
    let counted = vec![
        text("Rows"),
        text(count(overall.rows)),
        nothing(),
        text(holdout.map_or_else(|| NONE.to_owned(), |of| count(of.rows))),
        nothing(),
    ];
    let columns = ["Metric", "Now", "95 % interval", "Holdout", "Change"];
    let table = table(
        "numbers",
        "Metrics now and on the holdout",
        &columns,
        rows_of.chain([counted]),
    );
    let said = note(
        "Intervals are Wilson's, for the metrics that are shares of rows. Lower is better for log loss and Brier.",
    );
    tag("div", [table, said])
}

fn confusion(confusion: &Confusion, performance: &Performance) -> Markup {
    let (positive, negative) = (performance.positive(), performance.negative());
    let cell = |value: u64, of: u64, right: bool| {
        let part = if of > 0 {
            value as f64 / of as f64
        } else {
            0.0
        };
        let class = if right { "right" } else { "wrong" };
        let head = format!("td class=\"{class}\" style=\"--part:{:.1}%\"", part * 100.0);
        tag(
            &head,
            [
                tagged("strong", count(value)),
                tagged(
                    "span class=\"muted\"",
                    format!(
                        "{} {}",
                        share(Some(part)),
                        if right { "right" } else { "wrong" }
                    ),
                ),
            ],
        )
    };
    let actual = |name: &str, of: u64, cells: [Markup; 2]| {
        let head = tag(
            "th scope=\"row\"",
            [
                text(format!("is {name}")),
                tagged("span class=\"muted\"", rows(of)),
            ],
        );
        tag("tr", [head].into_iter().chain(cells))
    };
    let positives = confusion.true_positives + confusion.false_negatives;
    let negatives = confusion.true_negatives + confusion.false_positives;
    let head = tag(
        "tr",
        [
            tag("td", [tagged("span class=\"hidden\"", "actual class")]),
            tagged("th scope=\"col\"", format!("predicted {positive}")),
            tagged("th scope=\"col\"", format!("predicted {negative}")),
        ],
    );
    let body = [
        actual(
            positive,
            positives,
            [
                cell(confusion.true_positives, positives, true),
                cell(confusion.false_negatives, positives, false),
            ],
        ),
        actual(
            negative,
            negatives,
            [
                cell(confusion.false_positives, negatives, false),
                cell(confusion.true_negatives, negatives, true),
            ],
        ),
    ];
    let caption = tagged("caption", "Rows by label and prediction");
    let matrix = tag(
        "table class=\"confusion\"",
        [caption, tag("thead", [head]), tag("tbody", body)],
    );
    tag(
        "div",
        [matrix, note("Shares are of the rows of the actual class.")],
    )
}
