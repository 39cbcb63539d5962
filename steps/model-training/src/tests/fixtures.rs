//! The fit through parquet against scikit-learn: fixtures and the scripts that made them are in
//! `common/tests/fixtures`.

use std::sync::Arc;

use learn::model::ClassWeight;
use learn::models::Validation;
use learn::preprocessing::Family as PreparedFor;
use learn::splitmix::customers;
use runtime::step::Step;
use serde::Deserialize;

use super::home::{Home, Rows};
use crate::job::Job;
use crate::reference::Natural;
use crate::training_rows::TrainingRows;
use table::labelled::{LabelledRows, Side, Split};

/// The training rows of a job, as its only candidate takes them.
pub(super) async fn training_rows(
    home: &Home,
    step: &Step,
    job: &Job,
    scratch_bytes: u64,
    on_side: impl FnOnce(LabelledRows) -> LabelledRows,
) -> TrainingRows {
    let progress = step.progress(1, "rows").clone();
    let (only, same) = (&job.choice.candidates[0], |rows| rows);
    let preprocessing = crate::fit::preprocessing(step, &home.store, job, only, same, &progress);
    let (preprocessing, _) = preprocessing.await.unwrap();
    let (work, config) = (home.step.work(), &job.data.config);
    let rows = LabelledRows::new(&home.store, work, config, &job.signature, &preprocessing);
    let takes_missing = only.family.preparation() == PreparedFor::Trees;
    let rows = on_side(rows.unwrap().with_missing(takes_missing));
    TrainingRows::new(step, rows, &job.data.train, scratch_bytes, &progress).unwrap()
}

/// The bytes of the model that is fitted on rows, and of its reference.
async fn bytes_of(
    home: &Home,
    step: &Step,
    job: &Job,
    rows: &TrainingRows,
    natural: &Natural,
) -> [Vec<u8>; 2] {
    let only = &job.choice.candidates[0];
    let fit = crate::fit::fit(&home.store, job, only, rows).await.unwrap();
    let reference = crate::reference::profile(step, rows, natural, &fit.model, &fit.seen, None);
    let (reference, _) = reference.await.unwrap();
    [
        fit.model.to_json().unwrap(),
        serde_json::to_vec(&reference).unwrap(),
    ]
}

/// The split of the training rows of a job by which a fit stops early.
pub(super) async fn split_of(home: &Home, job: &Job) -> Arc<Split> {
    let (store, train) = (&home.store, &job.data.train);
    let validation = Validation::default();
    let split = Split::of(&home.step, store, train, &validation).await;
    Arc::new(split.unwrap())
}

/// The rows to fit on of a split, beside its validation rows.
pub(super) async fn validated_rows(
    home: &Home,
    step: &Step,
    job: &Job,
    scratch_bytes: u64,
    split: &Arc<Split>,
) -> TrainingRows {
    let on = |side| {
        let split = split.clone();
        move |rows: LabelledRows| rows.on_side(&split, side)
    };
    let beside = training_rows(home, step, job, scratch_bytes, on(Side::Validation)).await;
    let rows = training_rows(home, step, job, scratch_bytes, on(Side::Fit)).await;
    rows.validated_on(beside)
}

/// Fits with so many threads, bytes of decoded rows on disk and bytes of memory, beside validation
/// rows where the candidate stops early; gives the model file.
pub(super) async fn bytes_are_the_same(
    home: &Home,
    job: &Job,
    budgets: &[(usize, u64, u64)],
) -> Vec<u8> {
    let only = &job.choice.candidates[0];
    let split = match only.family.stops_early(&only.options) {
        true => Some(split_of(home, job).await),
        false => None,
    };
    let mut made = Vec::new();
    for (threads, scratch_bytes, memory) in budgets {
        let step = home.step.with_threads(*threads).with_memory(*memory);
        let rows = match &split {
            Some(split) => validated_rows(home, &step, job, *scratch_bytes, split).await,
            None => training_rows(home, &step, job, *scratch_bytes, |rows| rows).await,
        };
        made.push(bytes_of(home, &step, job, &rows, &Natural::Rows(None)).await);
    }
    for other in &made[1..] {
        assert!(*other == made[0]);
    }
    let [model, _] = made.swap_remove(0);
    model
}

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    data: Data,
    c: f64,
    balanced: bool,
    scikit_learn_converges: bool,
    coefficients: Vec<f64>,
    intercept: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Generated {
        seed: u64,
        rows: usize,
        eta_intercept: f64,
    },
    Given {
        x: Vec<Vec<f64>>,
        y: Vec<u8>,
    },
}

