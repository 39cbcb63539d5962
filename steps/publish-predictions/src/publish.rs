//! Brings results into the database.

use std::sync::Arc;

use anyhow::Result;
use catalog::manifest::{self, ModelManifest, Part, ResultsManifest};
use chrono::Utc;
use database::{Database, Publication, Published, Retention, RowSorter, Rows, Table};
use profile::profiles::Baseline;
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use store::Store;
use table::parts;

use crate::catch_up;

pub(crate) struct Request {
    /// `None` when there was nothing to score.
    pub(crate) results_manifest: Option<String>,
    /// Which earlier results are published too.
    pub(crate) catch_up: Option<catch_up::Request>,
}

/// From where results go, and where to.
pub(crate) struct Publisher<'a> {
    pub(crate) step: &'a Step,
    pub(crate) store: &'a Store,
    pub(crate) database: &'a Database,
    pub(crate) table: &'a Table,
    /// How old rows become before they are dropped.
    pub(crate) retention_days: Option<u32>,
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

impl Publisher<'_> {
    /// Publishes one set of results, unless it is published already.
    pub(crate) async fn publish(&self, key: &str, results: &ResultsManifest) -> Result<Published> {
        let Self {
            step,
            store,
            database,
            table,
            retention_days,
        } = *self;
        let publication = Publication::new(results, step.workflow())?;
        // Before anything is published: the next run would fail at the same place.
        let retention = retention_days
            .map(|days| Retention::new(&publication, days))
            .transpose()?;
        let published = match database.published(table, &publication).await? {
            Some(published) => published,
            None => {
                let rows = sorted(step, store, results, &publication).await?;
                database.publish(table, &rows).await?
            }
        };
        if let Some(retention) = &retention {
            database.retain(table, retention, Utc::now()).await?;
        }
        let done = if published.reused {
            "were published before"
        } else {
            "are published"
        };
        tracing::info!(
            rows = published.rows,
            "{} predictions of {key} {done} in {table}",
            published.rows
        );
        Ok(published)
    }
}

/// Reads the rows of all parts, and sorts them by their key.
async fn sorted(
    step: &Step,
    store: &Store,
    results: &ResultsManifest,
    publication: &Publication,
) -> Result<Rows> {
    // Each row is read once and sent once.
    step.progress(2 * results.rows, "rows");
    let mut sorter = RowSorter::new(publication, step.work());
    if let Some(baseline) = baseline(step, store, results).await? {
        // Each thread has profiles of its own, and then there are those of all.
        sorter = sorter.profiling(&baseline, step.memory() / (4 * (step.threads() as u64 + 1)))?;
    }
    let sorter = Arc::new(sorter);
    let reading = Reading {
        step: step.clone(),
        store: store.clone(),
        columns: publication.columns(),
        sorter,
    };
    let sorter = reading.sorter.clone();
    step.each(
        results.parts.clone().into_iter().enumerate(),
        move |(number, part)| reading.part(number, &part),
    )
    .await?;
    sorter.finish()
}

/// What the rows are profiled by: what was saved beside their model.
async fn baseline(
    step: &Step,
    store: &Store,
    results: &ResultsManifest,
) -> Result<Option<Arc<Baseline>>> {
    let Some(model) = manifest::read::<ModelManifest>(store, &results.model).await? else {
        tracing::warn!(
            "there is no model manifest {} in {}: the predictions are published without profiles",
            results.model,
            store.url()
        );
        return Ok(None);
    };
    Ok(Some(Arc::new(
        model.load_baseline(store, step.timezone()).await?,
    )))
}

/// What reading a part takes.
#[derive(Clone)]
struct Reading {
    step: Step,
    store: Store,
    columns: Vec<String>,
    sorter: Arc<RowSorter>,
}

impl Reading {
    fn part(&self, number: usize, part: &Part) -> Result<()> {
        let file = parts::local(&self.store, &part.key, &part.sha256)?;
        for batch in parts::read(&file, &self.columns, self.step.work())? {
            self.step.check()?;
            let batch = batch?;
            self.sorter.push(number, &batch)?;
            self.step
                .current_progress()
                .advance(batch.num_rows() as u64);
        }
        Ok(())
    }
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
