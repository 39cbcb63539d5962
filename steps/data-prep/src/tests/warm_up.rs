//! Rows to train on whose windows reach back behind the earliest row: the rows and the values are
//! those of DuckDB on the same SQL.

use std::process::Command;

use serde_json::{Value, json};

use super::shuffle::{events, listed};
use super::*;

const WEEK: &str = r#"SELECT *, count(*) OVER past AS events, max(feature1) OVER past AS most
FROM raw WINDOW past AS (PARTITION BY "customerId" ORDER BY date
    RANGE BETWEEN INTERVAL '2 days' PRECEDING AND CURRENT ROW)"#;

/// Compares the parts of training (`argv[2]`) and holdout (`argv[3]`) with windows over the raw
/// files (`argv[1]`); prints rows by what they are.
const DUCKDB: &str = r#"
import duckdb, json, sys
raw, train, holdout, sql = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
duckdb.sql(f"CREATE VIEW raw AS SELECT * FROM read_parquet('{raw}')")
duckdb.sql(f"CREATE TABLE theirs AS {sql}")
for name, parts in ("train", train), ("holdout", holdout):
    duckdb.sql(f"CREATE TABLE {name} AS SELECT * FROM read_parquet({parts})")
duckdb.sql("CREATE TABLE start AS SELECT min(date) + INTERVAL 2 DAYS AS start FROM raw")
count = lambda sql: duckdb.sql(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
early = "date < (FROM start)"
print(json.dumps({
    "other": count("(FROM train UNION ALL FROM holdout) EXCEPT ALL FROM theirs"),
    "late and missing": count(f"FROM (FROM theirs EXCEPT ALL (FROM train UNION ALL FROM holdout)) WHERE NOT {early}"),
    "early": count(f"FROM theirs WHERE {early}"),
    "early in train": count(f"FROM train WHERE {early}"),
    "early in holdout": count(f"FROM holdout WHERE {early}"),
    "train": count("FROM train"),
}))
"#;

/// Three files of customers who are in all of them; the first row of all is in the last file.
fn bench(warm_up: &str) -> Bench {
    let bench = Bench::new();
    for (index, (from, rows)) in [(300, 400), (700, 1_200), (0, 300)].into_iter().enumerate() {
        bench.write(&train_key(index), &events(from, rows));
    }
    let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
    contract["lookback"] = json!("2 days");
    contract["warm_up"] = json!(warm_up);
    bench.configure("dataset.json", &contract.to_string());
    bench.configure("features.sql", WEEK);
    bench
}

fn parts(bench: &Bench, data: &DatasetManifest) -> String {
    let parts = data.parts.iter();
    let parts = parts.map(|part| bench.store.local_path(&part.key).unwrap());
    json!(parts.collect::<Vec<_>>()).to_string()
}

/// What DuckDB finds.
fn compared(bench: &Bench, train: &DatasetManifest, holdout: &DatasetManifest) -> Value {
    let raw = bench.home.path().join("raw/train/*.parquet");
    let ran = Command::new(testing::python().unwrap())
        .args(["-c", DUCKDB, raw.to_str().unwrap()])
        .args([&parts(bench, train), &parts(bench, holdout), WEEK])
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn early_rows_are_left_out_of_training_alone_as_duckdb_says() {
    for holdout in ["first-shard", "fraction=0.3", "after=2024-01-05"] {
        let bench = bench("drop");
        let rule = format!("--holdout={holdout}");
        let outputs = bench.prepare_shuffled(&[&rule], 5).await.unwrap();
        let (train, held_out) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
        let found = compared(&bench, &train, &held_out);
        assert_eq!(found["other"], 0, "{holdout}: {found}");
        assert_eq!(found["late and missing"], 0, "{holdout}: {found}");
        assert_eq!(found["early in train"], 0, "{holdout}: {found}");
        assert!(found["train"].as_u64().unwrap() > 200, "{holdout}: {found}");
        let of = |name: &str| found[name].as_u64().unwrap();
        let left_out = of("early") - of("early in holdout");
        assert!(left_out > 100, "{holdout}: {found}");
        assert_eq!((train.left_out.warm_up, train.short_history), (left_out, 0));
        assert_eq!(
            train.left_out.to_string(),
            format!("{left_out} rows by warm_up")
        );
        assert_eq!(outputs.get("left-out"), Some(&*left_out.to_string()));
        assert_eq!(train.rows, of("train"));
        assert_eq!(held_out.left_out.warm_up, 0);
        // What is held out judges models of other lookbacks too, and stays whole.
        if holdout != "after=2024-01-05" {
            assert!(of("early in holdout") > 50, "{holdout}: {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_rows_are_taken_and_counted_by_default() {
    let bench = bench("count");
    bench
        .prepare_shuffled(&["--holdout=fraction=0.3"], 5)
        .await
        .unwrap();
    let (train, held_out) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    let found = compared(&bench, &train, &held_out);
    assert_eq!(
        (&found["other"], &found["late and missing"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(train.rows + held_out.rows, 1_900);
    assert!(train.short_history > 100);
    assert_eq!(found["early in train"], train.short_history);
    assert!(train.left_out.is_none());
    // It is the contract that names them, and another one makes another data version.
    let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
    contract["warm_up"] = json!("drop");
    bench.configure("dataset.json", &contract.to_string());
    let text = failure(2, bench.plan(&[]).await);
    assert!(text.contains("dataset.json was"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_early_rows_whatever_the_groups() {
    let first = bench("drop");
    first
        .prepare_shuffled(&["--parallelism=1"], 64)
        .await
        .unwrap();
    let expected = first.digests().await;
    assert!(first.manifest(TRAIN).await.left_out.warm_up > 100);
    for groups in [7, 64] {
        let other = first.on(2, 1 << 30);
        let groups = format!("--parallelism={groups}");
        let planned = other.plan_shuffle(&[&groups], 64).await.unwrap();
        assert!(listed(&planned, "reduce-groups").len() > 6);
        other.prepare_shuffled(&[&groups], 64).await.unwrap();
        assert_eq!(other.digests().await, expected, "{groups}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_left_to_train_on_is_said() {
    let bench = bench("drop");
    let contract = bench.dataset().replace("2 days", "30 days");
    bench.configure("dataset.json", &contract);
    let text = failure(
        10,
        bench.prepare_shuffled(&["--holdout=fraction=0.3"], 3).await,
    );
    assert!(
        text.contains("within `lookback` of the earliest row"),
        "{text}"
    );
    assert!(!bench.visible().await);
}
