//! What is found of the scores on validation rows, and belongs to the model.

use catalog::model_files::{Selection, ValidationRows};
use learn::calibration::{Calibration, Isotonic, Method, SigmoidFit};
use learn::fitted_model::{FittedModel, Reader};
use runtime::step::Outputs;

use super::candidates::{metrics, rows, selection, sides, with};
use super::home::{Home, Rows};
use crate::Training;

const BALANCED: &str =
    r#"{"candidates": [{"family": "logistic-regression", "class_weight": "balanced"}]"#;

async fn trained(home: &Home, edit: &str, holdout: &Rows) -> (Training, Outputs) {
    let flags = with(home, &format!("{BALANCED}{edit}}}"), holdout).await;
    let outputs = home.train(&flags).await.unwrap();
    (flags, outputs)
}

async fn model(home: &Home, outputs: &Outputs) -> FittedModel {
    let file = home.model_file(outputs, "model.json").await;
    Reader::standard().read(&file).unwrap()
}

/// Raw scores of the validation rows, and labels.
async fn scored(home: &Home, flags: &Training, model: &FittedModel) -> Vec<(f64, f64)> {
    let [_, validation] = sides(home, flags).await;
    let mut scored = Vec::new();
    for (x, y) in validation {
        let columns: Vec<Vec<f64>> = (0..4)
            .map(|j| x.iter().skip(j).step_by(4).copied().collect())
            .collect();
        let columns = columns.iter().map(|of| learn::frame::Column::Numbers(of));
        let (mut matrix, mut raw) = (Vec::new(), Vec::new());
        let frame = learn::frame::Frame::new(columns.collect());
        model.preprocessing.transform(&frame, &mut matrix).unwrap();
        model.estimator.raw(&matrix, &mut raw);
        scored.extend(raw.into_iter().zip(y.into_iter().map(f64::from)));
    }
    scored
}

