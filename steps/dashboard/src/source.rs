//! Where the profiles come from: Postgres, or the results in the object store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use catalog::layout;
use catalog::manifest::{self, File, ModelManifest, ResultsManifest};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use database::{CountedDay, CountedDays, Predicted, PublishedSet, Reader};
use futures::{StreamExt, TryStreamExt};
use profile::profiles::{Baseline, ReadProfile};
use runtime::failure;
use store::Store;
use table::profiling::StoredProfile;

use super::Choice;
use super::choice::Wanted;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;
/// Bytes of objects that a cache keeps at most.
const CACHE_BYTES: u64 = 64 << 20;
/// What a baseline takes, about.
const BASELINE: u64 = 1 << 20;
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
    /// The last day that is not after the one of scoring.
    pub(crate) up_to: Option<NaiveDate>,
    pub(crate) rows: u64,
    pub(crate) unscored_rows: u64,
    /// When, as far as it is known.
    pub(crate) scored_at: Option<DateTime<Utc>>,
    pub(crate) workflow: Option<String>,
    /// What was read of it, where that is the source.
    pub(crate) results: Option<Arc<ResultsManifest>>,
}

/// All that was scored, by the name of the model, the newest of each last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AllScored {
    pub(crate) scored: Vec<Scored>,
    /// Why a set of results is not among them, one line each.
    pub(crate) unreadable: Vec<String>,
}

impl AllScored {
    /// Of all models together, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<&Scored> {
        let mut scored: Vec<&Scored> = self.scored.iter().collect();
        scored.sort_by_key(|of| std::cmp::Reverse((of.scored_at, of.last)));
        scored
    }
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
            manifests: Cache::new(),
            baselines: Cache::new(),
            profiles: Cache::new(),
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

    /// All that was scored.
    pub(crate) async fn scored(&self) -> Result<AllScored> {
        let mut all = match self {
            Self::Store(results) => {
                let (manifests, unreadable) = results.manifests().await?;
                AllScored {
                    scored: manifests
                        .into_iter()
                        .map(|manifest| of_manifest(manifest, results.timezone))
                        .collect(),
                    unreadable,
                }
            }
            Self::Database(reader) => {
                let mut published: HashMap<_, PublishedSet> = HashMap::new();
                for set in reader.published(SETS).await? {
                    // The newest comes first.
                    published
                        .entry((
                            set.model_name.clone(),
                            set.model_version,
                            set.data_version.clone(),
                        ))
                        .or_insert(set);
                }
                let scored = reader
                    .versions()
                    .await?
                    .into_iter()
                    .map(|version| {
                        let key = (
                            version.model_name.clone(),
                            version.model_version,
                            version.data_version.clone(),
                        );
                        let set = published.get(&key);
                        Scored {
                            scored_at: set.map(|set| set.scored_at),
                            workflow: set.map(|set| set.workflow.clone()),
                            results: None,
                            model_name: version.model_name,
                            model_version: version.model_version,
                            data_version: version.data_version,
                            first: version.first,
                            last: version.last,
                            up_to: version.up_to,
                            rows: version.rows,
                            unscored_rows: version.unscored_rows,
                        }
                    })
                    .collect();
                AllScored {
                    scored,
                    unreadable: Vec::new(),
                }
            }
        };
        all.scored.sort_by(|a, b| {
            let key = |of: &Scored| (of.scored_at, of.last, of.model_version);
            (&a.model_name, key(a))
                .cmp(&(&b.model_name, key(b)))
                .then_with(|| a.data_version.cmp(&b.data_version))
        });
        Ok(all)
    }

    /// The profiles of a model version that a choice is about, of what the model scored; `None`
    /// when that version scored nothing.
    pub(crate) async fn counted(
        &self,
        model: &str,
        version: u64,
        scored: &[Scored],
        choice: &Choice,
    ) -> Result<Option<CountedDays>> {
        match self {
            Self::Database(reader) => {
                reader
                    .days(
                        model,
                        version,
                        choice.data.as_deref(),
                        choice.from,
                        choice.to,
                    )
                    .await
            }
            Self::Store(results) => results.counted(version, scored, choice).await,
        }
    }

    /// The predictions of a key; `None` where they are not in a database.
    pub(crate) async fn predictions(&self, wanted: &Wanted) -> Result<Option<Predicted>> {
        match self {
            Self::Database(reader) => {
                let table = wanted.table.as_deref();
                reader.predictions(table, &wanted.values).await
            }
            Self::Store(_) => Ok(None),
        }
    }

    /// Names of the tables of predictions; none where they are not in a database.
    pub(crate) fn tables(&self) -> Vec<String> {
        match self {
            Self::Database(reader) => reader.tables(),
            Self::Store(_) => Vec::new(),
        }
    }
}

fn of_manifest(results: Arc<ResultsManifest>, timezone: Tz) -> Scored {
    let scored_at = results.header.created_at;
    let scored_on = scored_at.with_timezone(&timezone).date_naive();
    let days = || {
        results
            .profiles
            .iter()
            .filter_map(|profile| layout::profile_day(&profile.key))
    };
    Scored {
        model_name: results.model_name.to_string(),
        model_version: results.model_version,
        data_version: results.data_version.to_string(),
        first: days().min(),
        last: days().max(),
        up_to: days().filter(|day| *day <= scored_on).max(),
        rows: results.rows,
        unscored_rows: results.unscored_rows,
        scored_at: Some(scored_at),
        workflow: Some(results.header.workflow.clone()),
        results: Some(results),
    }
}

