//! Publishes results that earlier runs could not.

use anyhow::Result;
use catalog::layout::ModelName;
use catalog::manifest;
use catalog::results::newest as newest_results;
use database::Results;

use crate::publisher::Publisher;

/// What is caught up.
pub(crate) struct Request {
    pub(crate) model_name: ModelName,
    /// How many of the newest results are looked at.
    pub(crate) newest: usize,
}

/// Publishes what the table lacks of the newest results of a model name, the oldest first, each
/// in a transaction of its own; gives how many results that were.
pub(crate) async fn catch_up(publisher: &Publisher<'_>, request: &Request) -> Result<u64> {
    let Publisher {
        step,
        store,
        database,
        table,
        ..
    } = *publisher;
    let Request { model_name, newest } = request;
    let newest = newest_results(store, model_name, *newest, Results::new).await?;
    let lacking = database
        .lacking(table, &model_name.to_string(), &newest)
        .await?;
    let mut caught_up = 0;
    for results in &lacking {
        step.check()?;
        let key = &results.key;
        let published = async {
            let results = manifest::require(store, key).await?;
            publisher.publish(key, &results).await
        };
        match published.await {
            Ok(_) => caught_up += 1,
            // Deleted since they were looked at: there is nothing to publish any more.
            Err(_) if store.get(key).await?.is_none() => {
                tracing::info!(key, "{key} was deleted meanwhile and is left out");
            }
            Err(error) => return Err(error.context(format!("catching up on {key}"))),
        }
    }
    if caught_up > 0 {
        tracing::info!(
            caught_up,
            "caught up: {caught_up} earlier results of {model_name} were not in {table} yet"
        );
    }
    Ok(caught_up)
}
