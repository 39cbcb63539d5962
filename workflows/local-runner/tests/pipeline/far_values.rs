//! One far value among the rows to score, through the whole pipeline.

use std::fs;

use crate::bench::Bench;
use crate::tasks::{fixture, numbers, scored};

#[test]
fn a_prediction_far_beyond_those_in_training_is_found_without_its_label() {
    let (data, bench) = (fixture().diabetes, Bench::empty());
    // A row without a label, whose first feature is 1e9.
    let (names, zeros) = (
        data.features.join(","),
        ",0".repeat(data.features.len() - 1),
    );
    let far = format!("id,day,{names},y\nfar,2026-10-01,1e9{zeros},\n");
    fs::write(bench.raw("predict/1.csv"), far).unwrap();
    let models = r#"{"candidates": [{"family": "linear-regression"}]}"#;
    data.run(&bench, "", r#""type": "float64""#, models);

    let rows = scored(&bench);
    let predicted = numbers(&rows, "prediction");
    let predicted = (0..predicted.len()).map(|row| predicted.value(row));
    let farthest = predicted.max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let report = bench.json("reports/2026-11/m/v1/report.json");
    let found = &report["performance"]["of_task"]["far"];
    let of_row = (found["rows"].as_u64(), found["key"].as_str());
    assert_eq!(of_row, (Some(1), Some("id far, day 2026-10-01")));
    assert_eq!(found["prediction"].as_f64(), farthest);
    assert!(
        report["drift"]["score"]["compared_with"].is_null(),
        "{report}"
    );

    // Mean and deviation of the feature are those of the rows, the far one among them.
    let values = data.files[0].iter().map(|row| row[0].as_f64().unwrap());
    let values: Vec<f64> = values.chain([1e9]).collect();
    let of = |value: &dyn Fn(f64) -> f64| {
        values.iter().map(|of| value(*of)).sum::<f64>() / values.len() as f64
    };
    let mean = of(&|value| value);
    let std = of(&|value| (value - mean) * (value - mean)).sqrt();
    let name = &data.features[0];
    let columns = report["drift"]["features"].as_array().unwrap();
    let column = columns.iter().find(|of| of["name"] == **name).unwrap();
    for (number, expected) in [("mean", mean), ("std", std)] {
        let found = column["current"][number].as_f64().unwrap();
        let near = (found - expected).abs() <= 1e-9 * expected;
        assert!(near, "{number}: {found} and {expected}");
    }

    let named = format!("values far beyond those in training has {name} (up to 1e9, in training ");
    let findings = report["findings"].as_array().unwrap().iter();
    let warned = findings.filter(|of| of["severity"] == "warn");
    let mut texts = warned.filter_map(|of| of["text"].as_str());
    assert!(texts.any(|text| text.contains(&named)), "{report}");
}
