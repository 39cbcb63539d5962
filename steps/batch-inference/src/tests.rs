//! The verbs over folders.

mod bench;
mod carried;
mod golden;
mod history;
mod selection;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use catalog::layout::{self, DataVersion, ModelName, Split};
use catalog::manifest::Role;
use catalog::manifest::{
    self, Column, DatasetManifest, File, Header, Inputs, ModelManifest, Part, RawShard,
    ResultsManifest,
};
use catalog::selection::{PredictShards, Selection};
use learn::model::{ClassValue, ClassWeight, Classes, LOGISTIC_REGRESSION, Model, Training};
use profile::cells::Counted;
use profile::reference::CategoryProfile;
use profile::reference::{ColumnProfile, FeatureProfile, Reference, ScoreProfile};
use runtime::failure::exit_code;
use runtime::step::Step;
use runtime::threads::blocking;
use store::Store;
use table::categories::SegmentColumns;
use table::config::Config;
use table::parts::{self, PartWriter};
use table::profiling::StoredProfile;
use tracking::{CHAMPION, Candidate, Tracking};

use crate::map::{commit, map};
use crate::plan::plan;
use crate::request::Request;
use crate::resolve::resolve;

use bench::*;

#[tokio::test]
async fn every_row_is_scored_by_the_pinned_model_and_keeps_its_columns() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[20, 0, 9000]).await;
    let (key, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert_eq!(
        (key.as_str(), reused),
        ("results/1/m/v1/_manifest.json", false)
    );
    let (manifest, batch) = bench.results(&key).await;
    assert_eq!(
        (manifest.rows, manifest.unscored_rows, batch.num_rows()),
        (9020, 0, 9020)
    );
    let names: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let added = [
        "prediction",
        "probability",
        "model_name",
        "model_version",
        "data_version",
    ];
    assert_eq!(names[..4], ["id", "y", "b \"2\"", "a.1"]);
    assert_eq!(names[4..], added);

    let column = |name: &str| batch.column_by_name(name).unwrap();
    let (b, a) = (
        column("b \"2\"").as_primitive::<Float64Type>(),
        column("a.1").as_primitive::<Int64Type>(),
    );
    let probability = column("probability").as_primitive::<Float64Type>();
    let prediction = column("prediction").as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        let eta = 0.1 - 1.5 * b.value(row) + 0.25 * a.value(row) as f64;
        let expected = 1.0 / (1.0 + libm::exp(-eta));
        assert!(
            (probability.value(row) - expected).abs() <= 1e-15 + 1e-14 * expected,
            "row {row}"
        );
        assert_eq!(
            prediction.value(row),
            i64::from(probability.value(row) >= 0.5)
        );
    }
    assert_eq!(
        column("model_version").as_primitive::<Int64Type>().value(7),
        1
    );
    assert_eq!(column("data_version").as_string::<i32>().value(7), "1");
    assert_eq!(column("id").as_string::<i32>().value(20), "id 2000");
}

#[tokio::test]
async fn a_second_run_reuses_and_a_third_with_lost_parts_writes_the_same_bytes() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[30, 40, 50]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let folder = bench.home.path().join("store/results/1/m/v1");
    let before = bytes_below(&folder);
    let (again, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert_eq!((again, reused), (key, true));
    assert_eq!(bytes_below(&folder), before);

    // What is committed needs no marks.
    std::fs::remove_dir_all(bench.home.path().join("store/_work")).unwrap();
    assert!(bench.score("models:/m/1", &predict).await.unwrap().1);

    std::fs::remove_file(folder.join(&before[1].0)).unwrap();
    std::fs::remove_dir_all(bench.home.path().join("store/_work")).unwrap();
    let (_, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert!(!reused);
    let parts = |files: Vec<(String, Vec<u8>)>| {
        files
            .into_iter()
            .filter(|(name, _)| name != "_manifest.json")
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(bytes_below(&folder)), parts(before));
}

#[tokio::test]
async fn a_row_without_a_usable_feature_has_no_prediction() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[4]).await;
    let mut manifest: DatasetManifest = manifest::require(&bench.store, &predict).await.unwrap();
    let broken = {
        let batch = rows(0, 4);
        let mut columns = batch.columns().to_vec();
        columns[2] = Arc::new(Float64Array::from(vec![
            Some(f64::NAN),
            None,
            Some(f64::INFINITY),
            Some(1.0),
        ]));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    let (store, key) = (bench.store.clone(), manifest.parts[0].key.clone());
    let part = blocking(move || {
        let mut writer = PartWriter::new(&store, key, 0, &broken.schema())?;
        writer.write(&broken)?;
        writer.finish()
    })
    .await
    .unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2, "{error:#}");
    let text = format!("{error:#}");
    assert!(
        text.contains(&part.key) && text.contains("is not the file that its manifest lists"),
        "{text}"
    );
    manifest.parts[0] = part;
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let (manifest, batch) = bench.results(&key).await;
    assert_eq!(manifest.unscored_rows, 3);
    for name in ["prediction", "probability"] {
        let column = batch.column_by_name(name).unwrap();
        assert_eq!(
            (0..4).map(|row| column.is_null(row)).collect::<Vec<_>>(),
            [true, true, true, false],
            "{name}"
        );
    }
}

