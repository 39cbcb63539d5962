//! Tasks other than two classes, through the whole pipeline: data sets of scikit-learn's own, each
//! number equal to what its pipeline gives.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::array::{AsArray, Float64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::bench::Bench;
use crate::bring_your_own::{CSV_FILES, configure, run};
use crate::dashboard::{ask, start};
use crate::models_json::write_models;

/// What pipelines give in floats of 64 bits, by other sums than scikit-learn's.
const TOLERANCE: f64 = 1e-8;

#[derive(serde::Deserialize)]
pub(crate) struct Fixture {
    pub(crate) diabetes: DataSet,
    pub(crate) iris: DataSet,
}

#[derive(serde::Deserialize)]
pub(crate) struct DataSet {
    pub(crate) features: Vec<String>,
    /// Each row: the features, then the label.
    pub(crate) files: Vec<Vec<Vec<Value>>>,
    metrics: BTreeMap<String, f64>,
    predictions: Vec<Value>,
}

pub(crate) fn fixture() -> Fixture {
    let fixture = include_str!("../../../../common/testing/fixtures/tasks.json");
    serde_json::from_str(fixture).unwrap()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The day of a row: twenty days, some rows on each.
fn day(row: usize) -> String {
    format!("2026-10-{:02}", 1 + row % 20)
}

impl DataSet {
    /// Rows as CSV; `labelled` says which of them have their label.
    fn csv(&self, file: usize, labelled: impl Fn(usize) -> bool) -> String {
        let mut text = format!("id,day,{},y\n", self.features.join(","));
        for (row, values) in self.files[file].iter().enumerate() {
            let (label, features) = values.split_last().unwrap();
            let features: Vec<String> = features.iter().map(shown).collect();
            let label = match labelled(row) {
                true => shown(label),
                false => String::new(),
            };
            let (day, features) = (day(row), features.join(","));
            writeln!(text, "{file}-{row},{day},{features},{label}").unwrap();
        }
        text
    }

    /// Labels of every other row of the first file.
    fn late(&self) -> String {
        let mut text = "id,day,y\n".to_owned();
        for (row, values) in self.files[0].iter().enumerate().skip(1).step_by(2) {
            let label = shown(values.last().unwrap());
            writeln!(text, "0-{row},{},{label}", day(row)).unwrap();
        }
        text
    }

    /// Labels of the first file's rows that lie far above those of training.
    fn far(&self) -> String {
        let lines = (0..self.files[0].len()).map(|row| format!("0-{row},{},1000\n", day(row)));
        ["id,day,y\n".to_owned()].into_iter().chain(lines).collect()
    }

    /// Runs the pipeline on it; the contract says `more` than its columns.
    pub(crate) fn run(&self, bench: &Bench, more: &str, target: &str, models: &str) -> PathBuf {
        let columns: String = self.features.iter().fold(String::new(), |mut text, name| {
            write!(
                text,
                r#"{{"name": "{name}", "type": "float64", "role": "feature"}},"#
            )
            .unwrap();
            text
        });
        let config = configure(
            bench,
            &format!(
                r#"{{{more} "columns": [
                    {{"name": "id", "type": "utf8", "role": "id"}},
                    {{"name": "day", "type": "date", "role": "time"}},
                    {columns}
                    {{"name": "y", "role": "target", {target}}}
                ]}}"#
            ),
            "SELECT * FROM raw",
            &[CSV_FILES[0], CSV_FILES[1], ("LABELS_GLOB", "labels/*.csv")],
        );
        write_models(&config, models);
        for file in 0..self.files.len() {
            let place = bench.raw(&format!("train/{file}.csv"));
            fs::write(place, self.csv(file, |_| true)).unwrap();
        }
        fs::write(bench.raw("predict/0.csv"), self.csv(0, |row| row % 2 == 0)).unwrap();
        fs::write(bench.raw("labels/late.csv"), self.late()).unwrap();
        run(bench, &config, "m");
        config
    }

    /// The holdout's metrics and, on the same rows with their late labels, the report's.
    fn must_measure(&self, bench: &Bench) -> Value {
        let model = bench.output("model-training-train", "model");
        let holdout = &bench.json(&model.replace("_manifest", "metrics"))["holdout"];
        let report = bench.json("reports/2026-11/m/v1/report.json");
        let now = &report["performance"]["of_task"]["now"];
        let rows = self.files[0].len() as u64;
        assert_eq!(
            (holdout["rows"].as_u64(), now["rows"].as_u64()),
            (Some(rows), Some(rows))
        );
        for (name, theirs) in &self.metrics {
            for (place, ours) in [("holdout", holdout), ("report", now)] {
                close(
                    ours[name].as_f64().unwrap(),
                    *theirs,
                    &format!("{name} of the {place}"),
                );
            }
        }
        let labels = &report["quality"]["late_labels"];
        assert_eq!(labels["matched_rows"].as_u64(), Some(rows / 2), "{labels}");
        report
    }
}

