//! Advice that is followed word by word ends with a data version.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_that_no_type_holds_are_to_be_written_otherwise() {
    const LARGE: u64 = (1 << 63) + 1;
    let array: ArrayRef = Arc::new(UInt64Array::from(vec![1, LARGE]));
    for column_type in ["bool", "int32", "int64", "float32", "float64"] {
        let [training, scoring] = refusals(json!({"type": column_type}), array.clone()).await;
        let ways = format!(
            "the first in row 2: {LARGE} (write the column as text (pandas: astype(str)) with \
             \"type\": \"utf8\" in dataset.json or as floats, which rounds them (pandas: \
             astype(\"float64\")) with \"type\": \"float64\" in dataset.json)"
        );
        assert!(training.contains(&ways), "{column_type}: {training}");
        let trained = "as text (pandas: astype(str)) for a model trained with \"type\": \"utf8\"";
        assert!(scoring.contains(trained), "{column_type}: {scoring}");
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1".to_owned(), LARGE.to_string()]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, LARGE as f64]));
    for (column_type, array) in [("utf8", texts), ("float64", floats)] {
        let bench = with_c(json!({"type": column_type}), array);
        bench.prepare(&[]).await.unwrap();
    }
}

/// What becomes of files whose target has these values.
async fn of_target(contract: Value, values: &[i64]) -> Result<Outputs> {
    let bench = bench(&[]);
    let mut target = json!({"name": "y", "role": "target"});
    let more = contract.as_object().unwrap().clone();
    target.as_object_mut().unwrap().extend(more);
    let id = json!({"name": "id", "type": "int64", "role": "id"});
    let dataset = json!({"columns": [id, target]}).to_string();
    bench.configure("dataset.json", &dataset);
    for (index, first) in [1, 1_001].into_iter().enumerate() {
        let ids = first..first + values.len() as i64;
        let columns = [
            Int64Array::from_iter_values(ids),
            Int64Array::from(values.to_vec()),
        ];
        let columns = ["id", "y"].into_iter().zip(columns);
        let columns = columns.map(|(name, array)| (name, Arc::new(array) as ArrayRef, true));
        let rows = RecordBatch::try_from_iter_with_nullable(columns);
        bench.write(&train_key(index), &rows.unwrap());
    }
    bench.prepare(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_other_values_is_to_name_its_classes() {
    const CLASSES: &str = "name every class in \"allowed\" of dataset.json, the positive one of \
                           two last";
    const LISTED: &str =
        "\"type\": \"int64\" with every class in \"allowed\" in dataset.json accepts them";
    for (contract, values, advice, allowed) in [
        (json!({"type": "bool"}), &[1, 2][..], LISTED, json!([1, 2])),
        (json!({"type": "int64"}), &[1, 2], CLASSES, json!([1, 2])),
        (
            json!({"type": "int64"}),
            &[0, 1, 2, 3, 4],
            CLASSES,
            json!([0, 1, 2, 3, 4]),
        ),
        (
            json!({"type": "int64", "allowed": [0, 1, 2]}),
            &[0, 1, 2, 3],
            CLASSES,
            json!([0, 1, 2, 3]),
        ),
    ] {
        let text = failure(10, of_target(contract.clone(), values).await);
        assert!(text.contains(advice), "{contract}: {text}");
        let is_number = "or say \"task\": \"regression\" there if it is a number to predict";
        let may_be_number = advice == CLASSES && contract.get("allowed").is_none();
        assert_eq!(text.contains(is_number), may_be_number, "{text}");
        let listed = json!({"type": "int64", "allowed": allowed});
        of_target(listed, values).await.unwrap();
    }
}
