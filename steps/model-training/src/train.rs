//! The verb `train`.

use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;
use catalog::layout;
use catalog::manifest::{self, File, Header, ModelManifest};
use catalog::model_files::{METRICS_VERSION, ModelMetrics, Selection, TUNED_VERSION};
use learn::model::Importance;
use learn::models::Chosen;
use learn::task::Task;
use runtime::failure::Failure;
use runtime::step::{Cache, Outputs, Progress, Step};
use store::{Store, digest, json_bytes};
use table::scoring;
use tracking::Tracking;

use crate::Training;
use crate::categories;
use crate::extremes;
use crate::fit::{self, Fit, warnings};
use crate::fitted::{Fitted, On, fitted};
use crate::holdout;
use crate::job::Job;
use crate::record::{Recorded, record, record_again, run_of};
use crate::reference::{self, Natural};
use crate::rounded;
use crate::select;
use crate::texts::{chosen, every_metric, four};
use crate::training_rows::{SCRATCH_BYTES, TrainingRows};
use crate::tune;
use crate::{onnx, pyfunc};

/// Passes over the training rows beside those of the fit, that progress counts on.
const PROFILE_PASSES: u64 = 2;
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
    flags: &Training,
) -> Result<Outputs> {
    let job = Job::read(store, flags).await?;
    make_of(step, store, tracking, &job).await
}

/// Does the job, or finds that all of it is done.
pub(crate) async fn make_of(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    job: &Job,
) -> Result<Outputs> {
    let key = job.manifest_key();
    if let Some(manifest) =
        manifest::reusable::<ModelManifest>(store, &key, &job.inputs, step.cache()).await?
    {
        let metrics = manifest.load_metrics(store).await?;
        let recorded = record_again(step, store, tracking, job, &key, &manifest, &metrics).await?;
        return outputs(
            tracking,
            job.data.goal.task,
            &key,
            &recorded,
            &metrics,
            true,
        )
        .await;
    }
    // A manifest that is not whole is made again, with its files.
    let replaces = step.cache() == Cache::Refresh || store.size(&key).await?.is_some();
    let run = run_of(step, job);
    let (recorded, metrics, reused) = tracking
        .in_run(&run, async |run| {
            run.log_params(job.params()).await?;
            let (manifest, metrics) = make(step, store, job, run.id(), replaces).await?;
            let (manifest, reused) = manifest::commit(store, &key, manifest, step.cache()).await?;
            let metrics = match reused {
                true => manifest.load_metrics(store).await?,
                false => metrics,
            };
            let recorded =
                record(step, store, tracking, job, &key, &manifest, &metrics, run).await?;
            Ok((recorded, metrics, reused))
        })
        .await?;
    outputs(
        tracking,
        job.data.goal.task,
        &key,
        &recorded,
        &metrics,
        reused,
    )
    .await
}

