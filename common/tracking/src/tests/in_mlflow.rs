//! What MLflow's own Python client reads of what was written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use catalog::manifest::Column;
use catalog::manifest::Role;

#[tokio::test]
async fn everything_that_is_written_is_read_back() {
    let home = Home::mlflow();
    let files = home.files(1).await;
    let mut table = Table::new(&["feature", "psi", "verdict"]);
    table.row(vec!["größe".into(), 0.125.into(), "ok".into()]);
    table.row(vec!["b".into(), f64::NAN.into(), Value::Null]);
    let dataset = Dataset {
        name: "train/1".to_owned(),
        digest: fingerprint(3),
        source: "/data/train/1/_manifest.json".to_owned(),
        columns: vec![Column {
            name: "x".to_owned(),
            data_type: "Float64".to_owned(),
            role: Role::Feature,
        }],
        rows: 20,
        context: "training".to_owned(),
    };
    let version = home
        .tracking
        .in_run(&home.spec(1), async |run| {
            run.log_params(
                [("c", "1"), ("family (of it)", "x")].map(|(name, value)| (name, value.to_owned())),
            )
            .await?;
            run.log_metrics([("roc_auc", 0.1 + 0.2), ("importance.price (EUR)", -1e-300)])
                .await?;
            let point = |step: i64| {
                (
                    "day.f1",
                    Point {
                        value: step as f64,
                        at: 86_400_000 * step,
                        step,
                    },
                )
            };
            run.log_series((0..3).map(point)).await?;
            run.log_datasets(vec![dataset.clone()]).await?;
            run.log_tables(&[("drift", table.clone())]).await?;
            run.describe("**bold**".to_owned()).await?;
            run.log_files(MODEL_FOLDER, &home.store, &homes::keys(&files))
                .await?;
            let model = format!("models/{}/1/_manifest.json", home.name);
            let fingerprint = fingerprint(1);
            let candidate = Candidate::new(&home.name, &model, &fingerprint, run.id());
            let tags = vec![("alameda.data_version".to_owned(), "25.05.1".to_owned())];
            home.tracking
                .register(&Candidate {
                    files: &files,
                    tags,
                    // MLflow's database has a column of 5000 characters.
                    description: format!("**{}**", "é".repeat(6000)),
                    about_model: "Größe `x`".to_owned(),
                    ..candidate
                })
                .await
        })
        .await
        .unwrap();
    assert!(home.set(version.version, None).await);

    let read = home.read_back();
    let (parent, run) = (&read["runs"][0], &read["runs"][1]);
    assert_eq!(
        (&parent["name"], &parent["status"]),
        (&json!("test"), &json!("FINISHED"))
    );
    assert_eq!(
        (&run["name"], &run["status"]),
        (&json!("train 1"), &json!("FINISHED"))
    );
    let price = "importance.price _EUR_-13d1e5a5";
    let family = "family _of it_-";
    assert_eq!(run["params"]["c"], "1");
    assert_eq!(
        run["metrics"]["roc_auc"][0][0],
        json!(0.1 + 0.2),
        "to the last bit"
    );
    assert_eq!(
        run["metrics"]["day.f1"],
        json!([[0.0, 0, 0], [1.0, 86_400_000, 1], [2.0, 172_800_000, 2]])
    );
    let names = run["tables"]["tables/names.json"]["data"]
        .as_array()
        .unwrap();
    let of = |key: &str| {
        names
            .iter()
            .find(|row| row[0].as_str().unwrap().starts_with(key))
            .map(|row| row[1].clone())
    };
    assert_eq!(
        of("importance."),
        Some(json!("importance.price (EUR)")),
        "{price}"
    );
    assert_eq!(of(family), Some(json!("family (of it)")));
    let stored = names.iter().map(|row| row[0].as_str().unwrap());
    assert!(
        stored
            .clone()
            .any(|key| run["metrics"][key][0][0] == json!(-1e-300))
    );
    assert_eq!(
        run["tables"]["tables/drift.json"],
        json!({"columns": ["feature", "psi", "verdict"], "data": [["größe", 0.125, "ok"], ["b", null, null]]})
    );
    let dataset = &run["datasets"][0];
    assert_eq!(
        (&dataset["name"], &dataset["tags"]["mlflow.data.context"]),
        (&json!("train/1"), &json!("training"))
    );
    assert_eq!(dataset["digest"], fingerprint(3)[..36]);
    assert_eq!(dataset["profile"]["num_rows"], 20);
    assert_eq!(
        dataset["schema"]["mlflow_colspec"][0],
        json!({"type": "double", "name": "x", "required": false})
    );
    assert_eq!(run["files"]["model/model.json"], files[0].bytes);
    let tags = &run["tags"];
    assert_eq!(
        (&tags["mlflow.note.content"], &tags["mlflow.parentRunId"]),
        (&json!("**bold**"), &parent["id"])
    );
    assert_eq!(
        (&tags["mlflow.source.name"], &tags["alameda.workflow"]),
        (&json!("model-training"), &json!("test"))
    );

    let found = &read["versions"][0];
    assert_eq!(
        (&found["version"], &found["run_id"], &found["status"]),
        (&json!(1), &run["id"], &json!("READY"))
    );
    assert_eq!(
        found["source"],
        format!("{}/model", run["artifact_uri"].as_str().unwrap())
    );
    assert_eq!(found["aliases"], json!(["champion"]));
    assert_eq!(found["tags"]["alameda.fingerprint"], fingerprint(1));
    assert_eq!(found["tags"]["alameda.data_version"], "25.05.1");
    let description = found["description"].as_str().unwrap();
    assert_eq!(description.chars().count(), 5000);
    assert!(
        description.starts_with("**éé") && description.ends_with("é... (cut: 6004 characters)"),
        "{description}"
    );
    assert_eq!(version.description, description);
    assert_eq!(read["about"], "Größe `x`");
}

