use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use chrono_tz::Tz;
use learn::model::ClassValue;
use learn::preprocessing::Preprocessing;
use runtime::failure::exit_code;
use runtime::threads::{blocking, wait};

use super::super::LabelledRows;
use super::*;
use crate::config::Config;
use crate::dataset::{Dataset, Holdout, HoldoutRule};
use crate::features;
use crate::parts::tests::of_batch;
use catalog::layout::DataVersion;
use catalog::manifest::{Column, Header, Inputs};

const CONTRACT: &str = r#"{"columns": [
    {"name": "id", "type": "int64", "role": "id"},
    {"name": "day", "type": "date", "role": "time"},
    {"name": "x", "type": "float64", "role": "feature"},
    {"name": "y", "type": "float64", "role": "target"}
]}"#;

/// A row: its id, its day, and the number that it is known by.
type Row = (i64, i32, f64);

fn batch(rows: &[Row], label: impl Fn(usize) -> Option<f64>) -> RecordBatch {
    let columns: [ArrayRef; 4] = [
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new((0..rows.len()).map(label).collect::<Float64Array>()),
    ];
    let fields = [
        ("id", DataType::Int64),
        ("day", DataType::Date32),
        ("x", DataType::Float64),
        ("y", DataType::Float64),
    ];
    let fields = fields.map(|(name, of)| Field::new(name, of, true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns.to_vec()).unwrap()
}

struct Data {
    _folder: tempfile::TempDir,
    step: Step,
    store: Store,
    config: Config,
    train: DatasetManifest,
}

impl Data {
    /// Of these parts.
    async fn of(parts: &[&[Row]]) -> Self {
        let parts = parts.iter().map(|rows| batch(rows, |_| Some(1.0)));
        Self::of_batches(parts.collect()).await
    }

    async fn of_batches(batches: Vec<RecordBatch>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-training", folder.path());
        let store = Store::of(&step).unwrap();
        let mut parts = Vec::new();
        for (ordinal, batch) in batches.into_iter().enumerate() {
            let key = format!("train/1/part-{ordinal}.parquet");
            parts.push(of_batch(&store, key, ordinal, batch).await);
        }
        let config = Config::parse(CONTRACT.to_owned(), "SELECT * FROM raw".to_owned()).unwrap();
        let column = |(name, of, role): (&str, &str, Role)| Column {
            name: name.to_owned(),
            data_type: of.to_owned(),
            role,
        };
        let columns = [
            ("id", "Int64", Role::Id),
            ("day", "Date32", Role::Time),
            ("x", "Float64", Role::Feature),
            ("y", "Float64", Role::Target),
        ];
        let rows = parts.iter().map(|part| part.rows).sum();
        let header = Header::new(Inputs::new("data-prep", 1), &step);
        let version = DataVersion::parse("1", step.timezone()).unwrap();
        let split = catalog::layout::Split::Train;
        let train = DatasetManifest {
            holdout: HoldoutRule::FirstShard.to_string(),
            columns: columns.map(column).into(),
            rows,
            labelled_rows: rows,
            parts,
            ..DatasetManifest::empty(header, version, split, config.digest())
        };
        Self {
            _folder: folder,
            step,
            store,
            config,
            train,
        }
    }

    fn rows(&self) -> LabelledRows {
        let signature = features::signature(&self.train.columns, true).unwrap();
        let unchanged = Preprocessing::unchanged(&signature.names()).unwrap();
        let work = self.step.work();
        LabelledRows::new(&self.store, work, &self.config, &signature, &unchanged).unwrap()
    }

    /// The numbers that the rows of each side are known by, in their order.
    async fn sides(&self, validation: &Validation) -> [Vec<f64>; 2] {
        let split = Split::of(&self.step, &self.store, &self.train, validation).await;
        let split = Arc::new(split.unwrap());
        let read = [Side::Fit, Side::Validation].map(|side| {
            let rows = self.rows().on_side(&split, side);
            let parts = self.train.parts.clone();
            async move {
                let read = blocking(move || {
                    let (mut chunks, mut frames) = (Vec::new(), Vec::new());
                    for part in &parts {
                        let before = chunks.len() as u64;
                        rows.each_chunk(part, |chunk| {
                            chunks.extend_from_slice(chunk.x);
                            Ok(())
                        })?;
                        assert_eq!(chunks.len() as u64 - before, rows.rows_of(part)?);
                        rows.each_frame(part, |frame, _| {
                            let learn::frame::Column::Numbers(x) = frame.frame.columns()[0] else {
                                panic!("numbers");
                            };
                            frames.extend_from_slice(x);
                            Ok(())
                        })?;
                    }
                    assert_eq!(chunks, frames);
                    Ok(chunks)
                });
                read.await.unwrap()
            }
        });
        let [fit, validate] = read;
        let sides = [fit.await, validate.await];
        let counted = [Side::Fit, Side::Validation].map(|side| split.rows(side) as usize);
        assert_eq!(counted, [sides[0].len(), sides[1].len()]);
        sides
    }
}

fn by(by: By, fraction: f64) -> Validation {
    Validation {
        fraction,
        by: Some(by),
        folds: None,
    }
}

/// `rows` rows of which three share an id, of 50 days, the later ones with more rows.
fn many(rows: usize) -> Vec<Row> {
    let row = |i: usize| {
        (
            i as i64 / 3,
            ((i % 50) as i32).max(i as i32 % 7 * 7),
            i as f64,
        )
    };
    (0..rows).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_side_of_an_id_does_not_depend_on_where_it_lies_nor_on_the_threads() {
    let rows = many(40_000);
    let mut reversed = rows.clone();
    reversed.reverse();
    let one = Data::of(&[&rows]).await;
    let validation = by(By::Id, 0.2);
    let [fit, validate] = one.sides(&validation).await;
    assert!(fit.iter().chain(&validate).count() == 40_000 && validate.is_sorted());
    // 13,334 ids: the standard deviation of the share is 0.0035.
    let share = validate.len() as f64 / 40_000.0;
    assert!((share - 0.2).abs() < 0.011, "{share}");
    let ids = |side: &[f64]| -> Vec<u64> { side.iter().map(|i| *i as u64 / 3).collect() };
    let fitted = ids(&fit);
    assert!(
        !ids(&validate)
            .iter()
            .any(|id| fitted.binary_search(id).is_ok())
    );

    let many = Data::of(&[
        &reversed[..9],
        &[],
        &reversed[9..30_000],
        &reversed[30_000..],
    ])
    .await;
    for threads in [1, 4] {
        let many = Data {
            step: many.step.with_threads(threads).with_memory(64 << 20),
            store: many.store.clone(),
            config: many.config.clone(),
            train: many.train.clone(),
            _folder: tempfile::tempdir().unwrap(),
        };
        let [mut other_fit, mut other] = many.sides(&validation).await;
        other_fit.reverse();
        other.reverse();
        assert_eq!((&other_fit, &other), (&fit, &validate));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_validate_are_as_often_held_out_as_others() {
    let rows: Vec<Row> = (0..40_000).map(|i| (i, 0, i as f64)).collect();
    let data = Data::of(&[&rows]).await;
    let [_, validate] = data.sides(&by(By::Id, 0.2)).await;
    let dataset = Dataset::parse(CONTRACT.as_bytes()).unwrap();
    let holdout = Holdout::new(HoldoutRule::Fraction(0.2), &dataset, Tz::UTC).unwrap();
    let held_out = holdout.held_out(&batch(&rows, |_| None), false).unwrap();
    let both = validate
        .iter()
        .filter(|i| held_out.value(**i as usize))
        .count();
    let share = both as f64 / validate.len() as f64;
    // Of 8,000 the standard deviation is 0.0045; with the same half of the hash it would be 1.
    assert!((share - 0.2).abs() < 0.018, "{share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_time_the_latest_rows_validate_and_no_day_is_on_both_sides() {
    let rows = many(9000);
    let data = Data::of(&[&rows[..10], &rows[10..5000], &[], &rows[5000..]]).await;
    for fraction in [0.01, 0.2, 0.5] {
        let [fit, validate] = data.sides(&by(By::Time, fraction)).await;
        let day = |i: &f64| rows[*i as usize].1;
        let last = fit.iter().map(day).max().unwrap();
        let first = validate.iter().map(day).min().unwrap();
        assert!(last < first, "{last} {first}");
        // Without the first of its days it would be less than the fraction.
        let later = validate.iter().filter(|i| day(i) > first).count() as f64;
        let wanted = fraction * 9000.0;
        assert!(
            later < wanted && wanted <= validate.len() as f64,
            "{fraction}"
        );
    }
    // Ten days of as many rows: exactly the last two of them.
    let rows: Vec<Row> = (0..100).map(|i| (i, i as i32 % 10, i as f64)).collect();
    let [_, validate] = Data::of(&[&rows]).await.sides(&by(By::Time, 0.2)).await;
    assert_eq!(validate.len(), 20);
    assert!(validate.iter().all(|i| *i as i32 % 10 >= 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_without_rows_is_refused_with_the_setting() {
    let rows: Vec<Row> = (0..5).map(|i| (7, 100, f64::from(i))).collect();
    let mut data = Data::of(&[&rows]).await;
    for (validation, expected) in [
        (
            by(By::Time, 0.2),
            "leaves 0 of the 5 rows of the training data of 1 to fit on and 5 to validate on: rows \
             with the same time are on one side; if there are several times, set a smaller \
             \"fraction\", and if there is one, set \"by\" to \"id\"",
        ),
        (
            by(By::Id, 1e-9),
            "leaves 5 of the 5 rows of the training data of 1 to fit on and 0 to validate on: rows \
             with the same id are on one side; if there are several ids, set a larger \
             \"fraction\", and if there is one, set \"by\" to \"time\"",
        ),
    ] {
        let error = Split::of(&data.step, &data.store, &data.train, &validation).await;
        let error = error.unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
    data.train
        .columns
        .retain(|column| column.role != Role::Time);
    let error = Split::of(&data.step, &data.store, &data.train, &by(By::Time, 0.2)).await;
    let text = format!("{:#}", error.unwrap_err());
    assert!(text.contains("set \"by\" to \"id\""), "{text}");
    let error = Split::of(&data.step, &data.store, &data.train, &by(By::Id, 1e-9)).await;
    let text = format!("{:#}", error.unwrap_err());
    assert!(
        text.ends_with("give the role id in dataset.json to columns that identify rows"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_label_is_named_by_its_place_in_the_part() {
    let rows: Vec<Row> = (0..100).map(|i| (i, 0, i as f64)).collect();
    let whole = Data::of(&[&rows]).await;
    let [_, validate] = whole.sides(&by(By::Id, 0.2)).await;
    let missing = validate[3] as usize;
    let data = Data::of_batches(vec![batch(&rows, |i| (i != missing).then_some(1.0))]).await;
    let validation = by(By::Id, 0.2);
    let split = Split::of(&data.step, &data.store, &data.train, &validation).await;
    let split = Arc::new(split.unwrap());
    for (side, found) in [(Side::Fit, false), (Side::Validation, true)] {
        let rows = data.rows().on_side(&split, side);
        let (part, train) = (data.train.parts[0].clone(), data.train.clone());
        let refused = blocking(move || {
            let unusable = rows.each_chunk(&part, |_| Ok(()))?;
            Ok(wait(unusable.refuse(&train, &rows)))
        });
        let refused = refused.await.unwrap();
        assert_eq!(refused.is_err(), found);
        if let Err(error) = refused {
            let place = format!(
                "row {} of train/1/part-0.parquet, id {missing}, day 1970-01-01; fill",
                missing + 1
            );
            assert!(format!("{error:#}").contains(&place), "{error:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_validates_in_one_of_five_folds_of_few_rows() {
    let data = Data::of(&[&many(900), &[]]).await;
    let validation = by(By::Id, 0.2);
    let splits = Split::folds(&data.step, &data.store, &data.train, &validation, None).await;
    let splits = splits.unwrap();
    assert_eq!(splits.len(), 5);
    let mut validated = vec![0; 900];
    for split in &splits {
        let rows = data.rows().on_side(split, Side::Validation);
        let parts = data.train.parts.clone();
        let read = blocking(move || {
            let mut read = Vec::new();
            for part in &parts {
                rows.each_chunk(part, |chunk| {
                    read.extend_from_slice(chunk.x);
                    Ok(())
                })?;
            }
            Ok(read)
        });
        let read: Vec<f64> = read.await.unwrap();
        assert_eq!(read.len() as u64, split.rows(Side::Validation));
        assert_eq!(read.len() as u64 + split.rows(Side::Fit), 900);
        read.iter().for_each(|i| validated[*i as usize] += 1);
    }
    assert!(validated.iter().all(|times| *times == 1), "{validated:?}");

    let first = Split::of(&data.step, &data.store, &data.train, &validation).await;
    let first = first.unwrap().rows(Side::Validation);
    assert_eq!(splits[0].rows(Side::Validation), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn folds_are_one_unless_rows_are_few_or_it_is_said() {
    let of = async |rows: usize, by: By, folds: Option<u64>| {
        let data = Data::of(&[&many(rows)]).await;
        let validation = Validation {
            fraction: 0.25,
            by: Some(by),
            folds,
        };
        let splits = Split::folds(&data.step, &data.store, &data.train, &validation, None).await;
        splits.unwrap().len()
    };
    assert_eq!(of(199, By::Id, None).await, 1);
    assert_eq!(of(200, By::Id, None).await, 4);
    assert_eq!(of(4_999, By::Id, None).await, 4);
    assert_eq!(of(5_000, By::Id, None).await, 1);
    assert_eq!(of(5_000, By::Id, Some(3)).await, 3);
    assert_eq!(of(300, By::Id, Some(1)).await, 1);
    assert_eq!(of(300, By::Time, None).await, 1);
    assert_eq!(of(300, By::Time, Some(1)).await, 1);

    // Three ids can't be in five folds.
    let rows: Vec<Row> = (0..300).map(|i| (i % 3, 0, i as f64)).collect();
    let data = Data::of(&[&rows]).await;
    for fraction in [0.2, 0.21, 0.22, 0.23, 0.24] {
        let validation = by(By::Id, fraction);
        let splits = Split::folds(&data.step, &data.store, &data.train, &validation, None).await;
        let splits = splits.unwrap_or_default();
        assert!(splits.len() <= 3);
        assert!(splits.iter().all(|split| split.rows(Side::Validation) > 0));
    }
    let several = Validation {
        folds: Some(2),
        ..by(By::Time, 0.2)
    };
    let error = Split::folds(&data.step, &data.store, &data.train, &several, None).await;
    let error = error.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(format!("{error:#}").contains("has one fold"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fractions_are_different_numbers_to_fit_on() {
    let rows: Vec<Row> = (0..300).map(|i| (i, 0, i as f64)).collect();
    let data = Data::of_batches(vec![batch(&rows, |i| Some(i as f64 / 1e3))]).await;
    let target = Target {
        name: "y".to_owned(),
        classes: Vec::new(),
    };
    let (step, store, validation) = (&data.step, &data.store, by(By::Id, 0.2));
    let splits = Split::folds(step, store, &data.train, &validation, Some(&target)).await;
    assert_eq!(splits.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_whose_fit_would_lack_a_class_is_left_out_unless_it_is_asked_for() {
    // One row of a label of its own: the fold that validates it can't fit it.
    let rows: Vec<Row> = (0..300).map(|i| (i, 0, i as f64)).collect();
    let label = |i: usize| Some(if i == 7 { 1.0 } else { 0.0 });
    let data = Data::of_batches(vec![batch(&rows, label)]).await;
    let folds = async |validation: Validation, target: Option<&Target>| {
        let splits = Split::folds(&data.step, &data.store, &data.train, &validation, target).await;
        splits.unwrap().len()
    };
    let target = |classes: &[i64]| Target {
        name: "y".to_owned(),
        classes: classes.iter().map(|of| ClassValue::Int(*of)).collect(),
    };
    assert_eq!(folds(by(By::Id, 0.2), None).await, 5);
    // All others are one class, or one number.
    for target in [target(&[0, 1]), target(&[])] {
        let left = folds(by(By::Id, 0.2), Some(&target)).await;
        let (step, store, validation) = (&data.step, &data.store, by(By::Id, 0.2));
        let first = Split::counted(step, store, &data.train, &validation, 1, Some(&target)).await;
        let (_, labels) = &first.unwrap()[0];
        let in_first = labels.lack(&target);
        // The first fold is what everything else is chosen on.
        assert_eq!(left, if in_first { 5 } else { 4 });
        let asked = Validation {
            folds: Some(5),
            ..by(By::Id, 0.2)
        };
        assert_eq!(folds(asked, Some(&target)).await, 5);
    }
}
