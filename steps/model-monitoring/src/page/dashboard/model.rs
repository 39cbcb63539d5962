//! One model over the days that were chosen.

use common::drift::Thresholds;

use super::{document, empty, files, heading, link};
use crate::dashboard::choice::{self, PERIODS};
use crate::dashboard::{Choice, Model, Side};
use crate::format::{count, rows, share};
use crate::html::{Markup, escaped, leaf, tag, tagged, text};
use crate::page::{days, drift, note, performance, quality, section, summary};

/// The address of a model's page.
pub(super) fn address(name: &str, choice: &Choice) -> String {
    choice::address(&format!("/models/{}", encoded(name)), &choice.pairs(""))
}

/// A name as a part of an address.
pub(super) fn encoded(name: &str) -> String {
    // A plus is a space only after the question mark.
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The page of one model.
pub(crate) fn model(model: &Model, choice: &Choice, thresholds: &Thresholds, late_labels: bool) -> String {
    let lead = tag("span", [link(&format!("/models/{}/compare", encoded(&model.name)), "Compare versions or days")]);
    let head = [heading(&model.name, lead), form(model, choice)];
    let none = "No predictions are in this choice: take another version, or other days.";
    let parts = match model.side.as_ref().filter(|side| side.live.rows > 0) {
        None => vec![empty(none, "")],
        Some(side) => parts(model, side, thresholds, late_labels),
    };
    document(&model.name, "/", head.into_iter().chain(parts))
}

fn parts(model: &Model, side: &Side, thresholds: &Thresholds, late_labels: bool) -> Vec<Markup> {
    let live = &side.live;
    let performance_of = &live.performance;
    let mut asked = side.choice.pairs("");
    asked.insert(0, ("model".to_owned(), model.name.clone()));
    let query = choice::address("", &asked);
    let unscored = if live.unscored_rows == 0 {
        "every row has one".to_owned()
    } else {
        format!("{} without one", rows(live.unscored_rows))
    };
    let [drifted, score] = summary::drifted(&live.drift);
    let cards = [
        summary::card("Predictions", &count(live.rows - live.unscored_rows), &unscored),
        summary::card(
            "Labels",
            &share(performance_of.label_coverage),
            &format!("{} have one", rows(performance_of.labelled_rows)),
        ),
        drifted,
        score,
    ];
    let cards = tag("div class=\"cards\"", cards.into_iter().chain(summary::metrics(performance_of)));
    let over_time = match performance_of.days.is_empty() {
        true => note("The rows have no time, so nothing is shown by day."),
        false => days::over_time(performance_of, &side.timezone, side.choice.by),
    };
    let lead = text(format!("{}; ranges are those of training.", rows(live.rows)));
    let values = section("quality", "Data quality", lead, [quality::values(&live.features, live.rows)]);
    vec![
        banner(model, side),
        cards,
        exactness(side, late_labels),
        performance::of(performance_of, tag("div", [over_time, files("days", &query)])),
        drift::of(&live.drift, thresholds),
        files("features", &query),
        values,
    ]
}

fn banner(model: &Model, side: &Side) -> Markup {
    let live = &side.live;
    let (_, class) = summary::word(live.verdict);
    let champion = if model.champion == Some(side.version) { ", champion" } else { "" };
    let span = match (live.first, live.last) {
        (Some(first), Some(last)) if first == last => format!(" · {first}"),
        (Some(first), Some(last)) => format!(" · {first} to {last}"),
        _ => String::new(),
    };
    let said = format!("v{}{champion} · {}{span} · threshold {}", side.version, rows(live.rows), live.threshold);
    tag(&format!("div class=\"verdict-line {class}\""), [summary::chip(live.verdict), tagged("span", said)])
}

/// What the numbers leave out.
fn exactness(side: &Side, late_labels: bool) -> Markup {
    let live = &side.live;
    let auc = match live.roc_error {
        Some(bound) => format!(" ROC AUC is right to ±{bound:.4}."),
        None => String::new(),
    };
    let labels = if late_labels {
        ""
    } else {
        " Labels that came after scoring are in the reports, and here once predictions are published to Postgres."
    };
    note(format!(
        "Counted in profiles: shares, confusion and PSI are exact; PR AUC and log loss need the rows, and stand in the reports.{auc}{labels}"
    ))
}

/// What can be chosen. It works without a script.
fn form(model: &Model, choice: &Choice) -> Markup {
    let shown = model.side.as_ref().map(|side| side.version);
    let mut versions: Vec<u64> = model.scored.iter().map(|of| of.model_version).collect();
    versions.sort_unstable();
    versions.dedup();
    let versions = versions.into_iter().rev().map(|version| {
        let star = if model.champion == Some(version) { " champion" } else { "" };
        (version.to_string(), format!("v{version}{star}"), shown == Some(version))
    });
    let data =
        model.scored.iter().rev().filter(|of| shown == Some(of.model_version)).map(|of| {
            (of.data_version.clone(), of.data_version.clone(), choice.data.as_ref() == Some(&of.data_version))
        });
    let all_data = [(String::new(), "all data".to_owned(), choice.data.is_none())];
    let periods =
        PERIODS.iter().map(|(name, period)| ((*name).to_owned(), (*name).to_owned(), choice.by == Some(*period)));
    let fitting = [(String::new(), "as fits".to_owned(), choice.by.is_none())];
    let threshold = model.side.as_ref().map(|side| side.live.threshold.to_string());
    tag(
        &format!("form class=\"choice\" method=\"get\" action=\"/models/{}\"", encoded(&model.name)),
        [
            field("Version", select("version", versions)),
            field("Data", select("data", all_data.into_iter().chain(data))),
            field("From", input("from", "date", choice.from.map(|day| day.to_string()))),
            field("To", input("to", "date", choice.to.map(|day| day.to_string()))),
            field("By", select("by", fitting.into_iter().chain(periods))),
            field(
                "Threshold",
                input("threshold", "number\" min=\"0\" max=\"1\" step=\"any", choice.threshold.and(threshold)),
            ),
            tagged("button type=\"submit\"", "Show"),
        ],
    )
}

pub(super) fn field(name: &str, control: Markup) -> Markup {
    tag("label", [tagged("span", name), control])
}

/// Options are value, name and whether it is chosen.
pub(super) fn select(name: &str, options: impl IntoIterator<Item = (String, String, bool)>) -> Markup {
    let option = |(value, name, chosen): (String, String, bool)| {
        tagged(
            &format!("option value=\"{}\"{}", escaped(value), if chosen { " selected=\"selected\"" } else { "" }),
            name,
        )
    };
    tag(&format!("select name=\"{name}\""), options.into_iter().map(option))
}

/// `kind` is the type with whatever attributes follow, both known here.
pub(super) fn input(name: &str, kind: &str, value: Option<String>) -> Markup {
    let value = value.map(|value| format!(" value=\"{}\"", escaped(value))).unwrap_or_default();
    leaf(&format!("input name=\"{name}\" type=\"{kind}\"{value}"))
}
