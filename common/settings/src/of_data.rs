//! Settings that are right each for itself, and do not fit the data: names of columns, and what the
//! gate measures. Decided from the data contract and the prepared columns alone, so that the first
//! step of a training refuses what a step after the fit could not use.

use std::ffi::OsString;

use anyhow::Result;

use crate::monitored::SCORE;
use crate::wrong::problem_of;
use crate::{GateArgs, JudgeArgs, SegmentsArgs, without_segments};
use catalog::manifest::{Column, Role};
use runtime::failure::Failure;
use runtime::step::{Findings, Problem};
use table::dataset::Dataset;

/// All that is wrong with the settings for a model that is trained on these prepared columns.
pub fn wrong(
    prepared: &[Column],
    dataset: &Dataset,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let gate = crate::group::<GateArgs>(variable);
    if let (Some(gate), Ok(goal)) = (&gate, dataset.goal()) {
        let found = gate.metric(goal.task);
        let found = found.and_then(|(metric, _)| gate.segment_floor(metric));
        problems.extend(found.err());
    }
    match segments(prepared, variable) {
        Err(error) => problems.push(error),
        Ok(None) => {}
        Ok(Some(divided)) => {
            if let Some(gate) = gate.filter(|of| of.judges_segments() && divided.is_empty()) {
                problems.push(without_segments(gate.gate_segment_floor));
            }
            let unknown = unknown_to_reports(prepared, divided, None, variable);
            problems.extend(unknown.map(Failure::usage));
        }
    }
    problems.iter().map(problem_of).collect()
}

