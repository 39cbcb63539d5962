//! All models at a glance.

use common::drift::Thresholds;

use super::{document, empty, files, heading, link};
use crate::chart::sparkline;
use crate::dashboard::Model;
use crate::format::{NONE, count, metric, share};
use crate::html::{Markup, tag, tagged, text};
use crate::page::summary::chip;
use crate::page::table;

/// The page of all models.
pub(crate) fn overview(models: &[Model], place: &str, thresholds: &Thresholds) -> String {
    let below = text(format!(
        "{} in {place}",
        if models.len() == 1 { "1 model".to_owned() } else { format!("{} models", models.len()) }
    ));
    if models.is_empty() {
        let nothing = "There are no predictions yet. Run the pipeline, or the sample one:";
        return document("Models", "/", [heading("Models", below), empty(nothing, "alameda demo")]);
    }
    let mut models: Vec<&Model> = models.iter().collect();
    models.sort_by(|a, b| b.verdict().cmp(&a.verdict()).then_with(|| a.name.cmp(&b.name)));
    let columns = [
        "Model",
        "Health",
        "Version",
        "Data up to",
        "Scored",
        "Rows",
        "Labelled",
        "Accuracy",
        "Holdout",
        "Largest PSI",
        "Rows by day",
    ];
    let rows = table("numbers models", "Models", &columns, models.into_iter().map(row));
    let explained = format!(
        "Of the version that scored last, over the last 28 days with rows. Health is on PSI, as in reports: warning from {}, alert from {}.",
        thresholds.warn, thresholds.alert
    );
    let section = tag("section", [rows, tagged("p class=\"note\"", explained), files("scored", "")]);
    document("Models", "/", [heading("Models", below), section])
}

fn row(model: &Model) -> Vec<Markup> {
    let newest = model.scored.last();
    let Some(side) = &model.side else {
        // Published without profiles: the model's files were gone.
        let name = text(&model.name);
        let rest = std::iter::repeat_with(|| text(NONE)).take(10);
        return [name].into_iter().chain(rest).collect();
    };
    let live = &side.live;
    let address = super::model::address(&model.name, &side.choice);
    let version = match model.champion {
        Some(champion) if champion == side.version => format!("v{} champion", side.version),
        Some(champion) => format!("v{}; champion is v{champion}", side.version),
        None => format!("v{}", side.version),
    };
    let performance = &live.performance;
    let most = live.drift.features.iter().find(|column| column.psi.is_some());
    let psi = match most {
        Some(column) => tag(
            "span",
            [
                text(metric(column.psi.as_ref().map(|psi| psi.value))),
                tagged("span class=\"muted small\"", format!(" {}", column.name)),
            ],
        ),
        None => text(NONE),
    };
    let days: Vec<u64> = performance.days.iter().map(|day| day.rows).collect();
    vec![
        tag("span", [link(&address, &model.name)]),
        chip(model.verdict()),
        text(version),
        text(live.last.map_or_else(|| NONE.to_owned(), |day| day.to_string())),
        text(
            newest
                .and_then(|newest| newest.scored_at)
                .map_or_else(|| NONE.to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string()),
        ),
        text(count(live.rows)),
        text(share(performance.label_coverage)),
        text(metric(performance.overall.as_ref().and_then(|overall| overall.accuracy))),
        text(metric(performance.holdout.accuracy)),
        psi,
        sparkline(&days),
    ]
}
