//! What the tracking holds of a training.

use std::fmt::Write;

use anyhow::Result;
use catalog::manifest::{Manifest, ModelManifest};
use catalog::model_files::ModelMetrics;
use runtime::step::Step;
use store::Store;
use tracking::{Candidate, Dataset, MODEL_FOLDER, Run, RunSpec, Status, Table, Tracking, Version};

use crate::task::Task;

/// The run of a training.
pub(crate) fn run_of(step: &Step, task: &Task) -> RunSpec {
    RunSpec::new(
        step,
        format!("train {}", task.train.data_version),
        &task.model_name,
        &task.inputs.fingerprint(),
    )
    .tag("alameda.data_version", &task.train.data_version)
    .tag("alameda.train_manifest", &task.train_key)
    .tag("alameda.holdout_manifest", &task.holdout_key)
}

/// Makes sure that a model which is committed already stands in the tracking too: the step may have
/// died in between, or the tracking may be another one.
pub(crate) async fn record_again(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    task: &Task,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
) -> Result<Version> {
    let run = tracking
        .find_run(&task.model_name, &manifest.header().fingerprint)
        .await?;
    match run.filter(|run| run.status == Status::Finished) {
        Some(run) => {
            tracking
                .register(&candidate(task, key, manifest, &run.run_id))
                .await
        }
        None => {
            tracking
                .in_run(&run_of(step, task), async |run| {
                    run.log_params(task.params()).await?;
                    record(store, tracking, task, key, manifest, metrics, run).await
                })
                .await
        }
    }
}

/// Logs what was measured, and registers the model.
pub(crate) async fn record(
    store: &Store,
    tracking: &Tracking,
    task: &Task,
    key: &str,
    manifest: &ModelManifest,
    metrics: &ModelMetrics,
    run: &Run,
) -> Result<Version> {
    run.log_metrics(numbers(metrics)).await?;
    run.log_datasets(vec![
        Dataset::prepared(store, &task.train_key, &task.train, "training"),
        Dataset::prepared(store, &task.holdout_key, &task.holdout, "holdout"),
    ])
    .await?;
    run.log_tables(&tables(metrics)).await?;
    let keys: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.key.as_str())
        .collect();
    run.log_files(MODEL_FOLDER, store, &keys).await?;
    let version = tracking
        .register(&candidate(task, key, manifest, run.id()))
        .await?;
    run.describe(note(&version, manifest, metrics)).await?;
    run.set_tag("alameda.model", version.uri()).await?;
    Ok(version)
}

fn candidate<'a>(
    task: &'a Task,
    key: &'a str,
    manifest: &'a ModelManifest,
    run_id: &'a str,
) -> Candidate<'a> {
    let header = manifest.header();
    Candidate {
        files: &manifest.files,
        tags: vec![
            (
                "alameda.data_version".to_owned(),
                manifest.data_version.to_string(),
            ),
            ("alameda.config".to_owned(), manifest.config.clone()),
            ("alameda.workflow".to_owned(), header.workflow.clone()),
            (
                "alameda.code_version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ],
        ..Candidate::new(&task.model_name, key, &header.fingerprint, run_id)
    }
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
        (
            "confusion.true_negatives",
            Some(holdout.confusion.true_negatives as f64),
        ),
        (
            "confusion.false_positives",
            Some(holdout.confusion.false_positives as f64),
        ),
        (
            "confusion.false_negatives",
            Some(holdout.confusion.false_negatives as f64),
        ),
        (
            "confusion.true_positives",
            Some(holdout.confusion.true_positives as f64),
        ),
        ("fit.iterations", Some(f64::from(fit.iterations))),
        ("fit.converged", Some(f64::from(u8::from(fit.converged)))),
        ("fit.objective", Some(fit.objective)),
    ];
    let scores = scores
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let importance = metrics
        .importance
        .iter()
        .map(|entry| (format!("importance.{}", entry.feature), entry.importance));
    scores.chain(importance).collect()
}

/// What a page shows as tables.
fn tables(metrics: &ModelMetrics) -> Vec<(&'static str, Table)> {
    let mut importance = Table::new(&["feature", "coefficient", "importance", "collinear_with"]);
    for entry in &metrics.importance {
        let collinear = entry.collinear_with.join(", ");
        let feature = entry.feature.as_str();
        importance.row(vec![
            feature.into(),
            entry.coefficient.into(),
            entry.importance.into(),
            collinear.into(),
        ]);
    }
    let counts = &metrics.holdout.confusion;
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
    for bin in &metrics.holdout.calibration {
        calibration.row(vec![
            bin.lower.into(),
            bin.upper.into(),
            bin.rows.into(),
            bin.mean_predicted.into(),
            bin.observed_rate.into(),
        ]);
    }
    vec![
        ("feature_importance", importance),
        ("confusion_matrix", confusion),
        ("calibration", calibration),
    ]
}

/// What a person reads first, in Markdown.
fn note(version: &Version, manifest: &ModelManifest, metrics: &ModelMetrics) -> String {
    let percent =
        |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
    let holdout = &metrics.holdout;
    let mut note = format!(
        "Version {} of **{}**, trained on data version {} ({} rows) by workflow {}.\n\nOn the holdout ({} rows): accuracy {}, \
         ROC AUC {}, F1 {}.\n",
        version.version,
        version.model_name,
        manifest.data_version,
        metrics.fit.rows,
        manifest.header().workflow,
        holdout.rows,
        percent(holdout.accuracy),
        percent(holdout.roc_auc),
        percent(holdout.f1),
    );
    for warning in &manifest.warnings {
        // Writing to a text does not fail.
        let _ = write!(note, "\n- {warning}");
    }
    note
}
