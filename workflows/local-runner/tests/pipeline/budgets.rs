//! Budgets of memory: every leaf keeps to its own, and none of them shows in what is written.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};

use super::bench::{Bench, Ran, assert_unchanged, peak, rows};

/// What a step may take beyond its budget.
const BEYOND_MIB: u64 = 64;

/// The leaves of the pipeline that write or decide something.
const LEAVES: [&str; 10] = [
    "data-prep-plan",
    "data-prep-map",
    "data-prep-commit",
    "model-training-train",
    "model-promotion-promote",
    "batch-inference-resolve",
    "batch-inference-map",
    "batch-inference-commit",
    "publish-predictions-publish",
    "model-monitoring-report",
];

/// The leaves that a training runs for a champion of other features, as often as it does.
const OF_OTHER_FEATURES: [(&str, usize); 5] = [
    ("data-prep-plan", 2),
    ("data-prep-map", 3),
    ("data-prep-commit", 2),
    ("model-promotion-plan", 1),
    ("model-promotion-promote", 1),
];

/// Submits a workflow whose leaves have a budget of `mib` MiB, and checks that each kept to it;
/// gives the names of those that ran.
fn run(bench: &Bench, mib: u64, arguments: &[&str]) -> Vec<String> {
    let from = ["submit", "-p", "model-name=m", "--from"];
    let mut command = bench.command(&[&from[..], arguments].concat());
    command
        .env("ALAMEDA_MEMORY", format!("{mib}MiB"))
        .env("ALAMEDA_THREADS", "2");
    Ran::from(command.output().unwrap()).expect(0);
    let workflow = bench.latest();
    let nodes = workflow["status"]["nodes"].as_object().unwrap().values();
    let pods = nodes.filter(|node| node["type"] == "Pod");
    // Of a leaf that is over at once, no peak is seen.
    let peaks: Vec<(&str, Option<u64>)> = pods
        .map(|pod| {
            let name = pod["templateName"].as_str().unwrap();
            (name, pod["peakMemoryBytes"].as_u64())
        })
        .collect();
    let of_map = |(name, peak): &(&str, Option<u64>)| *name == "data-prep-map" && peak.is_some();
    assert!(peaks.iter().any(of_map), "{peaks:?}");
    let most = Some((mib + BEYOND_MIB) << 20);
    let over = peaks.iter().filter(|(_, peak)| *peak > most);
    let over = over.collect::<Vec<_>>();
    assert!(over.is_empty(), "with {mib} MiB: {over:?}");
    peaks.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// How often a leaf ran.
fn runs(ran: &[String], leaf: &str) -> usize {
    ran.iter().filter(|name| *name == leaf).count()
}

#[test]
fn every_leaf_keeps_to_its_budget_of_memory_and_writes_the_same_with_any() {
    let mut first = None;
    for mib in [128, 256, 2048] {
        let bench = Bench::empty();
        // Rows with texts take so much that they wait in scratch files with the least of these
        // budgets.
        for file in 0..2 {
            bench.write(&format!("train/{file}.parquet"), &rows(file, 60_000));
        }
        bench.write("predict/0.parquet", &rows(10, 60_000));
        let pipeline = ["workflowtemplate/alameda-pipeline", "-p", "data-version=1"];
        let ran = run(&bench, mib, &pipeline);
        for leaf in LEAVES {
            assert!(runs(&ran, leaf) > 0, "{leaf} did not run");
        }
        let config = bench.config(&[]);
        let features = "SELECT date, \"customerId\", feature1, target FROM raw";
        fs::write(Path::new(&config).join("features.sql"), features).unwrap();
        let other = ["-p", "data-version=2", "--config-maps", &config];
        let training = ["workflowtemplate/alameda-training"];
        let ran = run(&bench, mib, &[&training[..], &other].concat());
        for (leaf, times) in OF_OTHER_FEATURES {
            assert_eq!(runs(&ran, leaf), times, "{leaf}");
        }
        let written = bench.lasting();
        assert_unchanged(first.get_or_insert_with(|| written.clone()), &written);
    }
}

/// Rows of many numbers, and their configuration.
fn wide(bench: &Bench, columns: usize, count: i64) -> String {
    let mut fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("y", DataType::Int64, false),
    ];
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..count)),
        Arc::new(Int64Array::from_iter_values((0..count).map(|row| row % 2))),
    ];
    let mut contract: Vec<Value> = vec![
        json!({"name": "id", "type": "int64", "role": "id"}),
        json!({"name": "y", "type": "int64", "role": "target"}),
    ];
    for column in 0..columns {
        let name = format!("f{column}");
        let values = (0..count).map(|row| (row * 31 + column as i64 * 17) as f64 * 1.7 % 1013.0);
        fields.push(Field::new(&name, DataType::Float64, false));
        arrays.push(Arc::new(Float64Array::from_iter_values(values)));
        contract.push(json!({"name": name, "type": "float64", "role": "feature"}));
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    bench.write("train/0.parquet", &batch);
    let config = bench.folder().join("wide");
    fs::create_dir(&config).unwrap();
    let dataset = json!({"columns": contract}).to_string();
    fs::write(config.join("dataset.json"), dataset).unwrap();
    fs::write(config.join("features.sql"), "SELECT * FROM raw").unwrap();
    config.to_str().unwrap().to_owned()
}

/// Runs `plan` and `map` over the wide rows with a budget; gives the peak of `map` in bytes.
fn prepared(bench: &Bench, config: &str, store: &str, mib: u64) -> u64 {
    let out = bench.folder().join("out");
    let run = |verb: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_alameda"));
        command
            .arg("data-prep")
            .args(verb)
            .env("MALLOC_ARENA_MAX", "2")
            .env("STORE_URL", bench.folder().join(store))
            .env("RAW_URL", bench.raw(""))
            .env("ALAMEDA_CONFIG", config)
            .env("ALAMEDA_WORK", bench.folder())
            .env("ALAMEDA_OUT", &out)
            .env("ALAMEDA_MEMORY", format!("{mib}MiB"))
            .env("ALAMEDA_THREADS", "2")
            .env("HOLDOUT", "fraction=0.3");
        peak(command)
    };
    fs::create_dir(bench.folder().join(store)).unwrap();
    run(&[
        "plan",
        "--split=train",
        "--data-version=1",
        "--parallelism=1",
    ]);
    let plan = fs::read_to_string(out.join("plan")).unwrap();
    run(&["map", &format!("--plan={plan}"), "--group=000-of-001"])
}

#[test]
fn wide_rows_keep_to_the_budget_of_memory_and_have_the_same_bytes_with_any() {
    let bench = Bench::empty();
    let config = wide(&bench, 4_000, 2_000);
    let parts = |store: &str| {
        ["train", "holdout"].map(|split| {
            let folder = bench.folder().join(store).join(split).join("1");
            let mut parts: Vec<_> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            parts.sort();
            let parts = parts.iter().map(|part| fs::read(part).unwrap());
            parts.collect::<Vec<_>>()
        })
    };
    for mib in [128, 256, 2048] {
        let store = format!("store-{mib}");
        let peak = prepared(&bench, &config, &store, mib);
        assert!(
            peak <= (mib + BEYOND_MIB) << 20,
            "{} MiB with a budget of {mib} MiB",
            peak >> 20
        );
        assert!(
            parts(&store) == parts("store-128"),
            "parts differ with {mib} MiB"
        );
    }
}
