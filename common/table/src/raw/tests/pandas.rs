//! What pandas writes and no column of a contract holds.

use arrow::array::{DurationSecondArray, new_null_array};
use arrow::datatypes::DataType;

use super::*;

/// The metadata of `f.set_index("customerId").to_parquet()` where the index is 0, 1, 2.
const METADATA: &str = r#"{"index_columns": [{"kind": "range", "name": "customerId", "start": 0,
    "stop": 3, "step": 1}], "column_indexes": [], "columns": [], "pandas_version": "3.1.1"}"#;

#[test]
fn an_index_that_is_no_column_is_named_with_what_mends_it() {
    let sample = Sample::of(3).without("customerId");
    let batch = RecordBatch::try_from_iter(sample.columns.clone()).unwrap();
    for (metadata, is_said) in [
        (METADATA.to_owned(), true),
        (METADATA.replace("customerId", "n"), false),
    ] {
        let schema = batch.schema().as_ref().clone();
        let schema = schema.with_metadata([("pandas".to_owned(), metadata)].into());
        let batch = batch.clone().with_schema(Arc::new(schema)).unwrap();
        let path = sample.folder.path().join("a.parquet");
        let sink = std::fs::File::create(&path).unwrap();
        let mut writer =
            ::parquet::arrow::ArrowWriter::try_new(sink, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let text = complaint(&file(&path, &contract(), Labels::Required));
        assert!(
            text.contains("column \"customerId\" is missing; the file has \"date\""),
            "{text}"
        );
        assert_eq!(
            text.contains("call reset_index() before to_parquet"),
            is_said,
            "{text}"
        );
    }
}

#[test]
fn a_type_that_the_contract_lacks_is_refused_with_what_makes_another_of_it() {
    let lists = DataType::new_list(DataType::Float64, true);
    for (array, how) in [
        (
            Arc::new(DurationSecondArray::from(vec![1, 2, 3])) as ArrayRef,
            "types, such as seconds (pandas: dt.total_seconds()), or remove it",
        ),
        (new_null_array(&lists, 3), "str.len()"),
    ] {
        let sample = Sample::of(3).with("feature1", array);
        let text = complaint(&sample.write(Labels::Required));
        assert!(text.contains(how), "{text}");
    }
}
