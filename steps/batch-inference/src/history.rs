//! What the features of rows to score look back at: raw files of the training data and of what was
//! scored before, chosen once for each version of the model that scores.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use catalog::manifest::{self, DatasetManifest, ModelManifest, RawShard, ResultsManifest};
use catalog::results;
use catalog::selection::{History, HistoryFile, Selection};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use runtime::failure::Failure;
use runtime::step::{Cache, Step};
use runtime::threads::blocking;
use store::{Object, Store};
use table::config::Config;
use table::raw::files;
use table::raw::times::{self, Times};

use crate::request::Request;

/// Objects that are read or looked up at the same time.
const CONCURRENT: usize = 32;

/// The training data of a model whose features look at earlier rows; `None` for any other model.
///
/// # Errors
/// A manifest that is gone: exit 2.
pub(crate) async fn looked_back_at(
    store: &Store,
    config: &Config,
    model: &ModelManifest,
) -> Result<Option<[DatasetManifest; 2]>> {
    if config.dataset.lookback.is_none() {
        return Ok(None);
    }
    let train: DatasetManifest = manifest::require(store, &model.train_manifest).await?;
    if train.header.inputs.get(DatasetManifest::WINDOWS).is_none() {
        return Ok(None);
    }
    let holdout = manifest::require(store, &model.holdout_manifest).await?;
    Ok(Some([train, holdout]))
}

/// What history is chosen by.
pub(crate) struct Needs<'a> {
    pub(crate) step: &'a Step,
    pub(crate) store: &'a Store,
    pub(crate) raw: &'a Store,
    pub(crate) request: &'a Request,
    pub(crate) config: &'a Config,
    /// The training data of the model, and its holdout.
    pub(crate) train: [DatasetManifest; 2],
}

/// A raw file that a manifest names.
struct Known {
    file: RawShard,
    data_set: DataSet,
}

/// Data sets, the one whose rows count before those of the others last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DataSet {
    Trained,
    /// Of no data set: nothing was scored of it yet.
    Unscored,
    /// When its rows were scored, and the key of the manifest.
    Scored(DateTime<Utc>, String),
}

