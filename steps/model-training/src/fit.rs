//! The fit: preprocessing, then the estimator, and what went wrong with either.

mod frames;

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use anyhow::Result;
use catalog::model_files::FitMetrics;
use learn::estimator::{
    self, CoMoments, Descent, EstimatorError, FittedEstimator, Formula, Request, Seen,
};
use learn::explanation::Explanation;
use learn::fitted_model::{FittedModel, Training};
use learn::model;
use learn::models::Chosen;
use learn::preprocessing::{self, FOLDS, FitOptions, Fitted, Found, OutOfFold, Preprocessing};
use learn::rows::{RowError, Rows};
use learn::task::Rule;
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use runtime::threads::blocking;
use runtime::work::size;
use store::Store;
use table::labelled::LabelledRows;

use crate::blame::{self, Weighed};
use crate::extremes;
use crate::job::Job;
use crate::memory;
use crate::passes::{PassFailure, TrainingPasses};
use crate::rounded;
use crate::training_rows::{Sums, TrainingRows};
use frames::Frames;

/// Standard deviations that the mean of a trees' input may be from 0: at more, single precision
/// knows fewer than 8 numbers within one.
const DIGITS: f64 = 1_048_576.0;
/// Of numbers that are not so far apart the squares are 0.
const SQUARED_TO_0: f64 = 1e-160;

/// Until a rule finds another threshold.
const DEFAULT: f64 = 0.5;

/// A fitted model, and what is known of its fit.
pub(crate) struct Fit {
    pub(crate) model: Arc<FittedModel>,
    pub(crate) seen: Seen,
    pub(crate) importance: Vec<model::Importance>,
    pub(crate) descent: Option<Descent>,
}

impl Fit {
    /// How it ended.
    pub(crate) fn metrics(&self) -> FitMetrics {
        let descent = self.descent.as_ref();
        FitMetrics {
            rows: self.seen.rows,
            positives: self.seen.positives,
            iterations: descent.map(|descent| descent.iterations),
            converged: descent.is_none_or(|descent| descent.converged),
            objective: descent.map(|descent| descent.objective),
            max_gradient: descent.and_then(|descent| descent.max_gradient),
        }
    }
}

/// What makes numbers of the features: fitted as `models.json` says, or none; and what does for
/// training rows, where the target encodes some. `on_side` chooses the rows that it is fitted on.
///
/// # Errors
/// A column that can't be prepared as asked: exit 2 for a setting, 10 for the data.
pub(crate) async fn preprocessing(
    step: &Step,
    store: &Store,
    job: &Job,
    candidate: &Chosen,
    on_side: impl FnOnce(LabelledRows) -> LabelledRows,
    progress: &Progress,
) -> Result<(Preprocessing, Option<OutOfFold>)> {
    let unchanged = Preprocessing::unchanged(&job.signature.names())?;
    let Some(settings) = &job.choice.preprocessing else {
        return Ok((unchanged, None));
    };
    let rows = LabelledRows::new(
        store,
        step.work(),
        &job.data.config,
        &job.signature,
        &unchanged,
    )?;
    let mut frames = Frames {
        step: step.clone(),
        rows: on_side(rows.in_folds(&job.data.train, None)),
        train: Arc::new(job.data.train.clone()),
        progress: progress.clone(),
    };
    let (signature, settings) = (job.signature.clone(), settings.clone());
    let family = candidate.family.preparation();
    let classes = match job.data.goal.target.classes.len() {
        0..=2 => Vec::new(),
        _ => job.data.goal.target.class_names(),
    };
    let memory = memory::distinct(step);
    let fitted = blocking(move || {
        let options = FitOptions {
            family,
            classes: &classes,
            folds: FOLDS,
            memory,
        };
        preprocessing::fit(&mut frames, &signature, &settings, &options)
    });
    let fitted =
        fitted
            .await
            .map_err(|error| match error.downcast_ref::<preprocessing::Error>() {
                Some(of_setting) if of_setting.is_setting() => {
                    Failure::usage(format!("models.json: {of_setting}"))
                }
                Some(of_memory @ preprocessing::Error::Memory { .. }) => Failure::usage(format!(
                    "{of_memory}, or raise --memory (ALAMEDA_MEMORY), which is \
                         {}, on Argo the parameter memory-mib (training data {})",
                    size(step.memory()),
                    job.data.train_key
                )),
                Some(of_data) => {
                    Failure::contract(format!("{of_data} (training data {})", job.data.train_key))
                }
                None => error,
            })?;
    show(&fitted);
    Ok((fitted.preprocessing, fitted.out_of_fold))
}

