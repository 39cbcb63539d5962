//! Rows to train on that were scored, and whose labels have come since.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use catalog::layout::{self, DataVersion, ModelName};
use catalog::manifest::{self, DatasetManifest, File, RawShard, ResultsManifest};
use catalog::results;
use chrono::{Days, NaiveDate};
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::threads::wait;
use serde::{Deserialize, Serialize};
use store::{Object, Store, digest};
use table::config::Config;
use table::labels::{self, HeldLabels};

use crate::PlanArgs;
use crate::done::Done;

const SOURCE: &str = "--train-source=scored-and-labelled";

/// Where the labels of rows to train on are, and the files that the rows are from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scored {
    /// Label files in the order in which they count.
    pub(crate) labels: Vec<File>,
    /// Digests of the raw files as they were scored, by key.
    pub(crate) contents: BTreeMap<String, String>,
    /// What a person should know of the choice of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

impl Scored {
    /// The files that this model name has scored `label_delay` days before the date of the data
    /// version or earlier, in the order of their names, and all label files. A file that was scored
    /// several times counts once, as it was scored last.
    ///
    /// # Errors
    /// A data version that is no date, no such file, and no label file:
    /// exit 2 with what to do.
    pub(crate) async fn find(
        step: &Step,
        store: &Store,
        raw: &Store,
        args: &PlanArgs,
        version: &DataVersion,
    ) -> Result<(Self, Vec<Object>)> {
        let name = args.model_name.clone();
        let missing = || Failure::usage(format!("--model-name is missing: {FOR_SCORED}"));
        let name = name.ok_or_else(missing)?;
        let last = last_date(args, version)?;
        let found = of_model(store, &name, last).await?;
        let mut warnings = Vec::new();
        let chosen: Vec<RawShard> = found.files.into_values().collect();
        let at_raw = raw.clone();
        let is_there = move |file: RawShard| {
            let found = wait(at_raw.head(&file.key))?;
            Ok((file, found.is_some()))
        };
        let looked = step.each(chosen, is_there).await?;
        let gone = looked.iter().filter(|(_, is_there)| !is_there).count();
        let files: Vec<RawShard> = looked
            .into_iter()
            .filter_map(|(file, is_there)| is_there.then_some(file))
            .collect();
        if files.is_empty() {
            return Err(Failure::usage(format!(
                "{name} has scored no raw file by {last} that is still in {}, and {SOURCE} trains on \
                 such files: {} data sets were scored later or are named by no date, and {gone} files \
                 are gone; score some with alameda-inference under a date first, wait, or lower \
                 --label-delay (LABEL_DELAY)",
                raw.url(),
                found.passed_over
            )));
        }
        if gone > 0 {
            warnings.push(format!(
                "{gone} raw files that {name} has scored are gone from the raw store, and \
                 their rows are not used for training"
            ));
        }
        if found.passed_over > 0 {
            tracing::info!(
                data_sets = found.passed_over,
                "{} scored data sets are later than {last} or named by no date, and left out",
                found.passed_over
            );
        }
        let scored = Self {
            labels: label_files(step, raw, args).await?,
            contents: files
                .iter()
                .map(|file| (file.key.clone(), file.sha256.clone()))
                .collect(),
            warnings,
        };
        let object = |file: RawShard| Object {
            key: file.key,
            bytes: file.bytes,
            stamp: file.stamp,
        };
        Ok((scored, files.into_iter().map(object).collect()))
    }

    /// Those of a data set that is prepared once more; `None` where its rows came with labels.
    pub(crate) fn again(data: &DatasetManifest) -> Option<Self> {
        (!data.labels.is_empty()).then(|| Self {
            labels: data.labels.clone(),
            contents: BTreeMap::new(),
            warnings: Vec::new(),
        })
    }

    /// A digest of the label files and of their order.
    pub(crate) fn labels_digest(&self) -> Result<String> {
        let files = self.labels.iter();
        let files: Vec<_> = files.map(|file| (&file.key, &file.sha256)).collect();
        Ok(digest::of_json(&files)?)
    }

