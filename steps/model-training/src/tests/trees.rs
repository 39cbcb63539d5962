//! Gradient boosting, on rows of which some numbers are missing.

use std::path::Path;

use catalog::manifest::{self, ModelManifest};
use learn::estimator::boosting::GradientBoosting;
use learn::fitted_model::{FittedModel, Reader};
use learn::frame::{Column, Frame};
use runtime::step::Step;
use serde_json::Value;
use settings::ConfigArgs;
use store::digest;
use table::labelled::LabelledRows;

use super::home::{Home, Rows};
use crate::Train;
use crate::job::Job;
use crate::reference::Natural;
use crate::training_rows::TrainingRows;

/// The label is whether the first two numbers differ in sign, which no linear model learns; where
/// the third one is missing it is the other way round.
fn rows(count: usize, from: usize) -> Rows {
    let number = |i: usize, j: u64| {
        let bits = learn::splitmix::number(j, i as u64) >> 11;
        bits as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let row = |i: usize| {
        let third = number(i, 2);
        vec![
            Some(number(i, 0)),
            Some(1e3 * number(i, 1)),
            (third > -0.3).then_some(third),
        ]
    };
    let label = |i: usize| {
        let differ = (number(i, 0) > 0.0) != (number(i, 1) > 0.0);
        i64::from(differ != (number(i, 2) <= -0.3))
    };
    Rows {
        x: (from..from + count).map(row).collect(),
        y: (from..from + count).map(|i| Some(label(i))).collect(),
    }
}

async fn prepared(options: &str, folder: &Path, shards: &[Rows]) -> (Home, Train) {
    let models = format!(r#"{{"candidates": [{{"family": "gradient-boosting"{options}}}]}}"#);
    std::fs::write(folder.join("models.json"), models).unwrap();
    let home = Home::new(3).await;
    let flags = home.prepared("1", &rows(500, 1_000_000), shards).await;
    let configuration = ConfigArgs {
        config_dir: folder.to_owned(),
    };
    (
        home,
        Train {
            configuration,
            ..flags
        },
    )
}

fn boosting(model: &FittedModel) -> GradientBoosting {
    let mut fields = model.estimator.to_json().unwrap();
    fields.as_object_mut().unwrap().remove("kind");
    serde_json::from_value(fields).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_learn_what_no_line_does_and_missing_numbers_say_something() {
    let folder = tempfile::tempdir().unwrap();
    let shards = [rows(3000, 0), rows(1001, 3000)];
    let (home, flags) = prepared("", folder.path(), &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    let accuracy: f64 = outputs.get("accuracy").unwrap().parse().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");

    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    assert_eq!(model.training.rows, 4001);
    assert_eq!(boosting(&model).trees().len(), 100);
    let (x, missing) = ([-0.3, -0.3], [0.2, f64::NAN]);
    let frame = Frame::new(vec![
        Column::Numbers(&x),
        Column::Numbers(&[300.0, 300.0]),
        Column::Numbers(&missing),
    ]);
    let (mut matrix, mut scores) = (Vec::new(), Vec::new());
    model.score(&frame, &mut matrix, &mut scores).unwrap();
    assert!(scores[0] > 0.9 && scores[1] < 0.1, "{scores:?}");

    let metrics = home.model_file(&outputs, "metrics.json").await;
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    let importance = metrics["importance"].as_array().unwrap();
    assert_eq!(importance.len(), 3);
    assert!(importance[2]["importance"].as_f64().unwrap() > 0.2);

    // What other programs read stands beside it, and scores the same bits.
    let key = outputs.get("model").unwrap();
    let manifest: ModelManifest = manifest::require(&home.store, key).await.unwrap();
    let listed = manifest.files.iter();
    let listed = listed.filter(|file| file.key.ends_with("/xgboost.json"));
    let listed: Vec<_> = listed.collect();
    let exported = home.model_file(&outputs, "xgboost.json").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].sha256, digest::hex(&exported));
    let read = GradientBoosting::from_xgboost(&exported).unwrap();
    assert_eq!(read.trees(), boosting(&model).trees());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_trees_depend_on_no_budget() {
    let folder = tempfile::tempdir().unwrap();
    let options = r#", "n_estimators": 12, "subsample": 0.7, "colsample_bytree": 0.7"#;
    let all = rows(240_000, 0);
    let shards = [all.slice(0, 140_001), all.slice(140_001, 240_000)];
    let (home, flags) = prepared(options, folder.path(), &shards).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let mut made = Vec::new();
    for (threads, scratch_bytes, memory) in [
        (1, u64::MAX, 1 << 30),
        (2, u64::MAX, 1 << 30),
        (4, u64::MAX, 1 << 30),
        (1, 0, 1 << 30),
        (3, 0, 1 << 27),
        (2, u64::MAX, 1 << 25),
    ] {
        let step = home.step.with_threads(threads).with_memory(memory);
        let rows = training_rows(&home, &step, &job, scratch_bytes).await;
        let fit = crate::fit::fit(&home.store, &job, &job.choice.candidates[0], &rows)
            .await
            .unwrap();
        let natural = Natural::Rows(None);
        let reference = crate::reference::profile(&step, &rows, &natural, &fit.model, &fit.seen);
        let (reference, _) = reference.await.unwrap();
        made.push((
            fit.model.to_json().unwrap(),
            serde_json::to_vec(&reference).unwrap(),
        ));
    }
    for other in &made[1..] {
        assert!(*other == made[0]);
    }
}

async fn training_rows(home: &Home, step: &Step, job: &Job, scratch_bytes: u64) -> TrainingRows {
    let progress = step.progress(1, "rows").clone();
    let (only, same) = (&job.choice.candidates[0], |rows| rows);
    let preprocessing = crate::fit::preprocessing(step, &home.store, job, only, same, &progress);
    let (preprocessing, _) = preprocessing.await.unwrap();
    let (work, config) = (home.step.work(), &job.config);
    let rows = LabelledRows::new(&home.store, work, config, &job.signature, &preprocessing);
    let rows = rows.unwrap().with_missing(true);
    TrainingRows::new(step, rows, &job.train, scratch_bytes, &progress).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_fit_in_memory_are_refused_and_sampled_where_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let shards = [rows(400_000, 0)];
    let (mut home, flags) = prepared("", folder.path(), &shards).await;
    // The smallest budget that the passes themselves take, and some of the rows.
    home.step = home.step.with_threads(1).with_memory(40 << 20);
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("on 400000 rows of 3 numbers takes about"),
        "{text}"
    );
    let (_, said) = text.split_once("`\"max_rows\": ").unwrap();
    let (most, _) = said.split_once('`').unwrap();
    let most: u64 = most.parse().unwrap();
    assert!((10_000..400_000).contains(&most), "{text}");

    // What the refusal advises works, and is a sample of that size.
    let options = format!(r#", "n_estimators": 5, "max_rows": {most}"#);
    let (sampled, flags) = prepared(&options, folder.path(), &shards).await;
    home = sampled;
    home.step = home.step.with_threads(1).with_memory(40 << 20);
    let outputs = home.train(&flags).await.unwrap();
    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    let covers = boosting(&model).trees()[0].nodes()[0].cover;
    // The second derivative of a first score near 0 is 0.25 a row.
    let rows = f64::from(covers) / 0.25;
    assert!((rows / most as f64 - 1.0).abs() < 0.01, "{rows} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forest_is_one_round_of_many_trees() {
    let folder = tempfile::tempdir().unwrap();
    let options = r#", "n_estimators": 1, "learning_rate": 1, "num_parallel_tree": 30,
        "subsample": 0.6, "colsample_bynode": 0.7, "max_leaves": 63"#;
    let (home, flags) = prepared(options, folder.path(), &[rows(4000, 0)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let accuracy: f64 = outputs.get("accuracy").unwrap().parse().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    assert_eq!(boosting(&model).trees().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_number_is_refused_by_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let mut shard = rows(100, 0);
    shard.x[7][1] = Some(f64::INFINITY);
    let (home, flags) = prepared("", folder.path(), &[rows(100, 200), shard]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("column \"feature2\" is inf in row 7"),
        "{text}"
    );
}
