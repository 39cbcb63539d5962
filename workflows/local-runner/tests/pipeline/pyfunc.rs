//! A model's folder is one that MLflow loads: `mlflow.pyfunc` predicts what was scored, to 1e-9, for
//! each task and family, of 100,000 rows with texts, whole numbers, booleans and missing values.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Ran};
use crate::bring_your_own::{configure, run};
use crate::models_json::write_models;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pipeline/pyfunc.py");

fn python(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(testing::python().unwrap());
    // A folder of its own, so that nothing but the model's folder can be imported from.
    let ran = command.arg(SCRIPT).args(arguments).current_dir(folder);
    Ran::from(ran.output().unwrap()).expect(0).stdout
}

/// The raw files of a test, whose models are trained in benches of their own.
struct RawFiles(tempfile::TempDir);

impl RawFiles {
    fn written() -> Self {
        let folder = tempfile::tempdir().unwrap();
        python(folder.path(), &["write", folder.path().to_str().unwrap()]);
        Self(folder)
    }

    fn copy_to(&self, bench: &Bench) {
        for file in ["train/0.parquet", "train/1.parquet", "predict/0.parquet"] {
            fs::copy(self.0.path().join(file), bench.raw(file)).unwrap();
        }
    }
}

/// What a test trained and scored with: the folders of the model and of the results, and the raw
/// file that was scored.
struct Trained {
    bench: Bench,
    paths: [String; 3],
}

/// Trains a model of the target on these features, by a candidate or a `models.json`, and scores.
fn trained(
    files: &RawFiles,
    target: &str,
    contract: &Value,
    features: &[&str],
    models: &Value,
) -> Trained {
    let bench = Bench::empty();
    files.copy_to(&bench);
    let mut dataset = json!({"columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "visits", "type": "int64", "role": "feature", "nullable": true},
        {"name": "amount", "type": "float64", "role": "feature", "nullable": true},
        {"name": "wild", "type": "float64", "role": "feature"},
        {"name": "city", "type": "utf8", "role": "feature", "nullable": true},
        {"name": "member", "type": "bool", "role": "feature", "nullable": true},
    ]});
    let mut column = json!({"name": target, "role": "target"});
    for (name, value) in contract.as_object().unwrap() {
        column[name] = value.clone();
    }
    dataset["columns"].as_array_mut().unwrap().push(column);
    let config = configure(
        &bench,
        &dataset.to_string(),
        &format!("SELECT id, {}, {target} FROM raw", features.join(", ")),
        &[
            ("TRAIN_GLOB", "train/*.parquet"),
            ("PREDICT_GLOB", "predict/*.parquet"),
        ],
    );
    let mut models = match models.get("candidates") {
        Some(_) => models.clone(),
        None => json!({"candidates": [models]}),
    };
    models["preprocessing"] = json!({"columns": {"wild": {"clip": [-3e9, 3e9]}}});
    write_models(&config, &models.to_string());
    run(&bench, &config, "m");
    let folder = |step: &str, output: &str| {
        let manifest = bench.output(step, output);
        bench.store(&manifest.replace("/_manifest.json", ""))
    };
    let model = folder("model-training-train", "model");
    let results = folder("batch-inference-commit", "manifest");
    let scored = bench.raw("predict/0.parquet");
    let paths = [model, results, scored].map(|path| path.display().to_string());
    Trained { bench, paths }
}

/// What `mlflow.pyfunc` predicts beside what was scored.
fn compared(files: &RawFiles, target: &str, contract: &Value, models: &Value) -> Value {
    let features = ["visits", "amount", "wild", "city", "member"];
    let Trained { bench, paths } = trained(files, target, contract, &features, models);
    let [model, results, raw] = paths.each_ref().map(String::as_str);
    let answer = python(bench.folder(), &["compare", model, results, raw]);
    let compared: Value = serde_json::from_str(&answer).unwrap();
    for (at, column) in ["city", "amount", "city"].into_iter().enumerate() {
        let text = compared["refused"][at].as_str().unwrap();
        assert!(text.contains(column), "{text:?}");
    }
    let signature = fs::read_to_string(Path::new(model).join("MLmodel")).unwrap();
    assert!(signature.contains("member"), "{signature}");
    compared
}

fn must_agree(files: &RawFiles, target: &str, contract: &Value, models: &Value, columns: &[&str]) {
    let compared = compared(files, target, contract, models);
    assert_eq!(compared["rows"], 100_000, "{compared}");
    assert!(compared["largest"].as_f64() < Some(1e-9), "{compared}");
    assert_eq!(compared["columns"], json!(columns), "{compared}");
    assert_eq!(compared["examples"], 1, "{compared}");
    // The seven rows with an infinite number have no prediction.
    assert_eq!(compared["missing"], 7, "{compared}");
    assert_eq!(compared["imported"], json!(["alameda_model"]), "{compared}");
}

