//! Predictions of every task and their reasons, from parquet to Postgres.

use std::fs;
use std::path::Path;

use learn::estimator::Families;
use learn::model::ClassValue;
use learn::task::{Target, Tasks};
use serde_json::{Map, Value, json};

use super::lab::{Lab, Ran};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/tasks.py");

fn python(lab: &Lab, arguments: &[&str]) -> String {
    let mut command = lab.program(&testing::python().unwrap());
    let ran = command.arg(SCRIPT).args(arguments).output().unwrap();
    Ran::from(ran).expect(0).stdout
}

/// Families that predict the same for every row, for no reason.
const WITHOUT_REASONS: [&str; 2] = ["mean", "constant"];

/// A candidate of each other family of the registry that learns a target of so many classes, or a
/// number for 0; of those that grow trees with few, whose reasons take their time.
fn candidates(classes: usize) -> Vec<Value> {
    let named = (0..classes).map(|class| ClassValue::Text(class.to_string()));
    let target = Target {
        name: "target".to_owned(),
        classes: named.collect(),
    };
    let task = Tasks::standard().of_target(&target).unwrap();
    let mut candidates = Vec::new();
    for family in Families::standard().all() {
        if WITHOUT_REASONS.contains(&family.name()) || !family.learns(task, &target) {
            continue;
        }
        let mut candidate = json!({"family": family.name()});
        let options = family.options(&Map::new()).unwrap();
        if options.contains_key("n_estimators") {
            candidate["n_estimators"] = json!(30);
        }
        candidates.push(candidate);
    }
    // A linear model, boosted trees and a forest at least.
    assert!(candidates.len() > 2, "{candidates:?}");
    candidates
}

/// A configuration of files under `train` and `predict`.
fn configure(folder: &Path, target: &Value, candidate: &Value) {
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
    let mut models = json!({"candidates": [candidate], "explain": 2});
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
fn publish(target: &Value, candidate: &Value) -> Vec<String> {
    let mut lab = Lab::new();
    let [raw, store, config] = ["raw", "store", "config"].map(|name| lab.folder().join(name));
    let [at, store, folder] = [&raw, &store, &config].map(|path| path.to_str().unwrap());
    python(&lab, &["write", at]);
    configure(&config, target, candidate);
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
    for candidate in candidates(2) {
        let names = publish(&target, &candidate);
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
    for candidate in candidates(3) {
        let of_classes = [
            "probability",
            "probability_high",
            "probability_low",
            "probability_middle",
            "top_reasons",
        ];
        let names = publish(&target, &candidate);
        assert_eq!(names, [&ADDED[..], &of_classes].concat());
    }
}

/// Publishes numbers that candidates predict.
fn publish_numbers(candidates: &[Value]) {
    let target = json!({"name": "regression", "type": "float64", "role": "target"});
    for candidate in candidates {
        let names = publish(&target, candidate);
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
    publish_numbers(&candidates(0));
}

#[test]
fn a_number_that_is_the_same_for_every_row_is_published_without_reasons() {
    let constant = json!({"family": "constant", "value": 0.25});
    publish_numbers(&[json!({"family": "mean"}), constant]);
}
