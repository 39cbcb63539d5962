//! Which features come first among the reasons of the rows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::ArrayRef;
use learn::explanation::Reason;
use pages::content::FirstReason;
use serde::Deserialize;
use serde_json::Deserializer;
use table::values;

/// Features that are listed; the others are counted together.
const LISTED: usize = 10;

/// By feature: the rows in which it comes first, and the sum of its contributions there.
#[derive(Default)]
pub(crate) struct Reasons(BTreeMap<String, (u64, f64)>);

impl Reasons {
    /// Counts the first reason of each row. A row without a prediction is null.
    ///
    /// # Errors
    /// A column that can't be read as texts.
    pub(crate) fn add(&mut self, column: &ArrayRef) -> Result<()> {
        for list in values::texts(column)?.iter().flatten() {
            // A list can be long, so only its first item is read. An empty list has none, and a
            // contribution that overflowed is null and can't be read.
            let items = list.strip_prefix('[').unwrap_or(list);
            if let Ok(first) = Reason::deserialize(&mut Deserializer::from_str(items)) {
                self.count(first.feature, 1, first.contribution);
            }
        }
        Ok(())
    }

    /// Adds a later part. The last bits of a sum depend on the order.
    pub(crate) fn merge(&mut self, later: &Self) {
        for (feature, (rows, sum)) in &later.0 {
            self.count(feature.clone(), *rows, *sum);
        }
    }

    fn count(&mut self, feature: String, rows: u64, sum: f64) {
        let of = self.0.entry(feature).or_default();
        of.0 += rows;
        of.1 += sum;
    }

    /// The features that come first in most rows, then all others together.
    pub(crate) fn most_frequent(&self) -> Vec<FirstReason> {
        let total: u64 = self.0.values().map(|(rows, _)| rows).sum();
        let mut features: Vec<(&String, &(u64, f64))> = self.0.iter().collect();
        // Of equal ones the first by name.
        features.sort_by_key(|(_, of)| Reverse(of.0));
        let others = features.split_off(features.len().min(LISTED));
        let first = |feature: Option<String>, rows: u64, mean: Option<f64>| FirstReason {
            feature,
            rows,
            share: rows as f64 / total as f64,
            mean_contribution: mean,
        };
        let listed = features.iter().map(|(name, (rows, sum))| {
            first(Some((*name).clone()), *rows, Some(*sum / *rows as f64))
        });
        let rest: u64 = others.iter().map(|(_, of)| of.0).sum();
        let rest = (rest > 0).then(|| first(None, rest, None));
        listed.chain(rest).collect()
    }
}
