//! One model over the days that were chosen.

use pages::content::{ColumnDrift, Drift};
use pages::format::{rows, some};
use pages::html::{Markup, escaped, leaf, nothing, tag, tagged, text};
use pages::page::{days, drift, note, performance, quality, reasons, section, segments, summary};
use profile::drift::Thresholds;

use super::{document, empty, files, heading, link, troubled};
use crate::choice::{self, PERIODS};
use crate::{Choice, Live, Model, SCORE, Side};

/// Columns that a note names; the others are counted.
const NAMED: usize = 5;
/// The kind of an input that takes a threshold.
pub(super) const THRESHOLD: &str = "number\" min=\"0\" max=\"1\" step=\"any";

/// The address of a model's page.
pub(super) fn address(name: &str, choice: &Choice) -> String {
    choice::address(&format!("/models/{}", encoded(name)), &choice.pairs(""))
}

/// A name as a part of an address.
pub(super) fn encoded(name: &str) -> String {
    // A plus is a space only after the question mark.
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The address of the report on what a version scored.
pub(super) fn report_address(name: &str, version: u64, data_version: &str) -> String {
    format!(
        "/reports/{}/{}/v{version}",
        encoded(data_version),
        encoded(name)
    )
}

pub(crate) fn model(
    model: &Model,
    choice: &Choice,
    thresholds: &Thresholds,
    late_labels: bool,
    troubles: &[(&str, String)],
) -> String {
    let lead = tag(
        "span",
        [link(
            &format!("/models/{}/compare", encoded(&model.name)),
            "Compare versions or days",
        )],
    );
    let head = [
        heading(&model.name, lead),
        form(model, choice),
        troubled(troubles),
    ];
    let none = "There are no predictions in this selection: choose another version, or other days.";
    let parts = match model.side.as_ref().filter(|side| side.live.rows > 0) {
        None => vec![empty(none, "")],
        Some(side) => parts(model, side, thresholds, late_labels),
    };
    document(&model.name, "/", head.into_iter().chain(parts))
}

fn parts(model: &Model, side: &Side, thresholds: &Thresholds, late_labels: bool) -> Vec<Markup> {
    let live = &side.live;
    let performance_of = &live.performance;
    let of_task = performance_of.of_task.as_ref();
    let query = query(&model.name, side);
    let over_time = match performance_of.days.is_empty() {
        true => note("The rows have no time, so nothing is shown by day."),
        false => days::over_time(performance_of, &side.timezone, side.choice.by),
    };
    let tables = [
        ("Metrics", "metrics"),
        ("Days", "days"),
        ("Thresholds", "thresholds"),
        ("Calibration", "calibration"),
        ("Drift", "features"),
        ("Segments", "segments"),
        ("Values", "values"),
    ];
    let tables = tables.map(|(what, name)| files(what, name, &query));
    let lead = text(format!(
        "{}; ranges are those of training.",
        rows(live.rows)
    ));
    let values = section(
        "quality",
        "Data quality",
        lead,
        [quality::values(&live.features, live.rows)],
    );
    vec![
        banner(model, side),
        summary::cards(live.rows, live.unscored_rows, performance_of, &live.drift),
        exactness(side, late_labels),
        performance::of(performance_of, over_time),
        drift::of(&live.drift, thresholds, of_task),
        model.segments().map_or_else(nothing, |of| {
            segments::section(&of, of_task, live.drift.score.compared_with)
        }),
        divided_by(model),
        why(model),
        values,
        tag("div class=\"files\"", tables),
    ]
}

/// Where the parts of the rows come from.
fn divided_by(model: &Model) -> Markup {
    let score =
        "Ranges of the score cover the days that are shown; mean scores are exact to half a cell.";
    match &model.reported {
        Some(of) if of.segments.columns.is_empty() => note(score),
        Some(of) => note(format!(
            "{score} Columns are those of the report on {}, with all its days.",
            of.data_version
        )),
        None => note(format!(
            "{score} Text columns are only in the report on the newest data, which does not exist."
        )),
    }
}

/// Why rows have their scores, where the report says.
fn why(model: &Model) -> Markup {
    match model.reported.as_ref().filter(|of| !of.reasons.is_empty()) {
        None => nothing(),
        Some(of) => {
            let lead = format!("From the report on {}, with all its days.", of.data_version);
            section("reasons", "Reasons", text(lead), [reasons::of(&of.reasons)])
        }
    }
}

/// What asks for the tables of a side.
pub(super) fn query(name: &str, side: &Side) -> String {
    let choice = Choice {
        version: Some(side.version),
        ..side.choice.clone()
    };
    let mut asked = choice.pairs("");
    asked.insert(0, ("model".to_owned(), name.to_owned()));
    choice::address("", &asked)
}

fn banner(model: &Model, side: &Side) -> Markup {
    let live = &side.live;
    let (_, class) = summary::word(live.verdict);
    let champion = if model.champion == Some(side.version) {
        ", champion"
    } else {
        ""
    };
    let span = match (live.first, live.last) {
        (Some(first), Some(last)) if first == last => format!(" · {first}"),
        (Some(first), Some(last)) => format!(" · {first} to {last}"),
        _ => String::new(),
    };
    let threshold = live
        .threshold
        .map_or_else(String::new, |at| format!(" · threshold {at}"));
    let said = format!(
        "v{}{champion} · {}{span}{threshold}",
        side.version,
        rows(live.rows),
    );
    let report = model.reported.as_ref().map_or_else(nothing, |of| {
        let address = report_address(&model.name, side.version, &of.data_version.to_string());
        link(&address, format!("Report on {}", of.data_version))
    });
    tag(
        &format!("div class=\"verdict-line {class}\""),
        [summary::chip(live.verdict), tagged("span", said), report],
    )
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
        " Late labels are in the reports; this page has them only if predictions are published in Postgres."
    };
    let holdout = match live
        .model_threshold
        .filter(|own| live.threshold != Some(*own))
    {
        None => String::new(),
        Some(own) => format!(
            " The holdout was measured at the model's own threshold of {own}: metrics that \
             depend on it are not compared."
        ),
    };
    let left_out = match live.left_out_rows {
        0 => String::new(),
        lost => format!(
            " The profiles of {} can't be added to the others and are left out.",
            rows(lost)
        ),
    };
    let outside = outside(live, &side.choice);
    let (in_part, bounds) = (seen_by_reports(&live.drift), bounds(live));
    note(format!(
        "Computed from profiles: shares, the confusion matrix and PSI are exact; PR \
         AUC and log loss need the rows, and are in the reports.{auc}{holdout}{labels}{left_out}{outside}{in_part}{bounds}"
    ))
}

