//! What ran.

use anyhow::Result;
use catalog::attempt::{Attempt, NodeFailure};
use pages::format::{NONE, duration, metric, number};
use pages::html::{Markup, nothing, tag, tagged, text};
use pages::page::{gates, section, table};
use tracking::{RunView, Status};

use super::{document, empty, failed, files, heading, link, moment, older};
use crate::{Attempted, Verdict};

/// Metrics of a run that are shown, where it has them.
const SHOWN: [&str; 6] = ["roc_auc", "r2", "rmse", "accuracy", "f1", "psi_max"];

fn state(class: &str, word: &str) -> Markup {
    tagged(&format!("span class=\"chip {class}\""), word)
}

/// The page of what ran.
pub(crate) fn runs(
    runs: &Result<Vec<RunView>>,
    attempted: &Result<Attempted>,
    verdicts: &Result<Vec<Verdict>>,
) -> String {
    let attempts = match attempted {
        Err(error) => failed("Workflows", error),
        Ok(found) if found.attempts.is_empty() => empty(
            "No workflow has ended yet. Run one:",
            "alameda submit --from workflowtemplate/alameda-pipeline -p data-version=25.05.1",
        ),
        Ok(found) => {
            let columns = [
                "Workflow",
                "Ended",
                "Data",
                "Model",
                "Status",
                "Took",
                "Attempts",
                "What failed",
            ];
            let listed = table(
                "texts",
                "Workflows that ended",
                &columns,
                found.attempts.iter().map(attempt),
            );
            [
                listed,
                older(found.more),
                files("Workflows", "workflows", ""),
            ]
            .into_iter()
            .collect()
        }
    };
    let tracked = match runs {
        Err(error) => failed("Tracked runs", error),
        Ok(runs) if runs.is_empty() => empty("Nothing is tracked yet.", ""),
        Ok(runs) => {
            let columns = ["Run", "Model", "Status", "Began", "Took", "Metrics"];
            [
                table("texts", "Tracked runs", &columns, runs.iter().map(run)),
                files("Tracked runs", "runs", ""),
            ]
            .into_iter()
            .collect()
        }
    };
    let sections = [
        heading(
            "Runs",
            text("Workflows and tracked runs, newest first; times are UTC."),
        ),
        section(
            "workflows",
            "Workflows",
            text("The outcome of each workflow, as its exit handler recorded it."),
            [attempts],
        ),
        section(
            "promotions",
            "Promotions",
            text(
                "The gate's decision on the newest versions, promoted or not, and the difference \
                 from the champion if both were measured on the same rows.",
            ),
            [promotions(verdicts)],
        ),
        section(
            "tracked",
            "Tracked runs",
            text(
                "Training, promotion and reports, as they are tracked. A run without an end is \
                 still running, or its process was killed.",
            ),
            [tracked],
        ),
    ];
    document("Runs", "/runs", sections)
}

fn promotions(verdicts: &Result<Vec<Verdict>>) -> Markup {
    let verdicts = match verdicts {
        Err(error) => return failed("Promotions", error),
        Ok(verdicts) if verdicts.is_empty() => {
            return empty("The gate has judged no version yet.", "");
        }
        Ok(verdicts) => verdicts,
    };
    let columns = [
        "Model",
        "Version",
        "Verdict",
        "Compared with",
        "Difference",
        "95 % interval",
        "Why",
        "Workflow",
    ];
    let row = |of: &Verdict| {
        let interval = of.interval();
        vec![
            text(&of.model_name),
            text(of.candidate.version),
            match of.promoted {
                true => state("ok", "promoted"),
                false => state("warn", "not promoted"),
            },
            text(match &of.champion {
                Some(champion) if of.comparison == "same-holdout" => {
                    format!("version {}", champion.version)
                }
                _ => of.comparison.clone(),
            }),
            text(number(of.difference.map(|of| of.value))),
            text(interval.map_or_else(String::new, |of| {
                let [low, high] = [of.low, of.high].map(|end| number(Some(end)));
                format!("{low} to {high}")
            })),
            text(&of.reason),
            text(&of.workflow),
        ]
    };
    let all = table(
        "texts",
        "Verdicts of the promotion",
        &columns,
        verdicts.iter().map(row),
    );
    let of_segments = verdicts.iter().map(|of| {
        let name = format!("{} v{}", of.model_name, of.candidate.version);
        gates::segments(&name, &of.segments)
    });
    tag("div", [all].into_iter().chain(of_segments))
}

