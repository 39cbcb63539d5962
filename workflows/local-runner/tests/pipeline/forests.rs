//! Random forests through the whole pipeline: what is published is what XGBoost's package makes of
//! the exported file, and as good as scikit-learn's forests of the same options.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::Bench;
use crate::python::answer;
use crate::tasks::fixture;
use crate::trees::{churn, compared};

const MODELS: &str = r#"{"candidates": [{"family": "random-forest"}]}"#;

/// The metric of the holdout, and that of five forests of scikit-learn's.
fn both(bench: &Bench, raw: &Path, task: &str) -> [f64; 2] {
    let model = bench.output("model-training-train", "model");
    let report = bench.json("reports/2026-11/m/v1/report.json");
    assert_eq!(report["model"]["family"], "random-forest");
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    assert!(page.contains("share of the squared error that splits on the feature took away"));
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    let name = if task == "number" { "rmse" } else { "log_loss" };
    let ours = metrics["holdout"][name].as_f64().unwrap();
    let store = bench.store("");
    let places = [&store, raw].map(|path| path.to_str().unwrap());
    let theirs = answer("forests.py", &[places[0], places[1], task]);
    [ours, theirs.as_f64().unwrap()]
}

fn must_be_as_exported(compared: &Value, rows: u64) {
    assert!(compared["rows"].as_u64() > Some(rows), "{compared}");
    assert!(compared["largest"].as_f64() < Some(1e-14), "{compared}");
}

#[test]
fn a_number_is_predicted_as_well_as_by_scikit_learns_forest() {
    let bench = Bench::empty();
    let data = fixture().diabetes;
    data.run(&bench, "", r#""type": "float64""#, MODELS);
    let compared = compared(&bench, &bench.raw("predict/0.csv"));
    assert_eq!(compared["different"], 0, "{compared}");
    let [ours, theirs] = both(&bench, &bench.raw("train"), "number");
    assert!(ours < 1.03 * theirs, "{ours} and {theirs}");
}

#[test]
fn several_classes_are_told_apart_as_well_as_by_scikit_learns_forest() {
    let bench = Bench::empty();
    let target = r#""type": "utf8", "allowed": ["setosa", "versicolor", "virginica"]"#;
    fixture().iris.run(&bench, "", target, MODELS);
    must_be_as_exported(&compared(&bench, &bench.raw("predict/0.csv")), 20);
    let [ours, theirs] = both(&bench, &bench.raw("train"), "classes");
    assert!(ours < 1.1 * theirs, "{ours} and {theirs}");
}

#[test]
fn churn_is_learnt_as_well_as_by_scikit_learns_forest() {
    let bench = Bench::empty();
    let file = churn(&bench, MODELS);
    must_be_as_exported(&compared(&bench, &file), 5000);
    let [ours, theirs] = both(&bench, file.parent().unwrap(), "churn");
    assert!(ours < 1.02 * theirs, "{ours} and {theirs}");
}
