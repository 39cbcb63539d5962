//! Numbers against scikit-learn's and scipy's, which are in tests/fixtures/report.json.

use learn::metrics::Intervals;
use pages::content::{ColumnDrift, Committed};
use serde_json::Value;

use super::home::{Home, Names, Reported, Rows};
use crate::report::performance;
use crate::segments::{Dictionaries, Segmentation};

/// Metrics are sums in another order than scikit-learn's, and the curves are exact.
const TOLERANCE: f64 = 1e-12;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/report.json")).unwrap()
}

/// A number, null, or a spelt out NaN or infinity.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse().unwrap()),
        value => Some(value.as_f64().unwrap()),
    }
}

fn numbers(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn integers(value: &Value) -> Vec<Option<i64>> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_i64)
        .collect()
}

fn rows(value: &Value) -> Rows {
    let score = numbers(&value["score"]);
    let texts = value["id"].as_array().map(|ids| {
        ids.iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    });
    Rows {
        id: texts.unwrap_or_else(|| (0..score.len()).map(|i| i.to_string()).collect()),
        at: value["at"]
            .as_array()
            .map(|_| integers(&value["at"]))
            .unwrap_or_default(),
        features: vec![numbers(&value["x1"]), numbers(&value["x2"])],
        label: integers(&value["label"]),
        score,
    }
}

async fn home(fixture: &Value) -> Home {
    let threshold = fixture["threshold"].as_f64().unwrap();
    Home::with_threshold(Names::default(), &rows(&fixture["reference"]), threshold).await
}

fn deliver(home: &Home, fixture: &Value) {
    for (index, file) in fixture["late"].as_array().unwrap().iter().enumerate() {
        let labels: Vec<(&str, i64, Option<i64>)> = file
            .as_array()
            .unwrap()
            .iter()
            .map(|label| {
                (
                    label["id"].as_str().unwrap(),
                    label["at"].as_i64().unwrap(),
                    label["label"].as_i64(),
                )
            })
            .collect();
        home.deliver(&format!("2025-0{}.parquet", index + 1), &labels);
    }
}

fn close(what: &str, found: Option<f64>, expected: &Value, tolerance: f64) {
    match (found, number(expected)) {
        (None, None) => {}
        (Some(found), Some(expected))
            if (found - expected).abs() <= tolerance * expected.abs().max(1.0) => {}
        (found, expected) => panic!("{what} is {found:?}, and should be {expected:?}"),
    }
}

fn overall_is(report: &Committed, expected: &Value) {
    let overall = report.content.performance.overall.as_ref().unwrap();
    assert_eq!(overall.rows, expected["rows"].as_u64().unwrap());
    for (name, found) in [
        ("base_rate", overall.base_rate),
        ("accuracy", overall.accuracy),
        ("precision", overall.precision),
        ("recall", overall.recall),
        ("f1", overall.f1),
        ("roc_auc", overall.roc_auc),
        ("pr_auc", overall.pr_auc),
        ("log_loss", overall.log_loss),
        ("brier", overall.brier),
    ] {
        close(name, found, &expected[name], TOLERANCE);
    }
    intervals_are(
        &report.content.performance.intervals,
        &expected["intervals"],
    );
}

fn intervals_are(found: &Intervals, expected: &Value) {
    for (name, found) in [
        ("accuracy", found.accuracy),
        ("precision", found.precision),
        ("recall", found.recall),
        ("base_rate", found.base_rate),
    ] {
        close(name, found.map(|of| of.low), &expected[name][0], TOLERANCE);
        close(name, found.map(|of| of.high), &expected[name][1], TOLERANCE);
    }
}

fn days_are(report: &Committed, expected: &Value) {
    let days = &report.content.performance.days;
    let dates: Vec<String> = days.iter().map(|day| day.date.to_string()).collect();
    let expected = expected.as_array().unwrap();
    let expected_dates: Vec<&str> = expected
        .iter()
        .map(|day| day["date"].as_str().unwrap())
        .collect();
    assert_eq!(dates, expected_dates);
    for (day, expected) in days.iter().zip(expected) {
        assert_eq!(day.rows, expected["rows"].as_u64().unwrap(), "{}", day.date);
        assert_eq!(
            day.labelled_rows,
            expected["labelled_rows"].as_u64().unwrap(),
            "{}",
            day.date
        );
        let performance = &expected["performance"];
        for (name, found, expected) in [
            ("mean_score", day.mean_score, &expected["mean_score"]),
            (
                "predicted_positive_rate",
                day.predicted_positive_rate,
                &expected["predicted_positive_rate"],
            ),
            ("base_rate", day.base_rate, &performance["base_rate"]),
            ("accuracy", day.accuracy, &performance["accuracy"]),
            ("precision", day.precision, &performance["precision"]),
            ("recall", day.recall, &performance["recall"]),
            ("f1", day.f1, &performance["f1"]),
            ("roc_auc", day.roc_auc, &performance["roc_auc"]),
            ("log_loss", day.log_loss, &performance["log_loss"]),
            ("brier", day.brier, &performance["brier"]),
        ] {
            close(
                &format!("{name} of {}", day.date),
                found,
                expected,
                TOLERANCE,
            );
        }
        intervals_are(&day.intervals, &performance["intervals"]);
    }
}

