//! Random forests, on the rows of the trees.

use learn::estimator::Estimator;
use learn::fitted_model::Reader;
use runtime::step::Outputs;
use serde_json::Value;

use super::fixtures::bytes_are_the_same;
use super::home::{Home, Rows};
use super::trees::{prepared_for, rows, weighed_rows};
use crate::Training;
use crate::job::Job;

async fn prepared(options: &str, shards: &[Rows]) -> (Home, Training) {
    prepared_for("random-forest", options, shards).await
}

async fn forest(home: &Home, outputs: &Outputs) -> std::sync::Arc<dyn Estimator> {
    let file = home.model_file(outputs, "model.json").await;
    Reader::standard().read(&file).unwrap().estimator.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forest_learns_what_no_line_does_and_its_scores_are_shares() {
    let shards = [rows(3000, 0), rows(1001, 3000)];
    let (home, flags) = prepared("", &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    let accuracy: f64 = outputs.get("accuracy").unwrap().parse().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let forest = forest(&home, &outputs).await;
    assert_eq!(
        (forest.kind(), forest.trees()),
        ("random-forest", Some(100))
    );
    let mut shares = Vec::new();
    let (sure, missing) = ([-0.3, 300.0, 0.2], [-0.3, 300.0, f64::NAN]);
    forest.predict(&[sure, missing].concat(), &mut shares);
    assert!(shares[0] > 0.8 && shares[1] < 0.2, "{shares:?}");

    let metrics = home.model_file(&outputs, "metrics.json").await;
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    let importance = metrics["importance"].as_array().unwrap().iter();
    let shares: Vec<f64> = importance
        .map(|of| of["importance"].as_f64().unwrap())
        .collect();
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9,
        "{shares:?}"
    );
    assert!(shares.iter().all(|share| *share > 0.1), "{shares:?}");

    // XGBoost gives the share itself.
    let exported = home.model_file(&outputs, "xgboost.json").await;
    let exported: Value = serde_json::from_slice(&exported).unwrap();
    let objective = &exported["learner"]["objective"]["name"];
    assert_eq!(objective, "reg:squarederror");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_forest_depend_on_no_budget() {
    let all = rows(140_000, 0);
    let shards = [all.slice(0, 90_001), all.slice(90_001, 140_000)];
    let options = r#", "n_estimators": 7, "max_rows": 70000, "min_samples_leaf": 50"#;
    let (home, flags) = prepared(options, &shards).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let budgets = [
        (1, u64::MAX, 1 << 30),
        (2, u64::MAX, 1 << 30),
        (4, 0, 1 << 30),
        (3, 0, 1 << 27),
    ];
    bytes_are_the_same(&home, &job, &budgets).await;

    // Of numbers, and of more classes, where rows weigh.
    for classes in [0, 3] {
        let all = weighed_rows(20_000, 0, classes);
        let home = Home::weighed(4, classes).await;
        home.write_models(
            r#"{"candidates": [{"family": "random-forest", "n_estimators": 7, "max_rows": 15000}]}"#,
        );
        let shards = [all.slice(0, 9_001), all.slice(9_001, 20_000)];
        let holdout = weighed_rows(100, 1_000_000, classes);
        let flags = home.prepared("1", &holdout, &shards).await;
        let job = Job::read(&home.store, &flags).await.unwrap();
        let file = bytes_are_the_same(&home, &job, &budgets).await;
        let forest = Reader::standard().read(&file).unwrap().estimator;
        assert_eq!(forest.trees(), Some(7 * classes.max(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tree_of_one_leaf_is_the_mean_and_leaves_have_the_rows_that_they_need() {
    let options = r#", "n_estimators": 1, "min_samples_leaf": 1000"#;
    let (home, flags) = prepared(options, &[rows(1500, 0)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let stump = forest(&home, &outputs).await;
    let mut share = Vec::new();
    stump.predict(&[0.0; 3], &mut share);
    // A draw of 1,500 labels of which half are positive.
    assert!((share[0] - 0.5).abs() < 0.06, "{share:?}");

    let options = r#", "n_estimators": 5, "min_samples_leaf": 40, "max_depth": 3"#;
    let (home, flags) = prepared(options, &[rows(1500, 0)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let fields = forest(&home, &outputs).await.to_json().unwrap();
    for tree in fields["trees"].as_array().unwrap() {
        let left = tree["left_children"].as_array().unwrap();
        assert!((3..=15).contains(&left.len()), "{tree}");
        // Covers count a row as often as it was drawn.
        for cover in tree["sum_hessian"].as_array().unwrap() {
            assert!(cover.as_f64().unwrap() >= 40.0, "{tree}");
        }
        assert_eq!(tree["sum_hessian"][0], 1500.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_a_forest_that_make_no_sense_are_refused_by_name() {
    for (options, reason) in [
        (r#", "n_estimators": 0"#, "n_estimators is 0"),
        (r#", "min_samples_leaf": 0"#, "min_samples_leaf is 0"),
        (r#", "max_features": 1.5"#, "max_features is 1.5"),
        (r#", "max_samples": 0"#, "max_samples is 0"),
        (r#", "max_rows": 0"#, "max_rows is 0"),
        (r#", "learning_rate": 0.1"#, "unknown field `learning_rate`"),
    ] {
        let (home, flags) = prepared(options, &[rows(100, 0)]).await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(reason), "{text}");
    }
}
