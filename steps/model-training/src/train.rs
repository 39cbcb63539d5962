//! The verb `train`.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Context, Result};
use catalog::layout;
use catalog::manifest::{self, File, Header, ModelManifest};
use catalog::model_files::{FitMetrics, METRICS_VERSION, ModelMetrics};
use learn::model::{Importance, importance};
use runtime::failure::Failure;
use runtime::step::{Cache, Outputs, Step};
use store::Store;
use store::digest;
use table::scoring;
use tracking::{Tracking, Version};

use crate::Train;
use crate::categories;
use crate::extremes;
use crate::fit::{fit, warnings};
use crate::memory;
use crate::record::{record, record_again, run_of};
use crate::reference::reference;
use crate::task::Task;
use crate::training_rows::{SCRATCH_BYTES, TrainingRows};

/// Passes over the training rows that progress counts on: moments, eight of Newton's, and two of
/// the profiles.
const EXPECTED_PASSES: u64 = 11;
/// Warnings in the output parameter, and characters of each.
const OUTPUT_WARNINGS: usize = 5;
const OUTPUT_CHARACTERS: usize = 300;
/// Features that the log shows.
const SHOWN_FEATURES: usize = 20;

/// Fits, measures, commits and registers a model, or finds that all of it is done.
pub(crate) async fn train(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    flags: &Train,
) -> Result<Outputs> {
    let task = Task::read(step, store, flags).await?;
    let key = layout::manifest(&task.folder());
    if let Some(manifest) =
        manifest::reusable::<ModelManifest>(store, &key, &task.inputs, step.cache()).await?
    {
        let metrics = manifest.load_metrics(store).await?;
        let version = record_again(step, store, tracking, &task, &key, &manifest, &metrics).await?;
        return outputs(tracking, &key, &version, &metrics, true).await;
    }
    // A manifest that is not whole is made again, with its files.
    let replaces = step.cache() == Cache::Refresh || store.size(&key).await?.is_some();
    let run = run_of(step, &task);
    let (version, metrics, reused) = tracking
        .in_run(&run, async |run| {
            run.log_params(task.params()).await?;
            let (manifest, metrics) = make(step, store, &task, run.id(), replaces).await?;
            let (manifest, reused) = manifest::commit(store, &key, manifest, step.cache()).await?;
            let metrics = match reused {
                true => manifest.load_metrics(store).await?,
                false => metrics,
            };
            let version = record(store, tracking, &task, &key, &manifest, &metrics, run).await?;
            Ok((version, metrics, reused))
        })
        .await?;
    outputs(tracking, &key, &version, &metrics, reused).await
}

/// Fits and measures the model, and writes its files; the manifest is not committed yet.
async fn make(
    step: &Step,
    store: &Store,
    task: &Task,
    run_id: &str,
    replaces: bool,
) -> Result<(ModelManifest, ModelMetrics)> {
    let progress = step
        .progress(
            EXPECTED_PASSES * task.train.rows + task.holdout.rows,
            "rows",
        )
        .clone();
    let mut clock = Clock(Instant::now());
    let step = &memory::fitting(step, task.rows.features().len())?;
    let (rows, moments) = TrainingRows::read(step, task, SCRATCH_BYTES, &progress).await?;
    clock.lap("read the training data");
    let (model, fit) = fit(store, task, &rows, &moments).await?;
    clock.lap("fitted the model");
    let (mut reference, ruinous) = reference(step, &rows, &moments, &model).await?;
    let profiled = categories::profile(step, store, &task.segment_columns, &task.train).await?;
    reference.categories = profiled;
    clock.lap("profiled the training data");
    let holdout =
        scoring::evaluate(step, store, &task.config, &model, &task.holdout, &progress).await?;
    clock.lap("measured the model on the holdout");

    let ruinous = extremes::describe(store, task, &rows, &ruinous).await?;
    let mut warnings = warnings(&fit, &moments, task, ruinous);
    warnings.extend(task.train.warnings.iter().cloned());
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let metrics = ModelMetrics {
        format_version: METRICS_VERSION,
        holdout,
        fit: FitMetrics {
            rows: moments.rows(),
            positives: moments.classes()[1],
            iterations: fit.iterations,
            converged: fit.converged,
            objective: fit.objective,
            max_gradient: fit.max_gradient,
        },
        importance: importance(&model, &moments),
        warnings: warnings.clone(),
    };
    show(&metrics);
    let files = [
        (layout::MODEL_FILE, model.to_json()?),
        (layout::METRICS_FILE, readable(&metrics)?),
        (layout::REFERENCE_FILE, serde_json::to_vec(&reference)?),
    ];
    let files = put(store, task, files, replaces).await?;
    let manifest = ModelManifest {
        header: Header::new(task.inputs.clone(), step),
        model_name: task.model_name.clone(),
        config: task.train.config.clone(),
        data_version: task.train.data_version.clone(),
        train_manifest: task.train_key.clone(),
        holdout_manifest: task.holdout_key.clone(),
        features: model.features,
        files,
        run_id: run_id.to_owned(),
        warnings,
    };
    Ok((manifest, metrics))
}

