//! The metrics of a report, by name.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Report;

/// A metric of [`Report`], by the name that it has in metrics.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of right predictions.
    Accuracy,
    /// Mean recall of both classes.
    BalancedAccuracy,
    /// Share of the predicted positives that are.
    Precision,
    /// Share of the positives that are found.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
    /// Mean negative log likelihood; lower is better.
    LogLoss,
    /// Mean squared error of the probability; lower is better.
    Brier,
    /// Area under the ROC curve.
    RocAuc,
    /// Average precision.
    PrAuc,
}

impl Metric {
    /// Its value; `None` where it is undefined.
    pub fn of(self, report: &Report) -> Option<f64> {
        match self {
            Self::Accuracy => report.accuracy,
            Self::BalancedAccuracy => report.balanced_accuracy,
            Self::Precision => report.precision,
            Self::Recall => report.recall,
            Self::F1 => report.f1,
            Self::LogLoss => report.log_loss,
            Self::Brier => report.brier,
            Self::RocAuc => report.roc_auc,
            Self::PrAuc => report.pr_auc,
        }
    }

    /// Its name in metrics.json.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Whether it can be as good as `value`: every metric is 0 or more, and all but the log loss
    /// are 1 at most.
    pub fn can_reach(self, value: f64) -> bool {
        match self.lower_is_better() {
            true => value >= 0.0,
            false => value <= 1.0,
        }
    }

    /// A value, as if higher were always better.
    pub fn higher_is_better(self, value: f64) -> f64 {
        match self.lower_is_better() {
            true => -value,
            false => value,
        }
    }

    /// Whether a smaller value is the better one.
    pub fn lower_is_better(self) -> bool {
        matches!(self, Self::LogLoss | Self::Brier)
    }
}
