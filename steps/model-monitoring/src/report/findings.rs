//! What a person should know first.

mod days;
mod deciding;
mod far;
mod numbers;
mod quality;

use learn::metrics::Report as Metrics;
use learn::task::Better;
use pages::content::{
    Area, ColumnDrift, Content, Drift, FeatureQuality, Finding, ModelCard, OfTask, Performance,
    Quality, Severity,
};
use pages::format::{count, metric, number, share, some};
use pages::judge::ratio;
use pages::page::task::title;
use profile::drift::{Psi, Verdict};

use super::{categories, plausible};
use deciding::decided;

/// Features that a finding names; the others are counted.
const NAMED: usize = 5;
/// Metrics that differ by so small a part are about equal.
const ALIKE: f64 = 0.0005;

/// The worst first, then the model, data quality, performance, drift. `unknown` is what is wrong
/// with columns that the setting of the verdict names, and `unmatched` is what there is in place of
/// label files.
pub(super) fn findings(
    content: &Content,
    unknown: Option<String>,
    unmatched: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.of_model(&content.model);
    findings.of_quality(&content.quality);
    findings.of_dates(content);
    for (severity, text) in plausible::findings(content) {
        findings.add(severity, Area::Performance, text);
    }
    if let Some(text) = far::predictions(content) {
        findings.add(Severity::Warn, Area::Performance, text);
    }
    findings.of_performance(&content.performance, &content.quality, unmatched);
    findings.of_drift(content);
    for (severity, area, text) in days::findings(content) {
        findings.add(severity, area, text);
    }
    if let Some(unknown) = unknown {
        findings.add(Severity::Warn, Area::Drift, format!("{unknown}."));
    }
    let mut findings = findings.0;
    findings.sort_by_key(|finding| (finding.severity, finding.area));
    findings
}

