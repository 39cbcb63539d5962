//! Rows that the contract leaves out, and NaN, which is null.

use arrow::array::Array;
use arrow::datatypes::{DataType, Int64Type};
use chrono_tz::Tz;
use serde_json::{Value, json};
use sql::prepare::{Preparation, Purpose, Takers};
use table::config::Config;
use table::dataset::HoldoutRule;

use super::*;

/// The contract of the sample data with these keys besides.
fn configure(bench: &Bench, keys: Value) {
    let mut contract = json!({"columns": [
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature1", "type": "float64", "role": "feature", "nullable": true},
        {"name": "feature2", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    contract
        .as_object_mut()
        .unwrap()
        .extend(keys.as_object().unwrap().clone());
    bench.configure("dataset.json", &contract.to_string());
}

/// Two files of 40 rows, of which every fourth has no label and every eighth no `feature1`: NaN, as
/// numpy has it.
fn gaps() -> Bench {
    let bench = Bench::new();
    for file in 0..2 {
        let labels = Int64Array::from_iter((0..40).map(|i| (i % 4 > 0).then_some(i % 2)));
        let values = Float64Array::from_iter_values((0..40).map(|i| match i % 8 {
            0 => f64::NAN,
            _ => f64::from(i),
        }));
        let rows = with(&sample(file, 40), "target", Arc::new(labels));
        let rows = with(&rows, "feature1", Arc::new(values));
        bench.write(&train_key(file), &rows);
        bench.write(
            &format!("predict/{file}.parquet"),
            &without(&rows, "target"),
        );
    }
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_label_break_the_contract_unless_it_drops_them() {
    let bench = gaps();
    configure(&bench, json!({}));
    let text = failure(10, bench.prepare(&[]).await);
    let line = "column \"target\": 10 of 40 rows hold null, which the contract does not allow, \
                the first in row 1 (\"unlabelled\": \"drop\" leaves such rows out of training)";
    assert!(text.contains(line), "{text}");

    configure(&bench, json!({"unlabelled": "drop"}));
    let committed = bench.prepare(&[]).await.unwrap();
    assert_eq!(
        (committed.get("rows"), committed.get("left-out")),
        (Some("30"), Some("20"))
    );
    for (key, file) in [(HOLDOUT, 0), (TRAIN, 1)] {
        let manifest = bench.manifest(key).await;
        assert_eq!((manifest.rows, manifest.labelled_rows), (30, 30));
        assert_eq!(manifest.left_out.to_string(), "20 rows without a label");
        let ids = texts(&bench.rows(&manifest), "customerId");
        let labelled = (0..40)
            .filter(|i| i % 4 > 0)
            .map(|i| format!("customer-{file}-{i}"));
        assert_eq!(ids, labelled.collect::<Vec<_>>());
    }
    // Every row is scored.
    let arguments = bench.select().await;
    let predicted = bench.predict(&arguments).await.unwrap();
    assert_eq!(
        (predicted.get("rows"), predicted.get("left-out")),
        (Some("80"), Some("0"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_can_not_be_read_is_no_missing_one() {
    let bench = gaps();
    configure(&bench, json!({"unlabelled": "drop"}));
    let labels =
        Float64Array::from_iter((0..40).map(|i| (i > 5).then_some(if i == 9 { 0.5 } else { 1.0 })));
    bench.write(
        &train_key(1),
        &with(&sample(1, 40), "target", Arc::new(labels)),
    );
    let text = failure(10, bench.prepare(&[]).await);
    let line = "column \"target\": 1 of 40 rows are not whole, as int64 must be, the first in row \
                10: 0.5";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_training_may_read_the_target_and_leaves_scoring_alone() {
    let bench = gaps();
    configure(
        &bench,
        json!({"train_filter": "target IS NOT NULL AND feature2 > 0", "filter": "feature1 > 10"}),
    );
    let committed = bench.prepare(&[]).await.unwrap();
    // Of 0 to 39: 11 to 39 without 16, 24 and 32, which are null. Then those without a label: 12,
    // 20, 28, 36, and those whose feature2 is 0: 13, 26, 39.
    let train = bench.manifest(TRAIN).await;
    assert_eq!(committed.get("rows"), Some("19"));
    assert_eq!(
        train.left_out.to_string(),
        "28 rows by filter, 14 rows by train_filter"
    );
    assert_eq!(committed.get("left-out"), Some("42"));

    let arguments = bench.select().await;
    let predicted = bench.predict(&arguments).await.unwrap();
    assert_eq!(
        (predicted.get("rows"), predicted.get("left-out")),
        (Some("52"), Some("28"))
    );
    let manifest = bench.manifest(predicted.get("manifest").unwrap()).await;
    assert_eq!(manifest.left_out.to_string(), "28 rows by filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_training_is_not_computed_for_rows_that_are_filtered() {
    let bench = gaps();
    let keys = json!({
        "unlabelled": "drop",
        "filter": "feature2 > 0",
        "train_filter": "10 / CAST(feature2 * 3 AS BIGINT) >= 0",
    });
    configure(&bench, keys);
    bench.prepare(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_reads_the_target_is_refused_in_training_and_in_scoring() {
    let bench = gaps();
    configure(
        &bench,
        json!({"filter": "feature1 > 0 OR target IS NOT NULL"}),
    );
    let training = failure(2, bench.plan(&[]).await);
    let arguments = bench.select().await;
    let scoring = failure(2, bench.predict(&arguments).await);
    for text in [training, scoring] {
        let words = "the filter of dataset.json reads the target \"target\", which rows to \
                     score do not have";
        assert!(
            text.contains(words) && text.contains("`train_filter`"),
            "{text}"
        );
    }
    configure(&bench, json!({}));
    bench.configure(
        "features.sql",
        "SELECT * FROM (SELECT *, target AS t FROM raw) AS r WHERE t IS NOT NULL",
    );
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("a condition on the target \"target\" is refused"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_left_is_counted() {
    let bench = gaps();
    configure(
        &bench,
        json!({"unlabelled": "drop", "filter": "feature2 < 0"}),
    );
    let text = failure(10, bench.prepare(&[]).await);
    let words = "none of the 2 raw files has rows to train on; left out as \
                 dataset.json says: 80 rows by filter";
    assert!(text.contains(words), "{text}");
    let arguments = bench.select().await;
    let predicted = bench.predict(&arguments).await.unwrap();
    assert_eq!(
        (predicted.get("rows"), predicted.get("left-out")),
        (Some("0"), Some("80"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nan_is_null_before_filter_and_features() {
    const SQL: &str =
        "SELECT *, CASE WHEN coalesce(feature1, 0) > 100 THEN 1 ELSE 0 END AS big FROM raw";
    let bench = gaps();
    bench.configure("features.sql", SQL);
    configure(&bench, json!({"unlabelled": "drop"}));
    bench.prepare(&[]).await.unwrap();
    let column = |rows: &RecordBatch, name: &str| rows.column_by_name(name).unwrap().clone();
    let train = bench.rows(&bench.manifest(TRAIN).await);
    // A row without feature1 has no label either, but for none: every eighth is a fourth.
    assert_eq!(column(&train, "feature1").null_count(), 0);
    let arguments = bench.select().await;
    let predicted = bench.predict(&arguments).await.unwrap();
    let rows = bench.rows(&bench.manifest(predicted.get("manifest").unwrap()).await);
    assert_eq!(column(&rows, "feature1").null_count(), 10);
    assert_eq!(ones(&rows, "big"), 0);

    // As it was before, where the contract says so: SQL counts NaN as greater than every number.
    let bench = gaps();
    bench.configure("features.sql", SQL);
    configure(
        &bench,
        json!({"unlabelled": "drop", "nan": "keep", "filter": "feature1 > 10"}),
    );
    bench.prepare(&[]).await.unwrap();
    let arguments = bench.select().await;
    let predicted = bench.predict(&arguments).await.unwrap();
    let rows = bench.rows(&bench.manifest(predicted.get("manifest").unwrap()).await);
    assert_eq!(
        (rows.num_rows(), column(&rows, "feature1").null_count()),
        (62, 0)
    );
    assert_eq!(ones(&rows, "big"), 10);
}

/// Rows in which a column is 1.
fn ones(rows: &RecordBatch, column: &str) -> usize {
    let column = arrow::compute::cast(rows.column_by_name(column).unwrap(), &DataType::Int64);
    let column = column.unwrap();
    column
        .as_primitive::<Int64Type>()
        .iter()
        .filter(|value| *value == Some(1))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nan_where_no_null_may_be_is_named() {
    let bench = gaps();
    let contract = r#"{"unlabelled": "drop", "columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature1", "type": "float64", "role": "feature", "min": 0},
        {"name": "target", "type": "int64", "role": "target"}
    ]}"#;
    bench.configure("dataset.json", contract);
    bench.configure("features.sql", "SELECT * FROM raw");
    for file in 0..2 {
        let labelled: ArrayRef = Arc::new(Int64Array::from_iter_values((0..40).map(|i| i % 2)));
        let values =
            Float64Array::from_iter_values((0..40).map(|i| if i == 7 { f64::NAN } else { 1.0 }));
        let rows = with(&sample(file, 40), "target", labelled);
        bench.write(&train_key(file), &with(&rows, "feature1", Arc::new(values)));
    }
    let text = failure(10, bench.prepare(&[]).await);
    let line = "column \"feature1\": 1 of 40 rows hold NaN, which is read as null, and the \
                contract does not allow null, the first in row 8: NaN (\"nullable\": true in \
                dataset.json accepts them)";
    assert!(text.contains(line), "{text}");
    bench.configure(
        "dataset.json",
        &contract.replace("\"min\": 0", "\"min\": 0, \"nullable\": true"),
    );
    bench.prepare(&[]).await.unwrap();
    // Kept, it is within no bounds.
    bench.configure(
        "dataset.json",
        &contract.replace("{\"unlabelled\"", "{\"nan\": \"keep\", \"unlabelled\""),
    );
    let text = failure(10, bench.prepare(&["--data-version=2"]).await);
    assert!(
        text.contains("1 of 40 rows hold NaN, which is not within the bounds"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_before_a_file_of_the_configuration_is_no_harm() {
    let bench = gaps();
    configure(&bench, json!({"unlabelled": "drop"}));
    for name in ["dataset.json", "features.sql"] {
        let path = bench.home.path().join("config").join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
    }
    bench.prepare(&[]).await.unwrap();
    let arguments = bench.select().await;
    bench.predict(&arguments).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_another_contract_is_measured_on_the_rows_with_a_label() {
    let bench = gaps();
    configure(&bench, json!({}));
    let config = Config::from_folder(&bench.home.path().join("config")).unwrap();
    let purpose = Purpose::Compare(HoldoutRule::FirstShard, Tz::UTC);
    let preparation = Preparation::new(&bench.step, &config, purpose).unwrap();
    let file = bench.raw.file(&train_key(0)).await.unwrap();
    let prepared = tokio::task::spawn_blocking(move || {
        let mut splits = BTreeMap::new();
        let prepared = preparation.file(
            &train_key(0),
            &file,
            true,
            Takers::default(),
            |split, rows| {
                *splits.entry(split.to_string()).or_insert(0) += rows.num_rows();
                Ok(())
            },
        );
        (prepared.unwrap(), splits)
    });
    let (prepared, splits) = prepared.await.unwrap();
    assert_eq!(splits, BTreeMap::from([("holdout".to_owned(), 30)]));
    assert_eq!(prepared.left_out.unlabelled, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_refused_where_training_alone_leaves_rows_out_or_a_key_is_made_anew() {
    let over = "OVER (PARTITION BY customerId ORDER BY date RANGE BETWEEN INTERVAL '7 days' \
                PRECEDING AND CURRENT ROW)";
    let week = format!("SELECT *, count(*) {over} AS week FROM raw");
    let other = format!(
        "SELECT upper(customerId) AS customerId, date, target, count(*) {over} AS week FROM raw"
    );
    let drop = json!({"lookback": "7 days", "unlabelled": "drop"});
    let filter = json!({"lookback": "7 days", "train_filter": "feature1 > 0"});
    for (contract, sql, reason) in [
        (
            &drop,
            &week,
            "`unlabelled` of dataset.json leaves rows out of training only",
        ),
        (
            &filter,
            &week,
            "`train_filter` of dataset.json leaves rows out of training only",
        ),
        (
            &json!({"lookback": "7 days"}),
            &other,
            "\"customerId\" with the role id is computed by the query",
        ),
    ] {
        let bench = gaps();
        configure(&bench, contract.clone());
        bench.configure("features.sql", sql);
        let text = failure(2, bench.plan(&[]).await);
        assert!(text.contains(reason), "{text}");
    }
}
