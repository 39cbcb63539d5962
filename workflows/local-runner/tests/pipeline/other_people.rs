//! Data sets of other people: from their CSV to a model by `infer` and `submit`, without an edit,
//! and the metrics that scikit-learn's pipeline reaches on the same split.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;
use crate::python::{answer, python};

/// Writes the raw files.
pub(crate) const DATA_SETS: &str = "data_sets.py";
/// Finds what others reach on them.
pub(crate) const SCRIPT: &str = "other_people.py";

/// Trains on the raw files as the project says.
fn train(bench: &Bench, data_version: &str) {
    let folder = |name: &str| bench.folder().join(name).display().to_string();
    let line = [
        "submit",
        &format!("--config-maps={}", folder("project")),
        &format!("--raw-url={}", folder("raw")),
        "--from=workflowtemplate/alameda-training",
        "-p",
        &format!("data-version={data_version}"),
        "-p",
        "model-name=theirs",
    ];
    bench.alameda(&line).expect(0);
}

/// What is inferred as it is.
const NO_EDIT: [&str; 2] = [""; 2];

/// The one line of accidents that is edited.
const WEIGHED: [&str; 2] = [
    r#"{"name": "weight", "type": "float64", "role": "feature", "nullable": true}"#,
    r#"{"name": "weight", "type": "float64", "role": "weight"}"#,
];

/// `edit` is what a person writes in place of what in dataset.json.
fn equals_scikit_learn(
    name: &str,
    rows: u64,
    target: &str,
    features: usize,
    edit: [&str; 2],
) -> Bench {
    let bench = Bench::empty();
    let raw = bench.folder().join("raw");
    fs::create_dir(&raw).unwrap();
    let file = raw.join("data.csv");
    let file = file.to_str().unwrap();
    python(DATA_SETS, &["write", name, file]);
    let out = bench.folder().join("project");
    let dataset = out.join("dataset.json");
    let (out, dataset) = (out.to_str().unwrap(), dataset.to_str().unwrap());
    let printed = bench.alameda(&["dataset", "infer", file, "--out", out]);
    let printed = printed.expect(0).stdout;
    let [before, after] = edit;
    let inferred = fs::read_to_string(dataset).unwrap();
    assert!(inferred.contains(before), "{inferred}");
    fs::write(dataset, inferred.replacen(before, after, 1)).unwrap();
    bench
        .alameda(&["dataset", "check", file, "--dataset", out])
        .expect(0);
    let contract: Value = serde_json::from_str(&fs::read_to_string(dataset).unwrap()).unwrap();
    let columns = contract["columns"].as_array().unwrap();
    let count = columns
        .iter()
        .filter(|column| column["role"] == "feature")
        .count();
    let found = columns
        .iter()
        .find(|column| column["role"] == "target")
        .unwrap();
    assert_eq!((found["name"].as_str(), count), (Some(target), features));
    train(&bench, "1");
    let model = bench.output("model-training-train", "model");
    let ours = bench.json(&model.replace("_manifest", "metrics"));
    let store = bench.store("");
    let theirs = answer(SCRIPT, &["reach", store.to_str().unwrap(), file, dataset]);
    assert_eq!(theirs["rows"].as_u64(), Some(rows));
    if let Some(positives) = theirs["positives"].as_f64() {
        // Also of a class that is rare.
        let task = printed
            .lines()
            .find(|line| line.starts_with("task"))
            .unwrap();
        let shown = task
            .split_once(" in ")
            .and_then(|(_, of)| of.split_once(" %"));
        let shown: f64 = shown.unwrap().0.parse().unwrap();
        let share = 100.0 * positives / rows as f64;
        assert!(
            (shown - share).abs() <= 0.05_f64.min(share / 10.0),
            "{printed}"
        );
    }
    assert_same(&ours["holdout"], &theirs, 1e-6);
    bench
}

/// Fails the test unless the metrics that `theirs` holds are the same but for `most`.
pub(crate) fn assert_same(ours: &Value, theirs: &Value, most: f64) {
    let known = [
        "roc_auc", "pr_auc", "log_loss", "brier", "accuracy", "rmse", "mae", "r2",
    ];
    let measured = known.iter().filter(|name| !theirs[**name].is_null());
    assert!(measured.clone().count() >= 2, "{theirs}");
    for metric in measured {
        let (ours, theirs) = (&ours[*metric], &theirs[*metric]);
        let apart = (ours.as_f64().unwrap() - theirs.as_f64().unwrap()).abs();
        assert!(apart < most, "{metric}: {ours} and {theirs}");
    }
}

#[test]
fn credit_with_categories_and_nulls() {
    equals_scikit_learn("modeldata.credit_data", 4454, "Status", 13, NO_EDIT);
}

#[test]
fn churn_with_categories() {
    equals_scikit_learn("modeldata.wa_churn", 7043, "churn", 19, NO_EDIT);
}

#[test]
fn defaults_of_which_few_are() {
    equals_scikit_learn("ISLR.Default", 10_000, "default", 3, NO_EDIT);
}

#[test]
fn insurance_for_caravans_from_many_columns() {
    equals_scikit_learn("ISLR.Caravan", 5822, "Purchase", 85, NO_EDIT);
}

#[test]
fn cancer_from_measures_of_wild_scales() {
    equals_scikit_learn("breast_cancer", 569, "target", 30, NO_EDIT);
}

