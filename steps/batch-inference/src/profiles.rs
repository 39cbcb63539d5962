//! Profiles of the scored rows by day: counted as each shard is scored, and put together for the commit.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use common::dataset::Role;
use common::digest;
use common::layout;
use common::manifest::{self, DatasetManifest, File, ModelManifest};
use common::profiles::{Baseline, Profiler, Profiling, StoredProfile};
use common::step::Step;
use common::store::Store;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::map::Scored;
use crate::plan::{Job, Plan};

/// Profiles that are read or written at the same time.
const CONCURRENT: usize = 16;

/// Counts the rows of a shard, whose scored batches have this schema.
pub(crate) fn of_shard(step: &Step, baseline: &Arc<Baseline>, job: &Job, schema: &SchemaRef) -> Result<Profiling> {
    let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let time = job.columns.iter().find(|column| column.role == Role::Time).map(|column| column.name.as_str());
    Profiling::new(baseline, &columns, time, step.memory() / (4 * step.threads() as u64))
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
    let keys: Vec<String> = scored.iter().map(|scored| scored.profiles.key.clone()).collect();
    let mut of_shards = futures::stream::iter(keys)
        .map(|key| async move { store.require_json::<Vec<StoredProfile>>(&key).await })
        .buffered(CONCURRENT);
    while let Some(of_shard) = of_shards.try_next().await? {
        step.check()?;
        all.add_stored(&of_shard)?;
    }
    let model = &plan.job.model;
    let folder = &layout::scored(&predict.data_version, &model.model_name, model.version);
    futures::stream::iter(all.stored()?)
        .map(|profile| async move { put(store, layout::profile(folder, profile.day), &profile).await })
        .buffered(CONCURRENT)
        .try_collect()
        .await
}

/// Writes a JSON object, and tells what was written.
pub(crate) async fn put(store: &Store, key: String, value: &impl Serialize) -> Result<File> {
    let bytes = serde_json::to_vec(value).with_context(|| format!("writing {key}"))?;
    let file = File { bytes: bytes.len() as u64, sha256: digest::hex(&bytes), key };
    store.put(&file.key, bytes).await?;
    Ok(file)
}
