//! Rows that break the contract of a column which has them quarantined, or counted.

use arrow::array::Array;
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use catalog::manifest::LeftOut;
use serde_json::{Value, json};

use super::*;

/// The sample contract; the first feature is `on_violation`, from 0 to 100 and never null.
fn configure(bench: &Bench, feature1: Value, keys: Value) {
    let mut contract = json!({"columns": [
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature1", "type": "float64", "role": "feature", "min": 0, "max": 100},
        {"name": "feature2", "type": "int32", "role": "feature", "nullable": true},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    let merge = |into: &mut Value, keys: Value| {
        let into = into.as_object_mut().unwrap();
        into.extend(keys.as_object().unwrap().clone());
    };
    merge(&mut contract["columns"][2], feature1);
    merge(&mut contract, keys);
    bench.configure("dataset.json", &contract.to_string());
}

/// Two files of 50 rows: `feature1` of row 7 is 7 below, that of row 9 above, that of row 11 null.
/// `feature2` of row 11 is no whole number, and that of row 13 either.
fn bench() -> Bench {
    let bench = Bench::new();
    for file in 0..2 {
        let first = Float64Array::from_iter((0..50).map(|row| match row {
            7 => Some(-7.0),
            9 => Some(1e3),
            11 => None,
            row => Some(f64::from(row)),
        }));
        let second = Float64Array::from_iter_values((0..50).map(|row| match row {
            11 | 13 => 0.5,
            row => f64::from(row),
        }));
        let rows = with(&sample(file, 50), "feature1", Arc::new(first));
        let rows = with(&rows, "feature2", Arc::new(second));
        bench.write(&train_key(file), &rows);
        bench.write(
            &format!("predict/{file}.parquet"),
            &without(&rows, "target"),
        );
    }
    bench
}

/// Quarantines rows by both features.
fn quarantining(keys: Value) -> Bench {
    let bench = bench();
    let action = json!({"on_violation": "quarantine-row"});
    configure(&bench, action.clone(), keys);
    let path = bench.home.path().join("config/dataset.json");
    let mut contract: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    contract["columns"][3]["on_violation"] = action["on_violation"].clone();
    bench.configure("dataset.json", &contract.to_string());
    bench
}

const HALF: &str = "--max-quarantined-share=0.5";

/// File, row, column, rule, value, and the id of the raw row, of each reason in the manifest's
/// files.
fn reasons(bench: &Bench, manifest: &DatasetManifest) -> Vec<[String; 6]> {
    let names = ["file", "row", "column", "rule", "value", "raw"].map(str::to_owned);
    let mut found = Vec::new();
    for part in &manifest.quarantine {
        let file = bench.store.local_path(&part.key).unwrap().into();
        for batch in parts::read(&file, &names, bench.step.work()).unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let shown =
                    |column: usize| array_value_to_string(batch.column(column), row).unwrap();
                let raw = batch
                    .column(5)
                    .as_struct()
                    .column_by_name("customerId")
                    .unwrap();
                let id = raw.as_string::<i32>().value(row).to_owned();
                found.push([shown(0), shown(1), shown(2), shown(3), shown(4), id]);
            }
        }
    }
    found
}

fn counts(manifest: &DatasetManifest) -> Vec<String> {
    let violations = manifest.violations.iter();
    let shown = |violation: &catalog::manifest::Violation| {
        let fate = if violation.quarantined { "out" } else { "in" };
        format!("{violation} {fate}")
    };
    violations.map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_rows_are_left_out_counted_and_written_with_their_reasons() {
    let bench = quarantining(json!({}));
    let committed = bench.prepare(&[HALF]).await.unwrap();
    assert_eq!(
        (committed.get("rows"), committed.get("left-out")),
        (Some("46"), Some("8"))
    );
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!((train.rows, holdout.rows), (46, 46));
    assert_eq!(train.left_out.to_string(), "8 rows quarantined");
    assert_eq!(train.rows + holdout.rows + train.left_out.total(), 100);
    assert_eq!(
        counts(&train),
        [
            "2 by max of \"feature1\" out",
            "2 by min of \"feature1\" out",
            "2 by nullable of \"feature1\" out",
            "4 by whole of \"feature2\" out",
        ]
    );
    let expected = |file: usize| {
        let row = |row: usize, column: &str, rule: &str, value: &str| {
            let (key, id) = (train_key(file), format!("customer-{file}-{}", row - 1));
            [&key, &row.to_string(), column, rule, value, &id].map(str::to_owned)
        };
        [
            row(8, "feature1", "min", "-7.0"),
            row(10, "feature1", "max", "1000.0"),
            row(12, "feature1", "nullable", ""),
            row(12, "feature2", "whole", "0.5"),
            row(14, "feature2", "whole", "0.5"),
        ]
    };
    assert_eq!(reasons(&bench, &train), [expected(0), expected(1)].concat());
    let keys: Vec<&str> = train
        .quarantine
        .iter()
        .map(|part| part.key.as_str())
        .collect();
    let fingerprint = &train.header.fingerprint[..8];
    let key =
        |file: usize| format!("train/25.05.1/_quarantined/rows-{fingerprint}-{file:06}.parquet");
    assert_eq!(keys, [key(0), key(1)]);
    let warning = format!(
        "8 of 100 rows (8.00 %) break the data contract and are quarantined: 4 by whole of \
         \"feature2\", 2 by max of \"feature1\", 2 by min of \"feature1\", 2 by nullable of \
         \"feature1\"; the rows are in {} and 1 more files",
        key(0)
    );
    assert_eq!(train.warnings, [warning]);
    // They are in no part.
    let ids = texts(&bench.rows(&train), "customerId");
    let kept = (0..50).filter(|row| ![7, 9, 11, 13].contains(row));
    assert_eq!(
        ids,
        kept.map(|row| format!("customer-1-{row}"))
            .collect::<Vec<_>>()
    );

    // Rows to score go by the same contract.
    let mut arguments = bench.select().await.to_vec();
    arguments.push(HALF.to_owned());
    let scored = bench.predict(&arguments).await.unwrap();
    let predict = bench.manifest(scored.get("manifest").unwrap()).await;
    assert_eq!((predict.rows, predict.left_out.quarantined), (92, 8));
    assert_eq!(reasons(&bench, &predict).len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_share_that_may_be_quarantined_is_refused_by_column_and_rule() {
    let bench = quarantining(json!({}));
    let text = failure(10, bench.prepare(&[]).await);
    for part in [
        "8 of 100 rows (8.00 %) break the data contract and are quarantined, and \
         MAX_QUARANTINED_SHARE (--max-quarantined-share) is 0.01: 4 by whole of \"feature2\"",
        "the rows are in train/25.05.1/_quarantined/rows-",
        "raise MAX_QUARANTINED_SHARE",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!bench.visible().await);
    // What is done is taken up by a run that accepts more, and is refused again by one that does
    // not.
    let committed = bench.prepare(&["--max-quarantined-share=0.08"]).await;
    assert_eq!(committed.unwrap().get("left-out"), Some("8"));
    let text = failure(10, bench.prepare(&["--max-quarantined-share=0.07"]).await);
    assert!(
        text.contains("and MAX_QUARANTINED_SHARE (--max-quarantined-share) is 0.07"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_rows_pass_and_what_has_no_value_of_the_type_fails() {
    let bench = bench();
    configure(
        &bench,
        json!({"on_violation": "count", "nullable": true}),
        json!({"filter": "feature2 IS NOT NULL"}),
    );
    let text = failure(10, bench.prepare(&[]).await);
    let line = "column \"feature2\": 2 of 50 rows are not whole";
    assert!(text.contains(line) && !text.contains("feature1"), "{text}");

    let float = json!([{"name": "feature2", "type": "float64", "role": "feature"}]);
    let path = bench.home.path().join("config/dataset.json");
    let mut contract: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    contract["columns"][3] = float[0].clone();
    bench.configure("dataset.json", &contract.to_string());
    let committed = bench.prepare(&[]).await.unwrap();
    assert_eq!(
        (committed.get("rows"), committed.get("left-out")),
        (Some("50"), Some("0"))
    );
    let train = bench.manifest(TRAIN).await;
    let expected = ["2 by max of \"feature1\" in", "2 by min of \"feature1\" in"];
    assert_eq!(counts(&train), expected);
    assert_eq!(train.left_out, LeftOut::default());
    let warning = "rows that break the data contract are used, because on_violation is count; of \
                   100 rows: 2 by max of \"feature1\", 2 by min of \"feature1\"";
    assert_eq!(train.warnings, [warning]);
    let values = bench.rows(&train);
    let values: &Float64Array = values.column_by_name("feature1").unwrap().as_primitive();
    assert_eq!((values.value(7), values.value(9)), (-7.0, 1e3));
    assert!(values.is_null(11));

    contract["columns"][2]["nullable"] = false.into();
    bench.configure("dataset.json", &contract.to_string());
    let text = failure(10, bench.prepare(&["--data-version=2"]).await);
    let line = "column \"feature1\": 1 of 50 rows hold null";
    assert!(text.contains(line) && !text.contains("below"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_on_which_the_filter_decides_is_quarantined_and_every_row_has_one_fate() {
    // Of feature2 the rows 11 and 13 could not be read, so nobody knows whether the filter keeps
    // them; the other ones that it leaves out need not keep the contract.
    let bench = quarantining(json!({"filter": "feature2 > 8", "train_filter": "feature2 < 40"}));
    bench.prepare(&[HALF]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!(
        train.left_out.to_string(),
        "18 rows by filter, 20 rows by train_filter, 6 rows quarantined"
    );
    assert_eq!(train.rows + holdout.rows + train.left_out.total(), 100);
    let rows: Vec<String> = reasons(&bench, &train)
        .into_iter()
        .map(|[_, row, column, ..]| format!("{row} {column}"))
        .collect();
    assert_eq!(rows[..3], ["10 feature1", "12 feature2", "14 feature2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_quarantined_row_may_come_again() {
    let bench = quarantining(json!({}));
    let rows = sample(1, 50);
    let ids = (0..50).map(|row| format!("customer-1-{}", if row == 7 { 8 } else { row }));
    let dates = (0..50).map(|row| if row == 7 { 8 } else { row } * 1_000_000);
    let rows = with(
        &rows,
        "customerId",
        Arc::new(StringArray::from_iter_values(ids)),
    );
    let dates = TimestampMicrosecondArray::from_iter_values(dates);
    let rows = with(&rows, "date", Arc::new(dates));
    let first =
        Float64Array::from_iter_values((0..50).map(|row| if row == 7 { -1.0 } else { 1.0 }));
    let rows = with(&rows, "feature1", Arc::new(first));
    let second = Int64Array::from_iter_values(0..50);
    let rows = with(&rows, "feature2", Arc::new(second));
    bench.write(&train_key(1), &rows);
    let committed = bench.prepare(&[HALF]).await.unwrap();
    assert_eq!(committed.get("rows"), Some("49"));
    // Two that are kept are named as ever.
    let first =
        Float64Array::from_iter_values((0..50).map(|row| if row == 9 { -1.0 } else { 1.0 }));
    bench.write(&train_key(1), &with(&rows, "feature1", Arc::new(first)));
    let text = failure(10, bench.prepare(&[HALF, "--data-version=2"]).await);
    assert!(text.contains("such as row 8 and row 9"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rows_are_written_again_and_a_run_goes_on_with_the_same_bytes() {
    let bench = quarantining(json!({}));
    let arguments = [HALF, "--parallelism=2"];
    let planned = bench.plan(&arguments).await.unwrap();
    let ids = groups(&planned);
    bench.map(&planned, &ids[1]).await.unwrap();
    bench.prepare(&arguments).await.unwrap();
    let before = bench.digests().await;
    assert_eq!(
        before
            .keys()
            .filter(|key| key.contains("_quarantined/"))
            .count(),
        2
    );

    let undisturbed = quarantining(json!({}));
    undisturbed.prepare(&arguments).await.unwrap();
    let parts = |digests: BTreeMap<String, String>| -> Vec<String> {
        digests
            .into_values()
            .filter(|digest| digest.len() == 64)
            .collect()
    };
    assert_eq!(parts(undisturbed.digests().await), parts(before.clone()));

    // A second run changes nothing, and one that misses a file writes it again.
    let again = bench.prepare(&arguments).await.unwrap();
    assert_eq!(again.get("reused"), Some("true"));
    assert_eq!(bench.digests().await, before);
    let key = before
        .keys()
        .find(|key| key.contains("_quarantined/"))
        .unwrap();
    fs::remove_file(bench.store.local_path(key).unwrap()).unwrap();
    bench.prepare(&arguments).await.unwrap();
    assert_eq!(bench.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_classes_can_not_be_counted() {
    let bench = bench();
    let path = bench.home.path().join("config/dataset.json");
    let mut contract: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    contract["columns"][4]["on_violation"] = "count".into();
    bench.configure("dataset.json", &contract.to_string());
    let text = failure(2, bench.prepare(&[]).await);
    assert!(
        text.contains("target \"target\" has `on_violation` count"),
        "{text}"
    );
    contract["columns"][4]["on_violation"] = "quarantine-row".into();
    contract["columns"][3]["type"] = "float64".into();
    bench.configure("dataset.json", &contract.to_string());
    let labels = Int64Array::from_iter((0..50).map(|row| match row {
        3 => None,
        5 => Some(2),
        row => Some(row % 2),
    }));
    for file in 0..2 {
        let rows = with(&sample(file, 50), "target", Arc::new(labels.clone()));
        bench.write(&train_key(file), &rows);
    }
    bench.prepare(&[HALF]).await.unwrap();
    let train = bench.manifest(TRAIN).await;
    let expected = [
        "2 by allowed of \"target\" out",
        "2 by nullable of \"target\" out",
    ];
    assert_eq!(
        (train.rows, counts(&train)),
        (48, expected.map(str::to_owned).to_vec())
    );
    let row = bench.rows(&train);
    let labels = row
        .column_by_name("target")
        .unwrap()
        .as_primitive::<Int64Type>();
    assert!(labels.iter().all(|label| matches!(label, Some(0 | 1))));
}
