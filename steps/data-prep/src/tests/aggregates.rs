//! Aggregates over the rows to train on: values beside DuckDB and exact sums, in training, holdout,
//! rows to score, and a holdout that is prepared once more.

use std::process::Command;

use serde_json::{Value, json};
use table::config::Config;

use super::shuffle::{events, listed};
use super::*;

const STORE: &str = r#"SELECT "customerId", count(*) AS rows, sum(feature1) AS total,
    avg(feature1) AS mean, min(feature1) AS least, max(date) AS last,
    var_samp(feature1) AS variance, stddev_pop(feature2) AS deviation,
    corr(feature1, feature2) AS together,
    count(CASE WHEN feature2 > 2 THEN 1 END) AS high
FROM train GROUP BY "customerId""#;
const ALL: &str = "SELECT count(*) AS rows, avg(feature2) AS mean FROM train";
/// The share of a customer among all rows to train on.
const FEATURES: &str = r#"SELECT * EXCEPT ("store.last"),
    date_part('epoch', store.last) AS seconds,
    CAST(store.rows AS DOUBLE) / everyone.rows AS share
FROM raw"#;

/// Compares `argv[1]`, a JSON of globs and parts, with DuckDB and with math.fsum; prints the
/// greatest relative differences, and how many rows differ in whole numbers and times.
const DUCKDB: &str = r#"
import duckdb, json, math, sys
given = json.loads(sys.argv[1])
count = lambda sql: duckdb.sql(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
duckdb.sql(f"CREATE VIEW train AS SELECT * FROM read_parquet({given['train']}) WHERE feature2 < 4")
duckdb.sql(f"CREATE TABLE store AS {given['store']}")
duckdb.sql(f"CREATE TABLE everyone AS {given['all']}")
duckdb.sql(f"CREATE VIEW ours AS SELECT * FROM read_parquet({given['parts']})")
joined = 'FROM ours LEFT JOIN store USING ("customerId") CROSS JOIN everyone'
exact = ["rows", "least", "high"]
answer = {
    "rows": count("FROM ours"),
    "unseen": count('FROM ours WHERE "store.rows" IS NULL'),
    "differing": count(f"SELECT 1 {joined} WHERE " + " OR ".join(
        [f'"store.{name}" IS DISTINCT FROM store.{name}' for name in exact]
        + ['"everyone.rows" IS DISTINCT FROM everyone.rows', "seconds IS DISTINCT FROM epoch(store.last)"])),
}
floats = {f'"store.{name}"': f"store.{name}" for name in ("total", "mean", "variance", "deviation", "together")}
floats |= {'"everyone.mean"': "everyone.mean", "share": "store.rows / everyone.rows"}
answer["of DuckDB"] = max(
    duckdb.sql(f"SELECT coalesce(max(abs({ours} - {theirs}) / greatest(abs({theirs}), 1e-3)), 0), "
               f"count(*) FILTER (({ours} IS NULL) <> ({theirs} IS NULL)) {joined}").fetchall()[0]
    for ours, theirs in floats.items())[0]
answer["nulls differ"] = sum(
    count(f"SELECT 1 {joined} WHERE ({ours} IS NULL) <> ({theirs} IS NULL)") for ours, theirs in floats.items())
sums = {key: math.fsum(values) for key, values in
        duckdb.sql('SELECT "customerId", list(feature1) FROM train GROUP BY ALL').fetchall()}
found = duckdb.sql('SELECT DISTINCT "customerId", "store.total", "store.mean", "store.rows" FROM ours '
                   'WHERE "store.rows" IS NOT NULL').fetchall()
answer["of fsum"] = max(max(abs(total / sums[key] - 1), abs(mean * rows / sums[key] - 1)) for key, total, mean, rows in found)
print(json.dumps(answer))
"#;

/// Four files, one of them without rows, the aggregates, and a filter that leaves rows out.
fn bench() -> Bench {
    let bench = Bench::new();
    let files = [(0, 300), (300, 500), (800, 0), (800, 1_200)];
    for (index, (from, rows)) in files.into_iter().enumerate() {
        bench.write(&train_key(index), &events(from, rows));
    }
    let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
    contract["filter"] = json!("feature2 < 4");
    bench.configure("dataset.json", &contract.to_string());
    bench.configure("features.sql", FEATURES);
    bench.configure("aggregate.store.sql", STORE);
    bench.configure("aggregate.everyone.sql", ALL);
    bench
}

/// All verbs in turn.
async fn prepared(bench: &Bench, arguments: &[&str]) -> Result<Outputs> {
    let planned = bench.plan(arguments).await?;
    for group in listed(&planned, "shuffle-groups") {
        bench.shuffle(&planned, &group).await?;
    }
    for group in listed(&planned, "reduce-groups") {
        bench.reduce(&planned, &group).await?;
    }
    for group in groups(&planned) {
        bench.map(&planned, &group).await?;
    }
    bench.commit(&planned).await
}

/// What DuckDB finds in parts, of the rows to train on in these raw files.
fn compared(bench: &Bench, train: &[&str], data: &DatasetManifest) -> Value {
    let train = train.iter().map(|file| bench.raw_path(file));
    let parts = data.parts.iter();
    let parts = parts.map(|part| bench.store.local_path(&part.key).unwrap());
    let given = json!({
        "train": train.collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
        "store": STORE,
        "all": ALL,
    });
    let ran = Command::new(testing::python().unwrap())
        .args(["-c", DUCKDB, &given.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn assert_equal(found: &Value, unseen: std::ops::Range<u64>) {
    assert_eq!(
        (&found["differing"], &found["nulls differ"]),
        (&json!(0), &json!(0)),
        "{found}"
    );
    assert!(found["of DuckDB"].as_f64().unwrap() < 1e-9, "{found}");
    assert!(found["of fsum"].as_f64().unwrap() < 1e-12, "{found}");
    assert!(
        unseen.contains(&found["unseen"].as_u64().unwrap()),
        "{found}"
    );
}

const OF_TRAIN: [&str; 3] = [
    "train/train_01.parquet",
    "train/train_02.parquet",
    "train/train_03.parquet",
];

#[tokio::test(flavor = "multi_thread")]
async fn values_in_training_holdout_and_rows_to_score_are_those_of_duckdb() {
    let bench = bench();
    prepared(&bench, &[]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    for (data, least) in [(&train, 1_000), (&holdout, 200)] {
        assert!(data.rows > least);
        assert_equal(&compared(&bench, &OF_TRAIN, data), 0..1);
    }
    let names: Vec<&str> = train.columns.iter().map(|column| &*column.name).collect();
    assert!(names.contains(&"store.rows") && names.contains(&"share"));
    // The values are part of the configuration, and lie beside it.
    assert_eq!(
        (&train.config, train.aggregates.len()),
        (&holdout.config, 2)
    );
    let table = &train.aggregates[1].key;
    assert_eq!(*table, format!("_config/{}/store.arrow", train.config));

    // Rows to score: some of customers that training never saw.
    let strangers = Arc::new(StringArray::from_iter_values((0..40).map(|row| {
        match row % 4 {
            0 => format!("stranger-{row}"),
            _ => format!("customer-{}", row * row % 23),
        }
    })));
    let rows = with(
        &without(&events(5_000, 40), "target"),
        "customerId",
        strangers,
    );
    bench.write("predict/a.parquet", &rows);
    let mut arguments = bench.select().await;
    let text = failure(2, bench.predict(&arguments).await);
    assert!(
        text.contains("holds aggregates without their values"),
        "{text}"
    );
    arguments[1] = format!("--config={}", train.config);
    let outputs = bench.predict(&arguments).await.unwrap();
    let scored = bench.manifest(outputs.get("manifest").unwrap()).await;
    let found = compared(&bench, &OF_TRAIN, &scored);
    assert_equal(&found, 5..11);
    assert_eq!(found["rows"], scored.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entity_is_read_where_the_query_does_not_select_it() {
    let bench = Bench::new();
    for index in 0..2 {
        let rows = events(100 * index, 100);
        let shops = (0..100).map(|row| format!("shop-{}", row % 7));
        let shops: ArrayRef = Arc::new(StringArray::from_iter_values(shops));
        let schema = rows.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(rows.columns().to_vec());
        let columns = columns.chain([("shop".to_owned(), shops)]);
        bench.write(
            &train_key(index),
            &RecordBatch::try_from_iter(columns).unwrap(),
        );
    }
    let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
    contract["entity"] = json!(["shop"]);
    let shop = json!({"name": "shop", "type": "utf8", "role": "ignored"});
    contract["columns"].as_array_mut().unwrap().push(shop);
    bench.configure("dataset.json", &contract.to_string());
    let sql = r#"SELECT date, "customerId", feature1, everyone.rows, target FROM raw"#;
    bench.configure("features.sql", sql);
    bench.configure("aggregate.everyone.sql", ALL);
    prepared(&bench, &[]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!(train.rows + holdout.rows, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_on_any_threads_groups_and_budget() {
    let first = bench();
    for index in 4..70 {
        first.write(&train_key(index), &events(2_000 + 37 * index, 37));
    }
    prepared(&first, &["--parallelism=1"]).await.unwrap();
    let expected = first.digests().await;
    for (threads, groups, memory) in [(1, 7, 16 << 20), (4, 64, 1 << 30)] {
        let other = first.on(threads, memory);
        for (name, sql) in [("store", STORE), ("everyone", ALL)] {
            other.configure(&format!("aggregate.{name}.sql"), sql);
        }
        let groups = format!("--parallelism={groups}");
        prepared(&other, &[&groups]).await.unwrap();
        assert_eq!(other.digests().await, expected, "{threads} {groups}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_is_measured_with_the_values_of_its_own_training() {
    let bench = bench();
    prepared(&bench, &["--data-version=1"]).await.unwrap();
    let champion = bench.manifest("train/1/_manifest.json").await.config;
    // The candidate's data has more files, the same SQL, and so other values.
    bench.write(&train_key(4), &events(5_000, 900));
    prepared(&bench, &[]).await.unwrap();
    assert_ne!(bench.manifest(TRAIN).await.config, champion);
    let config = format!("--config={champion}");
    let holdout = format!("--holdout-manifest={HOLDOUT}");
    let arguments = ["--split=holdout".to_owned(), config, holdout];
    prepared(&bench, &arguments.each_ref().map(String::as_str))
        .await
        .unwrap();
    let again = bench.found(&arguments).await;
    assert_eq!(again.rows, bench.manifest(HOLDOUT).await.rows);
    assert_equal(&compared(&bench, &OF_TRAIN, &again), 0..1);
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_work_is_reused_and_what_is_lost_is_made_again() {
    let bench = bench();
    prepared(&bench, &["--parallelism=2"]).await.unwrap();
    let expected = bench.digests().await;
    let config = bench.manifest(TRAIN).await.config;
    let planned = bench.plan(&["--parallelism=2"]).await.unwrap();
    assert_eq!(planned.get("reused"), Some("true"));
    for (folder, lost) in [
        ("_work", "/aggregates/"),
        ("_work", "/done/"),
        ("_config", "/store.arrow"),
        ("_config", "/aggregates.json"),
    ] {
        for object in bench.store.list(folder).await.unwrap() {
            if object.key.contains(lost) {
                bench.store.delete(&object.key).await.unwrap();
            }
        }
        if folder == "_work" || lost.ends_with(".json") {
            bench.store.delete(TRAIN).await.unwrap();
        }
        prepared(&bench, &["--parallelism=2"]).await.unwrap();
        assert_eq!(bench.digests().await, expected, "{lost}");
        let config = Config::load(&bench.store, &config).await.unwrap();
        assert_eq!(
            config.tables(&bench.store).await.unwrap().len(),
            2,
            "{lost}"
        );
    }
    // Other SQL is another data version, and says which file was edited.
    bench.configure(
        "aggregate.everyone.sql",
        "SELECT count(*) AS rows FROM train",
    );
    let text = failure(2, bench.plan(&[]).await);
    assert!(text.contains("aggregate.everyone.sql was"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_groups_count_once_and_only_as_they_were_written() {
    let bench = bench();
    prepared(&bench, &["--parallelism=2"]).await.unwrap();
    let expected = bench.digests().await;
    let planned = bench.plan(&["--parallelism=2"]).await.unwrap();
    let work = planned
        .get("plan")
        .unwrap()
        .replace("/plan.json", "/aggregates");
    let keys: Vec<String> = bench
        .store
        .list(&work)
        .await
        .unwrap()
        .into_iter()
        .map(|of| of.key)
        .collect();
    assert_eq!(keys.len(), 2);
    let whole = bench.store.require(&keys[1]).await.unwrap();
    let (mut other, cut) = (whole.clone(), whole[..whole.len() - 1].to_vec());
    *other.last_mut().unwrap() ^= 1;
    let of_another_cut = format!("{work}/000-of-001.bin");
    for (key, bytes) in [
        (&keys[1], other),
        (&keys[1], cut),
        (&keys[1], Vec::new()),
        (&keys[1], whole.clone()),
        (&of_another_cut, whole),
    ] {
        bench.store.put(key, bytes).await.unwrap();
        bench.store.delete(TRAIN).await.unwrap();
        bench.commit(&planned).await.unwrap();
        assert_eq!(bench.digests().await, expected, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_over_aggregates_and_a_bad_file() {
    let bench = bench();
    let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
    contract["lookback"] = json!("2 days");
    bench.configure("dataset.json", &contract.to_string());
    let sql = FEATURES.replace(
        "AS share",
        "AS share, avg(feature1 - store.mean) OVER (PARTITION BY \"customerId\" ORDER BY date \
         RANGE BETWEEN INTERVAL '2 days' PRECEDING AND CURRENT ROW) AS above",
    );
    bench.configure("features.sql", &sql);
    bench.write(&train_key(2), &without(&events(300, 500), "feature1"));
    let lenient = ["--on-bad-shard=quarantine", "--max-bad-shards=1"];
    prepared(&bench, &lenient).await.unwrap();
    let train = bench.manifest(TRAIN).await;
    assert_eq!(train.quarantined.len(), 1);
    let read = [OF_TRAIN[0], OF_TRAIN[2]];
    assert_equal(&compared(&bench, &read, &train), 0..1);
    let above = floats(&bench.rows(&train), "above");
    assert!(above.iter().any(|value| *value > 1.0) && above.iter().any(|value| *value < -1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_of_the_rows_that_are_trained_on_whatever_leaves_others_out() {
    for rule in ["first-shard", "fraction=0.3", "after=2024-01-04"] {
        let bench = bench();
        let mut contract: Value = serde_json::from_str(&bench.dataset()).unwrap();
        contract["train_filter"] = json!("feature1 > 45");
        contract["unlabelled"] = json!("drop");
        bench.configure("dataset.json", &contract.to_string());
        let rows = events(800, 1_200);
        let labels = (0..1_200).map(|row| (row % 4 > 0).then_some(i64::from(row % 3 > 0)));
        let labels = Arc::new(Int64Array::from_iter(labels));
        bench.write(&train_key(3), &with(&rows, "target", labels));
        prepared(&bench, &[&format!("--holdout={rule}")])
            .await
            .unwrap();
        let train = bench.manifest(TRAIN).await;
        let left_out = train.left_out;
        assert!(left_out.train_filter > 100 && left_out.unlabelled > 100 && left_out.filter > 0);
        for data in [&train, &bench.manifest(HOLDOUT).await] {
            let rows = bench.rows(data);
            let counts = rows["everyone.rows"].as_primitive::<arrow::datatypes::Int64Type>();
            let wanted = train.rows as i64;
            assert!(
                counts.values().iter().all(|count| *count == wanted),
                "{rule}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_ids_that_do_not_do_are_refused() {
    let bench = bench();
    bench.configure("aggregate.my-store.sql", ALL);
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("\"my-store\" is not a valid name of an aggregate"),
        "{text}"
    );
    fs::remove_file(bench.home.path().join("config/aggregate.my-store.sql")).unwrap();
    let sql = FEATURES.replace(
        "* EXCEPT (\"store.last\")",
        "upper(\"customerId\") AS \"customerId\", date, target",
    );
    bench.configure("features.sql", &sql);
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("\"customerId\" with the role id is computed by the query"),
        "{text}"
    );
}
