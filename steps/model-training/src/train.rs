//! The verb `train`.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Context, Result};
use common::digest;
use common::layout;
use common::manifest::{self, File, Header, Manifest, ModelManifest};
use common::model::{Importance, importance};
use common::reference::{self, FitMetrics, ModelMetrics};
use common::scoring;
use common::step::{Outputs, Step};
use common::store::Store;
use common::tracking::{Run, RunSpec, Status, Tracking, Version};

use crate::Train;
use crate::fit::{fit, reference, warnings};
use crate::task::Task;
use crate::training_rows::{SCRATCH_BYTES, TrainingRows};

/// Passes over the training rows that progress counts on: moments, eight of Newton's, and the profiles.
const EXPECTED_PASSES: u64 = 10;
/// Features that the log shows.
const SHOWN_FEATURES: usize = 20;

/// Fits, measures, commits and registers a model, or finds that all of it is done.
pub(crate) async fn train(step: &Step, store: &Store, tracking: &Tracking, flags: &Train) -> Result<Outputs> {
    let task = Task::read(store, flags).await?;
    let key = layout::manifest(&task.folder());
    if let Some(manifest) = manifest::reusable::<ModelManifest>(store, &key, &task.inputs, step.cache()).await? {
        let metrics = manifest.load_metrics(store).await?;
        let version = record_again(step, tracking, &task, &key, &manifest, &metrics).await?;
        return Ok(outputs(&key, &version, &metrics, true));
    }
    let run = run_of(step, &task);
    let (version, metrics, reused) = tracking
        .in_run(&run, async |run| {
            run.log_params(task.params()).await?;
            let (manifest, metrics) = make(step, store, &task, run.id()).await?;
            let (manifest, reused) = manifest::commit(store, &key, manifest, step.cache()).await?;
            let version = record(tracking, &task, &key, &manifest, &metrics, run).await?;
            Ok((version, metrics, reused))
        })
        .await?;
    Ok(outputs(&key, &version, &metrics, reused))
}

