//! The elastic net: its optimum by the conditions that hold there, added up row by row.

use super::*;

/// A subgradient that is zero but for this share of its terms.
const STATIONARY: f64 = 1e-7;

/// The largest component of the subgradient as a share of its terms, features around their means.
fn share(rows: &Rows, fit: &Fit, options: &FitOptions) -> f64 {
    let n = rows.y.len() as f64;
    let residuals: Vec<f64> = rows
        .x
        .chunks_exact(rows.p)
        .zip(&rows.y)
        .map(|(x, y)| {
            let products = x.iter().zip(&fit.coefficients).map(|(x, b)| x * b);
            let eta = fit.intercept + products.sum::<f64>();
            1.0 / (1.0 + libm::exp(-eta)) - f64::from(*y)
        })
        .collect();
    let total: f64 = residuals.iter().sum();
    let size: f64 = residuals.iter().map(|r| r.abs()).sum();
    let of = |j: usize| {
        let column = || rows.x.iter().skip(j).step_by(rows.p);
        let mean = column().sum::<f64>() / n;
        let terms = residuals.iter().zip(column());
        let terms = terms.map(|(r, x)| r * (x - mean));
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term: f64| {
            (sum + term, size + term.abs())
        });
        let coefficient = fit.coefficients[j];
        let l2 = (1.0 - options.l1_ratio) / options.c * coefficient;
        let l1 = options.l1_ratio / options.c;
        let slope = match coefficient {
            0.0 => (sum.abs() - l1).max(0.0),
            _ => (sum + l2 + l1.copysign(coefficient)).abs(),
        };
        slope / (size + l2.abs() + l1)
    };
    (0..rows.p).map(of).fold(total.abs() / size, f64::max)
}

#[test]
fn no_step_leads_further_down_whatever_the_units_and_the_penalty() {
    let mut zeros = 0;
    for unit in [1e-9, 1.0, 1e9] {
        let mut rows = customers(31, 2_000, 0.5);
        rows.x.iter_mut().step_by(4).for_each(|x| *x *= unit);
        for c in [1e-3, 0.1, 100.0] {
            for l1_ratio in [0.1, 0.9, 1.0] {
                let options = FitOptions {
                    c,
                    l1_ratio,
                    class_weight: ClassWeight::None,
                    ..FitOptions::default()
                };
                let what = format!("unit {unit:e}, c {c}, l1_ratio {l1_ratio}");
                let fit = fitted(&rows, &options).expect("a fit");
                assert!(fit.converged && fit.iterations < 40, "{what}: {fit:?}");
                let share = share(&rows, &fit, &options);
                assert!(share <= STATIONARY, "{what}: {share:e}");
                zeros += fit.coefficients.iter().filter(|b| **b == 0.0).count();
            }
        }
    }
    assert!(zeros > 20, "{zeros} coefficients are exactly 0");
}

#[test]
fn the_strongest_penalty_leaves_the_odds_alone() {
    let rows = customers(32, 1_000, 0.5);
    let options = FitOptions {
        c: 1e-9,
        l1_ratio: 1.0,
        class_weight: ClassWeight::None,
        ..FitOptions::default()
    };
    let fit = fitted(&rows, &options).expect("a fit");
    assert_eq!(
        (&fit.coefficients[..], fit.converged),
        (&[0.0; 4][..], true)
    );
    let positives = rows.y.iter().filter(|y| **y == 1).count() as f64;
    let odds = positives / (rows.y.len() as f64 - positives);
    assert_close(fit.intercept, libm::log(odds), 1e-12, "intercept");
}

#[test]
fn a_fit_that_may_take_no_step_says_that_it_did_not_converge() {
    let rows = customers(33, 1_000, 0.5);
    let options = FitOptions {
        l1_ratio: 0.5,
        max_iter: 1,
        ..FitOptions::default()
    };
    let fit = fitted(&rows, &options).expect("a fit");
    assert_eq!((fit.iterations, fit.converged), (1, false));
    for l1_ratio in [-0.1, 1.1, f64::NAN] {
        let options = FitOptions {
            l1_ratio,
            ..FitOptions::default()
        };
        let error = fitted(&rows, &options).expect_err("refused").to_string();
        assert!(error.contains("l1_ratio is"), "{error}");
    }
}
