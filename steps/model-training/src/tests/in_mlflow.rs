//! What is in MLflow after a training, and what is left to do when MLflow is away.

use serde_json::{Value, json};
use testing::{Fault, HttpProxy, Rule, mlflow};
use tracking::{Status, Tracking};

use super::*;

/// Everything about the training runs of a model, by MLflow's own client.
fn read(name: &str) -> Value {
    let script = r#"
import json, sys, mlflow
client, name = mlflow.MlflowClient(), sys.argv[1]
mlflow.set_experiment(name)
frame = mlflow.search_runs(filter_string="tags.`alameda.step` = 'model-training'", order_by=["start_time ASC"])
runs = [client.get_run(run_id) for run_id in frame["run_id"]]
print(json.dumps([{
    "status": run.info.status, "run_id": run.info.run_id,
    "params": run.data.params, "metrics": run.data.metrics, "tags": run.data.tags,
    "importance": json.loads(mlflow.load_table("tables/feature_importance.json", [run.info.run_id]).to_json(orient="split")),
    "confusion": json.loads(mlflow.load_table("tables/confusion_matrix.json", [run.info.run_id]).to_json(orient="split")),
    "datasets": [[d.dataset.name, {t.key: t.value for t in d.tags}, json.loads(d.dataset.profile)]
                 for d in run.inputs.dataset_inputs],
    "model": {f.path: f.file_size for f in client.list_artifacts(run.info.run_id, "model")},
    "versions": [[int(v.version), v.tags, v.description] for v in client.search_model_versions(f"run_id = '{run.info.run_id}'")],
    "about": client.get_registered_model(name).description,
} for run in runs]))
"#;
    testing::ask_mlflow(script, &mlflow().uri(), &[name], Vec::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_all_there_and_a_second_one_changes_nothing() {
    let (home, flags) = prepared(Home::in_mlflow(1, mlflow().uri(), "whole").await).await;
    let outputs = home.train(&flags).await.unwrap();
    let found = read("whole");
    let run = &found[0];
    assert_eq!(
        (&run["status"], run["run_id"].as_str()),
        (&json!("FINISHED"), outputs.get("run-id"))
    );
    assert_eq!(
        (&run["params"]["features"], &run["params"]["train_rows"]),
        (&json!("feature1"), &json!("231"))
    );
    assert_eq!(
        run["metrics"]["roc_auc"]
            .as_f64()
            .map(|value| value.to_string())
            .as_deref(),
        outputs.get("roc-auc")
    );
    assert_eq!(run["importance"]["data"][0][0], "feature1");
    let rows: u64 = run["confusion"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap()[1..].to_vec())
        .filter_map(|count| count.as_u64())
        .sum();
    assert_eq!(
        rows, 50,
        "the confusion matrix holds every row of the holdout"
    );
    let datasets = run["datasets"].as_array().unwrap();
    let contexts: Vec<_> = datasets
        .iter()
        .map(|d| {
            (
                d[0].as_str().unwrap(),
                d[1]["mlflow.data.context"].as_str().unwrap(),
                d[2]["num_rows"].as_u64().unwrap(),
            )
        })
        .collect();
    assert!(
        contexts.contains(&("train/1", "training", 231))
            && contexts.contains(&("holdout/1", "holdout", 50))
    );
    let manifest = home.manifest(&outputs).await;
    for file in &manifest.files {
        let name = format!("model/{}", file.key.rsplit('/').next().unwrap());
        assert_eq!(run["model"][&name], file.bytes, "{name}");
    }
    let (version, tags) = (&run["versions"][0][0], &run["versions"][0][1]);
    assert_eq!(
        (version, tags["alameda.model"].as_str()),
        (&json!(1), outputs.get("model"))
    );
    assert_eq!(tags["alameda.data_version"], "1");
    // What the page of the version shows: its metrics are those of its run, to the last bit.
    for metric in ["roc_auc", "accuracy", "f1", "log_loss", "brier"] {
        let shown: f64 = tags[metric].as_str().unwrap().parse().unwrap();
        assert_eq!(Some(shown), run["metrics"][metric].as_f64(), "{metric}");
    }
    let description = run["versions"][0][2].as_str().unwrap();
    let four = |metric: &str| format!("{:.4}", run["metrics"][metric].as_f64().unwrap());
    let expected = format!(
        "Task binary of `target`, family logistic-regression, trained on data version 1 (231 rows) \
         by workflow test.\n\nOn the holdout (50 rows): accuracy {}, ROC AUC {}, F1 {}.\n",
        four("accuracy"),
        four("roc_auc"),
        four("f1")
    );
    assert_eq!(description, expected);
    assert_eq!(
        run["tags"]["mlflow.note.content"],
        format!("Version 1 of **whole**.\n\n{description}")
    );
    let about =
        "Predicts `target` (task binary). The alias `champion` points to the version that scores.";
    assert_eq!(run["about"], about);

    let again = home.train(&flags).await.unwrap();
    assert_eq!(again.get("reused"), Some("true"));
    assert_eq!(read("whole"), found);
    let mut changed = flags.clone();
    changed.fit.c = 0.5;
    let other = home.train(&changed).await.unwrap();
    assert_eq!(other.get("model-version"), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_done_stays_when_mlflow_goes_away_and_a_rerun_only_records_it() {
    let proxy = HttpProxy::start(mlflow().port()).unwrap();
    let (home, flags) = prepared(Home::in_mlflow(1, proxy.url(), "away").await).await;
    proxy.set([Rule::always(Fault::Status(503, String::new())).when(|method, _| method == "PUT")]);
    let error = home.train(&flags).await.unwrap_err();
    assert_eq!(exit_code(&error), 75, "{error:#}");
    let objects = home.store.list("").await.unwrap();
    assert!(
        objects
            .iter()
            .any(|object| object.key.ends_with("/_manifest.json")
                && object.key.starts_with("models/"))
    );

    proxy.set([]);
    let outputs = home.train(&flags).await.unwrap();
    assert_eq!(
        (outputs.get("reused"), outputs.get("model-version")),
        (Some("true"), Some("1"))
    );
    assert_eq!(
        home.store.list("").await.unwrap(),
        objects,
        "nothing is fitted again"
    );
    let found = read("away");
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["status"]),
        (1, &json!("FINISHED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_moves_from_the_store_to_mlflow_by_one_variable() {
    let (home, flags) = prepared(Home::in_mlflow(1, mlflow().uri(), "moved").await).await;
    let embedded = Tracking::embedded(&home.store);
    let before = crate::train::train(&home.step, &home.store, &embedded, &flags)
        .await
        .unwrap();
    let after = home.train(&flags).await.unwrap();
    assert_eq!(
        (before.get("reused"), after.get("reused")),
        (Some("false"), Some("true"))
    );
    assert_eq!(after.get("model"), before.get("model"));
    let manifest = home.manifest(&after).await;
    let run = home.run(&manifest.header.fingerprint).await;
    assert_eq!(
        (run.status, Some(run.run_id.as_str())),
        (Status::Finished, after.get("run-id"))
    );
    assert_eq!(read("moved")[0]["versions"][0][0], 1);
}
