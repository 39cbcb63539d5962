//! Training as `models.json` says.

use catalog::layout;
use learn::estimator::Families;
use learn::fitted_model::{FittedModel, Reader};
use learn::frame::{Column, Frame};
use learn::model::ClassValue;
use learn::preprocessing::FittedColumn;
use learn::task::{Binary, Target};
use runtime::step::Outputs;

use super::home::{Home, Rows};
use crate::Training;

/// Half of the rows lack the first feature; the second one is far from 0.
fn rows(count: usize, from: usize) -> Rows {
    let row = |i: usize| {
        vec![
            i.is_multiple_of(2).then_some((i % 9) as f64),
            Some(1e6 + (i % 5) as f64),
        ]
    };
    Rows {
        x: (from..from + count).map(row).collect(),
        y: (from..from + count)
            .map(|i| Some(i64::from(i % 5 > 2)))
            .collect(),
    }
}

async fn prepared(models: &str) -> (Home, Training) {
    let home = Home::new(2).await;
    home.write_models(models);
    let shards = [rows(101, 50), rows(60, 3)];
    let flags = home.prepared("1", &rows(50, 0), &shards).await;
    (home, flags)
}

async fn model(home: &Home, outputs: &Outputs) -> FittedModel {
    let file = home.model_file(outputs, "model.json").await;
    Reader::standard().read(&file).unwrap()
}

const MODELS: &str = r#"{
    "candidates": [{"family": "logistic-regression", "c": 10.0}],
    "threshold": 0.4
}"#;

#[tokio::test]
async fn missing_numbers_are_imputed_and_numbers_standardised() {
    let (home, flags) = prepared(MODELS).await;
    let outputs = home.train(&flags).await.unwrap();
    let model = model(&home, &outputs).await;
    assert_eq!((model.rule.threshold, model.training.rows), (0.4, 161));
    let mut present: Vec<f64> = [rows(101, 50), rows(60, 3)]
        .iter()
        .flat_map(|rows| rows.x.iter().filter_map(|row| row[0]))
        .collect();
    present.sort_by(f64::total_cmp);
    let [FittedColumn::Numeric(first), FittedColumn::Numeric(second)] =
        model.preprocessing.columns()
    else {
        panic!("{:?}", model.preprocessing);
    };
    let half = present.len() / 2;
    let median = match present.len() % 2 {
        1 => present[half],
        _ => f64::midpoint(present[half - 1], present[half]),
    };
    assert_eq!(
        (first.impute, first.missing_indicator),
        (Some(median), true)
    );
    assert_eq!(
        (second.impute.is_some(), second.missing_indicator),
        (true, false)
    );
    assert!((second.scale.unwrap().mean - 1e6).abs() < 5.0);

    // A row without the number is scored; the reference holds what was missing.
    let frame = Frame::new(vec![
        Column::Numbers(&[f64::NAN]),
        Column::Numbers(&[1e6 + 4.0]),
    ]);
    let (mut matrix, mut scores) = (Vec::new(), Vec::new());
    model.score(&frame, &mut matrix, &mut scores).unwrap();
    assert!(scores[0] > 0.5, "{scores:?}");
    let manifest = home.manifest(&outputs).await;
    let reference = manifest.load_reference(&home.store).await.unwrap();
    let counted = reference.features[0].profile.counted().unwrap();
    let missing = counted.counts.nans + counted.counts.nulls;
    assert_eq!(missing, 161 - present.len() as i64);
    assert_eq!(reference.features.len(), 2);

    // What it was trained by is beside it, and a later edit is another model.
    let pinned = home.model_file(&outputs, layout::MODELS_FILE).await;
    assert_eq!(pinned, MODELS.as_bytes());
    home.write_models(&MODELS.replace("10.0", "1.0"));
    let other = home.train(&flags).await.unwrap();
    assert_eq!(other.get("model-version"), Some("2"));
    home.write_models(MODELS);
    let again = home.train(&flags).await.unwrap();
    assert_eq!(
        (again.get("model-version"), again.get("reused")),
        (Some("1"), Some("true"))
    );
}

