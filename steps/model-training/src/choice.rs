//! Which model is fitted: as `models.json` says, or as the settings do where there is none.

use anyhow::{Context, Result};
use learn::calibration::Method;
use learn::fitted_model::Reader;
use learn::models::{Candidate, Candidates, Chosen, FILE, Validation};
use learn::preprocessing::Settings;
use learn::task::Metric;
use learn::threshold::{Sought, Threshold};
use runtime::failure::Failure;
use serde_json::{Map, Value, json};
use settings::TrainingArgs;
use table::dataset::Goal;
use table::models;

/// What is fitted.
pub(crate) struct Choice {
    /// One at least; of several the best is chosen.
    pub(crate) candidates: Vec<Chosen>,
    /// The metric by which it is.
    pub(crate) metric: Metric,
    /// The rows on which it is.
    pub(crate) validation: Validation,
    /// Whether what was chosen is fitted again on all training rows, where the file says it.
    pub(crate) refit: Option<bool>,
    /// How columns are prepared; without, features are taken as they are.
    pub(crate) preprocessing: Option<Settings>,
    /// Of two classes.
    pub(crate) calibration: Method,
    /// Of two classes.
    pub(crate) threshold: Threshold,
    /// Of a number: the share of labels that the interval of a prediction is made for.
    pub(crate) interval: Option<f64>,
    /// Levels of the quantiles that it comes from, where it does not come from residuals.
    pub(crate) quantiles: Option<[f64; 2]>,
    /// Reasons that are kept with each prediction.
    pub(crate) explain: Option<usize>,
    /// Whether the model becomes a version. It is the same one if not, so that an experiment may
    /// become a version later without being done again.
    pub(crate) register: bool,
}

impl Choice {
    /// The rule that finds the threshold, where there is one.
    pub(crate) fn sought(&self) -> Option<Sought> {
        match self.threshold {
            Threshold::Sought(sought) => Some(sought),
            Threshold::At(_) => None,
        }
    }

    /// Whether something is found on validation rows of the scores of one fit.
    pub(crate) fn is_tuned(&self) -> bool {
        self.calibration != Method::None || self.sought().is_some() || self.interval.is_some()
    }

    /// Whether what was chosen is fitted again on all training rows. Unless it is asked for, not
    /// where something was found of the scores of this one fit: those of another differ.
    pub(crate) fn refits(&self) -> bool {
        self.refit.unwrap_or(!self.is_tuned())
    }

    /// Whether something is chosen on validation rows: a candidate, when a fit stops, or what
    /// [`Choice::is_tuned`] says.
    pub(crate) fn is_validated(&self) -> bool {
        let stops_early = |of: &Chosen| of.family.stops_early(&of.options);
        self.is_tuned() || self.candidates.len() > 1 || self.candidates.iter().any(stops_early)
    }
}

/// Reads it.
///
/// # Errors
/// Exit 2, with what is wrong in the file.
pub(crate) fn read(text: Option<&[u8]>, fit: &TrainingArgs, goal: &Goal) -> Result<Choice> {
    let Some(text) = text else {
        return by_settings(fit, goal);
    };
    let (models, candidates) = models::parse(text, goal)?;
    let metric = models.metric(goal.task);
    Ok(Choice {
        candidates,
        metric: metric.map_err(|error| Failure::usage(format!("{FILE}: {error}")))?,
        validation: models.validation.unwrap_or_default(),
        refit: models.refit,
        calibration: models.calibration.unwrap_or_default(),
        threshold: models.threshold.unwrap_or(Threshold::At(0.5)),
        interval: models.interval,
        quantiles: models.quantiles(),
        explain: models.explain,
        register: models.register.unwrap_or(true),
        preprocessing: Some(models.preprocessing),
    })
}

/// As the settings say, with the features as they are.
fn by_settings(fit: &TrainingArgs, goal: &Goal) -> Result<Choice> {
    let options = [
        ("c", json!(fit.c)),
        ("class_weight", json!(fit.class_weight)),
        ("max_iter", json!(fit.max_iter)),
        ("tol", json!(fit.tol)),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value));
    let candidates = Candidates::List(vec![Candidate {
        family: fit.family.clone(),
        options: Map::<String, Value>::from_iter(options),
    }]);
    let families = &Reader::known().families;
    let wrong = |error| {
        Failure::usage(format!(
            "MODEL_FAMILY (--family): {error}, in `candidates` of a {FILE} beside dataset.json"
        ))
    };
    let chosen = candidates.chosen(families, goal.task, &goal.target);
    let metric = goal.task.metric(goal.task.gate_metric());
    Ok(Choice {
        candidates: chosen.map_err(wrong)?,
        metric: metric.context("a task has the metric of its gate")?,
        validation: Validation::default(),
        refit: None,
        preprocessing: None,
        calibration: Method::None,
        threshold: Threshold::At(fit.threshold),
        interval: None,
        quantiles: None,
        explain: None,
        register: true,
    })
}
