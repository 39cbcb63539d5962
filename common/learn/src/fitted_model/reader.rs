//! What reads a model file.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::json;

use super::{CALIBRATED_VERSION, Error, FORMAT_VERSION, File, FittedModel, Training};
use crate::estimator::{Families, LogisticRegression};
use crate::model::{self, Model};
use crate::preprocessing::Preprocessing;
use crate::signature::{Feature, Kind, Signature};
use crate::task::{Rule, Target, Tasks};

static KNOWN: OnceLock<Reader> = OnceLock::new();

/// What a program reads models with.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The tasks that it knows.
    pub tasks: Tasks,
    /// The estimators that it knows.
    pub families: Families,
}

impl Reader {
    /// With the tasks and estimators of this crate.
    pub fn standard() -> Self {
        Self {
            tasks: Tasks::standard(),
            families: Families::standard(),
        }
    }

    /// What the whole process reads with: what was installed, or else [`Reader::standard`].
    pub fn known() -> &'static Self {
        KNOWN.get_or_init(|| Self {
            tasks: Tasks::known().clone(),
            families: Families::standard(),
        })
    }

    /// Makes it what the whole process reads with: the first thing that a program does which has
    /// tasks or estimators of its own.
    ///
    /// # Errors
    /// Something was read already; it is given back.
    pub fn install(self) -> Result<(), Self> {
        // Metrics are read by their names without a reader, by the known tasks alone.
        match self.tasks.clone().install() {
            Ok(()) => KNOWN.set(self),
            Err(_) => Err(self),
        }
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// Another `format_version`, an unknown task or kind of estimator, unknown or missing fields,
    /// and whatever [`FittedModel::validate`] refuses.
    pub fn read(&self, bytes: &[u8]) -> Result<FittedModel, Error> {
        /// Read first: the shape of the rest depends on it.
        #[derive(Deserialize)]
        struct Header {
            format_version: u64,
        }
        let Header { format_version } = serde_json::from_slice(bytes)?;
        if format_version == u64::from(model::FORMAT_VERSION) {
            return self.first(Model::parse(bytes)?);
        }
        let known = [FORMAT_VERSION, CALIBRATED_VERSION].map(u64::from);
        if !known.contains(&format_version) {
            return Err(Error::FormatVersion {
                found: format_version,
            });
        }
        let file: File = serde_json::from_slice(bytes)?;
        let mut model = FittedModel {
            task: self.tasks.get(&file.task)?,
            target: file.target,
            signature: file.signature,
            preprocessing: file.preprocessing,
            estimator: self.families.read(&file.estimator)?.into(),
            calibration: file.calibration,
            rule: Rule {
                threshold: file.threshold.unwrap_or(Rule::default().threshold),
                interval: file.interval,
                quantiles: false,
            },
            explanation: file.explanation,
            training: file.training,
        };
        model.rule.quantiles = model.predicts_quantiles();
        model.validate()?;
        Ok(model)
    }

    /// A model of version 1: two classes, numbers in raw units, no prediction without one of them.
    ///
    /// # Errors
    /// Those of [`Reader::read`].
    pub fn first(&self, model: Model) -> Result<FittedModel, Error> {
        let feature = |name: &String| Feature {
            name: name.clone(),
            kind: Kind::Numeric,
            nullable: true,
        };
        let signature = Signature::new(model.features.iter().map(feature).collect());
        let training = &model.training;
        let options = [
            ("c".to_owned(), json!(training.c)),
            ("class_weight".to_owned(), json!(training.class_weight)),
        ];
        let model = FittedModel {
            task: self.tasks.get("binary")?,
            signature: signature.map_err(|error| Error::Invalid(error.to_string()))?,
            preprocessing: Preprocessing::unchanged(&model.features)?,
            training: Training {
                rows: training.rows,
                iterations: Some(training.iterations),
                converged: training.converged,
                weight: None,
                family: None,
                options: options.into_iter().collect(),
            },
            target: Target {
                name: model.target,
                classes: vec![model.classes.negative, model.classes.positive],
            },
            estimator: Arc::new(LogisticRegression {
                coefficients: model.coefficients,
                intercept: model.intercept,
            }),
            calibration: None,
            rule: Rule {
                threshold: model.threshold,
                ..Rule::default()
            },
            explanation: None,
        };
        model.validate()?;
        Ok(model)
    }
}
