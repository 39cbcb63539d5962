//! `map`: prepares the raw files of one group.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use arrow::array::RecordBatch;
use catalog::fanout::{Plan, Shard};
use catalog::layout::{self, Split};
use catalog::manifest::{LeftOut, Quarantined, RawShard, TimeRange};
use chrono_tz::Tz;
use runtime::failure::{self, Failure};
use runtime::step::{Outputs, Step};
use runtime::threads::{blocking, wait};
use sql::prepare::{Preparation, Prepared, Purpose};
use store::{LocalFile, Object, Store};
use table::config::Config;
use table::parts::{PartWriter, Spilled};
use table::raw::TakeKey;

use crate::job::{Committed, Done, Job, Piece, accept, folder};
use crate::keys::{Collector, OfFile};
use crate::times;

pub(crate) async fn map(
    step: &Step,
    store: &Store,
    raw: &Store,
    plan: &str,
    group: &str,
) -> Result<Outputs> {
    let plan: Arc<Plan<Job>> = Arc::new(Plan::read(store, plan).await?);
    if let Some(committed) = Committed::find(step, store, &plan).await? {
        let group = plan.group(store, group).await?;
        let keys: BTreeSet<&str> = group.iter().map(|shard| shard.key.as_str()).collect();
        let of_group = committed
            .shards()
            .filter(|raw| keys.contains(raw.key.as_str()));
        return Ok(outputs(of_group.map(|raw| raw.rows).sum(), true));
    }
    let preparation = preparation(step, store, &plan.job).await?;
    let step = &preparation.fitting(step);
    let keys = (plan.job.keys_count() && plan.shards.len() > 1)
        .then(|| Collector::new(step.work(), plan.job.key_columns()));
    let task = Arc::new(Task {
        keys,
        spills: preparation.spills(step),
        preparation: preparation.on(step),
        step: step.clone(),
        plan: plan.clone(),
        fingerprint: plan.inputs.fingerprint(),
        store: store.clone(),
        raw: raw.clone(),
    });
    let worker = task.clone();
    let (done, reused) = plan
        .map(step, store, group, move |shard| worker.prepare(shard))
        .await?;
    accept(&plan.job, &bad(&done))?;
    write_keys(step, &task, group, &done).await?;
    Ok(outputs(done.iter().map(|done| done.raw.rows).sum(), reused))
}

fn outputs(rows: u64, reused: bool) -> Outputs {
    Outputs::new().set("rows", rows).set("reused", reused)
}

/// Writes the keys of the group's rows, unless they are there. Those of files that were done before
/// are read from their parts.
async fn write_keys(step: &Step, task: &Arc<Task>, group: &str, done: &[Done]) -> Result<()> {
    let Some(keys) = &task.keys else {
        return Ok(());
    };
    let object = layout::group_keys(&task.plan.folder(), group);
    if keys.is_empty() && task.store.size(&object).await?.is_some() {
        return Ok(());
    }
    let pieces: BTreeMap<&str, &[Piece]> = done
        .iter()
        .filter(|done| done.bad.is_none())
        .map(|done| (done.raw.key.as_str(), &done.pieces[..]))
        .collect();
    let shards = task
        .plan
        .shards
        .iter()
        .filter(|shard| !keys.has(shard.ordinal));
    let missing: Vec<(usize, Vec<Piece>)> = shards
        .filter_map(|shard| Some((shard.ordinal, pieces.get(shard.key.as_str())?.to_vec())))
        .collect();
    let worker = task.clone();
    let read = move |(ordinal, pieces): (usize, Vec<Piece>)| match &worker.keys {
        Some(keys) => keys.read(&worker.store, ordinal, &pieces),
        None => Ok(()),
    };
    step.each(missing, read).await?;
    let task = task.clone();
    blocking(move || match &task.keys {
        Some(keys) => keys.write(&task.store, &object),
        None => Ok(()),
    })
    .await
}

