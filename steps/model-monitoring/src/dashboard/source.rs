//! Where the profiles come from: Postgres, or the results in the object store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use common::layout;
use common::manifest::{self, File, ModelManifest, ResultsManifest};
use common::postgres::{CountedDay, Predicted, PublishedSet, Reader};
use common::profiles::{Baseline, StoredProfile};
use common::store::Store;
use futures::{StreamExt, TryStreamExt};

use super::Choice;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;
/// Objects that are kept once they were read; they never change.
const KEPT: usize = 4_096;
/// Sets of results that are looked up in the ledger.
const SETS: usize = 5_000;

/// What one model version scored of one data version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scored {
    pub(crate) model_name: String,
    pub(crate) model_version: u64,
    pub(crate) data_version: String,
    pub(crate) first: Option<NaiveDate>,
    pub(crate) last: Option<NaiveDate>,
    pub(crate) rows: u64,
    pub(crate) unscored_rows: u64,
    /// When, as far as it is known.
    pub(crate) scored_at: Option<DateTime<Utc>>,
    pub(crate) workflow: Option<String>,
}

/// The profiles of a model version, with what they are counted by.
pub(crate) struct Counted {
    pub(crate) baseline: Arc<Baseline>,
    pub(crate) days: Vec<CountedDay>,
}

pub(crate) enum Source {
    Database(Box<Reader>),
    Store(Box<Results>),
}

impl Source {
    pub(crate) fn database(reader: Reader) -> Self {
        Self::Database(Box::new(reader))
    }

    pub(crate) fn store(store: Store, timezone: Tz) -> Self {
        Self::Store(Box::new(Results {
            store,
            timezone,
            manifests: Kept::new(),
            baselines: Kept::new(),
            profiles: Kept::new(),
        }))
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Database(reader) => format!("{} of {}", reader.table(), reader.place()),
            Self::Store(results) => format!("the results in {}", results.store.url()),
        }
    }

    /// Whether labels that came later are in the profiles.
    pub(crate) fn knows_late_labels(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    /// Asks for an answer.
    pub(crate) async fn check(&self) -> Result<()> {
        match self {
            Self::Database(reader) => reader.check().await,
            // There need be none: the answer is what counts.
            Self::Store(results) => results.store.head("_attempts").await.map(drop),
        }
    }

    /// All that was scored, the newest last.
    pub(crate) async fn scored(&self) -> Result<Vec<Scored>> {
        let mut scored = match self {
            Self::Store(results) => results.manifests().await?.iter().map(|results| of_manifest(results)).collect(),
            Self::Database(reader) => {
                let published = reader.published(SETS).await?;
                reader
                    .versions()
                    .await?
                    .into_iter()
                    .map(|version| {
                        let is = |set: &&PublishedSet| {
                            (&set.model_name, set.model_version, &set.data_version)
                                == (&version.model_name, version.model_version, &version.data_version)
                        };
                        let set = published.iter().find(is);
                        Scored {
                            scored_at: set.map(|set| set.scored_at),
                            workflow: set.map(|set| set.workflow.clone()),
                            model_name: version.model_name,
                            model_version: version.model_version,
                            data_version: version.data_version,
                            first: version.first,
                            last: version.last,
                            rows: version.rows,
                            unscored_rows: version.unscored_rows,
                        }
                    })
                    .collect::<Vec<_>>()
            }
        };
        scored.sort_by(|a, b| {
            let key = |of: &Scored| (of.scored_at, of.last, of.model_version);
            (&a.model_name, key(a)).cmp(&(&b.model_name, key(b))).then_with(|| a.data_version.cmp(&b.data_version))
        });
        Ok(scored)
    }

    /// The profiles of a model version that a choice is about; `None` when it scored nothing.
    pub(crate) async fn counted(&self, model: &str, version: u64, choice: &Choice) -> Result<Option<Counted>> {
        match self {
            Self::Database(reader) => {
                let found = reader.days(model, version, choice.data.as_deref(), choice.from, choice.to).await?;
                Ok(found.map(|(baseline, days)| Counted { baseline, days }))
            }
            Self::Store(results) => results.counted(model, version, choice).await,
        }
    }

    /// The predictions of one id; `None` where they are not in a database.
    pub(crate) async fn predictions(&self, id: &str) -> Result<Option<Predicted>> {
        match self {
            Self::Database(reader) => reader.predictions(id).await,
            Self::Store(_) => Ok(None),
        }
    }
}