/// What is wrong with columns of `MONITOR_COLUMNS` that a report on a model of these prepared
/// columns does not judge, where these may divide its rows; `model` is its name if it was trained
/// earlier.
fn unknown_to_reports(
    prepared: &[Column],
    divided: Vec<String>,
    model: Option<&str>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<String> {
    let features = prepared.iter().filter(|of| of.role == Role::Feature);
    let features = features.map(|column| column.name.clone());
    let judged = features.chain([SCORE.to_owned()]).chain(divided);
    let judged: Vec<String> = judged.collect();
    let judge = crate::group::<JudgeArgs>(variable)?;
    judge.monitor_columns.unknown(&judged, model)
}

/// The columns that may divide the rows of a report: which of them have few values is known only
/// after training. `None` where the setting is wrong by itself.
fn segments(
    prepared: &[Column],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Vec<String>>> {
    let Some(segments) = crate::group::<SegmentsArgs>(variable) else {
        return Ok(None);
    };
    let divided = segments.segment_columns.profiled(prepared)?;
    Ok(Some(divided.iter().map(|of| of.name.clone()).collect()))
}

/// Refuses settings of this process that do not fit a model that is trained on these columns.
///
/// # Errors
/// All that [`wrong`] finds: exit 2.
#[expect(clippy::disallowed_methods, reason = "all settings are looked at here")]
pub fn check_trained(prepared: &[Column], dataset: &Dataset) -> Result<()> {
    refused(wrong(prepared, dataset, |name| std::env::var_os(name)))
}

/// Refuses settings of this process by which rows of these columns could not be scored. What
/// reports judge is none of them: the champion may lack a column that the next model will have,
/// and its predictions are of use all the same. What their report will not judge is given back.
///
/// # Errors
/// A segment column that is not there: exit 2.
#[expect(clippy::disallowed_methods, reason = "all settings are looked at here")]
pub fn check_scored(prepared: &[Column]) -> Result<Option<String>> {
    scored(prepared, |name| std::env::var_os(name))
}

fn scored(
    prepared: &[Column],
    variable: impl Fn(&str) -> Option<OsString> + Copy,
) -> Result<Option<String>> {
    let divided = segments(prepared, variable);
    let divided = divided.or_else(|error| refused(vec![problem_of(&error)]).map(|()| None))?;
    let unknown = |divided| unknown_to_reports(prepared, divided, Some("the champion"), variable);
    Ok(divided.and_then(unknown))
}

fn refused(problems: Vec<Problem>) -> Result<()> {
    let findings = Findings {
        problems,
        unread: Vec::new(),
    };
    findings
        .message()
        .map_or(Ok(()), |text| Err(Failure::usage(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#""type": "int64""#;
    const NUMBER: &str = r#""type": "float64""#;

    /// Two features, and what the contract ignores.
    fn prepared(ignored: bool) -> Vec<Column> {
        let column = |name: &str, data_type: &str, role| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            role,
        };
        let mut prepared = vec![
            column("id", "Int64", Role::Id),
            column("y", "Int64", Role::Target),
            column("x1", "Float64", Role::Feature),
            column("amount", "Float64", Role::Feature),
        ];
        if ignored {
            prepared.push(column("region", "Utf8", Role::Ignored));
            prepared.push(column("shop", "Int64", Role::Ignored));
        }
        prepared
    }

    fn among(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + Copy {
        move |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(of, _)| *of == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    /// What is wrong for a target of a type, beside the prepared columns.
    fn found(target: &str, ignored: bool, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let dataset = format!(
            r#"{{"columns": [{{"name": "id", "type": "int64", "role": "id"}},
                {{"name": "y", "role": "target", {target}}}]}}"#
        );
        let dataset = Dataset::parse(dataset.as_bytes()).unwrap();
        let problems = wrong(&prepared(ignored), &dataset, among(variables)).into_iter();
        problems.map(|of| (of.name, of.text)).collect()
    }

    #[test]
    fn what_a_report_will_not_judge_is_known_before_rows_are_scored() {
        for (variables, said) in [
            (&[("MONITOR_COLUMNS", "x1,region")][..], None),
            (&[], None),
            // Of the next model alone.
            (
                &[("MONITOR_COLUMNS", "-ammount")],
                Some(
                    "names \"ammount\" (did you mean \"amount\"?), which is none of the columns of the \
                     champion that a report",
                ),
            ),
        ] {
            let found = scored(&prepared(true), among(variables)).unwrap();
            assert_eq!(found.is_some(), said.is_some(), "{found:?}");
            let text = found.unwrap_or_default();
            assert!(text.contains(said.unwrap_or_default()), "{text}");
        }
        let error = scored(&prepared(true), among(&[("SEGMENT_COLUMNS", "Region")]));
        let error = error.unwrap_err();
        assert_eq!(runtime::failure::exit_code(&error), 2);
        assert!(format!("{error:#}").contains("it can name region, shop"));
    }

    #[test]
    fn what_fits_the_data_is_no_problem() {
        for (target, variables) in [
            (TWO, &[("MONITOR_COLUMNS", "-x1,-score")][..]),
            (TWO, &[("MONITOR_COLUMNS", "amount,region")]),
            (
                TWO,
                &[("SEGMENT_COLUMNS", "shop"), ("MONITOR_COLUMNS", "-shop")],
            ),
            (TWO, &[("GATE_SEGMENT_FLOOR", "0.6")]),
            (TWO, &[("GATE_METRIC", "roc_auc"), ("GATE_FLOOR", "0.7")]),
            (NUMBER, &[("GATE_METRIC", "rmse"), ("GATE_FLOOR", "70")]),
            (NUMBER, &[("GATE_FLOOR", "-1")]),
            // Wrong by themselves, which is found elsewhere.
            (TWO, &[("GATE_METRIC", "auc"), ("GATE_FLOOR", "70")]),
            (TWO, &[("SEGMENT_COLUMNS", "a,,b")]),
        ] {
            let found = found(target, true, variables);
            assert!(found.is_empty(), "{variables:?}: {found:?}");
        }
        assert!(found(TWO, false, &[]).is_empty());
    }

    #[test]
    fn what_does_not_fit_the_data_is_named_with_what_does() {
        for (target, ignored, variables, name, said) in [
            (
                TWO,
                true,
                &[("MONITOR_COLUMNS", "-ammount")][..],
                "MONITOR_COLUMNS",
                "names \"ammount\" (did you mean \"amount\"?), which is none of the columns that a \
                 report judges: name features, segment columns or score; there are x1, amount, \
                 score, region",
            ),
            (
                TWO,
                true,
                &[("MONITOR_COLUMNS", "region"), ("SEGMENT_COLUMNS", "none")],
                "MONITOR_COLUMNS",
                "there are x1, amount, score",
            ),
            (
                TWO,
                true,
                &[("SEGMENT_COLUMNS", "Region")],
                "SEGMENT_COLUMNS",
                "(did you mean \"region\"?); it can name region, shop",
            ),
            (
                TWO,
                true,
                &[("SEGMENT_COLUMNS", "x1")],
                "SEGMENT_COLUMNS",
                "has the role feature in dataset.json",
            ),
            (
                TWO,
                true,
                &[("GATE_METRIC", "rmse")],
                "GATE_METRIC",
                "is rmse, but the metrics of task binary are ",
            ),
            (
                NUMBER,
                true,
                &[("GATE_METRIC", "roc_auc")],
                "GATE_METRIC",
                "is roc_auc, but the metrics of task regression are ",
            ),
            (
                TWO,
                true,
                &[("GATE_FLOOR", "70")],
                "GATE_FLOOR",
                "is 70, and roc_auc (GATE_METRIC, --gate-metric) is never above 1",
            ),
            (
                TWO,
                true,
                &[("GATE_FLOOR", "-1")],
                "GATE_FLOOR",
                "is -1, and roc_auc (GATE_METRIC, --gate-metric) is never below 0",
            ),
            (
                NUMBER,
                true,
                &[("GATE_SEGMENT_FLOOR", "2")],
                "GATE_SEGMENT_FLOOR",
                "is 2, and r2 ",
            ),
            (
                TWO,
                false,
                &[("GATE_SEGMENT_MARGIN", "0.1")],
                "GATE_SEGMENT_MARGIN",
                "has no segment column: name one in SEGMENT_COLUMNS",
            ),
            (
                TWO,
                true,
                &[("GATE_SEGMENT_FLOOR", "0.6"), ("SEGMENT_COLUMNS", "none")],
                "GATE_SEGMENT_FLOOR",
                "has no segment column: name one in SEGMENT_COLUMNS",
            ),
        ] {
            let found = found(target, ignored, variables);
            let [(of, text)] = found.as_slice() else {
                panic!("{variables:?}: {found:?}");
            };
            assert_eq!(of, name, "{text}");
            assert!(text.starts_with(name) && text.contains(said), "{text}");
        }
        let several = [("GATE_METRIC", "rmse"), ("MONITOR_COLUMNS", "x9")];
        assert_eq!(found(TWO, true, &several).len(), 2);
    }
}
