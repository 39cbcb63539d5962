//! What the gate asks of each segment of the holdout, through the whole pipeline.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::bench::{Bench, unit};
use crate::bring_your_own::{configure, run};
use crate::models_json::write_models;

const CONTRACT: &str = r#"{"columns": [
    {"name": "id", "type": "int64", "role": "id"},
    {"name": "x", "type": "float64", "role": "feature"},
    {"name": "z", "type": "float64", "role": "feature"},
    {"name": "region", "type": "utf8", "role": "ignored", "nullable": true},
    {"name": "code", "type": "utf8", "role": "ignored"},
    {"name": "y", "type": "int64", "role": "target"}
]}"#;

/// The label follows `x`, and in the south `z` alone.
fn csv(first: u64, rows: u64) -> String {
    let mut text = "id,x,z,region,code,y\n".to_owned();
    for id in first..first + rows {
        let number = |salt| 2.0 * unit(5, id, salt) - 1.0;
        let (x, z) = (number(1), number(2));
        let region = ["north", "south", ""][(unit(5, id, 3) * 3.0) as usize];
        let signal = if region == "south" { z } else { x };
        let y = u8::from(signal + 2.0 * unit(5, id, 4) - 1.0 > 0.0);
        let code = id % 80;
        writeln!(text, "{id},{x},{z},{region},c{code},{y}").unwrap();
    }
    text
}

/// The rows of the parts that a manifest lists.
fn rows(bench: &Bench, manifest: &str) -> Vec<RecordBatch> {
    let parts = bench.json(manifest)["parts"].as_array().unwrap().clone();
    let read = |part: &Value| {
        let file = fs::File::open(bench.store(part["key"].as_str().unwrap())).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        reader
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    parts.iter().flat_map(read).collect()
}

/// By region, the area under the ROC curve of the scored rows of the holdout, by comparing all
/// pairs, and their number.
fn by_region(bench: &Bench) -> BTreeMap<Option<String>, (f64, usize)> {
    let ids = |batch: &RecordBatch| {
        let ids = batch.column_by_name("id").unwrap();
        ids.as_primitive::<Int64Type>().values().to_vec()
    };
    let holdout = rows(bench, "holdout/2026-11/_manifest.json");
    let holdout: Vec<i64> = holdout.iter().flat_map(ids).collect();
    let mut regions: BTreeMap<Option<String>, Vec<(f64, i64)>> = BTreeMap::new();
    for batch in rows(bench, "results/2026-11/m/v1/_manifest.json") {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let region = table_texts(column("region"));
        let scores = column("probability").as_primitive::<Float64Type>();
        let labels = column("y").as_primitive::<Int64Type>();
        for (row, id) in ids(&batch).into_iter().enumerate() {
            if holdout.contains(&id) {
                let scored = (scores.value(row), labels.value(row));
                regions.entry(region[row].clone()).or_default().push(scored);
            }
        }
    }
    let area = |rows: &Vec<(f64, i64)>| {
        let of = |label| {
            rows.iter()
                .filter(move |row| row.1 == label)
                .map(|row| row.0)
        };
        let mut right = 0.0;
        for positive in of(1) {
            let above = |negative: f64| {
                f64::from(u8::from(positive > negative))
                    + 0.5 * f64::from(u8::from(positive == negative))
            };
            right += of(0).map(above).sum::<f64>();
        }
        (right / (of(0).count() * of(1).count()) as f64, rows.len())
    };
    regions
        .iter()
        .map(|(name, rows)| (name.clone(), area(rows)))
        .collect()
}

fn table_texts(column: &dyn Array) -> Vec<Option<String>> {
    let texts = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
    let texts = texts.as_string::<i32>().iter();
    texts.map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn a_candidate_that_is_worse_in_one_region_is_refused_and_the_regions_stand_in_the_verdict() {
    let bench = Bench::empty();
    let settings = [
        ("TRAIN_GLOB", "train/*.csv"),
        ("PREDICT_GLOB", "train/*.csv"),
        ("HOLDOUT", "fraction=0.3"),
        ("GATE_MARGIN", "1"),
        ("GATE_SEGMENT_MARGIN", "0.01"),
        ("SEGMENT_COLUMNS", "region,code"),
    ];
    let config = configure(&bench, CONTRACT, "SELECT * FROM raw", &settings);
    write_models(
        &config,
        r#"{"candidates": [{"family": "logistic-regression"}]}"#,
    );
    for file in 0..3 {
        let place = bench.raw(&format!("train/{file}.csv"));
        fs::write(place, csv(1_000 * file, 1_000)).unwrap();
    }
    run(&bench, &config, "m");
    assert_eq!(bench.result("promoted"), "true");
    let champion = by_region(&bench);
    assert_eq!(champion.len(), 3);

    // A model without z is good where the label follows x, and guesses in the south.
    let blind = r#"{"candidates": [{"family": "logistic-regression"}],
        "preprocessing": {"columns": {"z": {"drop": true}}}}"#;
    fs::write(config.join("models.json"), blind).unwrap();
    run(&bench, &config, "m");
    assert_eq!(bench.result("promoted"), "false");
    let reason = bench.result("promotion-reason");
    assert!(
        reason.contains("where region is \"south\"") && !reason.contains("\"north\""),
        "{reason}"
    );
    assert!(
        reason.contains("columns with too many values for segments: code"),
        "{reason}"
    );
    let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
    let segments = verdict["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 3, "{segments:?}");
    for of in segments {
        let (theirs, rows) = champion[&of["value"].as_str().map(str::to_owned)];
        let ours = of["champion"].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-12, "{ours} and {theirs} of {of}");
        assert_eq!(of["rows"], rows, "{of}");
        assert_eq!(of["refuses"], of["value"] == "south", "{of}");
    }
    let south = segments.iter().find(|of| of["value"] == "south").unwrap();
    assert!(
        (south["candidate"].as_f64().unwrap() - 0.5).abs() < 0.1,
        "{south}"
    );
    // A floor is a question of its own, which the candidate is asked as well.
    let file = config.join("ml-config.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("GATE_SEGMENT_MARGIN: '0.01'", "GATE_SEGMENT_FLOOR: '0.7'");
    fs::write(file, text).unwrap();
    run(&bench, &config, "m");
    let reason = bench.result("promotion-reason");
    assert!(
        reason.contains("is below the floor 0.7 (95 % interval"),
        "{reason}"
    );
}
