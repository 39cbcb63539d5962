//! What `models.json` says, through the whole pipeline.

use std::fmt::Write;
use std::fs;

use crate::bench::Bench;
use crate::bring_your_own::{configure, run};

#[derive(serde::Deserialize)]
struct Fixture {
    files: Vec<Vec<(Option<f64>, f64, i64)>>,
    roc_auc: f64,
    log_loss: f64,
}

fn csv(file: usize, rows: &[(Option<f64>, f64, i64)]) -> String {
    let mut text = "id,age,visits,bought\n".to_owned();
    for (row, (age, visits, bought)) in rows.iter().enumerate() {
        let age = age.map_or(String::new(), |age| age.to_string());
        writeln!(text, "{file}-{row},{age},{visits},{bought}").unwrap();
    }
    text
}

#[test]
fn missing_numbers_are_prepared_as_by_scikit_learn_and_every_row_is_scored() {
    let fixture = include_str!("../../../../common/testing/fixtures/imputed.json");
    let fixture: Fixture = serde_json::from_str(fixture).unwrap();
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "age", "type": "float64", "role": "feature", "nullable": true},
            {"name": "visits", "type": "float64", "role": "feature"},
            {"name": "bought", "type": "int64", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &[
            ("TRAIN_GLOB", "train/*.csv"),
            ("PREDICT_GLOB", "predict/*.csv"),
        ],
    );
    let models = r#"{
        "candidates": [{"family": "logistic-regression", "c": 10.0}],
        "preprocessing": {"columns": {"visits": {"clip": [null, 6000]}}}
    }"#;
    fs::write(config.join("models.json"), models).unwrap();
    let kustomization = config.join("kustomization.yaml");
    let text = fs::read_to_string(&kustomization).unwrap();
    let text = text.replace(
        "      - features.sql\n",
        "      - features.sql\n      - models.json\n",
    );
    fs::write(kustomization, text).unwrap();
    for folder in ["train", "predict"] {
        fs::create_dir_all(bench.raw(folder)).unwrap();
    }
    for (number, rows) in fixture.files.iter().enumerate() {
        let file = bench.raw(&format!("train/{number}.csv"));
        fs::write(file, csv(number, rows)).unwrap();
    }
    fs::write(bench.raw("predict/9.csv"), csv(9, &fixture.files[0])).unwrap();
    run(&bench, &config, "shop");

    let model = bench.output("model-training-train", "model");
    let metrics = bench.json(&model.replace("_manifest", "metrics"));
    for (name, theirs) in [("roc_auc", fixture.roc_auc), ("log_loss", fixture.log_loss)] {
        let ours = metrics["holdout"][name].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-9, "{name}: {ours} and {theirs}");
    }
    let results = bench.json("results/2026-11/shop/v1/_manifest.json");
    assert_eq!(
        (results["rows"].as_u64(), results["unscored_rows"].as_u64()),
        (Some(300), Some(0))
    );
    let report = bench.json("reports/2026-11/shop/v1/report.json");
    // The rows to score are those of the holdout.
    let scored = report["performance"]["overall"]["roc_auc"]
        .as_f64()
        .unwrap();
    assert!((scored - fixture.roc_auc).abs() < 1e-9, "{scored}");
}
