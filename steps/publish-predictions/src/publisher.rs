//! Publishes one set of results.

use std::sync::Arc;

use anyhow::Result;
use catalog::manifest::{self, ModelManifest, Part, ResultsManifest};
use chrono::Utc;
use database::{Database, Publication, Published, Retention, RowSorter, Rows, Table};
use profile::profiles::Baseline;
use runtime::step::Step;
use store::Store;
use table::parts;

/// From where results go, and where to.
pub(crate) struct Publisher<'a> {
    pub(crate) step: &'a Step,
    pub(crate) store: &'a Store,
    pub(crate) database: &'a Database,
    pub(crate) table: &'a Table,
    /// How old rows become before they are dropped.
    pub(crate) retention_days: Option<u32>,
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