#[test]
fn mlflow_loads_models_of_two_classes_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    for candidate in [
        json!({"family": "logistic-regression"}),
        json!({"family": "gradient-boosting", "n_estimators": 30}),
        json!({"family": "random-forest", "n_estimators": 10}),
        json!({"candidates": [{"family": "gradient-boosting"}], "calibration": "isotonic"}),
        json!({
            "candidates": [{"family": "logistic-regression", "class_weight": "balanced"}],
            "calibration": "sigmoid",
        }),
    ] {
        let contract = json!({"type": "int64", "allowed": [0, 1]});
        must_agree(
            &files,
            "binary",
            &contract,
            &candidate,
            &["prediction", "probability"],
        );
    }
}

#[test]
fn mlflow_loads_models_of_several_classes_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    let contract = json!({"type": "utf8", "allowed": ["low", "middle", "high"]});
    let columns = [
        "prediction",
        "probability",
        "probability_high",
        "probability_low",
        "probability_middle",
    ];
    for candidate in [
        json!({"family": "logistic-regression"}),
        json!({"family": "gradient-boosting", "n_estimators": 10}),
        json!({"family": "random-forest", "n_estimators": 10, "max_depth": 8}),
        json!({"family": "mean"}),
        json!({"candidates": "auto"}),
    ] {
        must_agree(&files, "multiclass", &contract, &candidate, &columns);
    }
}

#[test]
fn mlflow_loads_models_of_a_number_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    let contract = json!({"type": "float64"});
    for candidate in [
        json!({"family": "linear-regression"}),
        json!({"family": "gradient-boosting", "n_estimators": 30}),
        json!({"family": "constant", "value": 1.5}),
    ] {
        let columns = ["prediction"];
        must_agree(&files, "regression", &contract, &candidate, &columns);
    }
    // Far from 0 beside what it varies by: trees are grown in other units.
    let trees = json!({"family": "gradient-boosting", "n_estimators": 30});
    must_agree(&files, "far", &contract, &trees, &["prediction"]);
    let with_intervals = json!({"candidates": [{"family": "linear-regression"}], "interval": 0.9});
    let columns = ["lower", "prediction", "upper"];
    must_agree(&files, "regression", &contract, &with_intervals, &columns);
    must_agree(&files, "regression", &contract, &of_quantiles(), &columns);
}

/// Intervals of a model that stops early, so that its scores have trees of different numbers.
fn of_quantiles() -> Value {
    let trees = json!({
        "family": "gradient-boosting", "n_estimators": 20, "early_stopping_rounds": 3
    });
    json!({"candidates": [trees], "interval": 0.9, "interval_by": "quantiles"})
}

/// `onnxruntime` knows nothing of ours either.
#[test]
fn onnxruntime_predicts_what_was_scored_of_numbers() {
    let files = RawFiles::written();
    let binary = json!({"type": "int64", "allowed": [0, 1]});
    let several = json!({"type": "utf8", "allowed": ["low", "middle", "high"]});
    let number = json!({"type": "float64"});
    let logistic = json!({"family": "logistic-regression"});
    let trees = json!({"family": "gradient-boosting", "n_estimators": 10});
    let calibrated = json!({"candidates": [logistic], "calibration": "sigmoid"});
    let mean = json!({"family": "mean"});
    let linear = json!({"family": "linear-regression"});
    let forest = json!({"family": "random-forest", "n_estimators": 10, "max_depth": 8});
    let interval = json!({"candidates": [linear], "interval": 0.9});
    let ends = "wild < 3e9 AS near";
    // ONNX gives what trees add up to in single precision.
    for (target, contract, models, tolerance) in [
        ("binary", &binary, &logistic, 1e-12),
        ("binary", &binary, &calibrated, 1e-12),
        ("binary", &binary, &trees, 1e-6),
        ("binary", &binary, &forest, 1e-6),
        ("multiclass", &several, &logistic, 1e-12),
        ("multiclass", &several, &trees, 1e-6),
        ("multiclass", &several, &forest, 1e-6),
        ("multiclass", &several, &mean, 1e-12),
        ("regression", &number, &linear, 1e-12),
        ("regression", &number, &interval, 1e-12),
        ("regression", &number, &trees, 1e-6),
        ("regression", &number, &of_quantiles(), 1e-6),
        ("far", &number, &trees, 1e-9),
        ("far", &number, &of_quantiles(), 1e-9),
    ] {
        let features = ["visits", "amount", "wild"];
        let Trained { bench, paths } = trained(&files, target, contract, &features, models);
        let paths = paths.each_ref().map(String::as_str);
        let answer = python(bench.folder(), &[&["onnx"][..], &paths].concat());
        let compared: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(compared["rows"], 100_000, "{compared}");
        assert_eq!(compared["missing"], 7, "{compared}");
        let largest = compared["largest"].as_f64().unwrap();
        assert!(largest < tolerance, "{target} {models}: {compared}");
    }
    let features = ["visits", "wild", ends];
    let Trained { paths, .. } = trained(&files, "binary", &binary, &features, &logistic);
    let [model, ..] = &paths;
    assert!(!Path::new(model).join("model.onnx").exists());
}