/// Fits and measures the model, and writes its files; the manifest is not committed yet.
async fn make(
    step: &Step,
    store: &Store,
    job: &Job,
    run_id: &str,
    replaces: bool,
) -> Result<(ModelManifest, ModelMetrics)> {
    let mut clock = Clock(Instant::now());
    let splits = select::splits(step, store, job).await?;
    let passes = job.passes() * splits.len().max(1) as u64 + PROFILE_PASSES;
    let progress = step
        .progress(passes * job.data.train.rows + job.data.holdout.rows, "rows")
        .clone();
    let (fitted, selection) = match splits.first() {
        Some(split) => {
            let mut of = select::select(step, store, job, &splits, &progress).await?;
            clock.lap("compared the candidates");
            let tuned = tune::tune(step, store, job, &mut of, split, &progress).await?;
            clock.lap("tuned the model");
            let mut fitted = match job.refits() {
                false => of.fitted,
                true => fitted(step, store, job, &of.settled, On::All, &progress).await?,
            };
            tuned.apply(&mut fitted.fit);
            (fitted, Some(of.selection))
        }
        None => {
            let only = &job.choice.candidates[0];
            let all = fitted(step, store, job, only, On::All, &progress).await?;
            (all, None)
        }
    };
    let Fitted {
        fit, rows, step, ..
    } = fitted;
    let (step, config) = (&step, &job.data.config);
    clock.lap("fitted the model");
    // What later data is compared with is all the training data.
    let (rows, seen) = match selection.is_some() && !job.refits() {
        true => {
            let rows = rows.on_both_sides()?;
            let seen = fit::seen(&fit, &rows).await?;
            (rows, seen)
        }
        false => (rows, fit.seen.clone()),
    };
    let natural = Natural::of(step, store, job, &progress)?;
    // Rows to score are encoded by all training rows, and so are those they are compared with.
    let scored = rows.as_scored()?;
    let unseen = unseen(step, store, job, &fit, &progress)?;
    let (mut reference, absurd) =
        reference::profile(step, &scored, &natural, &fit.model, &seen, unseen.as_ref()).await?;
    let profiled = categories::features(step, store, &job.signature, &job.data.train).await?;
    reference.features = reference::in_order(reference.features, profiled, &job.signature)?;
    let profiled = categories::profile(step, store, &job.segment_columns, &job.data.train).await?;
    reference.categories = profiled;
    clock.lap("profiled the training data");
    let measured = scoring::evaluate(
        step,
        store,
        config,
        &fit.model,
        &job.data.holdout,
        &progress,
        None,
    )
    .await?;
    clock.lap("measured the model on the holdout");

    let mut ruinous = extremes::describe(store, job, &rows, &absurd.inputs).await?;
    let read = natural.rows(&rows);
    ruinous.extend(extremes::describe(store, job, read, &absurd.features).await?);
    ruinous.extend(extremes::describe(store, job, &rows, absurd.target.as_slice()).await?);
    ruinous.extend(rounded::describe(store, job, &rows).await?);
    let mut warnings = warnings(&fit, job, &rows, ruinous);
    let few = holdout::decided_by_few(step, store, job, &fit.model, &measured, &progress);
    warnings.extend(few.await?);
    warnings.extend(holdout::unjudged(job, &measured));
    warnings.extend(selection.as_ref().and_then(tune::doubt));
    warnings.extend(job.data.train.warnings.iter().cloned());
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let metrics = ModelMetrics {
        format_version: match selection.as_ref().is_some_and(Selection::is_tuned) {
            true => TUNED_VERSION,
            false => METRICS_VERSION,
        },
        holdout: measured,
        selection,
        fit: fit.metrics(),
        importance: fit.importance.clone(),
        warnings: warnings.clone(),
    };
    show(job, &fit, &metrics);
    let mut files = vec![
        (layout::MODEL_FILE, fit.model.to_json()?),
        (layout::METRICS_FILE, json_bytes(&metrics)?),
        (layout::REFERENCE_FILE, serde_json::to_vec(&reference)?),
    ];
    if let Some(models) = &job.models {
        files.push((layout::MODELS_FILE, models.clone()));
    }
    let inputs = rows.inputs();
    let exports = fit.model.estimator.exports(inputs)?.into_iter();
    files.extend(exports.map(|export| (export.name, export.bytes)));
    files.extend(pyfunc::files(&fit.model, &seen)?);
    files.extend(onnx::file(&fit.model)?.map(|bytes| (onnx::FILE, bytes)));
    let files = put(store, job, files, replaces).await?;
    let manifest = ModelManifest {
        header: Header::new(job.inputs.clone(), step),
        model_name: job.model_name.clone(),
        config: job.data.train.config.clone(),
        data_version: job.data.train.data_version.clone(),
        train_manifest: job.data.train_key.clone(),
        holdout_manifest: job.data.holdout_key.clone(),
        features: fit.model.features(),
        files,
        run_id: run_id.to_owned(),
        warnings,
    };
    Ok((manifest, metrics))
}

/// The rows whose scores represent those of the model, where its own training rows can't: those of
/// the holdout, of trees.
pub(crate) fn unseen(
    step: &Step,
    store: &Store,
    job: &Job,
    fit: &Fit,
    progress: &Progress,
) -> Result<Option<TrainingRows>> {
    if !fit.model.estimator.is_surer_of_training_rows() {
        return Ok(None);
    }
    let rows = scoring::rows_of(
        (step, store, &job.data.config),
        &fit.model,
        &job.data.holdout,
        None,
    )?;
    let rows = TrainingRows::new(step, rows, &job.data.holdout, SCRATCH_BYTES, progress)?;
    Ok(Some(rows))
}

/// Writes the model's files.
///
/// A run that makes the same model at the same time writes the same bytes, and a manifest may be
/// committed to what is there: other bytes never replace it unasked.
///
/// # Errors
/// Other bytes of the same inputs are there: exit 2.
async fn put(
    store: &Store,
    job: &Job,
    contents: Vec<(&str, Vec<u8>)>,
    replaces: bool,
) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (name, bytes) in contents {
        let file = File {
            bytes: bytes.len() as u64,
            sha256: digest::hex(&bytes),
            key: layout::model_file(&job.folder(), name),
        };
        if replaces {
            store.put(&file.key, bytes).await?;
        } else if !store.put_new(&file.key, bytes).await?
            && digest::hex(&store.require(&file.key).await?) != file.sha256
        {
            return Err(Failure::usage(format!(
                "{} exists with other bytes than this program writes from the same inputs: \
                 another release is training the same model, or was stopped while it did; wait \
                 until it has finished, or set cache=refresh to replace its files",
                file.key
            )));
        }
        files.push(file);
    }
    Ok(files)
}

