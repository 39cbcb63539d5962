//! The files of a model: `model.json`, `reference.json` and `metrics.json`, each read as it was
//! written.
//!
//! ```
//! use catalog::model_files::ModelMetrics;
//!
//! let metrics: ModelMetrics = serde_json::from_str(r#"{
//!     "format_version": 1, "holdout": {"rows": 2, "rmse": 0.5},
//!     "fit": {"rows": 100, "converged": true}, "importance": []
//! }"#)?;
//! // Whatever the task, a metric is found by its name.
//! assert_eq!(metrics.holdout.number("rmse"), Some(0.5));
//! assert_eq!(metrics.holdout.number("roc_auc"), None);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::collections::BTreeMap;

use anyhow::Result;
use chrono_tz::Tz;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::layout;
use crate::manifest::{File, ModelManifest};
use learn::calibration::Method;
use learn::fitted_model::{FittedModel, Reader};
use learn::metrics::Interval;
use learn::model::Importance;
use learn::models::shown;
use learn::permutation::Permuted;
use learn::task::Report;
use learn::threshold::{Found, Sought, Threshold};
use profile::profiles::Baseline;
use profile::reference::{FORMAT_VERSION, FORMER_VERSIONS, Former, Reference};
use runtime::failure::Failure;
use store::Store;
use store::digest;

/// The format of `metrics.json`.
pub const METRICS_VERSION: u32 = 1;
/// The format of `metrics.json` where something was found of the scores on validation rows, so that
/// programs which do not know it refuse the file by its number.
pub const TUNED_VERSION: u32 = 2;

/// What is known of a model's quality, as it is in `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMetrics {
    /// [`METRICS_VERSION`] or [`TUNED_VERSION`].
    pub format_version: u32,
    /// On the holdout, which the model was not trained on.
    pub holdout: Report,
    /// What was chosen on validation rows; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// How the fit ended.
    pub fit: FitMetrics,
    /// Influence of the features, largest first.
    pub importance: Vec<Importance>,
    /// What a person should know of the fit, as in the manifest; empty when all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How a fit ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitMetrics {
    /// Rows of the training data.
    pub rows: u64,
    /// Of two classes: rows of the positive one among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positives: Option<u64>,
    /// Steps taken, of a fit that takes steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Whether the optimum was reached.
    pub converged: bool,
    /// What was minimised, divided by the rows, of a fit that takes steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
    /// Largest component of the gradient of `objective`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gradient: Option<f64>,
}

/// What was chosen on training rows that the fit did not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Those rows.
    pub validation: ValidationRows,
    /// The metric that candidates were compared by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Every candidate, in the order of `models.json`; also a single one, which others may be
    /// compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateMetrics>,
    /// How the probability was calibrated on the validation rows, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Method>,
    /// The threshold that a rule of `models.json` found on them, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ChosenThreshold>,
    /// The interval of a predicted number that was found on them, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<ChosenInterval>,
    /// Whether the model was fitted again on all training rows.
    pub refit: bool,
    /// How much worse the metric gets on those rows without each feature, largest first; empty
    /// where the metric is undefined on some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permutation: Vec<Permuted>,
}

/// The rows that something was chosen on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRows {
    /// Share of the training rows that was asked for.
    pub fraction: f64,
    /// What decided which ones: `id` or `time`.
    pub by: String,
    /// Rows that candidates were fitted on; with several folds, in the first.
    pub fit_rows: u64,
    /// Rows that they were measured on; with several folds, in the first.
    pub rows: u64,
    /// How many times candidates were fitted and measured, each time on other rows; their metrics
    /// are means.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub folds: u64,
}

fn one() -> u64 {
    1
}

fn is_one(folds: &u64) -> bool {
    *folds == 1
}

/// Such as `1234 validation rows`, or `5 folds of about 1234 validation rows`.
impl std::fmt::Display for ValidationRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.folds {
            1 => write!(f, "{} validation rows", self.rows),
            folds => write!(f, "{folds} folds of about {} validation rows", self.rows),
        }
    }
}

/// A candidate, as it was measured on validation rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateMetrics {
    /// Its family.
    pub family: String,
    /// The options of its fit.
    pub options: BTreeMap<String, String>,
    /// The metric that decides; null where it is undefined.
    pub value: Option<f64>,
    /// Its 95 % interval, by the bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// The 95 % interval of the difference to the chosen one, on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Interval>,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Every metric.
    pub metrics: BTreeMap<String, f64>,
}