impl Needs<'_> {
    /// The selection with its history: what was chosen before for the same files, or else what is
    /// chosen now.
    ///
    /// # Errors
    /// Raw files that are gone or not what they were when they were read: exit 2.
    pub(crate) async fn pin(&self, key: &str, selection: Selection) -> Result<Selection> {
        let is_of = |pinned: &Selection| pinned.shards == selection.shards;
        let before = match self.request.cache {
            Cache::Use => self.store.get_json::<Selection>(key).await?,
            Cache::Refresh => None,
        };
        let is_first = self.request.cache == Cache::Use && before.is_none();
        if let Some(before) = before.filter(is_of) {
            return Ok(before);
        }
        let chosen = Selection {
            history: Some(self.choose(&selection).await?),
            ..selection.clone()
        };
        if is_first && !self.store.put_json_new(key, &chosen).await? {
            let first: Selection = self.store.require_json(key).await?;
            if is_of(&first) {
                return Ok(first);
            }
        } else if is_first {
            return Ok(chosen);
        }
        self.store.put_json(key, &chosen).await?;
        Ok(chosen)
    }

    async fn choose(&self, selection: &Selection) -> Result<History> {
        let rows = match self.times(selection).await? {
            Times::None => return Ok(History::default()),
            Times::Within(rows) => Some(rows),
            Times::Unknown => None,
        };
        let lookback = self
            .config
            .dataset
            .lookback
            .context("windows have a limit")?;
        let lookback = TimeDelta::microseconds(lookback.micros());
        let from = rows.and_then(|rows| rows.first.checked_sub_signed(lookback));
        let overlaps = |file: &RawShard| match (file.time, rows) {
            (Some(time), Some(rows)) => {
                time.first <= rows.last && from.is_none_or(|from: NaiveDateTime| from <= time.last)
            }
            _ => true,
        };
        let chosen: HashSet<&str> = selection.shards.iter().map(|file| &*file.key).collect();
        let mut known = self.known().await?;
        known.extend(self.unscored(selection, &known).await?);
        let mut by_key: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        for known in known {
            if !chosen.contains(&*known.file.key) && overlaps(&known.file) {
                by_key
                    .entry(known.file.key.clone())
                    .or_default()
                    .push(known);
            }
        }
        let found: Vec<(DataSet, HistoryFile)> = stream::iter(by_key.into_values())
            .map(|known| self.file(known))
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        let (mut files, mut sets): (Vec<_>, Vec<_>) = (found, Vec::new());
        files.sort_by(|(a, one), (b, other)| (b, &one.key).cmp(&(a, &other.key)));
        let files = files.into_iter().map(|(data_set, file)| {
            if sets.last() != Some(&data_set) {
                sets.push(data_set);
            }
            HistoryFile {
                data_set: sets.len() - 1,
                ..file
            }
        });
        Ok(History {
            files: files.collect(),
            rows,
            from,
        })
    }

    /// The times of the rows to score.
    async fn times(&self, selection: &Selection) -> Result<Times> {
        let (dataset, work) = (&self.config.dataset, self.step.work());
        let times: Vec<Times> = stream::iter(&selection.shards)
            .map(|file| times::times(self.raw, file, dataset, work))
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        let of_all = times.iter().copied().fold(Times::None, Times::with);
        if of_all == Times::Unknown {
            let unknown = selection.shards.iter().zip(&times);
            let unknown = unknown.filter(|(_, times)| **times == Times::Unknown);
            let unknown: Vec<&str> = unknown.map(|(file, _)| &*file.key).collect();
            tracing::warn!(
                files = unknown.len(),
                first = unknown.first(),
                "the times of rows to score are not known, so all earlier raw files are read"
            );
        }
        Ok(of_all)
    }

    /// The raw files that manifests name: those trained on, and those scored under this name of a
    /// model. Times are those of rows that the contract of the model keeps, or else not known.
    async fn known(&self) -> Result<Vec<Known>> {
        let trained = self.train.iter().flat_map(|data| &data.shards);
        let mut known: Vec<Known> = trained
            .filter(|file| file.rows > 0)
            .map(|file| Known {
                file: file.clone(),
                data_set: DataSet::Trained,
            })
            .collect();
        let mut same = HashMap::new();
        for (key, scored) in self.scored().await? {
            let is_same = match same.get(&scored.model) {
                Some(&is_same) => is_same,
                None => {
                    let is_same = self.is_same_contract(&scored.model).await?;
                    same.insert(scored.model.clone(), is_same);
                    is_same
                }
            };
            let created_at = scored.header.created_at;
            for file in scored.shards {
                if is_same && file.rows == 0 {
                    continue;
                }
                known.push(Known {
                    file: RawShard {
                        time: file.time.filter(|_| is_same),
                        ..file
                    },
                    data_set: DataSet::Scored(created_at, key.clone()),
                });
            }
        }
        Ok(known)
    }

    /// All results of the model's name, by key.
    async fn scored(&self) -> Result<Vec<(String, ResultsManifest)>> {
        let keys = results::keys(self.store, &self.request.model_name).await?;
        let read: Vec<Option<_>> = stream::iter(keys)
            .map(async |key| {
                let found = manifest::read::<ResultsManifest>(self.store, &key).await?;
                anyhow::Ok(found.map(|found| (key, found)))
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Whether another version of the model reads raw files by the same contract, as far as is
    /// known.
    async fn is_same_contract(&self, model: &str) -> Result<bool> {
        let Some(model) = manifest::read::<ModelManifest>(self.store, model).await? else {
            return Ok(false);
        };
        if model.config == self.config.digest() {
            return Ok(true);
        }
        let other = Config::load(self.store, &model.config).await;
        Ok(other.is_ok_and(|other| other.files()[0] == self.config.files()[0]))
    }

    /// Raw files that lie where those to score lie, come before them by name, and are in no
    /// manifest: a night that failed, or that is scored after this one.
    async fn unscored(&self, selection: &Selection, known: &[Known]) -> Result<Vec<Known>> {
        let first = selection.shards.iter().map(|file| &file.key).min();
        let (Some(first), true) = (first, self.request.glob.contains(VERSION)) else {
            return Ok(Vec::new());
        };
        let glob = self.request.glob.replace(VERSION, "*");
        let found = files::find(self.raw, &glob, "--predict-glob (PREDICT_GLOB)").await?;
        let known: HashSet<&str> = known.iter().map(|known| &*known.file.key).collect();
        let others = found.files.into_iter();
        let others = others.filter(|file| file.key < *first && !known.contains(&*file.key));
        let others: Vec<Object> = others.collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.read_before().await?;
        let read = |file: &Object| {
            let is_same = |read: &&RawShard| read.bytes == file.bytes && read.stamp == file.stamp;
            read.get(&file.key).filter(is_same).cloned()
        };
        let unscored = others.into_iter().map(|file| Known {
            file: read(&file).unwrap_or_else(|| RawShard {
                key: file.key,
                bytes: file.bytes,
                stamp: file.stamp,
                ..RawShard::default()
            }),
            data_set: DataSet::Unscored,
        });
        Ok(unscored.collect())
    }

    /// Raw files that the rows scored last looked back at, with their times.
    async fn read_before(&self) -> Result<HashMap<String, RawShard>> {
        let name = &self.request.model_name;
        let predict = |_: &str, results: &ResultsManifest| results.predict_manifest.clone();
        let newest = results::newest(self.store, name, 1, predict).await?;
        let Some(key) = newest.first() else {
            return Ok(HashMap::new());
        };
        let prepared = manifest::read::<DatasetManifest>(self.store, key).await?;
        let prepared = prepared.filter(|prepared| prepared.config == self.config.digest());
        let history = prepared
            .map(|prepared| prepared.history)
            .unwrap_or_default();
        Ok(history
            .into_iter()
            .map(|file| (file.key.clone(), file))
            .collect())
    }

    /// A file as it is today, if it is what it was when it was read last.
    async fn file(&self, known: Vec<Known>) -> Result<(DataSet, HistoryFile)> {
        let key = known[0].file.key.clone();
        let newest = known.iter().map(|known| &known.data_set).max().cloned();
        let newest = newest.context("a file is of some data set")?;
        let Some(found) = self.raw.head(&key).await? else {
            return Err(Failure::usage(format!(
                "{key} is gone from {}, and rows to score look back at it, {}: restore it",
                self.raw.url(),
                where_from(&newest)
            )));
        };
        let of_size = known.iter().filter(|known| known.file.bytes == found.bytes);
        let is_as_it_was = of_size
            .clone()
            .find(|known| known.file.stamp == found.stamp);
        let sha256 = match is_as_it_was {
            Some(known) => known.file.sha256.clone(),
            None => {
                let file = self.raw.file(&key).await?;
                let sha256 = blocking(move || file.hash()).await?.sha256;
                if !of_size.clone().any(|known| known.file.sha256 == sha256) {
                    return Err(Failure::usage(format!(
                        "{key} in {} has changed since it was read, {}, and rows to score \
                         look back at it: restore the old file, or redo that with the present \
                         file: score the data version again with cache=refresh, or train a new \
                         model",
                        self.raw.url(),
                        where_from(&newest)
                    )));
                }
                sha256
            }
        };
        let file = HistoryFile {
            key,
            bytes: found.bytes,
            stamp: found.stamp,
            sha256,
            data_set: 0,
        };
        Ok((newest, file))
    }
}

/// Where the data version is in a pattern of names.
const VERSION: &str = "{data-version}";

fn where_from(data_set: &DataSet) -> String {
    match data_set {
        DataSet::Trained => "as training data".to_owned(),
        DataSet::Unscored => "to be scored".to_owned(),
        DataSet::Scored(_, key) => format!("for {key}"),
    }
}
