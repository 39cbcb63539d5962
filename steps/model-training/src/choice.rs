//! Which model is fitted: as `models.json` says, or as the settings do where there is none.

use anyhow::Result;
use learn::fitted_model::Reader;
use learn::models::{Candidate, Chosen, FILE, Models};
use learn::preprocessing::Settings;
use runtime::failure::Failure;
use serde_json::{Map, Value, json};
use settings::TrainingArgs;
use table::dataset::Goal;
use table::models;

/// What is fitted.
pub(crate) struct Choice {
    pub(crate) candidate: Chosen,
    /// How columns are prepared; without, features are taken as they are.
    pub(crate) preprocessing: Option<Settings>,
    pub(crate) threshold: f64,
}

/// Reads it.
///
/// # Errors
/// Exit 2, with what is wrong in the file.
pub(crate) fn read(text: Option<&[u8]>, fit: &TrainingArgs, goal: &Goal) -> Result<Choice> {
    let Some(text) = text else {
        return by_settings(fit, goal);
    };
    let (models, candidate) = models::parse(text, goal)?;
    Ok(Choice {
        candidate,
        threshold: models.threshold.unwrap_or(0.5),
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
    let models = Models {
        schema: None,
        candidates: vec![Candidate {
            family: fit.family.clone(),
            options: Map::<String, Value>::from_iter(options),
        }],
        preprocessing: Settings::default(),
        threshold: Some(fit.threshold),
        validation: None,
    };
    let families = &Reader::known().families;
    let candidate = models.candidate(families, goal.task, &goal.target);
    let candidate = candidate.map_err(|error| {
        Failure::usage(format!(
            "MODEL_FAMILY (--family): {error}, in `candidates` of a {FILE} beside dataset.json"
        ))
    })?;
    Ok(Choice {
        candidate,
        preprocessing: None,
        threshold: fit.threshold,
    })
}
