//! All models at a glance.

use std::cmp::Ordering;

use pages::chart::sparkline;
use pages::content::ColumnDrift;
use pages::format::{NONE, count, metric, number, rows, share};
use pages::html::{Markup, tag, tagged, text};
use pages::page::summary::chip;
use pages::page::{note, table};
use profile::drift::Thresholds;

use super::{document, empty, failed, files, heading, link, moment, troubled};
use crate::Model;

pub(crate) fn overview(
    models: &[Model],
    place: &str,
    thresholds: &Thresholds,
    unreadable: &[String],
    troubles: &[(&str, String)],
) -> String {
    let below = text(format!(
        "{} in {place}",
        if models.len() == 1 {
            "1 model".to_owned()
        } else {
            format!("{} models", models.len())
        }
    ));
    let lost: Markup = unreadable
        .iter()
        .map(|error| failed("A set of predictions", error))
        .collect();
    if models.is_empty() {
        let nothing = "There are no predictions yet. Run the pipeline, or the sample one:";
        return document(
            "Models",
            "/",
            [
                heading("Models", below),
                lost,
                empty(nothing, "alameda demo"),
            ],
        );
    }
    let mut models: Vec<&Model> = models.iter().collect();
    models.sort_by(|a, b| {
        b.verdict()
            .cmp(&a.verdict())
            .then_with(|| a.name.cmp(&b.name))
    });
    let columns = [
        "Model",
        "Health",
        "Version",
        "Data up to",
        "Scored",
        "Rows",
        "Labelled",
        "Accuracy",
        "Largest PSI",
        "Rows by day",
    ];
    let later: Markup = models.iter().filter_map(|model| later(model)).collect();
    let listed = table(
        "numbers models",
        "Models",
        &columns,
        models.into_iter().map(row),
    );
    let explained = format!(
        "The version that scored last, over the 28 days up to the last day with rows (days after \
         the day of scoring excluded). \
         Health is judged by PSI, as in reports: warning from {}, alert from {}.",
        thresholds.warn, thresholds.alert
    );
    let section = tag(
        "section",
        [
            listed,
            later,
            tagged("p class=\"note\"", explained),
            files("What was scored", "scored", ""),
        ],
    );
    document(
        "Models",
        "/",
        [heading("Models", below), lost, troubled(troubles), section],
    )
}

/// That rows are dated after the day on which they were scored.
fn later(model: &Model) -> Option<Markup> {
    let last = model.scored.iter().filter_map(|of| of.last).max()?;
    (model.later_rows > 0).then(|| {
        note(format!(
            "{}: {} dated after the day of scoring, up to {last}, and not counted here.",
            model.name,
            rows(model.later_rows)
        ))
    })
}

fn row(model: &Model) -> Vec<Markup> {
    let newest = model.scored.last();
    let Some(side) = &model.side else {
        // Published without profiles: the model's files were gone.
        let name = text(&model.name);
        let rest = std::iter::repeat_with(|| text(NONE)).take(9);
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
    let psi_of = |column: &ColumnDrift| column.psi.as_ref().map(|psi| psi.value);
    let most = live
        .drift
        .features
        .iter()
        .max_by(|a, b| psi_of(a).partial_cmp(&psi_of(b)).unwrap_or(Ordering::Equal));
    let beside = |value: Option<f64>, said: &str| {
        tag(
            "span",
            [
                text(metric(value)),
                tagged("span class=\"muted small\"", format!(" {said}")),
            ],
        )
    };
    let psi = match most {
        Some(column) => beside(psi_of(column), &column.name),
        None => text(NONE),
    };
    let measured = match performance
        .of_task
        .as_ref()
        .and_then(|of| of.metrics.first())
    {
        Some(of) => {
            let holdout = format!("{}, holdout {}", of.name, number(of.holdout));
            tag(
                "span",
                [
                    text(number(of.now)),
                    tagged("span class=\"muted small\"", format!(" {holdout}")),
                ],
            )
        }
        None => {
            let overall = performance.overall.as_ref();
            let accuracy = overall.and_then(|overall| overall.accuracy);
            match performance.holdout.as_ref().and_then(|of| of.accuracy) {
                Some(holdout) => beside(accuracy, &format!("holdout {}", metric(Some(holdout)))),
                None => text(metric(accuracy)),
            }
        }
    };
    let days: Vec<u64> = performance.days.iter().map(|day| day.rows).collect();
    vec![
        tag("span", [link(&address, &model.name)]),
        chip(model.verdict()),
        text(version),
        text(
            live.last
                .map_or_else(|| NONE.to_owned(), |day| day.to_string()),
        ),
        text(
            newest
                .and_then(|newest| newest.scored_at)
                .map_or_else(|| NONE.to_owned(), moment),
        ),
        text(count(live.rows)),
        text(share(performance.label_coverage)),
        measured,
        psi,
        sparkline(&days),
    ]
}
