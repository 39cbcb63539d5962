//! What happens when the same thing is asked for twice, or something was changed in between.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, assert_unchanged, parameter, rows, without};

#[test]
fn a_second_run_reuses_everything_and_changes_nothing() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    assert_eq!(bench.latest()["status"]["phase"], "Succeeded");
    let results = [
        "rows-trained",
        "rows-scored",
        "model-version",
        "champion-version",
        "promoted",
    ]
    .map(|name| bench.result(name));
    assert_eq!(results, ["1200", "800", "1", "1", "true"]);
    let before = bench.lasting();

    bench.pipeline(&[]).expect(0);
    assert_unchanged(&before, &bench.lasting());
    for template in [
        "data-prep-map",
        "data-prep-commit",
        "model-training-train",
        "batch-inference-map",
        "batch-inference-commit",
        "model-monitoring-report",
    ] {
        for pod in bench.pods(template) {
            assert_eq!(parameter(&pod["outputs"], "reused"), "true", "{template}");
        }
    }
    assert_eq!(bench.output("model-training-train", "model-version"), "1");
    assert_eq!(
        bench.output("model-promotion-promote", "champion-version"),
        "1"
    );
}

#[test]
fn refreshed_work_has_the_same_bytes() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    let before = bench.lasting();
    bench.pipeline(&["-p", "cache=refresh"]).expect(0);
    assert_unchanged(&before, &bench.lasting());
    assert_eq!(bench.output("data-prep-map", "reused"), "false");
}

#[test]
fn a_feature_that_was_edited_under_a_committed_data_version_is_refused_and_skews_no_champion() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    let config = bench.config(&[]);
    let features = std::path::Path::new(&config).join("features.sql");
    let sql = fs::read_to_string(&features).unwrap();
    fs::write(
        features,
        sql.replace("feature1 * feature2", "feature1 + feature2"),
    )
    .unwrap();
    let edited = ["--config-maps", &config];

    let ran = bench.pipeline(&edited).expect(1);
    assert!(
        ran.shown().contains("exit code 2") && ran.shown().contains("features.sql was"),
        "{}",
        ran.shown()
    );

    // The champion goes on with the features that it was trained with.
    let submit = [
        "submit",
        "--from",
        "workflowtemplate/alameda-inference",
        "-p",
        "data-version=2",
        "-p",
        "model-name=m",
    ];
    bench.alameda(&[&submit[..], &edited].concat()).expect(0);
    let scored = |version: &str| -> Vec<Value> {
        let manifest = bench.json(&format!("results/{version}/m/v1/_manifest.json"));
        manifest["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["rows"].clone())
            .collect()
    };
    assert_eq!(scored("2"), scored("1"));
    let of = |version: &str| {
        bench.json(&format!("results/{version}/m/v1/_manifest.json"))["columns"].clone()
    };
    assert_eq!(of("2"), of("1"));
}

#[test]
fn predict_files_without_a_target_are_scored_and_labels_that_come_later_are_counted() {
    let bench = Bench::new();
    let full = rows(10, 400);
    bench.write("predict/0.parquet", &without(&full, "target"));
    bench.write("predict/1.parquet", &without(&rows(11, 400), "target"));
    bench.pipeline(&[]).expect(0);
    let report = || bench.json("reports/1/m/v1/report.json");
    let unlabelled = report();
    assert!(
        !unlabelled.to_string().contains("\"labelled_rows\":800"),
        "{unlabelled:#}"
    );

    let labels = full.project(&[0, 1, 4]).unwrap();
    bench.write("labels/2024-02.parquet", &labels);
    bench.pipeline(&["-p", "cache=use"]).expect(0);
    assert_ne!(report(), unlabelled);
    assert_eq!(bench.output("batch-inference-map", "reused"), "true");
    assert_eq!(bench.output("model-monitoring-report", "reused"), "false");
}

#[test]
fn a_rerun_of_an_old_training_moves_no_champion() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    bench.write("train/3.parquet", &rows(3, 600));
    let submit = [
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=2",
        "-p",
        "model-name=m",
    ];
    bench.alameda(&submit).expect(0);
    assert_eq!(
        bench.output("model-promotion-promote", "champion-version"),
        "2"
    );
    fs::remove_file(bench.raw("train/3.parquet")).unwrap();
    bench.pipeline(&[]).expect(0);
    assert_eq!(bench.output("model-training-train", "model-version"), "1");
    assert_eq!(bench.output("model-promotion-promote", "promoted"), "false");
    assert_eq!(
        bench.output("model-promotion-promote", "champion-version"),
        "2"
    );
}
