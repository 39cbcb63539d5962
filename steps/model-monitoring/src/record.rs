//! What the tracking holds of a report.

use std::fmt::Write;

use anyhow::Result;
use catalog::layout;
use catalog::manifest::Inputs;
use chrono::NaiveTime;
use pages::content::{Committed, Content, OfTask};
use runtime::step::Step;
use store::Store;
use tracking::{Dataset, Point, Run, RunSpec, Status, Table, Tracking};

use crate::subject::Subject;

/// Findings that the description shows.
const SHOWN_FINDINGS: usize = 20;

/// The run of a report.
pub(crate) fn run_of(step: &Step, subject: &Subject, inputs: &Inputs) -> RunSpec {
    let results = &subject.results;
    let name = format!(
        "monitor {} v{}",
        results.data_version, results.model_version
    );
    RunSpec::new(step, name, &results.model_name, &inputs.fingerprint())
        .tag("alameda.data_version", &results.data_version)
        .tag("alameda.model_version", results.model_version)
        .tag("alameda.results_manifest", &subject.results_key)
}

/// Makes sure that a report which is committed already is in the tracking too.
pub(crate) async fn record_again(
    tracking: &Tracking,
    store: &Store,
    run: &RunSpec,
    subject: &Subject,
    committed: &Committed,
) -> Result<()> {
    match tracking.find_run(&run.model_name, &run.fingerprint).await? {
        Some(found) if found.status == Status::Finished => Ok(()),
        _ => {
            tracking
                .in_run(run, async |run| {
                    record(store, subject, committed, run).await
                })
                .await
        }
    }
}

/// Logs what the report says, and the report itself.
pub(crate) async fn record(
    store: &Store,
    subject: &Subject,
    committed: &Committed,
    run: &Run,
) -> Result<()> {
    let content = &committed.content;
    run.log_params(params(content)).await?;
    run.log_metrics(numbers(content)).await?;
    run.log_series(days(content)).await?;
    run.log_datasets(vec![Dataset::results(
        store,
        &subject.results_key,
        &subject.results,
        "monitoring",
    )])
    .await?;
    run.log_tables(&[
        ("performance_by_day", by_day(content)),
        ("drift", drift(content)),
    ])
    .await?;
    let folder = layout::report(
        &content.data_version,
        &content.model_name,
        content.model_version,
    );
    run.log_files(
        "",
        store,
        &[&committed.html.key, &layout::report_json(&folder)],
    )
    .await?;
    run.describe(note(content)).await?;
    run.set_tag("alameda.verdict", content.verdict).await
}

fn params(content: &Content) -> Vec<(&'static str, String)> {
    vec![
        ("data_version", content.data_version.to_string()),
        ("model_version", content.model_version.to_string()),
        ("psi_warn", content.thresholds.warn.to_string()),
        ("psi_alert", content.thresholds.alert.to_string()),
        ("min_rows", content.thresholds.min_rows.to_string()),
    ]
}

/// Everything measured over all rows, by name.
fn numbers(content: &Content) -> Vec<(String, f64)> {
    let performance = &content.performance;
    let mut numbers = vec![
        ("rows", Some(content.quality.rows as f64)),
        ("unscored_rows", Some(content.quality.unscored_rows as f64)),
        ("labelled_rows", Some(performance.labelled_rows as f64)),
        ("label_coverage", performance.label_coverage),
        ("majority_accuracy", performance.majority_accuracy),
        (
            "drifted_features",
            Some(content.drift.drifted_features as f64),
        ),
        ("psi_max", content.drift.psi_max),
    ];
    if let Some(overall) = &performance.overall {
        numbers.extend([
            ("accuracy", overall.accuracy),
            ("balanced_accuracy", overall.balanced_accuracy),
            ("precision", overall.precision),
            ("recall", overall.recall),
            ("f1", overall.f1),
            ("roc_auc", overall.roc_auc),
            ("pr_auc", overall.pr_auc),
            ("log_loss", overall.log_loss),
            ("brier", overall.brier),
            ("base_rate", overall.base_rate),
        ]);
    }
    let mut numbers: Vec<(String, f64)> = numbers
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let of_task = performance.of_task.iter().flat_map(|of| &of.metrics);
    numbers.extend(of_task.filter_map(|of| Some((of.name.clone(), of.now?))));
    for (kind, column) in columns(content) {
        let name = |measure: &str| format!("{kind}.{measure}.{}", column.name);
        numbers.extend(column.psi.as_ref().map(|psi| (name("psi"), psi.value)));
        numbers.extend(column.ks.as_ref().map(|ks| (name("ks"), ks.statistic)));
    }
    numbers
}

