//! Which of several candidates is the model: each is fitted on the rows to fit on, and measured on
//! the validation rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::fanout::{self, Finished};
use catalog::model_files::{CandidateMetrics, Selection, ValidationRows};
use learn::estimator::Estimator;
use learn::metrics::bootstrap;
use learn::models::{Chosen, shown};
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::Store;
use table::labelled::{Side, Split, by};
use table::scoring::{self, Resampled};

use crate::fitted::{Fitted, On, fitted};
use crate::job::Job;
use crate::texts::{four, with_interval};
use crate::validation::{threshold, validation_rows};

/// The splits of the training rows that candidates are compared on; what belongs to one fit is
/// found on the first. None where nothing is chosen on validation rows.
pub(crate) async fn splits(step: &Step, store: &Store, job: &Job) -> Result<Vec<Arc<Split>>> {
    if !job.needs_validation() {
        return Ok(Vec::new());
    }
    let validation = &job.choice.validation;
    let splits = match job.choice.candidates.len() {
        // Chance can't choose where there is no choice.
        1 if validation.folds.is_none() => {
            vec![Arc::new(
                Split::of(step, store, &job.data.train, validation).await?,
            )]
        }
        _ => {
            let target = Some(&job.data.goal.target);
            Split::folds(step, store, &job.data.train, validation, target).await?
        }
    };
    tracing::info!(
        by = %by(&job.data.train, validation),
        folds = splits.len(),
        "{} rows to fit on and {} to validate on",
        splits[0].rows(Side::Fit),
        splits[0].rows(Side::Validation)
    );
    Ok(splits)
}

/// What was chosen, and its fit on the rows to fit on of the first split.
pub(crate) struct Selected {
    /// With options of a fit that ends where its fits on fewer rows did.
    pub(crate) settled: Chosen,
    pub(crate) fitted: Fitted,
    pub(crate) selection: Selection,
}

/// A candidate that was measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    metrics: CandidateMetrics,
    replicates: Vec<Option<f64>>,
    settled: Map<String, Value>,
}

impl Finished for Measured {
    fn objects(&self) -> Vec<(&str, u64)> {
        Vec::new()
    }
}

/// Fits and measures each candidate. The best by the metric wins, of equal ones the first.
///
/// # Errors
/// A candidate that can't be fitted, and a metric that is undefined for all: exit 10.
pub(crate) async fn select(
    step: &Step,
    store: &Store,
    job: &Job,
    splits: &[Arc<Split>],
    progress: &Progress,
) -> Result<Selected> {
    let mut measured: Vec<Measured> = Vec::new();
    // The fit is none where the candidate was measured in a pod of its own.
    let mut best: Option<(usize, Option<Fitted>)> = None;
    let several = job.choice.candidates.len() > 1;
    for at in 0..job.choice.candidates.len() {
        let done = match several {
            true => fanout::finished(step, store, &job.marker(at + 1)).await?,
            false => None,
        };
        let (of, fitted) = match done {
            Some(of) => (of, None),
            None => {
                let (of, fitted) = tried(step, store, job, at, splits, progress).await?;
                (of, Some(fitted))
            }
        };
        show(job, at, &of);
        let is_best = match (of.metrics.value, &best) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(value), Some((best, _))) => {
                let before = measured[*best].metrics.value;
                let rank = |value| job.choice.metric.higher_is_better(value);
                before.is_none_or(|before| rank(value) > rank(before))
            }
        };
        measured.push(of);
        if is_best {
            best = Some((at, fitted));
        }
    }
    let (winner, fitted) = best.ok_or_else(|| {
        Failure::contract(format!(
            "the metric {} is undefined for every candidate on the {} validation rows of {}: set \
             another `metric`, or more rows by `fraction` of `validation`, in models.json",
            job.choice.metric.name,
            splits[0].rows(Side::Validation),
            job.data.train_key
        ))
    })?;
    let fitted = match fitted {
        Some(fitted) => fitted,
        None => {
            let winner = &job.choice.candidates[winner];
            fitted_candidate(step, store, job, winner, On::Split(&splits[0]), progress).await?
        }
    };
    let candidates = compared(&measured, winner);
    let selection = Selection {
        validation: validation(job, splits),
        metric: Some(job.choice.metric.name.to_owned()),
        candidates,
        calibration: None,
        threshold: None,
        interval: None,
        refit: job.refits(),
        permutation: Vec::new(),
    };
    tracing::info!("{}", table(&selection));
    Ok(Selected {
        settled: Chosen {
            options: measured.swap_remove(winner).settled,
            ..job.choice.candidates[winner].clone()
        },
        fitted,
        selection,
    })
}

/// The rows that chose.
fn validation(job: &Job, splits: &[Arc<Split>]) -> ValidationRows {
    ValidationRows {
        fraction: job.choice.validation.fraction,
        by: by(&job.data.train, &job.choice.validation).to_string(),
        fit_rows: splits[0].rows(Side::Fit),
        rows: splits[0].rows(Side::Validation),
        folds: splits.len() as u64,
    }
}

