//! What the tracking holds of a training.

use std::fmt::Write;

use anyhow::Result;
use catalog::manifest::{Manifest, ModelManifest};
use catalog::model_files::{ModelMetrics, Selection};
use runtime::step::Step;
use store::Store;
use store::digest;
use tracking::{
    CHAMPION, Candidate, Dataset, MODEL_FOLDER, Run, RunRecord, RunSpec, Status, Table, Tracking,
    Version,
};

use crate::job::Job;
use crate::texts::{chosen, every_metric, four};

/// The tag that says whether the model of a run is a version; of what `models.json` describes.
const REGISTERED_TAG: &str = "alameda.registered";

/// Where a model is in the tracking.
pub(crate) struct Recorded {
    pub(crate) run_id: String,
    /// None of an experiment.
    pub(crate) version: Option<Version>,
}

/// The run of a training.
pub(crate) fn run_of(step: &Step, job: &Job) -> RunSpec {
    RunSpec::new(
        step,
        format!("train {}", job.data.train.data_version),
        &job.model_name,
        &job.inputs.fingerprint(),
    )
    .tag("alameda.data_version", &job.data.train.data_version)
    .tag("alameda.train_manifest", &job.data.train_key)
    .tag("alameda.holdout_manifest", &job.data.holdout_key)
}

/// Makes sure that a model which is committed already is in the tracking too: the step may have
/// died in between, or the tracking may be another one.
pub(crate) async fn record_again(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    job: &Job,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
) -> Result<Recorded> {
    let run = tracking
        .find_run(&job.model_name, &manifest.header().fingerprint)
        .await?;
    // An experiment that is to be a version now says so in its run.
    let says_so = |run: &RunRecord| {
        !job.choice.register || run.tags.get(REGISTERED_TAG).is_none_or(|of| of != "false")
    };
    match run.filter(|run| run.status == Status::Finished && says_so(run)) {
        Some(run) => register(tracking, job, key, manifest, metrics, &run.run_id).await,
        None => {
            tracking
                .in_run(&run_of(step, job), async |run| {
                    run.log_params(job.params()).await?;
                    record(step, store, tracking, job, key, manifest, metrics, run).await
                })
                .await
        }
    }
}

/// Logs what was measured, and registers the model, unless it is an experiment.
#[expect(
    clippy::too_many_arguments,
    reason = "what a model is, and where it is recorded"
)]
pub(crate) async fn record(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    job: &Job,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
    run: &Run,
) -> Result<Recorded> {
    run.log_metrics(numbers(metrics)).await?;
    run.log_datasets(vec![
        Dataset::prepared(store, &job.data.train_key, &job.data.train, "training"),
        Dataset::prepared(store, &job.data.holdout_key, &job.data.holdout, "holdout"),
    ])
    .await?;
    run.log_tables(&tables(metrics)).await?;
    if let Some(selection) = &metrics.selection {
        candidates(step, job, selection, run).await?;
    }
    let keys: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.key.as_str())
        .collect();
    run.log_files(MODEL_FOLDER, store, &keys).await?;
    let recorded = register(tracking, job, key, manifest, metrics, run.id()).await?;
    let version = recorded.version.as_ref();
    run.describe(note(job, version, manifest, metrics)).await?;
    if let Some(version) = version {
        run.set_tag("alameda.model", version.uri()).await?;
    }
    if job.models.is_some() {
        run.set_tag(REGISTERED_TAG, version.is_some()).await?;
    }
    Ok(recorded)
}

/// Makes the model a version, if it is to be one.
async fn register(
    tracking: &Tracking,
    job: &Job,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
    run_id: &str,
) -> Result<Recorded> {
    if !job.choice.register {
        tracing::info!(
            run_id,
            "not registered, as `register` in models.json is false; compare it by `alameda models \
             compare {} VERSION {run_id}`, or remove `register` and train again, which reuses this model",
            job.model_name
        );
        return Ok(Recorded {
            run_id: run_id.to_owned(),
            version: None,
        });
    }
    let candidate = candidate(job, key, manifest, metrics, run_id);
    let version = tracking.register(&candidate).await?;
    Ok(Recorded {
        run_id: version.run_id.clone(),
        version: Some(version),
    })
}

