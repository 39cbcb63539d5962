use super::*;
use crate::splitmix::uniform;

#[derive(Deserialize)]
struct Fixture {
    seeds: [u64; 2],
    rows: u64,
    thresholds: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: Threshold,
    unweighted: f64,
    weighted: f64,
}

fn sought(rule: &Threshold) -> Sought {
    match rule {
        Threshold::Sought(sought) => *sought,
        Threshold::At(number) => panic!("{number}"),
    }
}

#[test]
fn thresholds_are_those_of_scikit_learns_metrics_at_every_one() {
    let text = include_str!("../../../testing/fixtures/calibration.json");
    let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
    let row = |row| {
        let score = ((uniform(fixture.seeds[0], row) * 6.0 - 3.0) * 50.0).floor() / 50.0;
        let p = 1.0 / (1.0 + libm::exp(-(0.7 * score - 1.1)));
        let positive = uniform(fixture.seeds[1], row) < p;
        ((score + 3.0) / 6.0, positive, (row % 5) as f64)
    };
    let mut rows: Vec<(f64, bool, f64)> = (0..fixture.rows).map(row).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert_eq!(fixture.thresholds.len(), 8);
    for case in fixture.thresholds {
        for (weighs, expected) in [(false, case.unweighted), (true, case.weighted)] {
            let weight = |row: &(f64, bool, f64)| if weighs { row.2 } else { 1.0 };
            let of = |positive| -> f64 {
                let rows = rows.iter().filter(|row| row.1 == positive);
                rows.map(weight).sum()
            };
            let mut sweep = Sweep::new(sought(&case.rule), of(true), of(false));
            for row in &rows {
                sweep.add(row.0, row.1, weight(row));
            }
            let found = sweep.finish().expect("a threshold").threshold;
            assert_eq!(found, expected, "{} {weighs}", case.rule);
        }
        let again: Threshold = serde_json::from_str(&case.rule.to_string()).expect("a rule");
        assert_eq!(again, case.rule);
    }
}

#[test]
fn a_rule_that_no_threshold_keeps_finds_none() {
    for (rule, found) in [
        (r#"{"precision": 0.9}"#, false),
        (r#"{"precision": 0.5}"#, true),
        (r#"{"top": 0.2}"#, false),
        (r#"{"recall": 1}"#, true),
    ] {
        let rule: Threshold = serde_json::from_str(rule).expect("a rule");
        let mut sweep = Sweep::new(sought(&rule), 1.0, 1.0);
        for positive in [false, true] {
            sweep.add(0.5, positive, 1.0);
        }
        assert_eq!(sweep.finish().is_some(), found, "{rule}");
    }
    for rule in [r#"{"recall": 0.9}"#, r#"{"maximize": "balanced_accuracy"}"#] {
        let none: Threshold = serde_json::from_str(rule).expect("a rule");
        assert_eq!(Sweep::new(sought(&none), 0.0, 0.0).finish(), None);
        let mut one_class = Sweep::new(sought(&none), 0.0, 1.0);
        one_class.add(0.5, false, 1.0);
        assert_eq!(one_class.finish(), None, "{rule}");
    }
}

#[test]
fn what_is_no_rule_is_named() {
    for (rule, expected) in [
        (r#"{"recall": 1.5}"#, "it must be above 0 and at most 1"),
        (r#"{"maximize": "f2"}"#, "unknown variant `f2`"),
        (
            r#"{"costs": {"false_alarm": 1}}"#,
            "unknown field `false_alarm`",
        ),
        (
            r#"{"costs": {"true_positive": -1}}"#,
            "`false_positive` more than `true_negative`",
        ),
        (
            r#"{"costs": {"true_positive": 5, "false_negative": 1}}"#,
            "`false_negative` more than `true_positive`",
        ),
        ("\"half\"", "`threshold` must be a number, or one of"),
    ] {
        let error = serde_json::from_str::<Threshold>(rule).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
