//! Features that look at all rows to train on: the values are those of DuckDB, in training, in
//! every night, and where a champion of another training is measured.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, assert_unchanged};
use crate::python::answers;
use crate::windows::{BY_DAY, OF_DAY, backfill, night, of_version, submit, training};

const CUSTOMER: &str = r#"SELECT "customerId", count(*) AS rows, sum(amount) AS total,
    avg(amount) AS mean, max(amount) AS most, stddev_samp(amount) AS deviation
FROM train GROUP BY "customerId""#;
const FEATURES: &str = r#"SELECT "customerId", date, amount, target,
    coalesce(customer.rows, 0) AS "customer.rows",
    coalesce(amount - customer.mean, 0) AS above
FROM raw"#;
/// All columns of the aggregate too, of which trees take those that are null.
const ALL: &str = r#"SELECT *, coalesce(amount - customer.mean, 0) AS above FROM raw"#;

const OF_TRAIN: [&str; 3] = ["train/1.parquet", "train/2.parquet", "train/3.parquet"];

/// Fails unless DuckDB finds the values of prepared rows: those of each folder of the store, which
/// are so many at least.
fn assert_equal(bench: &Bench, folders: &[(String, u64)]) {
    let train = json!(OF_TRAIN.map(|file| bench.raw(file)));
    let parts = folders
        .iter()
        .map(|(folder, _)| bench.store(&format!("{folder}/part-*.parquet")));
    let parts = parts.map(|parts| parts.display().to_string());
    let arguments: Vec<String> = [train.to_string()].into_iter().chain(parts).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answers = answers("aggregates.py", &arguments);
    assert_eq!(answers.len(), folders.len());
    for ((folder, least), found) in folders.iter().zip(answers) {
        assert_eq!(found["differing"], 0, "{folder}: {found}");
        assert!(found["by"].as_f64().unwrap() < 1e-9, "{folder}: {found}");
        assert!(found["rows"].as_u64() >= Some(*least), "{folder}: {found}");
    }
}

#[test]
fn nights_are_scored_with_the_values_of_the_training() {
    let models =
        json!({"candidates": [{"family": "gradient-boosting", "n_estimators": 10}]}).to_string();
    let files = [
        ("features.sql", ALL),
        ("aggregate.customer.sql", CUSTOMER),
        ("models.json", &models),
    ];
    let (bench, arguments, days) = training("later/{}.parquet", &[], &files);
    let mut folders = vec![
        ("train/1".to_owned(), 5_000),
        ("holdout/1".to_owned(), 1_000),
    ];
    let data = bench.json("train/1/_manifest.json");
    for day in &days[..3] {
        night(&bench, day, &arguments);
        folders.push((format!("predict/{day}/*"), 30));
        let manifest = bench.json(&bench.output("data-prep-commit", "manifest"));
        assert_eq!(manifest["config"], data["config"]);
    }
    assert_equal(&bench, &folders);
    let before = bench.lasting();
    submit(&bench, "alameda-training", &arguments).expect(0);
    assert_unchanged(&before, &bench.lasting());
    assert_eq!(bench.output("data-prep-commit", "reused"), "true");
}

#[test]
fn a_backfill_in_any_order_has_the_values_of_the_training() {
    // Windows beside them bring the rows of days together, which no aggregate looks at.
    let events = r#"SELECT *, count(amount) OVER (PARTITION BY "customerId" ORDER BY date
        RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW) AS events FROM raw"#;
    let models =
        json!({"candidates": [{"family": "gradient-boosting", "n_estimators": 10}]}).to_string();
    for features in [ALL, events] {
        let files = [
            ("features.sql", features),
            ("aggregate.customer.sql", CUSTOMER),
            ("models.json", &models),
        ];
        let (bench, arguments, days) = training(OF_DAY, &[BY_DAY], &files);
        let config = bench.json("train/1/_manifest.json")["config"].clone();
        let days = &days[..6];
        backfill(&bench, days, &arguments).expect(0);
        let folders = days.iter().map(|day| (format!("predict/{day}/*"), 30));
        assert_equal(&bench, &folders.collect::<Vec<_>>());
        for day in days {
            let results = bench.json(&format!("results/{day}/m/v1/_manifest.json"));
            assert_eq!(results["unscored_rows"], 0, "{results:#}");
            let predict = fs::read_dir(bench.store(&format!("predict/{day}"))).unwrap();
            let folders: Vec<_> = predict.map(|folder| folder.unwrap().path()).collect();
            assert_eq!(folders.len(), 1, "{folders:?}");
            let manifest = fs::read(folders[0].join("_manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["config"], config);
        }
        // Nothing of another training, nor of other days, gets into them.
        let before = bench.lasting();
        let again = [
            &arguments[..],
            &["-p".to_owned(), "reprocess=all".to_owned()],
        ]
        .concat();
        backfill(&bench, days, &again).expect(0);
        assert_unchanged(&before, &bench.lasting());
    }
}

#[test]
fn a_champion_is_measured_with_its_own_values_on_the_candidates_holdout() {
    let files = [
        ("features.sql", FEATURES),
        ("aggregate.customer.sql", CUSTOMER),
    ];
    let (bench, arguments, _) = training("later/{}.parquet", &[], &files);
    let champion = bench.json("train/1/_manifest.json")["config"].clone();
    let metrics = bench.output("model-training-train", "model");
    let metrics = metrics.replace("_manifest", "metrics");
    // The next training has the same SQL over fewer rows.
    fs::remove_file(bench.raw("train/3.parquet")).unwrap();
    submit(&bench, "alameda-training", &of_version(&arguments, "2")).expect(0);
    let data = bench.json("train/2/_manifest.json");
    assert_ne!(data["config"], champion);
    let verdict = bench.json(&bench.output("model-promotion-promote", "verdict"));
    assert_eq!(verdict["comparison"], "same-holdout", "{verdict:#}");
    let folder = compared_folder(&bench);
    let manifest = bench.json(&format!("{folder}/_manifest.json"));
    assert_eq!(manifest["config"], champion);
    // Of these rows the holdout of the champion had the same values.
    let before = bench.json("holdout/1/_manifest.json");
    let rows = |manifest: &Value| manifest["rows"].as_u64().unwrap();
    assert_eq!(rows(&manifest), rows(&before));
    assert_eq!(
        verdict["champion"]["report"],
        bench.json(&metrics)["holdout"],
        "{verdict:#}"
    );
}

/// The only folder of holdouts that were prepared once more.
fn compared_folder(bench: &Bench) -> String {
    let folders = fs::read_dir(bench.store("compared/2")).unwrap();
    let names: Vec<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    format!("compared/2/{}", names[0])
}
