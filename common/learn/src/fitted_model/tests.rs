//! Files of both versions.

use serde_json::json;

use super::*;
use crate::frame::Column;
use crate::model::{self, ClassValue, ClassWeight, Classes, Model};
use crate::task::Values;

fn first() -> Model {
    Model {
        format_version: 1,
        family: model::LOGISTIC_REGRESSION.to_owned(),
        target: "churned".to_owned(),
        classes: Classes {
            negative: ClassValue::Text("no".to_owned()),
            positive: ClassValue::Text("yes".to_owned()),
        },
        threshold: 0.4,
        features: vec!["age".to_owned(), "visits".to_owned()],
        coefficients: vec![0.1 + 0.2, -1.0 / 3.0],
        intercept: f64::MIN_POSITIVE,
        training: model::Training {
            c: 0.1,
            class_weight: ClassWeight::Balanced,
            rows: 2,
            iterations: 5,
            converged: true,
        },
    }
}

fn read(file: &Value) -> Result<FittedModel, Error> {
    Reader::standard().read(&serde_json::to_vec(file).expect("JSON"))
}

/// That a file of version 1 is read, and scores these row-major rows as ever.
pub(crate) fn assert_scores_the_same(first: &Model, rows: &[f64]) -> FittedModel {
    let mut theirs = Vec::new();
    first.predict_probability(rows, &mut theirs);
    let p = first.features.len();
    let columns: Vec<Vec<f64>> = (0..p)
        .map(|j| rows.iter().skip(j).step_by(p).copied().collect())
        .collect();
    let frame = Frame::new(
        columns
            .iter()
            .map(|column| Column::Numbers(column))
            .collect(),
    );
    let read = Reader::standard()
        .read(&first.to_json().expect("a file"))
        .expect("a model");
    let second = read.to_json().expect("a file");
    let again = Reader::standard().read(&second).expect("a model");
    assert_eq!(again.to_json().expect("a file"), second);
    for model in [&read, &again] {
        let (mut matrix, mut ours) = (Vec::new(), Vec::new());
        model
            .predict(&frame, &mut matrix, &mut ours)
            .expect("scores");
        assert_eq!(bits(&ours), bits(&theirs));
        let columns = model.predictions(&frame).expect("predictions");
        let Values::Classes(decided) = &columns[0].values else {
            panic!("classes");
        };
        for (class, p) in decided.iter().zip(&theirs) {
            let same = (!p.is_nan()).then(|| usize::from(first.decide(*p)));
            assert_eq!(*class, same);
        }
    }
    read
}

fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|score| score.to_bits()).collect()
}

#[test]
fn a_file_of_version_one_scores_the_same_bits() {
    let mut rows: Vec<f64> = (0..200)
        .flat_map(|i| [f64::from(i) * 0.37 - 30.0, f64::from(i % 17) / 3.0])
        .collect();
    rows[15] = f64::NAN;
    let read = assert_scores_the_same(&first(), &rows);
    let file: Value = serde_json::from_slice(&read.to_json().expect("a file")).expect("JSON");
    assert_eq!(file["format_version"], 2);
    assert_eq!(file["target"]["classes"], json!(["no", "yes"]));
    assert_eq!(file["threshold"], 0.4);
    assert_eq!(file["estimator"]["kind"], "logistic-regression");
    assert_eq!(
        file["training"]["options"],
        json!({"c": 0.1, "class_weight": "balanced"})
    );
}