/// What a few rows ruin, which is in the log too.
pub(super) fn ruinous(content: &Content) -> Vec<String> {
    let of_task = content.performance.of_task.as_ref();
    let decided = of_task.and_then(|of| decided(of, &content.quality.features));
    far::predictions(content)
        .into_iter()
        .chain(decided)
        .collect()
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, area: Area, text: impl Into<String>) {
        self.0.push(Finding {
            severity,
            area,
            text: text.into(),
        });
    }

    fn of_model(&mut self, model: &ModelCard) {
        if !model.training.converged {
            let text = format!(
                "The fit of the model did not converge (Newton steps: {}): other coefficients would \
                 fit the training data better. Its warning in the section Model says what to do.",
                count(model.training.iterations.unwrap_or(0).into())
            );
            self.add(Severity::Warn, Area::Model, text);
        }
    }

    fn of_performance(
        &mut self,
        performance: &Performance,
        quality: &Quality,
        unmatched: Option<&str>,
    ) {
        let mut note = |text: String| self.add(Severity::Note, Area::Performance, text);
        let of_task = performance.of_task.as_ref();
        if let Some(of_task) = of_task.filter(|of| of.now.is_some()) {
            if performance.labelled_rows < quality.rows {
                note(known_for(performance));
            }
            return self.of_task(of_task, &quality.features);
        }
        let Some(overall) = &performance.overall else {
            if quality.rows > 0 {
                note(match unmatched {
                    Some(unmatched) => {
                        format!("There are no labels: {unmatched}. Check LABELS_GLOB.")
                    }
                    None => "There are no labels yet: performance will be known when they arrive."
                        .to_owned(),
                });
            }
            return;
        };
        if performance.labelled_rows < quality.rows {
            note(known_for(performance));
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
        let holdout = performance.holdout.as_ref();
        if let (Some(now), Some(then)) = (
            performance.intervals.accuracy,
            holdout.and_then(|of| of.confusion.intervals().accuracy),
        ) && now.high < then.low
        {
            note(format!(
                "Accuracy {} ({} to {}) is below the holdout's {} by more than chance explains.",
                share(overall.accuracy),
                share(Some(now.low)),
                share(Some(now.high)),
                share(holdout.and_then(|of| of.accuracy))
            ));
        }
        let roc_auc = holdout.and_then(|of| of.roc_auc);
        if let (Some(now), Some(then)) = (overall.roc_auc, roc_auc) {
            let than = match now - then {
                apart if apart.abs() < 0.0005 => "equal to the holdout's".to_owned(),
                apart if apart < 0.0 => format!("{} below the holdout's", metric(Some(-apart))),
                apart => format!("{} above the holdout's", metric(Some(apart))),
            };
            note(format!("ROC AUC is {}, {than}.", metric(Some(now))));
        }
    }

    /// Rows that decide the metrics of a task, and the first of these beside the holdout's.
    fn of_task(&mut self, of: &OfTask, features: &[FeatureQuality]) {
        if let Some(text) = decided(of, features) {
            self.add(Severity::Warn, Area::Performance, text);
        }
        let Some((metric, now, then)) = of
            .metrics
            .first()
            .and_then(|metric| Some((metric, metric.now?, metric.holdout?)))
        else {
            return;
        };
        let apart = match metric.better {
            Some(Better::Larger) => now - then,
            _ => then - now,
        };
        let (shown, of_holdout) = (number(Some(now)), number(Some(then)));
        let than = match apart {
            _ if shown == of_holdout => "equal to the holdout's",
            apart if apart.abs() < ALIKE * now.abs().max(then.abs()) => {
                "about equal to the holdout's"
            }
            apart if apart > 0.0 => "better than the holdout's",
            apart if apart < 0.0 => "worse than the holdout's",
            _ => "equal to the holdout's",
        };
        let text = format!("{} is {shown}, {than} {of_holdout}.", title(&metric.name));
        self.add(Severity::Note, Area::Performance, text);
    }

    fn of_drift(&mut self, content: &Content) {
        let thresholds = &content.thresholds;
        let drift = &content.drift;
        if drift.score.verdict == Verdict::InsufficientData {
            let (now, then) = (drift.score.current.rows, drift.score.reference.rows);
            let text = format!(
                "Too few rows to judge drift: {} now and {} to compare with, where {} are needed.",
                count(now),
                count(then),
                count(thresholds.min_rows)
            );
            self.add(Severity::Note, Area::Drift, text);
        }
        for (verdict, severity, limit) in [
            (Verdict::Alert, Severity::Alert, thresholds.alert),
            (Verdict::Warn, Severity::Warn, thresholds.warn),
        ] {
            let mut drifted: Vec<&ColumnDrift> = std::iter::once(&drift.score)
                .chain(&drift.features)
                .filter(|column| column.judgement() == Some(verdict))
                .filter(|column| !is_only_hidden(column, limit))
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
                    format!(
                        "{more} more features have a PSI of {} or more.",
                        number(Some(limit))
                    ),
                );
            }
            for text in categories::drifted(&drift.categories, verdict, limit) {
                self.add(severity, Area::Drift, text);
            }
        }
        for text in hidden(drift) {
            self.add(Severity::Warn, Area::Drift, text);
        }
        for text in categories::notes(content) {
            self.add(Severity::Note, Area::Drift, text);
        }
        for text in numbers::notes(content) {
            self.add(Severity::Note, Area::Drift, text);
        }
        self.of_columns(drift);
        let changed = drift
            .features
            .iter()
            .filter_map(|column| Some((column, column.values.as_ref()?)));
        for (column, values) in changed
            .filter(|(_, values)| !values.new.is_empty())
            .take(NAMED)
        {
            let new = values.new.iter().map(|value| number(Some(*value)));
            let new: Vec<String> = new.collect();
            let text = format!(
                "{} has values that training did not have: {}.",
                column.name,
                some(&new, NAMED)
            );
            self.add(Severity::Note, Area::Drift, text);
        }
        if content.verdict == Verdict::Ok {
            let text = format!(
                "Neither the score nor a feature has a PSI of {} or more.",
                number(Some(thresholds.warn))
            );
            self.add(Severity::Note, Area::Drift, text);
        }
    }

    /// Which columns the verdict is not on.
    fn of_columns(&mut self, drift: &Drift) {
        let columns = std::iter::once(&drift.score).chain(&drift.features);
        let columns = columns.map(|of| (of.judged, &of.name));
        let categories = drift.categories.iter();
        let categories = categories.filter(|of| of.shares.reference_rows > 0);
        let all = columns.chain(categories.map(|of| (of.judged, &of.column)));
        let names: Vec<&str> = all
            .filter(|(judged, _)| !judged)
            .map(|(_, name)| name.as_str())
            .collect();
        if names.is_empty() {
            return;
        }
        let text = format!(
            "MONITOR_COLUMNS excludes {} from the verdict.",
            some(&names, NAMED)
        );
        self.add(Severity::Note, Area::Drift, text);
    }
}