#[tokio::test(flavor = "multi_thread")]
async fn coefficients_equal_those_of_scikit_learn_through_parquet() {
    let fixture: Fixture = serde_json::from_str(include_str!(
        "../../../../common/testing/fixtures/model.json"
    ))
    .unwrap();
    assert_eq!(fixture.cases.len(), 13);
    for case in fixture.cases {
        let (p, x, y) = match &case.data {
            Data::Generated {
                seed,
                rows,
                eta_intercept,
            } => {
                let (x, y) = customers(*seed, *rows, *eta_intercept);
                (4, x, y)
            }
            Data::Given { x, y } => (x[0].len(), x.concat(), y.clone()),
        };
        let home = Home::new(p).await;
        let rows = Rows::new(p, &x, &y);
        // Shards of unequal sizes.
        let third = y.len() / 3;
        let shards = [
            rows.slice(0, third),
            rows.slice(third, third),
            rows.slice(third, y.len()),
        ];
        let mut flags = home
            .prepared("1", &Rows::new(p, &x[..p], &[1]), &shards)
            .await;
        flags.fit.c = case.c;
        flags.fit.class_weight = if case.balanced {
            ClassWeight::Balanced
        } else {
            ClassWeight::None
        };
        let outputs = home.train(&flags).await.unwrap();
        let model = home.fitted(&outputs).await;
        assert!(model.training.converged, "{}", case.name);
        if !case.scikit_learn_converges {
            continue;
        }
        let close = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-6 * theirs.abs();
        for (ours, theirs) in model.coefficients.iter().zip(&case.coefficients) {
            // Where ours is exactly 0, for a constant feature, scikit-learn's rounding leaves
            // 6e-15.
            assert!(
                *ours == 0.0 || close(*ours, *theirs),
                "{}: {ours:e} and {theirs:e}",
                case.name
            );
        }
        assert!(
            close(model.intercept, case.intercept),
            "{}: {:e}",
            case.name,
            model.intercept
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_depend_neither_on_the_threads_nor_on_the_scratch_file() {
    let home = Home::new(4).await;
    let (x, y) = customers(2, 300_000, 2.2);
    let rows = Rows::new(4, &x, &y);
    // More than one unit of rows in a part, a short part, an empty one, and ends within a chunk.
    let shards = [
        rows.slice(0, 150_001),
        rows.slice(150_001, 150_008),
        Rows::default(),
        rows.slice(150_008, 290_000),
    ];
    let flags = home
        .prepared("1", &rows.slice(290_000, 300_000), &shards)
        .await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let mut made = Vec::new();
    let (disk, none) = (u64::MAX, 0);
    for (threads, scratch_bytes, disk, memory) in [
        (1, u64::MAX, disk, 1 << 30),
        (2, u64::MAX, disk, 1 << 30),
        (5, u64::MAX, disk, 1 << 30),
        (1, 0, disk, 1 << 30),
        (3, 0, disk, 1 << 30),
        // Without room on the disk rows are decoded again, and without memory features are
        // profiled one after the other.
        (3, u64::MAX, none, 1 << 30),
        (2, u64::MAX, disk, 1),
    ] {
        let step = home.step.with_threads(threads).with_disk(disk);
        let step = step.with_memory(memory);
        let rows = training_rows(&home, &step, &job, scratch_bytes, |rows| rows).await;
        made.push(bytes_of(&home, &step, &job, &rows, &Natural::Inputs).await);
    }
    for other in &made[1..] {
        assert!(*other == made[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_folder_that_is_missing_is_named() {
    let home = Home::new(1).await;
    let flags = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(12)])
        .await;
    let step: &Step = &home.step;
    std::fs::remove_dir_all(step.work()).unwrap();
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("set --work to use another folder"), "{text}");
}
