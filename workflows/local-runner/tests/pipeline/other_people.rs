//! Data sets of other people: from their CSV to a model by `infer` and `submit`, without an edit,
//! and the metrics that scikit-learn's pipeline reaches on the same split.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, Ran};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/pipeline/other_people.py"
);

fn python(arguments: &[&str]) -> String {
    let mut command = Command::new(testing::python().unwrap());
    let ran = command.arg(SCRIPT).args(arguments).output().unwrap();
    Ran::from(ran).expect(0).stdout
}

/// What is inferred as it is.
const NO_EDIT: [&str; 2] = [""; 2];

/// `edit` is what a person writes in place of what in dataset.json.
fn equals_scikit_learn(name: &str, rows: u64, target: &str, features: usize, edit: [&str; 2]) {
    let bench = Bench::empty();
    let raw = bench.folder().join("raw");
    fs::create_dir(&raw).unwrap();
    let file = raw.join("data.csv");
    let (file, raw) = (file.to_str().unwrap(), raw.to_str().unwrap());
    python(&["write", name, file]);
    let out = bench.folder().join("project");
    let dataset = out.join("dataset.json");
    let (out, dataset) = (out.to_str().unwrap(), dataset.to_str().unwrap());
    bench
        .alameda(&["dataset", "infer", file, "--out", out])
        .expect(0);
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
    bench
        .alameda(&[
            "submit",
            &format!("--config-maps={out}"),
            &format!("--raw-url={raw}"),
            "--from=workflowtemplate/alameda-training",
            "-p",
            "data-version=1",
            "-p",
            "model-name=theirs",
        ])
        .expect(0);
    let model = bench.output("model-training-train", "model");
    let ours = bench.json(&model.replace("_manifest", "metrics"));
    let store = bench.store("");
    let theirs = python(&["reach", store.to_str().unwrap(), file, dataset]);
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    assert_eq!(theirs["rows"].as_u64(), Some(rows));
    for metric in ["roc_auc", "pr_auc", "log_loss", "brier"] {
        let (ours, theirs) = (&ours["holdout"][metric], &theirs[metric]);
        let apart = (ours.as_f64().unwrap() - theirs.as_f64().unwrap()).abs();
        assert!(apart < 1e-6, "{metric}: {ours} and {theirs}");
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

/// The weights say how many accidents a recorded one stands for: from 0 to 57,872.
#[test]
fn accidents_whose_weights_make_a_sample_of_a_country() {
    let column = r#"{"name": "weight", "type": "float64", "role": "#;
    let [before, after] = [r#""feature", "nullable": true}"#, r#""weight"}"#];
    let edit = [before, after].map(|end| format!("{column}{end}"));
    let edit = [edit[0].as_str(), &edit[1]];
    equals_scikit_learn("DAAG.nassCDS", 26_217, "dead", 9, edit);
}
