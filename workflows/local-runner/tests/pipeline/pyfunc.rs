//! A model's folder is one that MLflow loads: `mlflow.pyfunc` predicts what was scored, to 1e-9,
//! for each task and family, of 100,000 rows with texts, whole numbers, booleans and missing
//! values.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use learn::estimator::{Families, Family};
use learn::model::ClassValue;
use learn::preprocessing::Family as Prepared;
use learn::task::{Target, Tasks};
use serde_json::{Value, json};

use crate::bench::{Bench, Ran};
use crate::bring_your_own::{configure, run};
use crate::models_json::write_models;
use crate::python::{answers, python};

const SCRIPT: &str = "pyfunc.py";
const FEATURES: [&str; 6] = ["visits", "amount", "wild", "city", "store", "member"];

/// The raw files of a test.
struct RawFiles(tempfile::TempDir);

impl RawFiles {
    fn written() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        python(SCRIPT, &["write", &files.place("")]);
        files
    }

    fn place(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }

    /// A line of JSON for each group of arguments, which a verb of the script takes after the place
    /// of the files.
    fn asked<const N: usize>(&self, verb: &str, groups: &[[String; N]]) -> Vec<Value> {
        let place = self.place("");
        let groups = groups.iter().flatten().map(String::as_str);
        let arguments: Vec<&str> = [verb, &place].into_iter().chain(groups).collect();
        answers(SCRIPT, &arguments)
    }
}

/// A home with the raw files, where models of one target learn from the same features.
struct Home {
    bench: Bench,
    config: PathBuf,
}

impl Home {
    fn new(files: &RawFiles, target: &str, contract: &Value, features: &[&str]) -> Self {
        let bench = Bench::empty();
        for file in ["train/0.parquet", "train/1.parquet", "predict/0.parquet"] {
            fs::hard_link(files.place(file), bench.raw(file)).unwrap();
        }
        let mut dataset = json!({"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "visits", "type": "int64", "role": "feature", "nullable": true},
            {"name": "amount", "type": "float64", "role": "feature", "nullable": true},
            {"name": "wild", "type": "float64", "role": "feature"},
            {"name": "city", "type": "utf8", "role": "feature", "nullable": true},
            {"name": "store", "type": "utf8", "role": "feature", "nullable": true},
            {"name": "member", "type": "bool", "role": "feature", "nullable": true},
        ]});
        let mut column = json!({"name": target, "role": "target"});
        for (name, value) in contract.as_object().unwrap() {
            column[name] = value.clone();
        }
        dataset["columns"].as_array_mut().unwrap().push(column);
        // The mean ranks rows by chance, and is to be a champion too.
        let floor = if target == "binary" { "0" } else { "auto" };
        let config = configure(
            &bench,
            &dataset.to_string(),
            &format!("SELECT id, {}, {target} FROM raw", features.join(", ")),
            &[
                ("TRAIN_GLOB", "train/*.parquet"),
                ("PREDICT_GLOB", "predict/*.parquet"),
                ("GATE_FLOOR", floor),
            ],
        );
        Self { bench, config }
    }

    /// Trains a model of this name by a candidate or a `models.json`, and scores: the folders of
    /// the model and of the results.
    fn train(&self, name: &str, models: &Value) -> [String; 2] {
        // A script names a model that fails by its folder.
        eprintln!("{} has {name} by {models}", self.bench.folder().display());
        let mut models = match models.get("candidates") {
            Some(_) => models.clone(),
            None => json!({"candidates": [models]}),
        };
        models["preprocessing"] = json!({"columns": {"wild": {"clip": [-3e9, 3e9]}}});
        write_models(&self.config, &models.to_string());
        run(&self.bench, &self.config, name);
        [self.folder("model-training-train", "model"), self.results()]
    }

    /// Trains a model by each of these, and scores.
    fn train_each(&self, models: &[Value]) -> Vec<[String; 2]> {
        let numbered = models.iter().enumerate();
        numbered
            .map(|(number, models)| self.train(&format!("m{number}"), models))
            .collect()
    }

    /// Where the last rows that were scored are.
    fn results(&self) -> String {
        self.folder("batch-inference-commit", "manifest")
    }

    /// The folder of a manifest that is an output of the last workflow.
    fn folder(&self, step: &str, output: &str) -> String {
        let manifest = self.bench.output(step, output);
        let folder = self.bench.store(&manifest.replace("/_manifest.json", ""));
        folder.display().to_string()
    }
}

