//! A champion that was trained on other features than the candidate.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, assert_unchanged, parameter, rows};

const SUBMIT: [&str; 5] = [
    "submit",
    "--from",
    "workflowtemplate/alameda-training",
    "-p",
    "model-name=m",
];

/// The verdict of the last workflow.
fn verdict(bench: &Bench) -> Value {
    bench.json(&bench.output("model-promotion-promote", "verdict"))
}

#[test]
fn a_champion_of_other_features_is_measured_on_the_holdout_that_a_branch_prepares() {
    let bench = Bench::new();
    bench.train();
    assert_eq!(bench.phase("holdouts").as_deref(), Some("Skipped"));
    assert_eq!(bench.pods("data-prep-plan").len(), 1);
    let metrics = fs::read_dir(bench.store("models/m")).unwrap();
    let metrics = metrics.last().unwrap().unwrap().path().join("metrics.json");
    let measured: Value = serde_json::from_slice(&fs::read(metrics).unwrap()).unwrap();

    let config = bench.config(&[]);
    let features = Path::new(&config).join("features.sql");
    let sql = fs::read_to_string(&features).unwrap();
    let edited = sql.replace("feature1 * feature2", "feature1 + feature2");
    assert_ne!(edited, sql);
    fs::write(features, edited).unwrap();
    let other = |version: &str, more: &[&str]| {
        let version = format!("data-version={version}");
        let arguments = ["-p", &version, "--config-maps", &config];
        bench
            .alameda(&[&SUBMIT[..], &arguments, more].concat())
            .expect(0);
    };
    other("2", &[]);
    assert_eq!(bench.pods("data-prep-plan").len(), 2);
    let found = verdict(&bench);
    assert_eq!(found["comparison"], "same-holdout");
    assert_eq!(
        (
            &found["candidate"]["version"],
            &found["champion"]["version"]
        ),
        (&2.into(), &1.into())
    );
    // The holdout is the same raw file in both versions, and so are the numbers of the champion.
    assert_eq!(found["champion"]["report"], measured["holdout"]);
    assert_ne!(found["candidate"]["report"], measured["holdout"]);

    // Again, and refreshed: the same bytes. A champion that is in place needs nothing.
    let before = bench.lasting();
    assert!(before.keys().any(|key| key.starts_with("compared/2/")));
    other("2", &[]);
    assert_unchanged(&before, &bench.lasting());
    other("2", &["-p", "cache=refresh"]);
    assert_unchanged(&before, &bench.lasting());

    // The next candidate has the features of the champion, and meets the one before it in the
    // gate's window, on other rows.
    bench.write("train/3.parquet", &rows(3, 600));
    other("3", &["-p", "parallelism=2"]);
    let past = &verdict(&bench)["past"];
    assert_eq!(
        (&past[0]["version"], &past[0]["source"]),
        (&1.into(), &"scored".into()),
        "{past:#}"
    );
    let of_branch: Vec<Value> = bench
        .pods("data-prep-plan")
        .into_iter()
        .filter(|pod| parameter(&pod["inputs"], "split") == "holdout")
        .collect();
    assert_eq!(of_branch.len(), 1);
}

#[test]
fn raw_files_that_are_gone_fail_the_promotion_until_they_are_there_again() {
    let bench = Bench::new();
    bench.train();
    let config = bench.config(&[]);
    let features = Path::new(&config).join("features.sql");
    fs::write(
        &features,
        "SELECT date, \"customerId\", feature1, target FROM raw",
    )
    .unwrap();
    let decided = "approval.decision=approve";
    let arguments = [
        "-p",
        "data-version=2",
        "-p",
        "approval=required",
        "--config-maps",
        &config,
    ];
    // Trained, and not promoted while nobody is asked.
    bench.alameda(&[&SUBMIT[..], &arguments].concat()).expect(1);
    let (raw, aside) = (bench.raw("train/0.parquet"), bench.folder().join("aside"));
    fs::rename(&raw, &aside).unwrap();
    let ran = bench.alameda(&["retry", "@latest", "--output-parameter", decided]);
    let ran = ran.expect(1);
    let text = "raw file train/0.parquet of the holdout is gone from";
    assert!(ran.shown().contains(text), "{}", ran.shown());
    assert!(ran.shown().contains("exit code 2"), "{}", ran.shown());

    fs::rename(aside, raw).unwrap();
    let again = ["resubmit", "@latest", "--output-parameter", decided];
    bench.alameda(&again).expect(0);
    let found = verdict(&bench);
    assert_eq!(found["comparison"], "same-holdout", "{found:#}");
}
