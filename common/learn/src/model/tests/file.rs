//! The model file and its predictions.

use serde_json::json;

use super::super::*;

fn example() -> Model {
    Model {
        format_version: 1,
        family: LOGISTIC_REGRESSION.into(),
        target: "churned".into(),
        classes: Classes {
            negative: ClassValue::Text("no".into()),
            positive: ClassValue::Text("yes".into()),
        },
        threshold: 0.5,
        features: vec!["age".into(), "visits".into()],
        coefficients: vec![0.1 + 0.2, -1.0 / 3.0],
        intercept: f64::MIN_POSITIVE,
        training: Training {
            c: 1.0,
            class_weight: ClassWeight::Balanced,
            rows: 2,
            iterations: 5,
            converged: true,
        },
    }
}

#[test]
fn the_model_file_reads_back_to_the_last_bit() {
    let model = example();
    let bytes = model.to_json().expect("a valid model");
    assert_eq!(Model::parse(&bytes).expect("a model"), model);
    let expected = json!({
        "format_version": 1,
        "family": "logistic-regression",
        "target": "churned",
        "classes": {"negative": "no", "positive": "yes"},
        "threshold": 0.5,
        "features": ["age", "visits"],
        "coefficients": [0.30000000000000004, -0.3333333333333333],
        "intercept": 2.2250738585072014e-308,
        "training": {"c": 1.0, "class_weight": "balanced", "rows": 2, "iterations": 5, "converged": true},
    });
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON"),
        expected
    );
    assert!(bytes.ends_with(b"}\n"));
}

#[test]
fn classes_keep_their_type() {
    for (text, value) in [
        ("true", ClassValue::Bool(true)),
        ("1", ClassValue::Int(1)),
        ("\"1\"", ClassValue::Text("1".into())),
    ] {
        assert_eq!(
            serde_json::from_str::<ClassValue>(text).expect("a scalar"),
            value
        );
        assert_eq!(serde_json::to_string(&value).expect("JSON"), text);
    }
    for text in ["null", "[1]", "1.5"] {
        assert!(serde_json::from_str::<ClassValue>(text).is_err(), "{text}");
    }
}

#[test]
fn a_model_file_that_is_not_ours_is_refused_by_name() {
    let refused = |edit: fn(&mut serde_json::Value)| {
        let mut value = serde_json::to_value(example()).expect("JSON");
        edit(&mut value);
        Model::parse(value.to_string().as_bytes())
            .expect_err("a refusal")
            .to_string()
    };
    assert!(refused(|v| v["format_version"] = json!(2)).contains("format_version 2"));
    assert!(refused(|v| v["family"] = json!("random-forest")).contains("\"random-forest\""));
    assert!(
        refused(|v| v["coefficients"] = json!([1.0])).contains("2 features, but 1 coefficients")
    );
    assert!(refused(|v| v["features"] = json!(["age", "age"])).contains("\"age\" is listed twice"));
    assert!(
        refused(|v| (v["features"], v["coefficients"]) = (json!([]), json!([])))
            .contains("no features")
    );
    assert!(refused(|v| v["threshold"] = json!(1.5)).contains("threshold is 1.5"));
    assert!(refused(|v| v["classes"]["positive"] = json!("no")).contains("both classes are no"));
    assert!(refused(|v| v["intercept"] = json!(null)).contains("cannot be read"));
    assert!(refused(|v| v["extra"] = json!(1)).contains("cannot be read"));
    assert!(matches!(
        Model::parse(b"{\"format_version\""),
        Err(ModelError::Json(_))
    ));
    assert!(matches!(Model::parse(b""), Err(ModelError::Json(_))));
}

#[test]
fn numbers_that_are_not_finite_are_never_written() {
    for value in [f64::NAN, f64::INFINITY] {
        let model = Model {
            coefficients: vec![0.0, value],
            ..example()
        };
        assert!(
            model
                .to_json()
                .expect_err("a refusal")
                .to_string()
                .contains("\"visits\"")
        );
        let model = Model {
            intercept: value,
            ..example()
        };
        assert!(
            model
                .to_json()
                .expect_err("a refusal")
                .to_string()
                .contains("intercept")
        );
    }
}

#[test]
fn predictions_are_appended_and_decided_by_the_threshold() {
    let model = Model {
        coefficients: vec![1.0, -2.0],
        intercept: 0.5,
        ..example()
    };
    let mut out = vec![0.25];
    model.predict_probability(
        &[1.0, 0.75, 800.0, 0.0, -900.0, 0.0, f64::NAN, 0.0],
        &mut out,
    );
    assert_eq!(out[..3], [0.25, 0.5, 1.0]);
    assert!(out[3] >= 0.0 && out[3] < 1e-300);
    assert!(out[4].is_nan());
    assert_eq!(model.class_at(0.5), &ClassValue::Text("yes".into()));
    assert_eq!(model.class_at(0.499), &ClassValue::Text("no".into()));
    assert!(!model.decide(f64::NAN));
}
