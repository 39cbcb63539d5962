//! Fits against scikit-learn: the fixture and the script that made it are in `testing/fixtures`.

mod sparse;
mod suite;

use serde::Deserialize;

use super::*;
use crate::model::{ClassWeight, FitOptions};
use crate::rows::{InMemory, Passes, Rows};
use crate::splitmix::uniform;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    seed: u64,
    rows: usize,
    width: usize,
    classes: usize,
    c: f64,
    weighted: bool,
    balanced: bool,
    collinear: bool,
    l1_ratio: f64,
    checksum: f64,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    predictions: Vec<f64>,
}

/// Features, labels and weights of a case, as `rows` of the script makes them.
struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Vec<f64>,
}

impl Data {
    fn new(seed: u64, rows: usize, width: usize, classes: usize, collinear: bool) -> Self {
        const SCALES: [f64; 6] = [1.0, 40.0, 0.01, 3000.0, 7.0, 1.0];
        const OFFSETS: [f64; 6] = [0.0, 50.0, -0.3, 1e5, -7.0, 1e6];
        let (mut x, mut y, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let u = |j: usize| uniform(seed, (row * (width + 2) + j) as u64);
            x.extend((0..width).map(|j| OFFSETS[j] + SCALES[j] * u(j)));
            if collinear {
                let of_row = &mut x[row * width..];
                of_row[width - 1] = of_row[0] + of_row[1];
            }
            weights.push((u(width + 1) * 4.0).floor() / 2.0);
            let k = classes as f64;
            y.push(match classes {
                0 => 3.0 + 2.0 * u(0) - u(1) + 0.5 * u(width),
                _ => (k * (0.6 * u(0) + 0.4 * u(width))).floor().min(k - 1.0),
            });
        }
        Self { x, y, weights }
    }

    fn passes(&self, weighted: bool, chunk: usize) -> InMemory<'_, FitError> {
        let rows = Rows {
            x: &self.x,
            y: &self.y,
            weights: weighted.then_some(self.weights.as_slice()),
        };
        InMemory::new(rows, chunk)
    }
}

impl Case {
    fn data(&self) -> Data {
        Data::new(
            self.seed,
            self.rows,
            self.width,
            self.classes,
            self.collinear,
        )
    }

    fn options(&self) -> FitOptions {
        FitOptions {
            c: self.c,
            l1_ratio: self.l1_ratio,
            class_weight: match self.balanced {
                true => ClassWeight::Balanced,
                false => ClassWeight::None,
            },
            ..FitOptions::default()
        }
    }

    fn fit(&self, passes: &mut impl Passes<Error = FitError>) -> Box<dyn Estimator> {
        let features = names("x", self.width);
        match self.kind.as_str() {
            linear::KIND => {
                let options = linear::Options {
                    c: self.c,
                    l1_ratio: self.l1_ratio,
                };
                Box::new(
                    linear::fit(passes, &features, &options)
                        .expect("a fit")
                        .estimator,
                )
            }
            logistic::KIND => {
                let fit = logistic::fit(passes, &features, &[], &self.options()).expect("a fit");
                assert!(fit.fit.converged);
                Box::new(fit.estimator)
            }
            _ => {
                let classes = names("class", self.classes);
                let fit = multinomial::fit(passes, &features, &classes, &self.options());
                let fit = fit.expect("a fit");
                assert!(fit.converged && fit.iterations < 20, "{fit:?}");
                Box::new(fit.estimator)
            }
        }
    }
}

fn names(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{of}{i}")).collect()
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../testing/fixtures/estimators.json");
    let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
    assert_eq!(fixture.cases.len(), 28);
    fixture.cases
}

/// By class, coefficients and intercept.
fn parameters(estimator: &dyn Estimator) -> Vec<f64> {
    let inputs = vec![0.0; estimator.inputs()];
    let at = |row: &[f64]| {
        let mut scores = Vec::new();
        estimator.raw(row, &mut scores);
        scores
    };
    let json = estimator.to_json().expect("JSON");
    let flat = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        other => vec![other.clone()],
    };
    let numbers = |list: Vec<Value>| -> Vec<f64> {
        list.iter()
            .flat_map(flat)
            .map(|value| value.as_f64().expect("a number"))
            .collect()
    };
    let mut all = numbers(flat(&json["coefficients"]));
    all.extend(at(&inputs));
    all
}

#[test]
fn fits_equal_those_of_scikit_learn() {
    for case in cases() {
        let name = format!("{} of seed {}", case.kind, case.seed);
        let data = case.data();
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        let checksum = sum(&data.x) + sum(&data.y) + sum(&data.weights);
        assert!(
            (checksum - case.checksum).abs() <= 1e-12 * case.checksum.abs(),
            "{name}: other data"
        );
        let ours = case.fit(&mut data.passes(case.weighted, 128));
        let theirs = [case.coefficients.concat(), case.intercepts.clone()].concat();
        let tolerance = if case.classes == 0 { 1e-9 } else { 1e-6 };
        for (at, (ours, theirs)) in parameters(&*ours).iter().zip(&theirs).enumerate() {
            assert!(
                (ours - theirs).abs() <= tolerance * theirs.abs(),
                "{name}, parameter {at}: {ours:e} and {theirs:e}"
            );
        }
        let mut predictions = Vec::new();
        ours.predict(&data.x[..4 * case.width], &mut predictions);
        if case.kind == logistic::KIND {
            predictions = predictions.iter().flat_map(|p| [1.0 - p, *p]).collect();
        }
        assert_eq!(predictions.len(), case.predictions.len(), "{name}");
        for (ours, theirs) in predictions.iter().zip(&case.predictions) {
            assert!((ours - theirs).abs() <= 1e-8, "{name}: {ours} {theirs}");
        }
    }
}

