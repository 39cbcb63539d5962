//! What is in MLflow after a report.

use std::time::Duration;

use runtime::failure::exit_code;
use runtime::retry::Budget;
use serde_json::{Value, json};
use store::Store;
use testing::{Mlflow, MlflowOptions};
use tracking::{Tracking, TrackingArgs};

use super::home::{Home, Names, Reported, Rows};

/// Everything about the runs of the reports, by MLflow's own client.
fn read(server: &Mlflow) -> Value {
    let script = r#"
import json, mlflow
client = mlflow.MlflowClient()
mlflow.set_experiment("m")
frame = mlflow.search_runs(filter_string="tags.`alameda.step` = 'model-monitoring'", order_by=["start_time ASC"])
runs = [client.get_run(run_id) for run_id in frame["run_id"]]
def table(run, name):
    return json.loads(mlflow.load_table(f"tables/{name}.json", [run.info.run_id]).to_json(orient="split"))
def days(run, key):
    return [[m.step, m.timestamp, m.value] for m in client.get_metric_history(run.info.run_id, key)]
print(json.dumps([{
    "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics, "tags": run.data.tags,
    "parent": run.data.tags.get("mlflow.parentRunId") in [r.info.run_id for r in client.search_runs([run.info.experiment_id])],
    "days": table(run, "performance_by_day"), "drift": table(run, "drift"), "accuracy": days(run, "day.accuracy"),
    "dataset": [run.inputs.dataset_inputs[0].dataset.name, json.loads(run.inputs.dataset_inputs[0].dataset.profile)],
    "page": mlflow.artifacts.load_text(f"{run.info.artifact_uri}/report.html") if run.info.status == "FINISHED" else "",
} for run in runs]))
"#;
    testing::ask_mlflow(script, &server.uri(), &[], Vec::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_a_run_with_its_page_its_days_and_its_drift() {
    let mut server = Mlflow::start(MlflowOptions::default()).unwrap();
    let mut home = Home::new(Names::default(), &Rows::simple(400)).await;
    let args = TrackingArgs {
        uri: Some(server.uri()),
        ..TrackingArgs::default()
    };
    let open = |store: &Store, budget| Tracking::open(store, &args, budget).unwrap();
    home.tracking = open(&home.store, Budget::default());
    let rows = Rows::simple(300);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(100, 300)])
        .await;
    let (outputs, committed) = home.report(&results).await;
    let found = read(&server);
    let run = &found[0];
    assert_eq!(
        (&run["status"], &run["parent"]),
        (&json!("FINISHED"), &json!(true))
    );
    assert_eq!(
        run["tags"]["alameda.verdict"].as_str(),
        outputs.get("verdict")
    );
    assert_eq!(
        run["page"].as_str(),
        Some(home.html().await.as_str()),
        "the page is the one in the store"
    );
    assert_eq!(
        run["dataset"],
        json!(["results/25.05.1/m/v3", {"num_rows": 300, "num_columns": 7}])
    );
    let (days, performance) = (
        run["days"]["data"].as_array().unwrap(),
        &committed.content.performance,
    );
    assert_eq!(days.len(), performance.days.len());
    let midnight = performance.days[0]
        .date
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    assert_eq!(
        days[0][0],
        midnight.timestamp_millis(),
        "pandas knows the column as one of dates"
    );
    let points: Vec<_> = run["accuracy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point[2].as_f64())
        .collect();
    let accuracy: Vec<_> = performance
        .days
        .iter()
        .map(|day| day.accuracy)
        .filter(Option::is_some)
        .collect();
    assert_eq!(points, accuracy, "a point for each day with labels");
    let score = &committed.content.drift.score;
    assert_eq!(run["drift"]["data"][0][0], score.name.as_str());
    assert_eq!(
        run["metrics"][format!("score.psi.{}", score.name)].as_f64(),
        score.psi.as_ref().map(|psi| psi.value)
    );
    assert_eq!(run["metrics"]["rows"], 300.0);

    // A second report changes nothing.
    assert_eq!(
        home.try_report(&results).await.unwrap().get("reused"),
        Some("true")
    );
    assert_eq!(read(&server), found);

    // When the server is away, a report is not made in secret, and the next attempt makes it.
    home.deliver("1.parquet", &[("c4", 1_740_787_200_000_000, Some(1))]);
    server.stop();
    home.tracking = open(&home.store, Budget(Duration::from_secs(3)));
    assert_eq!(exit_code(&home.try_report(&results).await.unwrap_err()), 75);
    server.restart().unwrap();
    home.tracking = open(&home.store, Budget::default());
    assert_eq!(
        home.try_report(&results).await.unwrap().get("reused"),
        Some("false")
    );
    let found = read(&server);
    assert_eq!(
        found.as_array().unwrap().len(),
        2,
        "other labels are another report"
    );
    assert_eq!(found[1]["status"], "FINISHED");
}
