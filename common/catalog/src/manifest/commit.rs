//! Reading, reusing and committing manifests.

use anyhow::Result;
use serde::Deserialize;

use super::{
    DatasetManifest, FORMAT_VERSION, Header, Inputs, Manifest, ModelManifest, ResultsManifest,
};
use runtime::failure::Failure;
use runtime::step::Cache;
use store::Store;

/// Reads a manifest that may not be there.
///
/// # Errors
/// A corrupt manifest, or one of another kind or format version: exit 2.
pub async fn read<M: Manifest>(store: &Store, key: &str) -> Result<Option<M>> {
    /// Read first: the shape of the rest depends on it.
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let Some(bytes) = store.get(key).await? else {
        return Ok(None);
    };
    let version: Version = store.parse(key, &bytes)?;
    if version.format_version != FORMAT_VERSION {
        return Err(Failure::usage(format!(
            "{key} has format_version {}, and this program reads {FORMAT_VERSION}: use images of the version that wrote it",
            version.format_version
        )));
    }
    let of_kind = |error| match kind_of(&bytes) {
        Some(kind) => Failure::usage(format!(
            "{key} is a {kind} manifest, and a {} manifest is needed: give the key of one",
            M::KIND
        )),
        None => error,
    };
    store.parse(key, &bytes).map(Some).map_err(of_kind)
}

/// What kind of manifest it is, if it is one.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    fn kind<M: Manifest>(bytes: &[u8]) -> Option<&'static str> {
        serde_json::from_slice::<M>(bytes).ok().map(|_| M::KIND)
    }
    kind::<ResultsManifest>(bytes)
        .or_else(|| kind::<DatasetManifest>(bytes))
        .or_else(|| kind::<ModelManifest>(bytes))
}

/// Reads a manifest that must be there.
pub async fn require<M: Manifest>(store: &Store, key: &str) -> Result<M> {
    read(store, key).await?.ok_or_else(|| {
        Failure::damaged(format!(
            "there is no {} manifest {key} in {}; run the step that writes it first",
            M::KIND,
            store.url()
        ))
    })
}

/// The finished work at `key`, if it is of the same inputs and whole.
///
/// `None` when nothing is committed, when an object of it is missing, or when `cache` is `refresh`.
///
/// # Errors
/// Work of other inputs is committed there: exit 2, naming what differs.
pub async fn reusable<M: Manifest>(
    store: &Store,
    key: &str,
    inputs: &Inputs,
    cache: Cache,
) -> Result<Option<M>> {
    let Some(manifest) = read::<M>(store, key).await? else {
        return Ok(None);
    };
    if cache == Cache::Refresh {
        return Ok(None);
    }
    if manifest.header().fingerprint != inputs.fingerprint() {
        return Err(differs(key, inputs, manifest.header()));
    }
    if let Some(missing) = missing(store, &manifest).await? {
        tracing::warn!(
            key,
            missing,
            "an object of the committed work is missing; it is written again"
        );
        return Ok(None);
    }
    tracing::info!(
        key,
        workflow = manifest.header().workflow,
        "reusing the committed {}",
        M::KIND
    );
    Ok(Some(manifest))
}

fn differs(key: &str, inputs: &Inputs, committed: &Header) -> anyhow::Error {
    Failure::usage(format!(
        "{key} is committed already, from other inputs:{}\nuse another name (data-version), or cache=refresh to replace it",
        inputs.differences(&committed.inputs)
    ))
}

async fn missing<M: Manifest>(store: &Store, manifest: &M) -> Result<Option<String>> {
    let objects = manifest.objects();
    Ok(store
        .first_missing(&objects)
        .await?
        .map(|place| objects[place].0.to_owned()))
}

/// Commits a manifest: the last put of a step. Gives what is there afterwards, and whether that
/// was committed by somebody else.
///
/// The first to come wins; who loses with the same fingerprint gives the winner's. A refresh, or a
/// manifest whose objects were lost, is replaced and keeps its `created_at`.
pub async fn commit<M: Manifest>(
    store: &Store,
    key: &str,
    mut manifest: M,
    cache: Cache,
) -> Result<(M, bool)> {
    if store.put_json_new(key, &manifest).await? {
        return Ok((manifest, false));
    }
    let committed: M = require(store, key).await?;
    let same = committed.header().fingerprint == manifest.header().fingerprint;
    if cache == Cache::Use {
        if !same {
            return Err(differs(key, &manifest.header().inputs, committed.header()));
        }
        if missing(store, &committed).await?.is_none() {
            return Ok((committed, true));
        }
    }
    if same {
        manifest.header_mut().created_at = committed.header().created_at;
    }
    store.put_json(key, &manifest).await?;
    Ok((manifest, false))
}
