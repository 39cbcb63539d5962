//! What `models.json` says, through the whole pipeline.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray,
};
use arrow::datatypes::{Float64Type, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use testing::browser::{Browser, Look, file_url};

use crate::bench::{Bench, Ran};
use crate::bring_your_own::{CSV_FILES, add_file, configure, run};

#[derive(serde::Deserialize)]
struct Fixture {
    files: Vec<Vec<(Option<f64>, f64, i64)>>,
    roc_auc: f64,
    log_loss: f64,
}

fn csv(file: usize, rows: &[(Option<f64>, f64, i64)]) -> String {
    let mut text = "id,age,visits,bought\n".to_owned();
    for (row, (age, visits, bought)) in rows.iter().enumerate() {
        let age = age.map_or(String::new(), |age| age.to_string());
        writeln!(text, "{file}-{row},{age},{visits},{bought}").unwrap();
    }
    text
}

pub(crate) fn write_models(config: &Path, models: &str) {
    add_file(config, "models.json", models);
}

#[test]
fn missing_numbers_are_prepared_as_by_scikit_learn_and_every_row_is_scored() {
    let fixture = include_str!("../../../../common/testing/fixtures/imputed.json");
    let fixture: Fixture = serde_json::from_str(fixture).unwrap();
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "age", "type": "float64", "role": "feature", "nullable": true},
            {"name": "visits", "type": "float64", "role": "feature"},
            {"name": "bought", "type": "int64", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    let models = r#"{
        "candidates": [{"family": "logistic-regression", "c": 10.0}],
        "preprocessing": {"columns": {"visits": {"clip": [null, 6000]}}}
    }"#;
    write_models(&config, models);
    for (number, rows) in fixture.files.iter().enumerate() {
        let file = bench.raw(&format!("train/{number}.csv"));
        fs::write(file, csv(number, rows)).unwrap();
    }
    fs::write(bench.raw("predict/9.csv"), csv(9, &fixture.files[0])).unwrap();
    run(&bench, &config, "shop");

    let model = bench.output("model-training-train", "model");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    for (name, theirs) in [("roc_auc", fixture.roc_auc), ("log_loss", fixture.log_loss)] {
        let ours = metrics["holdout"][name].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-9, "{name}: {ours} and {theirs}");
    }
    let results = bench.json("results/2026-11/shop/v1/_manifest.json");
    assert_eq!(
        (results["rows"].as_u64(), results["unscored_rows"].as_u64()),
        (Some(300), Some(0))
    );
    let report = bench.json("reports/2026-11/shop/v1/report.json");
    // The rows to score are those of the holdout.
    let scored = report["performance"]["overall"]["roc_auc"]
        .as_f64()
        .unwrap();
    assert!((scored - fixture.roc_auc).abs() < 1e-9, "{scored}");

    // Another penalty is another model of the same data, and is beside the first.
    let models = models.replace("10.0", "0.001");
    fs::write(config.join("models.json"), models).unwrap();
    let training = "workflowtemplate/alameda-training";
    let data = ["-p", "data-version=2026-11", "-p", "model-name=shop"];
    let submit = [&["submit", "--from", training][..], &data].concat();
    let configured = ["--config-maps", config.to_str().unwrap()];
    bench
        .alameda(&[&submit[..], &configured].concat())
        .expect(0);
    let compare = ["models", "compare", "shop", "1", "2"];
    let compared = bench.alameda(&compare).expect(0).shown();
    let line = |name: &str| -> Vec<String> {
        let mut lines = compared.lines().map(str::split_whitespace);
        let found = lines.find(|cells| cells.clone().next() == Some(name));
        found.expect(name).map(str::to_owned).collect()
    };
    assert_eq!(line("c"), ["c", "10", "0.001"], "{compared}");
    let numbers: Vec<f64> = line("roc_auc")[1..]
        .iter()
        .map(|of| of.parse().unwrap())
        .collect();
    assert!((numbers[0] - fixture.roc_auc).abs() < 1e-4, "{compared}");
    assert!(
        (numbers[1] - numbers[0] - numbers[2]).abs() < 2e-4,
        "{compared}"
    );
    let unknown = ["models", "compare", "shop", "1", "7"];
    let refused = bench.alameda(&unknown).expect(2).shown();
    assert!(refused.contains("its versions are 2, 1"), "{refused}");
}

#[derive(serde::Deserialize)]
struct Mixed {
    files: Vec<Vec<MixedRow>>,
    roc_auc: f64,
    log_loss: f64,
    brier: f64,
    scores: Vec<f64>,
    by_target: ByTarget,
}