/// Shows what became of columns that lack values or have rare categories.
fn show(fitted: &Fitted) {
    let of_column = |found: &Found| {
        let missing = (found.missing > 0).then(|| format!("{} missing", found.missing));
        let rare = found.distinct.map(|distinct| match found.rare {
            0 => format!("{distinct} categories"),
            rare => format!("{distinct} categories; {rare} rare ones share `other`"),
        });
        let said: Vec<String> = missing.into_iter().chain(rare).collect();
        (!said.is_empty()).then(|| format!("\n  {}: {}", found.feature, said.join(", ")))
    };
    let columns: String = fitted.found.iter().filter_map(of_column).collect();
    tracing::info!(
        "preprocessing: {} features become {} numbers per row{columns}",
        fitted.found.len(),
        fitted.preprocessing.width()
    );
}

/// Fits the model.
///
/// # Errors
/// Data that no model can be fitted on: exit 10.
pub(crate) async fn fit(
    store: &Store,
    job: &Job,
    candidate: &Chosen,
    rows: &TrainingRows,
) -> Result<Fit> {
    let mut passes = TrainingPasses::new(rows.clone());
    let (family, options) = (candidate.family, candidate.options.clone());
    let (task, target) = (job.data.goal.task, job.data.goal.target.clone());
    let inputs = rows.inputs().to_vec();
    let quantiles = job.choice.quantiles;
    let one_hot = rows.preprocessing().one_hot().into_iter();
    let one_hot: Vec<_> = one_hot.map(|of| of.columns).collect();
    let fitted = blocking(move || {
        let request = Request {
            task,
            target: &target,
            inputs: &inputs,
            one_hot: &one_hot,
            options: &options,
            quantiles,
        };
        Ok(family.fit(&mut passes, &request))
    });
    let FittedEstimator {
        estimator,
        seen,
        importance,
        descent,
    } = match fitted.await? {
        Ok(fitted) => fitted,
        Err(error) => {
            let error = error.into_inner();
            let too_large = blame::too_large(&*error);
            let rounded = rounded::of_target(store, job, rows).await?;
            let weighed = blame::weighed(job, rows).await;
            let error = meaning(error, job, rounded, weighed);
            return Err(blame::blaming(error, too_large, store, job, rows).await?);
        }
    };
    let explanation = job.choice.explain.map(|reasons| {
        let means = seen.inputs.iter().map(|input| input.mean);
        // Trees take inputs that were always missing, and no mean.
        let centre = means.map(|mean| if mean.is_finite() { mean } else { 0.0 });
        Explanation {
            reasons,
            centre: centre.collect(),
        }
    });
    let model = FittedModel {
        task: job.data.goal.task,
        target: job.data.goal.target.clone(),
        signature: job.signature.clone(),
        preprocessing: rows.preprocessing().clone(),
        estimator: estimator.into(),
        calibration: None,
        rule: Rule {
            threshold: job.choice.threshold.number().unwrap_or(DEFAULT),
            interval: None,
            quantiles: job.choice.quantiles.is_some(),
        },
        explanation,
        training: Training {
            rows: seen.rows,
            iterations: descent.as_ref().map(|descent| descent.iterations),
            converged: descent.as_ref().is_none_or(|descent| descent.converged),
            weight: job
                .data
                .config
                .dataset
                .weight()
                .map(|column| column.name.clone()),
            family: Some(candidate.family.name().to_owned()),
            options: candidate.options.clone(),
        },
    };
    model.validate()?;
    Ok(Fit {
        seen,
        importance: apart(importance, &model.preprocessing),
        model: Arc::new(model),
        descent,
    })
}