/// The calibrations of rows in memory, which common/learn compares with scikit-learn's.
fn calibrated(method: Method, mut rows: Vec<(f64, f64)>) -> Calibration {
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    if method == Method::Isotonic {
        let mut isotonic = Isotonic::default();
        for (score, label) in rows {
            isotonic.add(score, label == 1.0, 1.0);
        }
        return isotonic.finish().unwrap();
    }
    let (scores, labels): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
    let positives: f64 = labels.iter().sum();
    let mut fit = SigmoidFit::new(labels.len() as f64 - positives, positives);
    loop {
        let mut sums = fit.sums();
        sums.add(&scores, &labels, None);
        if let Some(found) = fit.advance(&sums) {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probabilities_are_calibrated_on_validation_rows_of_the_same_fit() {
    let home = Home::new(4).await;
    let holdout = rows().slice(5000, 6000);
    let (_, plain) = trained(&home, "", &holdout).await;
    let plain = metrics(&home, &plain).await;
    for method in [Method::Sigmoid, Method::Isotonic] {
        let edit = format!(r#", "calibration": "{}""#, method.name());
        let (flags, outputs) = trained(&home, &edit, &holdout).await;
        let of = selection(&home, &outputs).await;
        assert_eq!((of.calibration, of.refit), (Some(method), false));
        let shown = outputs.get("candidates").unwrap();
        assert!(
            shown.ends_with(&format!(" validation rows; calibrated: {}", method.name())),
            "{shown}"
        );
        let warned = outputs.get("warnings").unwrap().contains("isotonic");
        assert_eq!(
            warned,
            method == Method::Isotonic && of.validation.rows < 1000
        );
        let doubted = Selection {
            validation: ValidationRows {
                rows: 999,
                ..of.validation.clone()
            },
            ..of.clone()
        };
        assert_eq!(
            crate::tune::doubt(&doubted).is_some(),
            method == Method::Isotonic
        );
        let made = model(&home, &outputs).await;
        assert_eq!(made.training.rows, of.validation.fit_rows);
        let scored = scored(&home, &flags, &made).await;
        assert_eq!(scored.len() as u64, of.validation.rows);
        let (found, expected) = (made.calibration.unwrap(), calibrated(method, scored));
        for at in [-4.0, -1.0, 0.0, 0.3, 2.0] {
            let apart = found.apply(at) - expected.apply(at);
            assert!(apart.abs() < 1e-12, "{method:?}: {apart}");
        }
        // A fit with balanced classes says twice the base rate or more; calibrated it does not.
        let measured = metrics(&home, &outputs).await;
        assert_eq!(measured.format_version, 2);
        let (of_plain, of_calibrated) = (
            plain.holdout.number("log_loss").unwrap(),
            measured.holdout.number("log_loss").unwrap(),
        );
        assert!(
            of_calibrated < of_plain - 0.05,
            "{of_calibrated} {of_plain}"
        );

        // A refit that is asked for keeps the calibration, with the estimator of all rows.
        let edit = format!(r#"{edit}, "refit": true"#);
        let (_, outputs) = trained(&home, &edit, &holdout).await;
        let refit = model(&home, &outputs).await;
        assert_eq!(refit.training.rows, 5000);
        assert_eq!(refit.calibration, Some(found));
    }
}

/// The best F1 of every threshold that rows have; of equal ones the highest.
fn best_f1(rows: &[(f64, f64)]) -> (f64, f64) {
    let f1 = |at: f64| {
        let of = |flagged: bool, label: f64| {
            let rows = rows.iter();
            rows.filter(|row| (row.0 >= at) == flagged && row.1 == label)
                .count() as f64
        };
        2.0 * of(true, 1.0) / (2.0 * of(true, 1.0) + of(true, 0.0) + of(false, 1.0))
    };
    let mut best = (f64::NAN, 0.0);
    let mut cuts: Vec<f64> = rows.iter().map(|row| row.0).collect();
    cuts.sort_by(|a, b| b.total_cmp(a));
    for at in cuts {
        if f1(at) > best.1 {
            best = (at, f1(at));
        }
    }
    best
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_is_sought_on_validation_rows_by_the_calibrated_probability() {
    let home = Home::new(4).await;
    let holdout = rows().slice(5000, 6000);
    for calibration in ["none", "sigmoid"] {
        let edit = format!(
            r#", "calibration": "{calibration}", "metric": "f1", "threshold": {{"maximize": "f1"}}"#
        );
        let (flags, outputs) = trained(&home, &edit, &holdout).await;
        let made = model(&home, &outputs).await;
        let of = selection(&home, &outputs).await;
        let found = of.threshold.unwrap();
        assert_eq!(made.rule.threshold, found.threshold);
        let scored = scored(&home, &flags, &made).await;
        let probability = |score: f64| match &made.calibration {
            Some(calibration) => calibration.apply(score),
            None => 1.0 / (1.0 + libm::exp(-score)),
        };
        let scored = scored.into_iter().map(|row| (probability(row.0), row.1));
        let scored: Vec<(f64, f64)> = scored.collect();
        let (at, f1) = best_f1(&scored);
        assert!((found.threshold - at).abs() < 1e-12, "{found:?} {at}");
        let of_found = 2.0 * found.precision * found.recall / (found.precision + found.recall);
        assert!((of_found - f1).abs() < 1e-12, "{of_found} {f1}");
        // The candidate is compared at its own threshold.
        let compared = of.candidates[0].value.unwrap();
        assert!((compared - f1).abs() < 1e-12, "{compared} {f1}");
        let flagged = scored.iter().filter(|row| row.0 >= at).count();
        let share = flagged as f64 / scored.len() as f64;
        assert!((found.share - share).abs() < 1e-12);
        // It is what the holdout is measured at, and a part of what a person reads first.
        let measured = metrics(&home, &outputs).await.holdout;
        assert_eq!(measured.binary().unwrap().threshold, found.threshold);
        let shown = outputs.get("candidates").unwrap();
        let expected = format!("; threshold {:.4} (best F1: precision ", found.threshold);
        assert!(shown.contains(&expected), "{shown}");
    }
    let flags = with(
        &home,
        r#"{"candidates": [{"family": "mean"}], "threshold": {"precision": 0.99}}"#,
        &holdout,
    );
    let error = home.train(&flags.await).await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 10);
    let text = format!("{error:#}");
    assert!(
        text.contains("no threshold satisfies precision of 0.99 at least"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_of_the_holdout_and_no_thread_changes_what_is_found() {
    let holdout = rows().slice(5000, 6000);
    let mut other = holdout.clone();
    for label in other.y.iter_mut().flatten() {
        *label = 1 - *label;
    }
    for edit in [
        r#", "calibration": "sigmoid", "threshold": {"top": 0.1}"#,
        r#", "calibration": "isotonic""#,
        r#", "threshold": {"costs": {"false_positive": 1, "false_negative": 3}}"#,
    ] {
        let mut made = Vec::new();
        for (holdout, threads) in [(&holdout, 1), (&other, 4)] {
            let mut home = Home::new(4).await;
            home.step = home.step.with_threads(threads);
            let (_, outputs) = trained(&home, edit, holdout).await;
            made.push((
                home.model_file(&outputs, "model.json").await,
                selection(&home, &outputs).await,
            ));
        }
        assert!(made[0] == made[1], "{edit}");
    }
}

#[tokio::test]
async fn validation_rows_of_one_class_calibrate_nothing() {
    let home = Home::new(1).await;
    let mut train = Rows::simple(200);
    train
        .y
        .iter_mut()
        .skip(1)
        .for_each(|label| *label = Some(0));
    train.y[0] = Some(1);
    home.write_models(
        r#"{"candidates": [{"family": "mean"}], "metric": "accuracy", "calibration": "sigmoid",
            "validation": {"fraction": 0.01}}"#,
    );
    let flags = home.prepared("1", &Rows::simple(20), &[train]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("do not contain both classes of target"),
        "{text}"
    );
}
