//! Parts of the rows, dates, gates, and what makes the step fail.

use catalog::layout;
use pages::content::Period;
use profile::drift::Verdict;
use serde_json::json;

use super::home::{Home, Names, Reported, Rows};
use settings::FailOn;

async fn drifted() -> (Home, String) {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let mut rows = Rows::simple(300);
    rows.features[1]
        .iter_mut()
        .for_each(|value| *value = Some(3.0));
    let results = home.results(&[rows]).await;
    (home, results)
}

#[tokio::test]
async fn the_step_fails_from_the_verdict_that_is_asked_for_on_and_again_when_it_is_repeated() {
    let (home, results) = drifted().await;
    for (fail_on, fails) in [
        (FailOn::Never, false),
        (FailOn::Warn, true),
        (FailOn::Alert, true),
    ] {
        for _ in 0..2 {
            let outputs = home.try_report_failing_on(&results, fail_on).await.unwrap();
            assert_eq!(outputs.refusal().is_some(), fails, "{fail_on:?}");
            assert_eq!(
                outputs.get("verdict"),
                Some("alert"),
                "the outputs are there all the same"
            );
        }
    }
    let why = home
        .try_report_failing_on(&results, FailOn::Alert)
        .await
        .unwrap();
    assert_eq!(
        why.get("reused"),
        Some("true"),
        "what fails is no input of the report"
    );
    let why = why.refusal().unwrap().to_owned();
    assert!(
        why.contains("x2 drifted: PSI") && why.contains("reports/25.05.1/m/v3/report.html"),
        "{why}"
    );

    let calm = Home::new(Names::default(), &Rows::simple(400)).await;
    let results = calm.results(&[Rows::simple(300)]).await;
    let outputs = calm
        .try_report_failing_on(&results, FailOn::Warn)
        .await
        .unwrap();
    assert_eq!(
        (outputs.get("verdict"), outputs.refusal()),
        (Some("ok"), None)
    );
    let few = calm.results(&[Rows::simple(30)]).await;
    assert_eq!(
        calm.try_report_failing_on(&few, FailOn::Warn)
            .await
            .unwrap()
            .refusal(),
        None,
        "few rows are no alarm"
    );
}

#[tokio::test]
async fn outputs_hold_what_a_first_screen_needs() {
    let (home, results) = drifted().await;
    let (outputs, report) = home.report(&results).await;
    let content = &report.content;
    assert_eq!(outputs.get("rows"), Some("300"));
    assert_eq!(outputs.get("label-coverage"), Some("0.75"));
    assert_eq!(outputs.get("drifted-features"), Some("1"));
    let number = |name: &str| {
        outputs
            .get(name)
            .and_then(|value| value.parse::<f64>().ok())
    };
    assert_eq!(
        number("accuracy"),
        content
            .performance
            .overall
            .as_ref()
            .and_then(|overall| overall.accuracy)
    );
    assert_eq!(
        number("psi-max"),
        content.drift.features[0].psi.as_ref().map(|psi| psi.value)
    );
    let nothing = home.results(&[]).await;
    let (outputs, _) = home.report(&nothing).await;
    assert_eq!(
        (outputs.get("accuracy"), outputs.get("label-coverage")),
        (Some(""), Some(""))
    );
}

#[tokio::test]
async fn every_scored_row_is_in_one_range_of_scores() {
    let home = Home::new(Names::default(), &Rows::simple(404)).await;
    let mut rows = Rows::simple(303);
    (rows.score[0], rows.features[0][0]) = (None, None);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(100, 303)])
        .await;
    let (_, report) = home.report(&results).await;
    let (score, overall) = (
        &report.content.segments.score,
        report.content.performance.overall.as_ref().unwrap(),
    );
    assert_eq!(score.len(), 10);
    assert_eq!((score[0].lower, score[9].upper), (None, None));
    assert!(score.windows(2).all(|pair| pair[0].upper == pair[1].lower));
    assert_eq!(score.iter().map(|range| range.rows).sum::<u64>(), 302);
    assert_eq!(
        score.iter().map(|range| range.measured_rows).sum::<u64>(),
        overall.rows
    );
    let right: u64 = score
        .iter()
        .map(|range| range.confusion.true_positives + range.confusion.true_negatives)
        .sum();
    assert_eq!(Some(right as f64 / overall.rows as f64), overall.accuracy);
    for range in score {
        // Every hundredth is as frequent as any other, now and in training.
        assert!(
            (range.reference_share.unwrap() - 0.1).abs() < 0.011,
            "{range:?}"
        );
        assert!(
            (range.share.unwrap() - range.reference_share.unwrap()).abs() < 0.011,
            "{range:?}"
        );
    }
}