/// Each candidate as a run of its own inside the model's, whose parameters are those of the chosen
/// one.
async fn candidates(step: &Step, job: &Job, selection: &Selection, run: &Run) -> Result<()> {
    for (at, of) in selection.candidates.iter().enumerate() {
        let fingerprint = format!("{}\0candidate {at}", job.inputs.fingerprint());
        let spec = RunSpec::new(
            step,
            format!("candidate {}: {}", at + 1, of.name()),
            &job.model_name,
            &digest::hex(fingerprint.as_bytes()),
        );
        let spec = spec
            .tag("alameda.data_version", &job.data.train.data_version)
            .tag("alameda.chosen", of.chosen);
        let mut params = of.options.clone();
        params.insert("family".to_owned(), of.family.clone());
        if of.chosen {
            run.log_params(params.clone()).await?;
        }
        let metrics = of.metrics.iter();
        let metrics = metrics.map(|(name, value)| (format!("validation.{name}"), *value));
        run.nested(&spec, async |nested| {
            nested.log_params(params).await?;
            nested.log_metrics(metrics).await
        })
        .await?;
    }
    let chosen = selection.candidates.iter().find(|of| of.chosen);
    let metrics = chosen.into_iter().flat_map(|of| &of.metrics);
    let metrics = metrics.map(|(name, value)| (format!("validation.{name}"), *value));
    run.log_metrics(metrics).await
}

