//! Aggregates over the rows to train on. `shuffle` attaches their states to the rows of each raw
//! file, and writes those of all files of its group together; `reduce` and `commit` read the
//! groups'.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use catalog::fanout::{Plan, Shard};
use catalog::layout;
use catalog::manifest::File;
use futures::{Stream, StreamExt, TryStreamExt};
use runtime::failure::Failure;
use runtime::step::Step;
use serde::{Deserialize, Serialize};
use sql::prepare::Preparation;
use sql::session::Fit;
use store::{Store, digest};
use table::config::Config;
use table::shuffled::Shuffled;

use crate::done::Done;
use crate::job::Job;
use crate::repeats::groups_of;

/// States of files that are read at the same time.
const CONCURRENT: usize = 8;
/// The same of groups, which have more keys each.
const CONCURRENT_GROUPS: usize = 2;

/// The states of the files of a group, put together; nothing is left once they are written.
pub(crate) struct StateCollector(Mutex<Option<Collected>>);

struct Collected {
    fit: Fit,
    files: Files,
}

impl Collected {
    fn add(&mut self, file: &str, ordinal: usize, states: &[u8]) -> Result<()> {
        self.fit.merge(file, states)?;
        self.files.insert(ordinal, digest::hex(states));
        Ok(())
    }
}

/// Places of files, each with the digest of its states.
type Files = BTreeMap<usize, String>;

/// What an object of a group begins with: its length as eight bytes, and then this as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    files: Files,
    /// The digest of the states that come after it.
    sha256: String,
}

impl StateCollector {
    /// Of no file yet, with as much memory as [`values`] has.
    pub(crate) fn new(preparation: &Preparation, step: &Step) -> Result<Self> {
        let fit = preparation.fit(&step.with_threads(1))?;
        let files = Files::new();
        Ok(Self(Mutex::new(Some(Collected { fit, files }))))
    }

    /// Takes in the states of a file.
    pub(crate) fn add(&self, shard: &Shard, states: &[u8]) -> Result<()> {
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let collected = collected.as_mut().context("states are written once")?;
        collected.add(&shard.key, shard.ordinal, states)
    }

    /// Writes the states of a group's files, unless they are there; those of files that were done
    /// before are read.
    pub(crate) async fn write(
        &self,
        step: &Step,
        store: &Store,
        folder: &str,
        group: &str,
        done: &[Done],
    ) -> Result<()> {
        let collected = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut collected = collected.context("states are written once")?;
        let key = layout::group_aggregates(folder, group);
        if collected.files.is_empty() && store.size(&key).await?.is_some() {
            return Ok(());
        }
        let known = &collected.files;
        let missing = attached(done);
        let missing = missing.filter(|(_, object)| !known.contains_key(&object.part.ordinal));
        let missing: Vec<_> = missing.collect();
        let mut states = read(store, missing);
        while let Some((file, ordinal, states)) = states.try_next().await? {
            step.check()?;
            collected.add(file, ordinal, &states)?;
        }
        let states = collected.fit.partial()?;
        let header = serde_json::to_vec(&Header {
            files: collected.files,
            sha256: digest::hex(&states),
        })?;
        let length = (header.len() as u64).to_le_bytes();
        let object = [&length[..], &header, &states].concat();
        store.put(&key, object).await
    }
}

/// What an object of a group holds; `None` for what another release wrote, or what is damaged.
fn parsed(object: &[u8]) -> Option<(Files, &[u8])> {
    let (length, rest) = object.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, states) = rest.split_at_checked(length)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    (header.sha256 == digest::hex(states)).then_some((header.files, states))
}

/// The objects that states are attached to, with the names of their files, in the order of the
/// files.
fn attached(done: &[Done]) -> impl Iterator<Item = (&str, &Shuffled)> {
    let read = done.iter().filter(|done| done.bad.is_none());
    let objects = read.filter_map(|done| {
        let object = done.shuffled.as_ref()?.object.as_ref()?;
        Some((done.raw.key.as_str(), object))
    });
    objects.filter(|(_, object)| object.attached.is_some())
}

/// The states that are attached to objects, with the names and places of their files.
fn read<'a>(
    store: &'a Store,
    objects: Vec<(&'a str, &'a Shuffled)>,
) -> impl Stream<Item = Result<(&'a str, usize, Vec<u8>)>> + Unpin {
    let read = async move |(file, object): (&'a str, &'a Shuffled)| {
        Ok((file, object.part.ordinal, object.attached(store).await?))
    };
    Box::pin(
        futures::stream::iter(objects)
            .map(read)
            .buffered(CONCURRENT),
    )
}

/// The values over all rows to train on: tables by name. The states of a group are believed for the
/// very states of files that it names, and those of other files are read from where they are
/// attached: which groups were cut, and which pod was killed when, makes no difference.
///
/// # Errors
/// States that are gone or were changed; more keys than there is memory for: exit 2.
pub(crate) async fn values(
    step: &Step,
    store: &Store,
    folder: &str,
    preparation: &Preparation,
    done: &[Done],
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut fit = preparation.fit(&step.with_threads(1))?;
    let objects = attached(done).map(|(file, object)| (object.part.ordinal, (file, object)));
    let mut missing: BTreeMap<usize, (&str, &Shuffled)> = objects.collect();
    let keys = groups_of(store, &layout::groups_aggregates(folder)).await?;
    let groups = futures::stream::iter(keys).map(async |key| store.get(&key).await);
    let mut groups = Box::pin(groups.buffered(CONCURRENT_GROUPS));
    while !missing.is_empty()
        && let Some(object) = groups.try_next().await?
    {
        step.check()?;
        let Some((files, states)) = object.as_deref().and_then(parsed) else {
            continue;
        };
        let is_missing = |(ordinal, sha256): (&usize, &String)| {
            let object = missing.get(ordinal).map(|(_, object)| object);
            let attached = object.and_then(|object| object.attached.as_ref());
            attached.is_some_and(|attached| attached.sha256 == *sha256)
        };
        if files.iter().all(is_missing) {
            fit.merge("the files of a group", states)?;
            missing.retain(|ordinal, _| !files.contains_key(ordinal));
        }
    }
    let mut states = read(store, missing.into_values().collect());
    while let Some((file, _, states)) = states.try_next().await? {
        step.check()?;
        fit.merge(file, &states)?;
    }
    fit.finish()
}

/// The configuration with the values of its aggregates, pinned, and their files; as it is planned
/// where there are none.
pub(crate) async fn pin(
    step: &Step,
    store: &Store,
    plan: &Plan<Job>,
    done: &[Done],
) -> Result<(String, Vec<File>)> {
    let job = &plan.job;
    if attached(done).next().is_none() {
        return Ok((job.config.clone(), Vec::new()));
    }
    let config = Config::load(store, &job.config).await?;
    let preparation = job.preparation(step, store).await?;
    let tables = values(step, store, &plan.folder(), &preparation, done).await?;
    config.pin_fitted(store, tables).await
}

/// Refuses a configuration whose aggregates no training has computed.
pub(crate) fn must_be_fitted(config: &Config) -> Result<()> {
    if !config.is_to_be_fitted() {
        return Ok(());
    }
    let folder = layout::config(&config.digest());
    Err(Failure::usage(format!(
        "{folder} holds aggregates without their values, as before a training: give the --config that \
         the manifest of a model names, as batch-inference resolve and model-promotion plan do"
    )))
}
