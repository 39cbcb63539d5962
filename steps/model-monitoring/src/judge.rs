//! From counts to what a report says: comparisons, verdicts and findings. Pure.

use anyhow::{Context, Result};
use common::days;
use common::drift::{self, Profile, Thresholds, Verdict};
use common::metrics::Report as Metrics;

use crate::content::{
    Area, Bin, ClassNames, ColumnDrift, Content, Day, Drift, FeatureQuality, Finding, LateLabels, Performance,
    Provenance, Quality, REPORT_VERSION, Severity, Summary,
};
use crate::format::{count, metric, number, rows, share};
use crate::join::{DayCounts, Joined};
use crate::scan::Scan;
use crate::subject::Subject;

/// Bars of a histogram.
const BINS: usize = 32;
/// Up to so many distinct values have a bar each.
const FEW_VALUES: usize = 24;
/// Share of the values that a histogram leaves out on either side: a few far values would squeeze the rest.
const TAIL: f64 = 0.002;
/// Features that a finding names; the others are counted.
const NAMED: usize = 5;

/// Everything that a report says.
pub(crate) fn content(
    subject: &Subject,
    scan: &Scan,
    joined: Joined,
    thresholds: Thresholds,
    timezone: &str,
) -> Result<Content> {
    let drift = drift(subject, scan, &thresholds)?;
    let verdict =
        drift.features.iter().map(|column| column.verdict).max().unwrap_or(Verdict::Ok).max(drift.score.verdict);
    let mut content = Content {
        report_version: REPORT_VERSION,
        verdict,
        findings: Vec::new(),
        model_name: subject.results.model_name.clone(),
        model_version: subject.results.model_version,
        data_version: subject.results.data_version.clone(),
        timezone: timezone.to_owned(),
        thresholds,
        quality: quality(subject, scan, &joined),
        performance: performance(subject, joined),
        drift,
        importance: subject.metrics.importance.clone(),
        provenance: provenance(subject),
    };
    content.findings = findings(&content);
    Ok(content)
}

fn quality(subject: &Subject, scan: &Scan, joined: &Joined) -> Quality {
    let feature = |(scan, reference): (&crate::scan::FeatureScan, &common::reference::FeatureProfile)| FeatureQuality {
        name: reference.name.clone(),
        nulls: scan.profile.nulls(),
        nans: scan.profile.nans(),
        infinities: scan.profile.infinities(),
        below: scan.below,
        above: scan.above,
        min: scan.profile.min(),
        max: scan.profile.max(),
        reference_min: reference.profile.min(),
        reference_max: reference.profile.max(),
    };
    Quality {
        rows: scan.rows,
        unscored_rows: scan.unscored_rows,
        shards: subject.results.shards.len() as u64,
        quarantined: subject.results.quarantined.clone(),
        key: subject.keys(),
        duplicate_keys: joined.duplicate_keys,
        duplicate_rows: joined.duplicate_rows,
        undated_rows: subject.time().map(|_| scan.undated_rows),
        features: scan.features.iter().zip(&subject.reference.features).map(feature).collect(),
        late_labels: LateLabels {
            files: subject.label_files.iter().map(|file| file.key.clone()).collect(),
            ..joined.late.clone()
        },
    }
}

fn performance(subject: &Subject, joined: Joined) -> Performance {
    let mut all: Option<DayCounts> = None;
    for counts in joined.days.values() {
        match &mut all {
            None => all = Some(counts.clone()),
            Some(all) => {
                all.rows += counts.rows;
                all.labelled_rows += counts.labelled_rows;
                all.metrics.merge(&counts.metrics);
            }
        }
    }
    let (rows, labelled_rows) = all.as_ref().map_or((0, 0), |all| (all.rows, all.labelled_rows));
    let overall = all.map(|all| all.metrics.report(Some(&joined.ranks))).filter(|overall| overall.rows > 0);
    let classes = &subject.model.classes;
    Performance {
        labelled_rows,
        label_coverage: ratio(labelled_rows, rows),
        majority_accuracy: overall.as_ref().and_then(|overall| overall.base_rate).map(|rate| rate.max(1.0 - rate)),
        overall,
        holdout: subject.metrics.holdout.clone(),
        classes: ClassNames { negative: classes.negative.to_string(), positive: classes.positive.to_string() },
        time_column: subject.time().map(str::to_owned),
        days: joined.days.into_iter().filter_map(|(number, counts)| Some(day(days::date(number?)?, &counts))).collect(),
    }
}

