//! From counts to what a report says: comparisons, verdicts and findings. Pure.

use anyhow::Result;
use catalog::layout;
use chrono::NaiveDate;
use chrono_tz::Tz;
use pages::content::{
    BeforeTraining, Content, FeatureQuality, Freshness, LateLabels, ModelCard, Provenance, Quality,
    REPORT_VERSION, Training,
};
use pages::judge::window::Window;
use pages::judge::{self, Rules, odd};
use profile::days::{self, DayNumber};
use profile::drift::Verdict;
use profile::profiles::{FeatureBaseline, ScoreBaseline};
use serde_json::Value;

use super::{categories, drift, findings, performance};
use crate::column::ColumnScan;
use crate::joined::Joined;
use crate::scan::{Divisions, Scan};
use crate::subject::Subject;

/// Everything that a report says.
pub(super) fn content(
    subject: &Subject,
    scan: &Scan,
    joined: &Joined,
    divisions: &Divisions,
    rules: &Rules,
    timezone: Tz,
) -> Result<Content> {
    let scored = subject.results.header.created_at.with_timezone(&timezone);
    let window = Window::new(&joined.rows_by_day(), scored.date_naive());
    let carried = categories::Carried {
        subject,
        segmentation: &joined.segmentation,
        dictionaries: &divisions.dictionaries,
    };
    let drift = drift::drift(subject, scan, &divisions.columns, &carried, &window, rules);
    let trained = in_parts(&subject.baseline.score, joined.segmentation.cuts());
    let verdict = judge::drift::verdict(&drift);
    let mut content = Content {
        report_version: REPORT_VERSION,
        verdict,
        findings: Vec::new(),
        model_name: subject.results.model_name.clone(),
        model_version: subject.results.model_version,
        data_version: subject.results.data_version.clone(),
        timezone: timezone.name().to_owned(),
        thresholds: rules.thresholds,
        quality: quality(subject, scan, joined, &window, scored.date_naive()),
        performance: performance::performance(subject, joined, &window, &scan.score),
        drift,
        segments: performance::segments(joined, &divisions.dictionaries, &trained),
        model: model(subject),
        reasons: scan.reasons.most_frequent(),
        provenance: provenance(subject),
    };
    categories::beside_training(&mut content.segments, &content.drift.categories);
    if content.quality.rows == 0 {
        content.verdict = content.verdict.max(Verdict::InsufficientData);
    }
    let unmatched = subject.unmatched_labels.as_deref();
    content.findings = findings::findings(&content, subject.unknown(rules), unmatched);
    Ok(content)
}

fn quality(
    subject: &Subject,
    scan: &Scan,
    joined: &Joined,
    window: &Window,
    scored: NaiveDate,
) -> Quality {
    let freshness = freshness(joined, window, scored);
    let feature = |(scan, of): (&ColumnScan, &FeatureBaseline)| {
        FeatureQuality::of(of, &scan.counts, scan.seen.ends())
    };
    Quality {
        rows: scan.rows,
        unscored_rows: scan.unscored_rows,
        shards: subject.results.shards.len() as u64,
        quarantined: subject.results.quarantined.clone(),
        left_out: subject.results.left_out,
        key: subject.keys(),
        duplicate_keys: joined.keys.duplicate_keys,
        duplicate_rows: joined.keys.duplicate_rows,
        outside: window.outside.clone(),
        before_training: before_training(subject, joined, window),
        undated_rows: subject.time().map(|_| scan.undated_rows),
        features: scan
            .features
            .iter()
            .zip(&subject.baseline.features)
            .map(feature)
            .collect(),
        late_labels: late_labels(subject, joined, freshness.as_ref()),
        freshness,
    }
}

/// Rows of training by parts of the score, which are cut at some of its cells' cuts.
fn in_parts(score: &ScoreBaseline, cuts: &[f64]) -> Vec<u64> {
    let side = score.side();
    let mut rows = vec![0; cuts.len() + 1];
    for (cell, count) in side.cells.iter().enumerate() {
        let (lower, _) = score.cells().edges(cell);
        let part = lower.map_or(0, |lower| cuts.partition_point(|cut| *cut <= lower));
        rows[part] += count;
    }
    rows
}

