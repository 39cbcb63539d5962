//! `reduce`: computes the features of the rows of some buckets, each of which holds all rows of its
//! entities.
//!
//! It is a plan of its own: its inputs are those of the first plan and what the shuffle made of
//! them, so that the mark of a bucket is never one of other rows.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use catalog::fanout::{Finished, Plan, Shard, group_id};
use catalog::layout::{self, Split};
use futures::{StreamExt, TryStreamExt};
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use serde::{Deserialize, Serialize};
use sql::prepare::{OfFile, Preparation};
use store::{Store, digest};
use table::parts::PartWriter;
use table::shuffled::{self, Doubles, Once, RowSorter, Shape, Shuffled};

use crate::aggregates;
use crate::committed::Committed;
use crate::done::{Done, Piece, bad};
use crate::job::{Job, accept, folder};
use crate::map::{of_stage, outputs};
use crate::warm_up::{Counts, Early};
use crate::writers::Writers;

/// Indexes that are read at the same time.
const CONCURRENT: usize = 32;

pub(crate) async fn reduce(step: &Step, store: &Store, plan: &str, group: &str) -> Result<Outputs> {
    let first: Plan<Job> = Plan::read(store, plan).await?;
    of_stage(&first.job, true)?;
    let buckets = of_group(group, buckets(&first.job))?;
    if let Some(committed) = Committed::find(step, store, &first).await? {
        let holdout = committed.holdout.iter();
        let parts = holdout
            .chain([&committed.main])
            .flat_map(|data| &data.parts);
        let of_group = parts.filter(|part| buckets.contains(&part.ordinal));
        return Ok(outputs(of_group.map(|part| part.rows).sum(), true));
    }
    let done: Vec<Done> = first.results(step, store).await?;
    accept(&first.job, &bad(&done))?;
    let plan = second(&first, &done)?;
    let preparation = first.job.preparation(step, store).await?;
    let step = &preparation.fitting_entities(step);
    if preparation.fits_aggregates() {
        let folder = first.folder();
        let values = aggregates::values(step, store, &folder, &preparation, &done).await?;
        preparation.look_up(&values)?;
    }
    let objects: Vec<Shuffled> = objects(&done).cloned().collect();
    let range = buckets.clone();
    let index = futures::stream::iter(objects)
        .map(|object| async {
            step.check()?;
            let entries = shuffled::index(store, &object, range.clone()).await?;
            Ok::<_, anyhow::Error>((object, entries))
        })
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    let held_out = first.shards.iter().filter(|file| first.job.is_first(file));
    let first_files = held_out.map(|file| file.ordinal as u32).collect();
    let names = first.shards.iter().map(|file| file.key.clone()).collect();
    let task = Arc::new(Task {
        fingerprint: first.inputs.fingerprint(),
        parts: plan.inputs.fingerprint(),
        early: Early::of(&first.job, &preparation, &done),
        shape: preparation.shape()?,
        preparation: preparation.on(step),
        step: step.clone(),
        store: store.clone(),
        job: first.job,
        index,
        names,
        first_files,
        first: buckets.start,
    });
    let shards = plan.shards[buckets].to_vec();
    let work = move |shard: &Shard| task.bucket(shard);
    let (reduced, reused) = plan.map_shards(step, store, group, shards, work).await?;
    let pieces = reduced.iter().flat_map(|bucket: &Reduced| &bucket.pieces);
    Ok(outputs(pieces.map(|piece| piece.part.rows).sum(), reused))
}

/// Ids of the groups of buckets, at most so many.
pub(crate) fn groups(job: &Job, at_most: usize) -> Vec<String> {
    let groups = match job.windows {
        Some(windows) => at_most.min(windows.buckets),
        None => 0,
    };
    (0..groups).map(|index| group_id(index, groups)).collect()
}

/// The results of all buckets, in order.
///
/// # Errors
/// A bucket that is not done: exit 2.
pub(crate) async fn results(
    step: &Step,
    store: &Store,
    first: &Plan<Job>,
    done: &[Done],
) -> Result<Vec<Reduced>> {
    second(first, done)?.results(step, store).await
}

