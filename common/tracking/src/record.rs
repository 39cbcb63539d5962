//! Runs and versions as they are in the tracking.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Dataset;
use catalog::layout::ModelName;
use runtime::failure::{self, Failure};

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Begun, and not closed: at work, or lost with its process.
    Running,
    /// Done.
    Finished,
    /// Ended by an error.
    Failed,
    /// Stopped by SIGTERM.
    Killed,
}

impl Status {
    /// What a result makes of its run.
    pub(super) fn of<R>(result: &Result<R>) -> Self {
        match result {
            Ok(_) => Self::Finished,
            Err(error) => Self::of_failure(error),
        }
    }

    /// What an error makes of its run.
    pub(super) fn of_failure(error: &anyhow::Error) -> Self {
        if failure::exit_code(error) == Failure::Stopped.exit_code() {
            Self::Killed
        } else {
            Self::Failed
        }
    }
}

/// A run as it is in the tracking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Id of the run.
    pub run_id: String,
    /// What a person reads first.
    pub name: String,
    /// The model that it is about; `None` for the parent run of a workflow.
    pub model_name: Option<ModelName>,
    /// Id of the workflow's run.
    pub parent_run_id: Option<String>,
    /// Its state.
    pub status: Status,
    /// When it began last.
    pub start_time: DateTime<Utc>,
    /// When it was closed; `None` while it runs.
    pub end_time: Option<DateTime<Utc>>,
    /// What it was asked to do.
    pub params: BTreeMap<String, String>,
    /// What it measured.
    pub metrics: BTreeMap<String, Metric>,
    /// What it can be found by.
    pub tags: BTreeMap<String, String>,
    /// The data that it read.
    #[serde(default)]
    pub datasets: Vec<Dataset>,
}

impl RunRecord {
    /// A metric by its name; of a candidate, that on validation rows.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let on_validation = || self.metrics.get(&format!("validation.{name}"));
        let found = self.metrics.get(name).or_else(on_validation);
        found.map(|metric| metric.value)
    }
}

/// A measured number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its value; finite.
    pub value: f64,
    /// When it was logged.
    pub timestamp: DateTime<Utc>,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Name of the registered model.
    pub model_name: ModelName,
    /// Its number, from 1.
    pub version: u64,
    /// Key of its manifest.
    pub model: String,
    /// Fingerprint of what it was trained from.
    pub fingerprint: String,
    /// The run that trained it.
    pub run_id: String,
    /// What a person reads of it, in Markdown; empty where nothing was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl Version {
    /// Address of the version, models:/NAME/VERSION.
    pub fn uri(&self) -> ModelUri {
        ModelUri {
            model_name: self.model_name.clone(),
            version: self.version,
        }
    }
}

/// A version that an alias pointed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Version number.
    pub version: u64,
    /// When the alias left it last; `None` while it points to it.
    pub left: Option<DateTime<Utc>>,
    /// The version that the alias went to then.
    pub to: Option<u64>,
}

impl Holder {
    /// Whether the alias left it for an older version: somebody took it back.
    pub fn was_rolled_back(&self) -> bool {
        self.to.is_some_and(|to| to < self.version)
    }
}

/// The address of one version of a model, as MLflow writes it: `models:/NAME/VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUri {
    /// Name of the model.
    pub model_name: ModelName,
    /// Version number.
    pub version: u64,
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "models:/{}/{}", self.model_name, self.version)
    }
}

impl FromStr for ModelUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (name, version) = text.strip_prefix("models:/")?.split_once('/')?;
            Some(Self {
                model_name: name.parse().ok()?,
                version: version.parse().ok()?,
            })
        };
        parse().ok_or_else(|| {
            format!("{text:?} is not the address of a model version, such as models:/customer-classifier/3")
        })
    }
}