/// Trees that Python grew are measured, promoted and scored as those of our own.
#[test]
fn models_of_xgboost_and_lightgbm_are_imported_and_score_as_they_did() {
    let files = RawFiles::written();
    let binary = json!({"type": "int64", "allowed": [0, 1]});
    let several = json!({"type": "utf8", "allowed": ["high", "low", "middle"]});
    let number = json!({"type": "float64"});
    let logistic = json!({"family": "logistic-regression"});
    let mean = json!({"family": "mean"});
    // Another order than that of the models.
    let features = ["visits", "amount", "wild"];
    for (target, contract, first) in [
        ("binary", binary, &logistic),
        ("multiclass", several, &mean),
        ("regression", number, &mean),
    ] {
        let Trained { bench, paths } = trained(&files, target, &contract, &features, first);
        let raw = bench.raw("").display().to_string();
        python(bench.folder(), &["grow", &raw, target]);
        for (file, tolerance) in [("xgboost.json", 1e-6), ("lightgbm.txt", 1e-6)] {
            let name = file.split('.').next().unwrap();
            import(&bench, name, &format!("models/{file}")).expect(0);
            let scored = [
                "submit",
                "--from=workflowtemplate/alameda-inference",
                &format!(
                    "--config-maps={}",
                    bench.folder().join("config-maps").display()
                ),
                "-p",
                "data-version=2026-11",
                "-p",
                &format!("model-name={name}"),
                "-p",
                "model-ref=1",
            ];
            bench.alameda(&scored).expect(0);
            let results = bench.output("batch-inference-commit", "manifest");
            let results = bench.store(&results.replace("/_manifest.json", ""));
            let beside = python(
                bench.folder(),
                &["beside", results.to_str().unwrap(), &raw, file],
            );
            let beside: Value = serde_json::from_str(&beside).unwrap();
            assert_eq!(beside["rows"], 99_993, "{beside}");
            assert!(
                beside["largest"].as_f64() < Some(tolerance),
                "{file}: {beside}"
            );
        }
        let [model, ..] = &paths;
        fs::copy(
            Path::new(model).join("model.json"),
            bench.raw("models/ours.json"),
        )
        .unwrap();
        let text = fs::read_to_string(bench.raw("models/xgboost.json")).unwrap();
        fs::write(
            bench.raw("models/other.json"),
            text.replace("\"wild\"", "\"tame\""),
        )
        .unwrap();
        for (file, why) in [
            ("ours.json", "no model that XGBoost saved"),
            ("other.json", "that the model does not have"),
            ("none.json", "models/none.json"),
        ] {
            let refused = import(&bench, "refused", &format!("models/{file}")).expect(2);
            assert!(refused.stderr.contains(why), "{}", refused.stderr);
        }
    }
}

/// The step by hand, as its container runs it.
fn import(bench: &Bench, name: &str, file: &str) -> Ran {
    let (store, raw) = (
        bench.store("").display().to_string(),
        bench.raw("").display().to_string(),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
    for name in ["MLFLOW_TRACKING_URI", "RUST_LOG"] {
        command.env_remove(name);
    }
    let ran = command.args(["model-training", "import"]).args([
        format!("--model-name={name}"),
        format!("--model-file={file}"),
        "--train-manifest=train/2026-11/_manifest.json".to_owned(),
        "--holdout-manifest=holdout/2026-11/_manifest.json".to_owned(),
        format!("--store-url={store}"),
        format!("--raw-url={raw}"),
        format!("--work={}", bench.folder().display()),
        format!("--out={}", bench.folder().join("out").display()),
    ]);
    ran.output().unwrap().into()
}