/// It published the rows with their probabilities: see the README beside them.
#[test]
fn the_model_of_the_first_release_scores_the_bits_that_it_published() {
    let file = include_bytes!("../../../testing/fixtures/released/model.json");
    let tables = include_str!("../../../testing/fixtures/released/tables.sql");
    let (mut x, mut flag) = (Vec::new(), Vec::new());
    let (mut probabilities, mut classes) = (Vec::new(), Vec::new());
    for line in tables.lines() {
        let Some(line) = line.strip_prefix("INSERT INTO public.predictions (") else {
            continue;
        };
        let (columns, values) = line.split_once(") VALUES (").expect("values");
        assert!(columns.starts_with("id, at, y, x, flag, prediction, probability, "));
        let values: Vec<&str> = values.split(", ").collect();
        x.push(values[3].parse::<f64>().expect("a number"));
        flag.push(f64::from(u8::from(values[4] == "true")));
        classes.push(Some(values[5].parse::<usize>().expect("a class")));
        probabilities.push(values[6].parse::<f64>().expect("a probability"));
    }
    assert_eq!(probabilities.len(), 60);

    let model = Reader::standard().read(file).expect("a model");
    let frame = Frame::new(vec![Column::Numbers(&x), Column::Numbers(&flag)]);
    let (mut matrix, mut scores) = (Vec::new(), Vec::new());
    model
        .score(&frame, &mut matrix, &mut scores)
        .expect("scores");
    assert_eq!(bits(&scores), bits(&probabilities));
    let columns = model.predicted(&matrix, &scores);
    assert_eq!(columns[0].values, Values::Classes(classes));

    // By the formula, with another exponential.
    let file: Value = serde_json::from_slice(file).expect("JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    let (a, b) = (&file["coefficients"][0], &file["coefficients"][1]);
    for ((x, flag), score) in x.iter().zip(&flag).zip(&scores) {
        let sum = number(&file["intercept"]) + number(a) * x + number(b) * flag;
        let expected = 1.0 / (1.0 + libm::exp(-sum));
        assert!((score - expected).abs() <= 1e-15, "{score} {expected}");
    }
}

/// A calibrated model is of a version that programs without calibration refuse.
#[test]
fn a_calibrated_model_predicts_what_its_calibration_makes_of_the_raw_score() {
    let bytes = first().to_json().expect("a file");
    let mut model = Reader::standard().read(&bytes).expect("a model");
    let frame = [[40.0, 50.0, f64::NAN], [1.0, 2.0, 3.0]];
    let frame = Frame::new(frame.iter().map(|of| Column::Numbers(of)).collect());
    let (mut matrix, mut raw) = (Vec::new(), Vec::new());
    model
        .predict(&frame, &mut matrix, &mut Vec::new())
        .expect("numbers");
    model.estimator.raw(&matrix, &mut raw);
    for calibration in [
        Calibration::Sigmoid { a: -0.5, b: 0.25 },
        Calibration::Isotonic {
            x: vec![0.0, 12.0, 20.0],
            y: vec![0.0, 0.1, 0.45],
        },
    ] {
        model.calibration = Some(calibration.clone());
        let file = model.to_json().expect("a file");
        let object: Value = serde_json::from_slice(&file).expect("JSON");
        assert_eq!(object["format_version"], 3);
        let read = Reader::standard().read(&file).expect("a model");
        assert_eq!(read.to_json().expect("a file"), file);
        let expected: Vec<f64> = raw.iter().map(|score| calibration.apply(*score)).collect();
        let columns = read.predictions(&frame).expect("predictions");
        let Values::Numbers(probabilities) = &columns[1].values else {
            panic!("probabilities");
        };
        assert_eq!(bits(probabilities), bits(&expected));
        assert!(expected[2].is_nan() && expected[0] != expected[1]);
    }
    model.calibration = Some(Calibration::Sigmoid {
        a: f64::INFINITY,
        b: 0.0,
    });
    assert!(model.to_json().is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let bytes = first().to_json().expect("a file");
    let model = Reader::standard().read(&bytes).expect("a model");
    let good: Value = serde_json::from_slice(&model.to_json().expect("a file")).expect("JSON");
    for (field, value, reason) in [
        ("format_version", json!(4), "reads 1, 2 and 3"),
        ("task", json!("ranking"), "\"ranking\" is not known"),
        (
            "task",
            json!("multiclass"),
            "task multiclass needs 3 or more",
        ),
        ("threshold", json!(1.5), "threshold is 1.5"),
        ("interval", json!([2.0, 1.0]), "interval is 2 to 1"),
        ("calibrated", json!(true), "unknown field `calibrated`"),
        (
            "estimator",
            json!({"kind": "linear-regression", "coefficients": [1.0], "intercept": 0.0}),
            "makes 2 numbers a row, and its estimator takes 1",
        ),
        (
            "estimator",
            json!({"kind": "constant", "inputs": 2, "values": [0.5, 0.5]}),
            "predicts 2 numbers a row, and task binary needs 1",
        ),
        ("estimator", json!({"kind": "oak"}), "of kind \"oak\""),
        ("estimator", json!(["oak"]), "it is not an object"),
        (
            "signature",
            json!([{"name": "age", "kind": "numeric", "nullable": true}]),
            "not the features of the signature",
        ),
    ] {
        let mut file = good.clone();
        file[field] = value;
        let error = read(&file).expect_err("refused");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error} {}", cause.unwrap_or_default());
        assert!(text.contains(reason), "{field}: {text}");
    }
}
