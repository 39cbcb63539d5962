//! The probability from which the positive class is predicted: a number, or a rule that finds one
//! on rows that the model was not fitted on.
//!
//! ```
//! use learn::threshold::{Sweep, Threshold};
//!
//! let rule: Threshold = serde_json::from_str(r#"{"recall": 0.9}"#)?;
//! let Threshold::Sought(sought) = rule else {
//!     unreachable!("a rule");
//! };
//! let mut sweep = Sweep::new(sought, 2.0, 2.0);
//! for (probability, positive) in [(0.9, true), (0.7, false), (0.6, true), (0.1, false)] {
//!     sweep.add(probability, positive, 1.0);
//! }
//! let found = sweep.finish().unwrap();
//! assert_eq!((found.threshold, found.true_positives), (0.6, 2.0));
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What decides it, as `models.json` says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Threshold {
    /// This number.
    At(f64),
    /// One that is sought.
    Sought(Sought),
}

/// What a threshold is sought for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Sought {
    /// The largest value of a metric; of equal ones the highest threshold.
    Maximize(Objective),
    /// The highest threshold that finds this share of the positives.
    Recall(f64),
    /// The lowest threshold from which on this share of what is predicted positive is.
    Precision(f64),
    /// The lowest threshold that predicts this share of the rows to be positive at most.
    Top(f64),
    /// The least cost; of equal ones the highest threshold.
    Costs(Costs),
}

/// A metric that a threshold can be best by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Harmonic mean of precision and recall.
    F1,
    /// Share of right predictions.
    Accuracy,
    /// Mean recall of the classes.
    BalancedAccuracy,
}

/// What each row costs by label and prediction; a gain is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Costs {
    /// Of a negative that is predicted positive.
    pub false_positive: f64,
    /// Of a positive that is missed.
    pub false_negative: f64,
    /// Of a positive that is found.
    #[serde(skip_serializing_if = "is_nothing")]
    pub true_positive: f64,
    /// Of a negative that is predicted negative.
    #[serde(skip_serializing_if = "is_nothing")]
    pub true_negative: f64,
}

fn is_nothing(cost: &f64) -> bool {
    *cost == 0.0
}

impl TryFrom<Value> for Threshold {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        if let Some(number) = value.as_f64() {
            return Ok(Self::At(number));
        }
        let sought: Sought = serde_json::from_value(value).map_err(|error| {
            format!(
                "`threshold` must be a number, or one of {{\"maximize\": \"f1\"}}, {{\"recall\": \
                 0.9}}, {{\"precision\": 0.5}}, {{\"top\": 0.05}} and {{\"costs\": \
                 {{\"false_positive\": 1, \"false_negative\": 10}}}}: {error}"
            )
        })?;
        match sought {
            Sought::Recall(share) | Sought::Precision(share) | Sought::Top(share)
                if !(share > 0.0 && share <= 1.0) =>
            {
                let rule = Self::Sought(sought);
                Err(format!(
                    "`threshold` is {rule}: it must be above 0 and at most 1"
                ))
            }
            Sought::Costs(of)
                if of.false_positive <= of.true_negative
                    || of.false_negative <= of.true_positive =>
            {
                Err(
                    "in `costs` of `threshold` a wrong prediction must cost more than the right one: \
                     `false_positive` more than `true_negative`, and `false_negative` more than \
                     `true_positive`"
                        .to_owned(),
                )
            }
            sought => Ok(Self::Sought(sought)),
        }
    }
}

impl From<Threshold> for Value {
    fn from(rule: Threshold) -> Self {
        match rule {
            Threshold::At(number) => number.into(),
            // What was read is written.
            Threshold::Sought(sought) => serde_json::to_value(sought).unwrap_or_default(),
        }
    }
}

impl Threshold {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::At(number) => Some(*number),
            Self::Sought(_) => None,
        }
    }
}

/// As people read it, such as `recall of 0.9 at least`.
impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maximize(Objective::F1) => write!(f, "best F1"),
            Self::Maximize(Objective::Accuracy) => write!(f, "best accuracy"),
            Self::Maximize(Objective::BalancedAccuracy) => write!(f, "best balanced accuracy"),
            Self::Recall(share) => write!(f, "recall of {share} at least"),
            Self::Precision(share) => write!(f, "precision of {share} at least"),
            Self::Top(share) => write!(f, "a share of {share} of the rows at most"),
            Self::Costs(of) => {
                write!(
                    f,
                    "least cost of {} for a false positive and {} for a false negative",
                    of.false_positive, of.false_negative
                )?;
                match (of.true_positive, of.true_negative) {
                    (0.0, 0.0) => Ok(()),
                    (positive, negative) => write!(
                        f,
                        ", {positive} for a true positive and {negative} for a true negative"
                    ),
                }
            }
        }
    }
}

