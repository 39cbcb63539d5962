//! Gradient boosting through the whole pipeline; what is published equals what XGBoost's own
//! package makes of the exported file.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::Bench;
use crate::bring_your_own::{CSV_FILES, configure, run};
use crate::models_json::write_models;
use crate::other_people::DATA_SETS;
use crate::python::{answer, python};
use crate::tasks::{fixture, numbers, scored};

const SCRIPT: &str = "trees.py";
const MODELS: &str = r#"{"candidates": [{"family": "gradient-boosting"}]}"#;

/// What XGBoost makes of the rows of a raw file, beside what was published of them.
pub(crate) fn compared(bench: &Bench, raw: &Path) -> Value {
    let model = bench.output("model-training-train", "model");
    let exported = bench.store(&model.replace("_manifest", "xgboost"));
    let results = bench.output("batch-inference-commit", "manifest");
    let results = bench.store(&results.replace("_manifest.json", ""));
    let paths = [&exported, &results, raw].map(|path| path.to_str().unwrap());
    answer(SCRIPT, &[&["compare"][..], &paths].concat())
}

/// The report is of the family, and the champion is this model.
fn must_be_reported(bench: &Bench) {
    let report = bench.json("reports/2026-11/m/v1/report.json");
    assert_eq!(report["model"]["family"], "gradient-boosting");
    let drift = &report["drift"];
    assert_eq!(drift["score"]["compared_with"], "holdout");
    assert!(drift["features"][0]["compared_with"].is_null());
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    assert!(page.contains("mean size of what the feature adds to the score"));
    assert!(page.contains(" on the holdout, ") && page.contains("score on the holdout and now"));
    assert_eq!(bench.output("model-promotion-promote", "promoted"), "true");
}

#[test]
fn a_number_is_predicted_by_trees_and_the_exported_file_gives_the_same_bits() {
    let bench = Bench::empty();
    let data = fixture().diabetes;
    data.run(&bench, "", r#""type": "float64""#, MODELS);
    must_be_reported(&bench);
    let compared = compared(&bench, &bench.raw("predict/0.csv"));
    assert!(compared["rows"].as_u64() > Some(50), "{compared}");
    assert_eq!(compared["different"], 0, "{compared}");
}

#[test]
fn several_classes_are_predicted_by_trees_as_by_the_exported_file() {
    let bench = Bench::empty();
    let target = r#""type": "utf8", "allowed": ["setosa", "versicolor", "virginica"]"#;
    fixture().iris.run(&bench, "", target, MODELS);
    must_be_reported(&bench);
    let compared = compared(&bench, &bench.raw("predict/0.csv"));
    assert!(compared["rows"].as_u64() > Some(20), "{compared}");
    assert!(compared["largest"].as_f64() < Some(1e-14), "{compared}");
}

#[test]
fn rows_weigh_in_trees_and_those_of_no_weight_are_not_there() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "x", "type": "float64", "role": "feature"},
            {"name": "w", "type": "float64", "role": "weight"},
            {"name": "y", "type": "float64", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    write_models(&config, MODELS);
    let mut weight = 0.0;
    for file in 0..3 {
        let mut text = "id,x,w,y\n".to_owned();
        for row in 0..200 {
            let x = f64::from((row * 37 + file * 11) % 200) / 200.0;
            let w = f64::from(row % 4) / 2.0;
            // What weighs nothing says nonsense.
            let y = match w > 0.0 {
                true => 10.0 + 5.0 * f64::from(u8::from(x > 0.5)),
                false => 1e6,
            };
            // The first file is held out.
            weight += if file > 0 { w } else { 0.0 };
            writeln!(text, "{file}-{row},{x},{w},{y}").unwrap();
        }
        fs::write(bench.raw(&format!("train/{file}.csv")), &text).unwrap();
        fs::write(bench.raw("predict/0.csv"), text).unwrap();
    }
    run(&bench, &config, "m");
    let model = bench.output("model-training-train", "model");
    let model = bench.json(&model.replace("_manifest", "model"));
    let trees = &model["estimator"]["trees"];
    assert_eq!(trees[0]["sum_hessian"][0], weight);
    let scored = scored(&bench);
    let predicted = numbers(&scored, "prediction").values().to_vec();
    assert_eq!(predicted.len(), 200);
    let near = |value: &f64| (9.9..15.1).contains(value);
    assert!(predicted.iter().all(near), "{predicted:?}");
}

