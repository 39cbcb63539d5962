//! Columns without values.

use arrow::array::new_null_array;
use arrow::datatypes::{DataType, Field};

use super::*;

#[test]
fn a_column_without_values_may_be_of_any_type() {
    let others = [
        ("date", DataType::Boolean),
        ("customerId", DataType::Float64),
        ("feature1", DataType::Utf8),
        ("feature2", DataType::Date32),
        ("target", DataType::Utf8),
    ];
    let mut sample = Sample::of(3);
    for (name, other) in others.clone() {
        sample = sample.with(name, new_null_array(&other, 3));
    }
    let text = complaint(&sample.write(Labels::Required));
    for (name, _) in others {
        let line = format!("column {name:?}: 3 of 3 rows hold null");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn a_column_with_a_value_or_of_columns_is_of_its_type() {
    let texts = StringArray::from(vec![None, Some("a"), None]);
    let fields = vec![Field::new("a", DataType::Float64, true)];
    let columns = new_null_array(&DataType::Struct(fields.into()), 3);
    for array in [Arc::new(texts) as ArrayRef, columns] {
        let text = complaint(
            &Sample::of(3)
                .with("feature1", array)
                .write(Labels::Required),
        );
        assert!(text.contains("column \"feature1\" is of type "), "{text}");
    }
}
