//! `map`: prepares the raw files of one group. `shuffle` runs the same way, and differs in where
//! the rows of a file go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::RecordBatch;
use catalog::fanout::{Plan, Shard};
use catalog::layout::{self, Split};
use catalog::manifest::Part;
use runtime::failure::{self, Failure};
use runtime::step::{Outputs, Step};
use runtime::threads::{blocking, wait};
use sql::prepare::{Prepared, Takers};
use store::{LocalFile, Store};
use table::parts::{PartWriter, Spilled};
use table::raw::Others;

use crate::aggregates::StateCollector;
use crate::committed::Committed;
use crate::done::{Done, bad, raw};
use crate::job::{Job, accept, folder};
use crate::keys::{KeyCollector, OfFile, locked};
use crate::quarantine::Quarantine;
use crate::task::Task;
use crate::writers::Writers;

/// What is to become of raw files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Parts, of a query that looks at a row alone.
    Map,
    /// Rows in the buckets of their entities.
    Shuffle,
}

pub(crate) async fn map(
    step: &Step,
    store: &Store,
    raw: &Store,
    [plan, group]: [&str; 2],
    stage: Stage,
) -> Result<Outputs> {
    let plan: Arc<Plan<Job>> = Arc::new(Plan::read(store, plan).await?);
    of_stage(&plan.job, stage == Stage::Shuffle)?;
    if let Some(committed) = Committed::find(step, store, &plan).await? {
        let group = plan.group(store, group).await?;
        let keys: BTreeSet<&str> = group.iter().map(|shard| shard.key.as_str()).collect();
        let of_group = committed
            .shards()
            .filter(|raw| keys.contains(raw.key.as_str()));
        return Ok(outputs(of_group.map(|raw| raw.rows).sum(), true));
    }
    let mut preparation = plan.job.preparation(step, store).await?;
    if let Some(scored) = &plan.job.scored {
        preparation = preparation.with_late(scored.read(step, store, raw, &plan.job.config).await?);
    }
    let step = &match stage {
        Stage::Map => preparation.fitting(step),
        Stage::Shuffle => preparation.fitting_entities(step),
    };
    let keys = (plan.job.keys_count() && plan.shards.len() > 1)
        .then(|| KeyCollector::new(step.work(), plan.job.key_columns()));
    let shape = match stage {
        Stage::Map => None,
        Stage::Shuffle => Some(preparation.shape()?),
    };
    let states = match stage {
        Stage::Shuffle if preparation.fits_aggregates() => {
            Some(StateCollector::new(&preparation, step)?)
        }
        _ => None,
    };
    let task = Arc::new(Task {
        keys,
        states,
        shape,
        spills: preparation.spills(step),
        preparation: preparation.on(step).with_others(others(step, raw, &plan)),
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
    if let Some(states) = &task.states {
        let folder = plan.folder();
        states.write(step, store, &folder, group, &done).await?;
    }
    Ok(outputs(done.iter().map(Done::rows).sum(), reused))
}

/// The raw files of the plan, for advice about one of them.
fn others(step: &Step, raw: &Store, plan: &Plan<Job>) -> Others {
    let (step, raw) = (step.clone(), raw.clone());
    let files = plan.shards.iter();
    Others::new(
        files.map(|file| (file.key.clone(), file.bytes)),
        move |key| {
            step.check()?;
            wait(raw.file(key))
        },
    )
}

/// Refuses a plan of the other stages.
pub(crate) fn of_stage(job: &Job, brings_together: bool) -> Result<()> {
    if job.windows.is_some() == brings_together {
        return Ok(());
    }
    Err(Failure::usage(match brings_together {
        true => {
            "features.sql of this plan looks at each row alone: its groups are for data-prep map"
        }
        false => {
            "features.sql of this plan has windows, or aggregates are to be computed for it: its \
             groups are for data-prep shuffle, and then for data-prep reduce"
        }
    }))
}

pub(crate) fn outputs(rows: u64, reused: bool) -> Outputs {
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
    let prepared: BTreeMap<&str, &Done> = done
        .iter()
        .filter(|done| done.bad.is_none() && !done.earlier)
        .map(|done| (done.raw.key.as_str(), done))
        .collect();
    let shards = task
        .plan
        .shards
        .iter()
        .filter(|shard| !keys.has(shard.ordinal));
    let missing: Vec<(usize, Done)> = shards
        .filter_map(|shard| Some((shard.ordinal, (*prepared.get(shard.key.as_str())?).clone())))
        .collect();
    let worker = task.clone();
    let read = move |(ordinal, done): (usize, Done)| match &worker.keys {
        Some(keys) => keys.read(&worker.store, ordinal, &done),
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

impl Task {
    fn prepare(&self, shard: &Shard) -> Result<Done> {
        let job = &self.plan.job;
        if let Some(looks_back) = &job.looks_back
            && job.is_earlier(shard.ordinal)
        {
            return self.earlier(shard, looks_back);
        }
        let (file, expected) = match self.planned(shard) {
            Err(error) if self.plan.job.is_again() && failure::is_damaged(&error) => {
                return Ok(self.left_out(shard, &error));
            }
            planned => planned?,
        };
        let mut writers = Writers::new();
        let keys = self.keys.as_ref().map(|keys| keys.of_file(shard.ordinal));
        let keys = keys.map(|keys| Arc::new(Mutex::new(keys)));
        let quarantine = self.quarantine(shard);
        let mut shuffling = self.shuffling()?;
        let takers = Takers {
            key: None,
            quarantined: quarantine.as_ref().map(Quarantine::take),
        };
        let prepared = match &mut shuffling {
            Some(shuffling) => self.shuffle(shard, &file, shuffling, keys.as_ref(), takers),
            None => self.write(shard, &file, &mut writers, keys.as_ref(), takers),
        };
        if file.copied_object().is_none() {
            // Whatever was found in a file that changed while it was read says nothing about it.
            self.still_there(shard, &expected)?;
        }
        let prepared = prepared.and_then(|prepared| self.of_then(shard, prepared));
        match prepared {
            Ok(prepared) => {
                let pieces = writers.finish(|split, rows| self.finish(shard, split, rows))?;
                let shuffled = shuffling.map(|shuffling| self.finish_shuffle(shard, shuffling));
                let shuffled = shuffled.transpose()?;
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
                    earlier: false,
                    left_out: prepared.left_out,
                    violations: prepared.violations,
                    quarantine: quarantine.transpose()?.flatten(),
                    pieces,
                    shuffled,
                })
            }
            Err(error) if self.may_leave_out(&error) => Ok(self.left_out(shard, &error)),
            Err(error) => Err(error),
        }
    }

    fn write(
        &self,
        shard: &Shard,
        file: &LocalFile,
        writers: &mut Writers<Rows>,
        keys: Option<&Arc<Mutex<OfFile>>>,
        mut takers: Takers,
    ) -> Result<Prepared> {
        let (job, first) = (&self.plan.job, self.plan.job.is_first(shard));
        let keys = self.keys_to_add(keys, &mut takers);
        self.preparation
            .file(&shard.key, file, first, takers, |split, batch| {
                let open = || self.open(split, shard);
                let counted = writers.count((job, &self.preparation), split, batch, open)?;
                let Some(rows) = counted else {
                    return Ok(());
                };
                if let Some(keys) = keys {
                    locked(keys).add(batch)?;
                }
                rows.write(batch)
            })
    }

    fn open(&self, split: Split, shard: &Shard) -> Result<Rows> {
        Ok(match self.spills {
            true => Rows::Spilled(Box::new(Spilled::new(
                self.preparation.schema(),
                self.step.work(),
            )?)),
            false => Rows::Part(Box::new(self.part(split, shard)?)),
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

    fn finish(&self, shard: &Shard, split: Split, rows: Rows) -> Result<Part> {
        let part = match rows {
            Rows::Part(part) => *part,
            Rows::Spilled(spilled) => {
                let mut part = self.part(split, shard)?;
                for batch in spilled.rows()? {
                    self.step.check()?;
                    part.write(&batch?)?;
                }
                part
            }
        };
        part.finish()
    }

    fn may_leave_out(&self, error: &anyhow::Error) -> bool {
        let job = &self.plan.job;
        (job.quarantine.is_some() || job.is_again())
            && failure::exit_code(error) == failure::CONTRACT
    }
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
