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
use sql::prepare::{Preparation, Prepared, Purpose, Takers};
use store::{LocalFile, Object, Store};
use table::config::Config;
use table::dates;
use table::parts::{PartWriter, Spilled};
use table::raw::TakeKey;

use crate::job::{Committed, Done, Job, Kind, Piece, accept, folder};
use crate::keys::{Collector, OfFile};
use crate::quarantine::Quarantine;

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
    let pieces = done.iter().flat_map(|done| &done.pieces);
    Ok(outputs(pieces.map(|piece| piece.part.rows).sum(), reused))
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
    let timezone = || -> Result<Tz> {
        let timezone = job.timezone.parse();
        timezone.map_err(|error| Failure::usage(format!("the plan's time zone: {error}")))
    };
    let purpose = match job.kind() {
        Kind::Predict => Purpose::Predict,
        Kind::Train(rule) => Purpose::Train(rule, timezone()?),
        Kind::Holdout(rule) => Purpose::Compare(rule, timezone()?),
    };
    Preparation::new(step, &config, purpose)
}

/// The raw files to leave out.
pub(crate) fn bad(done: &[Done]) -> Vec<Quarantined> {
    let bad = |done: &Done| {
        Some(Quarantined {
            key: done.raw.key.clone(),
            reason: done.bad.clone()?,
            gone: done.gone,
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
        let (file, expected) = match self.planned(shard) {
            Err(error) if self.plan.job.is_again() && failure::is_damaged(&error) => {
                return Ok(self.left_out(shard, &error));
            }
            planned => planned?,
        };
        let mut writers = BTreeMap::new();
        let keys = self.keys.as_ref().map(|keys| keys.of_file(shard.ordinal));
        let keys = keys.map(|keys| Arc::new(Mutex::new(keys)));
        let quarantine = self.quarantine(shard);
        let prepared = self.write(
            shard,
            &file,
            &mut writers,
            keys.as_ref(),
            quarantine.as_ref(),
        );
        if file.copied_object().is_none() {
            // Whatever was found in a file that changed while it was read says nothing about it.
            self.unchanged(shard, &expected, wait(self.raw.head(&shard.key))?.as_ref())?;
        }
        let prepared = prepared.and_then(|prepared| self.of_then(shard, prepared));
        match prepared {
            Ok(prepared) => {
                let pieces = writers
                    .into_values()
                    .map(|writer| self.finish(shard, writer))
                    .collect::<Result<Vec<Piece>>>()?;
                let quarantine = quarantine.map(|quarantine| quarantine.finish());
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
                    raw: raw(shard, prepared.bytes, prepared.sha256, prepared.rows),
                    bad: None,
                    gone: false,
                    left_out: prepared.left_out,
                    violations: prepared.violations,
                    quarantine: quarantine.transpose()?.flatten(),
                    pieces,
                })
            }
            Err(error) if self.may_leave_out(&error) => Ok(self.left_out(shard, &error)),
            Err(error) => Err(error),
        }
    }

    /// What is known of a file that is left out.
    fn left_out(&self, shard: &Shard, error: &anyhow::Error) -> Done {
        let reason = format!("{error:#}");
        tracing::warn!(key = shard.key, "left out: {reason}");
        Done {
            raw: raw(shard, shard.bytes, String::new(), 0),
            bad: Some(reason),
            gone: failure::is_damaged(error),
            left_out: LeftOut::default(),
            violations: Vec::new(),
            quarantine: None,
            pieces: Vec::new(),
        }
    }

    /// Refuses a file that is not the one of which a holdout was made before.
    fn of_then(&self, shard: &Shard, prepared: Prepared) -> Result<Prepared> {
        let of_then = self.plan.job.again.as_ref();
        match of_then.and_then(|again| again.contents.get(&shard.key)) {
            Some(content) if *content != prepared.sha256 => Err(Failure::contract(format!(
                "raw file {} was changed since the holdout was prepared",
                shard.key
            ))),
            _ => Ok(prepared),
        }
    }

    fn write(
        &self,
        shard: &Shard,
        file: &LocalFile,
        writers: &mut BTreeMap<String, Writer>,
        keys: Option<&Arc<Mutex<OfFile>>>,
        quarantine: Option<&Quarantine>,
    ) -> Result<Prepared> {
        let is_again = self.plan.job.is_again();
        // By shard, all files of a holdout are held out; by row, it does not matter which file is
        // the first.
        let first = is_again || shard.ordinal == 0;
        // The check of the raw file has hashed and sorted them already, where the query leaves them
        // as they are.
        let gives_keys = self.preparation.gives_keys(&self.plan.job.key_columns());
        let take_key = keys.filter(|_| gives_keys).map(|keys| {
            let keys = keys.clone();
            Box::new(move |hash| locked(&keys).take(hash)) as TakeKey
        });
        let keys = keys.filter(|_| !gives_keys);
        let takers = Takers {
            key: take_key,
            quarantined: quarantine.map(Quarantine::take),
        };
        self.preparation
            .file(&shard.key, file, first, takers, |split, batch| {
                if batch.num_rows() == 0 || is_again && split != Split::Holdout {
                    return Ok(());
                }
                let writer = match writers.entry(split.to_string()) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(self.writer(split, shard)?),
                };
                writer.labelled_rows += self.preparation.labelled(batch);
                if let Some(name) = self.plan.job.time_column() {
                    writer.time = dates::widened(writer.time, batch, name)?;
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

    /// Where rows of a shard go that the contract has quarantined, if it has: beside the parts of
    /// the main split, whatever theirs would be.
    fn quarantine(&self, shard: &Shard) -> Option<Quarantine> {
        let schema = self.preparation.quarantine_schema()?;
        let (job, fingerprint) = (&self.plan.job, &self.fingerprint);
        let folder = folder(job, fingerprint, job.main_split());
        let key = layout::quarantine(&folder, fingerprint, shard.ordinal);
        Some(Quarantine::new(&self.store, key, shard.ordinal, schema))
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
        let job = &self.plan.job;
        (job.quarantine.is_some() || job.is_again())
            && failure::exit_code(error) == failure::CONTRACT
    }

    /// The raw file, if it is the one that was planned, and what it has to be as long as it is read.
    /// The files of a holdout that is prepared once more are known by their content instead.
    fn planned(&self, shard: &Shard) -> Result<(LocalFile, Object)> {
        let gone = || self.gone(shard);
        let file = wait(self.raw.find_file(&shard.key))?.ok_or_else(gone)?;
        let found = match file.copied_object() {
            Some(copied) => copied.clone(),
            None => wait(self.raw.head(&shard.key))?.ok_or_else(gone)?,
        };
        if self.plan.job.is_again() {
            return Ok((file, found));
        }
        let retouched = self.plan.job.retouched.get(&shard.key);
        let expected = Object {
            key: shard.key.clone(),
            bytes: shard.bytes,
            stamp: retouched.unwrap_or(&shard.stamp).clone(),
        };
        self.unchanged(shard, &expected, Some(&found))?;
        Ok((file, expected))
    }

    /// Refuses a raw file that is not the one that was planned.
    fn unchanged(&self, shard: &Shard, expected: &Object, found: Option<&Object>) -> Result<()> {
        let (key, url) = (&shard.key, self.raw.url());
        match found {
            Some(found) if found.bytes == expected.bytes && found.stamp == expected.stamp => Ok(()),
            Some(found) => Err(Failure::usage(format!(
                "{key} in {url} has changed since it was planned: it had {} bytes, last changed {}, and has {} bytes, \
                 last changed {}; put the old file back, give the new data another data-version, or take it in with cache=refresh",
                expected.bytes, expected.stamp, found.bytes, found.stamp
            ))),
            None => Err(self.gone(shard)),
        }
    }

    fn gone(&self, shard: &Shard) -> anyhow::Error {
        let (key, url) = (&shard.key, self.raw.url());
        if self.plan.job.is_again() {
            return Failure::damaged(format!(
                "raw file {key} of the holdout is gone from {url}: restore it, or train the \
                 candidate again on a data version whose raw files are there"
            ));
        }
        Failure::usage(format!(
            "{key} is gone from {url} since it was planned: put it back, or submit a new workflow"
        ))
    }
}

fn raw(shard: &Shard, bytes: u64, sha256: String, rows: u64) -> RawShard {
    RawShard {
        key: shard.key.clone(),
        bytes,
        stamp: shard.stamp.clone(),
        sha256,
        rows,
        time: None,
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
