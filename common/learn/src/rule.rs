//! What makes predictions of the outputs of an estimator.

use serde::{Deserialize, Serialize};

/// How scores become predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Of two classes: the probability from which the positive one is predicted.
    pub threshold: f64,
    /// Of a number: what is added to the prediction for the columns `lower` and `upper`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Of a number: whether an estimator predicts two more of a row, the lower and the upper
    /// quantile, and `interval` is added to these instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quantiles: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            interval: None,
            quantiles: false,
        }
    }
}

/// Numbers of a row of outputs.
pub(crate) fn width(rule: &Rule) -> usize {
    if rule.quantiles { 3 } else { 1 }
}

/// The interval of a row: of its prediction, or of the two quantiles that follow it. The prediction
/// lies within that of quantiles, which only makes it wider.
pub(crate) fn ends(row: &[f64], [lower, upper]: [f64; 2]) -> [f64; 2] {
    match *row {
        [prediction, low, high] if !prediction.is_nan() => [
            (low + lower).min(prediction),
            (high + upper).max(prediction),
        ],
        _ => [row[0] + lower, row[0] + upper],
    }
}