fn close(ours: f64, theirs: f64, what: &str) {
    let near = (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0);
    assert!(near, "{what}: {ours} and {theirs}");
}

/// The scored rows.
pub(crate) fn scored(bench: &Bench) -> RecordBatch {
    let results = bench.json("results/2026-11/m/v1/_manifest.json");
    let parts = results["parts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|part| {
            let file = fs::File::open(bench.store(part["key"].as_str().unwrap())).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            reader.build().unwrap().map(Result::unwrap)
        });
    let parts: Vec<RecordBatch> = parts.collect();
    concat_batches(parts[0].schema_ref(), &parts).unwrap()
}

pub(crate) fn numbers<'a>(rows: &'a RecordBatch, name: &str) -> &'a Float64Array {
    rows.column_by_name(name)
        .unwrap()
        .as_primitive::<Float64Type>()
}

#[test]
fn a_number_is_predicted_as_by_scikit_learn_and_reported_on() {
    let (data, bench) = (fixture().diabetes, Bench::empty());
    let models = r#"{"candidates": [{"family": "linear-regression"}]}"#;
    let config = data.run(&bench, "", r#""type": "float64""#, models);
    let report = data.must_measure(&bench);
    assert_eq!(report["model"]["family"], "linear-regression");

    let rows = scored(&bench);
    let ours = numbers(&rows, "prediction");
    for (row, theirs) in data.predictions.iter().enumerate() {
        close(
            ours.value(row),
            theirs.as_f64().unwrap(),
            &format!("row {row}"),
        );
    }
    // The errors of a day are those of its rows.
    let of_day = &report["performance"]["days"][3];
    let of_day_3 = |row: &usize| row % 20 == 3;
    let rows_of_day = (0..data.predictions.len()).filter(of_day_3);
    let errors: Vec<f64> = rows_of_day
        .map(|row| {
            let label = data.files[0][row].last().unwrap().as_f64().unwrap();
            (data.predictions[row].as_f64().unwrap() - label).abs()
        })
        .collect();
    let mae = errors.iter().sum::<f64>() / errors.len() as f64;
    close(
        of_day["metrics"]["mae"].as_f64().unwrap(),
        mae,
        "MAE of a day",
    );

    let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
    assert_eq!(verdict["gate"]["metric"], "r2");
    let dashboard = bench.command(&["dashboard", "--bind", "127.0.0.1:0"]);
    let page = page(dashboard, "/models/m");
    for shown in ["RMSE", "MAE", "R²", "v1, champion"] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    // Labels that came late are not in the store's profiles: the dashboard measures the others.
    assert!(!page.contains("threshold 0.5"), "{page}");

    // One label decides the metrics of all rows.
    let far = format!("id,day,y\n0-17,{},1e20\n", day(17));
    fs::write(bench.raw("labels/later.csv"), far).unwrap();
    run(&bench, &config, "m");
    let report = bench.json("reports/2026-11/m/v1/report.json");
    let deciding = &report["performance"]["of_task"]["deciding"]["rows"];
    let key = format!("id 0-17, day {}", day(17));
    assert_eq!(deciding.as_array().unwrap().len(), 1, "{deciding}");
    assert_eq!(
        (deciding[0]["key"].as_str(), deciding[0]["label"].as_f64()),
        (Some(&*key), Some(1e20))
    );
    let html = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    let rows = data.files[0].len();
    let expected =
        format!("1 of {rows} rows makes 100.0 % of the squared error: {key} (label 1e20, ");
    assert!(html.contains(&expected), "{html}");
}

#[test]
fn intervals_of_quantiles_differ_by_row_and_are_measured_as_they_are_written() {
    let (data, bench) = (fixture().diabetes, Bench::empty());
    let models = r#"{"candidates": [{"family": "gradient-boosting", "n_estimators": 30,
        "max_leaves": 4}], "interval": 0.8, "interval_by": "quantiles"}"#;
    data.run(&bench, "", r#""type": "float64""#, models);
    let model = bench.output("model-training-train", "model");
    let fitted = bench.json(&model.replace("_manifest", "model"));
    assert_eq!(fitted["estimator"]["objective"], "interval");
    assert_eq!(fitted["estimator"]["trees"].as_array().unwrap().len(), 90);

    let scored = scored(&bench);
    let columns = ["lower", "prediction", "upper"].map(|name| numbers(&scored, name));
    let label = |row: &Vec<Value>| row.last().unwrap().as_f64().unwrap();
    let (mut within, mut width, mut widths) = (0.0, 0.0, Vec::new());
    for (at, row) in data.files[0].iter().enumerate() {
        let [lower, prediction, upper] = columns.each_ref().map(|of| of.value(at));
        assert!((lower..=upper).contains(&prediction), "row {at}");
        within += f64::from(u8::from((lower..=upper).contains(&label(row))));
        width += upper - lower;
        widths.push((upper - lower).to_bits());
    }
    widths.sort_unstable();
    widths.dedup();
    assert!(widths.len() > 10, "{} widths", widths.len());

    let rows = data.files[0].len() as f64;
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    let report = bench.json("reports/2026-11/m/v1/report.json");
    let now = &report["performance"]["of_task"]["now"];
    for measured in [now, &metrics["holdout"]] {
        let of = |name: &str| measured[name].as_f64().unwrap();
        close(of("coverage"), within / rows, "coverage");
        close(of("mean_width"), width / rows, "width");
    }
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    for shown in [
        "Coverage of the interval",
        "lower quantile",
        "for 80 % of the labels",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn intervals_are_those_of_split_conformal_prediction_and_their_coverage_is_measured() {
    let (data, bench) = (fixture().diabetes, Bench::empty());
    let models = r#"{"candidates": [{"family": "constant", "value": 140.0}], "interval": 0.8,
        "validation": {"by": "time"}}"#;
    let config = data.run(&bench, "", r#""type": "float64""#, models);
    let label = |row: &[Value]| row.last().unwrap().as_f64().unwrap();

    // The latest days of the training files, a fifth of the rows at least, validate.
    let rows = data.files[1..]
        .iter()
        .flat_map(|file| file.iter().enumerate());
    let mut rows: Vec<(usize, f64)> = rows.map(|(row, of)| (row % 20, label(of))).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    let first = rows[(rows.len() - 1) / 5].0;
    let validation = rows.iter().filter(|row| row.0 >= first);
    let mut residuals: Vec<f64> = validation.map(|row| row.1 - 140.0).collect();
    residuals.sort_by(f64::total_cmp);
    let n = residuals.len();
    let from_an_end = n - (0.9 * (n + 1) as f64).ceil() as usize;
    let ends = [residuals[from_an_end], residuals[n - 1 - from_an_end]];
    let model = bench.output("model-training-train", "model");
    let fitted = bench.json(&model.replace("_manifest", "model"));
    assert_eq!(fitted["interval"], serde_json::json!(ends), "{n} residuals");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    assert_eq!(metrics["selection"]["validation"]["rows"], n);
    assert_eq!(metrics["selection"]["refit"], false);

    let scored = scored(&bench);
    let bounds = ["lower", "upper"].map(|name| numbers(&scored, name));
    for (bound, end) in bounds.iter().zip(ends) {
        assert!(bound.iter().all(|value| value == Some(140.0 + end)));
    }
    let results = bench.json("results/2026-11/m/v1/_manifest.json");
    let columns = results["columns"].as_array().unwrap().iter();
    let named: Vec<_> = columns.filter_map(|of| of["name"].as_str()).collect();
    assert!(named.contains(&"lower") && named.contains(&"upper"));

    let within = |of: &Vec<Value>| (140.0 + ends[0]..=140.0 + ends[1]).contains(&label(of));
    let coverage = |step: usize| {
        let rows: Vec<bool> = data.files[0].iter().step_by(step).map(within).collect();
        rows.iter().filter(|within| **within).count() as f64 / rows.len() as f64
    };
    let report = bench.json("reports/2026-11/m/v1/report.json");
    let now = &report["performance"]["of_task"]["now"];
    for measured in [now, &metrics["holdout"]] {
        let of = |name: &str| measured[name].as_f64().unwrap();
        close(of("coverage"), coverage(1), "coverage");
        close(of("mean_width"), ends[1] - ends[0], "width");
    }
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    for shown in ["Coverage of the interval", "for 80 % of the labels"] {
        assert!(page.contains(shown), "{shown}");
    }
    // The dashboard knows the labels that came with the rows: every other one.
    let dashboard = bench.command(&["dashboard", "--bind", "127.0.0.1:0"]);
    let table = self::page(dashboard, "/tables/metrics.csv?model=m");
    let shown = format!("coverage,{},{}", coverage(2), coverage(1));
    assert!(table.contains(&shown), "{shown} in {table}");

    // Chance explains what is missing of 80 %, and not that no label lies within.
    let short = "which should cover 80 %: fewer than chance explains";
    assert!(!page.contains(short), "{page}");
    fs::write(bench.raw("labels/later.csv"), data.far()).unwrap();
    run(&bench, &config, "m");
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    assert!(page.contains(short), "{page}");
}

#[test]
fn several_classes_are_predicted_as_by_scikit_learn_and_reported_on() {
    let (data, bench) = (fixture().iris, Bench::empty());
    let classes = ["setosa", "versicolor", "virginica"];
    let target = format!(
        r#""type": "utf8", "allowed": {}"#,
        serde_json::json!(classes)
    );
    let models = r#"{"candidates": [{"family": "logistic-regression"}]}"#;
    data.run(&bench, "", &target, models);
    let report = data.must_measure(&bench);
    let page = fs::read_to_string(bench.store("reports/2026-11/m/v1/report.html")).unwrap();
    for class in classes {
        assert!(page.contains(&format!("predicted {class}")), "{class}");
    }
    assert!(page.contains("change of the score over one standard deviation"));
    assert!(!page.contains("log odds"));
    assert_eq!(report["performance"]["of_task"]["task"], "multiclass");

    let rows = scored(&bench);
    for (class, name) in classes.iter().enumerate() {
        let ours = numbers(&rows, &format!("probability_{name}"));
        for (row, theirs) in data.predictions.iter().enumerate() {
            let theirs = theirs[class].as_f64().unwrap();
            close(ours.value(row), theirs, &format!("{name} of row {row}"));
        }
    }
    let dashboard = bench.command(&["dashboard", "--bind", "127.0.0.1:0"]);
    assert!(self::page(dashboard, "/models/m").contains("Accuracy"));
}

#[test]
fn a_mean_and_a_constant_are_models_like_others() {
    let data = fixture().diabetes;
    for (models, family) in [
        (r#"{"candidates": [{"family": "mean"}]}"#, "mean"),
        (
            r#"{"candidates": [{"family": "constant", "value": 140.0}]}"#,
            "constant",
        ),
    ] {
        let bench = Bench::empty();
        data.run(&bench, "", r#""type": "float64""#, models);
        let report = bench.json("reports/2026-11/m/v1/report.json");
        assert_eq!(report["model"]["family"], family);
        let rows = scored(&bench);
        let ours = numbers(&rows, "prediction");
        assert!(ours.iter().all(|value| value == Some(ours.value(0))));
        if family == "constant" {
            assert_eq!(ours.value(0), 140.0);
        }
        // The dashboard knows the labels that came with the rows: every other one.
        let labelled = data.files[0].iter().step_by(2);
        let label = |row: &Vec<Value>| row.last().unwrap().as_f64().unwrap();
        let errors: Vec<f64> = labelled.map(|row| ours.value(0) - label(row)).collect();
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        let rmse = (squares / errors.len() as f64).sqrt();
        let dashboard = bench.command(&["dashboard", "--bind", "127.0.0.1:0"]);
        let table = page(dashboard, "/tables/metrics.csv?model=m");
        let mut lines = table.lines();
        let line = lines.find_map(|line| line.strip_prefix("rmse,")).unwrap();
        let (shown, _holdout) = line.split_once(',').unwrap();
        close(shown.parse().unwrap(), rmse, family);
    }
}

#[test]
fn a_task_of_another_program_goes_through_every_step() {
    // Visits go with age, with a jump at 40.
    let row = |file: usize, row: usize| {
        let age = 20 + (row * 7 + file) % 40;
        vec![
            Value::from(age),
            Value::from(usize::from(age >= 40) * 4 + age % 3),
        ]
    };
    let file = |file: usize| (0..120).map(|number| row(file, number)).collect();
    let data = DataSet {
        features: vec!["age".to_owned()],
        files: (0..3).map(file).collect(),
        metrics: BTreeMap::new(),
        predictions: Vec::new(),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_alameda"));
    let bench = Bench::of(&program.with_file_name("examples").join("new_task"));
    let models = r#"{"candidates": [{"family": "stump"}]}"#;
    data.run(&bench, r#""task": "count","#, r#""type": "int64""#, models);

    let model = bench.output("model-training-train", "model");
    let fitted = bench.json(&model.replace("_manifest", "model"));
    assert_eq!(
        (
            fitted["task"].as_str(),
            fitted["estimator"]["kind"].as_str()
        ),
        (Some("count"), Some("stump"))
    );
    let estimator = |name: &str| fitted["estimator"][name].as_f64().unwrap();
    let rows = scored(&bench);
    let (rounded, exact) = (numbers(&rows, "prediction"), numbers(&rows, "expected"));
    let mut errors = Vec::new();
    for (row, values) in data.files[0].iter().enumerate() {
        let [age, visits] = [0, 1].map(|at: usize| values[at].as_f64().unwrap());
        let side = if age < estimator("at") { "low" } else { "high" };
        assert_eq!(exact.value(row), estimator(side));
        assert_eq!(rounded.value(row), estimator(side).round());
        errors.push((estimator(side) - visits).abs());
    }
    let report = bench.json("reports/2026-11/m/v1/report.json");
    let of_task = &report["performance"]["of_task"];
    assert_eq!(of_task["task"], "count");
    let mae = errors.iter().sum::<f64>() / errors.len() as f64;
    close(of_task["now"]["mae"].as_f64().unwrap(), mae, "MAE");
    let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
    assert_eq!(verdict["gate"]["metric"], "mae");
    let dashboard = bench.command(&["dashboard", "--bind", "127.0.0.1:0"]);
    assert!(page(dashboard, "/models/m").contains("MAE"));
}

/// A page of the dashboard, which is ended afterwards.
fn page(dashboard: Command, address: &str) -> String {
    let (mut child, at, _lines) = start(dashboard);
    let page = ask(at, address);
    child.kill().unwrap();
    child.wait().unwrap();
    page
}
