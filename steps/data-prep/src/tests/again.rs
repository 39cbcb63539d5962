//! A holdout that is prepared once more, by another configuration than its own.

use std::time::Duration;

use catalog::compared::Compared;
use catalog::fanout::Plan;
use runtime::retry::Budget;
use serde_json::Value;
use store::{Access, Environment, Role};
use table::config::Config;
use testing::{Fault, HttpProxy, Minio, Rule};

use super::*;
use crate::job::Job;

const OTHER: &str = "SELECT *, feature1 * 2 AS twice FROM raw";

impl Bench {
    /// Prepares training data and holdout; gives the arguments of `plan` by which another
    /// configuration, of these files, prepares the holdout once more.
    pub(super) async fn held_out(
        &self,
        arguments: &[&str],
        dataset: &str,
        features: &str,
    ) -> [String; 3] {
        self.prepare(arguments).await.unwrap();
        let config = Config::parse(dataset.to_owned(), features.to_owned()).unwrap();
        [
            "--split=holdout".to_owned(),
            format!("--config={}", config.pin(&self.store).await.unwrap()),
            format!("--holdout-manifest={HOLDOUT}"),
        ]
    }

    pub(super) fn dataset(&self) -> String {
        fs::read_to_string(self.home.path().join("config/dataset.json")).unwrap()
    }

    async fn again(&self, arguments: &[String; 3]) -> Result<Outputs> {
        self.prepare(&arguments.each_ref().map(String::as_str))
            .await
    }

    /// The rows that `map` tells of, over all groups.
    async fn mapped(&self, arguments: &[String; 3]) -> u64 {
        let arguments = arguments.each_ref().map(String::as_str);
        let planned = self.plan(&arguments).await.unwrap();
        let mut rows = 0;
        for group in groups(&planned) {
            let mapped = self.map(&planned, &group).await.unwrap();
            rows += mapped.get("rows").unwrap().parse::<u64>().unwrap();
        }
        rows
    }

