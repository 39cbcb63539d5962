//! The file `models.json`, beside the data contract: read in the first step, so that what is wrong
//! is said before any work, and by training.

use std::path::Path;

use anyhow::Result;

use crate::config::Config;
use crate::dataset::{Dataset, Goal, HoldoutRule, MARK};
use crate::features;
use catalog::manifest::Column;
use learn::explanation::TOP_REASONS;
use learn::fitted_model::Reader;
use learn::models::{By, Chosen, Models};
use learn::preprocessing;
use learn::task::{LOWER, UPPER};
use runtime::failure::Failure;

pub use crate::models_file::text;
pub use learn::models::FILE;

/// What it says, and each model that is to be fitted for a goal: one at least.
///
/// # Errors
/// Exit 2, with what is wrong in the file.
pub fn parse(text: &[u8], goal: &Goal) -> Result<(Models, Vec<Chosen>)> {
    let wrong = |error| Failure::usage(format!("{FILE}: {error}"));
    let unmarked = text.strip_prefix(MARK.to_string().as_bytes());
    let models = Models::parse(unmarked.unwrap_or(text)).map_err(wrong)?;
    let families = &Reader::known().families;
    let chosen = models.candidates.chosen(families, goal.task, &goal.target);
    let chosen = chosen.map_err(wrong)?;
    models.metric(goal.task).map_err(wrong)?;
    models.check_task(goal.task).map_err(wrong)?;
    let fits = models.check_intervals(families, &chosen);
    fits.map_err(wrong)?;
    Ok((models, chosen))
}

/// That rows to validate on can be chosen as it says, where the holdout is one of time, or is not.
///
/// # Errors
/// By time without a column of time, or with several folds: exit 2.
pub fn check_validation(models: &Models, dataset: &Dataset, holdout_of_time: bool) -> Result<()> {
    let Some(validation) = models.validation else {
        return Ok(());
    };
    let by = validation.decided_by(holdout_of_time);
    if by == By::Time && dataset.time().is_none() {
        return Err(Failure::usage(format!(
            "{FILE}: `validation` is by time, and no column of dataset.json has the role time: set \
             \"by\" to \"id\""
        )));
    }
    let folds = validation.check_folds(by);
    folds.map_err(|error| Failure::usage(format!("{FILE}: {error}")))
}

/// That no column has the name of one that `explain` or `interval` adds to the predictions.
///
/// # Errors
/// Exit 2, with the column.
pub fn check_names(
    explain: Option<usize>,
    interval: Option<f64>,
    columns: &[Column],
) -> Result<()> {
    let added = [
        ("explain", explain.is_some(), TOP_REASONS),
        ("interval", interval.is_some(), LOWER),
        ("interval", interval.is_some(), UPPER),
    ];
    for (key, given, name) in added {
        if given && columns.iter().any(|of| of.name == name) {
            return Err(Failure::usage(format!(
                "{FILE}: `{key}` adds the column {name:?} to the predictions, and the data has a \
                 column of that name: give it another one in features.sql"
            )));
        }
    }
    Ok(())
}

/// That scoring, publishing and reports carry what would be fitted, and that `models.json` in
/// `folder`, if it is there, fits the prepared `columns` and the holdout.
///
/// # Errors
/// Exit 2, with what is wrong in which file.
pub fn check(
    folder: &Path,
    config: &Config,
    columns: &[Column],
    holdout: HoldoutRule,
) -> Result<()> {
    let text = text(folder)?;
    check_text(text.as_deref(), config, columns, holdout.is_of_time())
}

