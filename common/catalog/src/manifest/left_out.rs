//! How many rows of raw files are in no split, and why.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Rows of raw files that were left out as the data contract says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeftOut {
    /// Rows for which `filter` is not true.
    pub filter: u64,
    /// Rows for which `train_filter` is not true.
    pub train_filter: u64,
    /// Rows without a label.
    pub unlabelled: u64,
    /// Rows that break the contract of a column which has them quarantined.
    #[serde(skip_serializing_if = "is_zero")]
    pub quarantined: u64,
    /// Rows to train on whose windows would reach back behind the earliest row.
    #[serde(skip_serializing_if = "is_zero")]
    pub warm_up: u64,
}

pub(super) fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

impl LeftOut {
    /// Whether no row was left out.
    pub fn is_none(&self) -> bool {
        self.total() == 0
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.filter + self.train_filter + self.unlabelled + self.quarantined + self.warm_up
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, other: Self) {
        self.filter += other.filter;
        self.train_filter += other.train_filter;
        self.unlabelled += other.unlabelled;
        self.quarantined += other.quarantined;
        self.warm_up += other.warm_up;
    }
}

impl fmt::Display for LeftOut {
    /// Such as `3 rows by filter, 606 rows without a label`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [
            (self.filter, "by filter"),
            (self.train_filter, "by train_filter"),
            (self.unlabelled, "without a label"),
            (self.quarantined, "quarantined"),
            (self.warm_up, "by warm_up"),
        ];
        let named = reasons.iter().filter(|(rows, _)| *rows > 0);
        let named: Vec<String> = named
            .map(|(rows, reason)| format!("{rows} rows {reason}"))
            .collect();
        f.write_str(&named.join(", "))
    }
}
