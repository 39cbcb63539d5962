//! Flights whose distance comes in metres from the first night on, and in miles before: the report
//! says drift, and a model trained on what was scored and labelled since takes over through the
//! gate.

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
    let alert_from = |psi: &str| {
        let psi = format!("  PSI_ALERT: '{psi}'");
        // With a day until labels come, since night `BEFORE - 4`.
        let lines = text.lines().map(|line| match line.split(':').next() {
            Some("  HOLDOUT") => "  HOLDOUT: after=-2d",
            Some("  LABEL_DELAY") => "  LABEL_DELAY: '1'",
            Some("  PSI_ALERT") => psi.as_str(),
            _ => line,
        });
        fs::write(&settings, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    };

    let last = flights.date(BEFORE - 1);
    let retrain = [
        "--from=workflowtemplate/alameda-retrain-on-drift".to_owned(),
        format!("-p=data-version={last}"),
        format!("-p=results-manifest=results/{last}/late/v1/_manifest.json"),
    ];
    let retrain: Vec<&str> = retrain.iter().map(String::as_str).collect();
    let retrained = |more: &[&str]| {
        flights.submit(&[&retrain[..], more].concat());
        ["verdict", "promoted", "model-version"].map(|name| bench.result(name))
    };
    // No index is so large: the verdict is a warning, which starts a training only if asked.
    alert_from("1000");
    assert_eq!(retrained(&[]), ["warn", "false", ""]);
    assert_eq!(bench.phase("training").as_deref(), Some("Skipped"));

    alert_from("0.25");
    let trained = retrained(&[]);
    let reason = bench.result("promotion-reason");
    assert_eq!(trained, ["alert", "true", "2"], "{reason}");
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
    // Again, for a warning: it is reused, and moves nothing.
    alert_from("1000");
    let [verdict, _, version] = retrained(&["-p=retrain-on=warn"]);
    assert_eq!([verdict, version], ["warn", "2"]);
    assert_eq!(bench.output("data-prep-commit", "reused"), "true");

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
    // As docs/quality.md shows them.
    for (version, roc_auc, log_loss) in [("v1", 0.502, 26.96), ("v2", 0.664, 0.530)] {
        let theirs = &theirs[version];
        assert_eq!(theirs["rows"], 7937);
        for (metric, shown) in [("roc_auc", roc_auc), ("log_loss", log_loss)] {
            let apart = (theirs[metric].as_f64().unwrap() - shown).abs();
            assert!(apart <= 0.002 * shown, "{version}: {theirs}");
        }
    }
}
