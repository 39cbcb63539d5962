//! What the model is, and where everything comes from.

use learn::estimator::Families;
use learn::model::Importance;

use super::parts::{self, SHOWN_FEATURES, bar, details, folded, note, table};
use super::{gates, reasons, selection};
use crate::content::{Content, Lineage, ModelCard};
use crate::format::{bytes, count, number, rows, some};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Features that one is said to be collinear with; the others are counted.
const LINKED: usize = 4;
/// Warnings of the training that are shown before the others are folded.
const WARNINGS: usize = 5;
/// Digits of a digest that distinguish files.
const DIGITS: usize = 12;

pub(super) fn section(content: &Content) -> Markup {
    let model = &content.model;
    let lead = text(format!(
        "{} v{}, trained on data {} on {}.",
        content.model_name,
        content.model_version,
        content.provenance.trained_on,
        content.provenance.trained_at.format("%Y-%m-%d %H:%M UTC")
    ));
    let inner = [
        facts(model, content.quality.features.len()),
        warnings(&model.warnings),
        model.selection.as_ref().map_or_else(nothing, selection::of),
        gates::of(&model.gates),
        importance(model),
        reasons::of(&content.reasons),
        model
            .selection
            .as_ref()
            .map_or_else(nothing, selection::permutation),
    ];
    parts::section("model", "Model", lead, inner)
}

fn facts(model: &ModelCard, features: usize) -> Markup {
    let entry =
        |name: &str, value: String| tag("div", [tagged("dt", name), tag("dd", [text(value)])]);
    let training = &model.training;
    let class_weight = serde_json::to_value(training.class_weight).ok();
    let class_weight = class_weight
        .as_ref()
        .and_then(|name| name.as_str())
        .unwrap_or_default();
    let part = if training.rows > 0 {
        model.positives as f64 / training.rows as f64
    } else {
        0.0
    };
    let ended = if training.converged {
        "converged"
    } else {
        "not converged"
    };
    let trained_on = match model.threshold {
        Some(_) => format!(
            "{}, {} positive",
            rows(training.rows),
            crate::format::share(Some(part))
        ),
        None => rows(training.rows),
    };
    let mut entries = vec![
        entry("Family", model.family.clone()),
        entry("Predicts", model.target.clone()),
        entry("Features", count(features as u64)),
    ];
    let threshold = model.threshold.map(|at| number(Some(at)));
    entries.extend(threshold.map(|at| entry("Threshold", at)));
    entries.push(entry("Trained on", trained_on));
    entries.extend(training.c.map(|c| {
        let weighted = match training.class_weight {
            Some(_) => format!(", class weight {class_weight}"),
            None => String::new(),
        };
        entry("Fit", format!("C {}{weighted}", number(Some(c))))
    }));
    let steps = training.iterations;
    entries.extend(steps.map(|steps| entry("Newton steps", format!("{steps}, {ended}"))));
    let intercept = model.intercept.map(|of| number(Some(of)));
    entries.extend(intercept.map(|of| entry("Intercept", of)));
    tag("dl class=\"plain\"", entries)
}

/// What training warned of, below the facts because it may be long.
fn warnings(warnings: &[String]) -> Markup {
    if warnings.is_empty() {
        return nothing();
    }
    let list = |warnings: &[String]| {
        let items = warnings.iter().map(|warning| tagged("li", warning));
        tag("ul class=\"warnings\"", items)
    };
    let (first, more) = warnings.split_at(warnings.len().min(WARNINGS));
    let more = match more {
        [] => nothing(),
        more => details(
            &format!("{} more warnings", count(more.len() as u64)),
            list(more),
        ),
    };
    let heading = tagged("h3 class=\"part\"", "Warnings of the training");
    tag("div", [heading, list(first), more])
}