    /// What is committed, as whoever scores on it finds it.
    pub(super) async fn found(&self, [_, config, _]: &[String; 3]) -> DatasetManifest {
        let holdout = self.manifest(HOLDOUT).await;
        let compared = Compared {
            holdout: &holdout,
            config: config.strip_prefix("--config=").unwrap(),
            timezone: self.step.timezone(),
        };
        compared.read(&self.store).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_the_rows_of_the_holdout_and_the_features_of_the_other_configuration() {
    for rule in ["first-shard", "fraction=0.4", "after=2024-01-20"] {
        let bench = Bench::with_files(&[30, 40, 50]);
        let rule = format!("--holdout={rule}");
        let arguments = bench.held_out(&[&rule], &bench.dataset(), OTHER).await;
        let before = bench.digests().await;
        let mapped = bench.mapped(&arguments).await;
        let committed = bench.again(&arguments).await.unwrap();
        let (found, holdout) = (bench.found(&arguments).await, bench.manifest(HOLDOUT).await);
        assert_eq!((found.rows, mapped), (holdout.rows, holdout.rows), "{rule}");
        assert_eq!(committed.get("rows"), Some(found.rows.to_string().as_str()));
        assert_eq!(committed.get("holdout-manifest"), Some(""));
        assert_eq!(committed.get("quarantined"), Some("0"));
        let (ours, theirs) = (bench.rows(&found), bench.rows(&holdout));
        assert_eq!(texts(&ours, "customerId"), texts(&theirs, "customerId"));
        let twice: Vec<f64> = floats(&theirs, "feature1")
            .iter()
            .map(|x| x * 2.0)
            .collect();
        assert_eq!(floats(&ours, "twice"), twice, "{rule}");
        let contents = |manifest: &DatasetManifest| {
            let shards = manifest.shards.iter();
            let content = shards.map(|shard| (shard.key.clone(), shard.sha256.clone(), shard.rows));
            content.collect::<Vec<_>>()
        };
        assert_eq!(contents(&found), contents(&holdout));

        // Nothing else is touched, and nothing is done twice.
        let after = bench.digests().await;
        let key = committed.get("manifest").unwrap();
        let folder = key.strip_suffix("_manifest.json").unwrap();
        assert!(folder.starts_with("compared/25.05.1/"), "{folder}");
        for (key, digest) in &after {
            assert!(
                before.get(key) == Some(digest) || key.starts_with(folder),
                "{key}"
            );
        }
        let second = bench.again(&arguments).await.unwrap();
        assert_eq!(second.get("reused"), Some("true"), "{rule}");
        assert_eq!(bench.mapped(&arguments).await, found.rows, "{rule}");
        assert_eq!(bench.digests().await, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_label_are_left_out_whatever_the_contract_says() {
    let bench = Bench::new();
    let mut rows = sample(0, 30);
    let labels = (0..30).map(|i| (i >= 4).then_some(i64::from(i % 7 > 0)));
    rows = with(&rows, "target", Arc::new(Int64Array::from_iter(labels)));
    bench.write(&train_key(0), &rows);
    bench.write(&train_key(1), &sample(1, 40));
    let strict = bench.dataset();
    let mut drops: Value = serde_json::from_str(&strict).unwrap();
    drops["unlabelled"] = "drop".into();
    bench.configure("dataset.json", &drops.to_string());
    let arguments = bench.held_out(&[], &strict, OTHER).await;
    bench.again(&arguments).await.unwrap();
    let found = bench.found(&arguments).await;
    assert_eq!((found.rows, found.left_out.unlabelled), (26, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_what_they_were_are_in_its_manifest_until_they_are_again() {
    for (what, gone, expected) in [
        (
            "gone",
            true,
            "raw file train/train_00.parquet of the holdout is gone from",
        ),
        (
            "changed",
            false,
            "raw file train/train_00.parquet was changed since the holdout was prepared",
        ),
    ] {
        let bench = Bench::with_files(&[30, 40]);
        let arguments = bench.held_out(&[], &bench.dataset(), OTHER).await;
        let path = bench.raw_path(&train_key(0));
        let bytes = fs::read(&path).unwrap();
        match what {
            "gone" => fs::remove_file(&path).unwrap(),
            _ => bench.write(&train_key(0), &sample(7, 30)),
        }
        let mut committed = Vec::new();
        for _ in 0..2 {
            let outputs = bench.again(&arguments).await.unwrap();
            assert_eq!(outputs.get("quarantined"), Some("1"), "{what}");
            let found = bench.found(&arguments).await;
            assert_eq!((found.rows, found.quarantined[0].gone), (0, gone));
            let reason = &found.quarantined[0].reason;
            assert!(reason.starts_with(expected), "{reason}");
            committed.push(bench.digests().await);
        }
        assert_eq!(committed[0], committed[1], "{what}");

        fs::write(&path, bytes).unwrap();
        bench.again(&arguments).await.unwrap();
        let found = bench.found(&arguments).await;
        assert_eq!((found.rows, found.quarantined.len()), (30, 0), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_break_the_other_contract_are_in_its_manifest() {
    let bench = Bench::with_files(&[30, 40]);
    let mut strict: Value = serde_json::from_str(&bench.dataset()).unwrap();
    for column in strict["columns"].as_array_mut().unwrap() {
        if column["name"] == "feature1" {
            column["max"] = 50.into();
        }
    }
    let arguments = bench.held_out(&[], &strict.to_string(), OTHER).await;
    let committed = bench.again(&arguments).await.unwrap();
    assert_eq!(committed.get("quarantined"), Some("1"));
    let found = bench.found(&arguments).await;
    let bad = &found.quarantined[0];
    assert!(
        !bad.gone
            && bad.reason.contains("train/train_00.parquet")
            && bad.reason.contains("feature1"),
        "{}",
        bad.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_made_of_it_is_made_anew() {
    let bench = Bench::with_files(&[30, 40]);
    let arguments = bench.held_out(&[], &bench.dataset(), OTHER).await;
    let committed = bench.again(&arguments).await.unwrap();
    let before = bench.digests().await;
    let key = committed.get("manifest").unwrap();
    let mut old: Value = bench.store.require_json(key).await.unwrap();
    old["inputs"]["algorithm"] = "1".into();
    old["fingerprint"] = "f".repeat(64).into();
    bench.store.put_json(key, &old).await.unwrap();
    let outputs = bench.again(&arguments).await.unwrap();
    assert_eq!(outputs.get("reused"), Some("false"));
    assert_eq!(bench.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_arguments_have_to_fit_the_holdout() {
    let bench = Bench::with_files(&[30, 40]);
    let [split, config, manifest] = bench.held_out(&[], &bench.dataset(), OTHER).await;
    for (arguments, expected) in [
        (&[&*split, &config][..], "--holdout-manifest is missing"),
        (&[&split, &manifest], "--config is missing"),
        (
            &[&split, &config, &manifest, "--data-version=other"],
            "and not the holdout of other",
        ),
        (
            &[
                &split,
                &config,
                "--holdout-manifest=train/25.05.1/_manifest.json",
            ],
            "is the train data of 25.05.1",
        ),
    ] {
        let text = failure(2, bench.plan(arguments).await);
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_other_data_have_the_bytes_of_before() {
    let bench = Bench::with_files(&[30, 40]);
    let planned = bench.plan(&[]).await.unwrap();
    let key = planned.get("plan").unwrap();
    let written: Value = bench.store.require_json(key).await.unwrap();
    let names: Vec<&String> = written["job"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "columns",
            "config",
            "data_version",
            "holdout",
            "quarantine",
            "retouched",
            "timezone"
        ]
    );
    let plan: Plan<Job> = Plan::read(&bench.store, key).await.unwrap();
    assert!(!plan.job.is_again());
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_that_refuses_or_is_away_is_no_fault_of_the_files() {
    let minio = Minio::start().unwrap();
    let proxy = HttpProxy::start(minio.port()).unwrap();
    let bench = Bench::with_files(&[30, 40]);
    let arguments = bench.held_out(&[], &bench.dataset(), OTHER).await;
    let raw = |secret: Option<&str>, budget: Budget| {
        let mut variables: BTreeMap<String, String> = minio.variables().into_iter().collect();
        variables.insert("AWS_ENDPOINT_URL".to_owned(), proxy.url());
        if let Some(secret) = secret {
            variables.insert("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned());
        }
        let access = Access {
            budget,
            ..Access::new(Role::Raw, Environment::of(variables))
        };
        Store::create_with(&format!("s3://{}/raw", Minio::BUCKET), &access).unwrap()
    };
    let bytes = bench.raw.require(&train_key(0)).await.unwrap();
    let patient = Budget::default();
    raw(None, patient).put(&train_key(0), bytes).await.unwrap();

    let arguments = arguments.each_ref().map(String::as_str);
    let planned = bench.plan(&arguments).await.unwrap();
    let map = async |raw: &Store| {
        let (plan, group) = (planned.get("plan").unwrap(), &groups(&planned)[0]);
        let group = [plan, group.as_str()];
        map::map(&bench.step, &bench.store, raw, group, Stage::Map).await
    };
    failure(2, map(&raw(Some("not-the-secret"), patient)).await);
    let expired = "<Error><Code>ExpiredToken</Code><Message>it has expired</Message></Error>";
    for (code, status, text) in [(2, 403, expired), (75, 503, "")] {
        proxy.set([Rule::always(Fault::Status(status, text.to_owned()))]);
        let spent = Budget(Duration::from_secs(3));
        failure(code, map(&raw(None, spent)).await);
    }
    let text = failure(2, bench.commit(&planned).await);
    assert!(text.contains("is not done"), "{text}");

    proxy.set([]);
    map(&raw(None, patient)).await.unwrap();
    let committed = bench.commit(&planned).await.unwrap();
    assert_eq!(committed.get("quarantined"), Some("0"));
}
