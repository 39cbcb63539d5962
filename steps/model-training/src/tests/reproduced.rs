//! Trees are the same bytes on any threads and by any budget, and where rows or features are drawn
//! at random, they are those of their seed.

use learn::fitted_model::{FittedModel, Reader};
use serde_json::Value;

use super::fixtures::bytes_are_the_same;
use super::home::Home;
use super::trees::{prepared_for, rows, trees, weighed_rows};
use crate::job::Job;

/// Rows of which enough are left after validation, weights of 0 and the draw of a tree: `hessboost`
/// adds up 8,192 rows and parts 32,768 rows of a node on several threads, and fewer on one.
const MANY: usize = 80_000;

/// The model of [`MANY`] rows with weights, which stops early, on 1, 2 and 4 threads.
async fn grown(classes: usize, more: &str) -> FittedModel {
    let home = Home::weighed(4, classes).await;
    home.write_models(&format!(
        r#"{{"candidates": [{{"family": "gradient-boosting", "n_estimators": 40,
            "learning_rate": 1, "early_stopping_rounds": 3, "subsample": 0.8,
            "colsample_bynode": 0.7}}]{more}}}"#
    ));
    let all = weighed_rows(MANY, 0, classes);
    let shards = [all.slice(0, 45_001), all.slice(45_001, MANY)];
    let holdout = weighed_rows(500, 1_000_000, classes);
    let flags = home.prepared("1", &holdout, &shards).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let budgets = [
        (1, u64::MAX, 1 << 30),
        (2, 0, 1 << 27),
        (4, u64::MAX, 1 << 25),
        (4, 0, 1 << 30),
    ];
    let file = bytes_are_the_same(&home, &job, &budgets).await;
    Reader::standard().read(&file).unwrap()
}

/// Trees that add to a raw score.
fn of_output(model: &FittedModel, output: usize) -> usize {
    let all = trees(model);
    all.iter().filter(|tree| tree["output"] == output).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_trees_of_several_classes_depend_on_no_budget() {
    let model = grown(3, "").await;
    let rounds = of_output(&model, 0);
    assert_eq!(model.estimator.trees(), Some(3 * rounds));
    assert!((1..40).contains(&rounds), "{rounds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_trees_of_a_number_and_its_quantiles_depend_on_no_budget() {
    let by_quantiles = r#", "interval": 0.8, "interval_by": "quantiles""#;
    let model = grown(0, by_quantiles).await;
    assert!(model.rule.quantiles);
    let rounds = [0, 1, 2].map(|output| of_output(&model, output));
    assert!(rounds.iter().all(|of| (1..=40).contains(of)), "{rounds:?}");
    assert!(rounds[0] < 40, "{rounds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_grows_other_trees_and_the_same_seed_the_same() {
    for (family, drawn) in [
        ("gradient-boosting", r#""subsample": 0.5"#),
        ("gradient-boosting", r#""colsample_bytree": 0.7"#),
        ("gradient-boosting", r#""colsample_bynode": 0.7"#),
        ("gradient-boosting", r#""max_rows": 1000"#),
        // Each tree of which is grown on a draw of the rows, and split on a draw of the features.
        ("random-forest", r#""max_features": 0.7"#),
        ("random-forest", r#""max_rows": 1000"#),
    ] {
        let mut grown: Vec<Vec<Value>> = Vec::new();
        for seed in [7, 7, 8] {
            let options = format!(r#", "n_estimators": 8, "seed": {seed}, {drawn}"#);
            let (home, flags) = prepared_for(family, &options, &[rows(2000, 0)]).await;
            let outputs = home.train(&flags).await.unwrap();
            let file = home.model_file(&outputs, "model.json").await;
            grown.push(trees(&Reader::standard().read(&file).unwrap()));
        }
        assert!(grown[0] == grown[1], "{family}: {drawn}");
        assert!(grown[0] != grown[2], "{family}: {drawn}");
    }
}
