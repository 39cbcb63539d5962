//! Raw files that rows to score look back at: their rows come before those to score, and are no
//! rows of the result.

use anyhow::{Context, Result};
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use catalog::fanout::Shard;
use catalog::layout::Split;
use runtime::failure::{self, Failure};
use store::LocalFile;
use table::dates;

use crate::done::{Counted, Done, raw};
use crate::looks_back::LooksBack;
use crate::shuffle::Shuffling;
use crate::task::Task;

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