#[derive(serde::Deserialize)]
struct ByTarget {
    log_loss: f64,
    scores: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct MixedRow {
    age: Option<f64>,
    visits: Option<f64>,
    city: Option<String>,
    colour: Option<String>,
    member: bool,
    bought: i64,
}

/// Cities in a dictionary, as pandas writes a category.
fn parquet(file: usize, rows: &[MixedRow]) -> RecordBatch {
    let ids = (0..rows.len()).map(|row| format!("{file}-{row:03}"));
    let cities: DictionaryArray<Int32Type> = rows.iter().map(|row| row.city.as_deref()).collect();
    let colours = rows.iter().map(|row| row.colour.as_deref());
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(StringArray::from_iter_values(ids))),
        (
            "age",
            Arc::new(rows.iter().map(|row| row.age).collect::<Float64Array>()),
        ),
        (
            "visits",
            Arc::new(rows.iter().map(|row| row.visits).collect::<Float64Array>()),
        ),
        ("city", Arc::new(cities)),
        ("colour", Arc::new(colours.collect::<LargeStringArray>())),
        (
            "member",
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.member))
                    .collect::<BooleanArray>(),
            ),
        ),
    ];
    let bought = Int64Array::from_iter_values(rows.iter().map(|row| row.bought));
    let columns = columns.map(|(name, values)| (name, values, true));
    let columns = columns
        .into_iter()
        .chain([("bought", Arc::new(bought) as ArrayRef, true)]);
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Id, city and probability of each row of a scored part.
fn scored(file: &Path) -> Vec<(String, Option<String>, f64)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let mut rows = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let text = |name: &str| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>()
                .clone()
        };
        let (ids, cities) = (text("id"), text("city"));
        let scores = batch.column_by_name("probability").unwrap();
        let scores = scores.as_primitive::<Float64Type>();
        for ((id, city), score) in ids.iter().zip(&cities).zip(scores) {
            rows.push((
                id.unwrap().to_owned(),
                city.map(str::to_owned),
                score.unwrap(),
            ));
        }
    }
    rows
}

/// The files of a model that is trained on so many threads.
fn trained(bench: &Bench, config: &Path, threads: &str) -> [Vec<u8>; 2] {
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    let name = format!("on-{threads}");
    let arguments = [
        flag("store-url", bench.store("").to_str().unwrap()),
        flag("model-name", &name),
        flag("train-manifest", "train/2026-11/_manifest.json"),
        flag("holdout-manifest", "holdout/2026-11/_manifest.json"),
        flag("config-dir", config.to_str().unwrap()),
        flag("threads", threads),
    ];
    let mut step = Command::new(env!("CARGO_BIN_EXE_alameda"));
    step.args(["model-training", "train"])
        .args(arguments)
        .current_dir(bench.folder());
    Ran::from(step.output().unwrap()).expect(0);
    let mut folders = fs::read_dir(bench.store(&format!("models/{name}"))).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    ["model.json", "reference.json"].map(|file| fs::read(folder.join(file)).unwrap())
}