#[tokio::test]
async fn indices_by_day_show_when_a_feature_moved() {
    let home = Home::new(Names::default(), &Rows::simple(800)).await;
    let mut rows = Rows::simple(2000);
    for i in (0..2000).filter(|i| i % 4 == 3) {
        rows.features[1][i] = Some(3.0);
    }
    let results = home
        .results(&[rows.slice(0, 700), rows.slice(700, 2000)])
        .await;
    let (_, report) = home.report(&results).await;
    let drift = &report.content.drift;
    let periods = drift.periods.as_ref().unwrap();
    assert_eq!(
        (periods.unit, &periods.rows[..]),
        (Period::Day, &[500, 500, 500, 500][..])
    );
    let thresholds = &report.content.thresholds;
    let x2 = drift
        .features
        .iter()
        .find(|column| column.name == "x2")
        .unwrap();
    let verdicts: Vec<Verdict> = x2
        .psi_by_period
        .iter()
        .enumerate()
        .map(|(i, psi)| periods.verdict(i, *psi, thresholds))
        .collect();
    assert_eq!(
        verdicts,
        [Verdict::Ok, Verdict::Ok, Verdict::Ok, Verdict::Alert]
    );
    // Five equal values, of which one holds every row: 0.8 ln(1 / 0.2) + 4 * 0.2 ln(0.2 / 0.0001),
    // each less its floor.
    let expected = 0.8 * libm::log(1.0 / 0.2) + 4.0 * (0.2 - 1e-4) * libm::log(0.2 / 1e-4);
    assert!(
        (x2.psi_by_period[3].unwrap() - expected).abs() < 1e-5,
        "{:?} {expected}",
        x2.psi_by_period
    );
    assert_eq!(x2.values.as_ref().unwrap().new, [] as [f64; 0]);
}

#[tokio::test]
async fn values_that_came_and_went_are_reported() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let mut rows = Rows::simple(300);
    for value in &mut rows.features[1] {
        *value = value.map(|value| if value == 4.0 { 7.0 } else { value });
    }
    let results = home.results(&[rows]).await;
    let (_, report) = home.report(&results).await;
    let x2 = report
        .content
        .drift
        .features
        .iter()
        .find(|column| column.name == "x2")
        .unwrap();
    let values = x2.values.as_ref().unwrap();
    assert_eq!(
        (&values.new[..], &values.vanished[..]),
        (&[7.0][..], &[4.0][..])
    );
    assert!(
        report
            .content
            .findings
            .iter()
            .any(|finding| finding.text.contains("did not have: 7"))
    );
}

#[tokio::test]
async fn dates_tell_how_fresh_the_rows_are() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let mut rows = Rows::simple(300);
    // 1, 2 and 4 March 2025; scored on 23 November 2026.
    for (i, at) in rows.at.iter_mut().enumerate().filter(|(i, _)| i % 4 == 2) {
        *at = Some(1_740_787_200_000_000 + (i as i64 % 2) * 86_400_000_000);
    }
    let results = home.results(&[rows]).await;
    let (_, report) = home.report(&results).await;
    let freshness = report.content.quality.freshness.as_ref().unwrap();
    assert_eq!(
        (freshness.first.to_string(), freshness.last.to_string()),
        ("2025-03-01".into(), "2025-03-04".into())
    );
    assert_eq!((freshness.missing_days, freshness.age_days), (1, 629));
}

#[tokio::test]
async fn a_text_that_the_results_carry_divides_the_rows() {
    let mut home = Home::new(Names::default(), &Rows::simple(400)).await;
    home.region = Some(|row| {
        if row % 3 == 0 {
            None
        } else {
            Some(if row % 3 == 1 { "north" } else { "<south>" })
        }
    });
    let results = home.results(&[Rows::simple(300)]).await;
    let (_, report) = home.report(&results).await;
    let column = &report.content.segments.columns[0];
    let rows: Vec<(Option<&str>, u64, Option<f64>)> = column
        .values
        .iter()
        .map(|value| (value.name.as_deref(), value.rows, value.share))
        .collect();
    let third = Some(100.0 / 300.0);
    assert_eq!(column.column, "region");
    assert_eq!(
        rows,
        [
            (None, 100, third),
            (Some("<south>"), 100, third),
            (Some("north"), 100, third)
        ]
    );
    assert_eq!(
        column
            .values
            .iter()
            .map(|value| value.measured_rows)
            .sum::<u64>(),
        225
    );
    assert!(home.html().await.contains("&lt;south&gt;"));
}

#[tokio::test]
async fn gates_that_had_a_say_stand_in_the_report() {
    let (home, results) = drifted().await;
    let (_, before) = home.report(&results).await;
    assert!(before.content.model.gates.is_empty());
    let verdict = |version: u64, comparison: &str| {
        json!({"format_version": 1, "promoted": true, "reason": "roc_auc 0.75 reaches the floor", "comparison": comparison,
               "candidate": {"version": version}, "workflow": "w"})
    };
    for (digest, verdict) in [
        ("a".repeat(64), verdict(3, "first-champion")),
        ("b".repeat(64), verdict(3, "champion-already")),
        ("c".repeat(64), verdict(2, "same-holdout")),
    ] {
        home.store
            .put_json(&layout::verdict(&home.model_folder(), &digest), &verdict)
            .await
            .unwrap();
    }
    let (outputs, report) = home.report(&results).await;
    assert_eq!(
        outputs.get("reused"),
        Some("false"),
        "a verdict is an input"
    );
    let gates = &report.content.model.gates;
    assert_eq!(
        (gates.len(), gates[0].comparison.as_str(), gates[0].promoted),
        (1, "first-champion", true)
    );
    assert!(home.html().await.contains("reaches the floor"));
}
