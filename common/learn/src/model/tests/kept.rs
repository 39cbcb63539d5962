//! Model files keep their bytes: a change of the fit that moves one of these needs a raised
//! `ALGORITHM`.

use super::*;
use sha2::{Digest, Sha256};

/// Data, class weight, the first digits of the file's digest, and Newton steps: as version 0.1.0
/// made them.
const KEPT: [&str; 14] = [
    "many scales, Balanced: 373027e3dea9239d 6",
    "many scales, None: 46351b3bc16eef81 6",
    "wide, Balanced: 42b554bab5338578 7",
    "wide, None: bcb84d001fe91fbf 7",
    "categories, Balanced: 2b5180f63275b518 5",
    "categories, None: 8c4da0e2864243b6 5",
    "duplicated, Balanced: 2a7ddfb39ce198e6 5",
    "duplicated, None: ac80b5c9049072e9 5",
    "duplicated and large, Balanced: 65db4c7515885fb5 6",
    "duplicated and large, None: f2294f469e5a46a3 6",
    "rare, Balanced: 6d41b073840b215a 5",
    "rare, None: fe5c854115707478 5",
    "separable, Balanced: 500230e183d4cebc 15",
    "separable, None: 85714af1b1a5924e 15",
];

/// A sum of twelve uniform numbers is nearly normal, and needs no logarithm.
pub(super) fn normal(seed: u64, i: usize) -> f64 {
    (0..12)
        .map(|k| uniform(seed, 12 * i as u64 + k))
        .fold(0.0, |sum, u| sum + u)
        - 6.0
}

/// Rows whose log odds are `eta` of their number, and whose features are `feature` of row and
/// column.
fn rows(
    count: usize,
    p: usize,
    feature: impl Fn(usize, usize) -> f64,
    eta: impl Fn(usize) -> f64,
) -> Rows {
    let x = (0..count * p).map(|at| feature(at / p, at % p)).collect();
    let label = |i| u8::from(uniform(999, i as u64) < 1.0 / (1.0 + libm::exp(-eta(i))));
    let y = (0..count).map(label).collect();
    Rows { p, x, y }
}

/// Thirty features of many scales that follow three factors, as measurements of one thing do.
fn many_scales() -> Rows {
    const SCALES: [f64; 10] = [
        14.0, 19.0, 92.0, 655.0, 0.096, 0.1, 0.089, 0.049, 0.18, 0.063,
    ];
    let factor = |i: usize, k: usize| normal(20 + k as u64, i);
    let feature = |i: usize, j: usize| {
        let own = 0.4 * normal(30, 30 * i + j);
        SCALES[j % 10] * (4.0 + factor(i, j % 3) + own)
    };
    rows(569, 30, feature, |i| {
        2.0 * factor(i, 0) - factor(i, 1) + 0.5
    })
}

fn wide() -> Rows {
    let feature = |i: usize, j: usize| {
        let value = normal(40, 120 * i + j);
        if j.is_multiple_of(3) {
            f64::from(u8::from(value > 1.0))
        } else {
            value
        }
    };
    rows(300, 120, feature, move |i| {
        normal(40, 120 * i + 1) + normal(40, 120 * i + 4)
    })
}

/// All four categories have a column, so that these add up to one.
fn categories() -> Rows {
    let category = |i: usize| (uniform(50, i as u64) * 4.0) as usize;
    let feature = |i: usize, j: usize| match j {
        4 => 1000.0 * normal(51, i),
        _ => f64::from(u8::from(category(i) == j)),
    };
    rows(4_000, 5, feature, |i| {
        0.7 * category(i) as f64 - 1.0 + 0.3 * normal(51, i)
    })
}

fn duplicated(scale: f64) -> Rows {
    let feature = |i: usize, j: usize| match j {
        0 | 2 => scale * (normal(60, i) + 3.0),
        _ => normal(61, i),
    };
    rows(20_000, 3, feature, |i| normal(60, i) - 0.5 * normal(61, i))
}

fn rare() -> Rows {
    rows(
        20_000,
        4,
        |i, j| normal(70 + j as u64, i),
        |i| normal(70, i) - 6.5,
    )
}

fn separable() -> Rows {
    rows(
        400,
        2,
        |i, j| normal(80 + j as u64, i),
        |i| 1e3 * normal(80, i),
    )
}

#[test]
fn model_files_keep_their_bytes() {
    let text = |name: &str| ClassValue::Text(name.to_owned());
    let numbers = || (ClassValue::Int(0), ClassValue::Int(1));
    let sets = [
        ("many scales", many_scales(), 1.0, numbers()),
        ("wide", wide(), 1.0, numbers()),
        (
            "categories",
            categories(),
            10.0,
            (text("stays"), text("leaves")),
        ),
        ("duplicated", duplicated(1e3), 1.0, numbers()),
        ("duplicated and large", duplicated(1e7), 1.0, numbers()),
        ("rare", rare(), 1.0, numbers()),
        ("separable", separable(), 1e4, numbers()),
    ];
    let mut found = Vec::new();
    for (name, rows, c, (negative, positive)) in sets {
        for class_weight in [ClassWeight::Balanced, ClassWeight::None] {
            let options = FitOptions {
                c,
                class_weight,
                ..FitOptions::default()
            };
            let moments = moments(&rows, 8192);
            let fit = fitted(&rows, &options).expect("a fit");
            let classes = Classes {
                negative: negative.clone(),
                positive: positive.clone(),
            };
            let model =
                Model::new(&fit, &moments, &options, "target", classes, 0.5).expect("a model");
            crate::fitted_model::tests::assert_scores_the_same(&model, &rows.x);
            let digest: String = Sha256::digest(model.to_json().expect("JSON"))
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            found.push(format!(
                "{name}, {class_weight:?}: {} {}",
                &digest[..16],
                fit.iterations
            ));
        }
    }
    assert_eq!(found.join("\n"), KEPT.join("\n"));
}
