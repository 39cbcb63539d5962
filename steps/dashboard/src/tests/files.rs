//! Reports and tables as files.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_shown_as_it_was_written_and_its_segments_stand_on_the_model_s_page() {
    let (home, at, _) = published("reports").await;
    assert_eq!(ask(at, "/reports/2/m/v4", "").await.status, 404);
    for path in [
        "/reports/..%2F..%2Fmodels/m/v4",
        "/reports/2/m/4",
        "/reports/2/M!/v4",
        "/reports/2/m/v-1",
    ] {
        assert_eq!(ask(at, path, "").await.status, 404, "{path}");
    }
    // One that the first release wrote, in which ranges of the score become regions.
    let released = include_str!("../../../../common/testing/fixtures/released/report.json");
    let mut report: Value = serde_json::from_str(released).unwrap();
    let region = |name: &str, rows: u64| {
        let mut part = report["segments"]["score"][0].clone();
        part["name"] = name.into();
        part["rows"] = rows.into();
        part
    };
    let values = [region("north", 900), region("=1", 300)];
    report["segments"]["columns"] = serde_json::json!([{"column": HOSTILE, "values": values}]);
    report["reasons"] = serde_json::json!([
        {"feature": HOSTILE, "rows": 1100, "share": 0.6875, "mean_contribution": -0.625},
        {"feature": null, "rows": 500, "share": 0.3125, "mean_contribution": null},
    ]);
    report["data_version"] = "2".into();
    let folder = layout::report(&version("2"), &name(), 4);
    home.store
        .put_json(&layout::report_json(&folder), &report)
        .await
        .unwrap();
    home.store
        .put(&layout::report_html(&folder), b"<p>the report</p>".to_vec())
        .await
        .unwrap();

    let shown = ask(at, "/reports/2/m/v4", "").await;
    assert_eq!(
        (shown.status, shown.body.as_str()),
        (200, "<p>the report</p>")
    );
    assert!(shown.headers["content-security-policy"].starts_with("sandbox; default-src 'none'"));
    assert!(page(at, "/data").await.contains("href=\"/reports/2/m/v4\""));
    let model = page(at, "/models/m").await;
    assert!(
        model.contains("href=\"/reports/2/m/v4\"") && model.contains("north"),
        "{model}"
    );
    let reasons = model.split_once("Most frequent reasons").unwrap().1;
    for said in ["&lt;script&gt;", "1,100", "68.8 %", "−0.625", "all others"] {
        assert!(reasons.contains(said), "no {said}: {reasons}");
    }
    // The other version has no report.
    let other = page(at, "/models/m?version=3").await;
    assert!(!other.contains("north") && !other.contains("Most frequent reasons"));
    assert!(!page(at, "/models/m?segment=score").await.contains("north"));
    let csv = page(at, "/tables/segments.csv?model=m").await;
    assert!(
        csv.contains("north") && csv.contains("'=1") && csv.starts_with("column,value,lower"),
        "{csv}"
    );
    let by_score: Vec<Value> = serde_json::from_str(
        &page(
            at,
            "/tables/segments.json?model=m&segment=score&threshold=0.3",
        )
        .await,
    )
    .unwrap();
    let counted = postgres().psql(
        "reports",
        "SELECT count(*), count(*) FILTER (WHERE (probability >= 0.3)::int = y) FROM predictions \
         WHERE model_version = 4 AND y IS NOT NULL",
    );
    let counted = counted.unwrap();
    let (measured, right) = counted.split_once('|').unwrap();
    let sum = |get: &dyn Fn(&Value) -> f64| by_score.iter().map(get).sum::<f64>();
    assert_eq!(
        sum(&|part| part["measured_rows"].as_f64().unwrap()),
        measured.parse::<f64>().unwrap()
    );
    let of_part = |part: &Value| {
        part["accuracy"].as_f64().unwrap_or(0.0) * part["measured_rows"].as_f64().unwrap()
    };
    assert!((sum(&of_part) - right.parse::<f64>().unwrap()).abs() < 1e-6);
    assert!((sum(&|part| part["share"].as_f64().unwrap()) - 1.0).abs() < 1e-9);
    for part in &by_score {
        assert!(
            (part["reference_share"].as_f64().unwrap() - 0.1).abs() < 0.03,
            "{part}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_a_file() {
    let (home, at, _) = published("tables").await;
    let attempt = serde_json::json!({
        "format_version": 1, "workflow": "w-1", "data_version": "2", "status": "Failed", "duration_seconds": 3.5,
        "attempts": 2, "recorded_at": "2025-03-04T00:00:00Z",
        "failures": [{"displayName": "data-prep-map(0)", "message": HOSTILE}],
    });
    home.store
        .put_json("_attempts/2/w-1.json", &attempt)
        .await
        .unwrap();
    for (path, header, rows) in [
        ("scored", "model_name,", 2),
        ("runs", "run_id,", 0),
        ("workflows", "workflow,", 1),
        ("prepared", "data_version,", 0),
        ("left-out", "data_version,", 0),
        ("days", "day,", 4),
        ("features", "column,", 3),
        ("metrics", "metric,", 8),
        ("calibration", "lower,", 10),
        ("values", "feature,", 2),
        ("thresholds", "threshold,", 9),
        ("segments", "column,", 10),
        ("predictions", "id,", 1),
    ] {
        let query = "?model=m&version=4&id=c7";
        let csv = page(at, &format!("/tables/{path}.csv{query}")).await;
        assert!(csv.starts_with(header), "{path}: {csv}");
        assert_eq!(csv.lines().count(), rows + 1, "{path}: {csv}");
        let json: Vec<Value> =
            serde_json::from_str(&page(at, &format!("/tables/{path}.json{query}")).await).unwrap();
        assert_eq!(json.len(), rows, "{path}");
    }
    let runs = page(at, "/runs").await;
    assert!(
        runs.contains("w-1") && runs.contains("&lt;script&gt;") && runs.contains("Failed"),
        "{runs}"
    );
}
