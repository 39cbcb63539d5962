//! `report`: from results, model and labels to `report.json` and `report.html`.

mod categories;
mod content;
mod drift;
mod findings;
pub(crate) mod performance;
mod plausible;

use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::layout;
use catalog::manifest::{self, File, Header, Inputs, Manifest};
use learn::fitted_model::Reader;
use learn::task::{Binary, Report, Task};
use pages::content::{Committed, Content, REPORT_VERSION};
use pages::judge::Rules;
use pages::page;
use profile::cells::Compared;
use profile::drift::Verdict;
use runtime::step::{Cache, Outputs, Step};
use runtime::threads::blocking;
use runtime::work::Work;
use settings::FailOn;
use store::Store;
use store::digest;
use store::spill::Sorters;
use tracking::{RunSpec, Tracking};

use crate::join::join;
use crate::joined::Joined;
use crate::of_task;
use crate::record::{record, record_again, run_of};
use crate::rows::{Joinable, LabelWords, OfTwo, Placed, RowRecord, WeighedOfTwo};
use crate::scan::{Divisions, Scan, fitting, scan_labels, scan_parts};
use crate::segments::Segmentation;
use crate::subject::Subject;

/// Findings that the error text of a failure lists.
const SHOWN_REASONS: usize = 3;

/// Whether a verdict makes the step fail.
fn refuses(fail_on: FailOn, verdict: Verdict) -> bool {
    match fail_on {
        FailOn::Alert => verdict == Verdict::Alert,
        FailOn::Warn => verdict >= Verdict::Warn,
        FailOn::Never => false,
    }
}

pub(crate) struct Request {
    pub(crate) fail_on: FailOn,
    pub(crate) results_manifest: String,
    pub(crate) labels_glob: String,
    pub(crate) rules: Rules,
}

/// Makes the report and its tracking run, or finds that both are done.
pub(crate) async fn report(
    step: &Step,
    store: &Store,
    raw: &Store,
    tracking: &Tracking,
    request: &Request,
) -> Result<Outputs> {
    let (key, glob) = (&request.results_manifest, &request.labels_glob);
    let subject = Arc::new(Subject::load(store, raw, key, glob, step.timezone()).await?);
    if let Some(unknown) = subject.unknown(&request.rules) {
        tracing::warn!("{unknown}");
    }
    let inputs = subject.inputs(step, &request.rules);
    let results = &subject.results;
    let folder = layout::report(
        &results.data_version,
        &results.model_name,
        results.model_version,
    );
    let run = run_of(step, &subject, &inputs);
    if let Some((committed, html)) = reusable(step, store, &folder, &inputs).await? {
        record_again(tracking, store, &run, &subject, &committed).await?;
        let page = page_of(tracking, &run).await?;
        return Ok(outputs(&committed, html, true, request.fail_on, page));
    }
    let (committed, html) = tracking
        .in_run(&run, async |run| {
            let content = content(step, store, raw, &subject, &request.rules).await?;
            let (committed, html) = commit(
                step,
                store,
                &folder,
                header(inputs, &subject, step),
                content,
            )
            .await?;
            record(store, &subject, &committed, run).await?;
            Ok((committed, html))
        })
        .await?;
    let page = page_of(tracking, &run).await?;
    Ok(outputs(&committed, html, false, request.fail_on, page))
}

/// Where the run is shown; empty where nothing shows it.
async fn page_of(tracking: &Tracking, run: &RunSpec) -> Result<String> {
    let Some(found) = tracking.find_run(&run.model_name, &run.fingerprint).await? else {
        return Ok(String::new());
    };
    Ok(tracking
        .run(&found.run_id)
        .await?
        .and_then(|run| run.url)
        .unwrap_or_default())
}

