use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::estimator::LogisticRegression;
use crate::fitted_model::Training;
use crate::model::ClassValue;
use crate::preprocessing::Preprocessing;
use crate::signature::{Feature, Kind, Signature};
use crate::splitmix::uniform;
use crate::task::{Rule, Target, Tasks};

#[derive(Deserialize)]
struct Fixture {
    rows: u64,
    coefficients: Vec<f64>,
    intercept: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    metric: String,
    weighted: bool,
    mean: Vec<f64>,
    std: Vec<f64>,
}

fn fixture() -> Fixture {
    let text = include_str!("../../../testing/fixtures/permutation.json");
    serde_json::from_str(text).expect("a fixture")
}

fn model(fixture: &Fixture) -> FittedModel {
    let names = ["a", "b", "c"].map(str::to_owned);
    let feature = |name: &String| Feature {
        name: name.clone(),
        kind: Kind::Numeric,
        nullable: false,
    };
    FittedModel {
        task: Tasks::standard().get("binary").expect("a task"),
        target: Target {
            name: "y".to_owned(),
            classes: vec![ClassValue::Int(0), ClassValue::Int(1)],
        },
        signature: Signature::new(names.iter().map(feature).collect()).expect("a signature"),
        preprocessing: Preprocessing::unchanged(&names).expect("columns"),
        estimator: Arc::new(LogisticRegression {
            coefficients: fixture.coefficients.clone(),
            intercept: fixture.intercept,
        }),
        calibration: None,
        rule: Rule::default(),
        explanation: None,
        training: Training {
            rows: fixture.rows,
            iterations: None,
            converged: true,
            weight: None,
            family: None,
            options: json!({}).as_object().cloned().unwrap_or_default(),
        },
    }
}

/// The rows of the fixture: numbers, labels and weights.
fn rows(fixture: &Fixture) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut x, mut y, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..fixture.rows {
        let numbers = [51, 52, 53].map(|seed| 4.0 * uniform(seed, row) - 2.0);
        let score = numbers.iter().zip(&fixture.coefficients);
        let score: f64 = score.map(|(x, c)| x * c).sum::<f64>() + fixture.intercept;
        let p = 1.0 / (1.0 + libm::exp(-score));
        y.push(f64::from(u8::from(uniform(54, row) < p)));
        weights.push(1.0 + (row % 3) as f64);
        x.extend(numbers);
    }
    (x, y, weights)
}

#[test]
fn importance_is_scikit_learns_but_for_the_chance_of_five_permutations() {
    let fixture = fixture();
    let model = model(&fixture);
    let (x, y, weights) = rows(&fixture);
    assert_eq!(fixture.cases.len(), 4);
    for case in &fixture.cases {
        let mut sample = Sample::of(fixture.rows, 3);
        let weights = case.weighted.then_some(&weights[..]);
        sample.add(
            0,
            Rows {
                x: &x,
                y: &y,
                weights,
            },
        );
        assert_eq!(sample.rows(), 600);
        let metric = model.task.metric(&case.metric).expect("a metric");
        let whole = unshuffled(&model, metric, &sample);
        let whole = whole.expect("rows").expect("a value");
        for place in 0..3 {
            let found = importance(&model, metric, &sample, whole, place);
            let found = found.expect("rows").expect("a value");
            // Four standard errors of a mean of five.
            let chance = 4.0 * case.std[place] / (REPEATS as f64).sqrt();
            let apart = (found.mean - case.mean[place]).abs();
            assert!(apart <= chance, "{} {place}: {found:?}", case.metric);
        }
    }
}

#[test]
fn a_sample_is_the_same_in_whatever_parts_rows_come() {
    let (total, width) = (40_000_u64, 1);
    let x: Vec<f64> = (0..total).map(|row| row as f64).collect();
    let of = |first: usize, last: usize, part: &mut Sample| {
        let rows = Rows {
            x: &x[first..last],
            y: &x[first..last],
            weights: None,
        };
        part.add(first as u64, rows);
    };
    let mut whole = Sample::of(total, width);
    of(0, 40_000, &mut whole);
    let mut parts = Sample::of(total, width);
    of(0, 12_345, &mut parts);
    let mut later = Sample::of(total, width);
    of(12_345, 40_000, &mut later);
    parts.merge(later);
    assert_eq!(whole.x, parts.x);
    // Four standard deviations of a binomial.
    assert!(
        whole.rows().abs_diff(ROWS as usize) < 4 * 87,
        "{}",
        whole.rows()
    );
}

#[test]
fn a_metric_that_is_undefined_gives_nothing() {
    let fixture = fixture();
    let model = model(&fixture);
    let mut sample = Sample::of(2, 3);
    let rows = Rows {
        x: &[0.0; 6],
        y: &[1.0; 2],
        weights: None,
    };
    sample.add(0, rows);
    let metric = model.task.metric("roc_auc").expect("a metric");
    assert_eq!(unshuffled(&model, metric, &sample), Ok(None));
    assert_eq!(importance(&model, metric, &sample, 0.5, 0), Ok(None));
}
