//! What is seen first: the verdict, the key numbers, and what a person should know.

use profile::drift::Verdict;

use super::parts::card;
use super::task;
use crate::content::{Area, ColumnDrift, Content, Drift, Finding, Performance, Severity};
use crate::format::{count, difference, interval, metric, rows, share};
use crate::html::{Markup, leaf, nothing, tag, tagged, text};

/// The word for a verdict, and the class that colours it.
pub fn word(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Ok => ("OK", "ok"),
        Verdict::InsufficientData => ("Insufficient data", "unknown"),
        Verdict::Warn => ("Warning", "warn"),
        Verdict::Alert => ("Alert", "alert"),
    }
}

/// A shape for each verdict: a tick in a circle, a question mark in a dashed one, a triangle, an
/// octagon.
pub(super) fn icon(verdict: Verdict) -> Markup {
    let shape = match verdict {
        Verdict::Ok => [
            leaf("circle cx=\"12\" cy=\"12\" r=\"10\""),
            leaf("path d=\"M7 12.5L10.5 16L17 8.5\""),
        ],
        Verdict::InsufficientData => [
            leaf("circle cx=\"12\" cy=\"12\" r=\"10\" stroke-dasharray=\"3.5 2.8\""),
            leaf("path d=\"M9 9.5a3 3 0 1 1 4.2 2.7c-.9.4-1.2 1-1.2 2M12 17v.4\""),
        ],
        Verdict::Warn => [
            leaf("path d=\"M12 2.5L22.5 21H1.5Z\""),
            leaf("path d=\"M12 9v5.5M12 17.6v.4\""),
        ],
        Verdict::Alert => [
            leaf("path d=\"M7.9 2h8.2L22 7.9v8.2L16.1 22H7.9L2 16.1V7.9Z\""),
            leaf("path d=\"M12 6.5v7M12 17v.4\""),
        ],
    };
    tag(
        "svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"",
        shape,
    )
}

/// A verdict in one word with its shape.
pub fn chip(verdict: Verdict) -> Markup {
    let (word, class) = word(verdict);
    tag(
        &format!("span class=\"chip {class}\""),
        [icon(verdict), text(word)],
    )
}

pub(super) fn banner(content: &Content) -> Markup {
    let (word, class) = word(content.verdict);
    let what = format!("{} v{}", content.model_name, content.model_version);
    let facts = [
        format!("data {}", content.data_version),
        format!("{} scored", rows(content.quality.rows)),
        content
            .provenance
            .scored_at
            .format("%Y-%m-%d %H:%M UTC")
            .to_string(),
    ];
    let subject = tag(
        "p class=\"subject\"",
        [tagged("strong", what), text(" · "), text(facts.join(" · "))],
    );
    let said = tag(
        "div",
        [
            subject,
            tag(
                "h1",
                [
                    tagged("span class=\"verdict\"", word),
                    tagged("span class=\"because\"", because(content)),
                ],
            ),
        ],
    );
    tag(
        &format!("header class=\"banner {class}\""),
        [icon(content.verdict), said],
    )
}

/// The verdict in a sentence.
fn because(content: &Content) -> String {
    let drift = &content.drift;
    let columns = || std::iter::once(&drift.score).chain(&drift.features);
    let all = || columns().filter(|column| column.judged);
    match content.verdict {
        Verdict::Ok => {
            let most = all().filter_map(|column| Some((column.psi.as_ref()?.value, &column.name)));
            match most.max_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((psi, name)) => {
                    format!(
                        "no column has drifted beyond the limits; {name} drifted most, with a PSI of {}",
                        metric(Some(psi))
                    )
                }
                None => "no column has drifted beyond the limits".to_owned(),
            }
        }
        Verdict::InsufficientData if content.quality.rows == 0 => "there are no rows".to_owned(),
        Verdict::InsufficientData if all().count() == 0 => "no column is judged".to_owned(),
        Verdict::InsufficientData => format!(
            "drift is judged with at least {}",
            rows(content.thresholds.min_rows)
        ),
        Verdict::Warn | Verdict::Alert => {
            let psi = |column: &ColumnDrift| column.psi.as_ref().map(|psi| psi.value);
            let limit = match content.verdict {
                Verdict::Alert => content.thresholds.alert,
                _ => content.thresholds.warn,
            };
            let bad = all().filter(|column| column.verdict == content.verdict);
            let (drifted, blind): (Vec<&ColumnDrift>, Vec<&ColumnDrift>) =
                bad.partition(|column| column.hidden.is_none() || psi(column) >= Some(limit));
            let categories = drift.categories.iter();
            let categories =
                categories.filter(|column| column.judgement() == Some(content.verdict));
            let most = drifted.iter().filter_map(|column| psi(column));
            let most = most.chain(categories.clone().filter_map(|column| column.psi));
            let most = most.max_by(f64::total_cmp);
            let names = drifted.iter().map(|column| column.name.as_str());
            let names = names.chain(categories.map(|column| column.column.as_str()));
            match (
                listed(names.collect()),
                listed(blind.iter().map(|of| of.name.as_str()).collect()),
            ) {
                (None, blind) => format!("{} cannot be judged", blind.unwrap_or_default()),
                (Some(names), None) => format!("{names} drifted, PSI up to {}", metric(most)),
                (Some(names), Some(blind)) => format!(
                    "{names} drifted, PSI up to {}; {blind} cannot be judged",
                    metric(most)
                ),
            }
        }
    }
}

