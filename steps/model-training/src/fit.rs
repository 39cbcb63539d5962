//! The fit, the reference profile, and what went wrong with either.

use std::sync::Arc;

use anyhow::Result;
use learn::model::{self, Beta, Fit, FitError, Model, Moments, NewtonSums};
use runtime::failure::{self, Failure};
use runtime::threads::{blocking, wait};
use store::Store;

use crate::extremes::{self, Extremes};
use crate::task::Task;
use crate::training_rows::{Sums, TrainingRows};

/// Fits the model.
///
/// # Errors
/// Data that no model can be fitted on: exit 10.
pub(crate) async fn fit(
    store: &Store,
    task: &Task,
    rows: &TrainingRows,
    moments: &Moments,
) -> Result<(Model, Fit)> {
    let (rows, options, moments_of_fit) = (rows.clone(), task.options.clone(), moments.clone());
    let passes = rows.clone();
    let fitted = blocking(move || {
        model::fit(&moments_of_fit, &options, |beta| {
            let none = Newton {
                beta: Arc::new(beta.clone()),
                sums: NewtonSums::new(moments_of_fit.features().len()),
            };
            Ok::<_, anyhow::Error>(wait(passes.sum(none))?.sums)
        })
    })
    .await;
    let fit = match fitted {
        Ok(fit) => fit,
        Err(error) => {
            let error = meaning(error, task);
            return Err(blaming(error, store, task, &rows, moments).await?);
        }
    };
    let classes = task.rows.classes().clone();
    let model = Model::new(
        &fit,
        moments,
        &task.options,
        task.rows.target(),
        classes,
        task.threshold,
    )?;
    Ok((model, fit))
}

/// Most of what a fit refuses is a matter of the data.
fn meaning(error: anyhow::Error, task: &Task) -> anyhow::Error {
    match error.downcast_ref::<FitError>() {
        Some(FitError::Option { .. }) => Failure::usage(error.to_string()),
        Some(FitError::RowsChanged { .. }) | None => error,
        Some(fit_error) => Failure::contract(match fit_error {
            FitError::OneClass { label, rows } => {
                let classes = task.rows.classes();
                let class = if *label == 1 {
                    &classes.positive
                } else {
                    &classes.negative
                };
                format!(
                    "target {:?} is {class} in all {rows} rows of {}: a classifier needs rows of both classes; check the raw \
                     files, the filter of dataset.json and the holdout rule ({})",
                    task.rows.target(),
                    task.train_key,
                    task.train.holdout
                )
            }
            other => format!("{other} (training data {})", task.train_key),
        }),
    }
}

/// A refusal of the fit, with the values that are to blame for it.
async fn blaming(
    error: anyhow::Error,
    store: &Store,
    task: &Task,
    rows: &TrainingRows,
    moments: &Moments,
) -> Result<anyhow::Error> {
    if failure::exit_code(&error) != failure::CONTRACT || moments.rows() == 0 {
        return Ok(error);
    }
    let ruinous = rows.sum(Extremes::new(moments)).await?.ruinous();
    let sentences = extremes::describe(store, task, rows, &ruinous).await?;
    Ok(match sentences.is_empty() {
        true => error,
        false => Failure::contract(format!("{error:#}\n{}", sentences.join("\n"))),
    })
}

/// What a person should know of the fit.
pub(crate) fn warnings(
    fit: &Fit,
    moments: &Moments,
    task: &Task,
    ruinous: Vec<String>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !fit.converged {
        let steepest = match &fit.steepest {
            Some(feature) => format!("feature {feature:?}"),
            None => "the intercept".to_owned(),
        };
        let advice = if fit.iterations >= task.options.max_iter {
            "raise --max-iter (MODEL_MAX_ITER)"
        } else {
            "more steps do not help: rescale or drop that feature in features.sql, or lower C \
             (MODEL_C)"
        };
        warnings.push(format!(
            "the fit did not converge in {} Newton steps: by {steepest} the gradient is still \
             {:.1e} of the terms that it sums; {advice}",
            fit.iterations, fit.relative_gradient
        ));
    }
    warnings.extend(ruinous);
    for (j, feature) in moments.features().iter().enumerate() {
        if moments.std(j) == Some(0.0) {
            let value = moments.mean(j).unwrap_or_default();
            warnings
                .push(format!("feature {feature:?} is {value} in all training rows: nothing can be learned from it"));
        }
    }
    warnings
}

#[derive(Clone)]
struct Newton {
    beta: Arc<Beta>,
    sums: NewtonSums,
}

impl Sums for Newton {
    fn bytes(&self) -> u64 {
        self.sums.bytes()
    }

    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()> {
        self.sums.add_rows(&self.beta, x, y);
        Ok(())
    }

    fn merge(&mut self, later: &Self) -> Result<()> {
        self.sums.merge(&later.sums);
        Ok(())
    }
}