/// Fits and measures the model, and writes its files; the manifest is not committed yet.
async fn make(step: &Step, store: &Store, task: &Task, run_id: &str) -> Result<(ModelManifest, ModelMetrics)> {
    let progress = step.progress(EXPECTED_PASSES * task.train.rows + task.holdout.rows, "rows").clone();
    let mut clock = Clock(Instant::now());
    let (rows, moments) = TrainingRows::read(step, task, SCRATCH_BYTES, &progress).await?;
    clock.lap("read the training data");
    let (model, fit) = fit(task, &rows, &moments).await?;
    clock.lap("fitted the model");
    let reference = reference(&rows, &moments, &model).await?;
    clock.lap("profiled the training data");
    let holdout = scoring::evaluate(step, store, &task.config, &model, &task.holdout, &progress).await?;
    clock.lap("measured the model on the holdout");

    let warnings = warnings(&fit, &moments, task);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let metrics = ModelMetrics {
        format_version: reference::FORMAT_VERSION,
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
    };
    show(&metrics);
    let folder = task.folder();
    let files = vec![
        put(store, layout::model_file(&folder, layout::MODEL_FILE), model.to_json()?).await?,
        put(store, layout::model_file(&folder, layout::METRICS_FILE), readable(&metrics)?).await?,
        put(store, layout::model_file(&folder, layout::REFERENCE_FILE), serde_json::to_vec(&reference)?).await?,
    ];
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

async fn put(store: &Store, key: String, bytes: Vec<u8>) -> Result<File> {
    let file = File { bytes: bytes.len() as u64, sha256: digest::hex(&bytes), key };
    store.put(&file.key, bytes).await?;
    Ok(file)
}

fn readable(metrics: &ModelMetrics) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(metrics).context("writing the metrics")?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn run_of(step: &Step, task: &Task) -> RunSpec {
    RunSpec::new(step, format!("train {}", task.train.data_version), &task.model_name, &task.inputs.fingerprint())
        .tag("alameda.data_version", &task.train.data_version)
        .tag("alameda.train_manifest", &task.train_key)
        .tag("alameda.holdout_manifest", &task.holdout_key)
}

/// Makes sure that a model which is committed already stands in the tracking too: the step may have died in between, or the
/// tracking may be another one.
async fn record_again(
    step: &Step,
    tracking: &Tracking,
    task: &Task,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
) -> Result<Version> {
    let fingerprint = &manifest.header().fingerprint;
    match tracking.find_run(fingerprint).await?.filter(|run| run.status == Status::Finished) {
        Some(run) => tracking.register(&task.model_name, key, fingerprint, &run.run_id).await,
        None => {
            tracking
                .in_run(&run_of(step, task), async |run| {
                    run.log_params(task.params()).await?;
                    record(tracking, task, key, manifest, metrics, run).await
                })
                .await
        }
    }
}

/// Logs what was measured, and registers the model.
async fn record(
    tracking: &Tracking,
    task: &Task,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
    run: &Run,
) -> Result<Version> {
    run.log_metrics(numbers(metrics)).await?;
    let version = tracking.register(&task.model_name, key, &manifest.header().fingerprint, run.id()).await?;
    run.set_tag("alameda.model", version.uri()).await?;
    Ok(version)
}

/// Everything measured, by name.
fn numbers(metrics: &ModelMetrics) -> Vec<(String, f64)> {
    let (holdout, fit) = (&metrics.holdout, &metrics.fit);
    let scores = [
        ("accuracy", holdout.accuracy),
        ("balanced_accuracy", holdout.balanced_accuracy),
        ("precision", holdout.precision),
        ("recall", holdout.recall),
        ("f1", holdout.f1),
        ("roc_auc", holdout.roc_auc),
        ("pr_auc", holdout.pr_auc),
        ("log_loss", holdout.log_loss),
        ("brier", holdout.brier),
        ("base_rate", holdout.base_rate),
        ("confusion.true_negatives", Some(holdout.confusion.true_negatives as f64)),
        ("confusion.false_positives", Some(holdout.confusion.false_positives as f64)),
        ("confusion.false_negatives", Some(holdout.confusion.false_negatives as f64)),
        ("confusion.true_positives", Some(holdout.confusion.true_positives as f64)),
        ("fit.iterations", Some(f64::from(fit.iterations))),
        ("fit.converged", Some(f64::from(u8::from(fit.converged)))),
        ("fit.objective", Some(fit.objective)),
    ];
    let scores = scores.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let importance = metrics.importance.iter().map(|entry| (format!("importance.{}", entry.feature), entry.importance));
    scores.chain(importance).collect()
}

/// Tells a person how good the model is, and what it looks at.
fn show(metrics: &ModelMetrics) {
    let holdout = &metrics.holdout;
    let percent = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
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
    let mut table = "importance: change of the log odds over one standard deviation of the feature".to_owned();
    let width = importance.iter().take(SHOWN_FEATURES).map(|entry| entry.feature.len()).max().unwrap_or(0);
    for entry in importance.iter().take(SHOWN_FEATURES) {
        let sign = if entry.coefficient < 0.0 { '-' } else { '+' };
        // Writing to a text does not fail.
        let _ = write!(table, "\n  {:width$}  {sign}{:.4}", entry.feature, entry.importance);
        if !entry.collinear_with.is_empty() {
            let _ = write!(
                table,
                "  collinear with {}: only their joint effect means something",
                entry.collinear_with.join(", ")
            );
        }
    }
    if importance.len() > SHOWN_FEATURES {
        let _ = write!(table, "\n  and {} more in metrics.json", importance.len() - SHOWN_FEATURES);
    }
    table
}

fn outputs(key: &str, version: &Version, metrics: &ModelMetrics, reused: bool) -> Outputs {
    Outputs::new()
        .set("model", key)
        .set("model-version", version.version)
        .set("run-id", &version.run_id)
        .set_metric("accuracy", metrics.holdout.accuracy)
        .set_metric("roc-auc", metrics.holdout.roc_auc)
        .set_metric("f1", metrics.holdout.f1)
        .set("reused", reused)
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