/// The report that is committed, if it is of the same inputs and whole.
///
/// Of other inputs it is made again without being asked: later labels are expected to come.
async fn reusable(
    step: &Step,
    store: &Store,
    folder: &str,
    inputs: &Inputs,
) -> Result<Option<(Committed, Vec<u8>)>> {
    let key = layout::report_json(folder);
    if step.cache() == Cache::Refresh {
        return Ok(None);
    }
    // A report of another version, or a damaged one, is of no use and in nobody's way.
    let Some(bytes) = store.get(&key).await? else {
        return Ok(None);
    };
    let Ok(committed) = serde_json::from_slice::<Committed>(&bytes) else {
        tracing::warn!(
            key,
            "the committed report can't be read; it is written again"
        );
        return Ok(None);
    };
    let current = committed.header().format_version == manifest::FORMAT_VERSION
        && committed.content.report_version == REPORT_VERSION
        && committed.header().fingerprint == inputs.fingerprint();
    if !current {
        tracing::info!(
            key,
            "other inputs than the committed report:{}",
            inputs.differences(&committed.header().inputs)
        );
        return Ok(None);
    }
    match store.get(&committed.html.key).await? {
        Some(html) if digest::hex(&html) == committed.html.sha256 => {
            tracing::info!(
                key,
                workflow = committed.header().workflow,
                "reusing the committed report"
            );
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
    subject: &Arc<Subject>,
    rules: &Rules,
) -> Result<Content> {
    let scratch = step.scratch()?;
    let step = &fitting(step, subject)?;
    let work = step.work().in_folder(scratch.path());
    let divisions = Divisions::of(subject);
    let reading = Reading {
        step,
        store,
        raw,
        subject,
        divisions: &divisions,
        work: &work,
    };
    let (scan, joined) = match &subject.of_two {
        Some(of_two) if subject.weight().is_some() => {
            reading.of_two::<WeighedOfTwo>(of_two.threshold).await?
        }
        Some(of_two) => reading.of_two::<OfTwo>(of_two.threshold).await?,
        None => reading.of_task().await?,
    };
    let content = content::content(subject, &scan, &joined, &divisions, rules, step.timezone())?;
    for text in findings::ruinous(&content) {
        tracing::warn!("{text}");
    }
    Ok(content)
}

/// What rows are read with.
struct Reading<'a> {
    step: &'a Step,
    store: &'a Store,
    raw: &'a Store,
    subject: &'a Arc<Subject>,
    divisions: &'a Divisions,
    work: &'a Work,
}

impl Reading<'_> {
    /// Of two classes: everything that is measured of a row is kept beside its key.
    async fn of_two<K: Joinable>(self, threshold: f64) -> Result<(Scan, Joined)> {
        let (scan, rows, late) = self.scan::<K>().await?;
        let (step, work) = (self.step.clone(), self.work.clone());
        let segmentation = self.segmentation(threshold);
        let joined = blocking(move || {
            let (rows, late) = (rows.finish()?, late.finish()?);
            join::<K>(&step, rows, late, threshold, segmentation, &work)
        });
        Ok((scan, joined.await?))
    }

    /// Of another task: once the late label of each row is known, the outputs are read again.
    async fn of_task(self) -> Result<(Scan, Joined)> {
        let (scan, rows, late) = self.scan::<Placed>().await?;
        let (step, work, store) = (self.step.clone(), self.work.clone(), self.store.clone());
        let (subject, segmentation) = (self.subject.clone(), self.segmentation(0.0));
        let dictionaries = self.divisions.dictionaries.clone();
        let farthest = scan.score.far.farthest.map(|row| row.place);
        let joined = blocking(move || {
            let (rows, late) = (rows.finish()?, late.finish()?);
            let matched = of_task::match_labels(&step, rows, late, &work)?;
            let read = of_task::Read {
                step: &step,
                store: &store,
                subject: &subject,
                dictionaries: &dictionaries,
                work: &work,
            };
            of_task::measure(&read, segmentation, matched, farthest)
        });
        Ok((scan, joined.await?))
    }

    /// Profiles of the rows, and rows and late labels to be sorted.
    async fn scan<K: RowRecord>(&self) -> Result<(Scan, Sorters<K::Words>, Sorters<LabelWords>)> {
        let memory = self.work.sorter_memory();
        let rows = Sorters::with_memory(self.work, memory);
        let late = Sorters::with_memory(self.work, memory);
        let (step, subject) = (self.step, self.subject);
        let scan = scan_parts::<K>(step, self.store, subject, self.divisions, &rows).await?;
        scan_labels(step, self.raw, subject, self.work, &late).await?;
        Ok((scan, rows, late))
    }

    /// Of no rows yet, by tenths of the training data's scores.
    fn segmentation(&self, threshold: f64) -> Segmentation {
        let score = &self.subject.baseline.score;
        let trained = Compared::new(score.cells(), score.side(), score.side());
        let tenths = trained.tenths().into_iter();
        let cuts = tenths.map(|at| score.cells().cuts()[at]).collect();
        Segmentation::new(threshold, cuts, self.subject.segment_columns().len())
    }
}

