//! Running twice, and what is reported when little is known.

use catalog::manifest::{self, Quarantined, ResultsManifest};
use pages::content::{Committed, Finding, REPORT_VERSION, Severity};
use profile::drift::Verdict;

use super::home::{Home, Names, Reported, Rows};

async fn simple() -> (Home, String) {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let rows = Rows::simple(300);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(100, 300)])
        .await;
    (home, results)
}

#[tokio::test]
async fn a_second_run_reuses_the_report_and_gives_the_same_page() {
    let (home, results) = simple().await;
    let first = home.try_report(&results).await.unwrap();
    let objects = home.store.list("").await.unwrap();
    let second = home.try_report(&results).await.unwrap();
    assert_eq!(
        (first.get("reused"), second.get("reused")),
        (Some("false"), Some("true"))
    );
    assert_eq!(second.get("verdict"), first.get("verdict"));
    assert_eq!(
        second.get("report"),
        Some("reports/25.05.1/m/v3/report.html")
    );
    assert_eq!(
        home.store.list("").await.unwrap(),
        objects,
        "reuse writes nothing"
    );
    assert_eq!(
        format!("{second:?}").replace("true", "false"),
        format!("{first:?}").replace("true", "false")
    );
}

/// It is on other rows, and in the place of this one.
#[tokio::test]
async fn a_report_of_the_first_release_is_read_and_replaced() {
    let (home, results) = simple().await;
    let released = include_bytes!("../../../../common/testing/fixtures/released/report.json");
    let before: Committed = serde_json::from_slice(released).unwrap();
    let content = before.content;
    assert_eq!(content.report_version, REPORT_VERSION);
    assert_eq!(content.performance.labelled_rows, 6);
    assert_eq!(content.drift.features[0].current.median, Some(1.0));
    // Which the first release did not write.
    assert_eq!(content.drift.features[0].current.median_low, None);

    let key = "reports/25.05.1/m/v3/report.json";
    home.store.put(key, released.to_vec()).await.unwrap();
    let (outputs, after) = home.report(&results).await;
    assert_eq!(outputs.get("reused"), Some("false"));
    assert_eq!(after.content.performance.labelled_rows, 225);
    let (outputs, _) = home.report(&results).await;
    assert_eq!(outputs.get("reused"), Some("true"));
}

#[tokio::test]
async fn a_refresh_gives_the_same_bytes() {
    let (mut home, results) = simple().await;
    home.deliver("1.parquet", &[("c4", 1_740_787_200_000_000, Some(1))]);
    home.try_report(&results).await.unwrap();
    let keys = [
        "reports/25.05.1/m/v3/report.json",
        "reports/25.05.1/m/v3/report.html",
    ];
    let mut before = Vec::new();
    for key in keys {
        before.push(home.store.require(key).await.unwrap());
    }
    home.step = home.step.refreshing();
    let again = home.try_report(&results).await.unwrap();
    assert_eq!(again.get("reused"), Some("false"));
    for (key, before) in keys.iter().zip(before) {
        assert!(
            home.store.require(key).await.unwrap() == before,
            "{key} changed"
        );
    }
}

#[tokio::test]
async fn later_labels_make_the_report_anew_without_being_asked() {
    let (home, results) = simple().await;
    let (_, before) = home.report(&results).await;
    assert_eq!(before.content.performance.labelled_rows, 225);
    home.deliver(
        "1.parquet",
        &[
            ("c4", 1_740_787_200_000_000, Some(1)),
            ("c8", 1_740_787_200_000_000, Some(0)),
        ],
    );
    let (outputs, after) = home.report(&results).await;
    assert_eq!(outputs.get("reused"), Some("false"));
    assert_eq!(after.content.performance.labelled_rows, 227);
    assert_eq!(after.content.quality.late_labels.matched_rows, 2);
    let (outputs, _) = home.report(&results).await;
    assert_eq!(outputs.get("reused"), Some("true"));
}

