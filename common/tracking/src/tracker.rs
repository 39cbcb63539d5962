//! What a home of runs and models does, in the five parts that its callers know.
//!
//! [`Embedded`](crate::embedded::Embedded) is the store itself, and
//! [`Mlflow`](crate::mlflow::Mlflow) a server. What both must keep is tested by one suite over the
//! two, `tests/both.rs`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Version;
use super::run::OpenRun;
use super::{Candidate, Dataset, Holder, Point, RunRecord, RunSpec, RunView, Status, Table};
use catalog::layout::ModelName;
use runtime::retry::Budget;
use store::Store;

/// A home of runs and models.
pub(super) trait Tracker: Runs + Files + Registry + Aliases + Views + Debug {
    /// The same with at most that budget for each call.
    fn within(&self, budget: Budget) -> Arc<dyn Tracker>;
}

/// Runs: begun, logged to and closed.
#[async_trait]
pub(super) trait Runs: Send + Sync {
    /// The run about a model that is found by its fingerprint; `None` when there is none.
    async fn find_run(&self, model: &ModelName, fingerprint: &str) -> Result<Option<RunRecord>>;

    /// Opens the run of a fingerprint again, or makes it; `parent` is the id of its workflow's.
    async fn reopen(&self, spec: &RunSpec, parent: Option<&str>) -> Result<OpenRun>;

    /// Ends a run of that id.
    async fn close(&self, id: &str, status: Status) -> Result<()>;

    /// Adds what the run was asked to do.
    async fn log_params(&self, run: &OpenRun, params: BTreeMap<String, String>) -> Result<()>;

    /// Adds finite numbers, and tags.
    async fn log_metrics(
        &self,
        run: &OpenRun,
        points: Vec<(String, Point)>,
        tags: BTreeMap<String, String>,
    ) -> Result<()>;

    /// Adds tags.
    async fn set_tags(&self, run: &OpenRun, tags: BTreeMap<String, String>) -> Result<()>;

    /// Says which data the run read.
    async fn log_datasets(&self, run: &OpenRun, datasets: &[Dataset]) -> Result<()>;
}

/// Files that a run holds.
#[async_trait]
pub(super) trait Files: Send + Sync {
    /// Keeps tables by name, where a page shows them.
    async fn log_tables(&self, run: &OpenRun, tables: &[(&str, Table)]) -> Result<()>;

    /// Copies objects of the store into a folder of the run (`""`: the top).
    async fn log_files(
        &self,
        run: &OpenRun,
        folder: &str,
        store: &Store,
        keys: &[&str],
    ) -> Result<()>;
}

/// Registered models and their versions.
#[async_trait]
pub(super) trait Registry: Send + Sync {
    /// Registers a fitted model; the same fingerprint is one version.
    async fn register(&self, candidate: &Candidate<'_>) -> Result<Version>;

    /// All versions of a model, in order.
    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>>;

    /// One version of a model; `None` when there is none.
    async fn version(&self, name: &ModelName, version: u64) -> Result<Option<Version>>;

    /// Names of all registered models.
    async fn models(&self) -> Result<Vec<String>>;
}

/// Aliases of models, and their moves.
#[async_trait]
pub(super) trait Aliases: Send + Sync {
    /// Every alias of a model, and where it points.
    async fn aliases(&self, name: &ModelName) -> Result<Vec<(String, u64)>>;

    /// Where an alias points; `None` when nowhere.
    async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>>;

    /// Moves an alias from where it is expected; false when it points elsewhere.
    async fn set_alias(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
        expected: Option<u64>,
    ) -> Result<bool>;

    /// Where an alias pointed before its last move.
    async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>>;

    /// The versions that an alias pointed to at `since` or later; ascending.
    async fn holders(
        &self,
        name: &ModelName,
        alias: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Holder>>;

    /// Whether an alias ever pointed to a version.
    async fn ever_held(&self, name: &ModelName, alias: &str, version: u64) -> Result<bool>;
}

/// Runs and versions as people look at them.
#[async_trait]
pub(super) trait Views: Send + Sync {
    /// The runs that began last, the newest first: those about a model, or all.
    async fn runs(&self, model: Option<&ModelName>, limit: usize) -> Result<Vec<RunView>>;

    /// A run by its id; `None` when it is gone.
    async fn view(&self, id: &str) -> Result<Option<RunView>>;

    /// The page of a version; `None` where there are no pages.
    fn version_url(&self, name: &ModelName, version: u64) -> Option<String>;
}
