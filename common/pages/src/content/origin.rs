//! Where a report and its model come from, as a report says it.

use catalog::layout::DataVersion;
use catalog::manifest::RawShard;
use catalog::model_files::Selection;
use chrono::{DateTime, Utc};
use learn::metrics::Interval;
use learn::model::{ClassWeight, Importance};
use serde::{Deserialize, Serialize};

/// Where a report comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Key of the results' manifest.
    pub results_manifest: String,
    /// Fingerprint of the results.
    pub results_fingerprint: String,
    /// When the rows were scored.
    pub scored_at: DateTime<Utc>,
    /// The workflow that scored them.
    pub scored_by: String,
    /// Key of the model's manifest.
    pub model_manifest: String,
    /// Fingerprint of the model.
    pub model_fingerprint: String,
    /// The data set version that the model was trained on.
    pub trained_on: DataVersion,
    /// When the model was trained.
    pub trained_at: DateTime<Utc>,
    /// The workflow that trained it.
    pub trained_by: String,
    /// Digest of the data contract and the features.
    pub config: String,
    /// The rows that were scored.
    pub predict: Lineage,
    /// The rows that the model was trained on; `null` when they were deleted.
    pub train: Option<Lineage>,
    /// The rows that it was measured on; `null` when they were deleted.
    pub holdout: Option<Lineage>,
}

/// Rows, and the raw files that they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Key of the manifest that lists all files.
    pub manifest: String,
    /// Rows.
    pub rows: u64,
    /// Raw files.
    pub files: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// The first [`LISTED_FILES`] of them.
    pub first: Vec<RawShard>,
}

/// Raw files that a [`Lineage`] lists.
pub const LISTED_FILES: usize = 100;

impl Lineage {
    /// Of the files of a manifest.
    pub fn new(manifest: &str, rows: u64, files: &[RawShard]) -> Self {
        Self {
            manifest: manifest.to_owned(),
            rows,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            first: files.iter().take(LISTED_FILES).cloned().collect(),
        }
    }
}

/// What the model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Its kind, such as `logistic-regression`.
    pub family: String,
    /// Column that it predicts.
    pub target: String,
    /// Of two classes: probability from which the positive one is predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Raw score of a row whose features are all 0, of a linear model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intercept: Option<f64>,
    /// How it was fitted.
    pub training: Training,
    /// Whether `models.json` said how, and not the settings of training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_models_json: bool,
    /// What was chosen on validation rows; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Rows of the positive class in training.
    pub positives: u64,
    /// What a person should know of it; empty when all is well.
    pub warnings: Vec<String>,
    /// What the promotion's gates said of it.
    pub gates: Vec<GateVerdict>,
    /// Influence of the features, largest first, as measured in training.
    pub importance: Vec<Importance>,
}

/// How a model was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Inverse strength of the L2 penalty, of a fit that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c: Option<f64>,
    /// Weights of the classes, of a fit that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// Rows of the training data.
    pub rows: u64,
    /// Steps taken, of a fit that takes steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Whether the optimum was reached.
    pub converged: bool,
}

/// What a gate said of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// Key of the verdict.
    pub key: String,
    /// Whether it passed.
    pub promoted: bool,
    /// Why, in words.
    pub reason: String,
    /// How it was compared, such as `same-holdout`.
    pub comparison: String,
    /// The workflow that asked.
    pub workflow: String,
    /// The segments of the holdout, where the gate looked at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<GateSegment>,
}

/// What a gate said of the rows of the holdout that have the same value in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateSegment {
    /// The column.
    pub column: String,
    /// Its value; `null` of rows without one.
    pub value: Option<String>,
    /// Rows.
    pub rows: u64,
    /// The gate's metric of the model.
    pub candidate: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// The metric of the champion on the same rows, where they were compared.
    pub champion: Option<f64>,
    /// The 95 % interval of the model's less the champion's.
    pub difference: Option<Interval>,
    /// Whether it refused the model; `null` where it was not judged.
    pub refuses: Option<bool>,
    /// Why, in words that follow the segment.
    pub reason: String,
}
