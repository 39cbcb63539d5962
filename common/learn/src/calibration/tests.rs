use super::*;
use crate::splitmix::uniform;

#[derive(Deserialize)]
struct Fixture {
    seeds: [u64; 2],
    rows: u64,
    at: Vec<f64>,
    unweighted: Expected,
    weighted: Expected,
}

/// What scikit-learn finds, and where its objective is least.
#[derive(Deserialize)]
struct Expected {
    sigmoid: Vec<f64>,
    isotonic: Vec<f64>,
    optimum: [f64; 2],
}

fn fixture() -> Fixture {
    let text = include_str!("../../../testing/fixtures/calibration.json");
    serde_json::from_str(text).expect("a fixture")
}

/// The rows of `calibration.py`: scores, labels and weights of 0 to 4.
fn rows(fixture: &Fixture) -> [Vec<f64>; 3] {
    let scores = (0..fixture.rows)
        .map(|row| ((uniform(fixture.seeds[0], row) * 6.0 - 3.0) * 50.0).floor() / 50.0);
    let scores: Vec<f64> = scores.collect();
    let labels = scores.iter().zip(0..).map(|(score, row)| {
        let p = 1.0 / (1.0 + libm::exp(-(0.7 * score - 1.1)));
        f64::from(u8::from(uniform(fixture.seeds[1], row) < p))
    });
    let labels = labels.collect();
    let weights = (0..fixture.rows).map(|row| (row % 5) as f64);
    [scores, labels, weights.collect()]
}

fn sigmoid_of(rows: [&[f64]; 2], weights: Option<&[f64]>, chunk: usize) -> Calibration {
    let [scores, labels] = rows;
    let weight_of = |class: f64| {
        let rows = labels.iter().enumerate().filter(|of| *of.1 == class);
        rows.map(|(row, _)| weights.map_or(1.0, |weights| weights[row]))
            .sum()
    };
    let mut fit = SigmoidFit::new(weight_of(0.0), weight_of(1.0));
    for _ in 0..MOST_STEPS {
        let mut all = fit.sums();
        for first in (0..scores.len()).step_by(chunk) {
            let rows = first..(first + chunk).min(scores.len());
            let mut part = fit.sums();
            let weights = weights.map(|weights| &weights[rows.clone()]);
            part.add(&scores[rows.clone()], &labels[rows], weights);
            all.merge(&part);
        }
        if let Some(found) = fit.advance(&all) {
            return found;
        }
    }
    panic!("no end");
}

#[test]
fn a_sigmoid_is_the_optimum_and_near_scikit_learns() {
    let fixture = fixture();
    let [scores, labels, weights] = rows(&fixture);
    for (weights, expected) in [
        (None, &fixture.unweighted),
        (Some(&*weights), &fixture.weighted),
    ] {
        let found = sigmoid_of([&scores, &labels], weights, 300);
        let Calibration::Sigmoid { a, b } = found else {
            panic!("{found:?}");
        };
        assert!((a - expected.optimum[0]).abs() < 1e-10, "{a}");
        assert!((b - expected.optimum[1]).abs() < 1e-10, "{b}");
        // scikit-learn's search ends at a gradient of 1e-6 a row.
        for (at, expected) in fixture.at.iter().zip(&expected.sigmoid) {
            assert!((found.apply(*at) - expected).abs() < 1e-5, "{at}");
        }
    }
}

#[test]
fn an_isotonic_function_is_scikit_learns() {
    let fixture = fixture();
    let [scores, labels, weights] = rows(&fixture);
    for (weights, expected) in [
        (None, &fixture.unweighted),
        (Some(&weights), &fixture.weighted),
    ] {
        let mut sorted: Vec<usize> = (0..scores.len()).collect();
        sorted.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let mut isotonic = Isotonic::default();
        for row in sorted {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            isotonic.add(scores[row], labels[row] == 1.0, weight);
        }
        let found = isotonic.finish().expect("rows");
        found.validate().expect("a calibration");
        for (at, expected) in fixture.at.iter().zip(&expected.isotonic) {
            assert!((found.apply(*at) - expected).abs() < 1e-12, "{at}");
        }
        let text = serde_json::to_string(&found).expect("JSON");
        let again: Calibration = serde_json::from_str(&text).expect("a calibration");
        assert_eq!(again, found);
    }
}

#[test]
fn scores_that_say_nothing_end_in_the_share_of_positives() {
    for score in [0.0, 3.0, -1e6] {
        let labels: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i < 30))).collect();
        let found = sigmoid_of([&vec![score; 100], &labels], None, 7);
        // Platt's prior draws the targets towards a half.
        let expected = (30.0 * (31.0 / 32.0) + 70.0 / 72.0) / 100.0;
        assert!((found.apply(score) - expected).abs() < 1e-9, "{found:?}");
    }
    let far = [[-1e300, -1.0, 1.0, 1e300], [0.0, 0.0, 1.0, 1.0]];
    let far = sigmoid_of([&far[0], &far[1]], None, 2);
    assert!(far.validate().is_ok(), "{far:?}");
    assert!(Isotonic::default().finish().is_none());
}

#[test]
fn what_is_no_calibration_is_refused() {
    let isotonic = |x: &[f64], y: &[f64]| Calibration::Isotonic {
        x: x.to_vec(),
        y: y.to_vec(),
    };
    assert!(isotonic(&[0.0, 1.0], &[0.1, 0.2]).validate().is_ok());
    for wrong in [
        isotonic(&[], &[]),
        isotonic(&[0.0], &[0.1, 0.2]),
        isotonic(&[1.0, 1.0], &[0.1, 0.2]),
        isotonic(&[0.0, 1.0], &[0.3, 0.2]),
        isotonic(&[0.0, 1.0], &[0.3, 1.2]),
        Calibration::Sigmoid {
            a: f64::NAN,
            b: 0.0,
        },
    ] {
        assert!(wrong.validate().is_err(), "{wrong:?}");
    }
    assert!(isotonic(&[0.0], &[0.5]).apply(f64::NAN).is_nan());
}