fn candidate<'a>(
    job: &'a Job,
    key: &'a str,
    manifest: &'a ModelManifest,
    metrics: &ModelMetrics,
    run_id: &'a str,
) -> Candidate<'a> {
    let header = manifest.header();
    let tags = [
        ("alameda.data_version", manifest.data_version.to_string()),
        ("alameda.config", manifest.config.clone()),
        ("alameda.workflow", header.workflow.clone()),
        ("alameda.code_version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let goal = &job.data.goal;
    // Tags are the numbers that MLflow shows on the page of a version.
    let measured = goal.task.metrics().iter().filter_map(|metric| {
        let value = metrics.holdout.number(metric.name)?;
        Some((metric.name, value.to_string()))
    });
    let tags = tags.into_iter().chain(measured);
    Candidate {
        files: &manifest.files,
        tags: tags.map(|(name, value)| (name.to_owned(), value)).collect(),
        description: description(job, manifest, metrics),
        about_model: format!(
            "Predicts `{}` (task {}). The alias `{CHAMPION}` points to the version that scores.",
            goal.target.name,
            goal.task.name()
        ),
        ..Candidate::new(&job.model_name, key, &header.fingerprint, run_id)
    }
}

/// Everything measured, by name.
fn numbers(metrics: &ModelMetrics) -> Vec<(String, f64)> {
    let fit = &metrics.fit;
    let of_fit = [
        ("fit.iterations", fit.iterations.map(f64::from)),
        ("fit.converged", Some(f64::from(u8::from(fit.converged)))),
        ("fit.objective", fit.objective),
    ];
    let of_fit = of_fit
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let importance = metrics
        .importance
        .iter()
        .map(|entry| (format!("importance.{}", entry.feature), entry.importance));
    let holdout = metrics.holdout.numbers().into_iter();
    holdout.chain(of_fit).chain(importance).collect()
}

/// What a page shows as tables.
fn tables(metrics: &ModelMetrics) -> Vec<(&'static str, Table)> {
    let mut importance = Table::new(&["feature", "coefficient", "importance", "collinear_with"]);
    for entry in &metrics.importance {
        let collinear = entry.collinear_with.join(", ");
        let feature = entry.feature.as_str();
        importance.row(vec![
            feature.into(),
            entry.coefficient.map_or("".into(), Into::into),
            entry.importance.into(),
            collinear.into(),
        ]);
    }
    let mut tables = vec![("feature_importance", importance)];
    let selection = metrics.selection.as_ref();
    if let Some(selection) = selection.filter(|of| !of.candidates.is_empty()) {
        tables.push(("candidates", of_candidates(selection)));
    }
    if let Some(selection) = selection.filter(|of| !of.permutation.is_empty()) {
        tables.push(("permutation_importance", permuted(selection)));
    }
    if let Some(holdout) = metrics.holdout.binary() {
        tables.extend(of_two(holdout));
    }
    tables
}

/// How much worse the metric gets without each feature.
fn permuted(selection: &Selection) -> Table {
    let metric = selection.metric.as_deref().unwrap_or_default();
    let mut table = Table::new(&["feature", metric, "std"]);
    for of in &selection.permutation {
        let feature = of.feature.as_str();
        table.row(vec![feature.into(), of.mean.into(), of.std.into()]);
    }
    table
}

/// The candidates beside each other.
fn of_candidates(selection: &Selection) -> Table {
    let metric = selection.metric.as_deref().unwrap_or_default();
    let mut table = Table::new(&["candidate", metric, "low", "high", "chosen"]);
    for of in &selection.candidates {
        let number = |value: Option<f64>| value.map_or("".into(), Into::into);
        table.row(vec![
            of.name().into(),
            number(of.value),
            number(of.interval.map(|interval| interval.low)),
            number(of.interval.map(|interval| interval.high)),
            if of.chosen { "yes" } else { "" }.into(),
        ]);
    }
    table
}

/// Of two classes: rows by label and prediction, and predicted beside observed shares.
fn of_two(holdout: &learn::metrics::Report) -> [(&'static str, Table); 2] {
    let counts = &holdout.confusion;
    let mut confusion = Table::new(&["label", "predicted_negative", "predicted_positive"]);
    confusion.row(vec![
        "negative".into(),
        counts.true_negatives.into(),
        counts.false_positives.into(),
    ]);
    confusion.row(vec![
        "positive".into(),
        counts.false_negatives.into(),
        counts.true_positives.into(),
    ]);
    let mut calibration =
        Table::new(&["lower", "upper", "rows", "mean_predicted", "observed_rate"]);
    for bin in &holdout.calibration {
        calibration.row(vec![
            bin.lower.into(),
            bin.upper.into(),
            bin.rows.into(),
            bin.mean_predicted.into(),
            bin.observed_rate.into(),
        ]);
    }
    [
        ("confusion_matrix", confusion),
        ("calibration", calibration),
    ]
}

/// What a person reads of the run first, in Markdown.
fn note(
    job: &Job,
    version: Option<&Version>,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
) -> String {
    let named = match version {
        Some(of) => format!("Version {} of **{}**", of.version, of.model_name),
        None => format!(
            "Not registered (`register` in models.json), for **{}**",
            job.model_name
        ),
    };
    format!("{named}.\n\n{}", description(job, manifest, metrics))
}

/// What a person reads of the model, in Markdown: what it is, and how good on the holdout.
fn description(job: &Job, manifest: &ModelManifest, metrics: &ModelMetrics) -> String {
    let goal = &job.data.goal;
    let selection = metrics.selection.as_ref();
    let winner = selection.and_then(|of| of.candidates.iter().find(|of| of.chosen));
    let family = match (winner, job.choice.candidates.first()) {
        (Some(winner), _) => winner.family.as_str(),
        (None, Some(only)) => only.family.name(),
        (None, None) => "none",
    };
    let holdout = &metrics.holdout;
    let measured = match holdout.binary() {
        Some(of_two) => format!(
            "accuracy {}, ROC AUC {}, F1 {}",
            four(of_two.accuracy),
            four(of_two.roc_auc),
            four(of_two.f1),
        ),
        None => every_metric(goal.task, holdout),
    };
    let mut text = format!(
        "Task {} of `{}`, family {family}, trained on data version {} ({} rows) by workflow {}.\n\n\
         On the holdout ({} rows): {measured}.\n",
        goal.task.name(),
        goal.target.name,
        manifest.data_version,
        metrics.fit.rows,
        manifest.header().workflow,
        holdout.rows(),
    );
    if let Some(selection) = selection {
        text += &format!(
            "\nChosen on {}: {}.\n",
            selection.validation,
            chosen(selection)
        );
    }
    for warning in &manifest.warnings {
        // Writing to a text does not fail.
        let _ = write!(text, "\n- {warning}");
    }
    text
}