/// As in `models.json`, such as `{"recall":0.9}`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(number) => write!(f, "{number}"),
            rule => write!(f, "{}", Value::from(*rule)),
        }
    }
}

/// Rows by prediction from a threshold on: their number, or what they weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Probability from which the positive class is predicted.
    pub threshold: f64,
    /// Positives that are found.
    pub true_positives: f64,
    /// Negatives that are predicted positive.
    pub false_positives: f64,
    /// All positives.
    pub positives: f64,
    /// All negatives.
    pub negatives: f64,
}

impl Found {
    /// Rows that are predicted positive.
    fn flagged(&self) -> f64 {
        self.true_positives + self.false_positives
    }

    /// Share of the predicted positives that are.
    pub fn precision(&self) -> f64 {
        self.true_positives / self.flagged()
    }

    /// Share of the positives that are found.
    pub fn recall(&self) -> f64 {
        self.true_positives / self.positives
    }

    /// Share of the rows that are predicted positive.
    pub fn share(&self) -> f64 {
        self.flagged() / (self.positives + self.negatives)
    }
}

/// Looks at every threshold that predicts otherwise, over rows that come by descending
/// probability. Constant memory, and exact.
#[derive(Clone, Debug)]
pub struct Sweep {
    sought: Sought,
    /// All rows so far, with the current probability.
    now: Found,
    best: Option<(f64, Found)>,
}

impl Sweep {
    /// Of no rows yet; positives and negatives that weigh so much will come.
    pub fn new(sought: Sought, positives: f64, negatives: f64) -> Self {
        Self {
            sought,
            now: Found {
                threshold: f64::INFINITY,
                true_positives: 0.0,
                false_positives: 0.0,
                positives,
                negatives,
            },
            best: None,
        }
    }

    /// Adds a row, whose probability is not above any before it.
    pub fn add(&mut self, probability: f64, positive: bool, weight: f64) {
        if weight == 0.0 {
            return;
        }
        if probability != self.now.threshold {
            self.close();
            self.now.threshold = probability;
        }
        match positive {
            true => self.now.true_positives += weight,
            false => self.now.false_positives += weight,
        }
    }

    fn close(&mut self) {
        let now = self.now;
        if !now.threshold.is_finite() {
            return;
        }
        let worth = self.worth(&now);
        let later_counts = matches!(self.sought, Sought::Precision(_) | Sought::Top(_));
        let better = match self.best {
            None => true,
            Some((best, _)) if later_counts => worth >= best,
            Some((best, _)) => worth > best,
        };
        if worth > f64::NEG_INFINITY && better {
            self.best = Some((worth, now));
        }
    }

    /// What a threshold is worth; minus infinity where it does not keep the rule, and NaN where
    /// that is undefined.
    fn worth(&self, rows: &Found) -> f64 {
        let reached = |is: bool| if is { 0.0 } else { f64::NEG_INFINITY };
        let false_negatives = rows.positives - rows.true_positives;
        let true_negatives = rows.negatives - rows.false_positives;
        match self.sought {
            Sought::Maximize(Objective::F1) => {
                2.0 * rows.true_positives / (rows.flagged() + rows.positives)
            }
            Sought::Maximize(Objective::Accuracy) => {
                (rows.true_positives + true_negatives) / (rows.positives + rows.negatives)
            }
            Sought::Maximize(Objective::BalancedAccuracy) => {
                (rows.recall() + true_negatives / rows.negatives) / 2.0
            }
            Sought::Recall(share) => reached(rows.recall() >= share),
            Sought::Precision(share) => reached(rows.precision() >= share),
            Sought::Top(share) => reached(rows.share() <= share),
            Sought::Costs(costs) => {
                -(costs.false_positive * rows.false_positives
                    + costs.false_negative * false_negatives
                    + costs.true_positive * rows.true_positives
                    + costs.true_negative * true_negatives)
            }
        }
    }

    /// The threshold, and the rows from it on; `None` where no threshold keeps the rule.
    pub fn finish(mut self) -> Option<Found> {
        self.close();
        self.best.map(|best| best.1)
    }
}

#[cfg(test)]
mod tests;
