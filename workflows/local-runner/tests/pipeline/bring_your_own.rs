//! Another data set by configuration alone: other columns, types, features and files, as a newcomer
//! would bring them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};

use crate::bench::{Bench, Ran, unit};

/// Settings of data that comes as CSV.
pub(crate) const CSV_FILES: [(&str, &str); 2] = [
    ("TRAIN_GLOB", "train/*.csv"),
    ("PREDICT_GLOB", "predict/*.csv"),
];

/// Writes a configuration named `default`; settings that `settings` names take its values, those
/// that are comments too.
pub(crate) fn configure(
    bench: &Bench,
    dataset: &str,
    features: &str,
    settings: &[(&str, &str)],
) -> PathBuf {
    let config = bench.folder().join("config-maps");
    fs::create_dir(&config).unwrap();
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config-maps"));
    let kept = fs::read_to_string(default.join("ml-config.yaml")).unwrap();
    let mut lines = String::new();
    for line in kept.lines() {
        let changed = settings.iter().find(|(name, _)| {
            let setting = line.trim_start().trim_start_matches("# ");
            setting.starts_with(&format!("{name}:"))
        });
        match changed {
            Some((name, value)) => writeln!(lines, "  {name}: '{value}'").unwrap(),
            None => writeln!(lines, "{line}").unwrap(),
        }
    }
    fs::write(config.join("ml-config.yaml"), lines).unwrap();
    fs::copy(
        default.join("kustomization.yaml"),
        config.join("kustomization.yaml"),
    )
    .unwrap();
    fs::write(config.join("dataset.json"), dataset).unwrap();
    fs::write(config.join("features.sql"), features).unwrap();
    config
}

/// Writes a file of a configuration, which may not be listed there yet.
pub(crate) fn add_file(config: &Path, name: &str, content: &str) {
    fs::write(config.join(name), content).unwrap();
    let kustomization = config.join("kustomization.yaml");
    let listed = fs::read_to_string(&kustomization).unwrap();
    let line = format!("      - {name}\n");
    if !listed.contains(&line) {
        let last = "      - features.sql\n";
        assert!(listed.contains(last), "{listed}");
        let listed = listed.replacen(last, &format!("{last}{line}"), 1);
        fs::write(kustomization, listed).unwrap();
    }
}

pub(crate) fn run(bench: &Bench, config: &Path, model: &str) {
    let model = format!("model-name={model}");
    let arguments = [
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=2026-11",
        "-p",
        &model,
    ];
    bench
        .alameda(&[&arguments[..], &["--config-maps", config.to_str().unwrap()]].concat())
        .expect(0);
}

