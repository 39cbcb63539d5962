//! Values that ruin a fit, and bytes that are not replaced.

use catalog::layout;
use catalog::model_files::ModelMetrics;
use runtime::step::Outputs;

use super::home::{Home, Rows};
use crate::extremes::Extremes;
use crate::job::Job;
use crate::training_rows::Sums;
use learn::estimator::{InputSeen, Seen};
use learn::splitmix::customers;

/// Two features of customers, with values of the first one put in at rows of the training data.
fn with(values: &[(usize, f64)]) -> Rows {
    let (x, y) = customers(21, 900, 1.0);
    let x: Vec<f64> = x.chunks(4).flat_map(|row| [row[0], row[1]]).collect();
    let mut rows = Rows::new(2, &x, &y);
    for (row, value) in values {
        rows.x[300 + row][0] = Some(*value);
    }
    rows
}

/// Trains on two files of 300 rows.
async fn trained(rows: &Rows) -> (Home, Outputs) {
    let home = Home::new(2).await;
    let shards = [rows.slice(300, 600), rows.slice(600, 900)];
    let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    (home, outputs)
}

async fn warnings(home: &Home, outputs: &Outputs) -> Vec<String> {
    let manifest = home.manifest(outputs).await;
    let metrics: ModelMetrics = manifest.load_metrics(&home.store).await.unwrap();
    assert_eq!(metrics.warnings, manifest.warnings);
    manifest.warnings
}

#[tokio::test]
async fn a_value_that_ruins_a_fit_is_named_with_its_row() {
    for value in [i64::MIN as f64, i64::MAX as f64] {
        let (home, outputs) = trained(&with(&[(317, value)])).await;
        let found = warnings(&home, &outputs).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!(
            "feature \"feature1\" is {value} in raw file train/2.parquet (row 18 of train/1/part-"
        );
        assert!(found[0].starts_with(&expected), "{found:?}");
        assert!(found[0].contains("), id 17, 6."), "{found:?}");
        assert!(found[0].contains("standard deviations"), "{found:?}");
        let model = home.fitted(&outputs).await;
        assert!(model.training.converged, "{model:?}");
    }
}

#[tokio::test]
async fn placeholders_are_named_with_their_row() {
    let far = [
        (
            vec![(317, 999_999.0)],
            "999999 in raw file train/2.parquet (row 18 of",
            "",
        ),
        (
            vec![(40, -99_999.0), (555, -99_999.0)],
            "-99999 in raw file train/1.parquet (row 41 of",
            ", one of 2 such values",
        ),
    ];
    for (values, place, others) in far {
        let (home, outputs) = trained(&with(&values)).await;
        let found = warnings(&home, &outputs).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!("feature \"feature1\" is {place}");
        assert!(found[0].starts_with(&expected), "{found:?}");
        let expected = format!(
            " times as far from all its other values as these lie apart{others}: if it stands for a \
             missing value, make it null; else correct or bound it in features.sql, or leave its \
             row out by the filter of dataset.json"
        );
        assert!(found[0].ends_with(&expected), "{found:?}");
    }
}

/// Numbers to predict from 20 to 79, with others put in, by their rows: the first 300 are the
/// holdout.
fn numbers(values: &[(usize, i64)]) -> Rows {
    let mut rows = with(&[]);
    for (label, row) in rows.y.iter_mut().zip(0..) {
        *label = Some(20 + row * 7 % 60);
    }
    values
        .iter()
        .for_each(|(row, value)| rows.y[*row] = Some(*value));
    rows
}