fn buckets(job: &Job) -> usize {
    job.windows.map_or(0, |windows| windows.buckets)
}

/// The buckets of a group: neighbours.
fn of_group(id: &str, buckets: usize) -> Result<Range<usize>> {
    let known = || {
        let (index, groups) = id.split_once("-of-")?;
        let (index, groups): (usize, usize) = (index.parse().ok()?, groups.parse().ok()?);
        let is_one = index < groups && groups <= buckets && group_id(index, groups) == id;
        is_one.then(|| index * buckets / groups..(index + 1) * buckets / groups)
    };
    known().ok_or_else(|| {
        Failure::usage(format!(
            "{id:?} is not a group of the {buckets} buckets of this plan: data-prep plan gives them"
        ))
    })
}

/// The objects of all files that have rows.
fn objects(done: &[Done]) -> impl Iterator<Item = &Shuffled> {
    let prepared = done.iter().filter(|done| done.bad.is_none());
    let shuffled = prepared.filter_map(|done| done.shuffled.as_ref());
    shuffled.filter_map(|shuffled| shuffled.object.as_ref())
}

/// The plan of the buckets.
fn second(first: &Plan<Job>, done: &[Done]) -> Result<Plan<Job>> {
    let digests: Vec<(usize, &str)> = objects(done)
        .map(|object| (object.part.ordinal, object.part.sha256.as_str()))
        .collect();
    let bytes: u64 = objects(done).map(|object| object.part.bytes).sum();
    let buckets = buckets(&first.job);
    let shard = |ordinal: usize| Shard {
        ordinal,
        key: format!("bucket {ordinal} of {buckets}"),
        bytes: bytes / buckets.max(1) as u64,
        stamp: String::new(),
    };
    // The states of aggregates are in them.
    let inputs = first.inputs.clone().with("stage", "reduce");
    Ok(Plan {
        inputs: inputs.with("shuffled rows", digest::of_json(&digests)?),
        job: first.job.clone(),
        shards: (0..buckets).map(shard).collect(),
    })
}

/// What became of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reduced {
    pub(crate) pieces: Vec<Piece>,
    /// Rows that rows to score look back at and that are in several data sets.
    #[serde(default, skip_serializing_if = "Doubles::is_none")]
    pub(crate) doubles: Doubles,
    /// Rows to train on whose windows reach back behind the earliest row.
    #[serde(default, skip_serializing_if = "Counts::is_none")]
    pub(crate) early: Counts,
}

impl Finished for Reduced {
    fn objects(&self) -> Vec<(&str, u64)> {
        let parts = self.pieces.iter().map(|piece| &piece.part);
        parts.map(|part| (part.key.as_str(), part.bytes)).collect()
    }
}

/// Entities of which some row is scored, as bits of their hashes: of no other entity anybody looks
/// at the rows. Another entity with the same bit is computed in vain, and gives nothing.
struct Wanted {
    bits: Vec<u64>,
    is_empty: bool,
}

impl Wanted {
    /// Bits in all, which take 1 MiB.
    const BITS: u64 = 1 << 23;

    fn new() -> Self {
        Self {
            bits: vec![0; (Self::BITS / 64) as usize],
            is_empty: true,
        }
    }

