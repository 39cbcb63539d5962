//! Flights whose distance comes in metres from the first night on, and in miles before: the report says
//! drift, and a model trained on what was scored and labelled since takes over through the gate.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;
use crate::other_people::python;

/// Nights until the training; later ones are scored by the model that came of it.
const BEFORE: usize = 21;

/// The day of the month says nothing of the next month.
const FEATURES: &str = "SELECT * EXCLUDE (day), carrier AS airline FROM raw\n";

#[test]
fn thirty_nights_with_a_changed_column_are_scored_better_once_drift_has_led_to_training() {
    let bench = Bench::empty();
    let folder = |name: &str| bench.folder().join(name).display().to_string();
    let [flights, raw, out] = ["flights", "raw", "project"].map(folder);
    python(&["flights", &flights]);
    python(&["distance_in_metres", &flights]);
    for to in ["predict", "labels"] {
        fs::create_dir_all(format!("{raw}/{to}")).unwrap();
    }
    fs::rename(format!("{flights}/train"), format!("{raw}/train")).unwrap();
    let infer = ["dataset", "infer", &raw, "--out", &out];
    let names = ["--target=late", "--id=carrier,flight"];
    bench.alameda(&[&infer[..], &names].concat()).expect(0);
    fs::write(format!("{out}/features.sql"), FEATURES).unwrap();
    let submit = |more: &[&str]| {
        let given = [
            "submit",
            &format!("--config-maps={out}"),
            &format!("--raw-url={raw}"),
            "-p=model-name=late",
        ];
        bench.alameda(&[&given[..], more].concat()).expect(0)
    };
    submit(&[
        "--from=workflowtemplate/alameda-training",
        "-p=data-version=1",
    ]);

    let mut nights: Vec<String> = fs::read_dir(format!("{flights}/predict"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    nights.sort();
    assert_eq!(nights.len(), 30);
    let comes = |kind: &str, file: &str| {
        let [from, to] = [&flights, &raw].map(|folder| format!("{folder}/{kind}/{file}"));
        fs::copy(from, to).unwrap();
    };
    let date = |file: &str| file.trim_end_matches(".csv").to_owned();
    let night = |at: usize| {
        comes("predict", &nights[at]);
        if at > 0 {
            comes("labels", &nights[at - 1]);
        }
        let time = format!("--scheduled-time={}T02:30:00Z", date(&nights[at]));
        submit(&["--from=cronwf/alameda-nightly-inference", &time]);
        bench.result("model-version")
    };
    (0..BEFORE).for_each(|at| assert_eq!(night(at), "1"));

    let settings = format!("{out}/ml-config.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    let holdout = format!("  HOLDOUT: after={}", date(&nights[BEFORE - 4]));
    let lines = text.lines().map(|line| match line.split(':').next() {
        Some("  HOLDOUT") => &holdout,
        Some("  LABEL_DELAY") => "  LABEL_DELAY: '1'",
        _ => line,
    });
    fs::write(&settings, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();

    let last = date(&nights[BEFORE - 1]);
    let retrain = [
        "--from=workflowtemplate/alameda-retrain-on-drift".to_owned(),
        format!("-p=data-version={last}"),
        format!("-p=results-manifest=results/{last}/late/v1/_manifest.json"),
    ];
    let retrain: Vec<&str> = retrain.iter().map(String::as_str).collect();
    submit(&retrain);
    let results = ["verdict", "promoted", "model-version"];
    let reason = bench.result("promotion-reason");
    assert_eq!(
        results.map(|name| bench.result(name)),
        ["alert", "true", "2"],
        "{reason}"
    );
    let key = bench.output("data-prep-commit", "manifest");
    let [train, holdout] =
        ["train", "holdout"].map(|split| bench.json(&key.replacen("train", split, 1)));
    // The last night has no labels yet.
    let files: Vec<&str> = train["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["key"].as_str().unwrap())
        .collect();
    assert_eq!(files[0], format!("predict/{}", nights[0]));
    assert!(!files.contains(&format!("predict/{}", nights[BEFORE - 1]).as_str()));
    assert_eq!(train["labels"].as_array().unwrap().len(), BEFORE - 1);
    assert!(train["left_out"]["unlabelled"].as_u64().unwrap() > 0);
    for split in [&train, &holdout] {
        assert_eq!(split["rows"], split["labelled_rows"]);
    }
    // Again it is reused, and moves nothing.
    submit(&retrain);
    assert_eq!(bench.output("data-prep-commit", "reused"), "true");
    assert_eq!(bench.result("model-version"), "2");

    (BEFORE..30).for_each(|at| assert_eq!(night(at), "2"));
    comes("labels", &nights[29]);
    for version in ["1", "2"] {
        submit(&[
            "--from=workflowtemplate/alameda-inference",
            "-p=data-version=all",
            &format!("-p=model-ref={version}"),
        ]);
    }
    let store = bench.store("").display().to_string();
    let theirs = python(&["by_version", &store, &flights, &date(&nights[BEFORE])]);
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let of = |version: &str, metric: &str| theirs[version][metric].as_f64().unwrap();
    assert_eq!(theirs["v1"]["rows"], theirs["v2"]["rows"]);
    assert!(of("v2", "log_loss") < of("v1", "log_loss"), "{theirs}");
    assert!(of("v2", "roc_auc") > of("v1", "roc_auc"), "{theirs}");
}
