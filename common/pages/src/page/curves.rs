//! Performance over all thresholds: ROC, precision and recall, calibration, and a table.

use learn::metrics::{CalibrationBin, CurvePoint, Report as Metrics};

use super::parts::{details, note, table};
use crate::chart::{CalibrationPoint, Trace, calibration, curve};
use crate::content::{AtThreshold, Performance};
use crate::format::{count, metric, number, share};
use crate::html::{Markup, nothing, tag, tagged, text};

pub(super) fn curves(performance: &Performance) -> Markup {
    let Some(overall) = &performance.overall else {
        return nothing();
    };
    let holdout = performance.holdout.as_ref();
    let (now, then) = (
        points(&overall.calibration),
        holdout.map_or_else(Vec::new, |of| points(&of.calibration)),
    );
    let key = tag(
        "p class=\"note\"",
        [
            tagged("span class=\"key now\"", "now"),
            tagged("span class=\"key holdout\"", "holdout"),
            text("On the diagonal, probabilities equal the observed shares."),
        ],
    );
    let mut charts = Vec::new();
    // With one class only there is no curve.
    if overall.roc_auc.is_some() {
        charts.push(tag(
            "div",
            [
                tagged("h3", format!("ROC, AUC {}", metric(overall.roc_auc))),
                roc(performance, overall),
            ],
        ));
        let title = format!("Precision and recall, AUC {}", metric(overall.pr_auc));
        charts.push(tag(
            "div",
            [tagged("h3", title), precision_recall(performance, overall)],
        ));
    }
    charts.push(tag(
        "div",
        [
            tagged("h3", "Calibration"),
            calibration("calibration", &now, &then),
            key,
        ],
    ));
    let thresholds = details("Numbers by threshold", by_threshold(performance));
    let calibrated = details("Numbers of the calibration", calibrated(overall));
    tag(
        "div",
        [tag("div class=\"columns\"", charts), thresholds, calibrated],
    )
}

fn points(bins: &[CalibrationBin]) -> Vec<CalibrationPoint> {
    let point = |bin: &CalibrationBin| {
        Some(CalibrationPoint {
            rows: bin.rows,
            predicted: bin.mean_predicted?,
            observed: bin.observed_rate?,
        })
    };
    bins.iter().filter_map(point).collect()
}

fn part(some: f64, of: f64) -> f64 {
    if of > 0.0 { some / of } else { 0.0 }
}

/// Positives and negatives that are predicted positive, by weight where rows weigh.
fn predicted(point: &CurvePoint) -> [f64; 2] {
    let counted = [point.true_positives, point.false_positives];
    point.weights.unwrap_or(counted.map(|rows| rows as f64))
}

/// Positives and negatives in all: the curve ends with all rows.
fn all(performance: &Performance) -> [f64; 2] {
    performance.curve.last().map_or([0.0; 2], predicted)
}

/// Positives and negatives that are predicted positive at a threshold, by weight where rows weigh.
fn predicted_at(at: &AtThreshold, overall: &Metrics) -> [f64; 2] {
    let Some(weight) = overall.weight else {
        let confusion = &at.confusion;
        return [confusion.true_positives, confusion.false_positives].map(|rows| rows as f64);
    };
    let share = |share: Option<f64>| share.unwrap_or_default();
    let found = share(at.recall) * share(overall.base_rate);
    [found, share(at.predicted_positive_rate) - found].map(|share| share * weight)
}

fn own(performance: &Performance, overall: &Metrics) -> Option<AtThreshold> {
    performance
        .thresholds
        .iter()
        .find(|at| at.threshold == overall.threshold)
        .copied()
}

fn roc(performance: &Performance, overall: &Metrics) -> Markup {
    let [positives, negatives] = all(performance);
    let place = |[tp, fp]: [f64; 2]| (part(fp, negatives), part(tp, positives));
    let at = |point: &CurvePoint| place(predicted(point));
    let chart = Trace {
        id: "roc",
        title: "ROC curve",
        axes: ("false positive rate", "recall"),
        points: std::iter::once((0.0, 0.0))
            .chain(performance.curve.iter().map(at))
            .collect(),
        chance: ((0.0, 0.0), (1.0, 1.0)),
        threshold: own(performance, overall)
            .map(|own| (place(predicted_at(&own, overall)), own.threshold)),
        description: format!(
            "The area under the curve is {}; chance gives 0.5.",
            metric(overall.roc_auc)
        ),
    };
    tag(
        "div",
        [
            curve(&chart),
            note("The point is the threshold in use; the dotted line is chance."),
        ],
    )
}

fn precision_recall(performance: &Performance, overall: &Metrics) -> Markup {
    let [positives, _] = all(performance);
    let place = |[tp, fp]: [f64; 2]| (part(tp, positives), part(tp, tp + fp));
    let at = |point: &CurvePoint| place(predicted(point));
    let base = overall.base_rate.unwrap_or_default();
    let chart = Trace {
        id: "precision-recall",
        title: "Precision and recall",
        axes: ("recall", "precision"),
        points: performance.curve.iter().map(at).collect(),
        chance: ((0.0, base), (1.0, base)),
        threshold: own(performance, overall)
            .map(|own| (place(predicted_at(&own, overall)), own.threshold)),
        description: format!(
            "The average precision is {}; chance gives {}.",
            metric(overall.pr_auc),
            metric(overall.base_rate)
        ),
    };
    tag(
        "div",
        [
            curve(&chart),
            note("The dotted line is the base rate, which chance gives."),
        ],
    )
}

fn by_threshold(performance: &Performance) -> Markup {
    let own = performance
        .overall
        .as_ref()
        .map(|overall| overall.threshold);
    // Above the highest score all lines are the same.
    let empty = |at: &&AtThreshold| at.predicted_positive_rate == Some(0.0);
    let first_empty = performance.thresholds.iter().find(empty);
    let first_empty = first_empty.map(|at| at.threshold);
    let shown = |at: &&AtThreshold| !empty(at) || [own, first_empty].contains(&Some(at.threshold));
    let row = |at: &AtThreshold| {
        let name = if Some(at.threshold) == own {
            tagged("strong", format!("{} (in use)", at.threshold))
        } else if Some(at.threshold) == performance.highest_score {
            text(format!("{} (highest score)", number(Some(at.threshold))))
        } else {
            text(number(Some(at.threshold)))
        };
        let c = &at.confusion;
        vec![
            name,
            text(share(at.predicted_positive_rate)),
            text(metric(at.accuracy)),
            text(metric(at.precision)),
            text(metric(at.recall)),
            text(metric(at.f1)),
            text(count(c.true_positives)),
            text(count(c.false_positives)),
            text(count(c.false_negatives)),
            text(count(c.true_negatives)),
        ]
    };
    let columns = [
        "Threshold",
        "Predicted +",
        "Accuracy",
        "Precision",
        "Recall",
        "F1",
        "True +",
        "False +",
        "False −",
        "True −",
    ];
    table(
        "numbers",
        "Performance by threshold",
        &columns,
        performance.thresholds.iter().filter(shown).map(row),
    )
}

fn calibrated(overall: &Metrics) -> Markup {
    let row = |bin: &CalibrationBin| {
        vec![
            text(format!("{:.1} – {:.1}", bin.lower, bin.upper)),
            text(count(bin.rows)),
            text(metric(bin.mean_predicted)),
            text(metric(bin.observed_rate)),
        ]
    };
    let columns = ["Probability", "Rows", "Mean predicted", "Observed rate"];
    table(
        "numbers",
        "Calibration",
        &columns,
        overall.calibration.iter().map(row),
    )
}
