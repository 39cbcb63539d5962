//! Which model scores which raw files, decided once for a workflow and all its retries.

use std::collections::HashMap;

use anyhow::Result;
use common::failure::Failure;
use common::layout::{self, DataVersion, ModelName};
use common::manifest::{self, ModelManifest, RawShard, ResultsManifest};
use common::selection::{PredictShards, Selection};
use common::step::{self, Cache, Outputs};
use common::store::{Object, Store};
use common::tracking::Tracking;

/// What is asked for.
pub(crate) struct Request {
    pub(crate) data_version: DataVersion,
    pub(crate) model_name: ModelName,
    pub(crate) model_ref: String,
    pub(crate) predict_shards: PredictShards,
    pub(crate) glob: String,
    /// With `refresh` the files are chosen anew.
    pub(crate) cache: Cache,
}

pub(crate) async fn resolve(
    tracking: &Tracking,
    store: &Store,
    raw: &Store,
    request: &Request,
) -> Result<Outputs> {
    let version = tracking
        .resolve(&request.model_name, &request.model_ref)
        .await?;
    let model: ModelManifest = manifest::require(store, &version.model).await?;
    let (key, selection) = select(store, raw, request).await?;
    let summary = match selection.shards.len() {
        0 => format!(
            "nothing to score: {} has no raw file that was not scored before",
            request.data_version
        ),
        shards => format!(
            "version {} of {} scores {shards} raw files",
            version.version, request.model_name
        ),
    };
    tracing::info!(
        model.version = version.version,
        shards = selection.shards.len(),
        "{summary}"
    );
    Ok(Outputs::new()
        .set("model-version", version.version)
        .set("model-uri", version.uri())
        .set("config", model.config)
        .set("selection", key)
        .set("data-version", &request.data_version)
        .set("shards", selection.shards.len())
        .set("summary", summary))
}

/// The selection of this data version, made now if nobody made it before or if it is to be made anew.
async fn select(store: &Store, raw: &Store, request: &Request) -> Result<(String, Selection)> {
    let key = layout::selection(&request.data_version, &request.model_name);
    if request.cache == Cache::Refresh {
        let selection = choose(store, raw, request).await?;
        store.put_json(&key, &selection).await?;
        return Ok((key, selection));
    }
    if let Some(selection) = store.get_json::<Selection>(&key).await? {
        return Ok((key.clone(), matching(&key, selection, request)?));
    }
    let selection = choose(store, raw, request).await?;
    // Not kept: files that come late are found by the next run for this data version.
    if selection.shards.is_empty() {
        return Ok((key, selection));
    }
    if store.put_json_new(&key, &selection).await? {
        return Ok((key, selection));
    }
    let first = store.require_json(&key).await?;
    Ok((key.clone(), matching(&key, first, request)?))
}

/// A selection stays as it was made: a rerun with other flags would not see its own.
fn matching(key: &str, selection: Selection, request: &Request) -> Result<Selection> {
    if selection.predict_shards == request.predict_shards && selection.glob == request.glob {
        return Ok(selection);
    }
    Err(Failure::usage(format!(
        "{key} was made with predict-shards={} and PREDICT_GLOB={}, and this run asks for {} and {}: \
         use another data-version, the same flags, or cache=refresh",
        selection.predict_shards, selection.glob, request.predict_shards, request.glob
    )))
}

async fn choose(store: &Store, raw: &Store, request: &Request) -> Result<Selection> {
    let glob = request
        .glob
        .replace("{data-version}", &request.data_version.to_string());
    let mut shards = raw.glob(&glob).await?;
    if shards.is_empty() && request.predict_shards == PredictShards::All {
        return Err(Failure::usage(format!(
            "no raw file matches {glob} in {}: put the files to score there, or set PREDICT_GLOB",
            raw.url()
        )));
    }
    if request.predict_shards == PredictShards::New {
        let scored = scored(store, request).await?;
        let mut by_key: HashMap<&str, Vec<&RawShard>> = HashMap::new();
        for shard in &scored {
            by_key.entry(&shard.key).or_default().push(shard);
        }
        let mut new = Vec::new();
        for shard in shards {
            let known = by_key
                .get(shard.key.as_str())
                .map(Vec::as_slice)
                .unwrap_or_default();
            if !is_scored(raw, &shard, known).await? {
                new.push(shard);
            }
        }
        shards = new;
    }
    Ok(Selection {
        predict_shards: request.predict_shards,
        glob: request.glob.clone(),
        shards,
    })
}

/// Raw files in the committed results of this model name under other data versions.
async fn scored(store: &Store, request: &Request) -> Result<Vec<RawShard>> {
    let mut shards = Vec::new();
    for object in store.list(layout::RESULTS).await? {
        match layout::parse_results_manifest(&object.key) {
            Some((version, name))
                if name == request.model_name.to_string()
                    && version != request.data_version.to_string() =>
            {
                shards.extend(
                    manifest::require::<ResultsManifest>(store, &object.key)
                        .await?
                        .shards,
                );
            }
            _ => {}
        }
    }
    Ok(shards)
}

/// A file is known by its name and content: what was delivered anew under an old name is scored, what was only touched
/// is not.
async fn is_scored(raw: &Store, shard: &Object, of_that_name: &[&RawShard]) -> Result<bool> {
    let same: Vec<&RawShard> = of_that_name
        .iter()
        .filter(|known| known.bytes == shard.bytes)
        .copied()
        .collect();
    if same.iter().any(|known| known.stamp == shard.stamp) {
        return Ok(true);
    }
    if same.is_empty() {
        return Ok(false);
    }
    let file = raw.file(&shard.key).await?;
    let sha256 = step::blocking(move || file.hash()).await?.sha256;
    Ok(same.iter().any(|known| known.sha256 == sha256))
}
