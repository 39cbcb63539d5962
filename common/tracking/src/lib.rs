//! Tracking: what was trained and measured (runs), and which models there are (the registry).
//!
//! One interface with two homes: an MLflow server, where `MLFLOW_TRACKING_URI` names one, else the
//! object store itself.

mod embedded;
mod logged;
mod mlflow;
mod record;
mod run;
#[cfg(test)]
mod tests;
mod tracker;
mod views;

use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, Days, Utc};

use catalog::layout::ModelName;
use runtime::failure::Failure;
use runtime::retry::Budget;
use store::Store;

pub use logged::{Candidate, Dataset, Point, Table};
pub use record::{Holder, Metric, ModelUri, RunRecord, Status, Version};
pub use run::{Run, RunSpec};
pub use settings::TrackingArgs;
pub use views::{RunView, VersionView};

use embedded::Embedded;
use mlflow::Mlflow;
use tracker::Tracker;

/// The alias of the model that scores.
pub const CHAMPION: &str = "champion";
/// The alias of the champion before, to which a rollback goes.
pub const PREVIOUS_CHAMPION: &str = "previous-champion";
/// The tag that a run and a version are found by.
pub const FINGERPRINT_TAG: &str = "alameda.fingerprint";
/// The folder of a run that holds the files of its model.
pub const MODEL_FOLDER: &str = "model";
/// The tag with the name of the model that a run is about.
const MODEL_NAME_TAG: &str = "alameda.model_name";

/// Where runs and registered models are kept.
#[derive(Clone, Debug)]
pub struct Tracking {
    home: Arc<dyn Tracker>,
}

impl Tracking {
    /// Opens the tracking: in MLflow where `args` name a server, else embedded in the store. No
    /// call is made yet, and each later one is tried again within the budget.
    ///
    /// # Errors
    /// An address that is none of an MLflow server, or certificates that can't be read: exit 2.
    pub fn open(store: &Store, args: &TrackingArgs, budget: Budget) -> Result<Self> {
        Ok(match args.uri() {
            None => Self::embedded(store),
            Some(uri) => Self {
                home: Arc::new(Mlflow::open(uri, args, budget)?),
            },
        })
    }

    /// The tracking that is embedded in the store.
    pub fn embedded(store: &Store) -> Self {
        Self {
            home: Arc::new(Embedded::new(store.clone())),
        }
    }

    /// Registers a fitted model. The same fingerprint is registered once, and gives the same
    /// version again.
    ///
    /// # Errors
    /// With MLflow: files of the model that the run does not hold as they are, exit 75.
    pub async fn register(&self, candidate: &Candidate<'_>) -> Result<Version> {
        self.home.register(candidate).await
    }

    /// All versions of a model, in order; none for a model that nobody registered.
    pub async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        self.home.versions(name).await
    }

    /// One version of a model.
    ///
    /// # Errors
    /// An unknown model or version: exit 2, naming those that are known.
    pub async fn version(&self, name: &ModelName, version: u64) -> Result<Version> {
        if let Some(found) = self.home.version(name, version).await? {
            return Ok(found);
        }
        let versions = self.versions(name).await?;
        let known: Vec<String> = versions
            .iter()
            .map(|known| known.version.to_string())
            .collect();
        match versions.into_iter().find(|known| known.version == version) {
            Some(version) => Ok(version),
            None if known.is_empty() => Err(self.unknown_model(name).await?),
            None => Err(Failure::usage(format!(
                "model {name} has no version {version}; there are: {}",
                last_ten(&known)
            ))),
        }
    }

    /// The version that an alias points to; `None` when it points nowhere.
    pub async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        self.home.alias(name, alias).await
    }

    /// Points an alias to a version if it points to `expected` (`None`: nowhere). False when it
    /// points elsewhere: somebody moved it, so look again.
    ///
    /// The embedded tracking compares and sets in one; of those who move an alias at once, one
    /// wins. MLflow can't: the alias is read, set, and read back. A move between the first two is
    /// overwritten unseen; one between the last two is seen. The workflows' mutex keeps promotions
    /// of one model apart, and a move by hand is missed within those few milliseconds alone.
    pub async fn set_alias(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
        expected: Option<u64>,
    ) -> Result<bool> {
        self.home.set_alias(name, alias, version, expected).await
    }

    /// The version that an alias pointed to before its last move; `None` when there was none.
    pub async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        self.home.alias_before(name, alias).await
    }

    /// The versions that an alias pointed to at some time in so many days before an instant, or
    /// later; ascending.
    pub async fn holders(
        &self,
        name: &ModelName,
        alias: &str,
        end: DateTime<Utc>,
        days: u32,
    ) -> Result<Vec<Holder>> {
        let since = end
            .checked_sub_days(Days::new(u64::from(days)))
            .unwrap_or(DateTime::<Utc>::MIN_UTC);
        self.home.holders(name, alias, since).await
    }

    /// Whether an alias ever pointed to a version.
    pub async fn ever_held(&self, name: &ModelName, alias: &str, version: u64) -> Result<bool> {
        self.home.ever_held(name, alias, version).await
    }

    /// The version that `reference` means: an alias, or a version number.
    ///
    /// # Errors
    /// No champion: exit 11. An unknown model, alias or version: exit 2.
    pub async fn resolve(&self, name: &ModelName, reference: &str) -> Result<Version> {
        if let Ok(version) = reference.parse() {
            return self.version(name, version).await;
        }
        if reference.is_empty()
            || !reference
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        {
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
        let known: Vec<String> = versions
            .iter()
            .map(|known| known.version.to_string())
            .collect();
        let known = last_ten(&known);
        Err(if reference == CHAMPION {
            Failure::Refused(format!(
                "model {name} has no champion (versions: {known}): promote one with `model-promotion promote \
                 --model-name={name} --model-version=N`, or name a version instead of the alias"
            ))
            .into()
        } else {
            Failure::usage(format!(
                "model {name} has no alias {reference:?}; give {CHAMPION}, or a version: {known}"
            ))
        })
    }

    /// Names of all registered models.
    pub async fn models(&self) -> Result<Vec<String>> {
        self.home.models().await
    }

    async fn unknown_model(&self, name: &ModelName) -> Result<anyhow::Error> {
        let known = self.models().await?;
        if known.contains(&name.to_string()) {
            return Ok(Failure::usage(format!(
                "model {name} is registered, but has no version any more: train it again"
            )));
        }
        let known = if known.is_empty() {
            "none yet".to_owned()
        } else {
            last_ten(&known)
        };
        Ok(Failure::usage(format!(
            "no model {name} is registered; there are: {known}. Train it first, or check --model-name"
        )))
    }
}

/// Names in one line, the last ten where there are more.
fn last_ten(names: &[String]) -> String {
    let start = names.len().saturating_sub(10);
    let more = if start > 0 { "..., " } else { "" };
    format!("{more}{}", names[start..].join(", "))
}