/// One name, two, or two and how many more; `None` without any.
fn listed(names: Vec<&str>) -> Option<String> {
    Some(match names[..] {
        [] => return None,
        [one] => one.to_owned(),
        [first, second] => format!("{first} and {second}"),
        [first, second, ..] => format!("{first}, {second} and {} more", names.len() - 2),
    })
}

/// Rows, labels, drift, and the metrics that everybody asks for.
pub fn cards(
    all_rows: u64,
    unscored_rows: u64,
    performance: &Performance,
    drift: &Drift,
) -> Markup {
    let unscored = match unscored_rows {
        0 if all_rows == 0 => "nothing was scored".to_owned(),
        0 => "every row has one".to_owned(),
        unscored => format!("{} without one", rows(unscored)),
    };
    let predictions = count(all_rows - unscored_rows);
    let labelled = format!("{} have one", rows(performance.labelled_rows));
    let [features, score] = drifted(drift);
    let labels = card("Labels", &share(performance.label_coverage), &labelled);
    let all = [
        card("Predictions", &predictions, &unscored),
        labels,
        features,
        score,
    ];
    let of_task = match &performance.of_task {
        Some(of_task) => task::cards(of_task),
        None => metrics(performance).to_vec(),
    };
    tag("div class=\"cards\"", all.into_iter().chain(of_task))
}

/// The four metrics that everybody asks for, each beside its interval and the holdout's.
fn metrics(performance: &Performance) -> [Markup; 4] {
    let (holdout, of) = (performance.holdout.as_ref(), &performance.intervals);
    let overall = performance.overall.as_ref();
    [
        (
            "Accuracy",
            overall.map(|report| report.accuracy),
            holdout.and_then(|of| of.accuracy),
            of.accuracy,
        ),
        (
            "Precision",
            overall.map(|report| report.precision),
            holdout.and_then(|of| of.precision),
            of.precision,
        ),
        (
            "Recall",
            overall.map(|report| report.recall),
            holdout.and_then(|of| of.recall),
            of.recall,
        ),
        (
            "F1",
            overall.map(|report| report.f1),
            holdout.and_then(|of| of.f1),
            None,
        ),
    ]
    .map(|(name, now, then, within)| {
        let below = match now {
            None => format!("no labels yet; holdout {}", metric(then)),
            Some(now) => {
                let apart = now.zip(then).map(|(now, then)| now - then);
                let within = within
                    .map(|_| format!("95 %: {} · ", interval(within)))
                    .unwrap_or_default();
                format!("{within}holdout {} ({})", metric(then), difference(apart))
            }
        };
        card(name, &metric(now.flatten()), &below)
    })
}

/// Cards of the drift.
fn drifted(drift: &Drift) -> [Markup; 2] {
    // The one that drifted most comes first.
    let most = match drift.features.first() {
        Some(ColumnDrift {
            name,
            hidden: Some(_),
            verdict: Verdict::Warn,
            judged: true,
            ..
        }) => format!("{name} cannot be judged"),
        Some(ColumnDrift {
            name,
            psi: Some(psi),
            judged: true,
            ..
        }) => format!("{name} most, PSI {}", metric(Some(psi.value))),
        _ => "nothing to compare".to_owned(),
    };
    let score = match &drift.score.psi {
        Some(_) => {
            format!(
                "mean {} {}, {} now{}",
                metric(drift.score.reference.mean),
                drift.score.compared_with.within(),
                metric(drift.score.current.mean),
                if drift.score.current.bounded {
                    " (bound)"
                } else {
                    ""
                }
            )
        }
        None => "nothing to compare".to_owned(),
    };
    let judged = drift.features.iter().filter(|of| of.judged).count();
    [
        card(
            "Drifted features",
            &format!("{} of {judged}", drift.drifted_features),
            &most,
        ),
        card(
            "PSI of the score",
            &metric(drift.score.psi.as_ref().map(|psi| psi.value)),
            &score,
        ),
    ]
}

pub(super) fn findings(findings: &[Finding]) -> Markup {
    if findings.is_empty() {
        return nothing();
    }
    let item = |finding: &Finding| {
        let (verdict, word) = match finding.severity {
            Severity::Alert => (Some(Verdict::Alert), "alert"),
            Severity::Warn => (Some(Verdict::Warn), "warning"),
            Severity::Note => (None, "note"),
        };
        let area = match finding.area {
            Area::Model => "Model",
            Area::Quality => "Data",
            Area::Performance => "Performance",
            Area::Drift => "Drift",
        };
        let mark = match verdict {
            Some(verdict) => icon(verdict),
            None => tag(
                "svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"",
                [leaf("circle class=\"dot\" cx=\"12\" cy=\"12\" r=\"4\"")],
            ),
        };
        let said = tag(
            "span",
            [
                tagged("span class=\"hidden\"", format!("{word}: ")),
                tagged("span class=\"area\"", area),
                text(&finding.text),
            ],
        );
        tag(
            &format!(
                "li class=\"{}\"",
                if word == "warning" { "warn" } else { word }
            ),
            [mark, said],
        )
    };
    tag("ul class=\"findings\"", findings.iter().map(item))
}
