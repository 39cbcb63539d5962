//! Gradient boosting, on rows of which some numbers are missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use learn::estimator::boosting::{GradientBoosting, Loss};
use learn::estimator::{Estimator, EstimatorError, Link};
use learn::fitted_model::{FittedModel, Reader};
use learn::frame::{Column, Frame};
use runtime::step::Outputs;
use serde_json::Value;
use store::digest;
use table::labelled::{LabelledRows, Side, Split};

use super::fixtures::{bytes_are_the_same, split_of, training_rows, validated_rows};
use super::home::{Home, Rows};
use crate::Training;
use crate::fit::Fit;
use crate::job::Job;
use crate::reference::Natural;
use crate::training_rows::Sums;

/// The label is whether the first two numbers differ in sign, which no linear model learns; where
/// the third one is missing it is the other way round.
pub(super) fn rows(count: usize, from: usize) -> Rows {
    let number = |i: usize, j: u64| learn::splitmix::uniform(j, i as u64) - 0.5;
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

async fn prepared(options: &str, shards: &[Rows]) -> (Home, Training) {
    prepared_for("gradient-boosting", options, shards).await
}

pub(super) async fn prepared_for(family: &str, options: &str, shards: &[Rows]) -> (Home, Training) {
    let home = Home::new(3).await;
    let models = format!(r#"{{"candidates": [{{"family": "{family}"{options}}}]}}"#);
    home.write_models(&models);
    let flags = home.prepared("1", &rows(500, 1_000_000), shards).await;
    (home, flags)
}

/// [`rows`] whose target has so many classes, or is a number for 0, with an eighth of them at
/// random; and what each row weighs at last, a fourth of them nothing.
pub(super) fn weighed_rows(count: usize, from: usize, classes: usize) -> Rows {
    let mut all = rows(count, from);
    for (i, (x, y)) in all.x.iter_mut().zip(&mut all.y).enumerate() {
        let random = |of: u64| learn::splitmix::number(of, (from + i) as u64);
        let label = y.unwrap_or(0);
        *y = Some(match classes {
            0 => 1000 * label + (random(10) % 500) as i64,
            _ if random(11).is_multiple_of(8) => (random(12) % classes as u64) as i64,
            2 => label,
            // The third class is where the first number is large.
            _ => label + i64::from(x[0] > Some(0.25)),
        });
        x.push(Some((random(13) % 4) as f64 / 2.0));
    }
    all
}

/// The trees of a model, as its file holds them.
pub(super) fn trees(model: &FittedModel) -> Vec<Value> {
    let fields = model.estimator.to_json().unwrap();
    fields["trees"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_learn_what_no_line_does_and_missing_numbers_say_something() {
    let shards = [rows(3000, 0), rows(1001, 3000)];
    let (home, flags) = prepared("", &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    let accuracy: f64 = outputs.get("accuracy").unwrap().parse().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");

    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    assert_eq!(model.training.rows, 4001);
    assert_eq!(model.estimator.trees(), Some(100));
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

    // Rows to score are compared with scores of rows that no tree grew on.
    let reference = home.model_file(&outputs, "reference.json").await;
    let reference: Value = serde_json::from_slice(&reference).unwrap();
    let counts = &reference["score"]["cells"]["counts"];
    let cells = ["negative", "positive"].map(|side| &counts[side]["cells"]);
    let cells = cells
        .into_iter()
        .flat_map(|cells| cells.as_array().unwrap());
    let scored: u64 = cells.map(|rows| rows.as_u64().unwrap()).sum();
    assert_eq!(metrics["holdout"]["rows"], scored);
    assert_eq!(reference["rows"], 4001);

    // What other programs read is beside it, and scores the same bits.
    let manifest = home.manifest(&outputs).await;
    let listed = manifest.files.iter();
    let listed = listed.filter(|file| file.key.ends_with("/xgboost.json"));
    let listed: Vec<_> = listed.collect();
    let exported = home.model_file(&outputs, "xgboost.json").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].sha256, digest::hex(&exported));
    let read = GradientBoosting::from_xgboost(&exported).unwrap();
    assert_eq!(
        read.to_json().unwrap()["trees"].as_array(),
        Some(&trees(&model))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_trees_depend_on_no_budget() {
    let options = r#", "n_estimators": 12, "subsample": 0.7, "colsample_bytree": 0.7"#;
    let all = rows(240_000, 0);
    let shards = [all.slice(0, 140_001), all.slice(140_001, 240_000)];
    let (home, flags) = prepared(options, &shards).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let budgets = [
        (1, u64::MAX, 1 << 30),
        (2, u64::MAX, 1 << 30),
        (4, u64::MAX, 1 << 30),
        (1, 0, 1 << 30),
        (3, 0, 1 << 27),
        (2, u64::MAX, 1 << 25),
    ];
    bytes_are_the_same(&home, &job, &budgets).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_trees_grew_on_are_profiled_without_their_scores() {
    let mut shards = [rows(3000, 0), rows(1001, 3000)];
    shards[1].x[17][0] = Some(1e12);
    let (home, flags) = prepared(r#", "n_estimators": 3"#, &shards).await;
    let (step, store) = (&home.step, &home.store);
    let job = Job::read(store, &flags).await.unwrap();
    let rows = training_rows(&home, step, &job, u64::MAX, |rows| rows).await;
    let fit = crate::fit::fit(store, &job, &job.choice.candidates[0], &rows);
    let mut fit = fit.await.unwrap();
    let counting = Arc::new(Counting(fit.model.estimator.clone(), AtomicU64::new(0)));
    Arc::make_mut(&mut fit.model).estimator = counting.clone();
    let progress = step.progress(1, "rows").clone();
    let unseen = crate::train::unseen(step, store, &job, &fit, &progress).unwrap();
    for natural in [Natural::Rows(None), Natural::Inputs] {
        counting.1.store(0, Ordering::Relaxed);
        let (model, seen) = (&fit.model, &fit.seen);
        let made = crate::reference::profile(step, &rows, &natural, model, seen, unseen.as_ref());
        let (reference, absurd) = made.await.unwrap();
        assert_eq!(reference.rows, 4001);
        // The 500 rows of the holdout: where scores are cut, and how many lie in each cell.
        assert_eq!(counting.1.load(Ordering::Relaxed), 2 * 500);
        assert_eq!(absurd.inputs.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fit_that_is_only_measured_says_nothing_of_what_matters() {
    let (home, flags) =
        prepared(r#", "n_estimators": 3"#, &[rows(3000, 0), rows(1000, 3000)]).await;
    let (step, store) = (&home.step, &home.store);
    let job = Job::read(store, &flags).await.unwrap();
    let rows = training_rows(&home, step, &job, u64::MAX, |rows| rows).await;
    let only = &job.choice.candidates[0];
    let kept = crate::fit::fit(store, &job, only, &rows).await.unwrap();
    let rows = rows.only_measured();
    let measured = crate::fit::fit(store, &job, only, &rows).await.unwrap();
    let importance = |fit: &Fit| fit.model.estimator.importance(&[]);
    assert!(importance(&kept).iter().sum::<f64>() > 0.0);
    assert_eq!(importance(&measured), vec![0.0; importance(&kept).len()]);
    let trees = |fit: &Fit| {
        let model: Value = serde_json::from_slice(&fit.model.to_json().unwrap()).unwrap();
        model["estimator"]["trees"].clone()
    };
    assert!(trees(&kept).is_array());
    assert_eq!(trees(&measured), trees(&kept));
}

/// Trees, and how many rows they scored.
#[derive(Debug)]
struct Counting(Arc<dyn Estimator>, AtomicU64);

impl Estimator for Counting {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn link(&self) -> Link {
        self.0.link()
    }

    fn raw(&self, rows: &[f64], out: &mut Vec<f64>) {
        let scored = rows.len() / self.inputs();
        self.1.fetch_add(scored as u64, Ordering::Relaxed);
        self.0.raw(rows, out);
    }

    fn importance(&self, std: &[f64]) -> Vec<f64> {
        self.0.importance(std)
    }

    fn contributions(&self, row: &[f64], centre: &[f64]) -> Option<Vec<f64>> {
        self.0.contributions(row, centre)
    }

    fn takes_missing(&self) -> bool {
        self.0.takes_missing()
    }

    fn trees(&self) -> Option<usize> {
        self.0.trees()
    }

    fn validate(&self) -> Result<(), EstimatorError> {
        self.0.validate()
    }

    fn fields(&self) -> Result<Value, EstimatorError> {
        self.0.fields()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_trees_grow_than_the_rows_beside_gain_by() {
    let options = r#", "n_estimators": 400, "learning_rate": 0.3, "early_stopping_rounds": 10"#;
    // Labels of which one in eight is wrong: more trees learn these by heart.
    let mut noisy = rows(12_000, 0);
    for (i, label) in noisy.y.iter_mut().enumerate() {
        if learn::splitmix::number(9, i as u64).is_multiple_of(8) {
            *label = label.map(|label| 1 - label);
        }
    }
    let (home, flags) = prepared(options, &[noisy]).await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let split = split_of(&home, &job).await;
    let mut made = Vec::new();
    for threads in [1, 3] {
        let step = home.step.with_threads(threads);
        let rows = validated_rows(&home, &step, &job, 0, &split).await;
        let candidate = &job.choice.candidates[0];
        let fit = crate::fit::fit(&home.store, &job, candidate, &rows)
            .await
            .unwrap();
        assert_eq!(fit.model.training.rows, split.rows(Side::Fit));
        made.push(fit.model);
    }
    assert!(made[0].to_json().unwrap() == made[1].to_json().unwrap());
    let grown = made[0].estimator.trees().unwrap();
    assert!((5..200).contains(&grown), "{grown}");
    let candidate = &job.choice.candidates[0];
    assert!(candidate.family.stops_early(&candidate.options));
    let settled = candidate
        .family
        .settled(&candidate.options, &[&*made[0].estimator]);
    assert_eq!(settled["n_estimators"], grown);
    assert!(!candidate.family.stops_early(&settled));

    // The best is where all rounds lose least on those rows.
    let losses: Vec<f64> = losses(&home, &job, &split, &made[0]).await;
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses.last(), Some(&least), "{losses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fit_that_stops_early_is_made_again_on_all_rows_unless_that_is_said() {
    let options = r#", "n_estimators": 300, "early_stopping_rounds": 5"#;
    let (home, flags) = prepared(options, &[rows(3000, 0)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let read = async |outputs: &Outputs| {
        let file = home.model_file(outputs, "model.json").await;
        Reader::standard().read(&file).unwrap()
    };
    let again = read(&outputs).await;
    assert_eq!(again.training.rows, 3000);
    let rounds = again.estimator.trees().unwrap();
    assert!((5..300).contains(&rounds), "{rounds}");
    assert_eq!(again.training.options["n_estimators"], rounds);

    let family = r#"{"family": "gradient-boosting""#;
    home.write_models(&format!(
        r#"{{"refit": false, "candidates": [{family}{options}}}]}}"#
    ));
    let once = read(&home.train(&flags).await.unwrap()).await;
    assert!((2000..2900).contains(&once.training.rows));
    assert_eq!(once.estimator.trees(), Some(rounds));
}

/// The loss of the first trees of a model on the validation rows, by their number.
async fn losses(home: &Home, job: &Job, split: &Arc<Split>, model: &FittedModel) -> Vec<f64> {
    let rows = {
        let split = split.clone();
        let side = move |rows: LabelledRows| rows.on_side(&split, Side::Validation);
        training_rows(home, &home.step, job, 0, side).await
    };
    let fields = model.estimator.to_json().unwrap();
    let mut losses = Vec::new();
    for count in 1..=model.estimator.trees().unwrap() {
        let mut fields = fields.clone();
        fields["trees"].as_array_mut().unwrap().truncate(count);
        let estimator = Reader::standard().families.read(&fields).unwrap();
        let sum = rows.sum(LossOf(Arc::from(estimator), 0.0)).await.unwrap();
        losses.push(sum.1);
    }
    losses
}

/// The sum of the log losses of rows.
#[derive(Clone)]
struct LossOf(Arc<dyn Estimator>, f64);

impl Sums for LossOf {
    fn bytes(&self) -> u64 {
        8
    }

    fn add(&mut self, rows: learn::rows::Rows<'_>) -> anyhow::Result<()> {
        let mut scores = Vec::new();
        self.0.raw(rows.x, &mut scores);
        for (score, label) in scores.iter().zip(rows.y) {
            self.1 += Loss::Logistic.value(&[*score as f32], *label as f32);
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> anyhow::Result<()> {
        self.1 += later.1;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_fit_in_memory_are_refused_and_sampled_where_that_is_said() {
    let shards = [rows(400_000, 0)];
    let (mut home, flags) = prepared("", &shards).await;
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
    let (sampled, flags) = prepared(&options, &shards).await;
    home = sampled;
    home.step = home.step.with_threads(1).with_memory(40 << 20);
    let outputs = home.train(&flags).await.unwrap();
    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    let cover = trees(&model)[0]["sum_hessian"][0].as_f64().unwrap();
    // The second derivative of a first score near 0 is 0.25 a row.
    let rows = cover / 0.25;
    assert!((rows / most as f64 - 1.0).abs() < 0.01, "{rows} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forest_is_one_round_of_many_trees() {
    let options = r#", "n_estimators": 1, "learning_rate": 1, "num_parallel_tree": 30,
        "subsample": 0.6, "colsample_bynode": 0.7, "max_leaves": 63"#;
    let (home, flags) = prepared(options, &[rows(4000, 0)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let accuracy: f64 = outputs.get("accuracy").unwrap().parse().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    assert_eq!(model.estimator.trees(), Some(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_number_is_refused_by_its_column() {
    let mut shard = rows(100, 0);
    shard.x[7][1] = Some(f64::INFINITY);
    let (home, flags) = prepared("", &[rows(100, 200), shard]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    let said = "column \"feature2\" is inf, and a model takes finite numbers only: bound it by \
                `clip: [low, high]` in models.json, or make such values null in features.sql; it is \
                in raw file train/2.parquet (row 8 of train/1/";
    assert!(text.contains(said) && text.contains("), id 7"), "{text}");
}
