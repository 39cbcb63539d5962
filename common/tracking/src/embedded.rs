//! Tracking in the object store: a JSON object per run, per version, and per move of an alias.
//!
//! Versions and moves are put create-only under the next number, so that the second to put one
//! sees it and looks again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::run::OpenRun;
use super::tracker::{Aliases, Files, Registry, Runs, Tracker, Views};
use super::{
    CHAMPION, Candidate, Dataset, FINGERPRINT_TAG, Holder, MODEL_NAME_TAG, Metric,
    PREVIOUS_CHAMPION, Point, RunRecord, RunSpec, RunView, Status, Table, Version,
};
use catalog::layout::{self, ModelName};
use runtime::failure::Failure;
use runtime::retry::Budget;
use store::Store;

/// Times that a number is taken by somebody else before it is called overload.
const ATTEMPTS: usize = 100;
/// Hexadecimal digits of a run's id, as many as MLflow's have.
const ID_DIGITS: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Embedded {
    store: Store,
}

/// One move of an alias.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    version: u64,
    before: Option<u64>,
    moved_at: DateTime<Utc>,
}

/// An alias as its last move left it.
#[derive(Default)]
struct Held {
    /// Number of the last move; 0 when there was none.
    sequence: u64,
    version: Option<u64>,
    /// Where it pointed before; `None` when it pointed nowhere.
    before: Option<u64>,
}

impl Embedded {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn update(&self, id: &str, change: impl FnOnce(&mut RunRecord) + Send) -> Result<()> {
        let key = layout::run(id);
        let mut record: RunRecord = self.store.require_json(&key).await?;
        change(&mut record);
        self.store.put_json(&key, &record).await
    }

    async fn held(&self, name: &ModelName, alias: &str) -> Result<Held> {
        let moves = self.store.list(&layout::alias(name, alias)).await?;
        let numbered = moves
            .iter()
            .filter_map(|object| Some((layout::number(&object.key)?, &object.key)));
        match numbered.max() {
            None => Ok(Held::default()),
            Some((sequence, key)) => {
                let last: Move = self.store.require_json(key).await?;
                Ok(Held {
                    sequence,
                    version: Some(last.version),
                    before: last.before,
                })
            }
        }
    }
}

impl Tracker for Embedded {
    /// Each call has the budget of the store.
    fn within(&self, _: Budget) -> Arc<dyn Tracker> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Runs for Embedded {
    async fn find_run(&self, _: &ModelName, fingerprint: &str) -> Result<Option<RunRecord>> {
        let found: Option<RunRecord> = self.store.get_json(&layout::run(&id(fingerprint))).await?;
        Ok(found.filter(|record| {
            record
                .tags
                .get(FINGERPRINT_TAG)
                .is_some_and(|tag| tag == fingerprint)
        }))
    }

    /// The id follows from the fingerprint, so that two who start the same run at
    /// once share it.
    async fn reopen(&self, spec: &RunSpec, parent: Option<&str>) -> Result<OpenRun> {
        let id = id(&spec.fingerprint);
        let before = self.find_run(&spec.model_name, &spec.fingerprint).await?;
        let (params, metrics, mut tags, datasets) = before
            .map(|record| (record.params, record.metrics, record.tags, record.datasets))
            .unwrap_or_default();
        tags.extend(spec.all_tags());
        let record = RunRecord {
            run_id: id.clone(),
            name: spec.name.clone(),
            model_name: spec
                .tags
                .contains_key(MODEL_NAME_TAG)
                .then(|| spec.model_name.clone()),
            parent_run_id: parent.map(str::to_owned),
            status: Status::Running,
            start_time: Utc::now(),
            end_time: None,
            params,
            metrics,
            tags,
            datasets,
        };
        self.store.put_json(&layout::run(&id), &record).await?;
        Ok(OpenRun::new(id, String::new(), BTreeSet::new()))
    }

    async fn close(&self, id: &str, status: Status) -> Result<()> {
        let end = |record: &mut RunRecord| {
            record.status = status;
            record.end_time = Some(Utc::now());
        };
        self.update(id, end).await
    }

    async fn log_params(&self, run: &OpenRun, params: BTreeMap<String, String>) -> Result<()> {
        self.update(&run.id, |record| record.params.extend(params))
            .await
    }

    /// Of a name that comes more than once, the last one is kept.
    async fn log_metrics(
        &self,
        run: &OpenRun,
        points: Vec<(String, Point)>,
        tags: BTreeMap<String, String>,
    ) -> Result<()> {
        let log = |record: &mut RunRecord| {
            for (name, Point { value, at, .. }) in points {
                let timestamp = DateTime::from_timestamp_millis(at).unwrap_or_default();
                record.metrics.insert(name, Metric { value, timestamp });
            }
            record.tags.extend(tags);
        };
        self.update(&run.id, log).await
    }

    async fn set_tags(&self, run: &OpenRun, tags: BTreeMap<String, String>) -> Result<()> {
        self.update(&run.id, |record| record.tags.extend(tags))
            .await
    }

    async fn log_datasets(&self, run: &OpenRun, datasets: &[Dataset]) -> Result<()> {
        self.update(&run.id, |record| record.datasets = datasets.to_vec())
            .await
    }
}

/// What a run made lies in this very store.
#[async_trait]
impl Files for Embedded {
    async fn log_tables(&self, _: &OpenRun, _: &[(&str, Table)]) -> Result<()> {
        Ok(())
    }

