//! Tracking: what was trained and measured (runs), and which models there are (the registry).
//!
//! One interface with, for now, one home: the object store itself.

mod embedded;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::failure::Failure;
use crate::layout::ModelName;
use crate::step::Step;
use crate::store::Store;

use embedded::Embedded;

/// The alias of the model that scores.
pub const CHAMPION: &str = "champion";
/// The alias of the champion before, to which a rollback goes.
pub const PREVIOUS_CHAMPION: &str = "previous-champion";
/// The tag that a run is found by.
pub const FINGERPRINT_TAG: &str = "alameda.fingerprint";

/// Where runs and registered models are kept.
#[derive(Clone, Debug)]
pub struct Tracking {
    home: Home,
}

#[derive(Clone, Debug)]
enum Home {
    Embedded(Embedded),
}

/// What a run is of.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// What a person reads first.
    pub name: String,
    /// The model that it is about.
    pub model_name: ModelName,
    /// What it is found again by.
    pub fingerprint: String,
    /// The workflow whose parent run it is nested in; `None` for a step that is run by hand.
    pub workflow: Option<String>,
    /// Further tags.
    pub tags: BTreeMap<String, String>,
}

impl RunSpec {
    /// The run of `step` on inputs of a fingerprint.
    pub fn new(step: &Step, name: impl Into<String>, model_name: &ModelName, fingerprint: &str) -> Self {
        Self {
            name: name.into(),
            model_name: model_name.clone(),
            fingerprint: fingerprint.to_owned(),
            workflow: (!step.is_manual()).then(|| step.workflow().to_owned()),
            tags: BTreeMap::from([
                ("alameda.step".to_owned(), step.name().to_owned()),
                ("alameda.workflow".to_owned(), step.workflow().to_owned()),
            ]),
        }
    }

    /// Adds a tag.
    pub fn tag(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.tags.insert(name.to_owned(), value.to_string());
        self
    }
}

/// How a run stands.
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
    fn of<R>(result: &Result<R>) -> Self {
        match result {
            Ok(_) => Self::Finished,
            Err(error) if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Failure::Stopped))) => {
                Self::Killed
            }
            Err(_) => Self::Failed,
        }
    }
}

/// A run as it stands in the tracking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Its id.
    pub run_id: String,
    /// What a person reads first.
    pub name: String,
    /// The model that it is about; `None` for the parent run of a workflow.
    pub model_name: Option<ModelName>,
    /// Id of the workflow's run.
    pub parent_run_id: Option<String>,
    /// How it stands.
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
    /// Its name.
    pub model_name: ModelName,
    /// Its number, from 1.
    pub version: u64,
    /// Key of its manifest.
    pub model: String,
    /// Fingerprint of what it was trained from.
    pub fingerprint: String,
    /// The run that trained it.
    pub run_id: String,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl Version {
    /// Its address.
    pub fn uri(&self) -> ModelUri {
        ModelUri { model_name: self.model_name.clone(), version: self.version }
    }
}

/// The address of one version of a model, as MLflow writes it: `models:/NAME/VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUri {
    /// Name of the model.
    pub model_name: ModelName,
    /// Its number.
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
            Some(Self { model_name: name.parse().ok()?, version: version.parse().ok()? })
        };
        parse().ok_or_else(|| {
            format!("{text:?} is not the address of a model version, such as models:/customer-classifier/3")
        })
    }
}

impl Tracking {
    /// Opens the tracking: embedded in the store.
    pub fn open(store: &Store) -> Result<Self> {
        Ok(Self { home: Home::Embedded(Embedded::new(store.clone())) })
    }

    /// The run of a fingerprint; `None` when there is none.
    pub async fn find_run(&self, fingerprint: &str) -> Result<Option<RunRecord>> {
        match &self.home {
            Home::Embedded(embedded) => embedded.find(fingerprint).await,
        }
    }