    /// Sorts the labels, to be joined with rows, by the pinned configuration with this digest.
    ///
    /// # Errors
    /// A label file that is not what it was when it was planned: exit 2. One that breaks the
    /// contract: exit 10, with file and row.
    pub(crate) async fn read(
        &self,
        step: &Step,
        store: &Store,
        raw: &Store,
        config: &str,
    ) -> Result<HeldLabels> {
        let config = Config::load(store, config).await?;
        let files = self.labels.iter();
        let files = files.map(|file| (file.key.clone(), file.sha256.clone()));
        let raw = raw.clone();
        let open = move |key: &str| {
            let gone = || {
                Failure::usage(format!(
                    "the label file {key} is gone from {} since it was planned: restore it, or \
                     submit a new workflow",
                    raw.url()
                ))
            };
            wait(raw.find_file(key))?.ok_or_else(gone)
        };
        HeldLabels::read(step, &config.dataset, files.collect(), open).await
    }

    /// What to say of files whose rows all lack a label.
    pub(crate) fn without_labels(&self, done: &[Done]) -> Option<String> {
        const SHOWN: usize = 4;
        let none =
            |done: &&Done| done.bad.is_none() && done.rows() == 0 && done.left_out.unlabelled > 0;
        let none: Vec<&str> = done
            .iter()
            .filter(none)
            .map(|of| of.raw.key.as_str())
            .collect();
        if none.is_empty() {
            return None;
        }
        let more = match none.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "no row of {} scored files has a label yet: {}{more}",
            none.len(),
            none[..none.len().min(SHOWN)].join(", ")
        ))
    }
}

/// Who gives the model name.
const FOR_SCORED: &str = "--train-source=scored-and-labelled trains on the rows that it has scored";

/// The last date of scoring whose labels have come.
pub(crate) fn last_date(args: &PlanArgs, version: &DataVersion) -> Result<NaiveDate> {
    let days = args.preparation.label_delay;
    let date = date_of(&version.to_string()).ok_or_else(|| {
        Failure::usage(format!(
            "{SOURCE} takes rows that were scored {days} days (LABEL_DELAY) before the date of the \
             data version or earlier, and {version} is not a date: use a date as its name, such as 2026-11-23"
        ))
    })?;
    date.checked_sub_days(Days::new(days))
        .with_context(|| format!("{days} days before {date}"))
}

/// The date that a data version is named by.
pub(crate) fn date_of(data_version: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(data_version, "%Y-%m-%d").ok()
}

struct OfModel {
    /// Raw files by key, as they were scored last.
    files: BTreeMap<String, RawShard>,
    /// Data sets that are too late, or named by no date.
    passed_over: usize,
}

async fn of_model(store: &Store, name: &ModelName, last: NaiveDate) -> Result<OfModel> {
    let mut found = OfModel {
        files: BTreeMap::new(),
        passed_over: 0,
    };
    let mut passed_over = BTreeSet::new();
    let mut dated = Vec::new();
    for key in results::keys(store, name).await? {
        let version = layout::parse_results_manifest(&key).map(|(version, _)| version.to_owned());
        match version.as_deref().and_then(date_of) {
            Some(date) if date <= last => {
                let results: ResultsManifest = manifest::require(store, &key).await?;
                let scored = (date, results.header.created_at, results.model_version);
                dated.push((scored, results.shards));
            }
            _ => drop(passed_over.insert(version)),
        }
    }
    dated.sort_by_key(|(scored, _)| *scored);
    for (_, shards) in dated {
        for file in shards {
            found.files.insert(file.key.clone(), file);
        }
    }
    found.passed_over = passed_over.len();
    Ok(found)
}

async fn label_files(step: &Step, raw: &Store, args: &PlanArgs) -> Result<Vec<File>> {
    let glob = &args.labels.labels_glob;
    let files = labels::find(raw, glob).await?;
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "no label file matches {glob} in {}, and {SOURCE} takes labels from there: put them \
             there, or set --labels-glob (LABELS_GLOB)",
            raw.url()
        )));
    }
    let raw = raw.clone();
    let hash = move |file: Object| {
        let hashed = wait(raw.file(&file.key))?.hash()?;
        Ok(File {
            key: file.key,
            bytes: hashed.bytes,
            sha256: hashed.sha256,
        })
    };
    step.each(files, hash).await
}
