//! A fit on one side of the training rows.

use std::sync::Arc;

use learn::models::Validation;
use learn::preprocessing::Preprocessing;
use learn::splitmix::customers;
use runtime::threads::blocking;
use table::labelled::{LabelledRows, Side, Split};

use super::home::{self, Home, Rows};
use crate::job::Job;
use crate::training_rows::TrainingRows;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_fit_on_data_that_holds_no_other_rows() {
    let home = Home::new(4).await;
    let (x, y) = customers(5, 200_000, 2.2);
    let all = Rows::new(4, &x, &y);
    // More than a unit of rows in a part, and an empty one.
    let shards = [
        all.slice(0, 170_003),
        Rows::default(),
        all.slice(170_003, 199_000),
    ];
    let flags = home
        .prepared("1", &all.slice(199_000, 200_000), &shards)
        .await;
    let job = Job::read(&home.store, &flags).await.unwrap();
    let validation = Validation::default();
    let split = Split::of(&home.step, &home.store, &job.data.train, &validation).await;
    let split = Arc::new(split.unwrap());
    let read = |job: &Job, home: &Home| {
        let preprocessing = Preprocessing::unchanged(&job.signature.names());
        let (store, work, signature) = (&home.store, home.step.work(), &job.signature);
        LabelledRows::new(
            store,
            work,
            &job.data.config,
            signature,
            &preprocessing.unwrap(),
        )
        .unwrap()
    };

    let (rows, parts) = (read(&job, &home), job.data.train.parts.clone());
    let fitted_on = rows.clone().on_side(&split, Side::Fit);
    let alone = {
        let rows = fitted_on.clone();
        blocking(move || {
            let one = |part| {
                let (x, y) = home::read(&rows, part)?;
                Ok(Rows::new(4, &x, &y))
            };
            parts.iter().map(one).collect::<anyhow::Result<Vec<Rows>>>()
        })
    };
    let other = Home::new(4).await;
    let alone = alone.await.unwrap();
    let holdout = all.slice(199_000, 200_000);
    let other_flags = other.prepared("1", &holdout, &alone).await;
    let other_job = Job::read(&other.store, &other_flags).await.unwrap();
    assert_eq!(other_job.data.train.rows, split.rows(Side::Fit));

    let mut made = Vec::new();
    for (home, job, rows, threads, scratch_bytes) in [
        (&other, &other_job, read(&other_job, &other), 2, u64::MAX),
        (&home, &job, fitted_on.clone(), 1, u64::MAX),
        (&home, &job, fitted_on.clone(), 4, u64::MAX),
        (&home, &job, fitted_on, 3, 0),
    ] {
        let step = home.step.with_threads(threads);
        let progress = step.progress(1, "rows").clone();
        let rows =
            TrainingRows::new(&step, rows, &job.data.train, scratch_bytes, &progress).unwrap();
        let fit = crate::fit::fit(&home.store, job, &job.choice.candidates[0], &rows)
            .await
            .unwrap();
        made.push(fit.model.to_json().unwrap());
    }
    assert!(made[1..].iter().all(|other| *other == made[0]));
}