/// [`check`], of the text of `models.json`, or `None`, and a holdout of time, or another one.
///
/// # Errors
/// Exit 2, with what is wrong in which file.
pub fn check_text(
    text: Option<&[u8]>,
    config: &Config,
    columns: &[Column],
    holdout_of_time: bool,
) -> Result<()> {
    let goal = config.goal()?;
    let signature = features::signature(columns, text.is_some())?;
    let Some(text) = text else {
        return Ok(());
    };
    let (models, chosen) = parse(text, &goal)?;
    check_validation(&models, &config.dataset, holdout_of_time)?;
    check_names(models.explain, models.interval, columns)?;
    for chosen in chosen {
        let family = chosen.family.preparation();
        preprocessing::check(&signature, &models.preprocessing, family)
            .map_err(|error| Failure::usage(format!("{FILE}: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::manifest::Role;
    use runtime::failure::exit_code;

    fn column(name: &str, data_type: &str) -> Column {
        Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            role: Role::Feature,
        }
    }

    fn refused(target: &str, columns: &[Column], models: Option<&str>) -> String {
        let dataset = format!(
            r#"{{"columns": [{{"name": "id", "type": "int64", "role": "id"}},
                {{"name": "y", "role": "target", {target}}}]}}"#
        );
        let config = Config::parse(dataset, "SELECT * FROM raw".to_owned()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        if let Some(models) = models {
            std::fs::write(folder.path().join(FILE), models).unwrap();
        }
        match check(folder.path(), &config, columns, HoldoutRule::FirstShard) {
            Ok(()) => String::new(),
            Err(error) => {
                assert_eq!(exit_code(&error), 2);
                format!("{error:#}")
            }
        }
    }

    #[test]
    fn rows_to_validate_on_by_time_need_a_time_and_have_one_fold() {
        const BY_TIME: &str = "`validation` is by time, ";
        let timed = r#"{"name": "day", "type": "date", "role": "time"}, "#;
        for (validation, time, holdout_of_time, expected) in [
            (r#"{"folds": 3}"#, "", false, ""),
            (r#"{"folds": 3}"#, timed, false, ""),
            (r#"{"by": "time"}"#, timed, false, ""),
            (r#"{"by": "time", "folds": 1}"#, timed, true, ""),
            (r#"{"by": "id", "folds": 3}"#, timed, true, ""),
            (
                r#"{"by": "time", "folds": 3}"#,
                timed,
                false,
                "which has one fold, the latest rows, and `folds` is 3: remove it, or set \"by\" to \
                 \"id\"",
            ),
            // The default, where the holdout is of time.
            (r#"{"folds": 2}"#, timed, true, "which has one fold"),
            (
                r#"{"by": "time"}"#,
                "",
                false,
                "and no column of dataset.json has the role time: set \"by\" to \"id\"",
            ),
        ] {
            let dataset = format!(
                r#"{{"columns": [{{"name": "id", "type": "int64", "role": "id"}}, {time}
                    {{"name": "y", "role": "target", "type": "int64"}}]}}"#
            );
            let dataset = Dataset::parse(dataset.as_bytes()).unwrap();
            let models = format!(r#"{{"candidates": "auto", "validation": {validation}}}"#);
            let (models, _) = parse(models.as_bytes(), &dataset.goal().unwrap()).unwrap();
            let Err(error) = check_validation(&models, &dataset, holdout_of_time) else {
                assert_eq!(expected, "", "{validation}");
                continue;
            };
            let text = error.to_string();
            assert_eq!(exit_code(&error), 2);
            assert!(!expected.is_empty() && text.contains(BY_TIME), "{text}");
            assert!(text.starts_with(FILE) && text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_nothing_can_be_fitted_by_is_refused_before_any_work() {
        let two = r#""type": "int64""#;
        let numbers = [column("x", "Float64"), column("member", "Boolean")];
        assert_eq!(refused(two, &numbers, None), "");
        let mean = r#"{"candidates": [{"family": "mean"}]}"#;
        assert_eq!(refused(two, &numbers[..1], Some(mean)), "");
        let texts = [column("city", "Utf8"), column("member", "Boolean")];
        assert_eq!(refused(two, &texts, Some(mean)), "");
        let counted = r#"{"candidates": [{"family": "gradient-boosting"}],
            "preprocessing": {"columns": {"city": {"encode": "one-hot", "frequency": true}}}}"#;
        let counted_by_default = counted.replace(r#""encode": "one-hot","#, "");
        let of_x9 = r#"{"candidates": [{"family": "mean"}],
            "preprocessing": {"columns": {"x9": {"drop": true}}}}"#;
        for (target, columns, models, expected) in [
            (
                two,
                &texts[..],
                Some(counted),
                "models.json: preprocessing of column \"city\": `frequency` counts rows",
            ),
            (
                two,
                &texts,
                Some(counted_by_default.as_str()),
                "set `encode: target`, or leave `frequency` out; trees have both by default",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "logistic-regression"}]}"#),
                "does not learn target \"y\" of task regression",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "mean"}], "calibration": "sigmoid"}"#),
                "`calibration` is for the task binary, and the target is of task regression",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "mean"}], "threshold": 0.5}"#),
                "`threshold` is for the task binary, and the target is of task regression: remove",
            ),
            (
                two,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "mean"}], "interval": 0.9}"#),
                "`interval` is for the task regression, and the target is of task binary",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "mean"}], "interval": 90}"#),
                "`interval` is 90: it must be between 0 and 1, such as 0.9",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(r#"{"candidates": [{"family": "mean"}], "interval_by": "quantiles"}"#),
                "`interval_by` is given without `interval`: give that too, such as 0.9",
            ),
            (
                r#""type": "float64""#,
                &numbers[..1],
                Some(
                    r#"{"candidates": [{"family": "mean"}], "interval": 0.9, "interval_by":
                    "quantiles"}"#,
                ),
                "candidate \"mean\" can't fit quantiles, which `interval_by` needs: use candidates that \
                 can (gradient-boosting), or remove `interval_by`",
            ),
            (
                r#""type": "float64""#,
                &[column("upper", "Float64")],
                Some(r#"{"candidates": [{"family": "mean"}], "interval": 0.9}"#),
                "`interval` adds the column \"upper\" to the predictions",
            ),
            (
                two,
                &[column("day", "Date32")],
                Some(mean),
                "date_part('month', \"day\")",
            ),
            (
                two,
                &[column("gap", "Interval(MonthDayNano)")],
                Some(mean),
                "feature \"gap\" is of type Interval(MonthDayNano)",
            ),
            (two, &texts, None, "add a models.json beside dataset.json"),
            (
                two,
                &[column("day", "Date32")],
                None,
                "date_part('month', \"day\")",
            ),
            (
                two,
                &numbers[..1],
                Some("true"),
                "models.json: invalid type",
            ),
            (
                two,
                &numbers[..1],
                Some(of_x9),
                "models.json: preprocessing of column \"x9\"",
            ),
        ] {
            let text = refused(target, columns, models);
            assert!(text.contains(expected), "{text}");
        }
    }
}