async fn preparation(step: &Step, store: &Store, job: &Job) -> Result<Preparation> {
    let config = Config::load(store, &job.config).await?;
    let purpose = match job.holdout {
        None => Purpose::Predict,
        Some(rule) => {
            let timezone: Result<Tz, _> = job.timezone.parse();
            Purpose::Train(
                rule,
                timezone
                    .map_err(|error| Failure::usage(format!("the plan's time zone: {error}")))?,
            )
        }
    };
    Preparation::new(step, &config, purpose)
}

/// The raw files to leave out.
pub(crate) fn bad(done: &[Done]) -> Vec<Quarantined> {
    let bad = |done: &Done| {
        Some(Quarantined {
            key: done.raw.key.clone(),
            reason: done.bad.clone()?,
        })
    };
    done.iter().filter_map(bad).collect()
}

/// What the threads of `map` share.
struct Task {
    plan: Arc<Plan<Job>>,
    /// Of the plan's inputs; it takes a while where there are many.
    fingerprint: String,
    store: Store,
    raw: Store,
    preparation: Preparation,
    step: Step,
    /// Whether prepared rows wait in scratch files until the raw file is read.
    spills: bool,
    /// Where the keys of rows go, if they are looked through.
    keys: Option<Collector>,
}

impl Task {
    fn prepare(&self, shard: &Shard) -> Result<Done> {
        let file = self.planned(shard)?;
        let mut writers = BTreeMap::new();
        let keys = self.keys.as_ref().map(|keys| keys.of_file(shard.ordinal));
        let keys = keys.map(|keys| Arc::new(Mutex::new(keys)));
        let prepared = self.write(shard, &file, &mut writers, keys.as_ref());
        if file.copied_object().is_none() {
            // Whatever was found in a file that changed while it was read says nothing about it.
            self.unchanged(shard, wait(self.raw.head(&shard.key))?.as_ref())?;
        }
        let raw = |bytes, sha256, rows| RawShard {
            key: shard.key.clone(),
            bytes,
            stamp: shard.stamp.clone(),
            sha256,
            rows,
            time: None,
        };
        match prepared {
            Ok(prepared) => {
                let pieces = writers
                    .into_values()
                    .map(|writer| self.finish(shard, writer))
                    .collect::<Result<Vec<Piece>>>()?;
                if let (Some(all), Some(keys)) = (&self.keys, keys.and_then(Arc::into_inner)) {
                    all.take(keys.into_inner().unwrap_or_else(PoisonError::into_inner))?;
                }
                tracing::info!(
                    key = shard.key,
                    rows = prepared.rows,
                    "prepared {}",
                    shard.key
                );
                Ok(Done {
                    raw: raw(prepared.bytes, prepared.sha256, prepared.rows),
                    bad: None,
                    left_out: prepared.left_out,
                    pieces,
                })
            }
            Err(error) if self.may_leave_out(&error) => {
                let reason = format!("{error:#}");
                tracing::warn!(key = shard.key, "left out: {reason}");
                Ok(Done {
                    raw: raw(shard.bytes, String::new(), 0),
                    bad: Some(reason),
                    left_out: LeftOut::default(),
                    pieces: Vec::new(),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn write(
        &self,
        shard: &Shard,
        file: &LocalFile,
        writers: &mut BTreeMap<String, Writer>,
        keys: Option<&Arc<Mutex<OfFile>>>,
    ) -> Result<Prepared> {
        let first = shard.ordinal == 0;
        // The check of the raw file has hashed and sorted them already, where the query leaves them
        // as they are.
        let gives_keys = self.preparation.gives_keys(&self.plan.job.key_columns());
        let take_key = keys.filter(|_| gives_keys).map(|keys| {
            let keys = keys.clone();
            Box::new(move |hash| locked(&keys).take(hash)) as TakeKey
        });
        let keys = keys.filter(|_| !gives_keys);
        self.preparation
            .file(&shard.key, file, first, take_key, |split, batch| {
                if batch.num_rows() == 0 {
                    return Ok(());
                }
                let writer = match writers.entry(split.to_string()) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(self.writer(split, shard)?),
                };
                writer.labelled_rows += self.preparation.labelled(batch);
                if let Some(name) = self.plan.job.time_column() {
                    writer.time = times::widened(writer.time, batch, name)?;
                }
                if let Some(keys) = keys {
                    locked(keys).add(batch)?;
                }
                writer.rows.write(batch)
            })
    }

    fn writer(&self, split: Split, shard: &Shard) -> Result<Writer> {
        let rows = match self.spills {
            true => Rows::Spilled(Box::new(Spilled::new(
                self.preparation.schema(),
                self.step.work(),
            )?)),
            false => Rows::Part(Box::new(self.part(split, shard)?)),
        };
        Ok(Writer {
            split,
            labelled_rows: 0,
            rows,
            time: None,
        })
    }

    fn part(&self, split: Split, shard: &Shard) -> Result<PartWriter> {
        let key = layout::part(
            &folder(&self.plan.job, &self.fingerprint, split),
            &self.fingerprint,
            shard.ordinal,
        );
        PartWriter::new(&self.store, key, shard.ordinal, self.preparation.schema())
    }

    fn finish(&self, shard: &Shard, writer: Writer) -> Result<Piece> {
        let part = match writer.rows {
            Rows::Part(part) => *part,
            Rows::Spilled(spilled) => {
                let mut part = self.part(writer.split, shard)?;
                for batch in spilled.rows()? {
                    self.step.check()?;
                    part.write(&batch?)?;
                }
                part
            }
        };
        Ok(Piece {
            split: writer.split,
            labelled_rows: writer.labelled_rows,
            part: part.finish()?,
            time: writer.time,
        })
    }

    fn may_leave_out(&self, error: &anyhow::Error) -> bool {
        self.plan.job.quarantine.is_some() && failure::exit_code(error) == failure::CONTRACT
    }

    /// The raw file, if it is the one that was planned.
    fn planned(&self, shard: &Shard) -> Result<LocalFile> {
        let file = wait(self.raw.find_file(&shard.key))?;
        match file {
            Some(file) => {
                match file.copied_object() {
                    Some(copied) => self.unchanged(shard, Some(copied))?,
                    None => self.unchanged(shard, wait(self.raw.head(&shard.key))?.as_ref())?,
                }
                Ok(file)
            }
            None => Err(self.gone(shard)),
        }
    }

    /// Refuses a raw file that is not the one that was planned.
    fn unchanged(&self, shard: &Shard, found: Option<&Object>) -> Result<()> {
        let stamp = self
            .plan
            .job
            .retouched
            .get(&shard.key)
            .unwrap_or(&shard.stamp);
        let (key, url) = (&shard.key, self.raw.url());
        match found {
            Some(found) if found.bytes == shard.bytes && found.stamp == *stamp => Ok(()),
            Some(found) => Err(Failure::usage(format!(
                "{key} in {url} has changed since it was planned: it had {} bytes, last changed {stamp}, and has {} bytes, \
                 last changed {}; put the old file back, give the new data another data-version, or take it in with cache=refresh",
                shard.bytes, found.bytes, found.stamp
            ))),
            None => Err(self.gone(shard)),
        }
    }

    fn gone(&self, shard: &Shard) -> anyhow::Error {
        Failure::usage(format!(
            "{} is gone from {} since it was planned: put it back, or submit a new workflow",
            shard.key,
            self.raw.url()
        ))
    }
}

fn locked(keys: &Mutex<OfFile>) -> MutexGuard<'_, OfFile> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of one split that is being written.
struct Writer {
    split: Split,
    labelled_rows: u64,
    rows: Rows,
    time: Option<TimeRange>,
}

/// Where the rows of a split go.
enum Rows {
    Part(Box<PartWriter>),
    Spilled(Box<Spilled>),
}

impl Rows {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Part(part) => part.write(batch),
            Self::Spilled(spilled) => spilled.write(batch),
        }
    }
}
