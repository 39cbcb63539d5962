//! The verb `publish`: brings results into the database.

use anyhow::Result;
use catalog::manifest::{self, ResultsManifest};
use database::Published;
use runtime::failure::Failure;
use runtime::step::Outputs;
use store::Store;

use crate::catch_up;
use crate::publisher::Publisher;

pub(crate) struct Request {
    /// `None` when there was nothing to score.
    pub(crate) results_manifest: Option<String>,
    /// Which earlier results are published too.
    pub(crate) catch_up: Option<catch_up::Request>,
}

/// Publishes the results that are asked for, and then the earlier ones: a fault of those keeps no
/// new predictions back.
pub(crate) async fn publish(publisher: &Publisher<'_>, request: &Request) -> Result<Outputs> {
    let mut published = Published {
        rows: 0,
        reused: false,
    };
    if let Some(key) = &request.results_manifest {
        let results: ResultsManifest = manifest::require(publisher.store, key).await?;
        check_model(key, &results, request.catch_up.as_ref())?;
        published = publisher.publish(key, &results).await?;
    }
    let caught_up = match &request.catch_up {
        Some(request) => catch_up::catch_up(publisher, request).await?,
        None => 0,
    };
    Ok(Outputs::new()
        .set("rows", published.rows)
        .set("reused", published.reused)
        .set("caught-up", caught_up))
}

/// Results of one model and earlier ones of another are a mistake.
fn check_model(
    key: &str,
    results: &ResultsManifest,
    catch_up: Option<&catch_up::Request>,
) -> Result<()> {
    let Some(catch_up::Request { model_name, .. }) = catch_up else {
        return Ok(());
    };
    if results.model_name == *model_name {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{key} holds results of model {}, and --model-name is {model_name}: give the same model in \
         both, or leave --model-name out",
        results.model_name
    )))
}

/// With no database there is nothing to do but to say so; what was asked for must exist all the
/// same.
pub(crate) async fn without_database(store: &Store, key: Option<&str>) -> Result<Outputs> {
    let outputs = Outputs::new()
        .set("rows", 0)
        .set("reused", false)
        .set("caught-up", 0);
    let Some(key) = key else {
        tracing::info!("no database is configured (DATABASE_URL, or PGHOST): nothing is published");
        return Ok(outputs);
    };
    let results: ResultsManifest = manifest::require(store, key).await?;
    tracing::info!(
        rows = results.rows,
        "no database is configured (DATABASE_URL, or PGHOST): {} predictions stay in {}/{key} and are not published",
        results.rows,
        store.url()
    );
    Ok(outputs)
}
