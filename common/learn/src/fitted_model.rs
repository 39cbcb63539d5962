//! The model file: everything from raw feature columns to predictions.
//!
//! [`Reader`] reads files of [`FORMAT_VERSION`], of [`CALIBRATED_VERSION`] and of version 1, whose
//! models score the same bits as ever. A file of a newer version is refused by its number.
//!
//! ```
//! use learn::fitted_model::Reader;
//! use learn::frame::{Column, Frame};
//! use learn::task::Values;
//!
//! let file = br#"{
//!     "format_version": 2,
//!     "task": "regression",
//!     "target": {"name": "price"},
//!     "signature": [{"name": "rooms", "kind": "numeric", "nullable": true}],
//!     "preprocessing": [{"numeric": {
//!         "name": "rooms", "clip": [null, null], "impute": 3.0,
//!         "missing_indicator": false, "scale": null
//!     }}],
//!     "estimator": {"kind": "linear-regression", "coefficients": [50.0], "intercept": 10.0},
//!     "interval": [-20.0, 30.0],
//!     "training": {"rows": 100, "converged": true, "options": {"c": 1.0}}
//! }"#;
//! let model = Reader::standard().read(file)?;
//! let frame = Frame::new(vec![Column::Numbers(&[2.0, f64::NAN])]);
//! let columns = model.predictions(&frame)?;
//! assert_eq!(columns[0].values, Values::Numbers(vec![110.0, 160.0]));
//! assert_eq!(columns[1].name, "lower");
//! # Ok::<(), learn::fitted_model::Error>(())
//! ```

mod reader;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calibration::Calibration;
use crate::estimator::{Estimator, EstimatorError};
use crate::explanation::{Explanation, TOP_REASONS};
use crate::frame::Frame;
use crate::model::{Classes, ModelError};
use crate::preprocessing::{self, Preprocessing};
use crate::signature::Signature;
use crate::task::{LabelKind, Predictions, Rule, Target, Task, TaskError, Values};

pub use reader::Reader;

/// The version that is written of a model without calibration.
pub const FORMAT_VERSION: u32 = 2;
/// The version that is written of a calibrated model, so that programs which know no calibration
/// refuse it by its number.
pub const CALIBRATED_VERSION: u32 = 3;

/// A fitted model, as it is kept in `model.json`.
#[derive(Clone, Debug)]
pub struct FittedModel {
    /// What it does.
    pub task: &'static dyn Task,
    /// What it predicts.
    pub target: Target,
    /// The features that it takes.
    pub signature: Signature,
    /// How they become numbers.
    pub preprocessing: Preprocessing,
    /// How these become scores.
    pub estimator: Arc<dyn Estimator>,
    /// Of two classes: what makes probabilities of the estimator's raw scores, in place of its
    /// link.
    pub calibration: Option<Calibration>,
    /// How scores become predictions.
    pub rule: Rule,
    /// What rows are explained by, where that was asked for.
    pub explanation: Option<Explanation>,
    /// How it was fitted.
    pub training: Training,
}

/// What a model says of two classes.
#[derive(Clone, Debug, PartialEq)]
pub struct OfTwo {
    /// Name of the column that is predicted.
    pub target: String,
    /// Its values.
    pub classes: Classes,
    /// Probability from which the positive one is predicted.
    pub threshold: f64,
}

/// How a model was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows of the training data.
    pub rows: u64,
    /// Steps taken, of a fit that takes steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Whether the optimum was reached.
    pub converged: bool,
    /// The column of what the rows weighed, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// The family that fitted the estimator; `None` in files of version 1, which know one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The options of its fit.
    pub options: Map<String, Value>,
}

/// The shape of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    task: String,
    target: Target,
    signature: Signature,
    preprocessing: Preprocessing,
    estimator: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<[f64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    training: Training,
}

