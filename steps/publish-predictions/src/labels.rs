//! Fills labels that came later into the published predictions.

use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::manifest::{self, ModelManifest, ResultsManifest};
use database::{Database, LabelSorter, Labelled, Labelling, Labels, Publication, Table};
use runtime::step::{Outputs, Step};
use runtime::work::Work;
use store::{Object, Store};
use table::config::Config;
use table::labels::{self, LabelReader};

pub(crate) struct Request {
    pub(crate) results_manifest: String,
    pub(crate) labels_glob: String,
}

pub(crate) async fn fill(
    step: &Step,
    store: &Store,
    raw: &Store,
    database: &Database,
    table: &Table,
    request: &Request,
) -> Result<Outputs> {
    let results: ResultsManifest = manifest::require(store, &request.results_manifest).await?;
    let model: ModelManifest = manifest::require(store, &results.model).await?;
    let config = Config::load(store, &model.config).await?;
    let found = labels::search(raw, &request.labels_glob).await?;
    if let Some(unmatched) = found.unmatched(&request.labels_glob) {
        tracing::warn!("{unmatched}; check LABELS_GLOB");
    }
    let files = found.files;
    if files.is_empty() {
        tracing::info!(
            "no label file matches {} in {}: there are no labels to write",
            request.labels_glob,
            raw.url()
        );
        return Ok(outputs(Labelled::default()));
    }
    let publication = Publication::new(&results, step.workflow())?;
    let labelling = Labelling::new(&publication, &config.dataset, &files, step.workflow())?;
    let labelled = match database.labelled(table, &labelling).await? {
        Some(labelled) => labelled,
        None => {
            let reader = LabelReader::new(&config.dataset, &labelling.keys())?;
            database
                .label(table, &sorted(step, raw, reader, &labelling, files).await?)
                .await?
        }
    };
    report(table, &labelled);
    Ok(outputs(labelled))
}

/// Reads all label files, and sorts their labels by key.
async fn sorted(
    step: &Step,
    raw: &Store,
    reader: LabelReader,
    labelling: &Labelling,
    files: Vec<Object>,
) -> Result<Labels> {
    let progress = step.progress(files.len() as u64, "label files").clone();
    let scratch = step.scratch()?;
    let reading = Arc::new(Reading {
        step: step.clone(),
        raw: raw.clone(),
        reader,
        sorter: LabelSorter::new(labelling, step.work().in_folder(scratch.path())),
        work: step.work().in_folder(scratch.path()),
    });
    let read = {
        let reading = reading.clone();
        move |(number, file): (usize, Object)| {
            reading
                .file(number, &file)
                .with_context(|| format!("reading {}", file.key))?;
            progress.advance(1);
            Ok(())
        }
    };
    step.each(files.into_iter().enumerate(), read).await?;
    reading.sorter.finish()
}

/// What reading a label file takes.
struct Reading {
    step: Step,
    raw: Store,
    reader: LabelReader,
    sorter: LabelSorter,
    work: Work,
}

impl Reading {
    fn file(&self, number: usize, file: &Object) -> Result<()> {
        for rows in self.reader.read(&self.raw, file, &self.work)? {
            self.step.check()?;
            self.sorter.push(number, &rows?)?;
        }
        Ok(())
    }
}

fn report(table: &Table, labelled: &Labelled) {
    let Labelled {
        labels,
        changed,
        absent,
        reused,
    } = *labelled;
    let when = if reused { "before" } else { "now" };
    tracing::info!(
        labels,
        changed,
        absent,
        "{labels} labels: {changed} rows of {table} were filled in {when}"
    );
    if absent > 0 {
        tracing::warn!(absent, "{absent} of {labels} labels have no row in {table}");
    }
}

/// With no database there is nothing to do but to say so; what was asked for must exist all the
/// same.
pub(crate) async fn without_database(store: &Store, key: &str) -> Result<Outputs> {
    manifest::require::<ResultsManifest>(store, key).await?;
    tracing::info!("no database is configured (DATABASE_URL, or PGHOST): no labels are written");
    Ok(outputs(Labelled::default()))
}

fn outputs(labelled: Labelled) -> Outputs {
    Outputs::new()
        .set("labels", labelled.labels)
        .set("changed", labelled.changed)
        .set("absent", labelled.absent)
        .set("reused", labelled.reused)
}
