//! Which raw files rows to score look back at, and how far.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::manifest::TimeRange;
use catalog::selection::{History, Selection};
use chrono::NaiveDateTime;
use runtime::failure::Failure;
use serde::{Deserialize, Serialize};
use store::Object;

/// What rows to score look back at, of a plan whose first files are those to score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LooksBack {
    /// How many files are to be scored.
    pub(crate) files: usize,
    /// The times of the rows to score that the others were chosen for; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<TimeRange>,
    /// The earliest time that they look back to; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<NaiveDateTime>,
    /// Data sets of the other files, in their order; see [`catalog::selection::HistoryFile`].
    pub(crate) data_sets: Vec<usize>,
    /// Digests of those that were read before, by key.
    pub(crate) contents: BTreeMap<String, String>,
}

impl LooksBack {
    /// What a selection says, and the files that it names, in the order in which rows of the same
    /// key count.
    ///
    /// # Errors
    /// A selection that names none: exit 2.
    pub(crate) fn of(key: &str, selection: Selection) -> Result<(Self, History, Vec<Object>)> {
        let history = selection.history.ok_or_else(|| {
            Failure::usage(format!(
                "features.sql of this model has windows, and {key} does not say at which raw files \
                 the rows to score look back: give the --selection that batch-inference resolve of \
                 this release gives for this version of the model, or submit a new workflow"
            ))
        })?;
        let contents = history.files.iter();
        let contents = contents.filter(|file| !file.sha256.is_empty());
        let looks_back = Self {
            files: selection.shards.len(),
            rows: history.rows,
            from: history.from,
            data_sets: history.files.iter().map(|file| file.data_set).collect(),
            contents: contents
                .map(|file| (file.key.clone(), file.sha256.clone()))
                .collect(),
        };
        let files = history.files.iter().map(|file| Object {
            key: file.key.clone(),
            bytes: file.bytes,
            stamp: file.stamp.clone(),
        });
        let files = selection.shards.into_iter().chain(files).collect();
        Ok((looks_back, history, files))
    }

    /// The data set that a file is of, by its place: 0 of those to score, and 1 and more of those
    /// that they look back at.
    pub(crate) fn data_set(&self, place: usize) -> usize {
        match place.checked_sub(self.files) {
            Some(place) => self.data_sets.get(place).map_or(1, |data_set| data_set + 1),
            None => 0,
        }
    }

    /// Refuses rows to score at other times than those for which earlier rows were chosen.
    pub(crate) fn must_hold(&self, key: &str, found: Option<TimeRange>) -> Result<()> {
        let (Some(rows), Some(found)) = (self.rows, found) else {
            return Ok(());
        };
        if rows.first <= found.first && found.last <= rows.last {
            return Ok(());
        }
        Err(Failure::contract(format!(
            "{key} holds rows from {} to {}, but the statistics of the raw files say that the rows to \
             score are from {} to {}, and earlier rows were selected for those times: write the \
             file again with correct statistics, or without any",
            found.first, found.last, rows.first, rows.last
        )))
    }
}