/// A project of one feature, and a target that is a step of it in units of this scale, from this
/// offset on.
fn a_step(bench: &Bench, family: &str, offset: f64, scale: f64) -> PathBuf {
    let config = configure(
        bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "x", "type": "float64", "role": "feature"},
            {"name": "y", "type": "float64", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    write_models(
        &config,
        &format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#),
    );
    for file in 0..3 {
        let mut text = "id,x,y\n".to_owned();
        for row in 0..200 {
            let x = f64::from((row * 37 + file * 11) % 200) / 200.0;
            let y = offset + scale * (10.0 + 5.0 * f64::from(u8::from(x > 0.5)));
            writeln!(text, "{file}-{row},{x},{y:e}").unwrap();
        }
        fs::write(bench.raw(&format!("train/{file}.csv")), &text).unwrap();
        fs::write(bench.raw("predict/0.csv"), text).unwrap();
    }
    config
}

#[test]
fn a_target_is_learnt_in_any_units_and_a_missing_file_of_xgboost_is_said() {
    for (family, offset, scale, exported) in [
        ("gradient-boosting", 0.0, 1e-5, true),
        ("gradient-boosting", 0.0, 1e-30, true),
        ("gradient-boosting", 0.0, 1e30, true),
        ("gradient-boosting", 0.0, 1e60, false),
        ("gradient-boosting", 1e7, 1.0, false),
        ("gradient-boosting", 1.7e18, 1e9, false),
        ("random-forest", 0.0, 1e-30, true),
        ("random-forest", 1.7e18, 1e9, false),
    ] {
        let bench = Bench::empty();
        run(&bench, &a_step(&bench, family, offset, scale), "m");
        let model = bench.output("model-training-train", "model");
        let scored = scored(&bench);
        let predicted = numbers(&scored, "prediction").values().iter();
        let steps: Vec<f64> = predicted.map(|of| (of - offset) / scale).collect();
        let apart = |of: &f64| (of - 10.0).abs().min((of - 15.0).abs());
        let mean = steps.iter().map(apart).sum::<f64>() / 200.0;
        assert!(mean < 0.2, "{family} {offset} {scale}: {mean}");
        let high = steps.iter().filter(|of| **of > 12.5).count();
        assert!(
            (90..110).contains(&high),
            "{family} {offset} {scale}: {high}"
        );

        let file = bench.store(&model.replace("_manifest", "xgboost"));
        assert_eq!(file.exists(), exported, "{family} {offset} {scale}");
        let warnings = bench.json(&model)["warnings"].to_string();
        let warned = warnings.contains("has no xgboost.json") && warnings.contains("\\\"y\\\"");
        assert_eq!(warned, !exported, "{warnings}");
    }
}

#[test]
fn a_target_whose_squares_overflow_is_refused_by_its_name() {
    let bench = Bench::empty();
    let config = a_step(&bench, "gradient-boosting", 0.0, 1e160);
    let config = format!("--config-maps={}", config.display());
    let ran = bench.alameda(&[
        "submit",
        &config,
        "--from=workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=2026-11",
        "-p",
        "model-name=m",
    ]);
    let text = ran.expect(1).shown();
    for said in ["exit code 10", "target \"y\" is from 1"] {
        assert!(text.contains(said), "{text}");
    }
}

/// Runs the pipeline on the churn data set, of which some numbers are missing: its file.
pub(crate) fn churn(bench: &Bench, models: &str) -> PathBuf {
    run_on(bench, "churn_with_holes", models)
}

/// Runs the pipeline on a data set, with the contract that is inferred from its rows, and scores
/// the same rows: their file.
pub(crate) fn run_on(bench: &Bench, name: &str, models: &str) -> PathBuf {
    let raw = bench.folder().join("raw");
    let file = raw.join("train/rows.csv");
    let at = file.to_str().unwrap();
    for folder in ["train", "predict"] {
        fs::create_dir_all(raw.join(folder)).unwrap();
    }
    python(DATA_SETS, &["write", name, at]);
    fs::copy(&file, raw.join("predict/rows.csv")).unwrap();
    let out = bench.folder().join("project");
    let (data, project) = (raw.to_str().unwrap(), out.to_str().unwrap());
    let infer = ["dataset", "infer", data, "--out", project];
    bench.alameda(&infer).expect(0);
    fs::write(out.join("models.json"), models).unwrap();
    bench
        .alameda(&[
            "submit",
            &format!("--config-maps={project}"),
            &format!("--raw-url={data}"),
            "--from=workflowtemplate/alameda-pipeline",
            "-p",
            "data-version=2026-11",
            "-p",
            "model-name=m",
        ])
        .expect(0);
    file
}

#[test]
fn churn_is_learnt_as_well_as_by_xgboost_with_categories_and_missing_numbers() {
    let bench = Bench::empty();
    let file = churn(&bench, MODELS);
    must_be_reported(&bench);
    let compared = compared(&bench, &file);
    assert!(compared["largest"].as_f64() < Some(1e-14), "{compared}");
    let model = bench.output("model-training-train", "model");
    let ours = bench.json(&model.replace("_manifest", "metrics"));
    let ours = ours["holdout"]["log_loss"].as_f64().unwrap();
    let store = bench.store("");
    let places = [&store, &file].map(|path| path.to_str().unwrap());
    let theirs = answer(SCRIPT, &["reach", places[0], places[1]]);
    let theirs = theirs.as_f64().unwrap();
    assert!(ours < 1.01 * theirs, "{ours} and {theirs}");
}