fn known_for(performance: &Performance) -> String {
    format!(
        "Performance is known for {} of the rows: the others have no label yet.",
        share(performance.label_coverage)
    )
}

/// Whether a column is not ok for what its profile hides alone.
fn is_only_hidden(column: &ColumnDrift, limit: f64) -> bool {
    let below = |psi: &Psi| psi.value < limit || psi.value <= psi.noise_floor;
    column.hidden.is_some() && column.psi.as_ref().is_some_and(below)
}

/// Columns in which a shift is not seen.
fn hidden(drift: &Drift) -> Vec<String> {
    let columns = std::iter::once(&drift.score).chain(&drift.features);
    let blind: Vec<(&ColumnDrift, f64)> = columns
        .filter(|column| column.judged)
        .filter_map(|column| Some((column, column.hidden?)))
        .collect();
    let text = |(column, hidden): &(&ColumnDrift, f64)| {
        let (then, name) = (&column.reference, &column.name);
        let range = match (then.min, then.max) {
            (Some(min), Some(max)) => {
                format!(", from {} to {}", number(Some(min)), number(Some(max)))
            }
            _ => String::new(),
        };
        format!(
            "{name} cannot be judged: an earlier release trained the model, and the values of its training data lie so far \
             apart{range} that {} of them share a few cells, within which a shift is not visible. Train again, or exclude {name} \
             from the verdict (MONITOR_COLUMNS=-{name}).",
            share(Some(*hidden))
        )
    };
    let more = blind.len().saturating_sub(NAMED);
    let mut texts: Vec<String> = blind.iter().take(NAMED).map(text).collect();
    if more > 0 {
        texts.push(format!("{more} more columns cannot be judged."));
    }
    texts
}

/// The class that is more frequent, as it is in the data.
fn majority_class<'a>(performance: &'a Performance, overall: &Metrics) -> &'a str {
    if 2 * overall.positives >= overall.rows {
        performance.positive()
    } else {
        performance.negative()
    }
}

fn moved(column: &ColumnDrift, limit: f64) -> String {
    let psi = column.psi.as_ref().map(|psi| psi.value);
    if let Some(shares) = &column.categories {
        return categories::drifted_by(&column.name, psi, shares, limit);
    }
    let within = column.compared_with.within();
    let missing = [&column.reference, &column.current].map(|of| ratio(of.missing, of.rows));
    let missing = match missing {
        [then, now] if then != now => format!(
            ", missing or infinite {} {within} and {} now",
            share(then),
            share(now)
        ),
        _ => String::new(),
    };
    format!(
        "{} drifted: PSI {} (limit {}), mean {} {within} and {} now{missing}.",
        column.name,
        metric(psi),
        number(Some(limit)),
        number(column.reference.mean),
        number(column.current.mean)
    )
}

#[cfg(test)]
mod tests {
    use learn::metrics::regression::Regression;
    use learn::task::Report;
    use pages::content::MetricNow;

    use super::*;

    #[test]
    fn metrics_that_read_alike_are_neither_better_nor_worse() {
        let mut measured = Regression::default();
        measured.add_rows(&[1.0], &[2.0], None).unwrap();
        let said = |now, holdout| {
            let metric = MetricNow {
                name: "accuracy".to_owned(),
                better: Some(Better::Larger),
                now: Some(now),
                holdout: Some(holdout),
            };
            let of = OfTask {
                task: "multiclass".to_owned(),
                classes: Vec::new(),
                metrics: vec![metric],
                now: Some(Report::other(&measured.report(), [])),
                holdout: None,
                deciding: None,
                far: None,
            };
            let mut findings = Findings(Vec::new());
            findings.of_task(&of, &[]);
            findings.0.remove(0).text
        };
        for (now, than) in [
            (0.99, "0.99, about equal to the holdout's 0.9899."),
            (0.989_901, "0.9899, equal to the holdout's 0.9899."),
            (0.995, "0.995, better than the holdout's 0.9899."),
            (0.98, "0.98, worse than the holdout's 0.9899."),
        ] {
            assert_eq!(said(now, 0.9899), format!("Accuracy is {than}"));
        }
    }
}