/// Of which columns only a report sees what became of their rarer values: profiles count these
/// together.
fn seen_by_reports(drift: &Drift) -> String {
    let counts_together = |column: &&ColumnDrift| {
        let shares = column.categories.as_ref();
        column.judged && shares.is_some_and(|shares| shares.reference_rest > 0)
    };
    let columns = drift.features.iter().filter(counts_together);
    let names: Vec<&str> = columns.map(|column| &*column.name).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        " Profiles count the rarer values of {} together: only the reports judge whether many rows \
         hold one of them, or values that training did not have.",
        some(&names, NAMED)
    )
}

/// Of which columns sums count a value as nearer than it is.
fn bounds(live: &Live) -> String {
    let features = live.drift.features.iter();
    let features = features.filter(|of| of.current.bounded);
    let names = features.map(|of| of.name.as_str());
    let scores = live.bounded_scores.then_some("predictions or labels");
    let names: Vec<&str> = names.chain(scores).collect();
    if names.is_empty() {
        return String::new();
    }
    let errors = if live.bounded_scores {
        ", and the errors,"
    } else {
        ""
    };
    format!(
        " Profiles count values of {} as no farther than 1,048,576 standard deviations from the \
         mean of training: their means and standard deviations{errors} are bounds here; those in \
         the reports are exact.",
        some(&names, NAMED)
    )
}