fn importance(model: &ModelCard) -> Markup {
    let importance = &model.importance;
    if importance.is_empty() {
        return nothing();
    }
    let most = importance
        .iter()
        .map(|feature| feature.importance)
        .fold(0.0, f64::max);
    let row = |feature: &Importance| {
        let links = match &feature.collinear_with[..] {
            [] => tagged("span class=\"muted\"", crate::format::NONE),
            names => text(some(names, LINKED)),
        };
        vec![
            text(&feature.feature),
            bar(feature.importance, most),
            text(number(feature.coefficient)),
            text(number(Some(feature.std))),
            text(number(feature.vif)),
            links,
        ]
    };
    let columns = [
        "Feature",
        "Importance",
        "Coefficient",
        "Std",
        "VIF",
        "Collinear with",
    ];
    let collinear = importance
        .iter()
        .filter(|feature| !feature.collinear_with.is_empty())
        .count();
    let caution = match collinear {
        0 => nothing(),
        _ => note(format!(
            "{} features are combinations of each other. Only the sum of their effects is meaningful, not a single \
             coefficient or importance.",
            count(collinear as u64)
        )),
    };
    let linear = |of: &Importance| of.coefficient.is_some() || of.vif.is_some();
    let of_log_odds = model.threshold.is_some() && importance.iter().any(linear);
    let lead = match Families::standard().get(&model.family) {
        Ok(family) if !of_log_odds => note(format!(
            "Importance: {}, as measured in training.",
            family.importance_is()
        )),
        _ => note(
            "Importance: how far one standard deviation of a feature moves the log odds, as measured in training.",
        ),
    };
    let of_raw = match model.selection.as_ref().and_then(|of| of.calibration) {
        Some(_) => note("It refers to the raw score, before calibration."),
        None => nothing(),
    };
    let rows = importance.iter().map(row);
    let table = folded(
        "numbers importance",
        "Influence of the features",
        &columns,
        rows,
        SHOWN_FEATURES,
    );
    tag(
        "div",
        [
            tagged("h3 class=\"part\"", "Coefficients and importance"),
            lead,
            of_raw,
            caution,
            table,
        ],
    )
}

pub(super) fn provenance(content: &Content, fingerprint: &str) -> Markup {
    let from = &content.provenance;
    let at =
        |time: &chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let entry = |name: &str, value: Markup| tag("div", [tagged("dt", name), tag("dd", [value])]);
    let code = |value: &str| tagged("code", value);
    let entries = [
        entry(
            "Model",
            text(format!("{} v{}", content.model_name, content.model_version)),
        ),
        entry(
            "Trained on",
            text(format!(
                "data {}, {}, by {}",
                from.trained_on,
                at(&from.trained_at),
                from.trained_by
            )),
        ),
        entry(
            "Scored",
            text(format!(
                "data {}, {}, by {}",
                content.data_version,
                at(&from.scored_at),
                from.scored_by
            )),
        ),
        entry("Results", code(&from.results_manifest)),
        entry("Model manifest", code(&from.model_manifest)),
        entry("Fingerprint of the report", code(fingerprint)),
        entry("of the results", code(&from.results_fingerprint)),
        entry("of the model", code(&from.model_fingerprint)),
        entry("Configuration", code(&from.config)),
        entry("Time zone of the days", text(&content.timezone)),
        entry(
            "Thresholds",
            text(format!(
                "PSI warns from {} and alerts from {}, if it exceeds the noise floor; no verdict below {}",
                number(Some(content.thresholds.warn)),
                number(Some(content.thresholds.alert)),
                rows(content.thresholds.min_rows)
            )),
        ),
    ];
    let files = tag(
        "div",
        [
            lineage("Scored", Some(&from.predict)),
            lineage("Trained on", from.train.as_ref()),
            lineage("Holdout", from.holdout.as_ref()),
        ],
    );
    tag(
        "footer",
        [
            tagged("h2", "Provenance"),
            tag("dl", entries),
            tagged("h3 class=\"part\"", "Raw files"),
            files,
        ],
    )
}

/// Raw files, as the manifest lists them.
fn lineage(name: &str, lineage: Option<&Lineage>) -> Markup {
    let Some(lineage) = lineage else {
        return note(format!(
            "{name}: the rows were deleted since, and their files are not known."
        ));
    };
    let summary = format!(
        "{name}: {} of {} files, {}",
        rows(lineage.rows),
        count(lineage.files),
        bytes(lineage.bytes)
    );
    let row = |file: &catalog::manifest::RawShard| {
        let digest = file.sha256.get(..DIGITS).unwrap_or(&file.sha256);
        vec![
            tagged("code", &file.key),
            text(count(file.rows)),
            text(bytes(file.bytes)),
            tagged("code", digest),
        ]
    };
    let caption = format!("Raw files: {name}");
    let files = table(
        "numbers",
        &caption,
        &["File", "Rows", "Size", "SHA-256"],
        lineage.first.iter().map(row),
    );
    let more = lineage.files as usize - lineage.first.len();
    let listed = match more {
        0 => tag(
            "p class=\"note\"",
            [text("Listed by "), tagged("code", &lineage.manifest)],
        ),
        _ => tag(
            "p class=\"note\"",
            [
                text(format!("And {more} more, listed by ")),
                tagged("code", &lineage.manifest),
            ],
        ),
    };
    details(&summary, tag("div", [files, listed]))
}
