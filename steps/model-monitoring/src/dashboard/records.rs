//! What stands in the store beside the profiles: attempts of workflows and data sets.

use anyhow::Result;
use common::layout::{self, Split};
use common::manifest::{self, DatasetManifest, ModelManifest, ResultsManifest};
use common::metrics::Report as Metrics;
use common::store::{Object, Store};
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::Scored;
use crate::notify::Attempt;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;
/// Records that are shown, the newest.
const SHOWN: usize = 200;

/// How workflows ended, the newest first, and how many more there are.
pub(crate) struct Attempted {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) more: usize,
}

/// Data sets, the newest first, and how many more there are.
pub(crate) struct DataSets {
    pub(crate) sets: Vec<DatasetManifest>,
    pub(crate) more: usize,
}

async fn read<T: DeserializeOwned>(store: &Store, objects: &[Object]) -> Result<Vec<T>> {
    let read = objects.iter().map(|object| store.get_json::<T>(&object.key));
    // One that was deleted since it was listed is none.
    let all: Vec<Option<T>> = futures::stream::iter(read).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

pub(crate) async fn attempted(store: &Store) -> Result<Attempted> {
    let objects = store.glob(layout::ALL_ATTEMPTS).await?;
    let mut attempts: Vec<Attempt> = read(store, &objects).await?;
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.recorded_at));
    let more = attempts.len().saturating_sub(SHOWN);
    attempts.truncate(SHOWN);
    Ok(Attempted { attempts, more })
}

pub(crate) async fn data_sets(store: &Store) -> Result<DataSets> {
    let mut sets = Vec::new();
    for split in [Split::Train, Split::Holdout, Split::Predict] {
        sets.extend(read::<DatasetManifest>(store, &store.glob(layout::all_datasets(split)).await?).await?);
    }
    sets.sort_by_key(|set| std::cmp::Reverse(set.header.created_at));
    let more = sets.len().saturating_sub(SHOWN);
    sets.truncate(SHOWN);
    Ok(DataSets { sets, more })
}

/// What the model reached on its holdout; `None` where its files are not in the store.
pub(crate) async fn holdout(store: &Store, scored: &Scored) -> Result<Option<Metrics>> {
    let Some(key) = results_key(scored) else { return Ok(None) };
    let Some(results) = manifest::read::<ResultsManifest>(store, &key).await? else { return Ok(None) };
    let Some(model) = manifest::read::<ModelManifest>(store, &results.model).await? else { return Ok(None) };
    Ok(Some(model.load_metrics(store).await?.holdout))
}

/// The key of the manifest of the results; `None` for names that were not made by this program.
fn results_key(scored: &Scored) -> Option<String> {
    let data_version = layout::DataVersion::parse(&scored.data_version, chrono_tz::Tz::UTC).ok()?;
    Some(layout::manifest(&layout::scored(&data_version, &scored.model_name.parse().ok()?, scored.model_version)))
}
