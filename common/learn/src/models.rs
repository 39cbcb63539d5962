//! The file `models.json`: which model is fitted, and how its columns are prepared.
//!
//! ```
//! use learn::estimator::Families;
//! use learn::models::Models;
//! use learn::task::{Regression, Target};
//!
//! let file = br#"{"candidates": [{"family": "linear-regression", "c": 0.1}]}"#;
//! let models = Models::parse(file)?;
//! let target = Target { name: "price".to_owned(), classes: Vec::new() };
//! let candidates = models.candidates.chosen(&Families::standard(), &Regression, &target)?;
//! assert_eq!(candidates[0].to_string(), "linear-regression: c 0.1, l1_ratio 0");
//!
//! let error = Models::parse(br#"{"candidate": []}"#).unwrap_err();
//! assert!(error.to_string().contains("unknown field `candidate`"));
//! # Ok::<(), learn::models::ModelsError>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calibration::Method;
use crate::estimator::{EstimatorError, Families, Family};
use crate::explanation::MOST as MOST_REASONS;
use crate::preprocessing::Settings;
use crate::task::{Metric, Task};
use crate::threshold::Threshold;
use crate::wrong_key::wrong_keys;

pub use candidates::{Candidate, Candidates, MOST};

mod candidates;
#[cfg(test)]
mod tests;

/// Name of the file.
pub const FILE: &str = "models.json";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Names the schema for editors; nothing else reads it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What may be fitted. Of several the best one is chosen on validation rows.
    pub candidates: Candidates,
    /// The metric of the task that they are compared by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// How the columns are prepared.
    #[serde(default)]
    pub preprocessing: Settings,
    /// Of two classes: how probabilities are calibrated on validation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Method>,
    /// Of two classes: the probability from which the positive one is predicted, or the rule that
    /// finds it on validation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// Of a number: the share of labels that the interval of a prediction is made for, on
    /// validation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<f64>,
    /// Where the interval comes from: residuals, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_by: Option<IntervalBy>,
    /// Which training rows are kept from the fit, where something is chosen by looking at labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Whether the candidate that was chosen is fitted again on all training rows. Without it, it
    /// is unless something that was found on validation rows belongs to the fit on the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<bool>,
    /// How many features are named beside each prediction as those that moved it most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<usize>,
    /// Whether the model becomes a version of the registry, as it does unless said; else it is
    /// measured and tracked alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<bool>,
}

/// Where the interval of a predicted number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntervalBy {
    /// Quantiles of the residuals: as wide for every row.
    Residuals,
    /// Two quantiles that are fitted with the number, and moved by what they miss.
    Quantiles,
}

/// Which training rows are kept from the fit, to choose by them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// Share of the training rows, between 0 and 1.
    pub fraction: f64,
    /// What decides which ones. Without it the time does where the holdout is one of time, and the
    /// ids else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// How many times candidates are compared, each time on other rows. Without it, several times
    /// where there are few rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<u64>,
}

impl Validation {
    /// The most folds that share no row.
    pub fn most_folds(&self) -> u64 {
        // A fifth is a little more than a fifth in binary.
        (1.0 / self.fraction + 1e-9) as u64
    }

    /// What decides which rows they are, where the holdout is one of time, or is not.
    pub fn decided_by(&self, holdout_of_time: bool) -> By {
        let else_by = if holdout_of_time { By::Time } else { By::Id };
        self.by.unwrap_or(else_by)
    }

    /// That there are as many folds as asked for.
    ///
    /// # Errors
    /// Several by time.
    pub fn check_folds(&self, by: By) -> Result<(), ModelsError> {
        match self.folds {
            Some(folds) if folds > 1 && by == By::Time => Err(ModelsError::FoldsByTime(folds)),
            _ => Ok(()),
        }
    }
}

/// What decides which training rows are kept from the fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The ids of a row: about the fraction of all ids, by their hash.
    Id,
    /// The time of a row: the latest rows.
    Time,
}