#[test]
fn texts_and_booleans_are_encoded_as_by_scikit_learn_and_their_drift_is_named() {
    let fixture = include_str!("../../../../common/testing/fixtures/mixed.json");
    let fixture: Mixed = serde_json::from_str(fixture).unwrap();
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "age", "type": "float64", "role": "feature", "nullable": true},
            {"name": "visits", "type": "float64", "role": "feature", "nullable": true},
            {"name": "city", "type": "utf8", "role": "feature", "nullable": true},
            {"name": "colour", "type": "utf8", "role": "ignored", "nullable": true},
            {"name": "member", "type": "bool", "role": "feature"},
            {"name": "bought", "type": "int64", "role": "target"}
        ]}"#,
        "SELECT id, age, city, lower(colour) AS tint, visits, member, bought FROM raw",
        &[("MIN_ROWS", "300")],
    );
    let models = r#"{"candidates": [{"family": "logistic-regression", "c": 2.0}]}"#;
    write_models(&config, models);
    for (number, rows) in fixture.files.iter().enumerate() {
        let folder = if number < 3 { "train" } else { "predict" };
        bench.write(
            &format!("{folder}/{number}.parquet"),
            &parquet(number, rows),
        );
    }
    run(&bench, &config, "shop");

    let model = bench.output("model-training-train", "model");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    let holdout = [
        ("roc_auc", fixture.roc_auc),
        ("log_loss", fixture.log_loss),
        ("brier", fixture.brier),
    ];
    for (name, theirs) in holdout {
        let ours = metrics["holdout"][name].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-9, "{name}: {ours} and {theirs}");
    }
    let importance = metrics["importance"].as_array().unwrap();
    let named = |name: &str| importance.iter().any(|of| of["feature"] == name);
    for name in [
        "city = Rome",
        "city = (missing)",
        "tint = (other)",
        "member = true",
    ] {
        assert!(named(name), "{name}: {importance:?}");
    }
    // That a feature's categories follow from each other is no news.
    let linked = |of: &&serde_json::Value| !of["collinear_with"].as_array().unwrap().is_empty();
    assert_eq!(importance.iter().find(linked), None);
    let results = bench.json("results/2026-11/shop/v1/_manifest.json");
    assert_eq!(results["unscored_rows"].as_u64(), Some(0));
    let part = results["parts"][0]["key"].as_str().unwrap();
    let ours = scored(&bench.store(part));
    assert_eq!(ours.len(), fixture.scores.len());
    let rows = fixture.files[3].iter().zip(&fixture.scores);
    for ((id, city, score), (row, theirs)) in ours.iter().zip(rows) {
        assert_eq!(*city, row.city, "{id}");
        assert!((score - theirs).abs() < 1e-9, "{id}: {score} and {theirs}");
    }

    let reference = bench.json(&model.replace("_manifest", "reference"));
    let city = &reference["features"][1];
    assert_eq!(city["name"], "city");
    let city = &city["profile"]["categories"];
    let rows = || fixture.files[1..3].iter().flatten();
    let of = |name: Option<&str>| rows().filter(|row| row.city.as_deref() == name).count();
    assert_eq!(city["nulls"], of(None));
    let values = ["Bern", "Rome", "Zürich", "Übersee"].map(|name| (name, of(Some(name))));
    assert_eq!(city["values"], serde_json::json!(values));
    let ages = &reference["features"][0]["profile"]["cells"]["counts"];
    assert_eq!(ages["nans"], rows().filter(|row| row.age.is_none()).count());

    let report = bench.json("reports/2026-11/shop/v1/report.json");
    let drift = report["drift"]["features"].as_array().unwrap();
    assert_eq!(drift.len(), 5);
    let city = drift
        .iter()
        .find(|column| column["name"] == "city")
        .unwrap();
    assert_eq!(city["verdict"], "alert");
    assert_eq!(city["categories"]["new_values"][0]["value"], "Oslo");
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().any(|finding| {
        let text = finding["text"].as_str().unwrap();
        text.contains("\"Oslo\" which training did not have")
            && text.contains("no row holds \"Rome\"")
    });
    assert!(found, "{findings:?}");
    let file = bench.store("reports/2026-11/shop/v1/report.html");
    let page = fs::read_to_string(&file).unwrap();
    for text in ["city = Rome", "New values: Oslo", "Vanished values: Rome"] {
        assert!(page.contains(text), "{text}");
    }
    let mut browser = Browser::start().unwrap();
    for (width, dark) in [(360, true), (1600, false)] {
        let look = Look {
            width,
            height: 1000,
            dark,
        };
        let seen = browser.visit(&file_url(&file), look).unwrap();
        assert!(seen.width <= width, "the page is {} wide", seen.width);
        assert_eq!(browser.violations().unwrap(), [] as [String; 0]);
    }
    let results = bench.json("results/2026-11/shop/v1/_manifest.json");
    let profile = bench.json(results["profiles"][0]["key"].as_str().unwrap());
    let counted = &profile["profile"]["features"][1];
    let rows = |name: Option<&str>| {
        let rows = fixture.files[3].iter();
        rows.filter(|row| row.city.as_deref() == name).count()
    };
    let cells = ["Bern", "Rome", "Zürich", "Übersee", "Oslo"].map(|name| rows(Some(name)));
    assert_eq!(counted["cells"], serde_json::json!(cells));
    assert_eq!(counted["nulls"], rows(None));

    // Cities by the target, out of fold in training.
    let models = r#"{
        "candidates": [{"family": "logistic-regression", "c": 2.0}],
        "preprocessing": {"columns": {"city": {"encode": "target"}}}
    }"#;
    fs::write(config.join("models.json"), models).unwrap();
    run(&bench, &config, "aimed");
    let model = bench.output("model-training-train", "model");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    let (ours, theirs) = (&metrics["holdout"]["log_loss"], fixture.by_target.log_loss);
    assert!(
        (ours.as_f64().unwrap() - theirs).abs() < 1e-9,
        "{ours} and {theirs}"
    );
    let results = bench.json("results/2026-11/aimed/v1/_manifest.json");
    let ours = scored(&bench.store(results["parts"][0]["key"].as_str().unwrap()));
    for ((id, _, score), theirs) in ours.iter().zip(&fixture.by_target.scores) {
        assert!((score - theirs).abs() < 1e-9, "{id}: {score} and {theirs}");
    }
    let made: Vec<[Vec<u8>; 2]> = ["1", "3"]
        .map(|threads| trained(&bench, &config, threads))
        .into();
    assert!(made[0] == made[1], "the bytes depend on the threads");
    let file = fs::read(bench.store(&model.replace("_manifest", "model"))).unwrap();
    assert!(made[0][0] == file);
}
