//! `shuffle`: checks the raw files of one group, and writes their rows in the buckets of their
//! entities. `reduce` computes the features of each bucket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use catalog::fanout::Shard;
use catalog::layout::{self, Split};
use catalog::manifest::TimeRange;
use sql::prepare::{Prepared, Takers};
use sql::session::Fit;
use store::LocalFile;
use table::dates;
use table::shuffled::ShuffleWriter;

use crate::done::{Counted, OfShuffle};
use crate::keys::{OfFile, locked};
use crate::task::Task;

/// The rows of a file on their way into buckets.
pub(crate) struct Shuffling {
    pub(crate) writer: ShuffleWriter,
    pub(crate) splits: BTreeMap<String, Counted>,
    /// Aggregates over the rows to train on, if there are any.
    pub(crate) fit: Option<Fit>,
}

impl Task {
    /// Where the rows of a file go, if they have to be brought together with those of others.
    pub(crate) fn shuffling(&self) -> Result<Option<Shuffling>> {
        let (Some(shape), Some(windows)) = (&self.shape, self.plan.job.windows) else {
            return Ok(None);
        };
        let memory = self.preparation.sort_memory(&self.step);
        let writer = ShuffleWriter::new(shape, windows.buckets, self.step.work(), memory);
        let fit = self.preparation.fits_aggregates();
        let fit = fit.then(|| self.preparation.fit(&self.step));
        Ok(Some(Shuffling {
            writer,
            splits: BTreeMap::new(),
            fit: fit.transpose()?,
        }))
    }

    /// Reads a raw file, and takes in its rows.
    pub(crate) fn shuffle(
        &self,
        shard: &Shard,
        file: &LocalFile,
        shuffling: &mut Shuffling,
        keys: Option<&Arc<Mutex<OfFile>>>,
        mut takers: Takers,
    ) -> Result<Prepared> {
        let keys = self.keys_to_add(keys, &mut takers);
        let (preparation, job) = (&self.preparation, &self.plan.job);
        let first = job.is_first(shard);
        let Shuffling {
            writer,
            splits,
            fit,
        } = shuffling;
        let prepared = preparation.raw_rows(&shard.key, file, takers, |rows| {
            preparation.split_raw(rows, first, |split, rows| {
                if rows.num_rows() == 0 || !job.takes(split) {
                    return Ok(());
                }
                let counted = splits.entry(split.to_string()).or_insert(Counted {
                    split,
                    rows: 0,
                    labelled_rows: 0,
                    time: None,
                });
                counted.rows += rows.num_rows() as u64;
                counted.labelled_rows += preparation.labelled_raw(rows)?;
                if let Some(name) = job.time_column() {
                    counted.time = dates::widened(counted.time, rows, name)?;
                }
                match fit {
                    Some(fit) if split == Split::Train => fit.add(&shard.key, rows),
                    _ => Ok(()),
                }
            })?;
            if let Some(keys) = keys {
                locked(keys).add(rows)?;
            }
            writer.write(&shard.key, rows)
        })?;
        if let Some(looks_back) = &job.looks_back {
            let times = splits.values().filter_map(|counted| counted.time);
            looks_back.must_hold(&shard.key, times.reduce(TimeRange::with))?;
        }
        Ok(prepared)
    }

    /// Writes what was taken in.
    pub(crate) fn finish_shuffle(&self, shard: &Shard, shuffling: Shuffling) -> Result<OfShuffle> {
        let key = layout::shuffled(&self.plan.folder(), &shard.fingerprint());
        let check = || self.step.check();
        let splits: Vec<Counted> = shuffling.splits.into_values().collect();
        let trains = splits.iter().any(|of| of.split == Split::Train);
        let states = shuffling.fit.filter(|_| trains).map(Fit::partial);
        let states = states.transpose()?;
        let writer = shuffling.writer;
        let object = writer.finish(&self.store, key, shard.ordinal, states.as_deref(), check)?;
        if let (Some(all), Some(states)) = (&self.states, &states) {
            all.add(shard, states)?;
        }
        Ok(OfShuffle { object, splits })
    }
}
