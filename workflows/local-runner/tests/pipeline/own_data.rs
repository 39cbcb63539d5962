//! Raw files to a trained model by two commands, without an edit in between.

use std::fmt::Write;
use std::fs;

use crate::bench::Bench;

/// 900 orders over 90 days. Late ones are heavier; some weights are not known.
fn orders(first: usize) -> String {
    let mut text = "order_id,ordered_at,weight,items,late\n".to_owned();
    for row in first..first + 450 {
        let noise = (row * 7919 % 1000) as f64 / 1000.0;
        let late = u8::from((row * 104_729 % 997) as f64 / 997.0 < 0.15 + noise / 2.0);
        let weight = match row % 11 {
            0 => String::new(),
            _ => format!("{:.3}", noise * 20.0),
        };
        let (month, day) = (row / 300 + 1, row / 10 % 28 + 1);
        let hour = row % 24;
        writeln!(
            text,
            "o{row:04},2026-{month:02}-{day:02} {hour:02}:00:00,{weight},{},{late}",
            row % 9
        )
        .unwrap();
    }
    text
}

#[test]
fn what_infer_writes_trains_scores_and_reports_at_once() {
    let bench = Bench::empty();
    let raw = bench.folder().join("orders");
    for (name, first) in [
        ("train/a.csv", 0),
        ("train/b.csv", 450),
        ("predict/c.csv", 900),
    ] {
        let file = raw.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, orders(first)).unwrap();
    }
    let (raw, out) = (
        raw.to_str().unwrap().to_owned(),
        bench.folder().join("shop"),
    );
    let out = out.to_str().unwrap();
    let shown = bench
        .alameda(&["dataset", "infer", &raw, "--out", out])
        .expect(0)
        .stdout;
    assert!(shown.contains("holdout  after=2026-03-"), "{shown}");
    bench
        .alameda(&[
            "submit",
            &format!("--config-maps={out}"),
            &format!("--raw-url={raw}"),
            "--from=workflowtemplate/alameda-pipeline",
            "-p",
            "data-version=1",
            "-p",
            "model-name=late",
        ])
        .expect(0);
    let report = bench.json("reports/1/late/v1/report.json");
    assert!(
        report["performance"]["overall"]["roc_auc"]
            .as_f64()
            .unwrap()
            > 0.5
    );
    let results = bench.json("results/1/late/v1/_manifest.json");
    assert_eq!(
        (results["rows"].as_u64(), results["unscored_rows"].as_u64()),
        (Some(450), Some(0))
    );
    let again = bench
        .alameda(&["dataset", "infer", &raw, "--out", out, "--target=items"])
        .expect(2);
    assert!(
        again
            .stderr
            .contains("nothing was written; --force replaces them"),
        "{}",
        again.stderr
    );
}
