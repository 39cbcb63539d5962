//! Which model is fitted: as `models.json` says, or as the settings do where there is none.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use learn::fitted_model::Reader;
use learn::models::{Candidate, Chosen, FILE, Models};
use learn::preprocessing::Settings;
use runtime::failure::Failure;
use serde_json::{Map, Value, json};
use settings::TrainingArgs;
use table::dataset::Goal;

/// What is fitted.
pub(crate) struct Choice {
    pub(crate) candidate: Chosen,
    /// How columns are prepared; without, features are taken as they are.
    pub(crate) preprocessing: Option<Settings>,
    pub(crate) threshold: f64,
}

/// The text of `models.json` in a folder, if it is there.
///
/// # Errors
/// A file that can't be read: exit 2.
pub(crate) fn text(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join(FILE);
    match std::fs::read(&file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Failure::usage(format!("{}: {error}", file.display()))),
    }
}

/// Reads it.
///
/// # Errors
/// Exit 2, with what is wrong in the file.
pub(crate) fn read(models: Option<&[u8]>, fit: &TrainingArgs, goal: &Goal) -> Result<Choice> {
    let Some(bytes) = models else {
        return by_settings(fit, goal);
    };
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{FILE}: {error}"));
    let models = Models::parse(bytes).map_err(|error| wrong(&error))?;
    let families = &Reader::known().families;
    let candidate = models.candidate(families, goal.task, &goal.target);
    Ok(Choice {
        candidate: candidate.map_err(|error| wrong(&error))?,
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
