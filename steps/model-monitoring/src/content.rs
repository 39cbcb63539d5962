//! What a report says: the plain data behind `report.json`, from which the page is drawn.

use chrono::{DateTime, NaiveDate, Utc};
use common::drift::{Ks, Psi, Thresholds, Verdict};
use common::layout::{DataVersion, ModelName};
use common::manifest::{File, Header, Manifest, Quarantined};
use common::metrics::{Confusion, Report as Metrics};
use common::model::Importance;
use serde::{Deserialize, Serialize};

/// The shape of `report.json` that this version of the code writes.
pub const REPORT_VERSION: u32 = 1;

/// `report.json`: the commit of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// The shared part of all manifests; `created_at` is when the rows were scored.
    #[serde(flatten)]
    pub header: Header,
    /// The page.
    pub html: File,
    /// What the report says.
    #[serde(flatten)]
    pub content: Content,
}

impl Manifest for Committed {
    const KIND: &'static str = "report";
    fn header(&self) -> &Header {
        &self.header
    }
    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }
    fn objects(&self) -> Vec<(&str, u64)> {
        vec![(&self.html.key, self.html.bytes)]
    }
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// [`REPORT_VERSION`].
    pub report_version: u32,
    /// The worst verdict on the score and the features.
    pub verdict: Verdict,
    /// What a person should know first, worst first.
    pub findings: Vec<Finding>,
    /// Registered name of the model.
    pub model_name: ModelName,
    /// Version of the model.
    pub model_version: u64,
    /// The data set version that was scored.
    pub data_version: DataVersion,
    /// Time zone in which instants were cut to their dates.
    pub timezone: String,
    /// The flags that decide the verdict.
    pub thresholds: Thresholds,
    /// Whether the rows can be trusted.
    pub quality: Quality,
    /// How right the predictions were.
    pub performance: Performance,
    /// How far the rows lie from those of training.
    pub drift: Drift,
    /// Influence of the features, largest first, as measured in training.
    pub importance: Vec<Importance>,
    /// Where all of it comes from.
    pub provenance: Provenance,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub area: Area,
    /// One sentence.
    pub text: String,
}

/// How bad a finding is, from bad to good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Act on it.
    Alert,
    /// Look at it.
    Warn,
    /// Know it.
    Note,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Data quality.
    Quality,
    /// Performance.
    Performance,
    /// Drift.
    Drift,
}

/// Whether the rows can be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Rows of the results.
    pub rows: u64,
    /// Rows without a prediction, because a feature is null or not finite.
    pub unscored_rows: u64,
    /// Raw files that were scored.
    pub shards: u64,
    /// Raw files that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Columns that name a row.
    pub key: Vec<String>,
    /// Keys that several rows have.
    pub duplicate_keys: u64,
    /// Rows that repeat the key of another one.
    pub duplicate_rows: u64,
    /// Rows whose time is null; `null` without a time column.
    pub undated_rows: Option<u64>,
    /// Every feature, in the model's order.
    pub features: Vec<FeatureQuality>,
    /// Labels that came later than the predictions.
    pub late_labels: LateLabels,
}

/// What is wrong with the values of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureQuality {
    /// Its name.
    pub name: String,
    /// Nulls.
    pub nulls: u64,
    /// Values that are NaN.
    pub nans: u64,
    /// Values that are infinite.
    pub infinities: u64,
    /// Finite values below the least one of the reference.
    pub below: u64,
    /// Finite values above the greatest one of the reference.
    pub above: u64,
    /// Least finite value.
    pub min: Option<f64>,
    /// Greatest finite value.
    pub max: Option<f64>,
    /// Least finite value of the reference.
    pub reference_min: Option<f64>,
    /// Greatest finite value of the reference.
    pub reference_max: Option<f64>,
}

/// Labels that came later than the predictions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateLabels {
    /// Keys of the files, in the order in which they hold: the last one wins.
    pub files: Vec<String>,
    /// Labels in them, nulls not counted.
    pub labels: u64,
    /// Rows that are labelled by them.
    pub matched_rows: u64,
    /// Labelled keys that no row has.
    pub unmatched_keys: u64,
}

/// How right the predictions were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Rows with a label.
    pub labelled_rows: u64,
    /// Share of the rows that have a label; `null` without rows.
    pub label_coverage: Option<f64>,
    /// On the rows that have a label and a prediction; `null` when there are none.
    pub overall: Option<Metrics>,
    /// Accuracy of always answering the class that is more frequent in those rows.
    pub majority_accuracy: Option<f64>,
    /// On the holdout, when the model was trained.
    pub holdout: Metrics,
    /// The two classes as they stand in the data.
    pub classes: ClassNames,
    /// The column whose dates `days` are of.
    pub time_column: Option<String>,
    /// Every date that occurs, in order; empty when there is no column of dates or instants.
    pub days: Vec<Day>,
}

/// The two classes as they stand in the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassNames {
    /// Label 0.
    pub negative: String,
    /// Label 1.
    pub positive: String,
}

/// The rows of one date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// In the report's time zone.
    pub date: NaiveDate,
    /// Rows.
    pub rows: u64,
    /// Rows with a prediction.
    pub scored_rows: u64,
    /// Rows with a label.
    pub labelled_rows: u64,
    /// Share of the rows that have a label.
    pub label_coverage: Option<f64>,
    /// Mean probability of the positive class.
    pub mean_score: Option<f64>,
    /// Share of the scored rows that are predicted positive.
    pub predicted_positive_rate: Option<f64>,
    /// Share of the positive class in the rows with label and prediction, as all that follows.
    pub base_rate: Option<f64>,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Share of the predicted positives that are.
    pub precision: Option<f64>,
    /// Share of the positives that are found.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Mean negative log likelihood.
    pub log_loss: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
    /// Rows by label and prediction.
    pub confusion: Confusion,
}

/// How far the rows lie from those of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The probability of the positive class.
    pub score: ColumnDrift,
    /// Every feature, the one that drifted most first.
    pub features: Vec<ColumnDrift>,
}

/// How far one column lies from the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Its name.
    pub name: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Population stability index, which the verdict is on; `null` when a side has no rows.
    pub psi: Option<Psi>,
    /// Kolmogorov and Smirnov's distance, which is shown and never decides; `null` when a side has no finite values.
    pub ks: Option<Ks>,
    /// The column in training.
    pub reference: Summary,
    /// The column now.
    pub current: Summary,
    /// Both distributions; values that are far out on either side are left out.
    pub histogram: Vec<Bin>,
}

/// A column in a few numbers; those of its finite values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows, those without a finite value included.
    pub rows: u64,
    /// Nulls, NaN and infinities.
    pub missing: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Population standard deviation.
    pub std: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Median, interpolated within a bucket of the profile.
    pub median: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// A bar of both histograms. Of a column with few distinct values each has one, and `lower` is `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// Values of the reference between them.
    pub reference: u64,
    /// Current values between them.
    pub current: u64,
}

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
}