#[tokio::test]
async fn placeholders_are_named_unless_clipped_and_small_numbers_are_learned() {
    let rows = |count: usize, from: usize| {
        let mut rows = rows(count, from);
        for (i, row) in rows.x.iter_mut().enumerate() {
            // Once they are standardised, all the others are the same float.
            let value = if i % 5 == 2 {
                -9.2e18
            } else {
                (i % 9) as f64 / 10.0
            };
            // Squares of such numbers are 0.
            *row = vec![Some(value), row[1].map(|value| (value - 1e6) * 1e-200)];
        }
        rows
    };
    let clip = r#", "preprocessing": {"columns": {"feature1": {"clip": [0, 1]}}}}"#;
    for (preprocessing, named) in [("}", true), (clip, false)] {
        let models = r#"{"candidates": [{"family": "logistic-regression", "c": 10}]"#;
        let home = Home::new(2).await;
        home.write_models(&format!("{models}{preprocessing}"));
        let shards = [rows(100, 50), rows(60, 150)];
        let flags = home.prepared("1", &rows(50, 0), &shards).await;
        let outputs = home.train(&flags).await.unwrap();
        let manifest = home.manifest(&outputs).await;
        let warnings = manifest.warnings;
        assert_eq!(warnings.len(), usize::from(named), "{warnings:?}");
        let expected = "feature \"feature1\" is -9200000000000000000 in raw file train/1.parquet \
                        (row 3 of";
        assert!(
            warnings.iter().all(|of| of.starts_with(expected)),
            "{warnings:?}"
        );

        let frame = Frame::new(vec![
            Column::Numbers(&[0.1, 0.1]),
            Column::Numbers(&[0.0, 4e-200]),
        ]);
        let (mut matrix, mut scores) = (Vec::new(), Vec::new());
        let model = model(&home, &outputs).await;
        model.score(&frame, &mut matrix, &mut scores).unwrap();
        assert!(scores[0] < 0.1 && scores[1] > 0.9, "{scores:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_named() {
    let cases = [
        ("{", "models.json: EOF while parsing"),
        (
            r#"{"candidates": []}"#,
            "models.json: `candidates` has 0 entries: give one",
        ),
        (
            r#"{"candidates": [{"family": "oak"}]}"#,
            "models.json: candidate \"oak\": family is \"oak\": it must be one of logistic-regression",
        ),
        (
            r#"{"candidates": [{"family": "logistic-regression", "depth": 3}]}"#,
            "unknown field `depth`, expected one of `c`, `class_weight`",
        ),
        (
            r#"{"candidates": [{"family": "logistic-regression", "c": 0}]}"#,
            "c is 0: it must be a positive number",
        ),
        (
            r#"{"candidates": [{"family": "linear-regression"}]}"#,
            "does not learn target \"target\" of task binary: give one of logistic-regression, gradient-boosting",
        ),
        (
            r#"{"candidates": [{"family": "mean"}], "threshold": 3}"#,
            "`threshold` is 3: it must be from 0 to 1",
        ),
        (
            r#"{"candidates": [{"family": "mean"}],
                "preprocessing": {"columns": {"feature9": {"drop": true}}}}"#,
            "models.json: preprocessing of column \"feature9\"",
        ),
        (
            r#"{"candidates": [{"family": "mean"}],
                "preprocessing": {"numeric": {"encode": "one-hot"}}}"#,
            "models.json: ",
        ),
    ];
    for (models, expected) in cases {
        let (home, flags) = prepared(models).await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 2, "{models}: {text}");
        assert!(text.contains(expected), "{models}: {text}");
    }
}

#[tokio::test]
async fn a_fit_that_stopped_early_names_the_file_that_decides() {
    let models = r#"{"candidates": [{"family": "logistic-regression", "max_iter": 1}]}"#;
    let (home, flags) = prepared(models).await;
    let outputs = home.train(&flags).await.unwrap();
    let warnings = outputs.get("warnings").unwrap();
    assert!(
        warnings.contains("did not converge in 1 Newton steps"),
        "{warnings}"
    );
    assert!(
        warnings.contains("raise max_iter in models.json"),
        "{warnings}"
    );
    assert!(!warnings.contains("MODEL_MAX_ITER"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_that_learns_two_classes_is_trained_and_measured() {
    let target = Target {
        name: "target".to_owned(),
        classes: [0, 1].map(ClassValue::Int).to_vec(),
    };
    let families = Families::standard();
    let learning = families.all().iter();
    let learning = learning.filter(|family| family.learns(&Binary, &target));
    let names: Vec<&str> = learning.map(|family| family.name()).collect();
    assert!(names.contains(&"random-forest"), "{names:?}");
    for family in names {
        let models = format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#);
        let (home, flags) = prepared(&models).await;
        let outputs = home.train(&flags).await.unwrap();
        let model = model(&home, &outputs).await;
        assert_eq!(model.training.family.as_deref(), Some(family));
        assert!(!outputs.get("accuracy").unwrap().is_empty(), "{family}");
    }
}

#[tokio::test]
async fn distinct_values_that_do_not_fit_in_memory_are_refused_with_what_helps() {
    let models = r#"{
        "candidates": [{"family": "logistic-regression"}],
        "preprocessing": {"numeric": {"impute": "most-frequent"}}
    }"#;
    // All values of the second column are others, and some of the first.
    let rows = |from: usize| Rows {
        x: (from..from + 20_000)
            .map(|row| vec![Some((row % 10_000) as f64), Some(row as f64 + 0.5)])
            .collect(),
        y: (0..20_000).map(|row| Some(row % 2)).collect(),
    };
    let mut home = Home::new(2).await;
    home.write_models(models);
    let flags = home
        .prepared("1", &rows(0), &[rows(20_000), rows(40_000)])
        .await;
    home.step = home.step.with_threads(1).with_memory(40 << 20);
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    for part in [
        "take more than the 10485760 bytes",
        "column \"feature2\" takes the most",
        "raise --memory (ALAMEDA_MEMORY), which is 40.0 MiB",
        "train/1/_manifest.json",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What it advises works.
    home.step = home.step.with_threads(1).with_memory(200 << 20);
    home.train(&flags).await.unwrap();
}
