//! Raw files that rows to score look back at: their rows come before those to score, and are no
//! rows of the result.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use catalog::fanout::Shard;
use catalog::layout::Split;
use catalog::manifest::TimeRange;
use catalog::selection::{History, Selection};
use chrono::NaiveDateTime;
use runtime::failure::{self, Failure};
use serde::{Deserialize, Serialize};
use store::{LocalFile, Object};
use table::dates;

use crate::done::{Counted, Done, raw};
use crate::job::Job;
use crate::map::Task;
use crate::shuffle::Shuffling;

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

impl Job {
    /// Whether rows of a file are looked back at alone.
    pub(crate) fn is_earlier(&self, place: usize) -> bool {
        let looks_back = self.looks_back.as_ref();
        looks_back.is_some_and(|looks_back| place >= looks_back.files)
    }
}

impl Task {
    /// Reads a file that rows to score look back at, and writes those of its rows in buckets that
    /// they may see.
    pub(crate) fn earlier(&self, shard: &Shard, looks_back: &LooksBack) -> Result<Done> {
        let (file, expected) = self.planned(shard)?;
        let shuffling = self.shuffling()?;
        let mut shuffling = shuffling.context("rows that others look back at are shuffled")?;
        let read = self.read_earlier(shard, &file, looks_back, &mut shuffling);
        if file.copied_object().is_none() {
            self.still_there(shard, &expected)?;
        }
        let prepared = match read {
            Err(error) if self.plan.job.quarantine.is_some() && is_contract(&error) => {
                return Ok(Done {
                    earlier: true,
                    ..self.left_out(shard, &error)
                });
            }
            read => read.with_context(|| format!("rows to score look back at {}", shard.key))?,
        };
        let known = looks_back.contents.get(&shard.key);
        if known.is_some_and(|known| *known != prepared.sha256) {
            return Err(self.changed(shard));
        }
        tracing::info!(key = shard.key, rows = prepared.rows, "read {}", shard.key);
        let shuffled = self.finish_shuffle(shard, shuffling)?;
        let rows = shuffled.splits.iter().map(|split| split.rows).sum();
        Ok(Done {
            raw: raw(shard, prepared.bytes, prepared.sha256, rows),
            earlier: true,
            shuffled: Some(shuffled),
            ..Done::default()
        })
    }

    fn read_earlier(
        &self,
        shard: &Shard,
        file: &LocalFile,
        looks_back: &LooksBack,
        shuffling: &mut Shuffling,
    ) -> Result<sql::prepare::Prepared> {
        let job = &self.plan.job;
        let time = job.time_column().context("windows have a time")?;
        let to = looks_back.rows.map(|rows| rows.last);
        let mut seen = Counted {
            split: Split::Predict,
            rows: 0,
            labelled_rows: 0,
            time: None,
        };
        let prepared = self.preparation.earlier_rows(&shard.key, file, |rows| {
            seen.time = dates::widened(seen.time, rows, time)?;
            let within: BooleanArray = dates::within(rows, time, [looks_back.from, to])?;
            let rows = filter_record_batch(rows, &within)?;
            seen.rows += rows.num_rows() as u64;
            shuffling.writer.write(&shard.key, &rows)
        });
        shuffling.splits.insert(Split::Predict.to_string(), seen);
        prepared
    }

    /// Refuses a file that is not what it was when it was read before.
    fn changed(&self, shard: &Shard) -> anyhow::Error {
        Failure::usage(format!(
            "{} in {} has changed since it was read before, and rows to score look back at it: restore \
             the old file; or, to accept the new one, score its data version again with \
             cache=refresh, or train a new model if it is training data; then submit with cache=refresh",
            shard.key,
            self.raw_url()
        ))
    }
}

fn is_contract(error: &anyhow::Error) -> bool {
    failure::exit_code(error) == failure::CONTRACT
}

/// What to say of files that were left out although rows to score look back at them.
pub(crate) fn left_out(done: &[Done]) -> Option<String> {
    const SHOWN: usize = 4;
    let reasons = done.iter().filter(|done| done.earlier);
    let reasons: Vec<&str> = reasons.filter_map(|done| done.bad.as_deref()).collect();
    if reasons.is_empty() {
        return None;
    }
    let shown: Vec<String> = reasons
        .iter()
        .take(SHOWN)
        .map(|reason| format!("\n- {reason}"))
        .collect();
    let more = match reasons.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n- and {more} more"),
    };
    Some(format!(
        "{} raw files that the rows look back at break the data contract and are left out, so \
         windows lack their rows:{}{more}",
        reasons.len(),
        shown.concat()
    ))
}