/// Which dates are in no day, where all days are asked for.
fn outside(live: &Live, choice: &Choice) -> String {
    let later = "dated after the day of scoring";
    let ancient = "dated long before all others";
    let found: Vec<String> = [
        (live.outside.later_rows, later),
        (live.outside.ancient_rows, ancient),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, which)| format!("{} {which}", rows(count)))
    .collect();
    if found.is_empty() || choice.from.is_some() || choice.to.is_some() {
        return String::new();
    }
    format!(" In no day: {}.", found.join(", "))
}

/// What can be chosen. It works without a script.
fn form(model: &Model, choice: &Choice) -> Markup {
    let shown = model.side.as_ref().map(|side| side.version);
    let versions = model.versions().into_iter().rev().map(|version| {
        let star = if model.champion == Some(version) {
            " champion"
        } else {
            ""
        };
        (
            version.to_string(),
            format!("v{version}{star}"),
            shown == Some(version),
        )
    });
    let data = model
        .scored
        .iter()
        .rev()
        .filter(|of| shown == Some(of.model_version))
        .map(|of| {
            (
                of.data_version.clone(),
                of.data_version.clone(),
                choice.data.as_ref() == Some(&of.data_version),
            )
        });
    let all_data = [(String::new(), "all data".to_owned(), choice.data.is_none())];
    let threshold = model.side.as_ref().and_then(|side| side.live.threshold);
    let threshold = threshold.map(|threshold| threshold.to_string());
    let number = format!(
        "{THRESHOLD}\" placeholder=\"{}",
        threshold.as_deref().unwrap_or("0.5")
    );
    let columns = model
        .reported
        .iter()
        .flat_map(|of| &of.segments.columns)
        .map(|of| of.column.clone());
    let columns = std::iter::once(SCORE.to_owned()).chain(columns);
    let segments = columns.map(|name| {
        (
            name.clone(),
            name.clone(),
            choice.segment.as_ref() == Some(&name),
        )
    });
    let all_segments = [(String::new(), "all".to_owned(), choice.segment.is_none())];
    tag(
        &format!(
            "form class=\"choice\" method=\"get\" action=\"/models/{}\"",
            encoded(&model.name)
        ),
        [
            field("Version", select("version", versions)),
            field("Data", select("data", all_data.into_iter().chain(data))),
            field(
                "From",
                input("from", "date", choice.from.map(|day| day.to_string())),
            ),
            field(
                "To",
                input("to", "date", choice.to.map(|day| day.to_string())),
            ),
            field("By", select("by", periods(choice))),
            field(
                "Segments",
                select("segment", all_segments.into_iter().chain(segments)),
            ),
            field(
                "Threshold",
                input("threshold", &number, choice.threshold.and(threshold)),
            ),
            tagged("button type=\"submit\"", "Show"),
        ],
    )
}

/// The periods that can be chosen.
pub(super) fn periods(choice: &Choice) -> impl Iterator<Item = (String, String, bool)> {
    let by = choice.by;
    let periods = PERIODS
        .iter()
        .map(move |(name, period)| ((*name).to_owned(), (*name).to_owned(), by == Some(*period)));
    std::iter::once((String::new(), "as fits".to_owned(), by.is_none())).chain(periods)
}

pub(super) fn field(name: &str, control: Markup) -> Markup {
    tag("label", [tagged("span", name), control])
}

/// Options are value, name and whether it is chosen.
pub(super) fn select(
    name: &str,
    options: impl IntoIterator<Item = (String, String, bool)>,
) -> Markup {
    let option = |(value, name, chosen): (String, String, bool)| {
        tagged(
            &format!(
                "option value=\"{}\"{}",
                escaped(value),
                if chosen { " selected=\"selected\"" } else { "" }
            ),
            name,
        )
    };
    tag(
        &format!("select name=\"{name}\""),
        options.into_iter().map(option),
    )
}

/// `kind` is the type with whatever attributes follow, both known here.
pub(super) fn input(name: &str, kind: &str, value: Option<String>) -> Markup {
    let value = value
        .map(|value| format!(" value=\"{}\"", escaped(value)))
        .unwrap_or_default();
    leaf(&format!("input name=\"{name}\" type=\"{kind}\"{value}"))
}
