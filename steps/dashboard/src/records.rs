//! What is in the store beside the profiles: attempts of workflows and data sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use catalog::attempt::Attempt;
use catalog::layout::{self, DataVersion, ModelName, Split};
use catalog::manifest::{self, DatasetManifest, ModelManifest, ResultsManifest};
use chrono_tz::Tz;
use futures::{StreamExt, TryStreamExt};
use learn::metrics::Interval;
use learn::metrics::paired::Difference;
use learn::task::{Metric, Report};
use pages::content::{FirstReason, GateSegment, Segments};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::{Object, Store};
use tracking::Tracking;

use super::Scored;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;
/// Versions of a model whose verdicts are shown, the newest.
const JUDGED: usize = 10;
/// Records that are shown, the newest.
const SHOWN: usize = 200;

/// How workflows ended, the newest first, and how many more there are.
pub(crate) struct Attempted {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) more: usize,
}

/// What the gate said of a version, as its verdict is in the store.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) model_name: ModelName,
    pub(crate) promoted: bool,
    pub(crate) reason: String,
    pub(crate) comparison: String,
    #[serde(default)]
    gate: Asked,
    pub(crate) candidate: Judged,
    pub(crate) champion: Option<Judged>,
    /// The gate's metric of the candidate less that of the champion.
    #[serde(default)]
    pub(crate) difference: Option<Difference>,
    pub(crate) workflow: String,
    /// The segments of the holdout, where the gate looked at them.
    #[serde(default)]
    pub(crate) segments: Vec<GateSegment>,
}

/// What the gate asked of a version.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// Name of the metric that is compared.
    #[serde(default)]
    metric: String,
}

impl Verdict {
    /// The 95 % interval of the difference, within what the metric can differ by.
    pub(crate) fn interval(&self) -> Option<Interval> {
        let difference = self.difference?;
        let interval = difference.interval();
        Some(match Metric::named(&self.gate.metric) {
            Ok(metric) => metric.possible_difference(difference.value, interval),
            // Of a release that knew other metrics.
            Err(_) => interval,
        })
    }
}

/// One of the two models of a verdict.
#[derive(Debug, Deserialize)]
pub(crate) struct Judged {
    pub(crate) version: u64,
}

/// Data sets, the newest first, and how many more there are.
pub(crate) struct DataSets {
    pub(crate) sets: Vec<DataSet>,
    pub(crate) more: usize,
}

/// A data set, and the folder that it lies in.
pub(crate) struct DataSet {
    pub(crate) folder: String,
    pub(crate) manifest: DatasetManifest,
}

/// Keys of the reports that are committed.
pub(crate) struct Reports(BTreeSet<String>);

/// What a report says of parts of the rows, which profiles do not distinguish, and of reasons,
/// which they do not hold.
#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    pub(crate) data_version: DataVersion,
    pub(crate) segments: Segments,
    #[serde(default)]
    pub(crate) reasons: Vec<FirstReason>,
}

impl Reports {
    pub(crate) async fn list(store: &Store) -> Result<Self> {
        Ok(Self(
            store
                .glob(layout::ALL_REPORTS)
                .await?
                .into_iter()
                .map(|object| object.key)
                .collect(),
        ))
    }

    /// Whether there is one on what was scored.
    pub(crate) fn has(&self, scored: &Scored) -> bool {
        report_folder(scored).is_some_and(|folder| self.0.contains(&layout::report_json(&folder)))
    }
}

/// What is in each object that is still there, with its key.
async fn read<T: DeserializeOwned>(
    store: &Store,
    objects: Vec<Object>,
) -> Result<Vec<(String, T)>> {
    let read = objects.into_iter().map(|object| async move {
        anyhow::Ok(
            store
                .get_json::<T>(&object.key)
                .await?
                .map(|value| (object.key, value)),
        )
    });
    let all: Vec<Option<(String, T)>> = futures::stream::iter(read)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(all.into_iter().flatten().collect())
}

pub(crate) async fn attempted(store: &Store) -> Result<Attempted> {
    let objects = store.glob(layout::ALL_ATTEMPTS).await?;
    let mut attempts: Vec<Attempt> = read(store, objects)
        .await?
        .into_iter()
        .map(|(_, attempt)| attempt)
        .collect();
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.recorded_at));
    let more = attempts.len().saturating_sub(SHOWN);
    attempts.truncate(SHOWN);
    Ok(Attempted { attempts, more })
}