    /// Starts a run inside the parent run of its workflow. A run of the same fingerprint is reopened, never doubled.
    pub async fn start_run(&self, spec: &RunSpec) -> Result<Run> {
        let parent = match &spec.workflow {
            None => None,
            Some(workflow) => {
                let parent = RunSpec {
                    name: workflow.clone(),
                    model_name: spec.model_name.clone(),
                    fingerprint: workflow_fingerprint(workflow),
                    workflow: None,
                    tags: BTreeMap::from([("alameda.workflow".to_owned(), workflow.clone())]),
                };
                Some(self.reopen(&parent, None, true).await?)
            }
        };
        let id = self.reopen(spec, parent.clone(), false).await?;
        Ok(Run { tracking: self.clone(), id, parent })
    }

    async fn reopen(&self, spec: &RunSpec, parent: Option<String>, is_parent: bool) -> Result<String> {
        match &self.home {
            Home::Embedded(embedded) => embedded.reopen(spec, parent, is_parent).await,
        }
    }

    /// Does work inside a run, and closes the run as the work ends: FINISHED, FAILED, or KILLED on SIGTERM.
    pub async fn in_run<R>(&self, spec: &RunSpec, work: impl AsyncFnOnce(&Run) -> Result<R>) -> Result<R> {
        let run = self.start_run(spec).await?;
        let result = work(&run).await;
        let closed = run.close(Status::of(&result)).await;
        match (result, closed) {
            (Ok(result), Ok(())) => Ok(result),
            (Ok(_), Err(error)) => Err(error),
            (Err(error), closed) => {
                if let Err(unclosed) = closed {
                    tracing::warn!("the tracking run could not be closed: {unclosed:#}");
                }
                Err(error)
            }
        }
    }

    /// Registers a fitted model, `model` being the key of its manifest. The same fingerprint is registered once, and gives
    /// the same version again.
    pub async fn register(&self, name: &ModelName, model: &str, fingerprint: &str, run_id: &str) -> Result<Version> {
        match &self.home {
            Home::Embedded(embedded) => embedded.register(name, model, fingerprint, run_id).await,
        }
    }

    /// All versions of a model, in order; none for a model that nobody registered.
    pub async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        match &self.home {
            Home::Embedded(embedded) => embedded.versions(name).await,
        }
    }

    /// One version of a model.
    ///
    /// # Errors
    /// An unknown model or version: exit 2, naming those that are known.
    pub async fn version(&self, name: &ModelName, version: u64) -> Result<Version> {
        let versions = self.versions(name).await?;
        let known: Vec<String> = versions.iter().map(|known| known.version.to_string()).collect();
        match versions.into_iter().find(|known| known.version == version) {
            Some(version) => Ok(version),
            None if known.is_empty() => Err(self.unknown_model(name).await?),
            None => {
                Err(Failure::usage(format!("model {name} has no version {version}; there are: {}", last_ten(&known))))
            }
        }
    }

    /// The version that an alias points to; `None` when it points nowhere.
    pub async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        match &self.home {
            Home::Embedded(embedded) => embedded.alias(name, alias).await,
        }
    }

    /// Points an alias to a version if it points to `expected` (`None`: nowhere). False, and nothing is changed, when it
    /// points elsewhere: somebody moved it, so look again.
    pub async fn set_alias(&self, name: &ModelName, alias: &str, version: u64, expected: Option<u64>) -> Result<bool> {
        match &self.home {
            Home::Embedded(embedded) => embedded.set_alias(name, alias, version, expected).await,
        }
    }

    /// The version that an alias pointed to before its last move; `None` when there was none.
    pub async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        match &self.home {
            Home::Embedded(embedded) => embedded.alias_before(name, alias).await,
        }
    }

    /// Whether an alias ever pointed to a version.
    pub async fn ever_held(&self, name: &ModelName, alias: &str, version: u64) -> Result<bool> {
        match &self.home {
            Home::Embedded(embedded) => embedded.ever_held(name, alias, version).await,
        }
    }

    /// The version that `reference` means: an alias, or a version number.
    ///
    /// # Errors
    /// No champion: exit 11. An unknown model, alias or version: exit 2.
    pub async fn resolve(&self, name: &ModelName, reference: &str) -> Result<Version> {
        if let Ok(version) = reference.parse() {
            return self.version(name, version).await;
        }
        if reference.is_empty() || !reference.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(Failure::usage(format!(
                "{reference:?} is neither an alias nor a version number: give {CHAMPION}, or a number such as 3"
            )));
        }
        if let Some(version) = self.alias(name, reference).await? {
            return self.version(name, version).await;
        }
        let versions = self.versions(name).await?;
        if versions.is_empty() {
            return Err(self.unknown_model(name).await?);
        }
        let known: Vec<String> = versions.iter().map(|known| known.version.to_string()).collect();
        let known = last_ten(&known);
        Err(if reference == CHAMPION {
            Failure::Refused(format!(
                "model {name} has no champion (versions: {known}): promote one with `model-promotion promote \
                 --model-name={name} --model-version=N`, or name a version instead of the alias"
            ))
            .into()
        } else {
            Failure::usage(format!("model {name} has no alias {reference:?}; give {CHAMPION}, or a version: {known}"))
        })
    }

    async fn unknown_model(&self, name: &ModelName) -> Result<anyhow::Error> {
        let known = match &self.home {
            Home::Embedded(embedded) => embedded.models().await?,
        };
        let known = if known.is_empty() { "none yet".to_owned() } else { last_ten(&known) };
        Ok(Failure::usage(format!(
            "no model {name} is registered; there are: {known}. Train it first, or check --model-name"
        )))
    }
}

