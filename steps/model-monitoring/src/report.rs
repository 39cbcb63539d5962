//! `report`: from results, model and labels to `report.json` and `report.html`.

use anyhow::{Context, Result};
use common::digest;
use common::drift::Thresholds;
use common::layout;
use common::manifest::{self, File, Header, Inputs, Manifest};
use common::spill::Sorters;
use common::step::{Cache, Outputs, Step, blocking};
use common::store::Store;
use common::tracking::Tracking;

use crate::content::{Committed, Content, REPORT_VERSION};
use crate::join::join;
use crate::judge;
use crate::page;
use crate::record::{record, record_again, run_of};
use crate::scan::{scan_labels, scan_parts, sorter_memory};
use crate::subject::Subject;

/// What is asked for.
pub(crate) struct Request {
    pub(crate) results_manifest: String,
    pub(crate) labels_glob: String,
    pub(crate) thresholds: Thresholds,
}

/// Makes the report and its tracking run, or finds that both are done.
pub(crate) async fn report(
    step: &Step,
    store: &Store,
    raw: &Store,
    tracking: &Tracking,
    request: &Request,
) -> Result<Outputs> {
    let subject = Subject::load(store, raw, &request.results_manifest, &request.labels_glob).await?;
    let inputs = subject.inputs(step, &request.thresholds);
    let results = &subject.results;
    let folder = layout::report(&results.data_version, &results.model_name, results.model_version);
    let run = run_of(step, &subject, &inputs);
    if let Some((committed, html)) = reusable(step, store, &folder, &inputs).await? {
        record_again(tracking, store, &run, &subject, &committed).await?;
        return Ok(outputs(&committed, html, true));
    }
    tracking
        .in_run(&run, async |run| {
            let content = content(step, store, raw, &subject, &request.thresholds).await?;
            let (committed, html) = commit(step, store, &folder, header(inputs, &subject, step), content).await?;
            record(store, &subject, &committed, run).await?;
            Ok(outputs(&committed, html, false))
        })
        .await
}

/// The report that is committed, if it is of the same inputs and whole.
///
/// Of other inputs it is made anew without being asked: later labels are expected to come.
async fn reusable(step: &Step, store: &Store, folder: &str, inputs: &Inputs) -> Result<Option<(Committed, Vec<u8>)>> {
    let key = layout::report_json(folder);
    if step.cache() == Cache::Refresh {
        return Ok(None);
    }
    // A report of another version, or a damaged one, is of no use and in nobody's way.
    let Some(bytes) = store.get(&key).await? else { return Ok(None) };
    let Ok(committed) = serde_json::from_slice::<Committed>(&bytes) else {
        tracing::warn!(key, "the report that is committed can't be read; it is made anew");
        return Ok(None);
    };
    let current = committed.header().format_version == manifest::FORMAT_VERSION
        && committed.content.report_version == REPORT_VERSION
        && committed.header().fingerprint == inputs.fingerprint();
    if !current {
        tracing::info!(
            key,
            "other inputs than the report that is committed:{}",
            inputs.differences(&committed.header().inputs)
        );
        return Ok(None);
    }
    match store.get(&committed.html.key).await? {
        Some(html) if digest::hex(&html) == committed.html.sha256 => {
            tracing::info!(key, workflow = committed.header().workflow, "reusing the report that is committed");
            Ok(Some((committed, html)))
        }
        _ => Ok(None),
    }
}

/// Reads the rows and says what they show.
async fn content(
    step: &Step,
    store: &Store,
    raw: &Store,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Content> {
    let scratch = step.scratch()?;
    let memory = sorter_memory(step);
    let (rows, late) = (Sorters::with_memory(scratch.path(), memory), Sorters::with_memory(scratch.path(), memory));
    let scan = scan_parts(step, store, subject, &rows).await?;
    scan_labels(step, raw, subject, scratch.path(), &late).await?;
    let threshold = subject.model.threshold;
    let (joining, folder) = (step.clone(), scratch.path().to_owned());
    let joined = blocking(move || join(&joining, rows.finish()?, late.finish()?, threshold, &folder, memory)).await?;
    judge::content(subject, &scan, joined, *thresholds, step.timezone().name())
}

/// The same whenever it is made: created when the rows were scored.
fn header(inputs: Inputs, subject: &Subject, step: &Step) -> Header {
    Header { created_at: subject.results.header.created_at, ..Header::new(inputs, step) }
}

/// Writes the page, then the commit.
async fn commit(
    step: &Step,
    store: &Store,
    folder: &str,
    header: Header,
    content: Content,
) -> Result<(Committed, Vec<u8>)> {
    let html = page::render(&content, &header.fingerprint).into_bytes();
    let key = layout::report_html(folder);
    step.check()?;
    store.put(&key, html.clone()).await?;
    let file = File { key, bytes: html.len() as u64, sha256: digest::hex(&html) };
    let committed = Committed { header, html: file, content };
    let key = layout::report_json(folder);
    store.put_json(&key, &committed).await.with_context(|| format!("committing {key}"))?;
    tracing::info!(key, verdict = %committed.content.verdict, "the verdict is {}", committed.content.verdict);
    Ok((committed, html))
}

fn outputs(committed: &Committed, html: Vec<u8>, reused: bool) -> Outputs {
    let drift = &committed.content.drift;
    let columns = drift.features.iter().chain([&drift.score]);
    let psi = columns.filter_map(|column| column.psi.as_ref()).map(|psi| psi.value).max_by(f64::total_cmp);
    Outputs::new()
        .set("verdict", committed.content.verdict)
        .set_metric("psi", psi)
        .set("report", &committed.html.key)
        .set("reused", reused)
        .file("report.html", html)
}
