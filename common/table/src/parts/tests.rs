use arrow::array::{ArrayRef, Int32Array, Int64Array};
use arrow::datatypes::Field;

use std::path::Path;

use super::*;
use learn::model::{ClassValue, Classes};
use learn::task::{Regression, Target};
use runtime::failure::exit_code;
use runtime::step::Step;
use runtime::threads::blocking;

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        rows.clone().map(|i| format!("id {i}")),
    ));
    let numbers: ArrayRef = Arc::new(Float64Array::from_iter(
        rows.clone().map(|i| (i % 3 != 0).then_some(i as f64)),
    ));
    let target: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.map(|i| i % 2)));
    let schema = Schema::new(vec![
        Field::new("a \"b\".c", DataType::Utf8, false),
        Field::new("x", DataType::Float64, true),
        Field::new("y", DataType::Int64, true),
    ]);
    RecordBatch::try_new(Arc::new(schema), vec![ids, numbers, target]).unwrap()
}

/// Writes a part of one batch.
pub(crate) async fn of_batch(
    store: &Store,
    key: String,
    ordinal: usize,
    batch: RecordBatch,
) -> Part {
    let store = store.clone();
    let written = blocking(move || {
        let mut writer = PartWriter::new(&store, key, ordinal, &batch.schema())?;
        writer.write(&batch)?;
        writer.finish()
    });
    written.await.unwrap()
}

/// Writes two batches; gives the part and the file.
async fn written(home: &Path, key: &'static str) -> (Part, store::LocalFile) {
    let store = Store::of(&Step::for_test("probe", home)).unwrap();
    blocking(move || {
        let mut writer = PartWriter::new(&store, key.to_owned(), 3, &batch(0..1).schema())?;
        writer.write(&batch(0..10_000))?;
        writer.write(&batch(10_000..10_001))?;
        Ok((writer.finish()?, wait(store.file(key))?))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn rows_come_back_in_order_and_the_same_rows_give_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let (part, file) = written(home.path(), "one").await;
    let (again, _) = written(home.path(), "two").await;
    assert_eq!(
        (part.rows, part.ordinal, &part.sha256),
        (10_001, 3, &again.sha256)
    );
    assert_eq!(part.bytes, file.path().metadata().unwrap().len());
    assert_eq!(store::hash_file(file.path()).unwrap().sha256, part.sha256);

    let columns = ["y".to_owned(), "a \"b\".c".to_owned()];
    let read: Vec<RecordBatch> = read(&file, &columns, &home.path().into())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(read.iter().all(|batch| batch.num_rows() <= BATCH_ROWS));
    let all = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(all, batch(0..10_001).project(&[2, 0]).unwrap());
    assert_eq!(schema(&file, &columns).unwrap().field(0).name(), "y");
}

#[tokio::test]
async fn missing_columns_and_damaged_files_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (_, file) = written(home.path(), "one").await;
    let missing = read(&file, &["z".to_owned()], &home.path().into())
        .err()
        .unwrap();
    assert_eq!(exit_code(&missing), 2);
    assert!(missing.to_string().contains("\"z\""), "{missing}");

    let bytes = std::fs::read(&file).unwrap();
    for content in [&bytes[..bytes.len() / 2], &b""[..], b"not parquet at all"] {
        std::fs::write(&file, content).unwrap();
        let damaged = read(&file, &["y".to_owned()], &home.path().into())
            .err()
            .unwrap();
        assert_eq!(exit_code(&damaged), 2);
        assert!(damaged.to_string().contains("damaged"), "{damaged}");
    }
}

#[test]
fn labels_follow_the_classes() {
    let goal = |negative: ClassValue, positive: ClassValue| {
        Goal::of_two("y", &Classes { negative, positive })
    };
    let numbers = goal(ClassValue::Int(2), ClassValue::Int(7));
    let column = Int32Array::from(vec![Some(7), None, Some(2)]);
    assert_eq!(
        labels(&column, &numbers).unwrap(),
        [Some(1.0), None, Some(0.0)]
    );
    let texts = goal(
        ClassValue::Text("no".into()),
        ClassValue::Text("yes".into()),
    );
    assert_eq!(
        labels(&StringArray::from(vec!["no", "yes"]), &texts).unwrap(),
        [Some(0.0), Some(1.0)]
    );
    let bools = goal(ClassValue::Bool(true), ClassValue::Bool(false));
    assert_eq!(
        labels(&BooleanArray::from(vec![false, true]), &bools).unwrap(),
        [Some(1.0), Some(0.0)]
    );

    let error = labels(&Int32Array::from(vec![3]), &numbers).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(
        error
            .to_string()
            .contains("target y is 3: its allowed values are 2, 7"),
        "{error}"
    );
}

#[test]
fn numbers_to_predict_are_labels_too() {
    let price = Goal {
        task: &Regression,
        target: Target {
            name: "price".to_owned(),
            classes: Vec::new(),
        },
    };
    let column = Float64Array::from(vec![Some(0.5), None, Some(f64::NAN)]);
    assert_eq!(labels(&column, &price).unwrap(), [Some(0.5), None, None]);
    let column = Int32Array::from(vec![-3]);
    assert_eq!(labels(&column, &price).unwrap(), [Some(-3.0)]);
    let infinite = Float64Array::from(vec![f64::INFINITY]);
    assert_eq!(exit_code(&labels(&infinite, &price).unwrap_err()), 10);
}