#[tokio::test]
async fn a_lost_or_changed_page_is_written_again() {
    let (home, results) = simple().await;
    home.try_report(&results).await.unwrap();
    let page = home.html().await;
    for damage in [None, Some(b"<p>".to_vec())] {
        let key = "reports/25.05.1/m/v3/report.html";
        match damage {
            None => std::fs::remove_file(home.store.local_path(key).unwrap()).unwrap(),
            Some(bytes) => home.store.put(key, bytes).await.unwrap(),
        }
        assert_eq!(
            home.try_report(&results).await.unwrap().get("reused"),
            Some("false")
        );
        assert_eq!(home.html().await, page);
    }
    home.store
        .put("reports/25.05.1/m/v3/report.json", b"{".to_vec())
        .await
        .unwrap();
    assert_eq!(
        home.try_report(&results).await.unwrap().get("reused"),
        Some("false")
    );
}

#[tokio::test]
async fn without_labels_the_report_still_tells_of_data_and_drift() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let rows = Rows {
        label: vec![None; 300],
        ..Rows::simple(300)
    };
    let results = home.results(&[rows]).await;
    let (outputs, report) = home.report(&results).await;
    assert_eq!(outputs.get("verdict"), Some("ok"));
    let performance = &report.content.performance;
    assert_eq!(
        (
            performance.labelled_rows,
            performance.label_coverage,
            &performance.overall
        ),
        (0, Some(0.0), &None)
    );
    assert_eq!(performance.days.len(), 4);
    assert!(
        performance
            .days
            .iter()
            .all(|day| day.accuracy.is_none() && day.mean_score.is_some())
    );
    assert!(
        report
            .content
            .findings
            .iter()
            .any(|finding| finding.text.contains("no labels yet"))
    );
    assert!(home.html().await.contains("There are no labels yet"));
}

#[tokio::test]
async fn files_that_the_glob_of_labels_does_not_match_are_named_in_place_of_labels() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let rows = Rows {
        label: vec![None; 300],
        ..Rows::simple(300)
    };
    let results = home.results(&[rows]).await;
    home.report(&results).await;
    home.raw
        .put("labels/a.csv", b"id\n1\n".to_vec())
        .await
        .unwrap();
    let (outputs, report) = home.report(&results).await;
    assert_eq!(outputs.get("reused"), Some("false"));
    let expected = "There are no labels: there is 1 file where labels/*.parquet looks, and it matches \
                    none: labels/a.csv. Check LABELS_GLOB.";
    let findings = &report.content.findings;
    assert!(
        findings.iter().any(|finding| finding.text == expected),
        "{findings:?}"
    );
    assert_eq!(home.report(&results).await.0.get("reused"), Some("true"));
}

#[tokio::test]
async fn an_empty_result_set_has_a_report_without_a_judgement() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    for parts in [vec![], vec![Rows::simple(0)]] {
        let results = home.results(&parts).await;
        let (outputs, report) = home.report(&results).await;
        assert_eq!(outputs.get("verdict"), Some("insufficient-data"));
        assert_eq!(report.content.performance.label_coverage, None);
        assert_eq!(report.content.performance.days, []);
        assert_eq!(report.content.drift.score.psi, None);
        assert!(!home.html().await.contains("NaN"));
    }
}

#[tokio::test]
async fn too_few_rows_are_no_judgement() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let results = home.results(&[Rows::simple(99)]).await;
    let (outputs, _) = home.report(&results).await;
    assert_eq!(outputs.get("verdict"), Some("insufficient-data"));
    let results = home.results(&[Rows::simple(100)]).await;
    let (outputs, _) = home.report(&results).await;
    assert_eq!(outputs.get("verdict"), Some("ok"));
}

#[tokio::test]
async fn a_shifted_feature_is_an_alert_and_stands_first() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let mut rows = Rows::simple(300);
    rows.features[1]
        .iter_mut()
        .for_each(|value| *value = Some(3.0));
    let results = home.results(&[rows]).await;
    let (outputs, report) = home.report(&results).await;
    assert_eq!(outputs.get("verdict"), Some("alert"));
    let first = &report.content.drift.features[0];
    assert_eq!((first.name.as_str(), first.verdict), ("x2", Verdict::Alert));
    assert!(
        report.content.findings[0]
            .text
            .starts_with("x2 drifted: PSI"),
        "{:?}",
        report.content.findings[0]
    );
}

