//! How many rows break the data contract in a way that does not end the step.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Rows that break one rule of one column, whose contract has them counted or quarantined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// The column.
    pub column: String,
    /// The rule, such as `min` or `type`.
    pub rule: String,
    /// Whether the rows are left out and written beside the parts.
    pub quarantined: bool,
    /// How many rows; one that breaks several rules counts for each.
    pub rows: u64,
}

impl Violation {
    /// Adds up the rows of the same column and rule.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Vec<Self> {
        let mut sums: Vec<Self> = Vec::new();
        for one in all {
            let is_same = |sum: &&mut Self| {
                (&sum.column, &sum.rule, sum.quarantined)
                    == (&one.column, &one.rule, one.quarantined)
            };
            match sums.iter_mut().find(is_same) {
                Some(sum) => sum.rows += one.rows,
                None => sums.push(one.clone()),
            }
        }
        sums.sort();
        sums
    }
}

impl fmt::Display for Violation {
    /// Such as `3 by min of "x1"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} of {:?}", self.rows, self.rule, self.column)
    }
}
