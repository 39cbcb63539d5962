//! Rows to train on that were scored before their labels came.

use std::process::Command;

use catalog::layout;
use catalog::manifest::{Header, Inputs, RawShard, ResultsManifest};
use serde_json::{Value, json};

use super::*;

/// Compares the parts (`argv[2]`) with the join of the files scored until the 19th with the labels
/// below `argv[1]`, of which the last file's holds.
const DUCKDB: &str = r#"
import duckdb, json, sys
raw, parts = sys.argv[1], json.loads(sys.argv[2])
duckdb.sql(f"CREATE TABLE ours AS SELECT customerId, date, feature1, target FROM read_parquet({parts})")
duckdb.sql(f"""CREATE TABLE theirs AS
    SELECT customerId, date, feature1, late.target
    FROM read_parquet(['{raw}/predict/n1.parquet', '{raw}/predict/n2.parquet']) JOIN (
        SELECT customerId, date, max_by(target, filename) AS target
        FROM read_parquet('{raw}/labels/*.parquet', filename = true)
        WHERE target IS NOT NULL GROUP BY ALL) AS late USING (customerId, date)""")
count = lambda sql: duckdb.sql(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
print(json.dumps({
    "ours": count("FROM ours"),
    "theirs": count("FROM theirs"),
    "other": count("(FROM ours EXCEPT ALL FROM theirs) UNION ALL (FROM theirs EXCEPT ALL FROM ours)"),
}))
"#;

const SOURCE: [&str; 4] = [
    "--train-source=scored-and-labelled",
    "--model-name=m",
    "--data-version=2026-11-20",
    "--holdout=fraction=0.3",
];

fn source<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SOURCE[..], more].concat()
}

/// Three nights without labels, and label files: a row of the first night is labelled in two, and
/// one row in six has none.
async fn bench() -> Bench {
    let bench = Bench::new();
    for (night, rows) in [(1, 300), (2, 200), (3, 100)] {
        let key = format!("predict/n{night}.parquet");
        bench.write(&key, &without(&sample(night, rows), "target"));
        bench
            .has_scored(&format!("2026-11-{}", 17 + night), &[&key])
            .await;
    }
    for (file, (night, rows)) in [(1, 250), (2, 150), (1, 100)].into_iter().enumerate() {
        let labels = sample(night, rows);
        // The last file takes back what the first has said of the same rows.
        let targets = (0..rows).map(|i| match (file, i % 11) {
            (_, 3) => None,
            (2, _) => Some(i64::from(i % 7 == 0)),
            _ => Some(i64::from(i % 7 > 0)),
        });
        let labels = with(&labels, "target", Arc::new(Int64Array::from_iter(targets)));
        let labels = without(&without(&labels, "feature1"), "feature2");
        bench.write(&format!("labels/{file}.parquet"), &labels);
    }
    bench
}

impl Bench {
    /// Says that `m` has scored these files, as they are now.
    async fn has_scored(&self, data_version: &str, files: &[&str]) {
        let version = layout::DataVersion::parse(data_version, self.step.timezone()).unwrap();
        let mut shards = Vec::new();
        for key in files {
            let found = self.raw.head(key).await.unwrap().unwrap();
            let sha256 = hash_file(&self.raw_path(key)).unwrap().sha256;
            shards.push(RawShard {
                key: found.key,
                bytes: found.bytes,
                stamp: found.stamp,
                sha256,
                rows: 1,
                time: None,
            });
        }
        let name: layout::ModelName = "m".parse().unwrap();
        let key = layout::manifest(&layout::scored(&version, &name, 1));
        let results = ResultsManifest {
            header: Header::new(Inputs::new("batch-inference", 1), &self.step),
            data_version: version,
            model_name: name,
            model_version: 1,
            model: String::new(),
            predict_manifest: String::new(),
            columns: Vec::new(),
            rows: 0,
            unscored_rows: 0,
            parts: Vec::new(),
            profiles: Vec::new(),
            shards,
            quarantined: Vec::new(),
            left_out: Default::default(),
        };
        self.store.put_json(&key, &results).await.unwrap();
    }

    async fn both(&self, outputs: &Outputs) -> [DatasetManifest; 2] {
        let read = async |name| self.manifest(outputs.get(name).unwrap()).await;
        [read("manifest").await, read("holdout-manifest").await]
    }
}

