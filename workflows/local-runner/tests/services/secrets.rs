//! No secret is ever shown: not by a run that succeeds, not by one that fails, not to those who
//! watch processes.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use testing::{Minio, Postgres};

use super::lab::{Lab, Ran};

/// A password that is wrong everywhere.
const WRONG: &str = "wrong-secret-7Jp4";

/// Fails the test if a text holds a secret.
fn assert_silent(what: &str, text: &str) {
    for secret in [Minio::PASSWORD, Postgres::PASSWORD, WRONG] {
        assert!(!text.contains(secret), "{what} tells a secret:\n{text}");
    }
}

/// Looks at every file below a folder.
fn assert_silent_files(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            assert_silent_files(&path);
        } else {
            assert_silent(
                &path.display().to_string(),
                &String::from_utf8_lossy(&fs::read(&path).unwrap()),
            );
        }
    }
}

/// Runs `work`, and meanwhile collects the command lines of all processes of the machine that
/// mention `alameda`.
fn watched(work: impl FnOnce() -> Ran) -> (Ran, String) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    // A process may end while it is looked at.
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if line.contains("--workflow=") {
                        seen.insert(line);
                    }
                }
                std::thread::yield_now();
            }
            seen.into_iter().collect::<Vec<_>>().join("\n")
        });
        let ran = work();
        done.store(true, Ordering::Relaxed);
        (ran, watcher.join().unwrap())
    })
}

/// Everything that is in the lab's bucket and tracked of it, as one text, by other people's
/// clients.
fn kept(lab: &Lab) -> String {
    lab.python(
        "import boto3, mlflow, os\n\
         bucket, _, prefix = os.environ['STORE_URL'].removeprefix('s3://').partition('/')\n\
         s3 = boto3.client('s3')\n\
         for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix):\n\
         \x20   for found in page.get('Contents', []):\n\
         \x20       body = s3.get_object(Bucket=bucket, Key=found['Key'])['Body'].read()\n\
         \x20       print(found['Key'], body.decode('latin-1'))\n\
         client = mlflow.MlflowClient()\n\
         def artifacts(run, path=None):\n\
         \x20   for item in client.list_artifacts(run, path):\n\
         \x20       if item.is_dir:\n\
         \x20           artifacts(run, item.path)\n\
         \x20       else:\n\
         \x20           print(item.path, open(client.download_artifacts(run, item.path), encoding='latin-1').read())\n\
         for experiment in client.search_experiments():\n\
         \x20   for run in client.search_runs([experiment.experiment_id]):\n\
         \x20       print(run.to_dictionary())\n\
         \x20       artifacts(run.info.run_id)\n\
         for model in client.search_registered_models():\n\
         \x20   print(model)\n\
         for version in client.search_model_versions():\n\
         \x20   print(version)\n",
    )
}

#[test]
fn a_run_that_succeeds_tells_no_secret() {
    let mut lab = Lab::new();
    lab.set("RUST_LOG", "debug");
    lab.sample_data(500, 2, 1);
    let (ran, lines) = watched(|| lab.pipeline(&[]));
    let ran = ran.expect(0);
    assert!(
        lines.contains("model-training"),
        "the watcher saw the steps: {lines}"
    );
    assert_silent("the terminal", &ran.shown());
    assert_silent("a command line", &lines);
    assert_silent_files(&lab.home());
    let kept = kept(&lab);
    assert!(
        kept.contains("_manifest.json") && kept.contains("model.json"),
        "everything was looked at"
    );
    assert_silent("what is kept", &kept);
}

#[test]
fn help_tells_no_secret() {
    let lab = Lab::new();
    for step in [
        "data-prep",
        "model-training",
        "model-promotion",
        "batch-inference",
        "publish-predictions",
        "model-monitoring",
    ] {
        let help = |arguments: &[&str]| {
            let ran: Ran = lab
                .program(Path::new(env!("CARGO_BIN_EXE_alameda")))
                .args(arguments)
                .output()
                .unwrap()
                .into();
            ran.expect(0).shown()
        };
        let shown = help(&[step, "--help"]);
        assert_silent(step, &shown);
        let verbs = shown.split_once("Commands:").map_or("", |(_, rest)| rest);
        let verbs: Vec<&str> = verbs
            .lines()
            .skip(1)
            .map_while(|line| line.split_whitespace().next())
            .collect();
        assert!(!verbs.is_empty(), "{shown}");
        for verb in verbs.iter().filter(|verb| **verb != "help") {
            assert_silent(verb, &help(&[step, verb, "--help"]));
        }
    }
}

#[test]
fn runs_that_fail_tell_no_secret() {
    let mut lab = Lab::new();
    lab.sample_data(500, 2, 1);
    let right = lab.variables.clone();
    let url = lab.get("DATABASE_URL").to_owned();
    let password_in_uri = lab
        .get("MLFLOW_TRACKING_URI")
        .replace("http://", &format!("http://somebody:{WRONG}@"));
    let cases = [
        ("AWS_SECRET_ACCESS_KEY", WRONG.to_owned()),
        (
            "AWS_ENDPOINT_URL",
            format!("http://user:{WRONG}@127.0.0.1:1"),
        ),
        ("MLFLOW_TRACKING_URI", password_in_uri),
        ("DATABASE_URL", url.replace(Postgres::PASSWORD, WRONG)),
        (
            "DATABASE_URL",
            format!("postgres://user:{WRONG}@127.0.0.1:1/none"),
        ),
        (
            "DATABASE_URL",
            format!("postgres://user:{WRONG}@127.0.0.1:port/none?sslmode=odd"),
        ),
    ];
    for (name, value) in cases {
        lab.variables.clone_from(&right);
        lab.set(name, &value);
        lab.set("ALAMEDA_RETRY_BUDGET", "1s");
        lab.set("RUST_LOG", "debug");
        let ran = lab.pipeline(&[]);
        assert_ne!(
            ran.code,
            Some(0),
            "{name}={value} is wrong, and the pipeline did not notice:\n{}",
            ran.shown()
        );
        assert_silent(name, &ran.shown());
        assert_silent_files(&lab.home());
    }
    lab.variables = right;
    assert_silent("what is kept", &kept(&lab));
}
