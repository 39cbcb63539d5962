//! The fit against scikit-learn: the fixtures and the scripts that made them are in
//! `tests/fixtures`.

mod file;
mod kept;
mod one_hot;
mod refusals;
mod scales;
mod sparse;

use serde::Deserialize;

use super::*;
use crate::splitmix::{self, uniform};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    data: Data,
    c: f64,
    balanced: bool,
    positives: usize,
    checksum: f64,
    scikit_learn_converges: bool,
    coefficients: Vec<f64>,
    intercept: f64,
    exact_coefficients: Vec<f64>,
    exact_intercept: f64,
    probability_of_first_rows: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Generated {
        seed: u64,
        rows: usize,
        eta_intercept: f64,
    },
    Given {
        x: Vec<Vec<f64>>,
        y: Vec<u8>,
    },
}

/// Row-major features and labels.
struct Rows {
    p: usize,
    x: Vec<f64>,
    y: Vec<u8>,
}

impl Data {
    fn rows(&self) -> Rows {
        match self {
            Self::Generated {
                seed,
                rows,
                eta_intercept,
            } => customers(*seed, *rows, *eta_intercept),
            Self::Given { x, y } => Rows {
                p: x[0].len(),
                x: x.concat(),
                y: y.clone(),
            },
        }
    }
}

fn customers(seed: u64, rows: usize, intercept: f64) -> Rows {
    let (x, y) = splitmix::customers(seed, rows, intercept);
    Rows { p: 4, x, y }
}

fn names(p: usize) -> Vec<String> {
    (1..=p).map(|j| format!("feature{j}")).collect()
}

/// Moments of chunks of `chunk` rows, merged in order.
fn moments(rows: &Rows, chunk: usize) -> Moments {
    let mut all = Moments::new(&names(rows.p));
    for (x, y) in rows.x.chunks(chunk * rows.p).zip(rows.y.chunks(chunk)) {
        let mut part = Moments::new(&names(rows.p));
        part.add_rows(x, y).expect("rows are finite");
        all.merge(&part);
    }
    all
}

fn sums(rows: &Rows, beta: &Beta, chunk: usize) -> NewtonSums {
    let mut all = NewtonSums::new(rows.p);
    for (x, y) in rows.x.chunks(chunk * rows.p).zip(rows.y.chunks(chunk)) {
        let mut part = NewtonSums::new(rows.p);
        part.add_rows(beta, x, y);
        all.merge(&part);
    }
    all
}

fn fitted(rows: &Rows, options: &FitOptions) -> Result<Fit, FitError> {
    fit(&moments(rows, 8192), options, |beta| {
        Ok(sums(rows, beta, 8192))
    })
}

fn model_of(rows: &Rows, options: &FitOptions) -> Model {
    let moments = moments(rows, 8192);
    let fit = fitted(rows, options).expect("a fit");
    let classes = Classes {
        negative: ClassValue::Int(0),
        positive: ClassValue::Int(1),
    };
    Model::new(&fit, &moments, options, "target", classes, 0.5).expect("a model")
}

#[track_caller]
fn assert_close(ours: f64, theirs: f64, relative: f64, what: &str) {
    assert!(
        (ours - theirs).abs() <= relative * theirs.abs(),
        "{what}: {ours:e} and {theirs:e}"
    );
}

