use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::estimator::LogisticRegression;
use crate::estimator::boosting::{GradientBoosting, Loss, Node, Tree};
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
        let mut sample = Sample::of(fixture.rows, &model, 3);
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
    let (total, model) = (40_000_u64, model(&fixture()));
    let x: Vec<f64> = (0..3 * total).map(|number| number as f64).collect();
    let of = |first: usize, last: usize, part: &mut Sample| {
        let rows = Rows {
            x: &x[3 * first..3 * last],
            y: &x[first..last],
            weights: None,
        };
        part.add(first as u64, rows);
    };
    let mut whole = Sample::of(total, &model, 3);
    of(0, 40_000, &mut whole);
    let mut parts = Sample::of(total, &model, 3);
    of(0, 12_345, &mut parts);
    let mut later = Sample::of(total, &model, 3);
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
fn of_very_many_trees_fewer_rows_are_permuted() {
    let fixture = fixture();
    let total = 40_000_usize;
    let (x, y) = (vec![0.0; 3 * total], vec![1.0; total]);
    let rows_of = |trees: u64| {
        let tree = Tree::new(0, vec![Node::leaf(1.0, 1.0)]).expect("a tree");
        let trees = vec![tree; trees as usize];
        let trees = GradientBoosting::new(3, Loss::Logistic, trees, vec![0.0; 3]);
        let model = FittedModel {
            estimator: Arc::new(trees.expect("trees")),
            ..model(&fixture)
        };
        let mut sample = Sample::of(total as u64, &model, FEATURES);
        let rows = Rows {
            x: &x,
            y: &y,
            weights: None,
        };
        sample.add(0, rows);
        sample.rows()
    };
    // 2^34 / (5 permutations x 100 features x 10,000 rows).
    let most = 3435;
    let usual = rows_of(1);
    assert_eq!(rows_of(most), usual);
    // Four standard deviations of a binomial.
    let half = rows_of(2 * most);
    assert!(half.abs_diff(5_001) < 4 * 67, "{half} of {usual}");
    let few = rows_of(100 * most);
    assert!(few.abs_diff(100) < 4 * 10, "{few} of {usual}");
}

#[test]
fn a_metric_that_is_undefined_gives_nothing() {
    let fixture = fixture();
    let model = model(&fixture);
    let mut sample = Sample::of(2, &model, 3);
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
