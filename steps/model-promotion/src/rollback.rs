//! `promote --rollback`.

use anyhow::Result;
use catalog::layout::ModelName;
use catalog::manifest::{self, ModelManifest};
use runtime::failure::Failure;
use runtime::step::Outputs;
use store::Store;
use tracking::{CHAMPION, PREVIOUS_CHAMPION, Tracking};

/// Gives the alias back to the champion before, if `expect` is champion now. The two change places,
/// so that a rollback can be undone by another one.
///
/// # Errors
/// Another version is champion, or there is none before it, or its files are damaged: exit 2, and
/// nothing is moved.
pub(crate) async fn rollback(
    store: &Store,
    tracking: &Tracking,
    name: &ModelName,
    expect: u64,
) -> Result<Outputs> {
    let champion = tracking.resolve(name, CHAMPION).await?.version;
    if champion != expect {
        return Err(moved(name, champion, expect));
    }
    let standing = tracking.alias(name, PREVIOUS_CHAMPION).await?;
    let previous = match standing {
        // A promotion or a rollback that was killed between its two moves.
        Some(previous) if previous == champion => tracking.alias_before(name, CHAMPION).await?,
        previous => previous,
    };
    let Some(previous) = previous.filter(|previous| *previous != champion) else {
        return Err(Failure::usage(format!(
            "model {name} has no champion before version {champion}: there is nothing to roll back to"
        )));
    };
    let version = tracking.version(name, previous).await?;
    let manifest: ModelManifest = manifest::require(store, &version.model).await?;
    manifest.check_files(store).await?;
    if !tracking
        .set_alias(name, CHAMPION, previous, Some(champion))
        .await?
    {
        let now = tracking.resolve(name, CHAMPION).await?.version;
        return Err(moved(name, now, expect));
    }
    if !tracking
        .set_alias(name, PREVIOUS_CHAMPION, champion, standing)
        .await?
    {
        tracing::warn!("previous-champion was moved by somebody else; it stays as it is");
    }
    let reason = format!("rolled back from version {champion} to version {previous}");
    tracing::info!("{reason} of {name}");
    Ok(Outputs::new()
        .set("promoted", false)
        .set("champion-version", previous)
        .set("verdict", "")
        .set("reason", reason))
}

fn moved(name: &ModelName, champion: u64, expect: u64) -> anyhow::Error {
    Failure::usage(format!(
        "version {champion} is champion of {name}, not version {expect}: nothing was moved; if \
         it was rolled back already, \
         there is nothing to do, otherwise give the version to roll back as --expect"
    ))
}