/// What all training rows hold, where a fit saw only some of them: their numbers stay those of the
/// fit.
pub(crate) async fn seen(fit: &Fit, rows: &TrainingRows) -> Result<Seen> {
    let counted = rows.sum(Positives(0)).await?.0;
    Ok(Seen {
        rows: rows.count(),
        positives: fit.seen.positives.map(|_| counted),
        inputs: fit.seen.inputs.clone(),
    })
}

/// Rows of the second class.
#[derive(Clone)]
struct Positives(u64);

impl Sums for Positives {
    fn bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        self.0 += rows.y.iter().filter(|label| **label == 1.0).count() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.0 += later.0;
        Ok(())
    }
}

/// Without what numbers of one feature have in common by construction: each of its categories
/// follows from the others.
fn apart(
    mut importance: Vec<model::Importance>,
    preprocessing: &Preprocessing,
) -> Vec<model::Importance> {
    let outputs = preprocessing.output_columns().into_iter();
    let feature_of: HashMap<String, String> = outputs.map(|of| (of.name, of.feature)).collect();
    for of in &mut importance {
        let own = feature_of.get(&of.feature);
        of.collinear_with
            .retain(|other| feature_of.get(other) != own);
    }
    importance
}

/// Most of what a fit refuses is a matter of the data. `rounded` is what is said of a target whose
/// values are rounded, and `weighed` are the rows where some weigh nothing.
fn meaning(
    error: Box<dyn Error + Send + Sync>,
    job: &Job,
    rounded: Option<String>,
    weighed: Option<Weighed>,
) -> anyhow::Error {
    let error = match error.downcast::<PassFailure>() {
        Ok(failure) => return failure.0,
        Err(error) => error,
    };
    let of_data =
        |text: String| Failure::contract(format!("{text} (training data {})", job.data.train_key));
    let of_fit = |error: &model::FitError| match error {
        model::FitError::Option { .. } | model::FitError::Share { .. } => {
            Failure::usage(error.to_string())
        }
        model::FitError::OneClass { label, rows } => {
            let class = &job.data.goal.target.class_names()[usize::from(*label)];
            let why = "a classifier needs rows of both classes";
            alike(job, class, (*rows, weighed), why)
        }
        model::FitError::NoRows if weighed.is_some() => {
            alike(job, "", (0, weighed), "there is nothing to learn from")
        }
        model::FitError::RowsChanged { .. } => anyhow::Error::new(error.clone()),
        model::FitError::Overflow { feature } if feature == CoMoments::TARGET => of_data(format!(
            "target {:?} is too large to train on (its spread overflows): write it in other units \
             into the raw files; where a value of it is wrong or stands for a missing one, {}",
            job.data.goal.target.name,
            extremes::WITHOUT_ROW
        )),
        other => of_data(other.to_string()),
    };
    if let Some(error) = error.downcast_ref::<model::FitError>() {
        return of_fit(error);
    }
    match error.downcast_ref::<estimator::FitError>() {
        Some(estimator::FitError::Fit(error)) => of_fit(error),
        Some(estimator::FitError::OneValue { value, rows }) => {
            let (value, nothing) = (extremes::number(*value), "there is nothing to predict");
            match rounded {
                None => alike(job, &value, (*rows, weighed), nothing),
                Some(rounded) => {
                    let value = format!("{value} in double precision");
                    alike(
                        job,
                        &value,
                        (*rows, weighed),
                        &format!("{nothing}; {rounded}"),
                    )
                }
            }
        }
        Some(error) => of_data(error.to_string()),
        None => match (
            error.downcast_ref::<RowError>(),
            error.downcast_ref::<EstimatorError>(),
        ) {
            (Some(error), _) => of_data(error.to_string()),
            (_, Some(EstimatorError::Features(text))) => Failure::usage(text.clone()),
            _ => anyhow::Error::from_boxed(error),
        },
    }
}

