//! The elastic net of several classes: its optimum by the conditions that hold there, added up row
//! by row.

use super::*;
use crate::estimator::multinomial::Fit;

/// Subgradients are zero but for this share of their terms.
const STATIONARY: f64 = 1e-7;

/// The largest subgradient of a coefficient or an intercept as a share of its terms, inputs around
/// their means.
fn share(data: &Data, fit: &Fit, options: &FitOptions) -> f64 {
    let (estimator, rows) = (&fit.estimator, data.y.len());
    let (width, classes) = (estimator.inputs(), estimator.outputs());
    let mut probabilities = Vec::new();
    estimator.predict(&data.x, &mut probabilities);
    let total: f64 = data.weights.iter().sum();
    let mut worst = 0.0_f64;
    for class in 0..classes {
        let residual = |row: usize| {
            let hit = f64::from(u8::from(data.y[row] == class as f64));
            data.weights[row] * (probabilities[row * classes + class] - hit)
        };
        let sums = |of: &dyn Fn(usize) -> f64| {
            let terms = (0..rows).map(|row| residual(row) * of(row));
            terms.fold((0.0, 0.0), |(sum, size), term| {
                (sum + term, size + term.abs())
            })
        };
        let (sum, size) = sums(&|_| 1.0);
        worst = worst.max(sum.abs() / size);
        for j in 0..width {
            let value = |row: usize| data.x[row * width + j];
            let mean = (0..rows)
                .map(|row| data.weights[row] * value(row))
                .sum::<f64>()
                / total;
            let (sum, size) = sums(&|row| value(row) - mean);
            let coefficient = estimator.coefficients[class][j];
            let l2 = (1.0 - options.l1_ratio) / options.c * coefficient;
            let l1 = options.l1_ratio / options.c;
            let slope = match coefficient {
                0.0 => (sum.abs() - l1).max(0.0),
                _ => (sum + l2 + l1.copysign(coefficient)).abs(),
            };
            worst = worst.max(slope / (size + l2.abs() + l1));
        }
    }
    worst
}

#[test]
fn several_classes_reach_the_optimum_whatever_rows_weigh_and_the_penalty() {
    let mut zeros = 0;
    // Of so much weight the loss outweighs by far what keeps all classes from shifting alike.
    for weight in [1.0, 1e4] {
        for (classes, seed) in [(3, 41), (4, 42), (6, 43)] {
            let mut data = Data::new(seed, 400, 4, classes, false);
            data.weights.iter_mut().for_each(|of| *of *= weight);
            for c in [1e-3, 0.1, 10.0] {
                for l1_ratio in [0.1, 0.9, 1.0] {
                    let options = FitOptions {
                        c,
                        l1_ratio,
                        class_weight: ClassWeight::None,
                        ..FitOptions::default()
                    };
                    let mut passes = data.passes(true, 64);
                    let names = (names("x", 4), names("class", classes));
                    let fit = multinomial::fit(&mut passes, &names.0, &names.1, &options);
                    let fit = fit.expect("a fit");
                    let what = format!("weight {weight}, {classes}, c {c}, l1_ratio {l1_ratio}");
                    assert!(fit.converged && fit.iterations < 40, "{what}: {fit:?}");
                    let share = share(&data, &fit, &options);
                    assert!(share <= STATIONARY, "{what}: {share:e}");
                    let all = fit.estimator.coefficients.iter().flatten();
                    zeros += all.filter(|of| **of == 0.0).count();
                }
            }
        }
    }
    assert!(zeros > 100, "{zeros} coefficients are exactly 0");
}

#[test]
fn a_share_of_the_penalty_is_from_0_to_1() {
    let data = Data::new(44, 60, 2, 3, false);
    for l1_ratio in [-0.1, 1.1, f64::NAN] {
        let options = FitOptions {
            l1_ratio,
            ..FitOptions::default()
        };
        let mut passes = data.passes(false, 16);
        let found = multinomial::fit(&mut passes, &names("x", 2), &names("class", 3), &options);
        let error = found.expect_err("refused").to_string();
        assert!(error.contains("l1_ratio is"), "{error}");
    }
}
