//! Candidates that are measured in pods of their own.

use std::collections::BTreeMap;

use runtime::failure;
use runtime::step::Outputs;
use settings::FanOutArgs;

use super::candidates::{rows, selection, with};
use super::home::Home;
use crate::job::Job;
use crate::{Plan, Training, candidate, plan};

/// The last one stops early, on the validation rows.
const CANDIDATES: &str = r#""candidates": [
    {"family": "mean"},
    {"family": "logistic-regression", "c": [1e-6, 1]},
    {"family": "gradient-boosting", "n_estimators": 40, "early_stopping_rounds": 3}
]"#;

async fn measured(home: &Home, flags: &Training, number: usize) -> Outputs {
    let measured = candidate::candidate(&home.step, &home.store, flags, number);
    measured.await.unwrap()
}

/// The files of a model, what its run and those inside it hold, and outputs.
async fn made(home: &Home, flags: &Training) -> BTreeMap<String, Vec<u8>> {
    let outputs = home.train(flags).await.unwrap();
    let mut made = BTreeMap::new();
    let manifest = outputs.get("model").unwrap();
    let folder = manifest.strip_suffix("/_manifest.json").unwrap();
    for object in home.store.list(folder).await.unwrap() {
        if object.key != manifest {
            let bytes = home.store.require(&object.key).await.unwrap();
            made.insert(object.key, bytes);
        }
    }
    for name in [
        "candidates",
        "metric",
        "model-version",
        "warnings",
        "reused",
    ] {
        let output = outputs.get(name).unwrap();
        made.insert(format!("output {name}"), output.into());
    }
    let runs = home.tracking.runs(Some(&flags.model_name), 20).await;
    for shown in runs.unwrap() {
        let run = shown.run;
        let metrics = run.metrics.iter().map(|(name, of)| (name, of.value));
        let held = format!("{:?} {:?}", run.params, metrics.collect::<Vec<_>>());
        made.insert(format!("run {}", run.name), held.into());
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_of_pods_of_their_own_make_the_model_of_one_pod() {
    let holdout = rows().slice(5000, 6000);
    for more in [
        r#""metric": "log_loss", "validation": {"folds": 3}"#,
        r#""metric": "roc_auc", "refit": false"#,
        r#""calibration": "sigmoid", "threshold": {"maximize": "f1"}"#,
    ] {
        let models = format!("{{{CANDIDATES}, {more}}}");
        let mut all = Vec::new();
        // Which of them have pods, in which order; the last pod measures the others.
        for (pods, threads) in [(&[][..], 4), (&[4, 2, 1, 3], 1), (&[3], 2)] {
            let mut home = Home::new(4).await;
            home.step = home.step.with_threads(threads);
            let flags = with(&home, &models, &holdout).await;
            for &number in pods {
                for reused in ["false", "true"] {
                    let outputs = measured(&home, &flags, number).await;
                    let found = ["reused", "model", "registered"].map(|of| outputs.get(of));
                    assert_eq!(found, [Some(reused), Some(""), Some("false")]);
                }
            }
            let markers = home.store.list("_work").await.unwrap();
            assert_eq!(markers.len(), pods.len());
            all.push(made(&home, &flags).await);
        }
        let runs = all[0].keys().filter(|of| of.starts_with("run candidate"));
        assert_eq!(runs.count(), 4);
        for other in &all[1..] {
            assert!(all[0].keys().eq(other.keys()));
            for (name, bytes) in &all[0] {
                assert!(*bytes == other[name], "{name} differs, with {more}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_marker_says_is_taken_unless_it_is_to_be_done_again() {
    let mut home = Home::new(4).await;
    let models = format!("{{{CANDIDATES}}}");
    let flags = with(&home, &models, &rows().slice(5000, 6000)).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    for number in 1..=4 {
        measured(&home, &flags, number).await;
    }
    let mut marker: serde_json::Value = home.store.require_json(&job.marker(1)).await.unwrap();
    marker["result"]["metrics"]["value"] = 0.999.into();
    marker["workflow"] = "another".into();
    home.store.put_json(&job.marker(1), &marker).await.unwrap();
    let outputs = home.train(&flags).await.unwrap();
    let taken = selection(&home, &outputs).await;
    assert!(taken.candidates[0].chosen, "{taken:?}");

    home.step = home.step.refreshing();
    let outputs = home.train(&flags).await.unwrap();
    let done = selection(&home, &outputs).await;
    assert!(!done.candidates[0].chosen, "{done:?}");
    // A pod that does it again writes it anew.
    let outputs = measured(&home, &flags, 1).await;
    assert_eq!(outputs.get("reused"), Some("false"));
    let marker: serde_json::Value = home.store.require_json(&job.marker(1)).await.unwrap();
    assert_eq!(
        marker["result"]["metrics"]["value"].as_f64(),
        done.candidates[0].value
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lists_candidates_where_rows_are_many_and_the_model_is_not_there() {
    let home = Home::new(4).await;
    let models = format!("{{{CANDIDATES}}}");
    let flags = with(&home, &models, &rows().slice(5000, 6000)).await;
    let planned = async |fan_out_rows| {
        let flags = Plan {
            training: flags.clone(),
            fan_out: FanOutArgs { fan_out_rows },
        };
        let outputs = plan::plan(&home.step, &home.store, &flags).await.unwrap();
        outputs.get("candidates").unwrap().to_owned()
    };
    assert_eq!(planned(5000).await, "[]");
    assert_eq!(planned(4999).await, r#"["1","2","3","4"]"#);
    home.train(&flags).await.unwrap();
    assert_eq!(planned(0).await, "[]");
    let alone = r#"{"candidates": [{"family": "logistic-regression"}]}"#;
    home.write_models(alone);
    assert_eq!(planned(0).await, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_no_candidate_has_is_refused() {
    let home = Home::new(4).await;
    let several = format!("{{{CANDIDATES}}}");
    let alone = r#"{"candidates": [{"family": "logistic-regression"}]}"#;
    let flags = with(&home, &several, &rows().slice(5000, 6000)).await;
    for (models, number, expected) in [
        (several.as_str(), 0, "has 4 candidates: give 1 to 4"),
        (&several, 5, "has 4 candidates: give 1 to 4"),
        (alone, 1, "has 1 candidate, which is not compared"),
    ] {
        home.write_models(models);
        let refused = candidate::candidate(&home.step, &home.store, &flags, number).await;
        let error = refused.expect_err("refused");
        assert_eq!(failure::exit_code(&error), 2);
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}
