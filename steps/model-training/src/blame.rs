//! The values that are to blame for a refusal of the fit.

use std::error::Error;

use anyhow::Result;
use learn::estimator::{self, CoMoments, Seen};
use learn::model;
use learn::rows::Rows;
use runtime::failure::{self, Failure};
use runtime::threads::blocking;
use store::Store;

use crate::extremes::{self, Extremes, Ruinous};
use crate::job::Job;
use crate::passes::TrainingPasses;
use crate::reference::{self, Natural};
use crate::training_rows::{Sums, TrainingRows};

/// The input whose spread overflows, where that is why nothing was fitted.
pub(crate) fn too_large(error: &(dyn Error + Send + Sync + 'static)) -> Option<String> {
    let of_model = match error.downcast_ref::<estimator::FitError>() {
        Some(estimator::FitError::Fit(error)) => Some(error),
        Some(_) => None,
        None => error.downcast_ref::<model::FitError>(),
    };
    match of_model? {
        model::FitError::Overflow { feature } => Some(feature.clone()),
        _ => None,
    }
}

/// Rows that weigh, and how many of them weigh nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weighed {
    pub(crate) rows: u64,
    pub(crate) weightless: u64,
}

impl Sums for Weighed {
    fn bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let weights = rows.weights.unwrap_or_default();
        self.rows += weights.len() as u64;
        self.weightless += weights.iter().filter(|weight| **weight == 0.0).count() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.rows += later.rows;
        self.weightless += later.weightless;
        Ok(())
    }
}

/// The rows of a refused fit, where some of them weigh nothing.
pub(crate) async fn weighed(job: &Job, rows: &TrainingRows) -> Option<Weighed> {
    job.data.config.dataset.weight()?;
    // The refusal stands, whatever keeps the rows from being counted.
    let weighed = rows.sum(Weighed::default()).await.ok()?;
    (weighed.weightless > 0).then_some(weighed)
}

/// A refusal of the fit, with the values that are to blame for it; of an input that is too large
/// also those of its feature.
pub(crate) async fn blaming(
    error: anyhow::Error,
    too_large: Option<String>,
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
) -> Result<anyhow::Error> {
    if failure::exit_code(&error) != failure::CONTRACT || job.data.train.rows == 0 {
        return Ok(error);
    }
    // The row that a value is in is found among all rows.
    let rows = &rows.on_both_sides()?;
    let mut passes = TrainingPasses::new(rows.clone());
    let start = CoMoments::new(rows.inputs(), &[]);
    // The refusal stands, whatever keeps the values from being named.
    let moments = blocking(move || Ok(estimator::pass(&mut passes, start).ok()));
    let Some(moments) = moments.await? else {
        return Ok(error);
    };
    let extremes = rows.sum(Extremes::new(&Seen::from(&moments))).await?;
    let mut ruinous = extremes.ruinous();
    ruinous.extend(extremes.of_target(job.data.goal.task));
    let mut sentences = extremes::describe(store, job, rows, &ruinous).await?;
    if let Some(input) = too_large.filter(|_| sentences.is_empty()) {
        sentences = of_feature(&input, store, job, rows).await?;
    }
    Ok(match sentences.is_empty() {
        true => error,
        false => Failure::contract(format!("{error:#}\n{}", sentences.join("\n"))),
    })
}

/// Of the feature of an input, as it is read: once it is standardised beside a number such as
/// 1e200, all its other values are the same one.
async fn of_feature(
    input: &str,
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
) -> Result<Vec<String>> {
    let outputs = rows.preprocessing().output_columns();
    let output = outputs.iter().find(|of| of.name == input);
    let natural = Natural::of(&rows.step, store, job, &rows.progress)?;
    let (name, natural) = match (output, &natural) {
        (_, Natural::Inputs) => (input, rows),
        (Some(output), Natural::Rows(Some(natural))) => (output.feature.as_str(), &**natural),
        _ => return Ok(Vec::new()),
    };
    let Some((at, ends)) = reference::ends(natural, name).await? else {
        return Ok(Vec::new());
    };
    if let Some(apart) = reference::apart(rows.preprocessing(), name, &ends) {
        let ruinous = [Ruinous::apart(Some(at), apart)];
        return extremes::describe(store, job, natural, &ruinous).await;
    }
    let farthest = extremes::farthest(store, job, natural, name, &ends).await?;
    Ok(farthest.into_iter().collect())
}
