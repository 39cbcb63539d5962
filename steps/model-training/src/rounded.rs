//! Whole numbers and decimals of more digits than double precision holds, in which models
//! calculate.

use anyhow::{Context, Result};
use store::Store;
use table::labelled::Rounded;
use table::values::UNROUNDED;

use crate::extremes::{of_several, placed};
use crate::job::Job;
use crate::training_rows::TrainingRows;

/// A sentence on each column of the rows of which values are rounded, with the first of them.
pub(crate) async fn describe(store: &Store, job: &Job, rows: &TrainingRows) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for (name, rounded) in rows.rounded() {
        sentences.push(sentence(store, job, rows, name, rounded).await?);
    }
    Ok(sentences)
}

/// The sentence on the target; `None` where none of its values is rounded.
pub(crate) async fn of_target(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
) -> Result<Option<String>> {
    let target = &job.data.goal.target.name;
    let found = rows.rounded().find(|(name, _)| name == target);
    match found {
        Some((name, rounded)) => sentence(store, job, rows, name, rounded).await.map(Some),
        None => Ok(None),
    }
}

async fn sentence(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
    name: &str,
    Rounded { first, rows: count }: &Rounded,
) -> Result<String> {
    let mut parts = job.data.train.parts.iter();
    let part = parts.find(|part| part.key == first.part);
    let at = (part.context("a part of the training data")?, first.row);
    let placed = placed(store, job, rows, name, at, "a number").await?;
    let advice = match name == job.data.goal.target.name {
        true => "write it less a constant into the raw files",
        false => UNROUNDED,
    };
    Ok(format!(
        "{placed}, which double precision rounds{}: different values may be taken for the same; \
         {advice}",
        of_several("the first", *count)
    ))
}
