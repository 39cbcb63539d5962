//! Fan-out over shards: plan, map, commit.
//!
//! `plan` groups shards by bytes and writes the plan and its groups under `_work/{plan
//! fingerprint}`. `map` works on one group and writes a marker for each finished shard, so that a
//! rerun resumes inside the group: `argo retry -p` runs all items of a map again. A finished group
//! of many shards has a marker of its own besides. `commit` reads the markers of groups, and of
//! shards that are in none, never parameters that Argo aggregated.
//!
//! ```
//! use catalog::fanout::{Plan, Shard};
//! use catalog::manifest::Inputs;
//!
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let store = store::Store::create(&folder.path().display().to_string())?;
//! let shard = |(ordinal, bytes)| Shard {
//!     ordinal,
//!     key: format!("raw/{ordinal}.parquet"),
//!     bytes,
//!     stamp: "1".to_owned(),
//! };
//! let plan = Plan {
//!     inputs: Inputs::new("an-example", 1),
//!     job: (),
//!     shards: [900, 100, 100].into_iter().enumerate().map(shard).collect(),
//! };
//! // Two groups of about as many bytes: the large shard is alone.
//! let (key, groups) = plan.write(&store, 2).await?;
//! let groups: Vec<String> = serde_json::from_str(&groups)?;
//! assert_eq!(groups.len(), 2);
//! let plan: Plan<()> = Plan::read(&store, &key).await?;
//! let groups = groups.iter().map(|id| plan.group(&store, id));
//! let sizes = futures::future::try_join_all(groups).await?;
//! let mut sizes: Vec<usize> = sizes.iter().map(Vec::len).collect();
//! sizes.sort();
//! assert_eq!(sizes, [1, 2]);
//! # Ok::<(), anyhow::Error>(())
//! # })?;
//! # Ok::<(), anyhow::Error>(())
//! ```

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::layout;
use crate::manifest::Inputs;
use runtime::failure::Failure;
use runtime::step::{Cache, Step};
use runtime::threads::wait;
use store::Store;
use store::digest;

/// Groups at most, whatever `parallelism` says: Argo's UI and etcd suffer from many nodes.
pub const MAX_GROUPS: usize = 200;
/// Shards of a group from which on it has a marker of its own, so that `commit` reads one object in
/// place of so many.
pub const MARKED_TOGETHER: usize = 32;
/// Marks that are read at the same time.
const CONCURRENT: usize = 32;

/// One unit of work: a raw file, or a prepared part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its place among all shards.
    pub ordinal: usize,
    /// Object key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What changes when it is written again.
    pub stamp: String,
}

impl Shard {
    /// What its marker is named by.
    pub fn fingerprint(&self) -> String {
        digest::hex(
            format!(
                "{}\0{}\0{}\0{}",
                self.ordinal, self.key, self.bytes, self.stamp
            )
            .as_bytes(),
        )[..16]
            .to_owned()
    }
}

/// A plan: what is to be done (`J`), and on which shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<J> {
    /// What the result will depend on.
    pub inputs: Inputs,
    /// What `map` and `commit` have to know.
    pub job: J,
    /// All shards, in order.
    pub shards: Vec<Shard>,
}

#[derive(Serialize, Deserialize)]
struct Group {
    ordinals: Vec<usize>,
}

impl<J: Serialize + DeserializeOwned> Plan<J> {
    /// The plan's folder.
    pub fn folder(&self) -> String {
        layout::work(&self.inputs.fingerprint())
    }

    /// Writes the plan and its groups; gives the plan's key and the groups' ids as a JSON array.
    ///
    /// Ids depend on how many groups there are, so that a rerun with another parallelism does not
    /// disturb this one. There is always a group, if only an empty one: Argo skips a task whose
    /// list is empty.
    pub async fn write(&self, store: &Store, parallelism: usize) -> Result<(String, String)> {
        let folder = self.folder();
        let sizes: Vec<u64> = self.shards.iter().map(|shard| shard.bytes).collect();
        let groups = group(&sizes, parallelism.clamp(1, MAX_GROUPS));
        let mut ids = Vec::new();
        for (index, ordinals) in groups.iter().enumerate() {
            let id = group_id(index, groups.len());
            store
                .put_json(
                    &layout::group(&folder, &id),
                    &Group {
                        ordinals: ordinals.clone(),
                    },
                )
                .await?;
            ids.push(id);
        }
        let key = layout::plan(&folder);
        store.put_json(&key, self).await?;
        Ok((key, serde_json::to_string(&ids)?))
    }

    /// Reads a plan.
    pub async fn read(store: &Store, key: &str) -> Result<Self> {
        layout::work_of(key)?;
        store.require_json(key).await
    }