#[test]
fn coefficients_equal_those_of_scikit_learn() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../testing/fixtures/model.json"))
            .expect("a fixture");
    assert_eq!(fixture.cases.len(), 13);
    for case in fixture.cases {
        let rows = case.data.rows();
        let checksum: f64 = rows.x.iter().sum();
        assert!(
            (checksum - case.checksum).abs() <= 1e-9 * checksum.abs(),
            "{}: other data",
            case.name
        );
        assert_eq!(
            rows.y.iter().filter(|&&y| y == 1).count(),
            case.positives,
            "{}: other labels",
            case.name
        );

        let class_weight = if case.balanced {
            ClassWeight::Balanced
        } else {
            ClassWeight::None
        };
        let options = FitOptions {
            c: case.c,
            class_weight,
            ..FitOptions::default()
        };
        let model = model_of(&rows, &options);
        assert!(model.training.converged, "{}", case.name);
        assert!(
            model.training.iterations < 30,
            "{}: {} steps",
            case.name,
            model.training.iterations
        );
        let what = |j: usize| format!("{}, coefficient {j}", case.name);
        for (j, &ours) in model.coefficients.iter().enumerate() {
            assert_close(ours, case.exact_coefficients[j], 1e-9, &what(j));
            // Where ours is exactly 0, for a constant feature, scikit-learn's rounding leaves
            // 6e-15.
            if case.scikit_learn_converges && ours != 0.0 {
                assert_close(ours, case.coefficients[j], 1e-6, &what(j));
            }
        }
        assert_close(model.intercept, case.exact_intercept, 1e-9, &case.name);
        if case.scikit_learn_converges {
            assert_close(model.intercept, case.intercept, 1e-6, &case.name);
            let mut probabilities = Vec::new();
            let first = case.probability_of_first_rows.len();
            model.predict_probability(&rows.x[..first * rows.p], &mut probabilities);
            for (ours, theirs) in probabilities.iter().zip(&case.probability_of_first_rows) {
                assert_close(*ours, *theirs, 1e-8, &case.name);
            }
        }
    }
}

#[test]
fn a_constant_feature_gets_no_weight() {
    let mut rows = customers(7, 500, 1.0);
    for row in rows.x.chunks_exact_mut(4) {
        row[2] = 0.1;
    }
    let fit = fitted(&rows, &FitOptions::default()).expect("a fit");
    assert_eq!(fit.coefficients[2], 0.0);
    assert_eq!(moments(&rows, 100).std(2), Some(0.0));
}

#[test]
fn only_constant_features_leave_the_base_rate() {
    let rows = Rows {
        p: 1,
        x: vec![3.0; 4],
        y: vec![1, 1, 1, 0],
    };
    let options = FitOptions {
        class_weight: ClassWeight::None,
        ..FitOptions::default()
    };
    let model = model_of(&rows, &options);
    let mut probability = Vec::new();
    model.predict_probability(&[3.0], &mut probability);
    assert_close(probability[0], 0.75, 1e-12, "base rate");
    assert!(model.training.converged);
}

#[test]
fn the_order_of_merging_is_all_that_bits_depend_on() {
    let rows = customers(8, 5_000, 2.2);
    let one = fitted(&rows, &FitOptions::default()).expect("a fit");
    assert_eq!(one, fitted(&rows, &FitOptions::default()).expect("a fit"));
    // Other chunks round otherwise, far below what the coefficients show.
    let other = fit::<FitError>(&moments(&rows, 777), &FitOptions::default(), |beta| {
        Ok(sums(&rows, beta, 777))
    });
    for (a, b) in one
        .coefficients
        .iter()
        .zip(&other.expect("a fit").coefficients)
    {
        assert_close(*a, *b, 1e-10, "coefficient");
    }
}

#[test]
fn merged_moments_equal_those_of_all_rows() {
    let rows = customers(9, 3_000, 0.0);
    let mut whole = Moments::new(&names(4));
    whole.add_rows(&rows.x, &rows.y).expect("rows");
    let parts = moments(&rows, 123);
    assert_eq!(whole.classes(), parts.classes());
    for j in 0..4 {
        assert_eq!((whole.min(j), whole.max(j)), (parts.min(j), parts.max(j)));
        let column: Vec<f64> = rows.x.iter().skip(j).step_by(4).copied().collect();
        let mean = column.iter().sum::<f64>() / 3e3;
        let std = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3e3).sqrt();
        for moments in [&whole, &parts] {
            assert_close(moments.mean(j).expect("rows"), mean, 1e-12, "mean");
            assert_close(moments.std(j).expect("rows"), std, 1e-12, "std");
        }
    }
    assert_close(
        whole.correlation(0, 1).expect("spread"),
        parts.correlation(0, 1).expect("spread"),
        1e-9,
        "r",
    );
    let mut empty = Moments::new(&names(4));
    empty.merge(&whole);
    empty.merge(&Moments::new(&names(4)));
    assert_eq!(empty, whole);
}