impl Default for Validation {
    fn default() -> Self {
        Self {
            fraction: 0.2,
            by: None,
            folds: None,
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Time => "time",
        })
    }
}

/// A candidate that can be fitted.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What fits it.
    pub family: &'static dyn Family,
    /// All of its options.
    pub options: Map<String, Value>,
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.family.name())?;
        let mut before = ": ";
        for (name, value) in &self.options {
            write!(f, "{before}{name} {}", shown(value))?;
            before = ", ";
        }
        Ok(())
    }
}

/// A value as a person writes it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .map_or(number.to_string(), |of| of.to_string()),
        other => other.to_string(),
    }
}

/// Why the file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// Not JSON, or not of the file's shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A key whose value can't be read.
    #[error("{0}")]
    Wrong(String),
    /// No candidate.
    #[error("`candidates` has 0 entries: give one")]
    NoCandidate,
    /// More candidates than are fitted.
    #[error("`candidates` makes {0} models: at most {MOST}")]
    TooMany(usize),
    /// A metric that the task does not have.
    #[error("`metric` is {metric:?}, and the task {task} has {known}")]
    Metric {
        /// What the file says.
        metric: String,
        /// Name of the task.
        task: &'static str,
        /// Its metrics.
        known: String,
    },
    /// A threshold that is no probability.
    #[error("`threshold` is {0}: it must be from 0 to 1")]
    Threshold(f64),
    /// An interval of no share, or of all.
    #[error("`interval` is {0}: it must be between 0 and 1, such as 0.9")]
    Interval(f64),
    /// Where intervals come from, without one.
    #[error("`interval_by` is given without `interval`: give that too, such as 0.9, or remove it")]
    NoInterval,
    /// A family that fits no quantiles.
    #[error(
        "candidate {family:?} can't fit quantiles, which `interval_by` needs: use candidates that \
         can ({fit}), or remove `interval_by`"
    )]
    Quantiles {
        /// Name of the family.
        family: &'static str,
        /// The families that do.
        fit: String,
    },
    /// Reasons that are none, or too many.
    #[error("`explain` is {0}: {must}", must = explain_must_be())]
    Explain(usize),
    /// A fraction of rows that leaves none, or all.
    #[error("`fraction` of `validation` is {0}: it must be between 0 and 1")]
    Fraction(f64),
    /// No fold, or more than there are rows for.
    #[error(
        "`folds` of `validation` is {folds}: with the fraction {fraction} it must be from 1 to {most}"
    )]
    Folds {
        /// What the file says.
        folds: u64,
        /// The share of the rows that each fold has.
        fraction: f64,
        /// The most that share no row.
        most: u64,
    },
    /// Several folds where the latest rows are the only one.
    #[error(
        "`validation` is by time, which has one fold, the latest rows, and `folds` is {0}: remove it, \
         or set \"by\" to \"id\""
    )]
    FoldsByTime(u64),
    /// A candidate that cannot be fitted.
    #[error("candidate {family:?}: {error}")]
    Candidate {
        /// Name of its family.
        family: String,
        /// What is wrong.
        error: EstimatorError,
    },
    /// What is for another task.
    #[error("`{key}` is for the task {needs}, and the target is of task {task}: remove it")]
    Key {
        /// The key of the file.
        key: &'static str,
        /// The task that it is for.
        needs: &'static str,
        /// Name of the task.
        task: &'static str,
    },
    /// A family that does not learn the target.
    #[error(
        "candidate {family:?} does not learn target {target:?} of task {task}: give one of {learn}"
    )]
    Task {
        /// Name of its family.
        family: String,
        /// Name of the target.
        target: String,
        /// Name of the task.
        task: &'static str,
        /// The families that do.
        learn: String,
    },
}

/// What `explain` takes.
fn explain_must_be() -> String {
    format!("it must be a whole number from 1 to {MOST_REASONS}")
}