/// What the parent run of a workflow is found by.
fn workflow_fingerprint(workflow: &str) -> String {
    digest::hex(format!("workflow\0{workflow}").as_bytes())
}

/// Names in one line, the last ten where there are more.
fn last_ten(names: &[String]) -> String {
    let start = names.len().saturating_sub(10);
    let more = if start > 0 { "..., " } else { "" };
    format!("{more}{}", names[start..].join(", "))
}

/// A run that is open.
#[derive(Clone, Debug)]
pub struct Run {
    tracking: Tracking,
    id: String,
    parent: Option<String>,
}

impl Run {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Logs what the run was asked to do.
    pub async fn log_params<K: Into<String>>(&self, params: impl IntoIterator<Item = (K, String)>) -> Result<()> {
        let params: BTreeMap<String, String> = params.into_iter().map(|(name, value)| (name.into(), value)).collect();
        match &self.tracking.home {
            Home::Embedded(embedded) => embedded.update(&self.id, |record| record.params.extend(params)).await,
        }
    }

    /// Logs what the run measured; numbers that are not finite are left out, as no tracker keeps them.
    pub async fn log_metrics<K: Into<String>>(&self, metrics: impl IntoIterator<Item = (K, f64)>) -> Result<()> {
        let timestamp = Utc::now();
        let metrics: BTreeMap<String, Metric> = metrics
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.into(), Metric { value, timestamp }))
            .collect();
        match &self.tracking.home {
            Home::Embedded(embedded) => embedded.update(&self.id, |record| record.metrics.extend(metrics)).await,
        }
    }

    /// Sets a tag.
    pub async fn set_tag(&self, name: &str, value: impl fmt::Display) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_string());
        match &self.tracking.home {
            Home::Embedded(embedded) => embedded.update(&self.id, |record| drop(record.tags.insert(name, value))).await,
        }
    }

    /// Closes the run, and the workflow's run with it: the workflow's next step opens that one again.
    pub async fn close(self, status: Status) -> Result<()> {
        for id in [Some(&self.id), self.parent.as_ref()].into_iter().flatten() {
            match &self.tracking.home {
                Home::Embedded(embedded) => {
                    embedded
                        .update(id, |record| {
                            record.status = status;
                            record.end_time = Some(Utc::now());
                        })
                        .await?;
                }
            }
        }
        Ok(())
    }
}