#[test]
fn parquet_of_every_type_with_odd_names() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "order no.", "type": "int64", "role": "id"},
            {"name": "Shop", "type": "utf8", "role": "id", "allowed": ["north", "south"]},
            {"name": "seen \"at\"", "type": "timestamptz", "role": "time"},
            {"name": "is_member", "type": "bool", "role": "feature"},
            {"name": "items", "type": "int32", "role": "feature", "min": 0},
            {"name": "basket.value", "type": "float32", "role": "feature", "nullable": false},
            {"name": "first_seen", "type": "date", "role": "ignored"},
            {"name": "returned", "type": "utf8", "role": "target", "allowed": ["kept", "returned"]}
        ]}"#,
        r#"SELECT "order no.", "Shop", "seen ""at""", is_member, items, "basket.value", returned,
             CASE WHEN "Shop" = 'north' THEN 1 ELSE 0 END AS north,
             ln("basket.value" + 1) AS "log value",
             date_part('month', first_seen) AS month
           FROM raw"#,
        &[
            ("HOLDOUT", "fraction=0.25"),
            ("ALAMEDA_TIMEZONE", "Asia/Tokyo"),
            ("TRAIN_GLOB", "orders/*.parquet"),
            ("PREDICT_GLOB", "open/{data-version}/*.parquet"),
        ],
    );
    let batch = |seed: u64, with_target: bool| {
        let index = || 0..500_u64;
        let returned = index().map(|i| {
            if unit(seed, i, 4) < unit(seed, i, 5) {
                "returned"
            } else {
                "kept"
            }
        });
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            (
                "order no.",
                Arc::new(Int64Array::from_iter_values(
                    index().map(|i| (seed * 1000 + i) as i64),
                )),
            ),
            (
                "Shop",
                Arc::new(StringArray::from_iter_values(
                    index().map(|i| if i % 3 == 0 { "north" } else { "south" }),
                )),
            ),
            (
                "seen \"at\"",
                Arc::new(
                    TimestampMicrosecondArray::from_iter_values(
                        index().map(|i| 1_767_190_000_000_000 + i as i64 * 500_000_000),
                    )
                    .with_timezone("UTC"),
                ),
            ),
            (
                "is_member",
                Arc::new(BooleanArray::from_iter(index().map(|i| Some(i % 2 == 0)))),
            ),
            (
                "items",
                Arc::new(Int32Array::from_iter_values(
                    index().map(|i| (i % 7) as i32),
                )),
            ),
            (
                "basket.value",
                Arc::new(Float32Array::from_iter_values(
                    index().map(|i| unit(seed, i, 5) as f32 * 90.0),
                )),
            ),
            (
                "first_seen",
                Arc::new(Date32Array::from_iter_values(
                    index().map(|i| 20_000 + (i % 300) as i32),
                )),
            ),
            (
                "unknown",
                Arc::new(Int64Array::from_iter_values(index().map(|i| i as i64))),
            ),
        ];
        if with_target {
            columns.push((
                "returned",
                Arc::new(StringArray::from_iter_values(returned)),
            ));
        }
        RecordBatch::try_from_iter(columns).unwrap()
    };
    for file in 0..3 {
        bench.write(&format!("orders/{file}.parquet"), &batch(file, true));
    }
    bench.write("open/2026-11/today.parquet", &batch(9, false));
    run(&bench, &config, "returns");

    let model = bench.pods("model-training-train")[0]["outputs"].to_string();
    let manifest = bench.json(
        crate::bench::parameter(&bench.pods("model-training-train")[0]["outputs"], "model")
            .as_str(),
    );
    let features: Vec<&str> = manifest["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(
        features,
        [
            "is_member",
            "items",
            "basket.value",
            "north",
            "log value",
            "month"
        ],
        "{model}"
    );
    let results = bench.json("results/2026-11/returns/v1/_manifest.json");
    assert_eq!(results["rows"], 500);
    assert!(
        results
            .to_string()
            .contains(r#"{"name":"prediction","role":"ignored","type":"Utf8"}"#),
        "{results:#}"
    );
    let trained: u64 = bench.result("rows-trained").parse().unwrap();
    assert!(
        (1000..1250).contains(&trained),
        "a quarter of 1500 rows is held out: {trained} are left"
    );
}

#[test]
fn csv_without_a_time_column_and_with_one_feature() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "Id", "type": "int32", "role": "id"},
            {"name": "x, in °C", "type": "float64", "role": "feature"},
            {"name": "hot", "type": "bool", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    let csv = |seed: u64, target: bool| {
        let mut text = format!("Id,\"x, in °C\"{}\n", if target { ",hot" } else { "" });
        for i in 0..300 {
            let x = 40.0 * unit(seed, i, 1);
            let label = if target {
                format!(",{}", x + 10.0 * unit(seed, i, 2) > 25.0)
            } else {
                String::new()
            };
            writeln!(text, "{},{x}{label}", seed * 1000 + i).unwrap();
        }
        text
    };
    for file in 0..2 {
        fs::write(bench.raw(&format!("train/{file}.csv")), csv(file, true)).unwrap();
    }
    fs::write(bench.raw("predict/a.csv"), csv(7, false)).unwrap();
    run(&bench, &config, "heat");
    assert_eq!(
        bench.json("results/2026-11/heat/v1/_manifest.json")["rows"],
        300
    );
    let auc: f64 = bench
        .output("model-training-train", "roc-auc")
        .parse()
        .unwrap();
    assert!(auc > 0.9, "{auc}");
}

