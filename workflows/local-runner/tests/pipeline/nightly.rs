//! The CronWorkflow night after night, with and without new data.

use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;

use crate::bench::{Bench, DAY, NEW_YEAR, Ran, assert_unchanged, parameter, rows, with, without};

/// A champion, and raw files for two nights' worth of scoring.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.train();
    bench
}

/// What the schedule would start at half past two on a day of September 2026.
fn night(bench: &Bench, day: &str) -> Ran {
    let time = format!("2026-09-{day}T02:30:00Z");
    let from = [
        "submit",
        "--from",
        "cronwf/alameda-nightly-inference",
        "-p",
        "model-name=m",
        "--scheduled-time",
    ];
    bench.alameda(&[&from[..], &[&time]].concat())
}

/// Raw files in the results of a day; `None` when there are none.
fn scored(bench: &Bench, day: &str) -> Option<Vec<String>> {
    let key = format!("results/2026-09-{day}/m/v1/_manifest.json");
    bench.store(&key).exists().then(|| {
        let shards = bench.json(&key)["shards"].clone();
        shards
            .as_array()
            .unwrap()
            .iter()
            .map(|shard| shard["key"].as_str().unwrap().to_owned())
            .collect()
    })
}

#[test]
fn a_night_with_data_ends_in_published_and_monitored_predictions_and_a_rerun_changes_nothing() {
    let bench = bench();
    night(&bench, "20").expect(0);
    assert_eq!(
        scored(&bench, "20").unwrap(),
        ["predict/0.parquet", "predict/1.parquet"]
    );
    let results = [
        "data-version",
        "model-version",
        "shards",
        "rows-scored",
        "quarantined",
        "summary",
    ];
    assert_eq!(
        results.map(|name| bench.result(name)),
        [
            "2026-09-20",
            "1",
            "2",
            "800",
            "0",
            "version 1 of m scores 2 raw files"
        ]
    );
    let report = bench.json("reports/2026-09-20/m/v1/report.json");
    assert_eq!(bench.result("verdict"), report["verdict"].as_str().unwrap());
    let columns = report["drift"]["features"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&report["drift"]["score"]]);
    let psi = columns
        .map(|column| column["psi"]["value"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(bench.result("psi-max"), psi.to_string());
    assert_eq!(bench.pods("publish-predictions-publish").len(), 1);
    assert_eq!(bench.pods("publish-predictions-labels").len(), 1);

    let before = bench.lasting();
    night(&bench, "20").expect(0);
    assert_unchanged(&before, &bench.lasting());
    assert_eq!(bench.output("batch-inference-map", "reused"), "true");
}

#[test]
fn a_night_without_new_data_does_nothing_and_says_so_until_a_file_comes() {
    let bench = bench();
    night(&bench, "20").expect(0);
    let before = bench.lasting();
    for _ in 0..2 {
        night(&bench, "21").expect(0);
        let workflow = bench.latest();
        assert_eq!(workflow["status"]["phase"], "Succeeded");
        let name = workflow["metadata"]["name"].as_str().unwrap();
        for task in ["scoring", "monitoring"] {
            assert_eq!(bench.phase(task).as_deref(), Some("Skipped"), "{task}");
        }
        let results = [
            "shards",
            "rows-scored",
            "rows-published",
            "verdict",
            "report",
            "results-manifest",
        ];
        assert_eq!(
            results.map(|name| bench.result(name)),
            ["0", "0", "0", "", "", ""]
        );
        let summary = "nothing to score: 2026-09-21 has no raw file that was not scored before";
        assert_eq!(bench.result("summary"), summary);
        let log = bench
            .alameda(&["logs", "@latest", "batch-inference-resolve"])
            .expect(0)
            .stdout;
        assert!(log.contains(summary), "{log}");
        assert_unchanged(&before, &bench.lasting());
        let attempt = bench.json(&format!("_attempts/2026-09-21/{name}.json"));
        assert_eq!(attempt["status"], "Succeeded");
    }

    bench.write("predict/2.parquet", &rows(12, 300));
    night(&bench, "21").expect(0);
    assert_eq!(scored(&bench, "21").unwrap(), ["predict/2.parquet"]);
    assert_eq!(bench.result("rows-scored"), "300");
}

#[test]
fn a_run_of_its_own_looks_first_whether_the_predictions_are_there() {
    let bench = bench();
    night(&bench, "20").expect(0);
    let report = |key: &str| {
        let parameter = format!("results-manifest={key}");
        let from = [
            "submit",
            "--from",
            "workflowtemplate/alameda-monitoring",
            "-p",
        ];
        bench.alameda(&[&from[..], &[&parameter]].concat())
    };
    report("results/2026-09-20/m/v1/_manifest.json").expect(0);
    assert_eq!(bench.output("model-monitoring-check", "rows"), "800");
    assert_eq!(bench.output("model-monitoring-report", "reused"), "true");

    // Nothing has drifted, so that nothing is trained, not even where a warning is enough.
    let before = bench.lasting();
    let retrain = [
        "submit",
        "--from=workflowtemplate/alameda-retrain-on-drift",
        "-p=data-version=2026-09-21",
        "-p=model-name=m",
        "-p=results-manifest=results/2026-09-20/m/v1/_manifest.json",
        "-p=retrain-on=warn",
    ];
    bench.alameda(&retrain).expect(0);
    assert_eq!(bench.output("model-monitoring-report", "reused"), "true");
    assert_eq!(bench.phase("training").as_deref(), Some("Skipped"));
    let results = ["verdict", "promoted", "model-version"];
    assert_eq!(results.map(|name| bench.result(name)), ["ok", "false", ""]);
    assert_unchanged(&before, &bench.lasting());

    report("results/2026-09-21/m/v1/_manifest.json").expect(1);
    let workflow = bench.latest();
    let nodes = workflow["status"]["nodes"].as_object().unwrap();
    let is_report = |node: &serde_json::Value| {
        node["templateName"] == "model-monitoring-report" && node["type"] == "Pod"
    };
    assert!(!nodes.values().any(is_report), "{nodes:#?}");
}

#[test]
fn labels_that_come_late_renew_the_reports_of_their_days_alone_in_the_next_night() {
    let bench = bench();
    night(&bench, "20").expect(0);
    // Rows of other days than those of the night before, whose labels are not known yet.
    let days = (0..300).map(|i| NEW_YEAR + (60 + i % 20) * DAY);
    let times = Arc::new(TimestampMicrosecondArray::from_iter_values(days));
    let full = with(&rows(12, 300), "date", times);
    bench.write("predict/2.parquet", &without(&full, "target"));
    night(&bench, "21").expect(0);
    assert_eq!(bench.result("reports-renewed"), "0");
    let report = |day: &str| bench.json(&format!("reports/2026-09-{day}/m/v1/report.json"));
    let before = [report("20"), report("21")];
    assert_eq!(before[1]["performance"]["labelled_rows"], 0);

    bench.write("labels/1.parquet", &full.project(&[0, 1, 4]).unwrap());
    night(&bench, "22").expect(0);
    assert_eq!(
        ["shards", "reports-renewed"].map(|name| bench.result(name)),
        ["0", "1"]
    );
    assert_eq!(report("21")["performance"]["labelled_rows"], 300);
    assert_eq!(report("20"), before[0]);
    let page = bench.store("reports/2026-09-21/m/v1/report.html");
    assert!(std::fs::read_to_string(page).unwrap().contains("300"));

    let lasting = bench.lasting();
    night(&bench, "22").expect(0);
    assert_eq!(bench.result("reports-renewed"), "0");
    assert_unchanged(&lasting, &bench.lasting());

    // What a file held that is gone is not known any more.
    std::fs::remove_file(bench.raw("labels/1.parquet")).unwrap();
    night(&bench, "22").expect(0);
    assert_eq!(bench.result("reports-renewed"), "1");
    assert_eq!(report("21")["performance"]["labelled_rows"], 0);
}

#[test]
fn the_first_run_after_missed_days_scores_the_files_of_all_of_them() {
    let bench = bench();
    night(&bench, "20").expect(0);
    for day in 2..5 {
        bench.write(
            &format!("predict/{day}.parquet"),
            &rows(10 + day, 100 * day),
        );
    }
    night(&bench, "24").expect(0);
    assert_eq!(
        scored(&bench, "24").unwrap(),
        [
            "predict/2.parquet",
            "predict/3.parquet",
            "predict/4.parquet"
        ]
    );
    assert_eq!(bench.result("rows-scored"), "900");
    for day in ["21", "22", "23"] {
        assert_eq!(scored(&bench, day), None);
    }
}

#[test]
fn a_night_that_failed_is_retried_with_the_files_that_it_had_chosen() {
    let bench = bench();
    let whole = std::fs::read(bench.raw("predict/1.parquet")).unwrap();
    std::fs::write(bench.raw("predict/1.parquet"), &whole[..whole.len() / 2]).unwrap();
    night(&bench, "20").expect(1);
    std::fs::remove_file(bench.raw("predict/1.parquet")).unwrap();
    bench.write("predict/2.parquet", &rows(12, 300));
    let retried = bench.alameda(&["retry", "@latest"]).expect(1).shown();
    assert!(retried.contains("predict/1.parquet"), "{retried}");
    assert_eq!(
        parameter(
            &bench.pods("batch-inference-resolve")[0]["outputs"],
            "shards"
        ),
        "2"
    );
    assert_eq!(scored(&bench, "20"), None);
}