    /// The shards of one group.
    pub async fn group(&self, store: &Store, id: &str) -> Result<Vec<Shard>> {
        let group: Group = store
            .require_json(&layout::group(&self.folder(), id))
            .await?;
        Ok(group
            .ordinals
            .iter()
            .filter_map(|&ordinal| self.shards.get(ordinal))
            .cloned()
            .collect())
    }

    /// Works on the shards of one group that are not done yet, in parallel, and writes a marker for
    /// each when it is finished. `work` runs on blocking threads. Gives the results of all shards
    /// of the group, and whether all were reused.
    ///
    /// With `cache: refresh` a shard is done again, unless this very workflow has done it.
    pub async fn map<D>(
        &self,
        step: &Step,
        store: &Store,
        id: &str,
        work: impl Fn(&Shard) -> Result<D> + Clone + Send + 'static,
    ) -> Result<(Vec<D>, bool)>
    where
        D: Finished + Serialize + DeserializeOwned + Send + 'static,
    {
        let shards = self.group(store, id).await?;
        self.map_shards(step, store, id, shards, work).await
    }

    /// The same for a group that was not written, whose shards are known.
    ///
    /// # Errors
    /// Those of [`Plan::map`].
    pub async fn map_shards<D>(
        &self,
        step: &Step,
        store: &Store,
        id: &str,
        shards: Vec<Shard>,
        work: impl Fn(&Shard) -> Result<D> + Clone + Send + 'static,
    ) -> Result<(Vec<D>, bool)>
    where
        D: Finished + Serialize + DeserializeOwned + Send + 'static,
    {
        let folder = self.folder();
        let fingerprints: Vec<String> = shards.iter().map(Shard::fingerprint).collect();
        let group_marker = layout::group_done(&folder, id);
        let progress = step
            .progress(shards.iter().map(|shard| shard.bytes).sum(), "bytes")
            .clone();
        let (step_of_shard, store_of_shard) = (step.clone(), store.clone());
        let done = step
            .each(shards, move |shard| {
                let (step, store) = (&step_of_shard, &store_of_shard);
                let key = layout::done(&folder, &shard.fingerprint());
                let done = wait(finished(step, store, &key))?;
                let reused = done.is_some();
                let result = match done {
                    Some(result) => result,
                    None => wait(finish(step, store, &key, work(&shard)?))?,
                };
                progress.advance(shard.bytes);
                Ok((result, reused))
            })
            .await?;
        let reused = done.iter().all(|(_, reused)| *reused);
        let results: Vec<D> = done.into_iter().map(|(result, _)| result).collect();
        if results.len() >= MARKED_TOGETHER {
            let marker = GroupMarker {
                workflow: step.workflow().to_owned(),
                shards: fingerprints.iter().zip(&results).collect(),
            };
            store.put_json(&group_marker, &marker).await?;
        }
        Ok((results, reused))
    }

    /// The results of all shards, in order.
    ///
    /// # Errors
    /// A shard without a marker, or with one whose objects are gone: exit 2, with its key.
    pub async fn results<D>(&self, step: &Step, store: &Store) -> Result<Vec<D>>
    where
        D: Finished + DeserializeOwned + Send + 'static,
    {
        let folder = self.folder();
        let mut of_groups = self.of_groups(step, store, &folder).await?;
        let markers = self.shards.iter().map(|shard| {
            let fingerprint = shard.fingerprint();
            let (known, key) = (
                of_groups.remove(&fingerprint),
                layout::done(&folder, &fingerprint),
            );
            async move {
                step.check()?;
                let marker = match known {
                    Some(result) => Some(result),
                    None => store
                        .get_json::<Marker<D>>(&key)
                        .await?
                        .map(|marker| marker.result),
                };
                marker.ok_or_else(|| not_done(shard))
            }
        });
        let results: Vec<D> = futures::stream::iter(markers)
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        let of_shard = |(shard, result): (usize, &D)| vec![shard; result.objects().len()];
        let owners: Vec<usize> = results.iter().enumerate().flat_map(of_shard).collect();
        let objects: Vec<(&str, u64)> = results.iter().flat_map(Finished::objects).collect();
        match store.first_missing(&objects).await? {
            Some(place) => Err(not_done(&self.shards[owners[place]])),
            None => Ok(results),
        }
    }