fn day(date: chrono::NaiveDate, counts: &DayCounts) -> Day {
    let metrics = counts.metrics.report(Some(&counts.ranks));
    Day {
        date,
        rows: counts.rows,
        scored_rows: counts.scored_rows,
        labelled_rows: counts.labelled_rows,
        label_coverage: ratio(counts.labelled_rows, counts.rows),
        mean_score: (counts.scored_rows > 0).then(|| counts.score_sum / counts.scored_rows as f64),
        predicted_positive_rate: ratio(counts.predicted_positives, counts.scored_rows),
        base_rate: metrics.base_rate,
        accuracy: metrics.accuracy,
        precision: metrics.precision,
        recall: metrics.recall,
        f1: metrics.f1,
        roc_auc: metrics.roc_auc,
        log_loss: metrics.log_loss,
        brier: metrics.brier,
        confusion: metrics.confusion,
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn drift(subject: &Subject, scan: &Scan, thresholds: &Thresholds) -> Result<Drift> {
    let damaged = || format!("reading the reference profile of {}", subject.results.model);
    let reference = subject.reference.score.all().with_context(damaged)?;
    let score = column("score", &reference, &scan.score, thresholds).with_context(damaged)?;
    let mut features = Vec::with_capacity(scan.features.len());
    for (reference, current) in subject.reference.features.iter().zip(&scan.features) {
        features.push(column(&reference.name, &reference.profile, &current.profile, thresholds)?);
    }
    let index = |column: &ColumnDrift| column.psi.as_ref().map_or(-1.0, |psi| psi.value);
    // Stable: equal ones stay in the model's order.
    features.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(index(b).total_cmp(&index(a))));
    Ok(Drift { score, features })
}

fn column(name: &str, reference: &Profile, current: &Profile, thresholds: &Thresholds) -> Result<ColumnDrift> {
    let psi = drift::psi(reference, current)?;
    Ok(ColumnDrift {
        name: name.to_owned(),
        verdict: drift::verdict(psi.as_ref(), thresholds),
        psi,
        ks: drift::ks(reference, current)?,
        reference: summary(reference),
        current: summary(current),
        histogram: histogram(reference, current),
    })
}

fn summary(profile: &Profile) -> Summary {
    Summary {
        rows: profile.rows(),
        missing: profile.rows() - profile.count(),
        mean: profile.mean(),
        std: profile.std(),
        min: profile.min(),
        median: profile.quantile(0.5),
        max: profile.max(),
    }
}

/// Both distributions over the same bars.
fn histogram(reference: &Profile, current: &Profile) -> Vec<Bin> {
    if let (Some(a), Some(b)) = (reference.values(), current.values()) {
        let mut values: Vec<f64> = a.iter().chain(b).map(|&(value, _)| value).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() <= FEW_VALUES {
            let count_of = |side: &[(f64, u64)], value: f64| {
                side.iter().find(|(other, _)| *other == value).map_or(0, |&(_, count)| count)
            };
            let bar = |&value: &f64| Bin {
                lower: value,
                upper: value,
                reference: count_of(a, value),
                current: count_of(b, value),
            };
            return values.iter().map(bar).collect();
        }
    }
    let ends = |q: f64| [reference, current].into_iter().filter_map(move |side| side.quantile(q));
    let lower = ends(TAIL).fold(f64::INFINITY, f64::min);
    let upper = ends(1.0 - TAIL).fold(f64::NEG_INFINITY, f64::max);
    if lower >= upper {
        return Vec::new();
    }
    let (a, b) = (reference.histogram_between(lower, upper, BINS), current.histogram_between(lower, upper, BINS));
    a.iter()
        .zip(&b)
        .map(|(a, b)| Bin { lower: a.lower, upper: a.upper, reference: a.count, current: b.count })
        .collect()
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
    }
}

