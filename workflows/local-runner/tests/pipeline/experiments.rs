//! A model that `models.json` keeps out of the registry, through the whole pipeline.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, Ran, assert_unchanged};
use crate::models_json::write_models;

const EXPERIMENT: &str = r#"{"candidates": [
    {"family": "mean"}, {"family": "logistic-regression", "c": [0.01, 1]}], "register": false}"#;

/// A configuration of sample data with a `models.json`.
fn configured(bench: &Bench, models: &str) -> String {
    let config = bench.config(&[]);
    write_models(Path::new(&config), models);
    config
}

fn pipeline(bench: &Bench, config: &str, more: &[&str]) -> Ran {
    bench.pipeline(&[&["--config-maps", config], more].concat())
}

/// Folders and files below a folder of the store; none where it is not there.
fn below(bench: &Bench, folder: &str) -> usize {
    fs::read_dir(bench.store(folder)).map_or(0, Iterator::count)
}

#[test]
fn an_experiment_is_measured_and_nothing_but_its_run_is_visible_until_it_is_registered() {
    let bench = Bench::new();
    let config = configured(&bench, EXPERIMENT);
    // Nobody is asked about what becomes no version.
    pipeline(&bench, &config, &["-p", "approval=required"]).expect(0);
    for task in ["approval", "promotion", "inference"] {
        assert_eq!(bench.phase(task).as_deref(), Some("Skipped"), "{task}");
    }
    let results = [
        "registered",
        "model-version",
        "promoted",
        "champion-version",
    ];
    assert_eq!(
        results.map(|of| bench.result(of)),
        ["false", "", "false", ""]
    );
    assert!(bench.result("candidates").contains("of 3"));
    for folder in ["tracking/models", "results", "reports"] {
        assert_eq!(below(&bench, folder), 0, "{folder}");
    }
    let before = bench.lasting();
    pipeline(&bench, &config, &[]).expect(0);
    assert_eq!(bench.output("model-training-train", "reused"), "true");
    assert_unchanged(&before, &bench.lasting());
    let run = bench.output("model-training-train", "run-id");
    let runs = bench.alameda(&["runs", "-o", "wide"]).expect(0).shown();
    for shown in [run.as_str(), "candidate 3: logistic-regression"] {
        assert!(runs.contains(shown), "{runs}");
    }

    // Taken at its word it is found done, and goes the way of every model.
    let file = Path::new(&config).join("models.json");
    fs::write(&file, EXPERIMENT.replace("false", "true")).unwrap();
    pipeline(&bench, &config, &[]).expect(0);
    assert_eq!(bench.output("model-training-train", "reused"), "true");
    assert_eq!(
        results.map(|of| bench.result(of)),
        ["true", "1", "true", "1"]
    );
    let scored = bench.lasting();
    assert!(below(&bench, "results") > 0);

    // The next experiment is compared with the champion, and leaves it where it is.
    fs::write(&file, EXPERIMENT.replace("[0.01, 1]", "0.001")).unwrap();
    pipeline(&bench, &config, &[]).expect(0);
    assert_eq!(
        results.map(|of| bench.result(of)),
        ["false", "", "false", ""]
    );
    let mut after = bench.lasting();
    after.retain(|key, _| !key.starts_with("models/"));
    let mut before = scored;
    before.retain(|key, _| !key.starts_with("models/"));
    assert_unchanged(&before, &after);
    let run = bench.output("model-training-train", "run-id");
    let shown = bench.alameda(&["models", "compare", "m", "champion", &run[..8]]);
    let shown = shown.expect(0).shown();
    assert!(
        shown.contains(&format!("RUN {}", &run[..8])) && shown.contains("roc_auc"),
        "{shown}"
    );
    let compared = ["models", "compare", "m", &run, "1", "-o", "json"];
    let compared = bench.alameda(&compared).expect(0).stdout;
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(
        compared["versions"],
        serde_json::json!([null, 1]),
        "{compared}"
    );
}
