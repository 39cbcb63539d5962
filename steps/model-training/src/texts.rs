//! What was measured, as people read it.

use catalog::model_files::{CandidateMetrics, Selection};
use learn::task::{Report, Task};

/// What won over what, and what was found beside, in one line.
pub(crate) fn chosen(selection: &Selection) -> String {
    let Some(winner) = selection.candidates.iter().find(|of| of.chosen) else {
        return String::new();
    };
    let calibrated = selection
        .calibration
        .map(|of| format!("; calibrated: {}", of.name()));
    let threshold = selection.threshold.as_ref();
    let threshold = threshold.map(|of| format!("; threshold {of}"));
    let interval = selection.interval.map(|of| format!("; interval {of}"));
    let of_several = match selection.candidates.len() {
        0 | 1 => String::new(),
        several => format!(", of {several}"),
    };
    format!(
        "{}, by {} {} on {}{of_several}{}{}{}",
        winner.name(),
        selection.metric.as_deref().unwrap_or_default(),
        with_interval(winner),
        selection.validation,
        calibrated.unwrap_or_default(),
        threshold.unwrap_or_default(),
        interval.unwrap_or_default()
    )
}

/// Every metric of a task, in one line, and how many labels intervals hold, where there are some.
pub(crate) fn every_metric(task: &dyn Task, report: &Report) -> String {
    let metrics = task.metrics().iter();
    let metrics =
        metrics.map(|metric| format!("{} {}", metric.name, four(report.number(metric.name))));
    let besides = ["coverage", "mean_width"].into_iter();
    let besides =
        besides.filter_map(|name| Some(format!("{name} {}", four(Some(report.number(name)?)))));
    metrics.chain(besides).collect::<Vec<_>>().join(", ")
}

/// A metric as people read it.
pub(crate) fn four(value: Option<f64>) -> String {
    value.map_or("undefined".to_owned(), |value| format!("{value:.4}"))
}

/// Its metric, such as `0.8312 (0.8250 to 0.8374)`.
pub(crate) fn with_interval(candidate: &CandidateMetrics) -> String {
    let value = four(candidate.value);
    match candidate.interval {
        Some(of) => format!("{value} ({:.4} to {:.4})", of.low, of.high),
        None => value,
    }
}