/// A candidate of each family that learns such a target: one that joins the registry is tried here
/// by itself. All of them are scored by Python and by ONNX; one that can't be is to be left out of
/// that test by its name, with the reason.
fn of_each_family(contract: &Value) -> Vec<Value> {
    let classes = contract["allowed"].as_array().cloned().unwrap_or_default();
    let class = |value: Value| serde_json::from_value::<ClassValue>(value).unwrap();
    let target = Target {
        name: "target".to_owned(),
        classes: classes.into_iter().map(class).collect(),
    };
    let task = Tasks::standard().of_target(&target).unwrap();
    let families = Families::standard();
    let learns = families.all().iter();
    let learns = learns.filter(|family| family.learns(task, &target));
    let candidate = |family: &&'static dyn Family| {
        let options = [
            json!({"n_estimators": 10, "max_depth": 8}),
            family.example_options().into(),
        ];
        let takes = |options: &Value| family.options(options.as_object().unwrap()).is_ok();
        let mut candidate = options.into_iter().find(takes).unwrap();
        candidate["family"] = family.name().into();
        candidate
    };
    learns.map(candidate).collect()
}

/// Whether a candidate is one of trees.
fn is_of_trees(candidate: &Value) -> bool {
    let name = candidate["family"].as_str().unwrap();
    Families::standard().get(name).unwrap().preparation() == Prepared::Trees
}

/// Fails unless `mlflow.pyfunc` predicts what was scored by each of these models, in its columns.
fn must_agree(files: &RawFiles, models: &[[String; 2]], columns: &[&[&str]]) {
    let answers = files.asked("compare", models);
    assert_eq!((answers.len(), columns.len()), (models.len(), models.len()));
    for (([model, _], columns), compared) in models.iter().zip(columns).zip(answers) {
        assert_eq!(compared["rows"], 100_000, "{model}: {compared}");
        let largest = compared["largest"].as_f64();
        assert!(largest < Some(1e-9), "{model}: {compared}");
        assert_eq!(compared["columns"], json!(columns), "{model}: {compared}");
        assert_eq!(compared["examples"], 1, "{model}: {compared}");
        // The seven rows with an infinite number have no prediction.
        assert_eq!(compared["missing"], 7, "{model}: {compared}");
        let imported = json!(["alameda_model"]);
        assert_eq!(compared["imported"], imported, "{model}: {compared}");
        for (at, column) in ["city", "amount", "city"].into_iter().enumerate() {
            let text = compared["refused"][at].as_str().unwrap();
            assert!(text.contains(column), "{model}: {text:?}");
        }
        let signature = fs::read_to_string(Path::new(model).join("MLmodel")).unwrap();
        assert!(signature.contains("member"), "{signature}");
    }
}

#[test]
fn mlflow_loads_models_of_two_classes_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    let contract = json!({"type": "int64", "allowed": [0, 1]});
    let home = Home::new(&files, "binary", &contract, &FEATURES);
    let candidates = of_each_family(&contract);
    let mut models = home.train_each(&candidates);
    // Trees have many categories by the target, and their frequencies.
    for (candidate, [model, _]) in candidates.iter().zip(&models) {
        let file = fs::read_to_string(Path::new(model).join("model.json")).unwrap();
        let counted = file.contains("\"frequencies\"");
        assert_eq!(counted, is_of_trees(candidate), "{candidate}");
    }
    let isotonic = json!({
        "candidates": [{"family": "gradient-boosting"}], "calibration": "isotonic",
    });
    let sigmoid = json!({
        "candidates": [{"family": "logistic-regression", "class_weight": "balanced"}],
        "calibration": "sigmoid",
    });
    models.push(home.train("isotonic", &isotonic));
    models.push(home.train("sigmoid", &sigmoid));
    let columns: &[&str] = &["prediction", "probability"];
    must_agree(&files, &models, &vec![columns; models.len()]);
}