    /// What the markers of finished groups say, by the fingerprints of the shards. Only those of
    /// this very workflow count: groups that another one cut, by another parallelism, may name
    /// shards that were done again since. What went wrong is left to the shard's own marker for the
    /// same reason.
    async fn of_groups<D>(
        &self,
        step: &Step,
        store: &Store,
        folder: &str,
    ) -> Result<HashMap<String, D>>
    where
        D: Finished + DeserializeOwned,
    {
        let mut known = HashMap::<String, Option<D>>::new();
        // Steps that are run by hand share a name.
        if self.shards.len() < MARKED_TOGETHER || step.is_manual() {
            return Ok(HashMap::new());
        }
        let markers = store.list(&layout::groups_done(folder)).await?;
        let mut markers = futures::stream::iter(markers)
            .map(
                |object| async move { store.get_json::<GroupMarker<String, D>>(&object.key).await },
            )
            .buffered(CONCURRENT);
        while let Some(marker) = markers.try_next().await? {
            step.check()?;
            let marker = marker.filter(|marker| marker.workflow == step.workflow());
            let shards = marker.map(|marker| marker.shards).unwrap_or_default();
            for (shard, result) in shards {
                let result = Some(result).filter(Finished::may_be_reused);
                // A shard that two groups name was done by both: its own marker is of the last
                // time.
                known
                    .entry(shard)
                    .and_modify(|known| *known = None)
                    .or_insert(result);
            }
        }
        let known = known.into_iter();
        Ok(known
            .filter_map(|(shard, result)| Some((shard, result?)))
            .collect())
    }
}

/// The id of a group among `groups`.
pub fn group_id(index: usize, groups: usize) -> String {
    format!("{index:03}-of-{groups:03}")
}

fn not_done(shard: &Shard) -> anyhow::Error {
    Failure::usage(format!(
        "shard {} is not done: run the group that holds it, then commit again",
        shard.key
    ))
}

/// The markers of a group: results by the fingerprints of their shards.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de> + Ord, D: Deserialize<'de>"))]
struct GroupMarker<S, D> {
    /// Empty in those of earlier releases.
    #[serde(default)]
    workflow: String,
    shards: BTreeMap<S, D>,
}

#[derive(Serialize, Deserialize)]
struct Marker<D> {
    workflow: String,
    result: D,
}

impl<D> Marker<D> {
    /// Whether this very workflow made it; steps that are run by hand share a name.
    fn is_of(&self, step: &Step) -> bool {
        self.workflow == step.workflow() && !step.is_manual()
    }
}

/// What the marker of finished work says, where it may be taken.
///
/// With `cache: refresh` work is done again, unless this very workflow has done it.
///
/// # Errors
/// Those of the store.
pub async fn finished<D>(step: &Step, store: &Store, key: &str) -> Result<Option<D>>
where
    D: Finished + DeserializeOwned,
{
    let marker: Option<Marker<D>> = store.get_json(key).await?;
    let marker = marker.filter(|marker| step.cache() == Cache::Use || marker.is_of(step));
    match marker {
        Some(marker)
            if marker.result.may_be_reused() && is_whole(store, &marker.result).await? =>
        {
            Ok(Some(marker.result))
        }
        _ => Ok(None),
    }
}

/// Writes the marker of finished work; gives what was done.
///
/// # Errors
/// Those of the store.
pub async fn finish<D>(step: &Step, store: &Store, key: &str, result: D) -> Result<D>
where
    D: Serialize,
{
    let marker = Marker {
        workflow: step.workflow().to_owned(),
        result,
    };
    store.put_json(key, &marker).await?;
    Ok(marker.result)
}

/// What is known of finished work, such as that on a shard.
pub trait Finished {
    /// Objects that were written for it: key and size in bytes.
    fn objects(&self) -> Vec<(&str, u64)>;

    /// Whether a rerun may take it; what went wrong is looked at again.
    fn may_be_reused(&self) -> bool {
        true
    }
}

async fn is_whole(store: &Store, finished: &impl Finished) -> Result<bool> {
    for (key, bytes) in finished.objects() {
        if store.size(key).await? != Some(bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Splits sizes, in order, into at most `at_most` neighbouring groups of about equal sums; one
/// empty group for none.
fn group(sizes: &[u64], at_most: usize) -> Vec<Vec<usize>> {
    // A file without bytes still takes a moment.
    let weights: Vec<u128> = sizes.iter().map(|&bytes| u128::from(bytes) + 1).collect();
    let total: u128 = weights.iter().sum();
    let wanted = at_most.min(sizes.len()).max(1);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let (mut current, mut before) = (Vec::new(), 0_u128);
    for (ordinal, weight) in weights.iter().enumerate() {
        // Cut where the middle of this shard lies beyond the next border, and where every group to
        // come can have one.
        let border = total * (groups.len() as u128 + 1);
        let beyond = (before * 2 + weight) * wanted as u128 > border * 2;
        let left = sizes.len() - ordinal;
        let to_come = wanted - groups.len() - 1;
        if !current.is_empty() && to_come > 0 && (beyond || left == to_come) {
            groups.push(std::mem::take(&mut current));
        }
        current.push(ordinal);
        before += weight;
    }
    groups.push(current);
    groups
}

#[cfg(test)]
mod tests;