/// A candidate, by its place, fitted and measured on each split, and its fit on the first.
///
/// # Errors
/// As [`fitted`].
pub(crate) async fn tried(
    step: &Step,
    store: &Store,
    job: &Job,
    at: usize,
    splits: &[Arc<Split>],
    progress: &Progress,
) -> Result<(Measured, Fitted)> {
    let candidate = &job.choice.candidates[at];
    let (mut first, mut models) = (None, Vec::new());
    for fold in 0..splits.len() {
        // The first one is kept.
        let on = match fold {
            0 => On::Split(&splits[fold]),
            _ => On::Measured(&splits[fold]),
        };
        let fitted = fitted_candidate(step, store, job, candidate, on, progress).await;
        let fitted = of_fold(fitted, fold, splits)?;
        models.push(fitted.fit.model.clone());
        first.get_or_insert(fitted);
    }
    let fits: Vec<&dyn Estimator> = models.iter().map(|of| &*of.estimator).collect();
    let settled = candidate.family.settled(&candidate.options, &fits);
    if splits.len() > 1 && settled != candidate.options {
        // A fit that stopped where its own validation rows lose least looks better on these than
        // the fit on all rows will be, which stops where the folds do on average.
        let as_settled = Chosen {
            options: settled.clone(),
            ..candidate.clone()
        };
        models.clear();
        for (fold, split) in splits.iter().enumerate() {
            let on = On::Measured(split);
            let fitted = fitted_candidate(step, store, job, &as_settled, on, progress).await;
            let fitted = of_fold(fitted, fold, splits)?;
            models.push(fitted.fit.model);
        }
    }
    let mut resampled = Vec::new();
    for (model, split) in models.iter().zip(splits) {
        let rows = validation_rows(step, store, job, model, split)?;
        let metric = job.choice.metric.name;
        resampled
            .push(scoring::resample(step, &rows, model, &job.data.train, metric, progress).await?);
    }
    let measured = measured(job, candidate, &resampled, settled);
    Ok((measured, first.context("no split to fit on")?))
}

/// Names the fold that a candidate can't be fitted in.
fn of_fold(fitted: Result<Fitted>, fold: usize, splits: &[Arc<Split>]) -> Result<Fitted> {
    match splits.len() {
        1 => fitted,
        folds => fitted.with_context(|| {
            let fold = fold + 1;
            format!("fold {fold} of {folds}, as `folds` of `validation` in models.json says")
        }),
    }
}

/// A candidate, fitted on the rows to fit on, with the threshold that it is measured at.
///
/// # Errors
/// As [`fitted`].
pub(crate) async fn fitted_candidate(
    step: &Step,
    store: &Store,
    job: &Job,
    candidate: &Chosen,
    on: On<'_>,
    progress: &Progress,
) -> Result<Fitted> {
    let fitted = fitted(step, store, job, candidate, on, progress).await;
    let mut fitted = fitted.with_context(|| format!("fitting candidate {candidate}"))?;
    let split = on
        .split()
        .context("a candidate is measured on validation rows")?;
    let rows = validation_rows(step, store, job, &fitted.fit.model, split)?;
    fitted.threshold = threshold(step, job, &mut fitted.fit, &rows, progress).await?;
    Ok(fitted)
}

/// The means over the folds.
fn measured(
    job: &Job,
    candidate: &Chosen,
    folds: &[Resampled],
    settled: Map<String, Value>,
) -> Measured {
    let value = mean(
        folds
            .iter()
            .map(|of| of.report.number(job.choice.metric.name)),
    );
    let replicates = 0..folds.first().map_or(0, |of| of.replicates.len());
    let replicates: Vec<Option<f64>> = replicates
        .map(|at| mean(folds.iter().map(|of| of.replicates[at])))
        .collect();
    let reports: Vec<BTreeMap<String, f64>> = folds
        .iter()
        .map(|of| of.report.numbers().into_iter().collect())
        .collect();
    let names: BTreeSet<&String> = reports.iter().flat_map(BTreeMap::keys).collect();
    let metrics = names.into_iter().filter_map(|name| {
        let mean = mean(reports.iter().map(|of| of.get(name).copied()))?;
        Some((name.clone(), mean))
    });
    let options = candidate.options.iter();
    let options = options.map(|(name, value)| (name.clone(), shown(value)));
    Measured {
        metrics: CandidateMetrics {
            family: candidate.family.name().to_owned(),
            options: options.collect(),
            value,
            interval: value.and_then(|value| {
                let interval = bootstrap::interval(value, &replicates)?;
                Some(job.choice.metric.possible(value, interval))
            }),
            behind: None,
            chosen: false,
            metrics: metrics.collect(),
        },
        replicates,
        settled,
    }
}

/// The mean of those that are defined.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Says what was measured.
pub(crate) fn show(job: &Job, at: usize, measured: &Measured) {
    tracing::info!(
        "candidate {} of {}: {}: {} {}",
        at + 1,
        job.choice.candidates.len(),
        job.choice.candidates[at],
        job.choice.metric.name,
        four(measured.metrics.value)
    );
}

/// Each beside the winner, on the same replicates of the rows.
fn compared(measured: &[Measured], winner: usize) -> Vec<CandidateMetrics> {
    let best = &measured[winner];
    let beside = |(at, of): (usize, &Measured)| {
        let pairs = of.replicates.iter().zip(&best.replicates);
        let differences: Vec<Option<f64>> =
            pairs.map(|(of, best)| Some((*of)? - (*best)?)).collect();
        let difference = of.metrics.value.zip(best.metrics.value);
        let difference = difference.filter(|_| at != winner);
        CandidateMetrics {
            behind: difference.and_then(|(of, best)| bootstrap::interval(of - best, &differences)),
            chosen: at == winner,
            ..of.metrics.clone()
        }
    };
    measured.iter().enumerate().map(beside).collect()
}

/// What a person reads of the candidates.
fn table(selection: &Selection) -> String {
    let metric = selection.metric.as_deref().unwrap_or_default();
    let mut text = format!(
        "candidates by {metric} on {}, with 95 % intervals:",
        selection.validation
    );
    for candidate in &selection.candidates {
        let mark = if candidate.chosen { "*" } else { " " };
        text += &format!(
            "\n {mark} {}  {}",
            with_interval(candidate),
            candidate.name()
        );
        if let Some(behind) = candidate.behind {
            text += &format!("  ({:+.4} to {:+.4} from *)", behind.low, behind.high);
        }
    }
    text
}
