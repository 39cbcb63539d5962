//! What was chosen on validation rows, and what they say of the features.

use catalog::model_files::{CandidateMetrics, Selection};
use learn::permutation::{Permuted, REPEATS};

use super::parts::{SHOWN_FEATURES, bar, folded, note, table};
use super::task;
use crate::format::{count, interval, number, rows};
use crate::html::{Markup, nothing, tag, tagged, text};

pub(super) fn of(selection: &Selection) -> Markup {
    let of = &selection.validation;
    let refit = match selection.refit {
        true => "Then the model was fitted again on all training rows.",
        false => "The model is the fit on the other rows.",
    };
    let lead = note(match of.folds {
        1 => format!(
            "On {} of training that the fit on {} others did not see, split by {}. {refit}",
            rows(of.rows),
            count(of.fit_rows),
            of.by
        ),
        folds => format!(
            "Candidates were compared in {folds} folds of about {} of training, split by {}, each \
             with fits on the other rows. {refit}",
            rows(of.rows),
            of.by
        ),
    });
    let entry = |name: &str, value: &str| tag("div", [tagged("dt", name), tagged("dd", value)]);
    let calibrated = selection
        .calibration
        .map(|of| entry("Calibration", of.name()));
    let threshold = selection.threshold.as_ref();
    let threshold = threshold.map(|of| entry("Threshold", &of.to_string()));
    let interval = selection.interval.as_ref();
    let interval = interval.map(|of| entry("Interval", &of.to_string()));
    let found = calibrated.into_iter().chain(threshold).chain(interval);
    let found: Vec<Markup> = found.collect();
    let found = match found.is_empty() {
        true => nothing(),
        false => tag("dl class=\"plain\"", found),
    };
    let heading = tagged("h3 class=\"part\"", "Chosen on validation rows");
    tag("div", [heading, lead, found, candidates(selection)])
}

/// Those that were compared, where there are several.
fn candidates(selection: &Selection) -> Markup {
    if selection.candidates.len() < 2 {
        return nothing();
    }
    let metric = selection.metric.as_deref().unwrap_or_default();
    let row = |of: &CandidateMetrics| {
        let chosen = match of.chosen {
            true => tagged("span class=\"chip ok\"", "chosen"),
            false => nothing(),
        };
        vec![
            text(of.brief()),
            chosen,
            tagged("strong", number(of.value)),
            text(interval(of.interval)),
            text(match of.chosen {
                true => String::new(),
                false => interval(of.behind),
            }),
        ]
    };
    let columns = [
        "Candidate",
        "",
        task::title(metric),
        "95 % interval",
        "Difference from the winner",
    ];
    let table = table(
        "candidates",
        "Candidates on the validation rows",
        &columns,
        selection.candidates.iter().map(row),
    );
    let said = note(
        "Each candidate is shown with the options that differ from its family's defaults. Intervals \
         are bootstrap intervals over rows. If the last one contains 0, these rows do not show which \
         of the two is better.",
    );
    tag("div", [table, said])
}

/// How much each feature matters to the metric.
pub(super) fn permutation(selection: &Selection) -> Markup {
    if selection.permutation.is_empty() {
        return nothing();
    }
    let metric = selection.metric.as_deref().unwrap_or_default();
    let lead = note(format!(
        "How much worse {} gets on {} of validation, or a sample of them (about 10,000; fewer for \
         very many trees), when a feature's values are shuffled among the rows: mean and standard \
         deviation of {REPEATS} shuffles. Correlated features each seem to matter little.",
        task::title(metric),
        rows(selection.validation.rows)
    ));
    let most = selection.permutation.iter().map(|of| of.mean);
    let most = most.fold(0.0, f64::max);
    let row = |of: &Permuted| {
        vec![
            text(&of.feature),
            bar(of.mean, most),
            text(number(Some(of.std))),
        ]
    };
    let table = folded(
        "numbers importance",
        "Permutation importance",
        &["Feature", "Loss", "Std"],
        selection.permutation.iter().map(row),
        SHOWN_FEATURES,
    );
    let heading = tagged("h3 class=\"part\"", "Permutation importance");
    tag("div", [heading, lead, table])
}
