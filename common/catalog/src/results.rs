//! The results of a model, and those of them that were scored last.
//!
//! ```
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let store = store::Store::create(&folder.path().display().to_string())?;
//! for model in ["churn", "fraud"] {
//!     let key = format!("results/2026-11-23/{model}/v1/_manifest.json");
//!     store.put(&key, Vec::new()).await?;
//! }
//! let churn = "churn".parse().map_err(anyhow::Error::msg)?;
//! let keys = catalog::results::keys(&store, &churn).await?;
//! assert_eq!(keys, ["results/2026-11-23/churn/v1/_manifest.json"]);
//! # Ok::<(), anyhow::Error>(())
//! # })?;
//! # Ok::<(), anyhow::Error>(())
//! ```

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use store::Store;

use crate::layout::{self, ModelName};
use crate::manifest::{self, ResultsManifest};

/// Manifests that are read at the same time.
const READ: usize = 16;

/// Keys of the manifests of a model name's results.
///
/// # Errors
/// A store that does not answer: exit 75.
pub async fn keys(store: &Store, model_name: &ModelName) -> Result<Vec<String>> {
    let name = model_name.to_string();
    let is_of_model =
        |key: &str| layout::parse_results_manifest(key).is_some_and(|(_, of)| of == name);
    let objects = store.list(layout::RESULTS).await?.into_iter();
    let keys = objects.map(|object| object.key);
    Ok(keys.filter(|key| is_of_model(key)).collect())
}

/// What `keep` takes of the `count` newest committed results of a model name, of whatever version
/// and by key and manifest, the oldest of them first. Results that are deleted meanwhile are
/// passed over.
///
/// # Errors
/// A store that does not answer: exit 75. A manifest that can't be read: exit 2.
pub async fn newest<T>(
    store: &Store,
    model_name: &ModelName,
    count: usize,
    keep: impl Fn(&str, &ResultsManifest) -> T,
) -> Result<Vec<T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let read = async |key: String| {
        let manifest = manifest::read::<ResultsManifest>(store, &key).await?;
        anyhow::Ok(manifest.map(|manifest| {
            let kept = keep(&key, &manifest);
            (manifest.header.created_at, key, kept)
        }))
    };
    let read: Vec<Option<_>> = stream::iter(keys(store, model_name).await?)
        .map(read)
        .buffered(READ)
        .try_collect()
        .await?;
    let mut results: Vec<_> = read.into_iter().flatten().collect();
    results.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let older = results.len().saturating_sub(count);
    Ok(results.drain(older..).map(|(.., kept)| kept).collect())
}