/// The same whenever it is made: created when the rows were scored.
fn header(inputs: Inputs, subject: &Subject, step: &Step) -> Header {
    Header {
        created_at: subject.results.header.created_at,
        ..Header::new(inputs, step)
    }
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
    let file = File {
        key,
        bytes: html.len() as u64,
        sha256: digest::hex(&html),
    };
    let committed = Committed {
        header,
        html: file,
        content,
    };
    let key = layout::report_json(folder);
    store
        .put_json(&key, &committed)
        .await
        .with_context(|| format!("committing {key}"))?;
    tracing::info!(key, verdict = %committed.content.verdict, "the verdict is {}", committed.content.verdict);
    Ok((committed, html))
}

/// The metric that a gate compares by default, on the rows with a label and a prediction.
fn gate_metric(content: &Content) -> (&'static str, Option<f64>) {
    let performance = &content.performance;
    let tasks = &Reader::known().tasks;
    let task = match &performance.of_task {
        None => Ok(&Binary as &dyn Task),
        Some(of_task) => tasks.get(&of_task.task),
    };
    let Ok(name) = task.map(|task| task.gate_metric()) else {
        return ("", None);
    };
    let value = match (&performance.of_task, &performance.overall) {
        (Some(of_task), _) => of_task.now.as_ref().and_then(|now| now.number(name)),
        (None, Some(overall)) => Report::Binary(Box::new(overall.clone())).number(name),
        (None, None) => None,
    };
    (name, value)
}

fn outputs(
    committed: &Committed,
    html: Vec<u8>,
    reused: bool,
    fail_on: FailOn,
    run_page: String,
) -> Outputs {
    let content = &committed.content;
    let accuracy = content
        .performance
        .overall
        .as_ref()
        .and_then(|overall| overall.accuracy);
    let (name, metric) = gate_metric(content);
    let outputs = Outputs::new()
        .set("verdict", content.verdict)
        .set("report", &committed.html.key)
        .set("rows", content.quality.rows)
        .set_metric("label-coverage", content.performance.label_coverage)
        .set_metric("accuracy", accuracy)
        .set("metric-name", name)
        .set_metric("metric", metric)
        .set_metric("psi-max", content.drift.psi_max)
        .set("drifted-features", content.drift.drifted_features)
        .set("mlflow-run-url", run_page)
        .set("reused", reused)
        .file("report.html", html);
    if !refuses(fail_on, content.verdict) {
        return outputs;
    }
    let why: String = content
        .findings
        .iter()
        .take(SHOWN_REASONS)
        .map(|finding| format!("\n  {}", finding.text))
        .collect();
    outputs.refusing(format!(
        "the verdict on version {} of {} and data version {} is {}:{why}\nread {}; --fail-on=never (REPORT_FAIL_ON) reports \
         without failing",
        content.model_version, content.model_name, content.data_version, content.verdict, committed.html.key
    ))
}
