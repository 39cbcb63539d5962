//! A run from raw files to published predictions, and what others read of it.

use testing::postgres;

use super::lab::{Lab, Ran};

/// The Python of docs/reading-results.md.
fn documented() -> String {
    let page = include_str!("../../../../docs/reading-results.md");
    let blocks: Vec<&str> = page
        .split("```python\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert_eq!(
        blocks.len(),
        5,
        "one block of Python for each thing that is read"
    );
    blocks.concat()
}

#[test]
fn others_read_what_a_pipeline_leaves_behind() {
    let lab = Lab::new();
    lab.sample_data(3_000, 3, 2);
    lab.pipeline(&[]).expect(0);
    let read = lab.python(&documented().replace("customer-classifier", &lab.name));
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines[..2], ["rows 6000", "same True"], "{read}");
    assert!(
        lines[2].starts_with("training runs 1 roc_auc 0.7"),
        "{read}"
    );
    assert_eq!(lines[3], "champion 1 logistic-regression", "{read}");
    assert!(lines[4].contains("feature1_times_feature2"), "{read}");
    assert_eq!(lines[5], "published 6000 mean agrees True", "{read}");
    assert!(
        lines[6].starts_with("cells True all rows True median near "),
        "{read}"
    );

    // What is counted of one day is the same wherever it is counted or shown.
    let mut python = lab.program(&testing::python().unwrap());
    python
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/services/one_day.py"
        ))
        .arg(env!("CARGO_BIN_EXE_alameda"))
        .arg(lab.home())
        .arg(&lab.name);
    Ran::from(python.output().unwrap()).expect(0);
}

/// Rows of the lab's table with a digest of all their cells, by Postgres itself.
fn table(lab: &Lab) -> String {
    let all = "SELECT count(*), md5(string_agg(predictions::text, ',' ORDER BY predictions::text)) FROM predictions";
    postgres().psql(&lab.name, all).unwrap()
}

/// Keys and digests of the lab's objects but those of a run itself, by boto3.
fn objects(lab: &Lab) -> String {
    lab.python(
        "import boto3, hashlib, os\n\
         bucket, _, prefix = os.environ['STORE_URL'].removeprefix('s3://').partition('/')\n\
         s3 = boto3.client('s3')\n\
         for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix + '/'):\n\
         \x20   for found in page.get('Contents', []):\n\
         \x20       key = found['Key'].removeprefix(prefix + '/')\n\
         \x20       if not key.startswith(('_attempts/', '_work/')) and '/verdict-' not in key:\n\
         \x20           body = s3.get_object(Bucket=bucket, Key=found['Key'])['Body'].read()\n\
         \x20           print(key, hashlib.sha256(body).hexdigest())\n\
         uploads = s3.list_multipart_uploads(Bucket=bucket).get('Uploads', [])\n\
         assert not [upload for upload in uploads if upload['Key'].startswith(prefix)], uploads\n",
    )
}

/// Ids, kinds and states of the lab's runs, and versions of its models, by MLflow's own client.
fn tracked(lab: &Lab) -> String {
    lab.python(
        &"import mlflow\n\
         client = mlflow.MlflowClient()\n\
         experiment = client.get_experiment_by_name('LAB')\n\
         for run in client.search_runs([experiment.experiment_id], max_results=1000):\n\
         \x20   if run.data.tags.get('alameda.step'):\n\
         \x20       print(run.info.run_id, run.data.tags['alameda.step'], run.info.status)\n"
            .replace("LAB", &lab.name),
    )
}

#[test]
fn a_second_run_on_the_same_inputs_changes_nothing() {
    let lab = Lab::new();
    lab.sample_data(1_000, 3, 2);
    lab.pipeline(&[]).expect(0);
    let before = (table(&lab), objects(&lab), tracked(&lab));
    assert!(before.0.starts_with("2000|"), "{}", before.0);
    assert!(
        before.2.contains("model-training FINISHED")
            && before.2.contains("model-monitoring FINISHED"),
        "{}",
        before.2
    );
    lab.pipeline(&[]).expect(0);
    assert_eq!((table(&lab), objects(&lab), tracked(&lab)), before);
}

#[test]
fn a_night_whose_publishing_failed_is_caught_up_by_the_next_though_it_has_nothing_to_score() {
    let mut lab = Lab::new();
    lab.sample_data(600, 3, 2);
    lab.pipeline(&[]).expect(0);
    let night = |lab: &Lab, version: &str, shards: &str| {
        let given = [
            format!("data-version={version}"),
            format!("predict-shards={shards}"),
            format!("model-name={}", lab.name),
        ];
        let mut arguments = vec!["submit", "--from", "workflowtemplate/alameda-inference"];
        given
            .iter()
            .for_each(|given| arguments.extend(["-p", given]));
        lab.alameda(&arguments)
    };
    let versions = "SELECT string_agg(DISTINCT data_version, ' ') FROM predictions";
    let versions = |lab: &Lab| postgres().psql(&lab.name, versions).unwrap();
    let url = lab.get("DATABASE_URL").to_owned();
    lab.set("DATABASE_URL", &url.replace(&lab.name, "absent"));
    let shown = night(&lab, "2", "all").expect(1).shown();
    assert!(shown.contains("absent"), "{shown}");
    assert_eq!(versions(&lab), "25.05.1");

    lab.set("DATABASE_URL", &url);
    let shown = night(&lab, "3", "new").expect(0).shown();
    assert!(shown.contains("nothing to score"), "{shown}");
    assert_eq!(versions(&lab), "2");
    let log = lab.alameda(&["logs", "@latest", "publish-predictions-publish"]);
    let log = log.expect(0).shown();
    assert!(log.contains("caught up: 1 earlier results"), "{log}");
}