/// Labels without a row are distinguished by their dates: each run reads all label files, most of
/// which are of rows that other runs scored.
fn late_labels(subject: &Subject, joined: &Joined, dates: Option<&Freshness>) -> LateLabels {
    let here = |day: Option<DayNumber>| match (day.and_then(days::date), dates) {
        (Some(date), Some(dates)) => (dates.first..=dates.last).contains(&date),
        _ => true,
    };
    let (mut unmatched_keys, mut other_days) = (0, 0);
    for (day, keys) in &joined.keys.unmatched {
        match here(*day) {
            true => unmatched_keys += keys,
            false => other_days += keys,
        }
    }
    let files = subject.label_files.iter();
    LateLabels {
        files: files.map(|file| file.key.clone()).collect(),
        unmatched_keys,
        other_days,
        ..joined.keys.late.clone()
    }
}

/// Rows dated before the model's, but for those that are dated long before all others. Instants may
/// be a day off, as manifests hold them in UTC.
fn before_training(subject: &Subject, joined: &Joined, window: &Window) -> Option<BeforeTraining> {
    let begin = subject.trained_from?;
    let early = |day: DayNumber| window.holds_day(day) && day < days::number(begin) - 1;
    let rows: Vec<(DayNumber, u64)> = joined
        .rows_by_day()
        .into_iter()
        .filter(|(day, _)| early(*day))
        .collect();
    Some(BeforeTraining {
        from: days::date(rows.first()?.0)?,
        rows: rows.iter().map(|(_, rows)| rows).sum(),
        begin,
    })
}

/// How fresh the rows were on the date of scoring.
fn freshness(joined: &Joined, window: &Window, scored: NaiveDate) -> Option<Freshness> {
    let days = joined.days.keys().filter_map(|day| days::date((*day)?));
    let dates: Vec<NaiveDate> = days.filter(|date| window.holds(*date)).collect();
    let (first, last) = (*dates.first()?, *dates.last()?);
    Some(Freshness {
        first,
        last,
        age_days: (scored - last).num_days(),
        missing_days: ((last - first).num_days() + 1).unsigned_abs() - dates.len() as u64,
        gaps: odd::gaps(&dates),
    })
}

fn model(subject: &Subject) -> ModelCard {
    let (model, metrics) = (&subject.model, &subject.metrics);
    let (training, options) = (&model.training, &model.training.options);
    let fields = model.estimator.fields().unwrap_or_default();
    let class_weight = options.get("class_weight").cloned();
    ModelCard {
        family: match &training.family {
            Some(family) => family.clone(),
            None => model.estimator.kind().to_owned(),
        },
        target: model.target.name.clone(),
        threshold: subject.of_two.as_ref().map(|of_two| of_two.threshold),
        intercept: fields.get("intercept").and_then(Value::as_f64),
        training: Training {
            c: options.get("c").and_then(Value::as_f64),
            class_weight: class_weight.and_then(|of| serde_json::from_value(of).ok()),
            rows: training.rows,
            iterations: training.iterations,
            converged: training.converged,
        },
        by_models_json: subject.manifest.lists(layout::MODELS_FILE),
        selection: metrics.selection.clone(),
        positives: metrics.fit.positives.unwrap_or(0),
        warnings: subject.manifest.warnings.clone(),
        gates: subject.gates.clone(),
        importance: metrics.importance.clone(),
    }
}

fn provenance(subject: &Subject) -> Provenance {
    let (results, model) = (&subject.results, &subject.manifest);
    Provenance {
        results_manifest: subject.results_key.clone(),
        results_fingerprint: results.header.fingerprint.clone(),
        scored_at: results.header.created_at,
        scored_by: results.header.workflow.clone(),
        model_manifest: results.model.clone(),
        model_fingerprint: model.header.fingerprint.clone(),
        trained_on: model.data_version.clone(),
        trained_at: model.header.created_at,
        trained_by: model.header.workflow.clone(),
        config: model.config.clone(),
        predict: subject.predict.clone(),
        train: subject.train.clone(),
        holdout: subject.holdout.clone(),
    }
}