#[tokio::test]
async fn a_registered_model_is_described_unless_somebody_did() {
    let home = Home::mlflow();
    let named: ModelName = format!("{}-named", home.name).parse().unwrap();
    let of_both = [home.name.to_string(), named.to_string()];
    let arguments: Vec<&str> = of_both.iter().map(String::as_str).collect();
    let create = "import mlflow, sys\n\
                  client = mlflow.MlflowClient()\n\
                  client.create_registered_model(sys.argv[1])\n\
                  client.create_registered_model(sys.argv[2], description='by hand')\n\
                  print('null')";
    homes::python(create, &home.uri, &arguments);
    home.register(1).await;
    // A second version finds the description of the first.
    home.register(2).await;
    let home = home.about(&named);
    home.register(1).await;
    let read = "import json, mlflow, sys\n\
                client = mlflow.MlflowClient()\n\
                print(json.dumps([client.get_registered_model(name).description for name in sys.argv[1:]]))";
    let described = homes::python(read, &home.uri, &arguments);
    assert_eq!(described, json!([homes::ABOUT, "by hand"]));
}

#[tokio::test]
async fn more_than_a_batch_and_longer_than_the_limits_arrives_or_says_what_is_missing() {
    let home = Home::mlflow();
    let params: BTreeMap<String, String> = (0..250)
        .map(|i| (format!("p{i:03}"), i.to_string()))
        .collect();
    let metrics: Vec<(String, f64)> = (0..2500)
        .map(|i| (format!("m{i:04}"), f64::from(i)))
        .collect();
    home.tracking
        .in_run(&home.spec(1), async |run| {
            run.log_params(params.clone()).await?;
            run.log_params([("long", "x".repeat(7000))]).await?;
            run.log_metrics(metrics.clone()).await?;
            run.set_tags((0..250).map(|i| (format!("t{i}"), i.to_string())).collect())
                .await?;
            run.set_tag("long", "y".repeat(9000)).await?;
            run.log_metrics([("n".repeat(300), 1.0)]).await
        })
        .await
        .unwrap();
    let record = home.run(1).await;
    assert_eq!(record.params.len(), 251);
    assert_eq!(record.metrics.len(), 2501);
    assert!(
        metrics
            .iter()
            .all(|(name, value)| record.metrics[name].value == *value)
    );
    assert!((0..250).all(|i| record.tags[&format!("t{i}")] == i.to_string()));
    assert!(record.params["long"].ends_with("x... (cut: 7000 characters)"));
    assert!(record.tags["long"].ends_with("y... (cut: 9000 characters)"));
    assert_eq!(
        home.read_back()["runs"][1]["tables"]["tables/names.json"]["data"][0][1],
        "n".repeat(300)
    );
}
