//! Against scikit-learn: the fixtures and the script that made them are in `tests/fixtures`.

mod tasks;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<u8>,
    scores: Vec<f64>,
    threshold: f64,
    confusion: [u64; 4],
    accuracy: f64,
    balanced_accuracy: f64,
    precision: f64,
    recall: f64,
    f1: f64,
    log_loss: f64,
    brier: f64,
    roc_auc: Option<f64>,
    pr_auc: Option<f64>,
    calibration: Vec<(f64, f64)>,
}

fn ranked(labels: &[u8], scores: &[f64]) -> RankMetrics {
    let mut rows: Vec<(f64, bool)> = scores
        .iter()
        .zip(labels)
        .map(|(&score, &label)| (score, label == 1))
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    rank_metrics::<RankError>(rows.into_iter().map(Ok)).expect("sorted scores")
}

fn report(labels: &[u8], scores: &[f64], threshold: f64) -> Report {
    let mut all = Classification::new(threshold);
    all.add_rows(labels, scores).expect("valid rows");
    all.report(Some(&ranked(labels, scores)))
}

#[track_caller]
fn assert_same(ours: Option<f64>, theirs: Option<f64>, what: &str) {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => assert!(
            (ours - theirs).abs() <= 1e-12,
            "{what}: {ours} and {theirs}"
        ),
        (ours, theirs) => assert_eq!(ours, theirs, "{what}"),
    }
}

#[test]
fn metrics_equal_those_of_scikit_learn() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../testing/fixtures/metrics.json"))
            .expect("a fixture");
    assert_eq!(fixture.cases.len(), 12);
    for case in fixture.cases {
        let ours = report(&case.labels, &case.scores, case.threshold);
        let c = ours.confusion;
        let confusion = [
            c.true_negatives,
            c.false_positives,
            c.false_negatives,
            c.true_positives,
        ];
        assert_eq!(confusion, case.confusion, "{}", case.name);
        for (metric, ours, theirs) in [
            ("accuracy", ours.accuracy, Some(case.accuracy)),
            (
                "balanced accuracy",
                ours.balanced_accuracy,
                Some(case.balanced_accuracy),
            ),
            ("precision", ours.precision, Some(case.precision)),
            ("recall", ours.recall, Some(case.recall)),
            ("f1", ours.f1, Some(case.f1)),
            ("log loss", ours.log_loss, Some(case.log_loss)),
            ("brier", ours.brier, Some(case.brier)),
            ("roc auc", ours.roc_auc, case.roc_auc),
            ("pr auc", ours.pr_auc, case.pr_auc),
        ] {
            assert_same(ours, theirs, &format!("{}, {metric}", case.name));
        }
        assert_eq!(ours.calibration.len(), CALIBRATION_BINS);
        assert_eq!(
            ours.calibration.iter().map(|bin| bin.rows).sum::<u64>(),
            ours.rows
        );
        if !case.calibration.is_empty() {
            let filled: Vec<_> = ours.calibration.iter().filter(|bin| bin.rows > 0).collect();
            assert_eq!(filled.len(), case.calibration.len(), "{}", case.name);
            for (bin, (mean_predicted, observed)) in filled.into_iter().zip(case.calibration) {
                assert_same(bin.mean_predicted, Some(mean_predicted), &case.name);
                assert_same(bin.observed_rate, Some(observed), &case.name);
            }
        }
    }
}

#[test]
fn merged_parts_equal_all_rows() {
    let scores: Vec<f64> = (0..997).map(|i| f64::from(i * 37 % 997) / 997.0).collect();
    let labels: Vec<u8> = (0..997).map(|i| u8::from(i % 3 == 0)).collect();
    let whole = report(&labels, &scores, 0.4);
    let mut parts = Classification::new(0.4);
    for (labels, scores) in labels.chunks(100).zip(scores.chunks(100)) {
        let mut part = Classification::new(0.4);
        part.add_rows(labels, scores).expect("valid rows");
        parts.merge(&part);
    }
    let parts = parts.report(Some(&ranked(&labels, &scores)));
    assert_eq!(parts.confusion, whole.confusion);
    assert_same(parts.log_loss, whole.log_loss, "log loss");
    assert_same(parts.brier, whole.brier, "brier");
    for (a, b) in parts.calibration.iter().zip(&whole.calibration) {
        assert_eq!(a.rows, b.rows);
        assert_same(a.mean_predicted, b.mean_predicted, "calibration");
    }
}

#[test]
fn metrics_of_no_rows_are_null_in_json() {
    let rank = rank_metrics::<RankError>(std::iter::empty()).expect("no rows");
    let value = serde_json::to_value(Classification::new(0.5).report(Some(&rank))).expect("JSON");
    for metric in [
        "base_rate",
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "log_loss",
        "brier",
        "roc_auc",
        "pr_auc",
    ] {
        assert!(value[metric].is_null(), "{metric} is {}", value[metric]);
    }
    assert_eq!(value["rows"], 0);
    assert!(value["calibration"][9]["mean_predicted"].is_null());
}

#[test]
fn a_report_reads_back_as_it_was() {
    let report = report(&[0, 1, 1], &[0.1, 0.2, 1.0 / 3.0], 0.25);
    let text = serde_json::to_string(&report).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Report>(&text).expect("a report"),
        report
    );
}

#[test]
fn rows_without_metrics_are_refused_by_position() {
    let mut all = Classification::new(0.5);
    for value in [-0.1, 1.1, f64::INFINITY] {
        assert_eq!(
            all.add_rows(&[0, 1], &[0.5, value]),
            Err(ScoreError::Probability { row: 1, value })
        );
    }
    let error = all.add_rows(&[0], &[f64::NAN]).expect_err("NaN");
    assert_eq!(
        error.to_string(),
        "probability is NaN in row 0: it must be from 0 to 1"
    );
    assert_eq!(
        all.add_rows(&[2], &[0.5]),
        Err(ScoreError::Label { row: 0, value: 2 })
    );
    assert_eq!(all.rows(), 0, "a refused call adds nothing");
}

#[test]
fn scores_out_of_order_are_refused() {
    let rank =
        |scores: &[f64]| rank_metrics::<RankError>(scores.iter().map(|&score| Ok((score, true))));
    assert_eq!(
        rank(&[0.5, 0.7]),
        Err(RankError::Unsorted {
            row: 1,
            score: 0.7,
            before: 0.5
        })
    );
    assert_eq!(
        rank(&[0.5, f64::NAN]),
        Err(RankError::NotANumber { row: 1 })
    );
    assert_eq!(rank(&[0.5, 0.5]), Ok(RankMetrics::default()));
}

#[test]
fn the_order_within_ties_does_not_matter() {
    let of = |rows: [(f64, bool); 4]| rank_metrics::<RankError>(rows.map(Ok)).expect("sorted");
    let one = of([(0.9, true), (0.5, true), (0.5, false), (0.1, false)]);
    assert_eq!(
        one,
        of([(0.9, true), (0.5, false), (0.5, true), (0.1, false)])
    );
    assert_eq!(one.roc_auc, Some(0.875));
    assert_eq!(
        of([(0.0, true), (-0.0, false), (-0.0, true), (-1.0, false)]).roc_auc,
        Some(0.75)
    );
}
