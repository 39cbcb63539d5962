//! The folds of training rows, in which the target encodes categories out of fold.

use std::collections::HashMap;

use anyhow::{Context, Result};

use catalog::manifest::{DatasetManifest, Part};
use learn::preprocessing::{OutOfFold, fold_of};

/// What says the fold of each row: its number among all rows, which does not depend on who reads
/// it.
#[derive(Debug)]
pub(super) struct Folds {
    /// Number of the first row of each part, by key.
    first_rows: HashMap<String, u64>,
    pub(super) out_of_fold: Option<OutOfFold>,
}

impl Folds {
    pub(super) fn new(dataset: &DatasetManifest, out_of_fold: Option<OutOfFold>) -> Self {
        let mut rows = 0;
        let parts = dataset.parts.iter().map(|part| {
            rows += part.rows;
            (part.key.clone(), rows - part.rows)
        });
        Self {
            first_rows: parts.collect(),
            out_of_fold,
        }
    }

    /// Of rows of a part, by their numbers in it.
    pub(super) fn of(&self, part: &Part, rows: &[u64]) -> Result<Vec<u32>> {
        let first = self.first_rows.get(&part.key);
        let first = first.with_context(|| format!("{} is not a part of the folds", part.key))?;
        Ok(rows.iter().map(|row| fold_of(first + row)).collect())
    }
}
