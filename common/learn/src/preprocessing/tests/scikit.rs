//! What scikit-learn makes of the same rows.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    training: usize,
    weights: Vec<f64>,
    folds: Vec<u32>,
    numeric: Vec<NumberCase>,
    city: Vec<Option<String>>,
    one_hot: Vec<OneHot>,
    ordinal: Vec<Option<f64>>,
    target: Targets,
}

#[derive(Deserialize)]
struct NumberCase {
    values: Vec<Option<f64>>,
    by: Vec<Imputed>,
}

#[derive(Deserialize)]
struct Imputed {
    strategy: String,
    impute: f64,
    indicator: bool,
    mean: f64,
    deviation: f64,
    weighted_mean: f64,
    weighted_deviation: f64,
    standardized: Vec<f64>,
}

#[derive(Deserialize)]
struct OneHot {
    min_frequency: Option<u64>,
    max_categories: Option<usize>,
    matrix: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Targets {
    binary: Target,
    regression: Target,
    multiclass: Target,
}

#[derive(Deserialize)]
struct Target {
    y: Vec<f64>,
    full: Vec<Vec<f64>>,
    out_of_fold: Vec<Vec<f64>>,
}

fn fixture() -> Fixture {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testing/fixtures/preprocessing.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numeric(fitted: &Fitted) -> Numeric {
    match &fitted.preprocessing.columns()[0] {
        FittedColumn::Numeric(numeric) => numeric.clone(),
        other => panic!("{other:?}"),
    }
}

fn same_scale(fitted: &Fitted, mean: f64, deviation: f64) {
    let scale = numeric(fitted).scale.unwrap();
    close(
        &[scale.mean / mean, scale.deviation / deviation],
        &[1.0, 1.0],
    );
}

#[test]
fn numbers_equal_simple_imputer_and_standard_scaler() {
    let fixture = fixture();
    for case in &fixture.numeric {
        let numbers = case.values.iter().map(|of| of.unwrap_or(f64::NAN));
        let columns = [("x", Values::Numbers(numbers.collect()))];
        let mut training = Training::new(&columns);
        training.y.truncate(fixture.training);
        for by in &case.by {
            let strategy = by.strategy.replace('_', "-");
            let settings = format!(r#"{{"columns": {{"x": {{"impute": "{strategy}"}}}}}}"#);
            training.weights = None;
            let fitted = training.fit(&settings).unwrap();
            let impute = numeric(&fitted).impute.unwrap();
            match strategy.as_str() {
                "mean" => close(&[impute / by.impute], &[1.0]),
                _ => assert_eq!(impute, by.impute),
            }
            same_scale(&fitted, by.mean, by.deviation);
            assert_eq!(numeric(&fitted).missing_indicator, by.indicator);
            let ours = transform(&fitted.preprocessing, &columns).unwrap();
            let width = fitted.preprocessing.width();
            // No standardised number is better known than a bit of the mean.
            let bit = f64::EPSILON * (by.mean / by.deviation).abs();
            for (row, theirs) in by.standardized.iter().enumerate() {
                let near = 1e-12 * theirs.abs().max(1.0) + bit;
                assert!((ours[row * width] - theirs).abs() <= near);
                let missing = f64::from(u8::from(case.values[row].is_none()));
                assert!(!by.indicator || ours[row * width + 1] == missing);
            }
            training.weights = Some(fixture.weights[..fixture.training].to_vec());
            let fitted = training.fit(&settings).unwrap();
            same_scale(&fitted, by.weighted_mean, by.weighted_deviation);
        }
    }
}

#[test]
fn one_hot_equals_one_hot_encoder() {
    let fixture = fixture();
    let columns = [("city", Values::Texts(fixture.city.clone()))];
    let mut training = Training::new(&columns);
    training.y.truncate(fixture.training);
    for case in &fixture.one_hot {
        let settings = serde_json::json!({"columns": {"city": {
            "min_frequency": case.min_frequency.unwrap_or(1),
            "max_categories": case.max_categories.unwrap_or(1000),
        }}});
        let fitted = training.fit(&settings.to_string()).unwrap();
        let ours = transform(&fitted.preprocessing, &columns).unwrap();
        assert_eq!(ours, case.matrix.concat(), "{settings}");
    }
}

#[test]
fn ordinal_equals_ordinal_encoder() {
    let fixture = fixture();
    let columns = [("city", Values::Texts(fixture.city.clone()))];
    let mut training = Training::new(&columns);
    training.y.truncate(fixture.training);
    training.family = Family::Trees;
    let settings = r#"{"categorical": {"encode": "ordinal"}}"#;
    let fitted = training.fit(settings).unwrap();
    let ours = transform(&fitted.preprocessing, &columns).unwrap();
    let theirs = fixture.ordinal.iter().map(|code| code.unwrap_or(f64::NAN));
    let theirs: Vec<f64> = theirs.collect();
    assert!(theirs.iter().any(|code| code.is_nan()));
    close(&ours, &theirs);
}

#[test]
fn target_equals_target_encoder_on_all_rows_and_on_each_folds_complement() {
    let fixture = fixture();
    let columns = [("city", Values::Texts(fixture.city.clone()))];
    let settings = r#"{"categorical": {"encode": "target", "standardize": false}}"#;
    let Targets {
        binary,
        regression,
        multiclass,
    } = &fixture.target;
    for (case, classes) in [(binary, 0), (regression, 0), (multiclass, 3)] {
        let mut training = Training::new(&columns);
        training.y = case.y[..fixture.training].to_vec();
        training.folds = Some(fixture.folds[..fixture.training].to_vec());
        training.classes = (0..classes).map(|class| class.to_string()).collect();
        for chunk in [1, 50, 1000] {
            training.chunk = chunk;
            let fitted = training.fit(settings).unwrap();
            let ours = transform(&fitted.preprocessing, &columns).unwrap();
            close(&ours, &case.full.concat());
            let ours = out_of_fold(&fitted, &columns, &fixture.folds);
            let theirs = case.out_of_fold.concat();
            close(&ours[..theirs.len()], &theirs);
        }
    }
}

#[test]
fn a_weight_of_two_is_the_row_twice_for_target_encoding() {
    let once = [("c", texts(&["a", "a", "b", "b", "c"]))];
    let twice = [("c", texts(&["a", "a", "a", "b", "b", "b", "c"]))];
    let settings = r#"{"categorical": {"encode": "target"}}"#;
    let mut weighted = Training::new(&once);
    weighted.y = vec![1.0, 0.0, 0.0, 1.0, 1.0];
    weighted.weights = Some(vec![2.0, 1.0, 1.0, 2.0, 1.0]);
    let mut repeated = Training::new(&twice);
    repeated.y = vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let of = |training: &Training<'_>| training.fit(settings).unwrap().preprocessing;
    let ours = transform(&of(&weighted), &once).unwrap();
    let theirs = transform(&of(&repeated), &once).unwrap();
    close(&ours, &theirs);
}