/// The warnings of a training on two files of 300 rows, with a holdout from a row on.
async fn warned(rows: &Rows, family: &str, holdout: usize) -> Vec<String> {
    let home = Home::of_number(2).await;
    home.write_models(&format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#));
    let shards = [rows.slice(300, 600), rows.slice(600, 900)];
    let flags = home.prepared("1", &rows.slice(holdout, 300), &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    warnings(&home, &outputs).await
}

const FAMILIES: [&str; 3] = ["linear-regression", "random-forest", "mean"];

#[tokio::test]
async fn placeholders_in_a_target_are_named_with_their_row() {
    let far = [
        (
            vec![(617, 99_999)],
            "99999 in raw file train/2.parquet (row 18 of train/1/part-",
            "), id 17, 1.7e3 times as far from all its other values as these lie apart: ",
        ),
        (
            vec![(340, -999_999), (855, -999_999)],
            "-999999 in raw file train/1.parquet (row 41 of train/1/part-",
            "), id 40, 1.7e4 times as far from all its other values as these lie apart, one of 2 \
             such values: ",
        ),
        (
            [340, 401, 502, 617, 718, 855]
                .map(|row| (row, -999))
                .to_vec(),
            "-999 in raw file train/1.parquet (row 41 of train/1/part-",
            "), id 40, 17.3 times as far from all its other values as these lie apart, one of 6 \
             such values: ",
        ),
    ];
    for (values, place, others) in far {
        for family in FAMILIES {
            let found = warned(&numbers(&values), family, 0).await;
            let expected = format!("target \"target\" is {place}");
            assert!(found[0].starts_with(&expected), "{family}: {found:?}");
            let expected = format!(
                "{others}if it is wrong, or stands for a missing value, correct it in the raw file, \
                 or leave such rows out of training and holdout by the `train_filter` of \
                 dataset.json"
            );
            assert!(found[0].ends_with(&expected), "{found:?}");
        }
    }
}

#[tokio::test]
async fn a_row_that_decides_the_metrics_of_the_holdout_is_named() {
    let rows = numbers(&[(217, 1_000_000_000_000_000)]);
    for family in FAMILIES {
        let found = warned(&rows, family, 0).await;
        assert_eq!(found.len(), 1, "{family}: {found:?}");
        let expected = "target \"target\" is 1000000000000000, and predicted as ";
        assert!(found[0].starts_with(expected), "{found:?}");
        for expected in [
            ", in raw file train/0.parquet (row 218 of holdout/1/part-",
            "), id 217 of the holdout: this one of 300 rows makes 100.0 % of the squared error",
            "the `train_filter` of dataset.json",
        ] {
            assert!(found[0].contains(expected), "{found:?}");
        }
    }
    let alike = numbers(&[(40, 1_000_000), (217, 1_000_000)]);
    for family in FAMILIES {
        let found = warned(&alike, family, 0).await;
        assert_eq!(found.len(), 1, "{family}: {found:?}");
        for expected in [
            ", in raw file train/0.parquet (row 41 of holdout/1/part-",
            ", in raw file train/0.parquet (row 218 of holdout/1/part-",
            "; 1000000, and predicted as ",
            " of the holdout: these 2 of 300 rows make 100.0 % of the squared error",
        ] {
            assert!(found[0].contains(expected), "{family}: {found:?}");
        }
    }
    // One of so few rows may.
    let few = warned(&rows, FAMILIES[0], 201).await;
    assert_eq!(few, [""; 0]);
    let usual = warned(&numbers(&[]), FAMILIES[0], 0).await;
    assert_eq!(usual, [""; 0]);
}

#[tokio::test]
async fn values_whose_squares_are_0_are_no_constant() {
    let mut rows = with(&[]);
    for row in &mut rows.x {
        row[1] = row[1].map(|value| value * 1e-200);
    }
    let (home, outputs) = trained(&rows).await;
    let found = warnings(&home, &outputs).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let expected = "feature \"feature2\" varies by ";
    assert!(found[0].starts_with(expected), "{found:?}");
    assert!(
        found[0].contains("8.6e-200, whose square is 0"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_rare_one_of_two_values_is_none_that_ruins_a_fit() {
    // No float, so that the mean of the others is not their value.
    let rare = |row: usize| if row % 150 == 7 { 4.3 } else { -0.1 };
    let values: Vec<(usize, f64)> = (0..600).map(|row| (row, rare(row))).collect();
    let (home, outputs) = trained(&with(&values)).await;
    assert_eq!(warnings(&home, &outputs).await, [""; 0]);
}

/// As standardised columns have them: the mean of many such values is none of them.
#[test]
fn values_that_are_all_alike_have_no_spread() {
    let flag = (0..5613).map(|row| {
        if row % 6 == 1 {
            2.2556268518035423
        } else {
            -0.4433357
        }
    });
    let values: Vec<f64> = flag.collect();
    let seen = Seen {
        rows: 5613,
        positives: None,
        inputs: vec![InputSeen {
            name: "flag".to_owned(),
            mean: values.iter().sum::<f64>() / 5613.0,
            std: 1.0,
            min: -0.4433357,
            max: 2.2556268518035423,
        }],
    };
    let of = |values: &[f64]| {
        let mut extremes = Extremes::new(&seen);
        for x in values.chunks(1000) {
            let mut of_batch = Extremes::new(&seen);
            let y = vec![0.0; x.len()];
            let rows = learn::rows::Rows {
                x,
                y: &y,
                weights: None,
            };
            of_batch.add(rows).unwrap();
            extremes.merge(of_batch).unwrap();
        }
        extremes.ruinous().len()
    };
    assert_eq!(of(&values), 0);
    let mut others = values.clone();
    others[0] += 1e-9;
    assert_eq!(of(&others), 1);
}

#[tokio::test]
async fn of_several_such_values_the_first_of_the_farthest_is_named_with_their_number() {
    for (farthest, expected) in [
        (
            -1e12,
            "-1000000000000 in raw file train/1.parquet (row 41 of",
        ),
        (
            -2e12,
            "-2000000000000 in raw file train/2.parquet (row 256 of",
        ),
    ] {
        let values = [(40, -1e12), (41, -1e12), (555, farthest), (590, -1e12)];
        let (home, outputs) = trained(&with(&values)).await;
        let found = warnings(&home, &outputs).await;
        let expected = format!("feature \"feature1\" is {expected}");
        assert!(found[0].starts_with(&expected), "{found:?}");
        assert!(found[0].contains(", one of 4 such values: "), "{found:?}");
    }
}

#[tokio::test]
async fn long_tails_and_rare_flags_are_no_such_values() {
    let mut rows = with(&[]);
    for (i, row) in rows.x.iter_mut().enumerate() {
        let value = row[0].unwrap();
        row[0] = Some(libm::exp((value - 50.0) / 2.0));
        row[1] = Some(if i % 299 == 7 { 1e9 } else { 0.0 });
    }
    let (home, outputs) = trained(&rows).await;
    assert_eq!(warnings(&home, &outputs).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_value_whose_square_overflows_is_refused_with_its_row() {
    let home = Home::new(2).await;
    let rows = with(&[(317, 1e300)]);
    let shards = [rows.slice(300, 600), rows.slice(600, 900)];
    let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10);
    assert!(
        text.contains("feature feature1 is too large to train on"),
        "{text}"
    );
    assert!(
        text.contains("is 1e300 in raw file train/2.parquet (row 18 of"),
        "{text}"
    );
}

#[tokio::test]
async fn a_value_that_leaves_no_other_once_standardised_is_refused_with_its_row() {
    for value in [1e200, -1e300] {
        let rows = with(&[(317, value)]);
        for family in ["logistic-regression", "linear-regression"] {
            let home = match family {
                "logistic-regression" => Home::new(2).await,
                _ => Home::of_number(2).await,
            };
            home.write_models(&format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#));
            let shards = [rows.slice(300, 600), rows.slice(600, 900)];
            let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
            let (code, text) = home.refused(&flags).await;
            assert_eq!(code, 10, "{text}");
            let expected = "feature feature1 is too large to train on";
            assert!(text.contains(expected), "{family}: {text}");
            let expected = format!(
                "\nfeature \"feature1\" is {value:e} in raw file train/2.parquet (row 18 of train/1/"
            );
            assert!(text.contains(&expected), "{family}: {text}");
            assert!(text.contains("), id 17, "), "{family}: {text}");
        }
    }
}

#[tokio::test]
async fn other_bytes_of_the_same_model_are_replaced_only_when_asked() {
    let home = Home::new(2).await;
    let rows = with(&[]);
    let shards = [rows.slice(300, 900)];
    let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let key = layout::model_file(&job.folder(), layout::MODEL_FILE);
    // Another release is at work on the same model, and will commit to what it wrote.
    home.store.put(&key, b"{}\n".to_vec()).await.unwrap();
    let error = home.train(&flags).await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
    let text = format!("{error:#}");
    assert!(
        text.contains(&key) && text.contains("cache=refresh"),
        "{text}"
    );
    assert_eq!(home.store.require(&key).await.unwrap(), b"{}\n");

    let step = home.step.refreshing();
    let outputs = crate::train::train(&step, &home.store, &home.tracking, &flags)
        .await
        .unwrap();
    let model = home.model_file(&outputs, "model.json").await;
    // What is there already is what it would be.
    let other = Home::new(2).await;
    let flags = other.prepared("1", &rows.slice(0, 300), &shards).await;
    other.store.put(&key, model.clone()).await.unwrap();
    let outputs = other.train(&flags).await.unwrap();
    assert_eq!(other.model_file(&outputs, "model.json").await, model);
}
