//! The fit, the reference profile, and what went wrong with either.

use std::sync::Arc;

use anyhow::{Context, Result};
use common::drift::{Grid, Profile};
use common::failure::Failure;
use common::model::{self, Beta, Fit, FitError, Model, Moments, NewtonSums};
use common::reference::{self, FeatureProfile, Reference, ScoreProfile};
use common::step::{blocking, wait};

use crate::task::Task;
use crate::training_rows::{Sums, TrainingRows};

/// Fits the model.
///
/// # Errors
/// Data that no model can be fitted on: exit 10.
pub(crate) async fn fit(
    task: &Task,
    rows: &TrainingRows,
    moments: &Moments,
) -> Result<(Model, Fit)> {
    let (rows, options, moments_of_fit) = (rows.clone(), task.options.clone(), moments.clone());
    let fit = blocking(move || {
        model::fit(&moments_of_fit, &options, |beta| {
            let none = Newton {
                beta: Arc::new(beta.clone()),
                sums: NewtonSums::new(moments_of_fit.features().len()),
            };
            Ok::<_, anyhow::Error>(wait(rows.sum(none))?.sums)
        })
    })
    .await
    .map_err(|error| meaning(error, task))?;
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

/// What a person should know of the fit.
pub(crate) fn warnings(fit: &Fit, moments: &Moments, task: &Task) -> Vec<String> {
    let mut warnings = Vec::new();
    if !fit.converged {
        warnings.push(format!(
            "the fit did not converge in {} Newton steps (gradient {:.1e}, tol {:.1e}): raise --max-iter (MODEL_MAX_ITER)",
            fit.iterations, fit.max_gradient, task.options.tol
        ));
    }
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
    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()> {
        self.sums.add_rows(&self.beta, x, y);
        Ok(())
    }

    fn merge(&mut self, later: &Self) -> Result<()> {
        self.sums.merge(&later.sums);
        Ok(())
    }
}

/// Profiles the training data and the model's scores on it.
pub(crate) async fn reference(
    rows: &TrainingRows,
    moments: &Moments,
    model: &Model,
) -> Result<Reference> {
    let grid = |j| {
        Grid::new(
            moments.mean(j).unwrap_or(0.0),
            moments.std(j).unwrap_or(0.0),
        )
    };
    let none = Profiles {
        model: Arc::new(model.clone()),
        features: (0..model.features.len())
            .map(|j| Profile::new(grid(j)))
            .collect(),
        score: ScoreProfile::empty(),
        column: Vec::new(),
        probabilities: Vec::new(),
    };
    let profiles = rows
        .sum(none)
        .await
        .context("profiling the training data")?;
    Ok(Reference {
        format_version: reference::FORMAT_VERSION,
        rows: moments.rows(),
        positives: moments.classes()[1],
        features: model
            .features
            .iter()
            .zip(profiles.features)
            .map(|(name, profile)| FeatureProfile {
                name: name.clone(),
                profile,
            })
            .collect(),
        score: profiles.score,
    })
}

#[derive(Clone)]
struct Profiles {
    model: Arc<Model>,
    features: Vec<Profile>,
    score: ScoreProfile,
    /// Room for one feature's values.
    column: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Sums for Profiles {
    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()> {
        for (j, profile) in self.features.iter_mut().enumerate() {
            self.column.clear();
            self.column
                .extend(x.iter().skip(j).step_by(self.model.features.len()));
            profile.add_all(&self.column);
        }
        self.probabilities.clear();
        self.model.predict_probability(x, &mut self.probabilities);
        for (label, profile) in [(0, &mut self.score.negative), (1, &mut self.score.positive)] {
            self.column.clear();
            self.column.extend(
                self.probabilities
                    .iter()
                    .zip(y)
                    .filter(|(_, y)| **y == label)
                    .map(|(p, _)| p),
            );
            profile.add_all(&self.column);
        }
        Ok(())
    }

    fn merge(&mut self, later: &Self) -> Result<()> {
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.merge(theirs)?;
        }
        Ok(self.score.merge(&later.score)?)
    }
}