impl Selection {
    /// Whether something was found of the scores on validation rows.
    pub fn is_tuned(&self) -> bool {
        self.calibration.is_some() || self.threshold.is_some() || self.interval.is_some()
    }
}

/// A threshold that was found on validation rows, and what it means there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenThreshold {
    /// The rule, as in `models.json`.
    pub rule: Threshold,
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Share of the predicted positives that are.
    pub precision: f64,
    /// Share of the positives that are found.
    pub recall: f64,
    /// Share of the rows that are predicted positive.
    pub share: f64,
}

/// An interval that was found on validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenInterval {
    /// Share of the labels that it is made for.
    pub level: f64,
    /// What is added to a prediction, or to its lower quantile, for the lower end.
    pub lower: f64,
    /// What is added to it, or to its upper quantile, for the upper end.
    pub upper: f64,
    /// Whether it is added to quantiles.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quantiles: bool,
}

/// Such as `-4.2 to +5.1, for 90 % of the labels`.
impl std::fmt::Display for ChosenInterval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As a person writes it: 0.95 and not 94.99999.
        let percent = (self.level * 1e8).round() / 1e6;
        let (lower, upper) = (self.lower, self.upper);
        match self.quantiles {
            true => write!(
                f,
                "lower quantile {lower:+.4} to upper quantile {upper:+.4}"
            ),
            false => write!(f, "{lower:+.4} to {upper:+.4}"),
        }?;
        write!(f, ", for {percent} % of the labels")
    }
}

impl ChosenThreshold {
    /// What a rule found.
    pub fn new(sought: Sought, found: &Found) -> Self {
        Self {
            rule: Threshold::Sought(sought),
            threshold: found.threshold,
            precision: found.precision(),
            recall: found.recall(),
            share: found.share(),
        }
    }
}

/// Such as `0.31 (best F1: precision 0.4, recall 0.8, 20 % of the rows)`.
impl std::fmt::Display for ChosenThreshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.4} (", self.threshold)?;
        if let Threshold::Sought(sought) = self.rule {
            write!(f, "{sought}: ")?;
        }
        let percent = 100.0 * self.share;
        write!(
            f,
            "precision {:.3}, recall {:.3}, {percent:.1} % of the rows)",
            self.precision, self.recall
        )
    }
}

impl CandidateMetrics {
    /// Such as `linear-regression: c 1, l1_ratio 0`.
    pub fn name(&self) -> String {
        self.with_options(|_, _| true)
    }

    /// The same, with the options alone that differ from the family's defaults.
    pub fn brief(&self) -> String {
        let family = Reader::known().families.get(&self.family);
        let defaults = family.and_then(|family| family.options(&Map::new()));
        let defaults = defaults.unwrap_or_default();
        let is_default =
            |name: &str, value: &str| defaults.get(name).is_some_and(|of| shown(of) == value);
        self.with_options(|name, value| !is_default(name, value))
    }

    fn with_options(&self, shows: impl Fn(&str, &str) -> bool) -> String {
        let options = self.options.iter();
        let options: Vec<String> = options
            .filter(|(name, value)| shows(name, value))
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        match options.is_empty() {
            true => self.family.clone(),
            false => format!("{}: {}", self.family, options.join(", ")),
        }
    }
}

impl ModelManifest {
    /// Reads the model.
    ///
    /// # Errors
    /// A file that is missing, changed since it was written, or of another format: exit 2.
    pub async fn load_model(&self, store: &Store) -> Result<FittedModel> {
        let (key, bytes) = self.load(store, layout::MODEL_FILE).await?;
        let model = Reader::known().read(&bytes);
        model.map_err(|error| Failure::usage(format!("{key}: {error}")))
    }

    /// Reads the reference profile.
    ///
    /// # Errors
    /// As [`ModelManifest::load_model`].
    pub async fn load_reference(&self, store: &Store) -> Result<Reference> {
        let (key, bytes) = self.load(store, layout::REFERENCE_FILE).await?;
        let known = [FORMER_VERSIONS[0], FORMER_VERSIONS[1], FORMAT_VERSION];
        match version(&key, &bytes, &known)? {
            FORMAT_VERSION => parse(&key, &bytes),
            _ => parse::<Former>(&key, &bytes).map(Reference::from),
        }
    }

    /// Reads what predictions of the model are profiled by. `timezone` is the one in which an
    /// instant is cut to its day.
    ///
    /// # Errors
    /// As [`ModelManifest::load_model`].
    pub async fn load_baseline(&self, store: &Store, timezone: Tz) -> Result<Baseline> {
        let (model, reference) = (
            self.load_model(store).await?,
            self.load_reference(store).await?,
        );
        self.baseline(&model, &reference, timezone)
    }