fn of_manifest(results: &ResultsManifest) -> Scored {
    let days = || results.profiles.iter().filter_map(|profile| layout::profile_day(&profile.key));
    Scored {
        model_name: results.model_name.to_string(),
        model_version: results.model_version,
        data_version: results.data_version.to_string(),
        first: days().min(),
        last: days().max(),
        rows: results.rows,
        unscored_rows: results.unscored_rows,
        scored_at: Some(results.header.created_at),
        workflow: Some(results.header.workflow.clone()),
    }
}

/// What was read of objects that never change, by what tells one from another. It forgets all when it is full.
struct Kept<T>(Mutex<HashMap<String, Arc<T>>>);

impl<T> Kept<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    async fn get(&self, key: &str, read: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let find = || self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(found) = find() {
            return Ok(found);
        }
        let value = Arc::new(read.await?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key.to_owned(), value.clone());
        Ok(value)
    }
}

/// Results in the object store.
pub(crate) struct Results {
    store: Store,
    timezone: Tz,
    manifests: Kept<ResultsManifest>,
    baselines: Kept<Baseline>,
    profiles: Kept<StoredProfile>,
}

impl Results {
    async fn manifests(&self) -> Result<Vec<Arc<ResultsManifest>>> {
        let objects = self.store.glob(layout::ALL_RESULTS).await?;
        let read = objects.iter().map(|object| async move {
            let name = format!("{} {}", object.key, object.stamp);
            self.manifests.get(&name, manifest::require(&self.store, &object.key)).await
        });
        futures::stream::iter(read).buffered(AT_ONCE).try_collect().await
    }

    async fn counted(&self, model: &str, version: u64, choice: &Choice) -> Result<Option<Counted>> {
        let mut of_version = self.manifests().await?;
        of_version.retain(|results| results.model_name.to_string() == model && results.model_version == version);
        let Some(newest) = of_version.iter().max_by_key(|results| results.header.created_at).cloned() else {
            return Ok(None);
        };
        let baseline = self.baselines.get(&newest.model, self.baseline(&newest.model)).await?;
        of_version.retain(|results| choice.data.as_ref().is_none_or(|data| *data == results.data_version.to_string()));
        let files: Vec<(String, &File)> = of_version
            .iter()
            .flat_map(|results| results.profiles.iter().map(|file| (results.data_version.to_string(), file)))
            .filter(|(_, file)| choice.holds(layout::profile_day(&file.key)))
            .collect();
        let read = files.into_iter().map(|(data_version, file)| {
            let baseline = &baseline;
            async move {
                let stored = self.profiles.get(&file.sha256, self.store.require_json(&file.key)).await?;
                // One that was counted by other cells can't be added.
                let fits = stored.model == baseline.model && stored.profile.is_sound(baseline);
                anyhow::Ok(fits.then(|| CountedDay { data_version, day: stored.day, profile: stored.profile.clone() }))
            }
        });
        let days: Vec<Option<CountedDay>> = futures::stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        let mut days: Vec<CountedDay> = days.into_iter().flatten().collect();
        days.sort_by(|a, b| (a.day, &a.data_version).cmp(&(b.day, &b.data_version)));
        Ok(Some(Counted { baseline, days }))
    }

    async fn baseline(&self, model: &str) -> Result<Baseline> {
        let model: ModelManifest = manifest::require(&self.store, model).await.context("reading the model")?;
        model.load_baseline(&self.store, self.timezone).await
    }
}