/// What a person should know first: the worst first, then data quality, performance, drift.
fn findings(content: &Content) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.of_quality(&content.quality);
    findings.of_performance(&content.performance, &content.quality);
    findings.of_drift(content);
    let mut findings = findings.0;
    findings.sort_by_key(|finding| finding.severity);
    findings
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, area: Area, text: impl Into<String>) {
        self.0.push(Finding { severity, area, text: text.into() });
    }

    fn of_quality(&mut self, quality: &Quality) {
        let mut warn = |text: String| self.add(Severity::Warn, Area::Quality, text);
        if quality.rows == 0 {
            warn("There are no rows: nothing was scored.".to_owned());
        }
        if !quality.quarantined.is_empty() {
            let of = quality.shards + quality.quarantined.len() as u64;
            warn(format!(
                "{} of {of} raw files were left out, because they break the data contract.",
                quality.quarantined.len()
            ));
        }
        if quality.unscored_rows > 0 {
            let part = share(ratio(quality.unscored_rows, quality.rows));
            warn(format!(
                "{} ({part}) have no prediction, because a feature is null or not finite.",
                rows(quality.unscored_rows)
            ));
        }
        if quality.duplicate_rows > 0 {
            let key = quality.key.join(", ");
            warn(format!("{} repeat the key ({key}) of another row.", rows(quality.duplicate_rows)));
        }
        if let Some(undated) = quality.undated_rows.filter(|&undated| undated > 0) {
            self.add(Severity::Note, Area::Quality, format!("{} have no date and stand in no day.", rows(undated)));
        }
        let (late, unmatched) = (&quality.late_labels, quality.late_labels.unmatched_keys);
        if unmatched > 0 {
            let text = format!(
                "{} of the {} late labels are of keys that were not scored here.",
                count(unmatched),
                count(late.labels)
            );
            self.add(Severity::Note, Area::Quality, text);
        }
    }

    fn of_performance(&mut self, performance: &Performance, quality: &Quality) {
        let mut note = |text: String| self.add(Severity::Note, Area::Performance, text);
        let Some(overall) = &performance.overall else {
            if quality.rows > 0 {
                note("There are no labels yet: performance will be known when they come.".to_owned());
            }
            return;
        };
        if performance.labelled_rows < quality.rows {
            note(format!(
                "Performance is known for {} of the rows: the others have no label yet.",
                share(performance.label_coverage)
            ));
        }
        if let (Some(accuracy), Some(majority)) = (overall.accuracy, performance.majority_accuracy)
            && accuracy < majority
        {
            let often = majority_class(performance, overall);
            note(format!(
                "Accuracy {} is below the {} of always answering {often}: judge by precision, recall and ROC AUC.",
                share(Some(accuracy)),
                share(Some(majority))
            ));
        }
        if let (Some(now), Some(then)) = (overall.roc_auc, performance.holdout.roc_auc) {
            let than = match now - then {
                apart if apart.abs() < 0.0005 => "equal to the holdout's".to_owned(),
                apart if apart < 0.0 => format!("{} below the holdout's", metric(Some(-apart))),
                apart => format!("{} above the holdout's", metric(Some(apart))),
            };
            note(format!("ROC AUC is {}, {than}.", metric(Some(now))));
        }
    }

    fn of_drift(&mut self, content: &Content) {
        let thresholds = &content.thresholds;
        let drift = &content.drift;
        if drift.score.verdict == Verdict::InsufficientData {
            let (now, then) = (drift.score.current.rows, drift.score.reference.rows);
            let text = format!(
                "Too few rows to judge drift: {} now and {} in training, where {} are needed.",
                count(now),
                count(then),
                count(thresholds.min_rows)
            );
            self.add(Severity::Note, Area::Drift, text);
        }
        for (verdict, severity, limit) in
            [(Verdict::Alert, Severity::Alert, thresholds.alert), (Verdict::Warn, Severity::Warn, thresholds.warn)]
        {
            let mut drifted: Vec<&ColumnDrift> = std::iter::once(&drift.score)
                .chain(&drift.features)
                .filter(|column| column.verdict == verdict)
                .collect();
            let more = drifted.len().saturating_sub(NAMED);
            drifted.truncate(NAMED);
            for column in &drifted {
                self.add(severity, Area::Drift, moved(column, limit));
            }
            if more > 0 {
                self.add(
                    severity,
                    Area::Drift,
                    format!("{more} more features have a PSI of {} or more.", number(Some(limit))),
                );
            }
        }
        if content.verdict == Verdict::Ok {
            let text = format!("No feature, nor the score, has a PSI of {} or more.", number(Some(thresholds.warn)));
            self.add(Severity::Note, Area::Drift, text);
        }
    }
}

/// The class that is more frequent, as it stands in the data.
pub(crate) fn majority_class<'a>(performance: &'a Performance, overall: &Metrics) -> &'a str {
    let classes = &performance.classes;
    if 2 * overall.positives >= overall.rows { &classes.positive } else { &classes.negative }
}

fn moved(column: &ColumnDrift, limit: f64) -> String {
    let psi = column.psi.as_ref().map(|psi| psi.value);
    format!(
        "{} drifted: PSI {} (limit {}), mean {} in training and {} now.",
        column.name,
        metric(psi),
        number(Some(limit)),
        number(column.reference.mean),
        number(column.current.mean)
    )
}