fn compared(bench: &Bench, data: &[DatasetManifest]) -> Value {
    let parts = data.iter().flat_map(|data| &data.parts);
    let parts = parts.map(|part| bench.store.local_path(&part.key).unwrap());
    let parts = json!(parts.collect::<Vec<_>>()).to_string();
    let raw = bench.home.path().join("raw");
    let ran = Command::new(testing::python().unwrap())
        .args(["-c", DUCKDB, raw.to_str().unwrap(), &parts])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_that_duckdb_joins_whatever_the_groups_and_the_memory() {
    let first = bench().await;
    let given = source(&["--label-delay=1"]);
    let outputs = first.prepare(&given).await.unwrap();
    let data = first.both(&outputs).await;
    let found = compared(&first, &data);
    assert_eq!(found["other"], 0, "{found}");
    assert_eq!(found["ours"], found["theirs"], "{found}");
    let [train, holdout] = &data;
    assert_eq!(found["ours"], train.rows + holdout.rows, "{found}");
    assert_eq!(train.left_out.unlabelled, 500 - train.rows - holdout.rows);
    assert!(train.left_out.unlabelled > 100 && holdout.rows > 50);
    let labels: Vec<&str> = train.labels.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(
        labels,
        ["labels/0.parquet", "labels/1.parquet", "labels/2.parquet"]
    );
    let expected = first.digests().await;

    for (groups, memory) in [(1, 1 << 30), (7, 256 << 20), (64, 1 << 30)] {
        let mut other = bench().await;
        other.step = other.step.with_memory(memory).with_threads(1 + groups % 2);
        for night in 1..3 {
            // Written again with the same bytes.
            let path = other.raw_path(&format!("predict/n{night}.parquet"));
            fs::write(&path, fs::read(&path).unwrap()).unwrap();
        }
        let groups = format!("--parallelism={groups}");
        let given = source(&["--label-delay=1", &groups]);
        // One run ends half way, and two go on at once.
        let planned = other.plan(&given).await.unwrap();
        other
            .map(&planned, &self::groups(&planned)[0])
            .await
            .unwrap();
        let both = tokio::join!(other.prepare(&given), other.prepare(&given));
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
        let sum = |digests: &BTreeMap<String, String>| {
            let parts = digests.iter().filter(|(key, _)| key.ends_with(".parquet"));
            parts.map(|(_, digest)| digest.clone()).collect::<Vec<_>>()
        };
        assert_eq!(sum(&other.digests().await), sum(&expected), "{groups}");
        assert_eq!(
            other.prepare(&given).await.unwrap().get("reused"),
            Some("true")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_counts_once_its_labels_have_had_time_to_come() {
    let bench = bench().await;
    for (days, files) in [("0", 3), ("1", 2), ("2", 1)] {
        let version = format!("--data-version=2026-11-2{days}");
        let delay: u64 = days.parse().unwrap();
        let delay = format!("--label-delay={}", 2 * delay);
        let given = [&SOURCE[..2], &[SOURCE[3], &version, &delay]].concat();
        let planned = bench.plan(&given).await.unwrap();
        let plan: Value = bench
            .store
            .require_json(planned.get("plan").unwrap())
            .await
            .unwrap();
        assert_eq!(plan["shards"].as_array().unwrap().len(), files, "{plan}");
    }
    // The third night has no label at all.
    let outputs = bench.prepare(&SOURCE).await.unwrap();
    let [train, _] = bench.both(&outputs).await;
    let said = train.warnings.join("\n");
    assert!(
        said.contains("no row of 1 scored files has a label yet: predict/n3"),
        "{said}"
    );
    // Labels that come later make other data.
    bench.write("labels/9.parquet", &without(&sample(3, 50), "feature1"));
    let text = failure(2, bench.plan(&SOURCE).await);
    assert!(text.contains("labels"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_of_the_last_days_counts_back_from_the_date_of_the_version() {
    let bench = bench().await;
    bench.write("train/1.parquet", &sample(4, 50));
    let days = ["--data-version=2026-11-20", "--holdout=after=-5d"];
    let of_scored = [&SOURCE[..2], &days, &["--label-delay=1"]].concat();
    for (given, rule) in [
        (&of_scored[..], "after=2026-11-14"),
        (&days, "after=2026-11-15"),
    ] {
        let planned = bench.plan(given).await.unwrap();
        let key = planned.get("plan").unwrap();
        let plan: Value = bench.store.require_json(key).await.unwrap();
        assert!(plan.to_string().contains(&format!("\"{rule}\"")), "{plan}");
    }
    let text = failure(2, bench.plan(&days[1..]).await);
    assert!(
        text.contains("the holdout after=-5d (HOLDOUT)") && text.contains("25.05.1 is not a date"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_said_with_what_to_do() {
    let bench = bench().await;
    let text = failure(2, bench.plan(&source(&["--label-delay=9"])).await);
    assert!(text.contains("lower --label-delay (LABEL_DELAY)"), "{text}");
    let text = failure(2, bench.plan(&source(&["--labels-glob=none/*.csv"])).await);
    assert!(text.contains("set --labels-glob (LABELS_GLOB)"), "{text}");
    let text = failure(2, bench.plan(&[SOURCE[0], SOURCE[1]]).await);
    assert!(text.contains("25.05.1 is not a date"), "{text}");
    let text = failure(2, bench.plan(&[SOURCE[0], SOURCE[2]]).await);
    assert!(text.contains("--model-name is missing"), "{text}");

    let planned = bench.plan(&SOURCE).await.unwrap();
    let all = sample(1, 20);
    let wrong = with(
        &all,
        "target",
        Arc::new(Int64Array::from_iter_values((0..20).map(|i| i / 9))),
    );
    bench.write("labels/3.parquet", &wrong);
    let text = failure(10, bench.prepare(&SOURCE).await);
    assert!(
        text.contains("labels/3.parquet") && text.contains("row 19"),
        "{text}"
    );

    bench.write("labels/1.parquet", &all);
    let text = failure(2, bench.map(&planned, &groups(&planned)[0]).await);
    assert!(
        text.contains("labels/1.parquet has changed since it was planned"),
        "{text}"
    );

    fs::remove_file(bench.raw_path("labels/3.parquet")).unwrap();
    bench.write("predict/n2.parquet", &without(&sample(2, 10), "target"));
    let text = failure(2, bench.prepare(&SOURCE).await);
    assert!(
        text.contains("predict/n2.parquet") && text.contains("since it was scored"),
        "{text}"
    );
}

#[test]
fn a_name_that_no_model_may_have_is_refused_by_the_first_step_of_every_training() {
    let parsed = |name: &str| {
        let name = format!("--model-name={name}");
        let line = ["data-prep", "--raw-url=unused", "--config-dir=unused"];
        let more = ["--split=train", "--data-version=1", name.as_str()];
        Line::try_parse_from(line.into_iter().chain(more)).map(drop)
    };
    parsed("customer-classifier").unwrap();
    let text = parsed("Customer_Classifier").unwrap_err().to_string();
    assert!(
        text.contains("--model-name") && text.contains("lower-case letters, digits and dashes"),
        "{text}"
    );
}