    /// The low digits of a hash say which bucket it is in.
    fn place(hash: u64) -> (usize, u64) {
        let bit = (hash >> 32) % Self::BITS;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn add(&mut self, shape: &Shape, rows: &RecordBatch) -> Result<()> {
        for hash in shape.entities(rows)? {
            let (word, bit) = Self::place(hash);
            self.bits[word] |= bit;
            self.is_empty = false;
        }
        Ok(())
    }

    fn of(&self, shape: &Shape, rows: &RecordBatch) -> Result<RecordBatch> {
        let is_wanted = |hash| {
            let (word, bit) = Self::place(hash);
            Some(self.bits[word] & bit != 0)
        };
        let wanted: BooleanArray = shape.entities(rows)?.map(is_wanted).collect();
        Ok(filter_record_batch(rows, &wanted)?)
    }
}

/// What the threads of `reduce` share.
struct Task {
    job: Job,
    /// Of the first plan, which folders are named by.
    fingerprint: String,
    /// Of the plan of the buckets, which parts are named by.
    parts: String,
    store: Store,
    preparation: Preparation,
    shape: Shape,
    step: Step,
    /// The objects of all files, each with where the buckets of this group are in it.
    index: Vec<(Shuffled, Vec<shuffled::Entry>)>,
    /// The raw files by their places.
    names: Vec<String>,
    /// Places of the files that are held out where files decide.
    first_files: BTreeSet<u32>,
    /// Which rows to train on have a short history.
    early: Option<Early>,
    /// The first bucket of the group.
    first: usize,
}

impl Task {
    fn bucket(&self, bucket: &Shard) -> Result<Reduced> {
        let memory = self.preparation.sort_memory(&self.step);
        let mut sorter = RowSorter::new(&self.shape.sorted_schema(), self.step.work(), memory)?;
        let place = bucket.ordinal - self.first;
        let objects = self.index.iter();
        let objects = objects.map(|(object, entries)| (object, &entries[place]));
        let (earlier, objects): (Vec<_>, Vec<_>) =
            objects.partition(|(object, _)| self.job.is_earlier(object.part.ordinal));
        let mut wanted = (!earlier.is_empty()).then(Wanted::new);
        let work = self.step.work();
        shuffled::read(&self.store, &self.shape, &objects, work, |rows| {
            self.step.check()?;
            if let Some(wanted) = &mut wanted {
                wanted.add(&self.shape, rows)?;
            }
            sorter.push(rows)
        })?;
        if let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty) {
            shuffled::read(&self.store, &self.shape, &earlier, work, |rows| {
                self.step.check()?;
                sorter.push(&wanted.of(&self.shape, rows)?)
            })?;
        }
        let mut writers = Writers::new();
        let (rows, what) = (sorter.finish()?, &bucket.key);
        let mut counts = Counts::default();
        let write = |split: Split, batch: &RecordBatch| {
            let batch = &match &self.early {
                Some(early) if split == Split::Train => early.taken(batch, &mut counts)?,
                _ => batch.clone(),
            };
            let open = || self.open(split, bucket.ordinal);
            match writers.count((&self.job, &self.preparation), split, batch, open)? {
                Some(part) => part.write(batch),
                None => Ok(()),
            }
        };
        let of_file = |file: u32| match self.job.is_earlier(file as usize) {
            true => OfFile::Earlier,
            false if self.first_files.contains(&file) => OfFile::First,
            false => OfFile::Other,
        };
        let name = |file: u32| self.names.get(file as usize).cloned();
        let (preparation, shape) = (&self.preparation, &self.shape);
        let mut doubles = Doubles::default();
        match &self.job.looks_back {
            Some(looks_back) => {
                let known = looks_back.clone();
                let data_set = move |file: u32| known.data_set(file as usize);
                let rows = Once::new(rows, shape, data_set, &[preparation.target()]);
                let found = rows.doubles();
                preparation.entities(what, shape, rows, of_file, name, write)?;
                doubles = *found.lock().unwrap_or_else(PoisonError::into_inner);
            }
            None => preparation.entities(what, shape, rows, of_file, name, write)?,
        }
        Ok(Reduced {
            pieces: writers.finish(|_, part| part.finish())?,
            doubles,
            early: counts,
        })
    }

    fn open(&self, split: Split, bucket: usize) -> Result<PartWriter> {
        let folder = folder(&self.job, &self.fingerprint, split);
        let key = layout::part(&folder, &self.parts, bucket);
        PartWriter::new(&self.store, key, bucket, self.preparation.schema())
    }
}