/// Shows how good the model is, and what it looks at.
fn show(job: &Job, fit: &Fit, metrics: &ModelMetrics) {
    let text = match metrics.holdout.binary() {
        Some(holdout) => {
            // Always predicting the more frequent class is right this often.
            let baseline = holdout.base_rate.map(|rate| rate.max(1.0 - rate));
            format!(
                "accuracy {} (always the more frequent class: {}), ROC AUC {}, precision {}, recall {}, F1 {}",
                four(holdout.accuracy),
                four(baseline),
                four(holdout.roc_auc),
                four(holdout.precision),
                four(holdout.recall),
                four(holdout.f1),
            )
        }
        None => every_metric(job.data.goal.task, &metrics.holdout),
    };
    tracing::info!(rows = metrics.holdout.rows(), "holdout: {text}");
    if !metrics.importance.is_empty() {
        let family = &fit.model.training.family;
        let fitted = |of: &&Chosen| family.as_deref() == Some(of.family.name());
        let fitted = job.choice.candidates.iter().find(fitted);
        let what = fitted.map_or("", |of| of.family.importance_is());
        tracing::info!("{}", table(what, &metrics.importance));
    }
    let selection = metrics.selection.as_ref();
    if let Some(selection) = selection.filter(|of| !of.permutation.is_empty()) {
        tracing::info!("{}", permuted(selection));
    }
}

fn permuted(selection: &Selection) -> String {
    let shown = &selection.permutation[..selection.permutation.len().min(SHOWN_FEATURES)];
    let width = shown.iter().map(|of| of.feature.len()).max().unwrap_or(0);
    let mut table = format!(
        "permutation importance: how much worse {} gets on validation rows without the feature",
        selection.metric.as_deref().unwrap_or_default()
    );
    for of in shown {
        // Writing to a text does not fail.
        let _ = write!(
            table,
            "\n  {:width$}  {:.4} ± {:.4}",
            of.feature, of.mean, of.std
        );
    }
    table
}

fn table(what: &str, importance: &[Importance]) -> String {
    let mut table = format!("importance: {what}");
    let width = importance
        .iter()
        .take(SHOWN_FEATURES)
        .map(|entry| entry.feature.len())
        .max()
        .unwrap_or(0);
    for entry in importance.iter().take(SHOWN_FEATURES) {
        let sign = match entry.coefficient {
            Some(coefficient) if coefficient < 0.0 => "-",
            Some(_) => "+",
            None => "",
        };
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

/// Of a run that makes no model.
pub(crate) fn nothing_yet(reused: bool) -> Outputs {
    let outputs = Outputs::new().set("registered", false);
    let empty = [
        "model",
        "model-version",
        "run-id",
        "mlflow-run-url",
        "accuracy",
        "metric-name",
        "metric",
        "roc-auc",
        "f1",
        "candidates",
        "warnings",
    ];
    let outputs = empty
        .into_iter()
        .fold(outputs, |all, name| all.set(name, ""));
    outputs.set("reused", reused)
}

async fn outputs(
    tracking: &Tracking,
    task: &dyn Task,
    key: &str,
    recorded: &Recorded,
    metrics: &ModelMetrics,
    reused: bool,
) -> Result<Outputs> {
    let (run_id, version) = (&recorded.run_id, &recorded.version);
    let page = tracking
        .run(run_id)
        .await?
        .and_then(|run| run.url)
        .unwrap_or_default();
    Ok(Outputs::new()
        .set("model", key)
        .set(
            "model-version",
            (version.as_ref()).map_or_else(String::new, |of| of.version.to_string()),
        )
        .set("registered", version.is_some())
        .set("run-id", run_id)
        .set("mlflow-run-url", page)
        .set_metric("accuracy", metrics.holdout.number("accuracy"))
        .set("metric-name", task.gate_metric())
        .set_metric("metric", metrics.holdout.number(task.gate_metric()))
        .set_metric("roc-auc", metrics.holdout.number("roc_auc"))
        .set_metric("f1", metrics.holdout.number("f1"))
        .set(
            "candidates",
            metrics.selection.as_ref().map_or_else(String::new, chosen),
        )
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

/// Logs how long each phase took.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self, what: &str) {
        let elapsed_ms = self.0.elapsed().as_millis() as u64;
        tracing::info!(elapsed_ms, "{what}");
        self.0 = Instant::now();
    }
}
