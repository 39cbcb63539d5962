//! How right the predictions were, as a report says it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use learn::metrics::{Confusion, CurvePoint, Intervals, Report as Metrics};
use learn::task::{Better, Report};
use serde::{Deserialize, Serialize};

/// How right the predictions were. What is not of every task is of two classes; of another task it
/// is empty or `null`, and `of_task` is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Rows with a prediction.
    #[serde(default)]
    pub scored_rows: u64,
    /// Rows that are predicted positive.
    #[serde(default)]
    pub predicted_positives: u64,
    /// Mean score, with a label or without.
    #[serde(default)]
    pub mean_score: Option<f64>,
    /// Highest score; `null` where only counts are known.
    #[serde(default)]
    pub highest_score: Option<f64>,
    /// Rows with a label.
    pub labelled_rows: u64,
    /// Share of the rows that have a label; `null` without rows.
    pub label_coverage: Option<f64>,
    /// On the rows that have a label and a prediction; `null` when there are none.
    pub overall: Option<Metrics>,
    /// Wilson's intervals of `overall` at 95 %.
    pub intervals: Intervals,
    /// About 200 exact points of the ROC and the precision-recall curve, from the highest
    /// threshold on.
    pub curve: Vec<CurvePoint>,
    /// The rows of `overall` by label and prediction at some thresholds, from the lowest on; the
    /// model's own among them.
    pub thresholds: Vec<AtThreshold>,
    /// Accuracy of always answering the class that is more frequent in those rows.
    pub majority_accuracy: Option<f64>,
    /// On the holdout, when the model was trained.
    pub holdout: Option<Metrics>,
    /// The two classes as they are in the data.
    pub classes: Option<ClassNames>,
    /// How right the predictions of another task were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_task: Option<OfTask>,
    /// The column whose dates `days` are of.
    pub time_column: Option<String>,
    /// Every date that occurs up to the day of scoring, in order; empty when there is no column of
    /// dates or instants.
    pub days: Vec<Day>,
}

impl Performance {
    /// The positive one of two classes as it is in the data; empty of another task.
    pub fn positive(&self) -> &str {
        self.classes.as_ref().map_or("", |of| &of.positive)
    }

    /// The negative one of two classes.
    pub fn negative(&self) -> &str {
        self.classes.as_ref().map_or("", |of| &of.negative)
    }
}

/// How right the predictions of another task than two classes were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfTask {
    /// Name of the task.
    pub task: String,
    /// The target's classes, in the order of their indices; none of a number.
    pub classes: Vec<String>,
    /// Each metric of the task.
    pub metrics: Vec<MetricNow>,
    /// All that was measured of the rows with a label and a prediction; `null` without such rows.
    pub now: Option<Report>,
    /// The same of the holdout, when the model was trained; `null` where it is not known.
    pub holdout: Option<Report>,
    /// The few rows that make most of the squared error, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deciding: Option<Deciding>,
    /// Of predicted numbers: those that lie far beyond the range of the model's own at training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<FarPredictions>,
}

/// Predictions of which [`far`](crate::judge::far) says that they lie far out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FarPredictions {
    /// Rows with such a prediction.
    pub rows: u64,
    /// The columns of the farthest one's key with their values, such as `id 17`.
    pub key: String,
    /// What was predicted there.
    pub prediction: f64,
}

/// Few rows that make most of the squared error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deciding {
    /// Their share of it.
    pub share: f64,
    /// The one with the largest error first.
    pub rows: Vec<DecidingRow>,
}

/// A row with a large error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecidingRow {
    /// The columns of its key with their values, such as `id 17`.
    pub key: String,
    /// Its label.
    pub label: f64,
    /// What was predicted.
    pub prediction: f64,
    /// What it weighs, where rows weigh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// A metric of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricNow {
    /// Name of the metric.
    pub name: String,
    /// Which values are better; `null` of a number that is none by itself.
    pub better: Option<Better>,
    /// Of the rows with a label and a prediction.
    pub now: Option<f64>,
    /// On the holdout.
    pub holdout: Option<f64>,
}

/// The two classes as they are in the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassNames {
    /// Label 0.
    pub negative: String,
    /// Label 1.
    pub positive: String,
}

/// The rows of one date.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Mean score.
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
    /// What these weigh, where rows do: true negatives, false positives, false negatives and true
    /// positives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<[f64; 4]>,
    /// Wilson's intervals at 95 %; none where rows weigh.
    pub intervals: Intervals,
    /// The metrics of another task, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// What would be predicted from one threshold on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Rows by label and prediction.
    pub confusion: Confusion,
    /// Share of the rows that are predicted positive.
    pub predicted_positive_rate: Option<f64>,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Share of the predicted positives that are.
    pub precision: Option<f64>,
    /// Share of the positives that are found.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
}

/// The rows in parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segments {
    /// By the deciles of the training data's scores, from the lowest on: without drift each one
    /// has a tenth.
    pub score: Vec<Segment>,
    /// By the values of each column of texts or booleans that the results hold and the model does
    /// not use.
    pub columns: Vec<SegmentedColumn>,
    /// Columns that are left out, since they have more than 50 values.
    pub too_many_values: Vec<String>,
}

/// The rows by the values of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentedColumn {
    /// Name of the column.
    pub column: String,
    /// One for each value, the one with the most rows first.
    pub values: Vec<Segment>,
}

/// Some of the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// What they have in common: a value, `null` without one, or a range of scores.
    pub name: Option<String>,
    /// Lower edge of the range of scores, included; `null` when it is open.
    pub lower: Option<f64>,
    /// Upper edge of the range of scores, not included; `null` when it is open.
    pub upper: Option<f64>,
    /// Rows; those without a score are in no range.
    pub rows: u64,
    /// Their share of the rows of all parts.
    pub share: Option<f64>,
    /// Their share in training, where it is known.
    pub reference_share: Option<f64>,
    /// Mean score.
    pub mean_score: Option<f64>,
    /// Rows with label and prediction; all that follows is of these.
    pub measured_rows: u64,
    /// Share of the positive class.
    pub base_rate: Option<f64>,
    /// Share of right predictions.
    pub accuracy: Option<f64>,
    /// Share of the predicted positives that are.
    pub precision: Option<f64>,
    /// Share of the positives that are found.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Rows by label and prediction.
    pub confusion: Confusion,
    /// Wilson's intervals at 95 %.
    pub intervals: Intervals,
    /// The metrics of another task, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}