#[test]
fn three_kinds_of_flowers() {
    equals_scikit_learn("iris", 150, "target", 4, NO_EDIT);
}

/// Of 64 pixels three are the same in every picture.
#[test]
fn ten_digits_from_their_pixels() {
    equals_scikit_learn("digits", 1797, "target", 61, NO_EDIT);
}

#[test]
fn a_number_that_says_how_diabetes_went_on() {
    equals_scikit_learn("diabetes", 442, "target", 10, NO_EDIT);
}

/// One row in a thousand is a positive.
#[test]
fn frauds_that_are_rare() {
    equals_scikit_learn("rare", 60_000, "fraud", 3, NO_EDIT);
}

#[test]
fn credit_with_semicolons_and_decimal_commas() {
    equals_scikit_learn("modeldata.credit_data;", 4454, "Status", 13, NO_EDIT);
}

#[test]
fn hundreds_of_columns_whose_scales_lie_far_apart() {
    equals_scikit_learn("wide", 800, "y", 700, NO_EDIT);
}

/// The weights say how many accidents a recorded one represents: from 0 to 57,872.
#[test]
fn accidents_whose_weights_make_a_sample_of_a_country() {
    let bench = equals_scikit_learn("DAAG.nassCDS", 26_217, "dead", 9, WEIGHED);

    // Whatever a champion learned from, the candidate's weights judge both.
    let out = bench.folder().join("project");
    let dataset = out.join("dataset.json");
    let weighed = fs::read_to_string(&dataset).unwrap();
    let alike = weighed.replace(WEIGHED[1], WEIGHED[0]);
    for (version, contract) in [("2", &alike), ("3", &weighed)] {
        fs::write(&dataset, contract).unwrap();
        train(&bench, version);
        let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
        let weight = |side: &str| verdict[side]["report"]["weight"].as_f64();
        let before = Value::from(version.parse::<u64>().unwrap() - 1);
        assert_eq!(verdict["champion"]["version"], before, "{verdict}");
        assert_eq!(weight("candidate").is_some(), version == "3");
        // But for the order of a sum: rows come in batches of other columns.
        let [champion, candidate] =
            ["champion", "candidate"].map(|side| weight(side).unwrap_or(0.0));
        assert!(
            (champion - candidate).abs() <= 1e-12 * candidate,
            "{verdict}"
        );
    }
}

#[test]
fn a_report_weighs_rows_and_those_without_a_weight_weigh_1() {
    let bench = Bench::empty();
    let [raw, out] = ["raw", "project"].map(|name| bench.folder().join(name).display().to_string());
    python(DATA_SETS, &["nights", &raw]);
    let infer = ["dataset", "infer", &raw, "--out", &out];
    bench.alameda(&infer).expect(0);
    let dataset = bench.folder().join("project/dataset.json");
    let inferred = fs::read_to_string(&dataset).unwrap();
    let [before, after] = WEIGHED;
    assert!(inferred.contains(before), "{inferred}");
    let weighed = inferred.replacen(before, after, 1);
    let [feature, ignored] =
        ["feature", "ignored"].map(|role| format!(r#""sex", "type": "utf8", "role": "{role}""#));
    assert!(inferred.contains(&feature), "{inferred}");
    fs::write(&dataset, weighed.replacen(&feature, &ignored, 1)).unwrap();
    let project = [format!("--config-maps={out}"), format!("--raw-url={raw}")];
    bench
        .pipeline(&project.each_ref().map(String::as_str))
        .expect(0);
    let report = bench.json("reports/1/m/v1/report.json");
    let performance = &report["performance"];
    let theirs = answer(SCRIPT, &["measured", bench.store("").to_str().unwrap()]);
    assert_eq!(performance["overall"]["rows"], theirs["rows"]);
    let mut overall = theirs.clone();
    let overall = overall.as_object_mut().unwrap();
    overall.retain(|_, value| value.is_number());
    same_numbers("overall", &performance["overall"], overall);
    for of in ["thresholds", "score"] {
        let ours = match of {
            "thresholds" => &performance[of],
            _ => &report["segments"][of],
        };
        let [ours, theirs] = [ours, &theirs[of]].map(|of| of.as_array().unwrap());
        assert!(ours.len() == theirs.len() && ours.len() >= 10, "{ours:?}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            same_numbers(of, ours, theirs.as_object().unwrap());
        }
    }
    let [sex] = &report["segments"]["columns"].as_array().unwrap()[..] else {
        panic!("{}", report["segments"]);
    };
    let values = sex["values"].as_array().unwrap();
    assert_eq!(values.len(), 2);
    for ours in values {
        let name = ours["name"].as_str().unwrap();
        same_numbers(name, ours, theirs["sex"][name].as_object().unwrap());
    }
}

/// Fails the test unless all numbers of theirs are ours but for their tenth digit.
fn same_numbers(of: &str, ours: &Value, theirs: &serde_json::Map<String, Value>) {
    for (name, theirs) in theirs {
        let [ours, theirs] = [&ours[name], theirs].map(|of| of.as_f64().unwrap());
        assert!(
            (ours - theirs).abs() <= 1e-9 * theirs,
            "{of}, {name}: {ours} and {theirs}"
        );
    }
}