#[tokio::test]
async fn metrics_of_the_files_own_labels_equal_scikit_learns() {
    let fixture = fixture();
    let home = home(&fixture).await;
    let rows = rows(&fixture["rows"]);
    let results = home
        .results(&[
            rows.slice(0, 600),
            rows.slice(600, 600),
            rows.slice(600, 1500),
        ])
        .await;
    let (_, report) = home.report(&results).await;
    overall_is(&report, &fixture["expected"]["own"]);
    assert_eq!(report.content.quality.late_labels.labels, 0);
}

#[tokio::test]
async fn late_labels_win_and_move_with_the_time_zone() {
    let fixture = fixture();
    let expected = &fixture["expected"];
    let mut home = home(&fixture).await;
    deliver(&home, &fixture);
    let rows = rows(&fixture["rows"]);
    let results = home
        .results(&[
            rows.slice(0, 1),
            rows.slice(1, 1499),
            rows.slice(1499, 1500),
        ])
        .await;
    for (zone, days) in expected["days"].as_object().unwrap() {
        home.at(zone);
        let (_, report) = home.report(&results).await;
        overall_is(&report, &expected["joined"]);
        days_are(&report, days);
        assert_eq!(report.content.timezone, *zone);
        let late = &report.content.quality.late_labels;
        assert_eq!(
            late.files,
            ["labels/2025-01.parquet", "labels/2025-02.parquet"]
        );
        assert_eq!(late.matched_rows, expected["matched"].as_u64().unwrap());
        // Nobody has that id, and the first id was not seen in 1970.
        assert_eq!((late.unmatched_keys, late.other_days), (1, 1), "{zone}");
        assert_eq!(late.labels, 340 + 82);
    }
}

#[tokio::test]
async fn drift_equals_scipys_within_the_error_of_a_profile() {
    let fixture = fixture();
    let expected = &fixture["expected"]["drift"];
    let home = home(&fixture).await;
    let rows = rows(&fixture["rows"]);
    let results = home
        .results(&[rows.slice(0, 700), rows.slice(700, 1500)])
        .await;
    let (_, report) = home.report(&results).await;
    let drift = &report.content.drift;
    let column = |name: &str| -> &ColumnDrift {
        drift
            .features
            .iter()
            .find(|column| column.name == name)
            .unwrap()
    };
    for (name, column) in [
        ("x1", column("x1")),
        ("x2", column("x2")),
        ("score", &drift.score),
    ] {
        let expected = &expected[name];
        let (ks, true_ks) = (column.ks.unwrap(), expected["ks"].as_f64().unwrap());
        assert!(
            ks.statistic <= true_ks + 1e-12 && true_ks <= ks.statistic + ks.error_bound + 1e-12,
            "KS of {name} is {ks:?}, and should be {true_ks}"
        );
        assert!(ks.error_bound < 0.02, "{ks:?}");
        close(
            &format!("PSI of {name}"),
            Some(column.psi.as_ref().unwrap().value),
            &expected["psi"],
            0.01,
        );
        close(
            "JS",
            column.jensen_shannon,
            &expected["jensen_shannon"],
            0.01,
        );
        close("shift", column.mean_shift, &expected["mean_shift"], 1e-10);
        close("std ratio", column.std_ratio, &expected["std_ratio"], 1e-10);
        let by_day = expected_by_day(&fixture, name);
        assert_eq!(column.psi_by_period.len(), by_day.len());
        for (psi, expected) in column.psi_by_period.iter().zip(&by_day) {
            close(&format!("PSI of a day of {name}"), *psi, expected, 0.03);
        }
        close("mean", column.current.mean, &expected["mean"], 1e-10);
        close("std", column.current.std, &expected["std"], 1e-10);
        close(
            "reference mean",
            column.reference.mean,
            &expected["reference_mean"],
            1e-10,
        );
        close(
            "reference std",
            column.reference.std,
            &expected["reference_std"],
            1e-10,
        );
    }
    let x2 = &report.content.quality.features[1];
    assert_eq!((x2.nulls, x2.nans, x2.infinities), (9, 20, 4));
    assert_eq!(report.content.quality.unscored_rows, 33);
    assert_eq!(column("x2").current.missing, 33);
}