/// Verdicts on the newest versions of each model, the newest version first.
pub(crate) async fn verdicts(store: &Store, tracking: &Tracking) -> Result<Vec<Verdict>> {
    let mut versions = Vec::new();
    let names = tracking.models().await?;
    // Others than this program register models too, under other names.
    for name in names.iter().filter_map(|name| name.parse().ok()) {
        let known = tracking.versions(&name).await?;
        versions.extend(known.into_iter().rev().take(JUDGED));
    }
    let read = versions.into_iter().map(|version| async move {
        let Some((folder, _)) = version.model.rsplit_once('/') else {
            return Ok(Vec::new());
        };
        let objects = store.glob(&layout::verdicts(folder)).await?;
        let found = read::<Verdict>(store, objects).await?.into_iter();
        let mut found: Vec<(String, Verdict)> = found
            .filter(|(_, of)| of.candidate.version == version.version)
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        anyhow::Ok(found)
    });
    let all: Vec<Vec<(String, Verdict)>> = futures::stream::iter(read)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(all.into_iter().flatten().map(|(_, of)| of).collect())
}

pub(crate) async fn data_sets(store: &Store) -> Result<DataSets> {
    let mut sets = Vec::new();
    for split in [Split::Train, Split::Holdout, Split::Predict] {
        for (key, manifest) in read(store, store.glob(layout::all_datasets(split)).await?).await? {
            let folder = layout::dataset_of_manifest(&key).map(str::to_owned);
            sets.extend(folder.map(|folder| DataSet { folder, manifest }));
        }
    }
    sets.sort_by_key(|set| std::cmp::Reverse(set.manifest.header.created_at));
    let more = sets.len().saturating_sub(SHOWN);
    sets.truncate(SHOWN);
    Ok(DataSets { sets, more })
}

/// The data set in a folder; `None` where there is none.
pub(crate) async fn data_set(store: &Store, folder: &str) -> Result<Option<DataSet>> {
    let key = layout::manifest(folder);
    let Some(folder) = layout::dataset_of_manifest(&key) else {
        return Ok(None);
    };
    let found = manifest::read(store, &key).await?;
    Ok(found.map(|manifest| DataSet {
        folder: folder.to_owned(),
        manifest,
    }))
}

/// What the model reached on its holdout; `None` where its files are not in the store.
pub(crate) async fn holdout(store: &Store, scored: &Scored) -> Result<Option<Report>> {
    let results = match (&scored.results, results_key(scored)) {
        (Some(results), _) => Some(results.clone()),
        (None, Some(key)) => manifest::read::<ResultsManifest>(store, &key)
            .await?
            .map(Arc::new),
        (None, None) => None,
    };
    let Some(results) = results else {
        return Ok(None);
    };
    let Some(model) = manifest::read::<ModelManifest>(store, &results.model).await? else {
        return Ok(None);
    };
    let metrics = model.load_metrics(store).await?;
    Ok(Some(metrics.holdout))
}

/// What the report on `scored` says; `None` without one.
pub(crate) async fn reported(store: &Store, scored: &Scored) -> Result<Option<Reported>> {
    let Some(folder) = report_folder(scored) else {
        return Ok(None);
    };
    store.get_json(&layout::report_json(&folder)).await
}

/// The key of a report's page; `None` for names that are none.
pub(crate) fn report_page(
    data_version: &str,
    model_name: &str,
    model_version: u64,
) -> Option<String> {
    let (data_version, model_name) = names(data_version, model_name)?;
    Some(layout::report_html(&layout::report(
        &data_version,
        &model_name,
        model_version,
    )))
}

fn results_key(scored: &Scored) -> Option<String> {
    let (data_version, model_name) = names(&scored.data_version, &scored.model_name)?;
    Some(layout::manifest(&layout::scored(
        &data_version,
        &model_name,
        scored.model_version,
    )))
}

fn report_folder(scored: &Scored) -> Option<String> {
    let (data_version, model_name) = names(&scored.data_version, &scored.model_name)?;
    Some(layout::report(
        &data_version,
        &model_name,
        scored.model_version,
    ))
}

/// As they are in keys; `None` for names that were not made by this program.
fn names(data_version: &str, model_name: &str) -> Option<(DataVersion, ModelName)> {
    Some((
        DataVersion::parse(data_version, Tz::UTC).ok()?,
        model_name.parse().ok()?,
    ))
}