    /// What predictions are profiled by, of files that were read.
    ///
    /// # Errors
    /// A reference whose numbers contradict each other or the model: exit 2.
    pub fn baseline(
        &self,
        model: &FittedModel,
        reference: &Reference,
        timezone: Tz,
    ) -> Result<Baseline> {
        let predicts = (model.task, &model.target, &model.rule);
        let weight = model.training.weight.as_deref();
        let of_model = &self.header.fingerprint;
        let made = Baseline::new(of_model, predicts, weight, reference, timezone);
        made.map_err(|error| {
            Failure::damaged(format!(
                "{} of model {}: {error}; restore it, or train the model again with cache=refresh",
                layout::REFERENCE_FILE,
                self.model_name
            ))
        })
    }

    /// Reads the metrics.
    ///
    /// # Errors
    /// As [`ModelManifest::load_model`].
    pub async fn load_metrics(&self, store: &Store) -> Result<ModelMetrics> {
        let (key, bytes) = self.load(store, layout::METRICS_FILE).await?;
        version(&key, &bytes, &[METRICS_VERSION, TUNED_VERSION])?;
        parse(&key, &bytes)
    }

    /// Checks that every file of the model is there as it was written.
    ///
    /// # Errors
    /// As [`ModelManifest::load_model`].
    pub async fn check_files(&self, store: &Store) -> Result<()> {
        for file in &self.files {
            read_checked(store, file).await?;
        }
        Ok(())
    }

    /// Whether it lists a file of this name.
    pub fn lists(&self, name: &str) -> bool {
        self.file(name).is_some()
    }

    fn file(&self, name: &str) -> Option<&File> {
        let suffix = format!("/{name}");
        self.files.iter().find(|file| file.key.ends_with(&suffix))
    }

    async fn load(&self, store: &Store, name: &str) -> Result<(String, Vec<u8>)> {
        let file = self.file(name).ok_or_else(|| {
            Failure::damaged(format!(
                "the manifest of model {} lists no {name}: train the model again",
                self.model_name
            ))
        })?;
        Ok((file.key.clone(), read_checked(store, file).await?))
    }
}

async fn read_checked(store: &Store, file: &File) -> Result<Vec<u8>> {
    let bytes = store.require(&file.key).await?;
    if digest::hex(&bytes) != file.sha256 {
        return Err(Failure::damaged(format!(
            "{} in {} is not the file that was written: its digest differs from the manifest's; restore it from a copy, or \
             train again with cache=refresh",
            file.key,
            store.url()
        )));
    }
    Ok(bytes)
}

/// The format of a file, one of those that are known; the shape of the rest depends on it.
fn version(key: &str, bytes: &[u8], known: &[u32]) -> Result<u32> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let Version { format_version } = parse(key, bytes)?;
    if known.contains(&format_version) {
        return Ok(format_version);
    }
    let known: Vec<String> = known.iter().map(u32::to_string).collect();
    let known = match &known[..] {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        known => known.concat(),
    };
    Err(Failure::usage(format!(
        "{key} has format_version {format_version}, and this program reads {known}: use images of the version that wrote it",
    )))
}

fn parse<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::damaged(format!(
            "{key} is corrupt: {error}; restore it, or train the model again with cache=refresh"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_name_leaves_defaults_out() {
        let of = |family: &str, options: &[(&str, &str)]| {
            let options = options.iter();
            let options = options.map(|(name, value)| (name.to_string(), value.to_string()));
            let candidate = CandidateMetrics {
                family: family.to_owned(),
                options: options.collect(),
                value: None,
                interval: None,
                behind: None,
                chosen: false,
                metrics: BTreeMap::new(),
            };
            candidate.brief()
        };
        let trees = [
            ("learning_rate", "0.03"),
            ("max_rows", "null"),
            ("seed", "0"),
        ];
        for (family, options, expected) in [
            (
                "linear-regression",
                &[("c", "1"), ("l1_ratio", "0")][..],
                "linear-regression",
            ),
            (
                "linear-regression",
                &[("c", "100")],
                "linear-regression: c 100",
            ),
            (
                "gradient-boosting",
                &trees,
                "gradient-boosting: learning_rate 0.03",
            ),
            // One that has no default, and one of a program with families of its own.
            ("constant", &[("value", "3")], "constant: value 3"),
            ("count", &[("c", "1")], "count: c 1"),
        ] {
            assert_eq!(of(family, options), expected);
        }
    }
}