/// Texts that the contract ignores divide the rows, and a value that training did not have is no
/// quiet night.
#[test]
fn texts_that_the_model_ignores_become_segments_and_a_new_value_is_a_finding() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "int32", "role": "id"},
            {"name": "x", "type": "float64", "role": "feature"},
            {"name": "region", "type": "utf8", "role": "ignored"},
            {"name": "remark", "type": "utf8", "role": "ignored", "nullable": true},
            {"name": "hot", "type": "bool", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    let csv = |seed: u64, regions: &dyn Fn(u64) -> &'static str| {
        let mut text = "id,x,region,remark,hot\n".to_owned();
        for i in 0..1_000 {
            let x = 40.0 * unit(seed, i, 1);
            let hot = x + 10.0 * unit(seed, i, 2) > 25.0;
            let (id, region) = (seed * 1000 + i, regions(i));
            writeln!(text, "{id},{x},{region},remark {id},{hot}").unwrap();
        }
        text
    };
    let known = |i: u64| ["north", "south"][i as usize % 2];
    for file in 0..3 {
        fs::write(bench.raw(&format!("train/{file}.csv")), csv(file, &known)).unwrap();
    }
    let new = |i: u64| {
        if i.is_multiple_of(20) {
            "west"
        } else {
            known(i)
        }
    };
    fs::write(bench.raw("predict/a.csv"), csv(7, &new)).unwrap();
    run(&bench, &config, "heat");

    let results = bench
        .json("results/2026-11/heat/v1/_manifest.json")
        .to_string();
    assert!(
        results.contains(r#"{"name":"region","role":"ignored","type":"Utf8"}"#),
        "{results}"
    );
    assert!(!results.contains("remark"), "a free text divides nothing");
    let report = bench.json("reports/2026-11/heat/v1/report.json");
    let segments = &report["segments"]["columns"][0];
    assert_eq!(segments["column"], "region");
    let names: Vec<&str> = segments["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["south", "north", "west"]);
    assert_ne!(report["verdict"], "ok");
    let findings = report["findings"].to_string();
    assert!(
        findings.contains("5 % of the rows hold") && findings.contains("west"),
        "{findings}"
    );
}

/// Settings say which ignored columns divide the rows, integers too, and which columns decide
/// nothing.
#[test]
fn settings_name_the_segments_and_take_columns_out_of_the_verdict() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "int32", "role": "id"},
            {"name": "x", "type": "float64", "role": "feature"},
            {"name": "w", "type": "float64", "role": "feature"},
            {"name": "region", "type": "utf8", "role": "ignored"},
            {"name": "shop", "type": "int64", "role": "ignored"},
            {"name": "hot", "type": "bool", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &[
            CSV_FILES[0],
            CSV_FILES[1],
            ("SEGMENT_COLUMNS", "shop"),
            ("MONITOR_COLUMNS", "-w"),
        ],
    );
    let csv = |seed: u64, shift: f64| {
        let mut text = "id,x,w,region,shop,hot\n".to_owned();
        for i in 0..1_000 {
            let x = 40.0 * unit(seed, i, 1);
            let w = shift + unit(seed, i, 3);
            let hot = x + 10.0 * unit(seed, i, 2) > 25.0;
            let (id, region, shop) = (seed * 1000 + i, ["north", "south"][i as usize % 2], i % 3);
            writeln!(text, "{id},{x},{w},{region},{shop},{hot}").unwrap();
        }
        text
    };
    for file in 0..3 {
        fs::write(bench.raw(&format!("train/{file}.csv")), csv(file, 0.0)).unwrap();
    }
    fs::write(bench.raw("predict/a.csv"), csv(7, 0.9)).unwrap();
    run(&bench, &config, "heat");

    let results = bench
        .json("results/2026-11/heat/v1/_manifest.json")
        .to_string();
    assert!(
        results.contains(r#""name":"shop""#) && !results.contains("region"),
        "{results}"
    );
    let report = bench.json("reports/2026-11/heat/v1/report.json");
    let segments = report["segments"]["columns"].as_array().unwrap();
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0]["column"], "shop");
    assert_eq!(segments[0]["values"].as_array().unwrap().len(), 3);
    let features = report["drift"]["features"].as_array().unwrap();
    let w = features.iter().find(|of| of["name"] == "w").unwrap();
    assert_eq!(
        (&w["verdict"], &w["judged"]),
        (&"alert".into(), &false.into())
    );
    assert_eq!(report["drift"]["drifted_features"], 0);
    assert_ne!(report["verdict"], "alert");
    let findings = report["findings"].to_string();
    assert!(
        findings.contains("MONITOR_COLUMNS excludes w"),
        "{findings}"
    );
}

#[test]
fn with_a_database_the_first_leaf_of_a_scoring_refuses_names_that_it_does_not_take() {
    let bench = Bench::new();
    let config = bench.config(&[]);
    let file = Path::new(&config).join("features.sql");
    let sql = fs::read_to_string(&file).unwrap();
    let long = "f".repeat(64);
    let more = format!(", feature1 + 1 AS xmin, feature2 + 1 AS {long} FROM raw");
    fs::write(&file, sql.replacen("FROM raw", &more, 1)).unwrap();
    // Trained while no database was there.
    bench.pipeline(&["--config-maps", &config]).expect(0);
    let refused: Ran = bench
        .command(&["submit", "--from", "workflowtemplate/alameda-inference"])
        .args(["-p", "data-version=2", "-p", "model-name=m"])
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .output()
        .unwrap()
        .into();
    let shown = refused.expect(1).shown();
    for part in ["Error (exit code 2)", "\"xmin\"", &long, "features.sql"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("data-prep-plan"), "{shown}");
}