#[tokio::test]
async fn profiles_stand_beside_the_rows_that_they_count() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[900, 0, 100]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let (manifest, batch) = bench.results(&key).await;
    let [file] = &manifest.profiles[..] else {
        panic!("{:?}", manifest.profiles)
    };
    assert_eq!(file.key, "results/1/m/v1/_profiles/all.json");
    let bytes = bench.store.require(&file.key).await.unwrap();
    assert_eq!(
        (file.bytes, &file.sha256),
        (bytes.len() as u64, &store::digest::hex(&bytes))
    );

    let profile: StoredProfile = serde_json::from_slice(&bytes).unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let labelled = 1000 - column("y").null_count() as i64;
    assert_eq!(
        (profile.day, profile.rows, profile.labelled_rows),
        (None, 1000, labelled)
    );
    // Cells: the training data held the numbers from 0 to 99.
    let b = column("b \"2\"").as_primitive::<Float64Type>();
    let above = b.iter().flatten().filter(|b| *b > 99.0).count();
    assert_eq!(
        (
            profile.profile.features[0].cells.last().copied(),
            profile.profile.features[0].count()
        ),
        (Some(above as i64), 1000)
    );
    assert!(above > 0 && profile.profile.features[1].cells.last() == Some(&0));

    std::fs::remove_file(bench.home.path().join("store").join(&file.key)).unwrap();
    assert!(
        !bench.score("models:/m/1", &predict).await.unwrap().1,
        "a profile that was lost is made again"
    );
    assert_eq!(bench.store.require(&file.key).await.unwrap(), bytes);
}

#[tokio::test]
async fn classes_of_another_type_are_predicted_as_the_target_holds_them() {
    let bench = Bench::new().await;
    let classes = Classes {
        negative: ClassValue::Int(-3),
        positive: ClassValue::Int(8),
    };
    let second = bench.register(model(classes), "2").await;
    let predict = bench.prepare("1", &[50]).await;
    let (key, _) = bench
        .score(&format!("models:/m/{second}"), &predict)
        .await
        .unwrap();
    let (_, batch) = bench.results(&key).await;
    let prediction = batch
        .column_by_name("prediction")
        .unwrap()
        .as_primitive::<Int64Type>();
    let mut seen: Vec<i64> = prediction.values().to_vec();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [-3, 8]);
}

#[tokio::test]
async fn an_empty_predict_set_gives_empty_results() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let manifest: ResultsManifest = manifest::require(&bench.store, &key).await.unwrap();
    assert_eq!((manifest.rows, manifest.parts.len()), (0, 0));
}

#[tokio::test]
async fn rows_that_do_not_fit_the_model_are_refused() {
    let bench = Bench::new().await;
    let mut other = model(zero_one());
    other.features.swap(0, 1);
    let swapped = bench.register(other, "2").await;
    let predict = bench.prepare("1", &[5]).await;
    let mut manifest: DatasetManifest = manifest::require(&bench.store, &predict).await.unwrap();

    let error = bench
        .score(&format!("models:/m/{swapped}"), &predict)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(
        format!("{error:#}").contains("was trained on [\"a.1\", \"b \\\"2\\\"\"]"),
        "{error:#}"
    );

    manifest.columns[1] = Column {
        name: "prediction".into(),
        data_type: "Float64".into(),
        role: Role::Id,
    };
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert!(format!("{error:#}").contains("\"prediction\""), "{error:#}");

    manifest.config = "abad1dea".to_owned();
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(format!("{error:#}").contains("abad1dea"), "{error:#}");
}

#[tokio::test]
async fn a_changed_model_file_is_refused_by_its_key() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[5]).await;
    let listed = bench.store.list("models").await.unwrap();
    let file = &listed
        .iter()
        .find(|object| object.key.ends_with("model.json"))
        .unwrap()
        .key;
    let text = String::from_utf8(bench.store.require(file).await.unwrap())
        .unwrap()
        .replace("0.25", "0.26");
    bench.store.put(file, text.into_bytes()).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(format!("{error:#}").contains(file), "{error:#}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let bench = Bench::new().await;
    let nothing = bench
        .resolve("1", "champion", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&nothing), 2);
    assert!(nothing.to_string().contains("predict/*.csv"), "{nothing}");
    bench.deliver("a.csv", "1");
    let unknown = bench
        .resolve("1", "9", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&unknown), 2, "{unknown:#}");
    let unnamed = bench
        .resolve("1", "chmapion", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&unnamed), 2, "{unnamed:#}");
    let predict = bench.prepare("1", &[1]).await;
    let missing = bench.score("models:/m/9", &predict).await.unwrap_err();
    assert_eq!(exit_code(&missing), 2, "{missing:#}");
}