fn expected_by_day(fixture: &Value, column: &str) -> Vec<Value> {
    fixture["expected"]["psi_by_day"][column]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn thresholds_equal_scikit_learns() {
    let fixture = fixture();
    let home = home(&fixture).await;
    deliver(&home, &fixture);
    let results = home.results(&[rows(&fixture["rows"])]).await;
    let (_, report) = home.report(&results).await;
    let expected = fixture["expected"]["thresholds"].as_array().unwrap();
    // The highest score of a labelled row stands among them too.
    let mut found = report.content.performance.thresholds;
    assert_eq!(found.len(), expected.len() + 1);
    let known = |threshold: f64| expected.iter().any(|of| of["threshold"] == threshold);
    found.retain(|at| known(at.threshold));
    assert_eq!(found.len(), expected.len());
    for (at, expected) in found.iter().zip(expected) {
        assert_eq!(Some(at.threshold), expected["threshold"].as_f64());
        let c = &at.confusion;
        let counts = [
            c.true_negatives,
            c.false_positives,
            c.false_negatives,
            c.true_positives,
        ];
        assert_eq!(serde_json::json!(counts), expected["confusion"]);
        for (name, found) in [
            ("predicted_positive_rate", at.predicted_positive_rate),
            ("accuracy", at.accuracy),
            ("precision", at.precision),
            ("recall", at.recall),
            ("f1", at.f1),
        ] {
            close(name, found, &expected[name], TOLERANCE);
        }
    }
}

#[tokio::test]
async fn segments_equal_scikit_learns() {
    let fixture = fixture();
    let (rows, expected) = (rows(&fixture["rows"]), &fixture["expected"]);
    let cuts: Vec<f64> = expected["cuts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cut| cut.as_f64().unwrap())
        .collect();
    let mut late = std::collections::HashMap::new();
    for label in fixture["late"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|file| file.as_array().unwrap())
    {
        if let Some(value) = label["label"].as_i64() {
            late.insert(
                (
                    label["id"].as_str().unwrap().to_owned(),
                    label["at"].as_i64(),
                ),
                value,
            );
        }
    }
    let mut parts = Segmentation::new(fixture["threshold"].as_f64().unwrap(), cuts, 0);
    for (i, id) in rows.id.iter().enumerate() {
        let label = late
            .get(&(id.clone(), rows.at[i]))
            .copied()
            .or(rows.label[i]);
        parts.add(rows.score[i], label.map(|label| label as u8), 0, None);
    }
    let found = performance::of_counts(&parts, &Dictionaries::new([]), &[1; 6]).score;
    for (found, expected) in found.iter().zip(expected["segments"].as_array().unwrap()) {
        assert_eq!(Some(found.rows), expected["rows"].as_u64());
        close("share", found.share, &expected["share"], TOLERANCE);
        close(
            "mean score",
            found.mean_score,
            &expected["mean_score"],
            TOLERANCE,
        );
        let performance = &expected["performance"];
        assert_eq!(Some(found.measured_rows), performance["rows"].as_u64());
        for (name, found) in [
            ("base_rate", found.base_rate),
            ("accuracy", found.accuracy),
            ("precision", found.precision),
            ("recall", found.recall),
            ("f1", found.f1),
        ] {
            close(name, found, &performance[name], TOLERANCE);
        }
        intervals_are(&found.intervals, &performance["intervals"]);
    }
}

#[tokio::test]
async fn values_beyond_the_reference_are_counted_on_either_side() {
    let reference = Rows::simple(400);
    let home = Home::new(Names::default(), &reference).await;
    let mut rows = Rows::simple(200);
    rows.features[0][3] = Some(-1.0);
    rows.features[0][4] = Some(96.5);
    rows.features[0][5] = Some(1e12);
    let results = home.results(&[rows]).await;
    let (_, report) = home.report(&results).await;
    let x1 = &report.content.quality.features[0];
    assert_eq!((x1.below, x1.above), (1, 2));
    assert_eq!(
        (x1.min, x1.max, x1.reference_min, x1.reference_max),
        (Some(-1.0), Some(1e12), Some(0.0), Some(96.0))
    );
}

#[tokio::test]
async fn repeated_keys_are_counted_across_parts() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let rows = Rows::simple(200);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(50, 200), rows.slice(60, 62)])
        .await;
    let (_, report) = home.report(&results).await;
    assert_eq!(
        (
            report.content.quality.duplicate_keys,
            report.content.quality.duplicate_rows
        ),
        (50, 52)
    );
}
