//! Aggregates over the rows to train on: `shuffle` leaves their states for each raw file, `reduce` and
//! `commit` put these together in the order of the files.

use anyhow::Result;
use catalog::layout;
use catalog::manifest::{File, Part};
use futures::{StreamExt, TryStreamExt};
use runtime::failure::Failure;
use runtime::step::Step;
use sql::prepare::Preparation;
use sql::session::Fit;
use store::{Store, digest};
use table::config::Config;

use crate::job::{Done, Job};
use crate::map::preparation;

/// States that are read at the same time.
const CONCURRENT: usize = 8;

/// Writes the states of a raw file; `rows` counts those that they are of.
pub(crate) async fn write(
    store: &Store,
    key: String,
    ordinal: usize,
    rows: u64,
    fit: Fit,
) -> Result<Part> {
    let bytes = fit.partial()?;
    let part = Part {
        key,
        rows,
        bytes: bytes.len() as u64,
        sha256: digest::hex(&bytes),
        ordinal,
    };
    store.put(&part.key, bytes).await?;
    Ok(part)
}

/// The states of all raw files, in their order.
pub(crate) fn partials(done: &[Done]) -> impl Iterator<Item = (&str, &Part)> {
    let read = done.iter().filter(|done| done.bad.is_none());
    read.filter_map(|done| {
        let partial = done.shuffled.as_ref()?.aggregates.as_ref()?;
        Some((done.raw.key.as_str(), partial))
    })
}

/// The values over all rows to train on: tables by name.
///
/// # Errors
/// States that are gone or were changed; more keys than there is memory for: exit 2.
pub(crate) async fn values(
    step: &Step,
    store: &Store,
    preparation: &Preparation,
    done: &[Done],
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut fit = preparation.fit(&step.with_threads(1))?;
    let mut states = futures::stream::iter(partials(done))
        .map(async |(file, partial)| {
            let bytes = store.require(&partial.key).await?;
            if digest::hex(&bytes) != partial.sha256 {
                return Err(Failure::damaged(format!(
                    "{} was changed since it was written: submit again with cache=refresh",
                    partial.key
                )));
            }
            Ok((file, bytes))
        })
        .buffered(CONCURRENT);
    while let Some((file, bytes)) = states.try_next().await? {
        step.check()?;
        fit.merge(file, &bytes)?;
    }
    fit.finish()
}

/// The configuration with the values of its aggregates, pinned, and their files; as it is planned
/// where there are none.
pub(crate) async fn pin(
    step: &Step,
    store: &Store,
    job: &Job,
    done: &[Done],
) -> Result<(String, Vec<File>)> {
    if partials(done).next().is_none() {
        return Ok((job.config.clone(), Vec::new()));
    }
    let config = Config::load(store, &job.config).await?;
    let preparation = preparation(step, store, job).await?;
    let tables = values(step, store, &preparation, done).await?;
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
