//! Scales that differ by thirty orders of magnitude, and single values far from all others: the
//! optimum of the stated objective, as `tests/fixtures/scales.py` found it with 80 digits.

use super::kept::normal;
use super::*;

#[derive(Deserialize)]
struct Optima {
    cases: Vec<Optimum>,
}

#[derive(Deserialize)]
struct Optimum {
    name: String,
    c: f64,
    balanced: bool,
    positives: usize,
    objective: f64,
    probability_of_first_rows: Vec<f64>,
}

fn labelled(columns: &[Vec<f64>], eta: impl Fn(usize) -> f64) -> Rows {
    let rows = columns[0].len();
    let x = (0..rows).flat_map(|i| columns.iter().map(move |column| column[i]));
    let label = |i| u8::from(uniform(999, i as u64) < 1.0 / (1.0 + libm::exp(-eta(i))));
    Rows {
        p: columns.len(),
        x: x.collect(),
        y: (0..rows).map(label).collect(),
    }
}

fn normals(seed: u64, rows: usize) -> Vec<f64> {
    (0..rows).map(|i| normal(seed, i)).collect()
}

/// A feature, the same a billion times as large, twice, and one of its own that is tiny.
fn tiny(scale: f64) -> Rows {
    let (a, own) = (normals(1, 400), normals(2, 400));
    let large: Vec<f64> = a.iter().map(|a| a * 1e9).collect();
    let own = own.iter().map(|own| own * scale).collect();
    let eta: Vec<f64> = a.iter().map(|a| 1.5 * a).collect();
    labelled(&[a, large.clone(), large, own], |i| eta[i])
}

/// Whole thousandths, and one value that is none of them, in the first row of a label.
fn far(value: f64, label: u8) -> Rows {
    let (a, b) = (normals(3, 300), normals(4, 300));
    let eta: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 1.2 * a - 0.8 * b).collect();
    let whole = a.iter().map(|a| (a * 1000.0).trunc()).collect();
    let mut rows = labelled(&[whole, b], |i| eta[i]);
    let row = rows.y.iter().position(|y| *y == label).expect("a row");
    rows.x[2 * row] = value;
    rows
}

/// Scales from 1e-21 to 1e10, offsets, and sums of two others.
fn speech() -> Rows {
    const FEATURES: usize = 22;
    let common = normals(50, 100);
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for j in 0..FEATURES {
        let own = normals(100 + j as u64, 100);
        columns.push(if j % 7 == 6 {
            let pairs = columns[j - 1].iter().zip(&columns[j - 2]);
            pairs.map(|(a, b)| a + b).collect()
        } else {
            own.iter()
                .zip(&common)
                .map(|(own, c)| (own + c) * 0.5)
                .collect()
        });
    }
    let scaled = |(j, column): (usize, &Vec<f64>)| {
        let power = -21.0 + ((31 * j) / (FEATURES - 1)) as f64;
        let scale = libm::pow(10.0, power);
        column
            .iter()
            .map(|v| (v + (j % 5) as f64 * 20.0) * scale)
            .collect()
    };
    let columns: Vec<Vec<f64>> = columns.iter().enumerate().map(scaled).collect();
    labelled(&columns, |i| 2.0 * common[i])
}

#[test]
fn no_scale_and_no_far_value_hides_the_optimum() {
    let fixture: Optima =
        serde_json::from_str(include_str!("../../../../testing/fixtures/scales.json"))
            .expect("JSON");
    assert_eq!(fixture.cases.len(), 6);
    for case in fixture.cases {
        let name = &case.name;
        let rows = match name.as_str() {
            "tiny" => tiny(1e-20),
            "small" => tiny(1e-9),
            "far" => far(i64::MIN as f64, 0),
            "far on the wrong side" => far(-(i64::MIN as f64), 0),
            "far and weakly penalised" => far(1e15, 1),
            "speech" => speech(),
            other => panic!("no data for {other}"),
        };
        let positives = rows.y.iter().filter(|y| **y == 1).count();
        assert_eq!(positives, case.positives, "{name}: other labels");
        let class_weight = match case.balanced {
            true => ClassWeight::Balanced,
            false => ClassWeight::None,
        };
        let options = FitOptions {
            c: case.c,
            class_weight,
            ..FitOptions::default()
        };
        let fit = fitted(&rows, &options).expect("a fit");
        assert!(fit.converged, "{name}: {fit:?}");
        assert!(fit.iterations < 100, "{name}: {fit:?}");
        assert_close(fit.objective, case.objective, 1e-9, name);
        let mut probabilities = Vec::new();
        let first = case.probability_of_first_rows.len();
        model_of(&rows, &options)
            .predict_probability(&rows.x[..first * rows.p], &mut probabilities);
        for (ours, exact) in probabilities.iter().zip(&case.probability_of_first_rows) {
            assert!((ours - exact).abs() < 1e-6, "{name}: {ours} and {exact}");
        }
    }
}

#[test]
fn the_optimum_is_the_same_in_any_unit_of_a_feature() {
    let rows = customers(12, 2_000, 1.0);
    let options = FitOptions {
        c: 1e30,
        ..FitOptions::default()
    };
    let plain = fitted(&rows, &options).expect("a fit");
    for scale in [1e-30, 1e-9, 1e9, 1e30] {
        let mut scaled = customers(12, 2_000, 1.0);
        scaled.x.iter_mut().step_by(4).for_each(|x| *x *= scale);
        let fit = fitted(&scaled, &options).expect("a fit");
        assert!(fit.converged, "{scale:e}: {fit:?}");
        assert_close(fit.objective, plain.objective, 1e-9, "objective");
        assert!(fit.relative_gradient <= 1e-7);
    }
}

#[test]
fn steps_that_do_not_help_are_admitted_with_the_feature() {
    let rows = far(i64::MIN as f64, 0);
    for max_iter in [19, 25] {
        let options = FitOptions {
            max_iter,
            ..FitOptions::default()
        };
        let fit = fitted(&rows, &options).expect("a fit");
        assert_eq!((fit.converged, fit.iterations), (false, max_iter));
        assert_eq!(fit.steepest.as_deref(), Some("feature1"));
        assert!(fit.relative_gradient > 0.01, "{fit:?}");
    }
}
