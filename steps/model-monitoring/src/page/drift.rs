//! Drift of the score and of each feature, and how much each feature matters.

use common::drift::{Psi, PsiBucket, PsiKind, Thresholds};
use common::model::Importance;

use super::summary::chip;
use super::{details, note, table};
use crate::chart::{Histogram, histogram, meter};
use crate::content::{ColumnDrift, Drift, Summary};
use crate::format::{count, metric, number, p_value, share, small};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Features with a chart, the ones that drifted most; the others stand in a table.
const DRAWN: usize = 120;

pub(super) fn section(drift: &Drift, thresholds: &Thresholds) -> Markup {
    let lead = tag(
        "span",
        [
            text("Each distribution beside the one in training: "),
            tagged("span class=\"key reference\"", "training"),
            tagged("span class=\"key current\"", "now"),
            text("dashed lines are the means. The verdict is on PSI, which must also exceed what chance explains."),
        ],
    );
    let (drawn, rest) = drift.features.split_at(drift.features.len().min(DRAWN));
    let cards =
        drawn.iter().enumerate().map(|(index, column)| card(&format!("feature-{index}"), column, thresholds, false));
    super::section(
        "drift",
        "Drift",
        lead,
        [card("score", &drift.score, thresholds, true), tag("div class=\"features\"", cards), others(rest)],
    )
}

fn others(rest: &[ColumnDrift]) -> Markup {
    if rest.is_empty() {
        return nothing();
    }
    let row = |column: &ColumnDrift| {
        vec![
            text(&column.name),
            chip(column.verdict),
            text(metric(column.psi.as_ref().map(|psi| psi.value))),
            text(metric(column.ks.map(|ks| ks.statistic))),
            text(number(column.reference.mean)),
            text(number(column.current.mean)),
        ]
    };
    let columns = ["Feature", "Verdict", "PSI", "KS", "Mean in training", "Mean now"];
    table("numbers", "Features that drifted least", &columns, rest.iter().map(row))
}

fn card(id: &str, column: &ColumnDrift, thresholds: &Thresholds, wide: bool) -> Markup {
    let values = |side: &Summary| side.rows - side.missing;
    let chart = Histogram {
        id: &format!("{id}-histogram"),
        name: &column.name,
        size: if wide { (640.0, 230.0) } else { (270.0, 200.0) },
        bins: &column.histogram,
        reference: values(&column.reference),
        current: values(&column.current),
        means: (column.reference.mean, column.current.mean),
    };
    let name = if wide { "Score: probability of the positive class" } else { &column.name };
    let measured = tag(
        "div",
        [
            index(&format!("{id}-psi"), column, thresholds),
            distance(column),
            beside(column),
            buckets(column.psi.as_ref()),
        ],
    );
    tag(
        if wide { "article class=\"column wide\"" } else { "article class=\"column\"" },
        [
            tag("div class=\"head\"", [tagged("h3", name), chip(column.verdict)]),
            tag("div class=\"body\"", [tag("div class=\"scroll\"", [histogram(&chart)]), measured]),
        ],
    )
}

fn index(id: &str, column: &ColumnDrift, thresholds: &Thresholds) -> Markup {
    let Some(psi) = &column.psi else {
        return note("PSI is unknown: one side has no rows.");
    };
    tag(
        "div class=\"psi\"",
        [
            tag(
                "p",
                [
                    text("PSI "),
                    tagged("strong", metric(Some(psi.value))),
                    tagged("span class=\"muted\"", format!(" chance explains {}", metric(Some(psi.noise_floor)))),
                ],
            ),
            meter(id, psi.value, thresholds.warn, thresholds.alert),
        ],
    )
}

fn distance(column: &ColumnDrift) -> Markup {
    let Some(ks) = column.ks else { return nothing() };
    let bound = if ks.error_bound > 0.0 { format!(" (+{} at most)", small(ks.error_bound)) } else { String::new() };
    tag(
        "p",
        [
            text("KS "),
            tagged("strong", metric(Some(ks.statistic))),
            tagged("span class=\"muted\"", format!("{bound} p\u{a0}{}", p_value(ks.p_value))),
        ],
    )
}

/// The column in numbers, in training and now.
fn beside(column: &ColumnDrift) -> Markup {
    let (then, now) = (&column.reference, &column.current);
    let missing = |side: &Summary| share((side.rows > 0).then(|| side.missing as f64 / side.rows as f64));
    let row = |name: &str, then: String, now: String| vec![text(name), text(then), text(now)];
    let rows = [
        row("mean", number(then.mean), number(now.mean)),
        row("std", number(then.std), number(now.std)),
        row("median", number(then.median), number(now.median)),
        row("missing", missing(then), missing(now)),
    ];
    table("numbers small", "In training and now", &["", "Training", "Now"], rows)
}

fn buckets(psi: Option<&Psi>) -> Markup {
    let Some(psi) = psi else { return nothing() };
    let range = |bucket: &PsiBucket| match (bucket.kind, bucket.lower, bucket.upper) {
        (PsiKind::Missing, ..) => "missing".to_owned(),
        (PsiKind::Infinite, ..) => "infinite".to_owned(),
        (_, None, Some(upper)) => format!("below {}", number(Some(upper))),
        (_, Some(lower), None) => format!("from {}", number(Some(lower))),
        (_, Some(lower), Some(upper)) => format!("{} … {}", number(Some(lower)), number(Some(upper))),
        (_, None, None) => "all".to_owned(),
    };
    let part = |count: u64, of: u64| share((of > 0).then(|| count as f64 / of as f64));
    let row = |bucket: &PsiBucket| {
        vec![
            text(range(bucket)),
            text(part(bucket.reference, psi.reference_rows)),
            text(part(bucket.current, psi.current_rows)),
            text(metric(Some(bucket.contribution))),
        ]
    };
    let columns = ["Values", "Training", "Now", "PSI"];
    details("PSI by bucket", table("numbers small", "PSI by bucket", &columns, psi.buckets.iter().map(row)))
}

pub(super) fn importance(importance: &[Importance]) -> Markup {
    if importance.is_empty() {
        return nothing();
    }
    let most = importance.iter().map(|feature| feature.importance).fold(0.0, f64::max);
    let row = |feature: &Importance| {
        let part = if most > 0.0 { feature.importance / most * 100.0 } else { 0.0 };
        let bar =
            tag(&format!("span class=\"bar\" style=\"--part:{part:.1}%\""), [text(metric(Some(feature.importance)))]);
        let links = if feature.collinear_with.is_empty() {
            tagged("span class=\"muted\"", crate::format::NONE)
        } else {
            text(feature.collinear_with.join(", "))
        };
        vec![
            text(&feature.feature),
            bar,
            text(number(Some(feature.coefficient))),
            text(number(Some(feature.std))),
            text(number(feature.vif)),
            links,
        ]
    };
    let columns = ["Feature", "Importance", "Coefficient", "Std", "VIF", "Collinear with"];
    let collinear = importance.iter().filter(|feature| !feature.collinear_with.is_empty()).count();
    let caution = match collinear {
        0 => nothing(),
        _ => note(format!(
            "{} features are combinations of each other. Of those only the sum of the effects means something, not one \
             coefficient, nor its importance.",
            count(collinear as u64)
        )),
    };
    let lead = text("How far one standard deviation of a feature moves the log odds, as measured in training.");
    super::section(
        "importance",
        "Feature importance",
        lead,
        [caution, table("numbers importance", "Influence of the features", &columns, importance.iter().map(row))],
    )
}