/// The score, then every feature.
fn columns(
    content: &Content,
) -> impl Iterator<Item = (&'static str, &pages::content::ColumnDrift)> {
    let features = content
        .drift
        .features
        .iter()
        .map(|column| ("drift", column));
    std::iter::once(("score", &content.drift.score)).chain(features)
}

/// Lines over the days: each number is at its day.
fn days(content: &Content) -> Vec<(String, Point)> {
    let mut points = Vec::new();
    for (step, day) in content.performance.days.iter().enumerate() {
        let at = day
            .date
            .and_time(NaiveTime::MIN)
            .and_utc()
            .timestamp_millis();
        let values = [
            ("day.rows", Some(day.rows as f64)),
            ("day.label_coverage", day.label_coverage),
            ("day.mean_score", day.mean_score),
            ("day.predicted_positive_rate", day.predicted_positive_rate),
            ("day.accuracy", day.accuracy),
            ("day.precision", day.precision),
            ("day.recall", day.recall),
            ("day.f1", day.f1),
            ("day.roc_auc", day.roc_auc),
            ("day.log_loss", day.log_loss),
        ];
        let point = |value| Point {
            value,
            at,
            step: step as i64,
        };
        let of_two = values.into_iter();
        points.extend(of_two.filter_map(|(name, value)| Some((name.to_owned(), point(value?)))));
        let of_task = day.metrics.iter();
        points.extend(of_task.map(|(name, value)| (format!("day.{name}"), point(*value))));
    }
    points
}

fn by_day(content: &Content) -> Table {
    if let Some(of_task) = &content.performance.of_task {
        return by_day_of_task(content, of_task);
    }
    let mut table = Table::new(&[
        "date",
        "rows",
        "label_coverage",
        "mean_score",
        "predicted_positive_rate",
        "base_rate",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "log_loss",
        "brier",
    ]);
    for day in &content.performance.days {
        table.row(vec![
            day.date.to_string().into(),
            day.rows.into(),
            day.label_coverage.into(),
            day.mean_score.into(),
            day.predicted_positive_rate.into(),
            day.base_rate.into(),
            day.accuracy.into(),
            day.precision.into(),
            day.recall.into(),
            day.f1.into(),
            day.roc_auc.into(),
            day.log_loss.into(),
            day.brier.into(),
        ]);
    }
    table
}

/// The metrics of another task than two classes by day.
fn by_day_of_task(content: &Content, of_task: &OfTask) -> Table {
    let metrics: Vec<&str> = of_task.metrics.iter().map(|of| of.name.as_str()).collect();
    let mut columns = vec!["date", "rows", "label_coverage", "mean_score"];
    columns.extend(&metrics);
    let mut table = Table::new(&columns);
    for day in &content.performance.days {
        let mut row = vec![
            day.date.to_string().into(),
            day.rows.into(),
            day.label_coverage.into(),
            day.mean_score.into(),
        ];
        let metric = |name: &&str| day.metrics.get(*name).copied().into();
        row.extend(metrics.iter().map(metric));
        table.row(row);
    }
    table
}

fn drift(content: &Content) -> Table {
    let mut table = Table::new(&[
        "column",
        "verdict",
        "psi",
        "noise_floor",
        "ks",
        "reference_mean",
        "mean",
        "reference_std",
        "std",
        "reference_missing",
        "missing",
    ]);
    for (_, column) in columns(content) {
        table.row(vec![
            column.name.as_str().into(),
            column.verdict.to_string().into(),
            column.psi.as_ref().map(|psi| psi.value).into(),
            column.psi.as_ref().map(|psi| psi.noise_floor).into(),
            column.ks.as_ref().map(|ks| ks.statistic).into(),
            column.reference.mean.into(),
            column.current.mean.into(),
            column.reference.std.into(),
            column.current.std.into(),
            column.reference.missing.into(),
            column.current.missing.into(),
        ]);
    }
    table
}

/// What a person reads first, in Markdown.
fn note(content: &Content) -> String {
    let mut note = format!(
        "The verdict on version {} of **{}** and data version {} is **{}**. The report is `report.html` among the artifacts.\n",
        content.model_version, content.model_name, content.data_version, content.verdict
    );
    for finding in content.findings.iter().take(SHOWN_FINDINGS) {
        // Writing to a text does not fail.
        let _ = write!(note, "\n- {}", finding.text);
    }
    if content.findings.len() > SHOWN_FINDINGS {
        let _ = write!(
            note,
            "\n- and {} more",
            content.findings.len() - SHOWN_FINDINGS
        );
    }
    note
}
