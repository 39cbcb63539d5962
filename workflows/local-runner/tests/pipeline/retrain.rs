//! Flights whose distance comes in metres from the first night on, and in miles before: the report says
//! drift, and a model trained on what was scored and labelled since takes over through the gate.

use std::fs;

use crate::flights::Flights;
use crate::other_people::SCRIPT;
use crate::python::answer;

/// Nights until the training; later ones are scored by the model that came of it.
const BEFORE: usize = 21;

#[test]
fn thirty_nights_with_a_changed_column_are_scored_better_once_drift_has_led_to_training() {
    let flights = Flights::new("metres");
    let (bench, nights) = (&flights.bench, &flights.nights);
    flights.train();
    let night = |at: usize| {
        flights.score(at);
        bench.result("model-version")
    };
    (0..BEFORE).for_each(|at| assert_eq!(night(at), "1"));

    let settings = format!("{}/ml-config.yaml", flights.project);
    let text = fs::read_to_string(&settings).unwrap();
    // With a day until labels come, since night `BEFORE - 4`.
    let lines = text.lines().map(|line| match line.split(':').next() {
        Some("  HOLDOUT") => "  HOLDOUT: after=-2d",
        Some("  LABEL_DELAY") => "  LABEL_DELAY: '1'",
        _ => line,
    });
    fs::write(&settings, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();

    let last = flights.date(BEFORE - 1);
    let retrain = [
        "--from=workflowtemplate/alameda-retrain-on-drift".to_owned(),
        format!("-p=data-version={last}"),
        format!("-p=results-manifest=results/{last}/late/v1/_manifest.json"),
    ];
    let retrain: Vec<&str> = retrain.iter().map(String::as_str).collect();
    flights.submit(&retrain);
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
    flights.submit(&retrain);
    assert_eq!(bench.output("data-prep-commit", "reused"), "true");
    assert_eq!(bench.result("model-version"), "2");

    (BEFORE..30).for_each(|at| assert_eq!(night(at), "2"));
    flights.comes("labels", &nights[29]);
    for version in ["1", "2"] {
        flights.submit(&[
            "--from=workflowtemplate/alameda-inference",
            "-p=data-version=all",
            &format!("-p=model-ref={version}"),
        ]);
    }
    let store = bench.store("").display().to_string();
    let by_version = ["by_version", &store, &flights.all, flights.date(BEFORE)];
    let theirs = answer(SCRIPT, &by_version);
    let of = |version: &str, metric: &str| theirs[version][metric].as_f64().unwrap();
    assert_eq!(theirs["v1"]["rows"], theirs["v2"]["rows"]);
    assert!(of("v2", "log_loss") < of("v1", "log_loss"), "{theirs}");
    assert!(of("v2", "roc_auc") > of("v1", "roc_auc"), "{theirs}");
}