#[test]
fn mlflow_loads_models_of_several_classes_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    let contract = json!({"type": "utf8", "allowed": ["low", "middle", "high"]});
    let home = Home::new(&files, "multiclass", &contract, &FEATURES);
    let mut models = home.train_each(&of_each_family(&contract));
    models.push(home.train("auto", &json!({"candidates": "auto"})));
    let columns: &[&str] = &[
        "prediction",
        "probability",
        "probability_high",
        "probability_low",
        "probability_middle",
    ];
    must_agree(&files, &models, &vec![columns; models.len()]);
}

#[test]
fn mlflow_loads_models_of_a_number_and_predicts_what_was_scored() {
    let files = RawFiles::written();
    let contract = json!({"type": "float64"});
    let home = Home::new(&files, "regression", &contract, &FEATURES);
    let mut models = home.train_each(&of_each_family(&contract));
    // Far from 0 beside what it varies by: trees are grown in other units.
    let far = Home::new(&files, "far", &contract, &FEATURES);
    let trees = json!({"family": "gradient-boosting", "n_estimators": 30});
    models.push(far.train("far", &trees));
    let alone: &[&str] = &["prediction"];
    let within: &[&str] = &["lower", "prediction", "upper"];
    let mut columns = vec![alone; models.len()];
    let linear = json!({"candidates": [{"family": "linear-regression"}], "interval": 0.9});
    models.push(home.train("within", &linear));
    models.push(home.train("quantiles", &of_quantiles()));
    columns.extend([within; 2]);
    must_agree(&files, &models, &columns);
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
    let linear = json!({"family": "linear-regression"});
    let interval = json!({"candidates": [linear], "interval": 0.9});
    let home = |target, contract| {
        let features = ["visits", "amount", "wild"];
        Home::new(&files, target, contract, &features)
    };
    let of_two = home("binary", &binary);
    let of_three = home("multiclass", &several);
    let of_number = home("regression", &number);
    let far = home("far", &number);
    let mut asked = vec![
        (&of_two, calibrated, 1e-12),
        (&of_number, interval, 1e-12),
        (&of_number, of_quantiles(), 1e-6),
        (&far, trees, 1e-9),
        (&far, of_quantiles(), 1e-9),
    ];
    for (home, contract) in [
        (&of_two, &binary),
        (&of_three, &several),
        (&of_number, &number),
    ] {
        for candidate in of_each_family(contract) {
            // ONNX gives what trees add up to in single precision.
            let tolerance = if is_of_trees(&candidate) { 1e-6 } else { 1e-12 };
            asked.push((home, candidate, tolerance));
        }
    }
    let numbered = asked.iter().enumerate();
    let models: Vec<[String; 2]> = numbered
        .map(|(number, (home, models, _))| home.train(&format!("m{number}"), models))
        .collect();
    let answers = files.asked("onnx", &models);
    assert_eq!(answers.len(), asked.len());
    for ((_, models, tolerance), compared) in asked.iter().zip(answers) {
        assert_eq!(compared["rows"], 100_000, "{models}: {compared}");
        assert_eq!(compared["missing"], 7, "{models}: {compared}");
        let largest = compared["largest"].as_f64().unwrap();
        assert!(largest < *tolerance, "{models}: {compared}");
    }
    let features = ["visits", "wild", "wild < 3e9 AS near"];
    let with_boolean = Home::new(&files, "binary", &binary, &features);
    let [model, _] = with_boolean.train("m", &logistic);
    assert!(Path::new(&model).join("model.json").exists());
    assert!(!Path::new(&model).join("model.onnx").exists());
}