/// What is wrong with a key; a key that is unknown serde names itself, with its place in the file.
fn of_key(bytes: &[u8]) -> Option<ModelsError> {
    let file: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let rest = Map::from_iter([("candidates".to_owned(), "auto".into())]);
    let wrong = wrong_keys::<Models>(&file, &rest).find(|wrong| !wrong.is_unknown())?;
    let wrong = match wrong.key() == "explain" {
        true => wrong.because(&explain_must_be()),
        false => wrong,
    };
    Some(ModelsError::Wrong(wrong.to_string()))
}

impl Models {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelsError> {
        let models: Self = match serde_json::from_slice(bytes) {
            Ok(models) => models,
            Err(error) => return Err(of_key(bytes).unwrap_or(ModelsError::Json(error))),
        };
        let fraction = models.validation.map(|of| of.fraction);
        if let Some(fraction) = fraction.filter(|of| !(*of > 0.0 && *of < 1.0)) {
            return Err(ModelsError::Fraction(fraction));
        }
        if let Some((of, folds)) = models.validation.and_then(|of| Some((of, of.folds?)))
            && !(1..=of.most_folds()).contains(&folds)
        {
            return Err(ModelsError::Folds {
                folds,
                fraction: of.fraction,
                most: of.most_folds(),
            });
        }
        if let Some(explain) = models.explain.filter(|of| !(1..=MOST_REASONS).contains(of)) {
            return Err(ModelsError::Explain(explain));
        }
        if let Some(level) = models.interval.filter(|of| !(*of > 0.0 && *of < 1.0)) {
            return Err(ModelsError::Interval(level));
        }
        if models.interval_by.is_some() && models.interval.is_none() {
            return Err(ModelsError::NoInterval);
        }
        match models.threshold {
            Some(Threshold::At(number)) if !(0.0..=1.0).contains(&number) => {
                Err(ModelsError::Threshold(number))
            }
            _ => Ok(models),
        }
    }

    /// That the task has a use for what the file says.
    ///
    /// # Errors
    /// What is for another task.
    pub fn check_task(&self, task: &dyn Task) -> Result<(), ModelsError> {
        let calibrates = self.calibration.unwrap_or_default() != Method::None;
        let keys = [
            ("threshold", "binary", self.threshold.is_some()),
            ("calibration", "binary", calibrates),
            ("interval", "regression", self.interval.is_some()),
        ];
        let for_another = |(_, needs, given): &(&str, &str, bool)| *given && *needs != task.name();
        match keys.into_iter().find(for_another) {
            Some((key, needs, _)) => Err(ModelsError::Key {
                key,
                needs,
                task: task.name(),
            }),
            None => Ok(()),
        }
    }

    /// Levels of the quantiles that are fitted with a number, where intervals come from them.
    pub fn quantiles(&self) -> Option<[f64; 2]> {
        let by_quantiles = self.interval_by == Some(IntervalBy::Quantiles);
        let level = self.interval.filter(|_| by_quantiles)?;
        Some([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    }

    /// That each candidate fits what intervals come from.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check_intervals(
        &self,
        families: &Families,
        candidates: &[Chosen],
    ) -> Result<(), ModelsError> {
        let fits = |family: &&&'static dyn Family| family.fits_quantiles();
        let other = candidates.iter().find(|of| !of.family.fits_quantiles());
        match other.filter(|_| self.quantiles().is_some()) {
            None => Ok(()),
            Some(other) => Err(ModelsError::Quantiles {
                family: other.family.name(),
                fit: {
                    let fit = families.all().iter().filter(fits);
                    fit.map(|of| of.name()).collect::<Vec<_>>().join(", ")
                },
            }),
        }
    }

    /// The metric that candidates are compared by: unless the file says one, that of a gate.
    ///
    /// # Errors
    /// One that the task does not have.
    pub fn metric(&self, task: &dyn Task) -> Result<Metric, ModelsError> {
        let name = self.metric.as_deref().unwrap_or(task.gate_metric());
        task.metric(name).ok_or_else(|| ModelsError::Metric {
            metric: name.to_owned(),
            task: task.name(),
            known: task
                .metrics()
                .iter()
                .map(|metric| metric.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}
