//! One-hot columns: the same sums and the same optimum as of columns that stand alone.

use std::ops::Range;

use super::*;

const GROUPS: [Range<usize>; 2] = [1..6, 7..10];
const P: usize = 10;

/// Two numbers, and two features of categories, of which the second is standardised. A sixth of the
/// rows are of no category of the first.
fn categories(rows: usize) -> Rows {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in 0..rows as u64 {
        let u = |k: u64| uniform(41, row * 5 + k);
        let (city, grade) = ((u(0) * u(0) * 6.0) as usize, (u(1) * 3.0) as usize);
        x.push(100.0 + u(2));
        x.extend((0..5).map(|of| f64::from(u8::from(of == city))));
        x.push(u(3) * u(3));
        x.extend((0..3).map(|of| if of == grade { 1.4 } else { -0.7 }));
        let eta = u(2) - 0.4 * city as f64 + 0.5 * grade as f64 * u(3);
        y.push(u8::from(u(4) < 1.0 / (1.0 + libm::exp(-eta))));
    }
    Rows { p: P, x, y }
}

fn weights(rows: usize) -> Vec<f64> {
    (0..rows as u64).map(|row| uniform(42, row)).collect()
}

fn moments_of(rows: &Rows, groups: &[Range<usize>], weighted: bool) -> Moments {
    let weights = weights(rows.y.len());
    let mut all = Moments::new(&names(rows.p)).with_one_hot(groups);
    let chunks = rows.x.chunks(1000 * rows.p).zip(rows.y.chunks(1000));
    for ((x, y), weights) in chunks.zip(weights.chunks(1000)) {
        let mut part = Moments::new(&names(rows.p)).with_one_hot(groups);
        match weighted {
            true => part.add_weighted_rows(x, y, weights),
            false => part.add_rows(x, y),
        }
        .expect("rows are finite");
        all.merge(&part);
    }
    all
}

fn fit_of(rows: &Rows, groups: &[Range<usize>], weighted: bool) -> (Moments, Fit) {
    let weights = weights(rows.y.len());
    let moments = moments_of(rows, groups, weighted);
    let fit = fit::<FitError>(&moments, &FitOptions::default(), |beta| {
        let mut all = NewtonSums::of(&moments);
        let chunks = rows.x.chunks(1000 * rows.p).zip(rows.y.chunks(1000));
        for ((x, y), weights) in chunks.zip(weights.chunks(1000)) {
            let mut part = NewtonSums::of(&moments);
            match weighted {
                true => part.add_weighted_rows(beta, x, y, weights),
                false => part.add_rows(beta, x, y),
            }
            all.merge(&part);
        }
        Ok(all)
    });
    (moments, fit.expect("a fit"))
}

#[track_caller]
fn near(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    let difference = (ours - theirs).abs();
    let close = difference <= tolerance * theirs.abs().max(1.0);
    assert!(close, "{what}: {ours:e} and {theirs:e}");
}

#[test]
fn it_is_the_optimum_of_columns_that_stand_alone() {
    let rows = categories(5003);
    for weighted in [false, true] {
        let (moments, ours) = fit_of(&rows, &GROUPS, weighted);
        let (alone, theirs) = fit_of(&rows, &[], weighted);
        for i in 0..P {
            let pairs = [
                (moments.mean(i), alone.mean(i), "mean"),
                (moments.std(i), alone.std(i), "standard deviation"),
            ];
            for (ours, theirs, what) in pairs {
                near(ours.unwrap(), theirs.unwrap(), 1e-13, what);
            }
            for j in 0..P {
                let [ours, theirs] = [&moments, &alone].map(|of| of.correlation(i, j).unwrap());
                near(ours, theirs, 1e-12, "correlation");
            }
        }
        assert!(ours.converged && theirs.converged && ours.iterations == theirs.iterations);
        let coefficients = ours.coefficients.iter().zip(&theirs.coefficients);
        coefficients.for_each(|(ours, theirs)| near(*ours, *theirs, 1e-9, "coefficient"));
        near(ours.intercept, theirs.intercept, 1e-8, "intercept");
        near(ours.objective, theirs.objective, 1e-14, "objective");
    }
}

#[test]
fn sums_are_those_of_columns_that_stand_alone() {
    let rows = categories(777);
    let beta = Beta {
        centre: (0..P).map(|j| [0.0, -0.7][usize::from(j > 6)]).collect(),
        inverse_scale: (0..P).map(|j| [1.0, 0.5, 2.0][j % 3]).collect(),
        coefficients: (0..P).map(|j| 0.1 * j as f64 - 0.4).collect(),
        intercept: 0.3,
        weights: [1.0, 2.0],
        middle: (0..P).map(|j| 0.2 * j as f64).collect(),
    };
    let moments = moments_of(&rows, &GROUPS, false);
    let (mut ours, mut theirs) = (NewtonSums::of(&moments), NewtonSums::new(P));
    ours.add_rows(&beta, &rows.x, &rows.y);
    theirs.add_rows(&beta, &rows.x, &rows.y);
    near(ours.loss(), theirs.loss(), 1e-13, "loss");
    let sums = [
        (ours.gradient(), theirs.gradient()),
        (ours.spread(), theirs.spread()),
        (ours.hessian(), theirs.hessian()),
    ];
    for (ours, theirs) in sums {
        let pairs = ours.iter().zip(&theirs);
        pairs.for_each(|(ours, theirs)| near(*ours, *theirs, 1e-12, "sum"));
    }
}

#[test]
fn a_feature_of_one_category_has_no_effect() {
    let mut rows = categories(900);
    for x in rows.x.chunks_mut(P) {
        x[7..].copy_from_slice(&[0.0, 1.0, 0.0]);
    }
    let (_, fit) = fit_of(&rows, &GROUPS, false);
    assert!(fit.converged);
    assert_eq!(fit.coefficients[7..], [0.0; 3]);
}
