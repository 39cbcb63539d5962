//! A champion before the current one, as the gate and the verdict look at it.

use serde::{Deserialize, Serialize};

/// A champion before the current one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PastChampion {
    pub(crate) version: u64,
    /// The gate's metric on the candidate's holdout.
    pub(crate) value: Option<f64>,
    /// Where the value is from.
    pub(crate) source: Option<Source>,
    /// Why it is not compared.
    pub(crate) passed_over: Option<String>,
}

/// Where the metric of a past champion is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// Its own training measured it on the same holdout.
    Recorded,
    /// Scored on the holdout again.
    Scored,
}

impl PastChampion {
    /// Compared by this value.
    pub(crate) fn of(version: u64, value: f64, source: Source) -> Self {
        Self {
            version,
            value: Some(value),
            source: Some(source),
            passed_over: None,
        }
    }

    /// Not compared.
    pub(crate) fn passed_over(version: u64, why: String) -> Self {
        Self {
            version,
            value: None,
            source: None,
            passed_over: Some(why),
        }
    }
}