    async fn log_files(&self, _: &OpenRun, _: &str, _: &Store, _: &[&str]) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Registry for Embedded {
    async fn register(&self, candidate: &Candidate<'_>) -> Result<Version> {
        let Candidate {
            model_name: name,
            model,
            fingerprint,
            run_id,
            ..
        } = *candidate;
        for _ in 0..ATTEMPTS {
            let versions = self.versions(name).await?;
            let next = versions.last().map_or(1, |last| last.version + 1);
            if let Some(known) = versions
                .into_iter()
                .find(|known| known.fingerprint == fingerprint)
            {
                return Ok(known);
            }
            let version = Version {
                model_name: name.clone(),
                version: next,
                model: model.to_owned(),
                fingerprint: fingerprint.to_owned(),
                run_id: run_id.to_owned(),
                description: candidate.description.clone(),
                created_at: Utc::now(),
            };
            if self
                .store
                .put_json_new(&layout::version(name, next), &version)
                .await?
            {
                return Ok(version);
            }
        }
        Err(crowded(name, "versions"))
    }

    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let mut versions: Vec<Version> = Vec::new();
        for object in self.store.list(&layout::versions(name)).await? {
            versions.push(self.store.require_json(&object.key).await?);
        }
        versions.sort_by_key(|version| version.version);
        Ok(versions)
    }

    async fn version(&self, name: &ModelName, version: u64) -> Result<Option<Version>> {
        self.store.get_json(&layout::version(name, version)).await
    }

    async fn models(&self) -> Result<Vec<String>> {
        let objects = self.store.list(layout::REGISTRY).await?;
        let name = |key: &str| {
            key.strip_prefix(layout::REGISTRY)?
                .strip_prefix('/')?
                .split('/')
                .next()
                .map(str::to_owned)
        };
        let mut names: Vec<String> = objects
            .iter()
            .filter_map(|object| name(&object.key))
            .collect();
        names.dedup();
        Ok(names)
    }
}

#[async_trait]
impl Aliases for Embedded {
    /// Those that this program sets.
    async fn aliases(&self, name: &ModelName) -> Result<Vec<(String, u64)>> {
        let mut aliases = Vec::new();
        for alias in [CHAMPION, PREVIOUS_CHAMPION] {
            aliases.extend(
                self.alias(name, alias)
                    .await?
                    .map(|version| (alias.to_owned(), version)),
            );
        }
        Ok(aliases)
    }

    async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        Ok(self.held(name, alias).await?.version)
    }

    async fn set_alias(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
        expected: Option<u64>,
    ) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let held = self.held(name, alias).await?;
            if held.version != expected {
                return Ok(false);
            }
            if held.version == Some(version) {
                return Ok(true);
            }
            let key = layout::alias_move(name, alias, held.sequence + 1);
            let next = Move {
                version,
                before: held.version,
                moved_at: Utc::now(),
            };
            if self.store.put_json_new(&key, &next).await? {
                return Ok(true);
            }
        }
        Err(crowded(name, alias))
    }

    async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        Ok(self.held(name, alias).await?.before)
    }

    /// Moves are read from the last one back, until one that is older: what it moved to was held
    /// at that time.
    async fn holders(
        &self,
        name: &ModelName,
        alias: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Holder>> {
        let mut numbered: Vec<(u64, String)> = self
            .store
            .list(&layout::alias(name, alias))
            .await?
            .into_iter()
            .filter_map(|object| Some((layout::number(&object.key)?, object.key)))
            .collect();
        numbered.sort_unstable();
        let mut holders: BTreeMap<u64, Holder> = BTreeMap::new();
        let mut next: Option<Move> = None;
        for (_, key) in numbered.iter().rev() {
            let this: Move = self.store.require_json(key).await?;
            let version = this.version;
            // The last departure counts, and is seen first.
            holders.entry(version).or_insert_with(|| Holder {
                version,
                left: next.as_ref().map(|next| next.moved_at),
                to: next.as_ref().map(|next| next.version),
            });
            if this.moved_at < since {
                break;
            }
            next = Some(this);
        }
        Ok(holders.into_values().collect())
    }

    async fn ever_held(&self, name: &ModelName, alias: &str, version: u64) -> Result<bool> {
        for object in self.store.list(&layout::alias(name, alias)).await? {
            let past: Move = self.store.require_json(&object.key).await?;
            if past.version == version {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl Views for Embedded {
    async fn runs(&self, model: Option<&ModelName>, limit: usize) -> Result<Vec<RunView>> {
        let mut runs: Vec<RunRecord> = Vec::new();
        for object in self.store.list(layout::RUNS).await? {
            runs.push(self.store.require_json(&object.key).await?);
        }
        runs.retain(|run| model.is_none() || run.model_name.as_ref() == model);
        runs.sort_by_key(|run| std::cmp::Reverse(run.start_time));
        runs.truncate(limit);
        Ok(runs.into_iter().map(without_page).collect())
    }

    async fn view(&self, id: &str) -> Result<Option<RunView>> {
        let run = self.store.get_json(&layout::run(id)).await?;
        Ok(run.map(without_page))
    }

    fn version_url(&self, _: &ModelName, _: u64) -> Option<String> {
        None
    }
}

fn without_page(run: RunRecord) -> RunView {
    RunView { run, url: None }
}

fn id(fingerprint: &str) -> String {
    fingerprint.chars().take(ID_DIGITS).collect()
}

fn crowded(name: &ModelName, what: &str) -> anyhow::Error {
    Failure::Unavailable(format!(
        "too many steps change the {what} of model {name} at once; run this one again"
    ))
    .into()
}
