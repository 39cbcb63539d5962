//! Predictions of every task and their reasons, from parquet to Postgres.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::lab::{Lab, Ran};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/tasks.py");

fn python(lab: &Lab, arguments: &[&str]) -> String {
    let mut command = lab.program(&testing::python().unwrap());
    let ran = command.arg(SCRIPT).args(arguments).output().unwrap();
    Ran::from(ran).expect(0).stdout
}

/// A configuration of files under `train` and `predict`.
fn configure(folder: &Path, target: &Value, family: &str) {
    let default = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config-maps"));
    fs::create_dir(folder).unwrap();
    for name in ["ml-config.yaml", "kustomization.yaml"] {
        let text = fs::read_to_string(default.join(name)).unwrap();
        let files = "      - features.sql\n";
        let text = text.replace(files, &format!("{files}      - models.json\n"));
        fs::write(folder.join(name), text).unwrap();
    }
    let contract = json!({"columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "age", "type": "float64", "role": "feature"},
        {"name": "amount", "type": "float64", "role": "feature", "nullable": true},
        {"name": "city", "type": "utf8", "role": "feature"},
        target,
    ]});
    let name = target["name"].as_str().unwrap();
    let mut models = json!({"candidates": [{"family": family}], "explain": 2});
    if family == "constant" {
        models["candidates"][0]["value"] = json!(0.25);
    }
    if target["type"] == "float64" {
        models["interval"] = json!(0.9);
        // So that the reasons are beside the means of all training rows.
        models["refit"] = json!(true);
    }
    let features = format!("SELECT id, age, amount, city, {name} FROM raw");
    for (name, text) in [
        ("dataset.json", contract.to_string()),
        ("features.sql", features),
        ("models.json", models.to_string()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Publishes predictions of a target, which are those of the parts; gives the names of the columns.
fn publish(target: &Value, family: &str) -> Vec<String> {
    let mut lab = Lab::new();
    let [raw, store, config] = ["raw", "store", "config"].map(|name| lab.folder().join(name));
    let [at, store, folder] = [&raw, &store, &config].map(|path| path.to_str().unwrap());
    python(&lab, &["write", at]);
    configure(&config, target, family);
    lab.set("RAW_URL", at);
    lab.set("STORE_URL", store);
    lab.pipeline(&["--config-maps", folder]).expect(0);
    let models = Path::new(store).join("models").join(&lab.name);
    let model = fs::read_dir(models).unwrap().next().unwrap().unwrap();
    let model = model.path();
    let compared = python(&lab, &["compare", store, model.to_str().unwrap(), at]);
    let compared: Value = serde_json::from_str(&compared).unwrap();
    // XGBoost adds contributions in single precision.
    assert!(compared["apart"].as_f64() < Some(1e-5), "{compared}");
    let names = compared["names"].as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

const ADDED: [&str; 3] = ["data_version", "model_version", "prediction"];

#[test]
fn two_classes_are_published_with_their_reasons() {
    let target = json!({"name": "binary", "type": "bool", "role": "target"});
    for family in ["logistic-regression", "gradient-boosting"] {
        let names = publish(&target, family);
        assert_eq!(
            names,
            [&ADDED[..], &["probability", "top_reasons"]].concat()
        );
    }
}

#[test]
fn several_classes_are_published_with_a_probability_for_each() {
    let target = json!({
        "name": "multiclass", "type": "utf8", "role": "target",
        "allowed": ["low", "middle", "high"]
    });
    for family in ["logistic-regression", "gradient-boosting"] {
        let of_classes = [
            "probability",
            "probability_high",
            "probability_low",
            "probability_middle",
            "top_reasons",
        ];
        let names = publish(&target, family);
        assert_eq!(names, [&ADDED[..], &of_classes].concat());
    }
}

/// Publishes numbers that families predict.
fn publish_numbers(families: [&str; 2]) {
    let target = json!({"name": "regression", "type": "float64", "role": "target"});
    for family in families {
        let names = publish(&target, family);
        let [data_version, model_version, prediction] = ADDED;
        let expected = [
            data_version,
            "lower",
            model_version,
            prediction,
            "top_reasons",
            "upper",
        ];
        assert_eq!(names, expected);
    }
}

#[test]
fn a_number_is_published_without_a_probability() {
    publish_numbers(["linear-regression", "gradient-boosting"]);
}

#[test]
fn a_number_that_is_the_same_for_every_row_is_published_without_reasons() {
    publish_numbers(["mean", "constant"]);
}
