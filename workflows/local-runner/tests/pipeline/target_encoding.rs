//! Categories that the target encodes: what the scores of new rows are compared with.

use std::fmt::Write;
use std::fs;

use crate::bench::{Bench, unit};
use crate::bring_your_own::{CSV_FILES, configure, run};
use crate::models_json::write_models;

/// Rows of 300 cities, whose shares of buyers differ; `seed` makes others of the same distribution.
fn rows(seed: u64, count: u64) -> String {
    let mut text = "id,city,bought\n".to_owned();
    for row in 0..count {
        let city = (300.0 * unit(seed, row, 1)) as u64;
        let bought = u8::from(unit(seed, row, 2) < 0.2 + 0.6 * unit(0, city, 3));
        writeln!(text, "{seed}-{row:05},c{city:03},{bought}").unwrap();
    }
    text
}

#[test]
fn scores_of_rows_of_the_same_distribution_do_not_drift() {
    let bench = Bench::empty();
    let config = configure(
        &bench,
        r#"{"columns": [
            {"name": "id", "type": "utf8", "role": "id"},
            {"name": "city", "type": "utf8", "role": "feature"},
            {"name": "bought", "type": "int64", "role": "target"}
        ]}"#,
        "SELECT * FROM raw",
        &CSV_FILES,
    );
    let models = r#"{
        "candidates": [{"family": "logistic-regression", "class_weight": "none"}],
        "preprocessing": {"categorical": {"encode": "target", "min_frequency": 2}}
    }"#;
    write_models(&config, models);
    fs::write(bench.raw("train/0.csv"), rows(1, 600)).unwrap();
    fs::write(bench.raw("train/1.csv"), rows(2, 6000)).unwrap();

    let psi = |data_version: &str| {
        let report = bench.json(&format!("reports/{data_version}/shop/v1/report.json"));
        let score = &report["drift"]["score"];
        assert_eq!(score["verdict"], "ok", "{score}");
        score["psi"]["value"].as_f64().unwrap()
    };
    // The rows of training, as if they were new.
    fs::copy(bench.raw("train/1.csv"), bench.raw("predict/2.csv")).unwrap();
    run(&bench, &config, "shop");
    assert_eq!(psi("2026-11"), 0.0);
    // Others of the same distribution.
    fs::write(bench.raw("predict/2.csv"), rows(3, 6000)).unwrap();
    let submit = ["submit", "--from=workflowtemplate/alameda-inference"];
    let what = ["-p=data-version=2026-12", "-p=model-name=shop"];
    let config = format!("--config-maps={}", config.display());
    bench
        .alameda(&[&submit[..], &what, &[&config]].concat())
        .expect(0);
    let psi = psi("2026-12");
    assert!(psi > 0.0 && psi < 0.1, "{psi}");
}