fn attempt(attempt: &Attempt) -> Vec<Markup> {
    let class = if attempt.status == "Succeeded" {
        "ok"
    } else {
        "alert"
    };
    let failure = |node: &NodeFailure| {
        tag(
            "li",
            [
                tagged("strong", &node.display_name),
                text(format!(" {}", node.message)),
            ],
        )
    };
    vec![
        text(&attempt.workflow),
        text(moment(attempt.recorded_at)),
        text(&attempt.data_version),
        text(&attempt.model_name),
        state(
            class,
            if attempt.status.is_empty() {
                "unknown"
            } else {
                &attempt.status
            },
        ),
        text(
            attempt
                .duration_seconds
                .map_or_else(|| NONE.to_owned(), |seconds| duration(seconds.trunc(), 0)),
        ),
        text(attempt.attempts),
        if attempt.failures.is_empty() {
            nothing()
        } else {
            tag(
                "ul class=\"plain\"",
                attempt.failures.iter().take(5).map(failure),
            )
        },
    ]
}

fn run(view: &RunView) -> Vec<Markup> {
    let run = &view.run;
    let (class, word) = match run.status {
        Status::Running => ("unknown", "running"),
        Status::Finished => ("ok", "finished"),
        Status::Failed => ("alert", "failed"),
        Status::Killed => ("warn", "stopped"),
    };
    // An address of another kind would be run, not opened.
    let page = view
        .url
        .as_ref()
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    let shown = SHOWN.iter().filter_map(|name| {
        let value = run.metric(name)?;
        Some(format!("{name} {}", metric(Some(value))))
    });
    vec![
        page.map_or_else(|| text(&run.name), |url| link(url, &run.name)),
        text(
            run.model_name
                .as_ref()
                .map_or_else(|| "(workflow)".to_owned(), ToString::to_string),
        ),
        state(class, word),
        text(moment(run.start_time)),
        text(run.end_time.map_or_else(
            || NONE.to_owned(),
            |end| duration((end - run.start_time).num_seconds() as f64, 0),
        )),
        text(shown.collect::<Vec<_>>().join(" · ")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_interval_of_a_difference_ends_where_the_metric_does() {
        let high = |metric: &str| {
            let verdict = json!({
                "model_name": "churn", "promoted": true, "reason": "", "workflow": "w",
                "comparison": "same-holdout", "gate": {"metric": metric},
                "candidate": {"version": 7}, "champion": {"version": 6},
                "difference": {"value": 0.9, "standard_error": 0.1},
            });
            let verdict: Verdict = serde_json::from_value(verdict).unwrap();
            verdict.interval().unwrap().high
        };
        assert_eq!(high("roc_auc"), 1.0);
        for unbounded in ["log_loss", "of another release"] {
            assert!(high(unbounded) > 1.09, "{unbounded}");
        }
    }

    #[test]
    fn a_verdict_by_segments_shows_each_of_them() {
        let verdict = |segments| {
            json!({
                "model_name": "churn", "promoted": false, "reason": "but it is bad in the north",
                "comparison": "first-champion", "candidate": {"version": 7}, "champion": null,
                "workflow": "w", "segments": segments,
            })
        };
        let segment = json!({
            "column": "region", "value": "north", "rows": 300, "candidate": 0.5,
            "interval": {"low": 0.375, "high": 0.625}, "champion": null, "difference": null,
            "refuses": true, "reason": "is below the floor 0.7",
        });
        let shown = |segments| {
            let verdict: Verdict = serde_json::from_value(verdict(segments)).unwrap();
            promotions(&Ok(vec![verdict])).to_string()
        };
        let page = shown(json!([segment]));
        for part in [
            "but it is bad in the north",
            "churn v7 by segments: 1 of 1 refused",
            "0.375 to 0.625",
            "is below the floor 0.7",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!shown(json!([])).contains("Segments of the holdout"));
    }
}
