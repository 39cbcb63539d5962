//! What manifests say of raw files.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

/// A raw file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawShard {
    /// Its key under the raw root.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub stamp: String,
    /// Digest of its content, taken while it was read.
    pub sha256: String,
    /// Rows that it gave, those that the contract's filter left out not counted.
    pub rows: u64,
    /// The times of those rows; `None` without a column of time, or from an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeRange>,
}

/// The first and the last time of some rows: clock readings, or instants in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Of the earliest row.
    pub first: NaiveDateTime,
    /// Of the latest row.
    pub last: NaiveDateTime,
}

impl TimeRange {
    /// From the earliest to the latest of both.
    pub fn with(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// A raw file that was left out: it breaks the data contract or, of a holdout that is prepared once
/// more, is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// Its key under the raw root.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it is there no more, which a person may cure, and which says nothing of its content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}