/// Trees that Python grew are measured, promoted and scored as those of our own, one of them as the
/// champion.
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
    python(SCRIPT, &["grow", &files.place("")]);
    let (mut homes, mut scored) = (Vec::new(), Vec::new());
    for (target, contract, first) in [
        ("binary", binary, &logistic),
        ("multiclass", several, &mean),
        ("regression", number, &mean),
    ] {
        let home = Home::new(&files, target, &contract, &features);
        let [model, _] = home.train("m", first);
        let place = |file: &str| format!("models/{target}/{file}");
        for (name, file) in [("xgboost", "xgboost.json"), ("lightgbm", "lightgbm.txt")] {
            import(&home, &files, name, &place(file)).expect(0);
            let reference = match (target, name) {
                ("binary", "lightgbm") => {
                    must_promote(&home, name);
                    "model-ref=champion"
                }
                _ => "model-ref=1",
            };
            home.bench
                .alameda(&[
                    "submit",
                    "--from=workflowtemplate/alameda-inference",
                    &format!("--config-maps={}", home.config.display()),
                    "-p",
                    "data-version=2026-11",
                    "-p",
                    &format!("model-name={name}"),
                    "-p",
                    reference,
                ])
                .expect(0);
            scored.push([place(file), home.results()]);
        }
        let model = Path::new(&model).join("model.json");
        fs::copy(model, files.place(&place("ours.json"))).unwrap();
        let text = fs::read_to_string(files.place(&place("xgboost.json"))).unwrap();
        let other = text.replace("\"wild\"", "\"tame\"");
        fs::write(files.place(&place("other.json")), other).unwrap();
        let none = place("none.json");
        // As JSON holds the text.
        let wild = r#"the data has a feature \"wild\" that the model does not have"#;
        for (file, why) in [
            ("ours.json", "not a model that XGBoost saved"),
            ("other.json", wild),
            ("none.json", none.as_str()),
        ] {
            let refused = import(&home, &files, "refused", &place(file)).expect(2);
            assert!(refused.stderr.contains(why), "{}", refused.stderr);
        }
        homes.push(home);
    }
    let answers = files.asked("beside", &scored);
    assert_eq!(answers.len(), scored.len());
    for ([model, _], beside) in scored.iter().zip(answers) {
        assert_eq!(beside["rows"], 99_993, "{model}: {beside}");
        let largest = beside["largest"].as_f64();
        assert!(largest < Some(1e-6), "{model}: {beside}");
    }
}

fn import(home: &Home, files: &RawFiles, name: &str, file: &str) -> Ran {
    let flags = [
        format!("--model-name={name}"),
        format!("--model-file={file}"),
        "--train-manifest=train/2026-11/_manifest.json".to_owned(),
        "--holdout-manifest=holdout/2026-11/_manifest.json".to_owned(),
        format!("--raw-url={}", files.place("")),
    ];
    by_hand(home, ["model-training", "import"], &flags)
}

/// Fails unless the gate makes version 1 the first champion, by more than its floor.
fn must_promote(home: &Home, name: &str) {
    let flags = [
        format!("--model-name={name}"),
        "--model-version=1".to_owned(),
    ];
    by_hand(home, ["model-promotion", "promote"], &flags).expect(0);
    let output = |name: &str| fs::read_to_string(home.bench.folder().join("out").join(name));
    let (promoted, reason) = (output("promoted").unwrap(), output("reason").unwrap());
    assert_eq!(promoted, "true", "{reason}");
    let passed = reason.starts_with("roc_auc 0.") && reason.contains("reaches the floor 0.6");
    assert!(passed, "{reason}");
}

/// A verb of a step by hand, as its container runs it.
fn by_hand(home: &Home, verb: [&str; 2], flags: &[String]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
    for name in ["MLFLOW_TRACKING_URI", "RUST_LOG"] {
        command.env_remove(name);
    }
    let folder = home.bench.folder();
    let ran = command.args(verb).args(flags).args([
        format!("--store-url={}", home.bench.store("").display()),
        format!("--work={}", folder.display()),
        format!("--out={}", folder.join("out").display()),
    ]);
    ran.output().unwrap().into()
}