#[tokio::test]
async fn without_a_time_column_there_are_no_days_and_labels_join_by_id() {
    let home = Home::new(
        Names {
            time: None,
            ..Names::default()
        },
        &Rows::simple(400),
    )
    .await;
    home.deliver("1.parquet", &[("c4", 0, Some(1))]);
    let results = home.results(&[Rows::simple(300)]).await;
    let (_, report) = home.report(&results).await;
    assert_eq!(
        (
            report.content.performance.days.len(),
            report.content.quality.undated_rows
        ),
        (0, None)
    );
    assert_eq!(report.content.quality.late_labels.matched_rows, 1);
    assert!(home.html().await.contains("has no time column"));
}

#[tokio::test]
async fn rows_without_a_date_count_but_stand_in_no_day() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let mut rows = Rows::simple(300);
    rows.at[0] = None;
    rows.at[1] = None;
    let results = home.results(&[rows]).await;
    let (_, report) = home.report(&results).await;
    assert_eq!(report.content.quality.undated_rows, Some(2));
    assert_eq!(
        report
            .content
            .performance
            .days
            .iter()
            .map(|day| day.rows)
            .sum::<u64>(),
        298
    );
    assert_eq!(report.content.performance.labelled_rows, 225);
}

#[tokio::test]
async fn files_that_were_left_out_are_reported() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let left_out = Quarantined {
        key: "predict/<bad>.parquet".to_owned(),
        reason: "column \"x\" is missing".to_owned(),
        gone: false,
    };
    let results = home
        .results_with(&[Rows::simple(300)], vec![left_out])
        .await;
    let (_, report) = home.report(&results).await;
    assert!(
        report.content.findings[0].text.contains("1 of 2 raw files"),
        "{:?}",
        report.content.findings
    );
    let page = home.html().await;
    assert!(
        page.contains("predict/&lt;bad&gt;.parquet")
            && page.contains("column &quot;x&quot; is missing")
    );
}

#[tokio::test]
async fn a_small_report_has_the_documented_shape() {
    let home = Home::new(
        Names {
            features: vec!["x2"],
            ..Names::default()
        },
        &{
            let rows = Rows::simple(120);
            Rows {
                features: vec![rows.features[1].clone()],
                ..rows
            }
        },
    )
    .await;
    let rows = Rows::simple(8);
    let results = home
        .results(&[Rows {
            features: vec![rows.features[1].clone()],
            ..rows
        }])
        .await;
    let (_, mut report) = home.report(&results).await;
    // The page is looked at, and changes more often than the shape.
    (report.html.bytes, report.html.sha256) = (0, String::new());
    insta::assert_snapshot!(
        "report.json",
        serde_json::to_string_pretty(&report).unwrap()
    );
}

#[tokio::test]
async fn rows_that_are_left_out_are_a_finding() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    for (rows, quarantined, severity, text) in [
        (
            Some(Rows::simple(300)),
            0,
            Severity::Note,
            "100 of 400 rows (25 %) were left out by the filter of dataset.json, and have no score.",
        ),
        (
            Some(Rows::simple(280)),
            20,
            Severity::Note,
            "120 of 400 rows (30 %) were left out by dataset.json (100 rows by filter, 20 rows \
             quarantined), and have no score.",
        ),
        (
            None,
            0,
            Severity::Warn,
            "Nothing was scored: the filter of dataset.json left out all 100 rows.",
        ),
    ] {
        let results = home.results(&rows.into_iter().collect::<Vec<_>>()).await;
        let mut manifest: ResultsManifest = manifest::require(&home.store, &results).await.unwrap();
        manifest.left_out.filter = 100;
        manifest.left_out.quarantined = quarantined;
        home.store.put_json(&results, &manifest).await.unwrap();
        let (_, report) = home.report(&results).await;
        let findings = &report.content.findings;
        let is_it = |finding: &&Finding| finding.severity == severity && finding.text == text;
        assert!(
            findings.iter().any(|finding| is_it(&finding)),
            "{findings:?}"
        );
    }
}
