//! Whether scores and predictions make sense at all, before anything is compared.

use learn::interval::falls_short;
use learn::metrics::regression::Report as Measured;
use learn::metrics::{Interval, wilson};
use learn::model::ClassWeight;
use pages::content::{Content, ModelCard, OfTask, Performance, Severity};
use pages::format::{count, number, rows, share};
use pages::judge::ratio;

/// A mean score that is so many times the base rate, or that small a part of it, is no probability.
const APART: f64 = 2.0;
/// How likely chance may make a model that predicts both classes predict only one.
const CHANCE: f64 = 0.001;
/// From so many rows of a class on it is news that none is found.
const MANY: u64 = 10;

/// What a person should know of them.
pub(super) fn findings(content: &Content) -> Vec<(Severity, String)> {
    let performance = &content.performance;
    if let Some(of_task) = &performance.of_task {
        return coverage(&content.model, of_task).into_iter().collect();
    }
    let one_class = never(content).or_else(|| always(performance));
    let found = match &one_class {
        Some(_) => None,
        None => none_found(performance),
    };
    [one_class, found, apart(content)]
        .into_iter()
        .flatten()
        .collect()
}

/// Share of the holdout that is predicted positive.
fn predicted_on_holdout(performance: &Performance) -> Option<f64> {
    let confusion = &performance.holdout.as_ref()?.confusion;
    let predicted = confusion.true_positives + confusion.false_positives;
    ratio(predicted, confusion.rows())
}

/// Whether rows of which none is of a kind are more than chance, where a share of the holdout is. A
/// share of 0 makes it no chance, however few there are.
fn is_news(share: Option<f64>, rows: u64) -> bool {
    match share {
        Some(share) if share > 0.0 => libm::pow(1.0 - share, rows as f64) < CHANCE,
        Some(_) => true,
        None => rows >= MANY,
    }
}

fn never(content: &Content) -> Option<(Severity, String)> {
    let performance = &content.performance;
    let (scored, positive) = (performance.scored_rows, performance.positive());
    let then = predicted_on_holdout(performance);
    if scored == 0 || performance.predicted_positives > 0 || !is_news(then, scored) {
        return None;
    }
    let before = match then {
        Some(0.0) => " It did not on the holdout either.".to_owned(),
        Some(part) => format!(
            " On the holdout it did in {} of the rows.",
            share(Some(part))
        ),
        None => String::new(),
    };
    let positives = performance.overall.as_ref().map_or(0, |now| now.positives);
    let missed = match positives {
        0 => String::new(),
        _ => format!(
            " None of the {} that are {positive} is found.",
            rows(positives)
        ),
    };
    Some((
        Severity::Warn,
        format!(
            "The model never predicts {positive}: the highest score, {}, lies below the threshold, {}.{missed}{before}",
            number(performance.highest_score),
            number(content.model.threshold),
        ),
    ))
}

fn always(performance: &Performance) -> Option<(Severity, String)> {
    let (scored, predicted) = (performance.scored_rows, performance.predicted_positives);
    let then = predicted_on_holdout(performance).map(|part| 1.0 - part);
    if scored == 0 || predicted < scored || !is_news(then, scored) {
        return None;
    }
    let positive = performance.positive();
    let text = format!(
        "The model always predicts {positive}, in all {}.",
        rows(scored)
    );
    Some((Severity::Warn, text))
}

fn none_found(performance: &Performance) -> Option<(Severity, String)> {
    let overall = performance.overall.as_ref()?;
    if overall.positives == 0 || overall.confusion.true_positives > 0 {
        return None;
    }
    let severity = match overall.positives {
        0..MANY => Severity::Note,
        _ => Severity::Warn,
    };
    let text = format!(
        "Recall is 0: none of the {} that are {} is found.",
        rows(overall.positives),
        performance.positive()
    );
    Some((severity, text))
}

/// Why scores of balanced classes are no probabilities, and what makes them such.
fn by_construction(by_models_json: bool) -> String {
    let (said, advice) = match by_models_json {
        true => (
            "`class_weight` balanced in models.json",
            "calibrate them there (`calibration`), or train with `class_weight` none, to have \
             probabilities",
        ),
        false => (
            "MODEL_CLASS_WEIGHT=balanced",
            "train with MODEL_CLASS_WEIGHT=none to have probabilities",
        ),
    };
    format!(
        " This is expected: the model was trained with {said}, which counts the rarer class as if \
         it were as frequent as the other. The scores rank rows, but are not probabilities; \
         {advice}."
    )
}

/// Whether the intervals of a predicted number hold as many labels as they are made for.
fn coverage(model: &ModelCard, of_task: &OfTask) -> Option<(Severity, String)> {
    let selection = model.selection.as_ref()?;
    let asked = selection.interval?.level;
    let now: Measured = of_task.now.as_ref()?.read()?;
    // A share of what rows weigh is of no number of rows.
    let covered = now.coverage.filter(|_| now.weight == now.rows as f64)?;
    let covered = (covered * now.rows as f64).round() as u64;
    if !falls_short(asked, selection.validation.rows, covered, now.rows) {
        return None;
    }
    let text = format!(
        "Of {} with a label, {} lie within the interval of their prediction, which should cover \
         {}: fewer than chance explains. Errors are larger here than on the {} that the interval was \
         found on; train again, with rows like these.",
        rows(now.rows),
        share(ratio(covered, now.rows)),
        share(Some(asked)),
        rows(selection.validation.rows)
    );
    Some((Severity::Warn, text))
}

/// Whether scores can be read as probabilities.
fn apart(content: &Content) -> Option<(Severity, String)> {
    let performance = &content.performance;
    let (mean, base, within, of) = match &performance.overall {
        Some(overall) => {
            let bins = overall.calibration.iter();
            let sum: f64 = bins
                .filter_map(|bin| Some(bin.rows as f64 * bin.mean_predicted?))
                .sum();
            let mean = sum / overall.rows as f64;
            (
                mean,
                overall.base_rate?,
                performance.intervals.base_rate?,
                "",
            )
        }
        None => {
            let (positives, all) = (content.model.positives, content.model.training.rows);
            let within = wilson(positives, all)?;
            (
                performance.mean_score?,
                ratio(positives, all)?,
                within,
                " of training",
            )
        }
    };
    let Interval { low, high } = within;
    if mean <= APART * high && mean >= low / APART {
        return None;
    }
    let model = &content.model;
    let is_calibrated = (model.selection.as_ref()).is_some_and(|of| of.calibration.is_some());
    let why = match model.training.class_weight {
        Some(ClassWeight::Balanced) if mean > base && !is_calibrated => {
            by_construction(model.by_models_json)
        }
        _ => " The scores are not calibrated probabilities on these rows.".to_owned(),
    };
    let times = match mean / base {
        times if !times.is_finite() => "far above".to_owned(),
        times if times >= 10.0 => format!("{} times", count(times.round() as u64)),
        times => format!("{} times", number(Some((times * 100.0).round() / 100.0))),
    };
    let text = format!(
        "The mean score, {}, is {times} the base rate{of}, {}.{why}",
        number(Some(mean)),
        number(Some(base)),
    );
    Some((Severity::Warn, text))
}
