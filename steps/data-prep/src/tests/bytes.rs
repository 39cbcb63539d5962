//! The bytes of prepared parts: those of a release, and the same ones with any budget.

use arrow::datatypes::{DataType, Field, Schema};
use serde_json::json;
use store::digest;

use super::*;
use crate::ALGORITHM;

/// [`ALGORITHM`], and what it makes of some rows: the digest of all parts' digests.
const KEPT: (u32, &str) = (
    2,
    "5db35886c0f8db6cab58a40ca9b46831c625406abe34045977b5d664d189c2e5",
);

/// Rows and digests of all parts, in order.
async fn parts_of(bench: &Bench, outputs: &Outputs) -> String {
    let mut all = String::new();
    for output in ["manifest", "holdout-manifest"] {
        for part in bench.manifest(outputs.get(output).unwrap()).await.parts {
            all += &format!("{} {} {}\n", part.ordinal, part.rows, part.sha256);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rows_give_the_bytes_of_the_releases_before() {
    let bench = Bench::with_files(&[30, 20_000, 70]);
    let outputs = bench.prepare(&["--holdout=fraction=0.2"]).await.unwrap();
    let found = digest::hex(parts_of(&bench, &outputs).await.as_bytes());
    assert_eq!(
        (ALGORITHM, found.as_str()),
        KEPT,
        "prepared parts have other bytes than those of this ALGORITHM: where that is meant, raise \
         ALGORITHM and put the new digest beside it here; a new digest beside the old number would \
         mix parts of two releases"
    );
}

/// Rows of many columns, with texts of very different lengths.
fn wide(index: usize, rows: usize) -> RecordBatch {
    let narrow = sample(index, rows);
    let mut fields: Vec<Field> = narrow
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let mut columns = narrow.columns().to_vec();
    for place in 0..COLUMNS {
        fields.push(Field::new(format!("x{place}"), DataType::Float64, true));
        let values = (0..rows).map(|row| Some((row * (place + 7) + index) as f64 * 0.37));
        columns.push(Arc::new(values.collect::<Float64Array>()));
    }
    fields.push(Field::new("text", DataType::Utf8, true));
    let texts = (0..rows).map(|row| Some(format!("{row} ").repeat((row * 7919) % 3000)));
    columns.push(Arc::new(texts.collect::<StringArray>()));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

const COLUMNS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn wide_rows_give_the_same_bytes_with_any_budget_and_on_any_number_of_threads() {
    let mut bench = Bench::new();
    for index in 0..3 {
        bench.write(&train_key(index), &wide(index, 6_000));
    }
    let config = fs::read_to_string(bench.home.path().join("config/dataset.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let columns = config["columns"].as_array_mut().unwrap();
    for place in 0..COLUMNS {
        columns.push(json!({"name": format!("x{place}"), "type": "float64", "role": "feature"}));
    }
    columns.push(json!({"name": "text", "type": "utf8", "role": "ignored"}));
    bench.configure("dataset.json", &config.to_string());
    bench.configure("features.sql", "SELECT * FROM raw");

    let mut made = Vec::new();
    for (memory, threads) in [
        (2 << 30, 1),
        (2 << 30, 3),
        (256 << 20, 2),
        (128 << 20, 2),
        (1, 1),
    ] {
        fs::remove_dir_all(bench.home.path().join("store")).unwrap();
        fs::create_dir_all(bench.home.path().join("store")).unwrap();
        // A page of a file needs so much whatever the budget is.
        let memory = u64::max(memory, 4 << 20);
        bench.step = bench.step.with_threads(threads).with_memory(memory);
        let outputs = bench.prepare(&["--holdout=fraction=0.2"]).await.unwrap();
        made.push(parts_of(&bench, &outputs).await);
    }
    for other in &made[1..] {
        assert_eq!(*other, made[0]);
    }
}