/// A target that is the same in all rows of a fit that weigh something.
fn alike(
    job: &Job,
    value: &str,
    (rows, weighed): (u64, Option<Weighed>),
    why: &str,
) -> anyhow::Error {
    let (data, key) = (&job.data, &job.data.train_key);
    let rows = weighed.map_or(rows, |weighed| weighed.rows);
    let of = match rows < data.train.rows {
        true => "rows to fit on of",
        false => "rows of",
    };
    let target = &data.goal.target.name;
    let weight = data.config.dataset.weight().map(|column| &column.name);
    let what = match (weighed, weight) {
        (Some(Weighed { weightless, .. }), Some(weight)) if weightless < rows => format!(
            "target {target:?} is {value} in all {} {of} {key} whose weight {weight:?} is above 0, \
             and the other {weightless} do not count: {why}; check the weights,",
            rows - weightless
        ),
        (Some(_), Some(weight)) => format!(
            "weight {weight:?} is 0 in all {rows} {of} {key}, so that none of them counts: {why}; \
             check the weights,"
        ),
        _ => format!("target {target:?} is {value} in all {rows} {of} {key}: {why}; check"),
    };
    Failure::contract(format!(
        "{what} the raw files, the filter of dataset.json and the holdout rule ({})",
        data.train.holdout
    ))
}

/// What the single precision of trees does not hold: the target, and what an input differs by.
fn beyond_single_precision(fit: &Fit, target: &str) -> Vec<String> {
    let Some(Formula::Trees { units, .. }) = fit.model.estimator.formula() else {
        return Vec::new();
    };
    let of_target = units.map(|units| {
        let (is, write) = match units.offset() {
            0.0 => (format!("differs by about {:.0e}", units.scale()), "in other units"),
            mean => (
                format!("differs by little beside its mean, {mean:.3e}"),
                "less a constant",
            ),
        };
        format!(
            "target {target:?} {is}, which sums of single precision (7 digits), as XGBoost makes them, do not \
             hold: the model adds the rest in double precision and has no xgboost.json; to get one, \
             write the target {write} into the raw files"
        )
    });
    let inputs = fit.seen.inputs.iter();
    let close = inputs.filter(|of| of.std > 0.0 && of.mean.abs() > DIGITS * of.std);
    let of_inputs = close.map(|input| {
        format!(
            "feature {:?} differs by little beside its mean, {:.3e}, and trees compare numbers in single precision \
             (7 digits): subtract a constant in features.sql, or from the target in the raw files \
             where `encode: target` makes the feature",
            input.name, input.mean
        )
    });
    of_target.into_iter().chain(of_inputs).collect()
}

/// What a person should know of the fit.
pub(crate) fn warnings(
    fit: &Fit,
    job: &Job,
    rows: &TrainingRows,
    ruinous: Vec<String>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(descent) = fit.descent.as_ref().filter(|descent| !descent.converged) {
        let steepest = match &descent.steepest {
            Some(feature) => format!("feature {feature:?}"),
            None => "the intercept".to_owned(),
        };
        // What decides is the file, where it is there: the settings are not read then.
        let (steps, penalty) = match &job.models {
            Some(_) => ("max_iter in models.json", "c in models.json"),
            None => ("--max-iter (MODEL_MAX_ITER)", "C (MODEL_C)"),
        };
        let advice = if descent.iterations >= descent.most {
            format!("raise {steps}")
        } else {
            format!(
                "more steps do not help: rescale or drop that feature in features.sql, or lower \
                 {penalty}"
            )
        };
        warnings.push(format!(
            "the fit did not converge in {} Newton steps: by {steepest} the gradient is still \
             {:.1e} of the terms that it sums; {advice}",
            descent.iterations, descent.relative_gradient
        ));
    }
    warnings.extend(ruinous);
    warnings.extend(beyond_single_precision(fit, &job.data.goal.target.name));
    for input in fit.seen.inputs.iter().filter(|input| input.std == 0.0) {
        let range = input.max - input.min;
        warnings.push(match range > 0.0 && range < SQUARED_TO_0 {
            true => format!(
                "feature {:?} varies by {range:.1e}, whose square is 0 in double precision: nothing \
                 is learned from it; multiply it by {:.0e} in features.sql",
                input.name,
                (1.0 / range).min(1e300)
            ),
            false => format!(
                "feature {:?} has one value{} in all training rows: nothing can be learned from it",
                input.name,
                match rows.rounded().any(|(name, _)| name == input.name) {
                    true => " in double precision",
                    false => "",
                }
            ),
        });
    }
    warnings
}