/// Writes the model's files.
///
/// Whoever makes the same model at the same time writes the same bytes, and a manifest may be
/// committed to what is there: other bytes never replace it unasked.
///
/// # Errors
/// Other bytes of the same inputs are there: exit 2.
async fn put(
    store: &Store,
    task: &Task,
    contents: [(&str, Vec<u8>); 3],
    replaces: bool,
) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (name, bytes) in contents {
        let file = File {
            bytes: bytes.len() as u64,
            sha256: digest::hex(&bytes),
            key: layout::model_file(&task.folder(), name),
        };
        if replaces {
            store.put(&file.key, bytes).await?;
        } else if !store.put_new(&file.key, bytes).await?
            && digest::hex(&store.require(&file.key).await?) != file.sha256
        {
            return Err(Failure::usage(format!(
                "{} is there with other bytes than this program makes from the same inputs: \
                 another release is training the same model, or was stopped while it did; wait \
                 until it is done, or give cache=refresh to replace what it wrote",
                file.key
            )));
        }
        files.push(file);
    }
    Ok(files)
}

fn readable(metrics: &ModelMetrics) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(metrics).context("writing the metrics")?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Tells a person how good the model is, and what it looks at.
fn show(metrics: &ModelMetrics) {
    let holdout = &metrics.holdout;
    let percent =
        |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
    // Always predicting the more frequent class is right this often.
    let baseline = holdout.base_rate.map(|rate| rate.max(1.0 - rate));
    tracing::info!(
        rows = holdout.rows,
        accuracy = holdout.accuracy,
        roc_auc = holdout.roc_auc,
        f1 = holdout.f1,
        "holdout: accuracy {} (always the more frequent class: {}), ROC AUC {}, precision {}, recall {}, F1 {}",
        percent(holdout.accuracy),
        percent(baseline),
        percent(holdout.roc_auc),
        percent(holdout.precision),
        percent(holdout.recall),
        percent(holdout.f1),
    );
    tracing::info!("{}", table(&metrics.importance));
}

fn table(importance: &[Importance]) -> String {
    let mut table =
        "importance: change of the log odds over one standard deviation of the feature".to_owned();
    let width = importance
        .iter()
        .take(SHOWN_FEATURES)
        .map(|entry| entry.feature.len())
        .max()
        .unwrap_or(0);
    for entry in importance.iter().take(SHOWN_FEATURES) {
        let sign = if entry.coefficient < 0.0 { '-' } else { '+' };
        // Writing to a text does not fail.
        let _ = write!(
            table,
            "\n  {:width$}  {sign}{:.4}",
            entry.feature, entry.importance
        );
        if !entry.collinear_with.is_empty() {
            let _ = write!(
                table,
                "  collinear with {}: only their joint effect means something",
                entry.collinear_with.join(", ")
            );
        }
    }
    if importance.len() > SHOWN_FEATURES {
        let _ = write!(
            table,
            "\n  and {} more in metrics.json",
            importance.len() - SHOWN_FEATURES
        );
    }
    table
}

async fn outputs(
    tracking: &Tracking,
    key: &str,
    version: &Version,
    metrics: &ModelMetrics,
    reused: bool,
) -> Result<Outputs> {
    let page = tracking
        .run(&version.run_id)
        .await?
        .and_then(|run| run.url)
        .unwrap_or_default();
    Ok(Outputs::new()
        .set("model", key)
        .set("model-version", version.version)
        .set("run-id", &version.run_id)
        .set("mlflow-run-url", page)
        .set_metric("accuracy", metrics.holdout.accuracy)
        .set_metric("roc-auc", metrics.holdout.roc_auc)
        .set_metric("f1", metrics.holdout.f1)
        .set("warnings", output_of(&metrics.warnings))
        .set("reused", reused))
}

/// Warnings in one line, as an output parameter holds them: the first ones, each cut, because a
/// workflow repeats its outputs in one object of limited size. `metrics.json` has all of them.
fn output_of(warnings: &[String]) -> String {
    let cut = |text: &String| match text.char_indices().nth(OUTPUT_CHARACTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.clone(),
    };
    let mut lines: Vec<String> = warnings.iter().take(OUTPUT_WARNINGS).map(cut).collect();
    if warnings.len() > OUTPUT_WARNINGS {
        let more = warnings.len() - OUTPUT_WARNINGS;
        lines.push(format!("and {more} more in {}", layout::METRICS_FILE));
    }
    lines.join(" | ")
}

/// Tells how long each phase took.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self, what: &str) {
        let elapsed_ms = self.0.elapsed().as_millis() as u64;
        tracing::info!(elapsed_ms, "{what}");
        self.0 = Instant::now();
    }
}