/// Why a model file is refused, or cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not of a model's shape.
    #[error("the model file cannot be read")]
    Json(#[from] serde_json::Error),
    /// Written by a newer version of the code.
    #[error(
        "the model file has format_version {found}, and this program reads 1, {FORMAT_VERSION} \
         and {CALIBRATED_VERSION}: use images of the version that trained the model, or train again"
    )]
    FormatVersion {
        /// What the file says.
        found: u64,
    },
    /// A file of version 1.
    #[error(transparent)]
    First(#[from] ModelError),
    /// Another task, or a target that is not the task's.
    #[error("the model file is invalid: {0}")]
    Task(#[from] TaskError),
    /// The estimator.
    #[error(transparent)]
    Estimator(#[from] EstimatorError),
    /// The preprocessing, or a batch of rows that is not of its columns.
    #[error(transparent)]
    Preprocessing(#[from] preprocessing::Error),
    /// Parts that do not fit each other.
    #[error("the model file is invalid: {0}")]
    Invalid(String),
}

impl FittedModel {
    /// The model file: indented JSON with a newline at its end. Reading it back gives every number
    /// to the last bit.
    ///
    /// # Errors
    /// Those of [`FittedModel::validate`].
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        self.validate()?;
        let of_two = self.target.classes.len() == 2;
        let file = File {
            format_version: match self.calibration {
                Some(_) => CALIBRATED_VERSION,
                None => FORMAT_VERSION,
            },
            task: self.task.name().to_owned(),
            target: self.target.clone(),
            signature: self.signature.clone(),
            preprocessing: self.preprocessing.clone(),
            estimator: self.estimator.to_json()?,
            calibration: self.calibration.clone(),
            threshold: of_two.then_some(self.rule.threshold),
            interval: self.rule.interval,
            explanation: self.explanation.clone(),
            training: self.training.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// That the parts fit each other.
    ///
    /// # Errors
    /// Names the parts.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |reason: String| Err(Error::Invalid(reason));
        self.task.check(&self.target)?;
        self.preprocessing.check_signature(&self.signature)?;
        self.estimator.validate()?;
        let (made, taken) = (self.preprocessing.width(), self.estimator.inputs());
        if made != taken {
            return invalid(format!(
                "its preprocessing makes {made} numbers a row, and its estimator takes {taken}"
            ));
        }
        let (needed, given) = (self.task.outputs(&self.target), self.estimator.outputs());
        if needed != given && !self.rule.quantiles {
            return invalid(format!(
                "its estimator predicts {given} numbers a row, and task {} needs {needed}",
                self.task.name()
            ));
        }
        if let Some(calibration) = &self.calibration {
            if self.target.classes.len() != 2 {
                return invalid(format!(
                    "it is calibrated, and task {} is not of two classes",
                    self.task.name()
                ));
            }
            calibration.validate().map_err(Error::Invalid)?;
        }
        if let Some(of) = &self.explanation
            && (of.centre.len() != taken || of.centre.iter().any(|mean| !mean.is_finite()))
        {
            return invalid(format!(
                "its explanation must have one finite mean for each of {taken} inputs"
            ));
        }
        if !(0.0..=1.0).contains(&self.rule.threshold) {
            return invalid(format!(
                "threshold is {}: it must be from 0 to 1",
                self.rule.threshold
            ));
        }
        // Ends that are added to quantiles may both make the interval narrower.
        let in_order = |low, high| low <= high || self.rule.quantiles;
        match self.rule.interval {
            Some([low, high]) if !(in_order(low, high) && (high - low).is_finite()) => invalid(
                format!("interval is {low} to {high}: it must be two numbers in order"),
            ),
            _ => Ok(()),
        }
    }

    /// Whether its estimator predicts, of a number, two quantiles as well: see [`Rule::quantiles`].
    pub fn predicts_quantiles(&self) -> bool {
        self.task.labels() == LabelKind::Number && self.estimator.predicts_quantiles()
    }

    /// Appends what is predicted for each row of the numbers that the estimator takes: a value, the
    /// calibrated probability of the positive class, or one probability for each class.
    ///
    /// # Panics
    /// As [`Estimator::raw`].
    pub fn outputs(&self, rows: &[f64], out: &mut Vec<f64>) {
        let Some(calibration) = &self.calibration else {
            return self.estimator.predict(rows, out);
        };
        let start = out.len();
        self.estimator.raw(rows, out);
        for score in &mut out[start..] {
            *score = calibration.apply(*score);
        }
    }

    /// What is predicted for each row, in place of what `outputs` held; `matrix` holds the rows'
    /// numbers afterwards.
    ///
    /// # Errors
    /// A frame of other columns, or a value that the preprocessing refuses.
    pub fn predict(
        &self,
        frame: &Frame<'_>,
        matrix: &mut Vec<f64>,
        outputs: &mut Vec<f64>,
    ) -> Result<(), Error> {
        self.preprocessing.transform(frame, matrix)?;
        outputs.clear();
        self.outputs(matrix, outputs);
        Ok(())
    }

    /// As [`FittedModel::predict`], for rows to score: a row with an infinite number that is not
    /// clipped has no prediction, NaN, as one with a missing number that nothing is imputed for.
    ///
    /// # Errors
    /// A frame of other columns.
    pub fn score(
        &self,
        frame: &Frame<'_>,
        matrix: &mut Vec<f64>,
        outputs: &mut Vec<f64>,
    ) -> Result<(), Error> {
        let mut refused = Vec::new();
        self.preprocessing
            .transform_or_refuse(frame, matrix, &mut refused)?;
        outputs.clear();
        self.outputs(matrix, outputs);
        let width = self.estimator.outputs();
        for row in refused {
            outputs[row * width..(row + 1) * width].fill(f64::NAN);
        }
        Ok(())
    }

    /// What it says of two classes; `None` of another task.
    pub fn of_two(&self) -> Option<OfTwo> {
        let [negative, positive] = self.target.classes.as_slice() else {
            return None;
        };
        Some(OfTwo {
            target: self.target.name.clone(),
            classes: Classes {
                negative: negative.clone(),
                positive: positive.clone(),
            },
            threshold: self.rule.threshold,
        })
    }

    /// Names of the features, in the order of the signature.
    pub fn features(&self) -> Vec<String> {
        self.signature.names()
    }

    /// The columns of predictions of each row.
    ///
    /// # Errors
    /// Those of [`FittedModel::predict`].
    pub fn predictions(&self, frame: &Frame<'_>) -> Result<Vec<Predictions>, Error> {
        let (mut matrix, mut outputs) = (Vec::new(), Vec::new());
        self.predict(frame, &mut matrix, &mut outputs)?;
        Ok(self.predicted(&matrix, &outputs))
    }

    /// The same, of what [`FittedModel::score`] made; of no rows, the columns alone.
    pub fn predicted(&self, matrix: &[f64], outputs: &[f64]) -> Vec<Predictions> {
        let predicted = self.task.predictions(&self.target, &self.rule, outputs);
        let reasons = self.explanation.as_ref().map(|explanation| Predictions {
            name: TOP_REASONS.to_owned(),
            values: Values::Texts(self.reasons(explanation, matrix, outputs)),
        });
        predicted.into_iter().chain(reasons).collect()
    }

    fn reasons(
        &self,
        explanation: &Explanation,
        matrix: &[f64],
        outputs: &[f64],
    ) -> Vec<Option<String>> {
        let (preprocessing, estimator) = (&self.preprocessing, &*self.estimator);
        let rows = matrix.chunks_exact(estimator.inputs());
        let rows = rows.zip(outputs.chunks_exact(estimator.outputs()));
        rows.map(|(row, outputs)| {
            if outputs.iter().any(|output| output.is_nan()) {
                return None;
            }
            // Of several classes, that of the class that is predicted: the first of equal ones.
            let larger = |best: usize, at: usize| match outputs[at] > outputs[best] {
                true => at,
                false => best,
            };
            let output = match self.rule.quantiles {
                true => 0,
                false => (0..outputs.len()).fold(0, larger),
            };
            let reasons = explanation.of_row(preprocessing, estimator, row, output);
            serde_json::to_string(&reasons).ok()
        })
        .collect()
    }
}