/// Objects that were read and never change, by a name that identifies each. One that does not fit
/// displaces others.
struct Cache<T>(Mutex<Objects<T>>);

struct Objects<T> {
    /// Each with how large it is.
    by_name: HashMap<String, (Arc<T>, u64)>,
    bytes: u64,
}

impl<T> Cache<T> {
    fn new() -> Self {
        Self(Mutex::new(Objects {
            by_name: HashMap::new(),
            bytes: 0,
        }))
    }

    /// `bytes` is how large the object is.
    async fn get(
        &self,
        key: &str,
        bytes: u64,
        read: impl Future<Output = Result<T>>,
    ) -> Result<Arc<T>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = lock().by_name.get(key).map(|(value, _)| value.clone());
        if let Some(found) = found {
            return Ok(found);
        }
        let value = Arc::new(read.await?);
        let mut cached = lock();
        while cached.bytes + bytes > CACHE_BYTES
            && let Some(other) = cached.by_name.keys().next().cloned()
        {
            cached.bytes -= cached.by_name.remove(&other).map_or(0, |(_, bytes)| bytes);
        }
        if bytes <= CACHE_BYTES
            && cached
                .by_name
                .insert(key.to_owned(), (value.clone(), bytes))
                .is_none()
        {
            cached.bytes += bytes;
        }
        Ok(value)
    }
}

/// Results in the object store.
pub(crate) struct Results {
    store: Store,
    timezone: Tz,
    manifests: Cache<ResultsManifest>,
    baselines: Cache<Baseline>,
    profiles: Cache<StoredProfile<ReadProfile>>,
}

impl Results {
    /// The manifests of all results, and why others can't be read.
    async fn manifests(&self) -> Result<(Vec<Arc<ResultsManifest>>, Vec<String>)> {
        let objects = self.store.glob(layout::ALL_RESULTS).await?;
        let read = objects.iter().map(|object| async move {
            let name = format!("{} {}", object.key, object.stamp);
            let read = manifest::require(&self.store, &object.key);
            self.manifests
                .get(&name, object.bytes, read)
                .await
                .map_err(|error| (&object.key, error))
        });
        let (mut manifests, mut unreadable) = (Vec::new(), Vec::new());
        for read in futures::stream::iter(read)
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
        {
            match read {
                Ok(manifest) => manifests.push(manifest),
                // A service that is away is no fault of one object.
                Err((_, error)) if failure::exit_code(&error) == failure::UNAVAILABLE => {
                    return Err(error);
                }
                // It was deleted since it was listed.
                Err((key, _)) if self.store.head(key).await?.is_none() => {}
                Err((_, error)) => unreadable.push(format!("{error:#}")),
            }
        }
        Ok((manifests, unreadable))
    }

    async fn counted(
        &self,
        version: u64,
        scored: &[Scored],
        choice: &Choice,
    ) -> Result<Option<CountedDays>> {
        let of_version = scored.iter().filter(|of| of.model_version == version);
        let mut of_version: Vec<&ResultsManifest> =
            of_version.filter_map(|of| of.results.as_deref()).collect();
        let Some(newest) = of_version
            .iter()
            .max_by_key(|results| results.header.created_at)
        else {
            return Ok(None);
        };
        let baseline = self
            .baselines
            .get(&newest.model, BASELINE, self.baseline(&newest.model))
            .await?;
        of_version.retain(|results| {
            choice
                .data
                .as_ref()
                .is_none_or(|data| *data == results.data_version.to_string())
        });
        let files: Vec<(String, &File)> = of_version
            .iter()
            .flat_map(|results| {
                results
                    .profiles
                    .iter()
                    .map(|file| (results.data_version.to_string(), file))
            })
            .filter(|(_, file)| choice.holds(layout::profile_day(&file.key)))
            .collect();
        let read = files.into_iter().map(|(data_version, file)| async move {
            let stored = self
                .profiles
                .get(&file.sha256, file.bytes, self.store.require_json(&file.key))
                .await?;
            anyhow::Ok((data_version, stored))
        });
        let all: Vec<(String, Arc<StoredProfile<ReadProfile>>)> = futures::stream::iter(read)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut found = CountedDays {
            baseline,
            days: Vec::new(),
            left_out_rows: 0,
        };
        for (data_version, stored) in all {
            match stored.of(&found.baseline) {
                Some(profile) => found.days.push(CountedDay {
                    data_version,
                    day: stored.day,
                    profile,
                }),
                None => found.left_out_rows += stored.rows as u64,
            }
        }
        found
            .days
            .sort_by(|a, b| (a.day, &a.data_version).cmp(&(b.day, &b.data_version)));
        Ok(Some(found))
    }

    async fn baseline(&self, model: &str) -> Result<Baseline> {
        let model: ModelManifest = manifest::require(&self.store, model)
            .await
            .context("reading the model")?;
        model.load_baseline(&self.store, self.timezone).await
    }
}
