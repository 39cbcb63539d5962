//! Tracking in the object store: a JSON object per run, per version, and per move of an alias.
//!
//! Versions and moves are put create-only under the next number, so that whoever comes second sees
//! it and looks again.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    CHAMPION, Candidate, FINGERPRINT_TAG, Holder, MODEL_NAME_TAG, PREVIOUS_CHAMPION, RunRecord,
    RunSpec, Status, Version,
};
use catalog::layout::{self, ModelName};
use runtime::failure::Failure;
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

    pub(super) async fn find(&self, fingerprint: &str) -> Result<Option<RunRecord>> {
        let found: Option<RunRecord> = self.store.get_json(&layout::run(&id(fingerprint))).await?;
        Ok(found.filter(|record| {
            record
                .tags
                .get(FINGERPRINT_TAG)
                .is_some_and(|tag| tag == fingerprint)
        }))
    }

    /// A run by its id.
    pub(super) async fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        self.store.get_json(&layout::run(id)).await
    }

    /// The runs that began last, the newest first: those about a model, or all.
    pub(super) async fn runs(
        &self,
        model: Option<&ModelName>,
        limit: usize,
    ) -> Result<Vec<RunRecord>> {
        let mut runs: Vec<RunRecord> = Vec::new();
        for object in self.store.list(layout::RUNS).await? {
            runs.push(self.store.require_json(&object.key).await?);
        }
        runs.retain(|run| model.is_none() || run.model_name.as_ref() == model);
        runs.sort_by_key(|run| std::cmp::Reverse(run.start_time));
        runs.truncate(limit);
        Ok(runs)
    }

    /// The aliases that this program sets, and where they point.
    pub(super) async fn aliases(&self, name: &ModelName) -> Result<Vec<(String, u64)>> {
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

    /// Gives the run's id. It follows from the fingerprint, so that two who start the same run at
    /// once share it.
    pub(super) async fn reopen(&self, spec: &RunSpec, parent: Option<String>) -> Result<String> {
        let id = id(&spec.fingerprint);
        let before = self.find(&spec.fingerprint).await?;
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
            parent_run_id: parent,
            status: Status::Running,
            start_time: Utc::now(),
            end_time: None,
            params,
            metrics,
            tags,
            datasets,
        };
        self.store.put_json(&layout::run(&id), &record).await?;
        Ok(id)
    }

    pub(super) async fn update(&self, id: &str, change: impl FnOnce(&mut RunRecord)) -> Result<()> {
        let key = layout::run(id);
        let mut record: RunRecord = self.store.require_json(&key).await?;
        change(&mut record);
        self.store.put_json(&key, &record).await
    }

    pub(super) async fn register(&self, candidate: &Candidate<'_>) -> Result<Version> {
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

    pub(super) async fn versions(&self, name: &ModelName) -> Result<Vec<Version>> {
        let mut versions: Vec<Version> = Vec::new();
        for object in self.store.list(&layout::versions(name)).await? {
            versions.push(self.store.require_json(&object.key).await?);
        }
        versions.sort_by_key(|version| version.version);
        Ok(versions)
    }

    pub(super) async fn models(&self) -> Result<Vec<String>> {
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

    pub(super) async fn alias(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        Ok(self.held(name, alias).await?.version)
    }

    pub(super) async fn alias_before(&self, name: &ModelName, alias: &str) -> Result<Option<u64>> {
        Ok(self.held(name, alias).await?.before)
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

    pub(super) async fn set_alias(
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

    /// Moves are read from the last one back, until one that is older: what it moved to was held
    /// at that time.
    pub(super) async fn holders(
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

    pub(super) async fn ever_held(
        &self,
        name: &ModelName,
        alias: &str,
        version: u64,
    ) -> Result<bool> {
        for object in self.store.list(&layout::alias(name, alias)).await? {
            let past: Move = self.store.require_json(&object.key).await?;
            if past.version == version {
                return Ok(true);
            }
        }
        Ok(false)
    }
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