#[test]
fn a_row_of_weight_two_is_two_rows() {
    for case in cases().iter().filter(|case| case.weighted) {
        let data = case.data();
        let mut twice = Data {
            x: Vec::new(),
            y: Vec::new(),
            weights: Vec::new(),
        };
        for (row, x) in data.x.chunks_exact(case.width).enumerate() {
            for _ in 0..(2.0 * data.weights[row]) as usize {
                twice.x.extend(x);
                twice.y.push(data.y[row]);
                twice.weights.push(0.5);
            }
        }
        let (one, other) = (
            parameters(&*case.fit(&mut data.passes(true, 64))),
            parameters(&*case.fit(&mut twice.passes(true, 64))),
        );
        for (one, other) in one.iter().zip(&other) {
            assert!((one - other).abs() <= 1e-8 * one.abs(), "{one} {other}");
        }
    }
}

#[test]
fn weights_of_one_change_nothing_that_shows() {
    for case in cases().iter().filter(|case| !case.weighted) {
        let mut data = case.data();
        data.weights.fill(1.0);
        let plain = parameters(&*case.fit(&mut data.passes(false, 64)));
        let ones = parameters(&*case.fit(&mut data.passes(true, 64)));
        for (plain, ones) in plain.iter().zip(&ones) {
            assert!((plain - ones).abs() <= 1e-9 * plain.abs());
        }
    }
}

#[test]
fn a_constant_feature_gets_no_weight() {
    for case in cases() {
        let mut data = case.data();
        data.x
            .chunks_exact_mut(case.width)
            .for_each(|row| row[1] = 0.1);
        let estimator = case.fit(&mut data.passes(case.weighted, 50));
        let importance = estimator.importance(&vec![1.0; case.width]);
        assert_eq!(importance[1], 0.0, "{}", case.kind);
        // The strongest penalty leaves no feature any weight.
        assert!(importance[0] > 0.0 || case.c == 1e-6);
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused_by_name() {
    let data = Data::new(20, 60, 2, 3, false);
    let fit = |data: &Data, features: usize, classes: usize, options: &FitOptions| {
        let mut passes = data.passes(true, 16);
        multinomial::fit(
            &mut passes,
            &names("x", features),
            &names("class", classes),
            options,
        )
        .map(|fit| fit.iterations)
        .expect_err("refused")
        .to_string()
    };
    let options = FitOptions::default();
    let error = fit(&data, 2, 4, &options);
    assert!(
        error.contains("class class3 has no training rows"),
        "{error}"
    );
    let error = fit(&data, 2, 2, &options);
    assert!(error.contains("label is 2"), "{error}");
    let error = fit(&data, 999, 5, &options);
    assert!(
        error.contains("5000 parameters") && error.contains("4096"),
        "{error}"
    );
    let error = fit(&data, 2, 3, &FitOptions { c: -1.0, ..options });
    assert!(error.contains("c is -1"), "{error}");

    for (value, reason) in [(f64::NAN, "weight is NaN in row 1"), (-1.0, "weight is -1")] {
        let mut data = Data::new(20, 60, 2, 0, false);
        data.weights[17] = value;
        let options = linear::Options::default();
        let error = linear::fit(&mut data.passes(true, 16), &names("x", 2), &options)
            .expect_err("refused")
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
    let data = Data::new(20, 60, 2, 0, false);
    let options = linear::Options {
        l1_ratio: 1.5,
        ..Default::default()
    };
    let error = linear::fit(&mut data.passes(false, 16), &names("x", 2), &options)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("l1_ratio is 1.5"), "{error}");
    let mut data = Data::new(20, 60, 2, 0, false);
    data.x[5] = f64::INFINITY;
    let error = linear::fit(
        &mut data.passes(false, 16),
        &names("x", 2),
        &Default::default(),
    )
    .expect_err("refused")
    .to_string();
    assert!(error.contains("feature x1 is inf in row 2"), "{error}");
}

#[test]
fn a_target_whose_spread_overflows_is_no_feature() {
    let rows = Rows {
        x: &[1.0, 2.0, 4.0],
        y: &[1e200, -1e200, 3.0],
        weights: None,
    };
    let moments = InMemory::<FitError>::new(rows, 3)
        .pass(CoMoments::new(&["x".to_owned()], &[]))
        .expect("a pass");
    let options = linear::Options {
        c: 1.0,
        l1_ratio: 0.0,
    };
    let found = linear::solve(&moments, &options).map(drop);
    let feature = CoMoments::TARGET.to_owned();
    let overflow = crate::model::FitError::Overflow { feature };
    assert_eq!(found, Err(FitError::Fit(overflow)));
}