#[test]
fn derivatives_are_those_of_the_loss() {
    let rows = customers(10, 300, 1.0);
    let at = |coefficients: [f64; 4], intercept: f64| {
        let beta = Beta {
            centre: vec![50.0, 1.3, 65.0, 48.7],
            inverse_scale: vec![1.0 / 16.0, 1.0, 1.0 / 64.0, 1.0 / 16.0],
            coefficients: coefficients.to_vec(),
            intercept,
            weights: [3.0, 0.5],
            middle: vec![0.0; 4],
        };
        sums(&rows, &beta, 8192)
    };
    let (point, h) = ([0.3, -0.4, 0.1, 0.2], 1e-5);
    let here = at(point, 0.5);
    for j in 0..5 {
        let moved = |by: f64| {
            let mut to = point;
            if j < 4 {
                to[j] += by;
            }
            at(to, if j == 4 { 0.5 + by } else { 0.5 })
        };
        let (up, down) = (moved(h), moved(-h));
        assert_close(
            here.gradient()[j],
            (up.loss() - down.loss()) / (2.0 * h),
            1e-6,
            "gradient",
        );
        for i in 0..5 {
            let slope = (up.gradient()[i] - down.gradient()[i]) / (2.0 * h);
            assert!(
                (here.hessian()[i * 5 + j] - slope).abs() < 1e-5,
                "hessian {i} {j}"
            );
        }
    }
}

#[test]
fn too_few_steps_are_admitted() {
    let rows = customers(11, 1_000, 2.2);
    let fit = fitted(
        &rows,
        &FitOptions {
            max_iter: 1,
            ..FitOptions::default()
        },
    )
    .expect("a fit");
    assert_eq!((fit.iterations, fit.converged), (1, false));
}

#[test]
fn importance_scales_by_spread_and_tells_collinear_features() {
    let rows = customers(2, 20_000, 2.2);
    let model = model_of(&rows, &FitOptions::default());
    let list = importance(&model.coefficients, &moments(&rows, 8192));
    assert!(
        list.windows(2)
            .all(|pair| pair[0].importance >= pair[1].importance)
    );
    let of = |name: &str| {
        list.iter()
            .find(|item| item.feature == name)
            .expect("a feature")
    };
    assert_eq!(of("feature1").collinear_with, ["feature2", "feature4"]);
    assert_eq!(of("feature2").collinear_with, ["feature1", "feature4"]);
    assert_eq!(of("feature4").collinear_with, ["feature1", "feature2"]);
    assert_eq!(of("feature1").vif, None);
    assert!(of("feature3").collinear_with.is_empty());
    // R^2 of the product given both factors is 1 - 1 / VIF.
    let vif = of("feature3")
        .vif
        .expect("a product is not a linear combination");
    assert!((5.0..25.0).contains(&vif), "{vif}");
    assert_close(
        of("feature1").importance,
        of("feature1").coefficient.unwrap().abs() * of("feature1").std,
        1e-15,
        "importance",
    );
}

#[test]
fn independent_features_inflate_nothing() {
    let x: Vec<f64> = (0..4000).map(|i| uniform(5, i)).collect();
    let y: Vec<u8> = (0..2000).map(|i| u8::from(i % 2 == 0)).collect();
    let rows = Rows { p: 2, x, y };
    for item in importance(
        &model_of(&rows, &FitOptions::default()).coefficients,
        &moments(&rows, 500),
    ) {
        assert!((1.0..1.01).contains(&item.vif.expect("independent")));
        assert!(item.collinear_with.is_empty());
    }
}
