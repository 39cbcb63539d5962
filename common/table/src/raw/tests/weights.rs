//! What rows weigh, and labels that are numbers.

use super::*;

#[test]
fn weights_are_required_to_train_and_optional_to_score() {
    let contract = json!({"columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature2", "type": "float64", "role": "weight"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    let contract = Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap());
    let mut weights: Vec<Option<f64>> = (0..100).map(|row| Some(f64::from(row))).collect();
    (weights[3], weights[5], weights[7]) = (Some(-1.0), None, Some(f64::INFINITY));
    let sample = Sample::of(100).with("feature2", Arc::new(Float64Array::from(weights)));
    let of = |sample: &Sample, labels| RawFile {
        dataset: contract.clone(),
        ..sample.write(labels)
    };
    let text = complaint(&of(&sample, Labels::Required));
    for expected in [
        "column \"feature2\": 1 of 100 rows hold null, which the contract does not allow, the \
         first in row 6",
        "1 of 100 rows are below the minimum 0, the first in row 4: -1.0 (give a row that should",
        "1 of 100 rows are infinite, which a weight can't be, the first in row 8",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!complaint(&of(&sample, Labels::Optional)).contains("hold null"));
    let without = Sample::of(100).without("feature2");
    assert!(complaint(&of(&without, Labels::Required)).contains("\"feature2\" is missing"));
    let (batches, _) = read(&of(&without, Labels::Optional)).unwrap();
    assert_eq!(batches[0].column(1).null_count(), 100);
}

#[test]
fn infinite_labels_are_named_in_every_kind_of_file() {
    let contract = json!({"task": "regression", "columns": [
        {"name": "customerId", "type": "utf8", "role": "id"},
        {"name": "feature1", "type": "float64", "role": "target"},
    ]});
    let contract = Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap());
    let mut labels: Vec<f64> = (0..100).map(f64::from).collect();
    (labels[3], labels[7]) = (f64::NEG_INFINITY, f64::INFINITY);
    let sample = Sample::of(100).with("feature1", Arc::new(Float64Array::from(labels)));
    for (labels, advice) in [
        (
            Labels::Required,
            "\"on_violation\": \"quarantine-row\" leaves such rows out",
        ),
        (Labels::Dropped, "write null for a label that is not known"),
        (Labels::Optional, "write null for a label that is not known"),
        (Labels::Pending, "write null for a label that is not known"),
    ] {
        let file = RawFile {
            dataset: contract.clone(),
            ..sample.write(labels)
        };
        let expected = format!(
            "column \"feature1\": 2 of 100 rows are infinite, which a target can't be, the first in \
             row 4: -inf ({advice})"
        );
        let text = complaint(&file);
        assert!(text.contains(&expected), "{labels:?}: {text}");
    }
}
