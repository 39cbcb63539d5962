//! What is found of the scores of a fit on validation rows: the calibration of its probabilities,
//! the threshold that a rule asks for, the interval of a predicted number, and how much each
//! feature matters.

use std::sync::Arc;

use anyhow::Result;
use catalog::model_files::{ChosenInterval, ChosenThreshold, Selection};
use learn::calibration::{Calibration, Method};
use learn::interval::least_rows;
use learn::threshold::Sought;
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled::{LabelledRows, Side, Split};
use table::scoring;

use crate::fit::Fit;
use crate::job::Job;
use crate::select::Selected;
use crate::validation::{threshold, validation_rows};

/// As scikit-learn's guide advises: with fewer rows isotonic regression overfits.
const ISOTONIC_ROWS: u64 = 1000;

/// What was found; it belongs to the model.
#[derive(Default)]
pub(crate) struct Tuned {
    calibration: Option<Calibration>,
    threshold: Option<f64>,
    interval: Option<[f64; 2]>,
}

impl Tuned {
    /// Makes it a part of a fit: the one that it was found of, or that on all training rows.
    pub(crate) fn apply(self, fit: &mut Fit) {
        let model = Arc::make_mut(&mut fit.model);
        model.calibration = self.calibration;
        if let Some(threshold) = self.threshold {
            model.rule.threshold = threshold;
        }
        model.rule.interval = self.interval;
    }
}

/// Finds what `models.json` asks for, of the fit that was selected, and notes it in the selection.
///
/// # Errors
/// Validation rows of one class, a rule that no threshold keeps, and too few rows for an interval:
/// exit 10.
pub(crate) async fn tune(
    step: &Step,
    store: &Store,
    job: &Job,
    selected: &mut Selected,
    split: &Arc<Split>,
    progress: &Progress,
) -> Result<Tuned> {
    let mut tuned = Tuned::default();
    let rows = validation_rows(step, store, job, &selected.fitted.fit.model, split)?;
    if job.choice.calibration != Method::None {
        let calibration = calibration(step, job, selected, &rows, split, progress).await?;
        selected.selection.calibration = Some(calibration.method());
        Arc::make_mut(&mut selected.fitted.fit.model).calibration = Some(calibration.clone());
        tuned.calibration = Some(calibration);
    }
    if let Some(sought) = job.choice.sought() {
        let found = match job.choice.calibration {
            Method::None => selected.fitted.threshold,
            // The probabilities are others now.
            _ => threshold(step, job, &mut selected.fitted.fit, &rows, progress).await?,
        };
        let found = found.ok_or_else(|| {
            let other = match sought {
                Sought::Top(_) => "a larger share",
                _ => "less",
            };
            Failure::contract(format!(
                "no threshold satisfies {sought}, which `threshold` in models.json requires, on the {} \
                 validation rows of {}: ask for {other}, or set a larger `fraction` of `validation`",
                split.rows(Side::Validation),
                job.data.train_key
            ))
        })?;
        let chosen = ChosenThreshold::new(sought, &found);
        tracing::info!("threshold on validation rows: {chosen}");
        tuned.threshold = Some(chosen.threshold);
        selected.selection.threshold = Some(chosen);
    }
    if let Some(level) = job.choice.interval {
        let model = &selected.fitted.fit.model;
        let found = scoring::interval(step, &rows, model, &job.data.train, level, progress).await?;
        let [lower, upper] = found.ok_or_else(|| {
            Failure::contract(format!(
                "`interval` in models.json is {level}, which takes {} validation rows or more, and \
                 {} has {} (less where their weights differ): ask for less, or set a larger \
                 `fraction` of `validation`",
                least_rows(level),
                job.data.train_key,
                split.rows(Side::Validation)
            ))
        })?;
        let chosen = ChosenInterval {
            level,
            lower,
            upper,
            quantiles: model.rule.quantiles,
        };
        tracing::info!("interval on validation rows: {chosen}");
        tuned.interval = Some([lower, upper]);
        selected.selection.interval = Some(chosen);
    }
    let fit = &selected.fitted.fit;
    let std: Vec<f64> = fit.seen.inputs.iter().map(|input| input.std).collect();
    let by = (job.choice.metric, &std[..]);
    selected.selection.permutation =
        scoring::permuted(step, &rows, &fit.model, &job.data.train, by, progress).await?;
    Ok(tuned)
}

/// What a person should know of what was found.
pub(crate) fn doubt(selection: &Selection) -> Option<String> {
    let rows = selection.validation.rows;
    let is_rough = selection.calibration == Some(Method::Isotonic) && rows < ISOTONIC_ROWS;
    is_rough.then(|| {
        format!(
            "isotonic calibration was fitted on {rows} validation rows, and takes {ISOTONIC_ROWS} to be \
             no rougher than the scores: set `calibration` in models.json to \"sigmoid\", or a larger \
             `fraction` of `validation`"
        )
    })
}

async fn calibration(
    step: &Step,
    job: &Job,
    selected: &Selected,
    rows: &LabelledRows,
    split: &Split,
    progress: &Progress,
) -> Result<Calibration> {
    let (method, model) = (job.choice.calibration, &selected.fitted.fit.model);
    let found = scoring::calibrate(step, rows, model, &job.data.train, method, progress).await?;
    let rows = split.rows(Side::Validation);
    let found = found.ok_or_else(|| {
        Failure::contract(format!(
            "the {rows} validation rows of {} do not contain both classes of target {:?}, and \
             `calibration` in models.json needs them: set a larger `fraction` of `validation`, or \
             leave `calibration` out",
            job.data.train_key, job.data.goal.target.name
        ))
    })?;
    match &found {
        Calibration::Sigmoid { a, b } => {
            tracing::info!(
                "calibration on {rows} validation rows: 1 / (1 + exp({a:.4} x score + {b:.4}))"
            );
        }
        Calibration::Isotonic { x, .. } => {
            tracing::info!(
                "calibration on {rows} validation rows: isotonic, {} points",
                x.len()
            );
        }
    }
    Ok(found)
}
