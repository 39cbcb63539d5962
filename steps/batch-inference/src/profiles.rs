//! Profiles of the scored rows by day: counted as each shard is scored, and put together for the
//! commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use catalog::fanout::MARKED_TOGETHER;
use catalog::layout;
use catalog::manifest::Role;
use catalog::manifest::{self, DatasetManifest, File, ModelManifest};
use futures::{StreamExt, TryStreamExt};
use profile::profiles::{Baseline, Profile, ReadProfile};
use runtime::step::Step;
use serde::{Deserialize, Serialize};
use store::Store;
use store::digest;
use table::profiling::{Profiler, Profiling, StoredProfile};

use crate::plan::{Job, Plan};
use crate::scored::Scored;

/// Profiles that are read or written at the same time.
const CONCURRENT: usize = 16;

/// Counts the rows of a shard, whose scored batches have this schema.
pub(crate) fn of_shard(
    step: &Step,
    baseline: &Arc<Baseline>,
    job: &Job,
    schema: &SchemaRef,
) -> Result<Profiling> {
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let time = job
        .columns
        .iter()
        .find(|column| column.role == Role::Time)
        .map(|column| column.name.as_str());
    Profiling::new(
        baseline,
        &columns,
        time,
        step.memory() / (4 * step.threads() as u64),
    )
}

/// The profiles of a group of shards, put together: what is counted adds up to the same in any
/// order.
#[derive(Serialize, Deserialize)]
struct OfGroup<P = Profile> {
    /// The workflow that put them together: another one may have cut other groups, and scored
    /// shards again since.
    #[serde(default)]
    workflow: String,
    /// Keys of the shards' own profiles.
    keys: Vec<String>,
    profiles: Vec<StoredProfile<P>>,
}

/// Puts the profiles of a group together if it has many shards, so that the commit reads one object
/// for them.
pub(crate) async fn merge_group(
    step: &Step,
    store: &Store,
    plan: &Plan,
    baseline: &Arc<Baseline>,
    id: &str,
    scored: &[Scored],
) -> Result<()> {
    if scored.len() < MARKED_TOGETHER {
        return Ok(());
    }
    let keys: Vec<String> = scored
        .iter()
        .map(|scored| scored.profiles.key.clone())
        .collect();
    let mut all = Profiler::new(baseline, step.memory() / 4);
    add_shards(step, store, &mut all, keys.clone()).await?;
    let of_group = OfGroup {
        workflow: step.workflow().to_owned(),
        keys,
        profiles: all.stored()?,
    };
    put(store, layout::group_profiles(&plan.folder(), id), &of_group).await?;
    Ok(())
}

/// Adds the profiles of shards, one object for each.
async fn add_shards(
    step: &Step,
    store: &Store,
    all: &mut Profiler,
    keys: Vec<String>,
) -> Result<()> {
    let mut of_shards = futures::stream::iter(keys)
        .map(|key| async move {
            store
                .require_json::<Vec<StoredProfile<ReadProfile>>>(&key)
                .await
        })
        .buffered(CONCURRENT);
    while let Some(of_shard) = of_shards.try_next().await? {
        step.check()?;
        all.add_stored(&of_shard)?;
    }
    Ok(())
}

/// Adds the profiles of groups of this workflow, and takes their shards out of `keys`. A group that
/// another parallelism cut is passed over where it has a shard that was counted.
async fn add_groups(
    step: &Step,
    store: &Store,
    plan: &Plan,
    all: &mut Profiler,
    keys: &mut BTreeSet<String>,
) -> Result<()> {
    let groups = store.list(&layout::groups_profiles(&plan.folder())).await?;
    let mut groups = futures::stream::iter(groups)
        .map(|object| async move { store.get_json::<OfGroup<ReadProfile>>(&object.key).await })
        .buffered(CONCURRENT);
    while let Some(group) = groups.try_next().await? {
        step.check()?;
        let is_ours = |group: &OfGroup<ReadProfile>| {
            !step.is_manual()
                && group.workflow == step.workflow()
                && group.keys.iter().all(|key| keys.contains(key))
        };
        if let Some(group) = group.filter(is_ours) {
            all.add_stored(&group.profiles)?;
            for key in &group.keys {
                keys.remove(key);
            }
        }
    }
    Ok(())
}

/// Puts the profiles of all shards together, and writes one object for each day.
pub(crate) async fn merge(
    step: &Step,
    store: &Store,
    plan: &Plan,
    predict: &DatasetManifest,
    scored: &[Scored],
) -> Result<Vec<File>> {
    let model: ModelManifest = manifest::require(store, &plan.job.model_manifest).await?;
    let baseline = Arc::new(model.load_baseline(store, step.timezone()).await?);
    let mut all = Profiler::new(&baseline, step.memory() / 4);
    let mut keys: BTreeSet<String> = scored
        .iter()
        .map(|scored| scored.profiles.key.clone())
        .collect();
    if keys.len() >= MARKED_TOGETHER {
        add_groups(step, store, plan, &mut all, &mut keys).await?;
    }
    add_shards(step, store, &mut all, keys.into_iter().collect()).await?;
    let model = &plan.job.model;
    let folder = &layout::scored(&predict.data_version, &model.model_name, model.version);
    futures::stream::iter(all.stored()?)
        .map(|profile| async move { put(store, layout::profile(folder, profile.day), &profile).await })
        .buffered(CONCURRENT)
        .try_collect()
        .await
}

/// Writes a JSON object, and says what was written.
pub(crate) async fn put(store: &Store, key: String, value: &impl Serialize) -> Result<File> {
    let bytes = serde_json::to_vec(value).with_context(|| format!("writing {key}"))?;
    let file = File {
        bytes: bytes.len() as u64,
        sha256: digest::hex(&bytes),
        key,
    };
    store.put(&file.key, bytes).await?;
    Ok(file)
}
