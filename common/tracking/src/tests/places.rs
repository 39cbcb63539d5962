//! Servers that are set up in other ways: artifacts in S3, a path prefix.

use testing::{Minio, Mlflow, MlflowOptions};

use super::*;
use store::{Access, Environment, Role};

/// What a client of MinIO reads its address and keys from.
fn variables() -> Vec<(String, String)> {
    let mut variables = testing::minio().variables();
    variables.push((
        "MLFLOW_S3_ENDPOINT_URL".to_owned(),
        testing::minio().endpoint(),
    ));
    variables
}

/// Keys of a bucket, by MLflow's own client of S3.
fn objects(prefix: &str) -> Vec<String> {
    let list = "import boto3, json, sys\n\
                bucket, prefix = sys.argv[1:]\n\
                found = boto3.client('s3').list_objects_v2(Bucket=bucket, Prefix=prefix).get('Contents', [])\n\
                print(json.dumps([object['Key'] for object in found]))";
    let found = testing::ask_mlflow(list, "", &[Minio::BUCKET, prefix], variables());
    serde_json::from_value(found).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_go_through_the_server_into_s3() {
    let artifacts = Some(format!("s3://{}/proxied", Minio::BUCKET));
    let server = Mlflow::start(MlflowOptions {
        artifacts,
        variables: variables(),
        ..MlflowOptions::default()
    })
    .unwrap();
    let home = Home::at(&server.uri(), Login::None, PATIENT);
    home.train(1).await.unwrap();
    let read = home.assert_whole(&server.uri());
    assert!(
        read["versions"][0]["source"]
            .as_str()
            .unwrap()
            .starts_with("mlflow-artifacts:/"),
        "{read:#}"
    );
    assert_eq!(read["runs"][1]["files"]["model/metrics.json"], 2);
    let keys = objects("proxied/");
    assert!(
        keys.iter()
            .any(|key| key.ends_with("/artifacts/model/model.json")),
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_that_the_server_leaves_to_its_clients_are_put_into_the_bucket() {
    let root = format!("s3://{}/direct", Minio::BUCKET);
    let arguments = ["--no-serve-artifacts", "--default-artifact-root", &root]
        .map(str::to_owned)
        .to_vec();
    let options = MlflowOptions {
        arguments,
        variables: variables(),
        ..MlflowOptions::default()
    };
    let server = Mlflow::start(options).unwrap();
    let environment = Environment::of(testing::minio().variables());
    let access = Access::new(Role::Store, environment);
    let home = Home::with_access(&server.uri(), Login::None, access);
    home.train(1).await.unwrap();
    let read = Home::read_back_with(&server.uri(), &home.name, variables());
    assert_eq!(read["runs"][1]["files"]["model/metrics.json"], 2);
    assert_eq!(
        read["runs"][1]["tables"]["tables/drift.json"]["columns"][0],
        "feature"
    );
    assert!(
        read["versions"][0]["source"]
            .as_str()
            .unwrap()
            .starts_with(&root),
        "{read:#}"
    );

    let keyless = Access::new(Role::Store, Environment::default());
    let error = Home::with_access(&server.uri(), Login::None, keyless)
        .train(1)
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("MLflow at 127.0.0.1:") && text.contains(&root),
        "{text}"
    );
    assert_eq!(exit_code(&error), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_in_a_folder_of_the_server_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (root, expected) in [
        (
            folder.path().display().to_string(),
            "in a folder of its own machine",
        ),
        (
            "gs://bucket/mlflow".to_owned(),
            "leaves its artifacts (gs://) to its clients",
        ),
    ] {
        let arguments = ["--no-serve-artifacts", "--default-artifact-root", &root]
            .map(str::to_owned)
            .to_vec();
        let server = Mlflow::start(MlflowOptions {
            arguments,
            ..MlflowOptions::default()
        })
        .unwrap();
        let home = Home::at(&server.uri(), Login::None, PATIENT);
        let error = home.train(1).await.unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert!(
            error.to_string().contains(expected)
                && error.to_string().contains("--artifacts-destination"),
            "{error}"
        );
        assert_eq!(home.run(1).await.status, Status::Failed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_a_path_prefix_is_reached_there() {
    let server = Mlflow::start(MlflowOptions {
        prefix: "/ml/flow".to_owned(),
        ..MlflowOptions::default()
    })
    .unwrap();
    for uri in [server.uri(), format!("{}/", server.uri())] {
        let home = Home::at(&uri, Login::None, PATIENT);
        home.train(1).await.unwrap();
        assert!(home.set(1, None).await);
        home.assert_whole(&server.uri());
        let shown = home.tracking.runs(Some(&home.name), 5).await.unwrap();
        let url = shown[0].url.as_deref().unwrap();
        assert!(
            url.starts_with(&format!("{}/#/experiments/", server.uri())),
            "{url}"
        );
    }
}
