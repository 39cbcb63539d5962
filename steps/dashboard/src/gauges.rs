//! `/metrics`: what Prometheus gathers, one line for each model. Pure.

use std::fmt::Write;

use chrono::NaiveTime;

use super::Model;
use super::live::Live;

/// Writes the gauges of all models, of the newest version of each.
pub(crate) fn text(models: &[Model]) -> String {
    type Pick = fn(&Model, &Live) -> Option<f64>;
    let gauges: [(&str, &str, Pick); 8] = [
        (
            "alameda_model_verdict",
            "0 ok, 1 insufficient data, 2 warning, 3 alert; over the 28 days up to the last one with rows that is not after the day of scoring",
            |model, _| Some(f64::from(model.verdict() as u8)),
        ),
        (
            "alameda_model_psi_max",
            "Largest population stability index of a feature",
            |_, live| live.drift.psi_max,
        ),
        ("alameda_model_rows", "Rows in those days", |_, live| {
            Some(live.rows as f64)
        }),
        (
            "alameda_model_rows_after_scoring",
            "Rows dated after the day on which they were scored, which are in no other number here",
            |model, _| Some(model.later_rows as f64),
        ),
        (
            "alameda_model_unscored_rows",
            "Rows without a prediction",
            |_, live| Some(live.unscored_rows as f64),
        ),
        (
            "alameda_model_labelled_rows",
            "Rows with a label",
            |_, live| Some(live.performance.labelled_rows as f64),
        ),
        (
            "alameda_model_accuracy",
            "Share of correct predictions among labelled rows",
            |_, live| live.performance.overall.as_ref()?.accuracy,
        ),
        (
            "alameda_model_last_day_timestamp_seconds",
            "The last day with rows",
            |_, live| Some(live.last?.and_time(NaiveTime::MIN).and_utc().timestamp() as f64),
        ),
    ];
    let mut text = String::new();
    for (name, help, pick) in gauges {
        // A string takes everything.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for model in models {
            let Some(side) = &model.side else { continue };
            if let Some(value) = pick(model, &side.live) {
                let _ = writeln!(
                    text,
                    "{name}{{model=\"{}\",version=\"{}\"}} {value}",
                    escaped(&model.name),
                    side.version
                );
            }
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
