//! Manifests: the commits of the object store. A step writes its objects, then one manifest as the
//! last put, and the next step reads only what a manifest lists.
//!
//! ```
//! use catalog::manifest::Inputs;
//!
//! // The same inputs have the same fingerprint, and so finished work is found again.
//! let committed = Inputs::new("data-prep", 2).with("data-version", "1").with("filter", "x > 0");
//! let again = Inputs::new("data-prep", 2).with("filter", "x > 0").with("data-version", "1");
//! assert_eq!(again.fingerprint(), committed.fingerprint());
//! // Others are refused with what differs.
//! let other = committed.clone().with("filter", "x > 1");
//! assert_ne!(other.fingerprint(), committed.fingerprint());
//! assert_eq!(other.differences(&committed), "\n  filter was x > 0, and is x > 1");
//! ```

mod commit;
mod left_out;
mod raw;
mod violation;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::layout::{DataVersion, ModelName, Split};
use runtime::step::Step;
use store::Object;
use store::digest;

pub use commit::{commit, read, require, reusable};
pub use left_out::LeftOut;
pub use raw::{Quarantined, RawShard, TimeRange};
pub use violation::Violation;

/// The format that this version of the code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What the names of raw files among inputs begin with.
const RAW: &str = "raw ";

/// What a result depends on, by name: arguments, digests of configurations, fingerprints of inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// Begins with the step's name and its own `ALGORITHM` number, which is raised whenever the
    /// same inputs would give other bytes.
    pub fn new(step: &str, algorithm: u32) -> Self {
        Self(BTreeMap::from([
            ("step".to_owned(), step.to_owned()),
            ("algorithm".to_owned(), algorithm.to_string()),
        ]))
    }

    /// Adds an input.
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.insert(name.into(), value.to_string());
        self
    }

    /// Adds raw files: key, size and stamp of each.
    pub fn with_raw<'a>(mut self, objects: impl IntoIterator<Item = &'a Object>) -> Self {
        for object in objects {
            self.0.insert(
                Self::raw_name(&object.key),
                format!("{} bytes, {}", object.bytes, object.stamp),
            );
        }
        self
    }

    /// The name of a raw file among inputs.
    pub fn raw_name(key: &str) -> String {
        format!("{RAW}{key}")
    }

    /// The raw files among them, by name, with what was known of each.
    pub fn raw(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (&**name, &**value));
        all.filter(|(name, _)| name.starts_with(RAW))
    }

    /// The value of an input.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The fingerprint: a digest of all names and values.
    #[expect(clippy::expect_used, reason = "no map of strings fails to become JSON")]
    pub fn fingerprint(&self) -> String {
        digest::of_json(&self.0).expect("a map of strings is JSON")
    }

    /// What differs from `committed`, a line each, at most eight.
    pub fn differences(&self, committed: &Self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in &self.0 {
            match committed.0.get(name) {
                None => lines.push(format!("{name} is new")),
                Some(before) if before != value => lines.push(format!(
                    "{name} was {}, and is {}",
                    short(before),
                    short(value)
                )),
                Some(_) => {}
            }
        }
        lines.extend(
            committed
                .0
                .keys()
                .filter(|name| !self.0.contains_key(*name))
                .map(|name| format!("{name} is gone")),
        );
        let more = lines.len().saturating_sub(8);
        lines.truncate(8);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.iter().map(|line| format!("\n  {line}")).collect()
    }
}

/// A digest is shown by its first digits.
fn short(value: &str) -> &str {
    if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        &value[..12]
    } else {
        value
    }
}

/// What all manifests share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Fingerprint of `inputs`.
    pub fingerprint: String,
    /// What it was made from.
    pub inputs: Inputs,
    /// When it was committed first; kept on reuse and refresh.
    pub created_at: DateTime<Utc>,
    /// The workflow that committed it.
    pub workflow: String,
}

impl Header {
    /// Of a result that is about to be committed.
    pub fn new(inputs: Inputs, step: &Step) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            fingerprint: inputs.fingerprint(),
            inputs,
            // To the microsecond, as Postgres keeps it.
            created_at: DateTime::from_timestamp_micros(Utc::now().timestamp_micros())
                .unwrap_or_default(),
            workflow: step.workflow().to_owned(),
        }
    }
}

/// A manifest of any kind.
pub trait Manifest: Serialize + DeserializeOwned {
    /// What it is called in messages, such as `data set`.
    const KIND: &'static str;
    /// The shared part.
    fn header(&self) -> &Header;
    /// The shared part, to be changed.
    fn header_mut(&mut self) -> &mut Header;
    /// Objects that it refers to: key and size in bytes.
    fn objects(&self) -> Vec<(&str, u64)>;
}

/// A data file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Object key.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Digest of its content.
    pub sha256: String,
    /// Place of its shard among all shards.
    pub ordinal: usize,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Part of what names a row.
    Id,
    /// When the row was observed.
    Time,
    /// What is predicted.
    Target,
    /// What a row weighs in fits and in metrics.
    Weight,
    /// What it is predicted from.
    Feature,
    /// Kept out of everything.
    Ignored,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Time => "time",
            Self::Target => "target",
            Self::Weight => "weight",
            Self::Feature => "feature",
            Self::Ignored => "ignored",
        })
    }
}

/// A column of prepared data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name of the column.
    pub name: String,
    /// Its Arrow type, as Arrow prints it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Role of the column.
    pub role: Role,
}

/// A prepared data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetManifest {
    /// The shared part.
    #[serde(flatten)]
    pub header: Header,
    /// Name of the data set version.
    pub data_version: DataVersion,
    /// Which rows it holds.
    pub split: Split,
    /// Digest of the configuration (data contract and features) that prepared it.
    pub config: String,
    /// How the holdout was chosen: `first-shard`, `fraction=0.1`, `after=2024-10-01`; empty for
    /// predict data.
    pub holdout: String,
    /// Columns of every part.
    pub columns: Vec<Column>,
    /// Rows of all parts.
    pub rows: u64,
    /// Rows that have a label.
    pub labelled_rows: u64,
    /// The data, in the order of the shards.
    pub parts: Vec<Part>,
    /// Raw files that its rows come from.
    pub shards: Vec<RawShard>,
    /// Raw files that none of its rows is from, and that its rows were computed with: rows of them
    /// that were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<RawShard>,
    /// Files of late labels that its rows were joined with, in the order in which they count; empty
    /// for rows that came with their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<File>,
    /// Raw files that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Rows of the raw files that were left out; of training data, those of both splits.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// Rows to train on, taken all the same, whose windows reach back behind the earliest row.
    #[serde(default, skip_serializing_if = "left_out::is_zero")]
    pub short_history: u64,
    /// The values of aggregates over the rows to train on, which lie beside the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregates: Vec<File>,
    /// Rows that break the contract and were counted or quarantined; of training data, those of
    /// both splits, named in the manifest of the rows to train on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The files of quarantined rows with the reasons, in the order of the shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Part>,
    /// What a person should know of it, such as that the holdout is older than the rows to train
    /// on; empty when all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// The shared part.
    #[serde(flatten)]
    pub header: Header,
    /// Registered name of the model.
    pub model_name: ModelName,
    /// Digest of the configuration that prepared its training data; predict data is prepared with
    /// the same.
    pub config: String,
    /// The data set version that it was trained on.
    pub data_version: DataVersion,
    /// Key of the manifest of its training data.
    pub train_manifest: String,
    /// Key of the manifest of its holdout.
    pub holdout_manifest: String,
    /// Names of its features, in the model's order.
    pub features: Vec<String>,
    /// Its files: key, size and digest.
    pub files: Vec<File>,
    /// The tracking run that trained it.
    pub run_id: String,
    /// What a person should know of it, such as that its fit did not converge; empty when all is
    /// well.
    pub warnings: Vec<String>,
}

impl ModelManifest {
    /// The input that is the content of its training data.
    pub const TRAIN_DATA: &str = "train data";
    /// The input that is the content of its holdout.
    pub const HOLDOUT_DATA: &str = "holdout data";
}

/// A file beside a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Object key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Digest of its content.
    pub sha256: String,
}

/// Scored rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsManifest {
    /// The shared part; its `created_at` is when the rows were scored.
    #[serde(flatten)]
    pub header: Header,
    /// The data set version that was scored.
    pub data_version: DataVersion,
    /// Registered name of the model.
    pub model_name: ModelName,
    /// Version of the model.
    pub model_version: u64,
    /// Key of the model's manifest.
    pub model: String,
    /// Key of the manifest of the prepared rows.
    pub predict_manifest: String,
    /// Columns of every part.
    pub columns: Vec<Column>,
    /// Rows of all parts.
    pub rows: u64,
    /// Rows without a prediction, because a feature is missing or not finite.
    pub unscored_rows: u64,
    /// The data, in the order of the shards.
    pub parts: Vec<Part>,
    /// Profiles of the rows, one for each day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<File>,
    /// Raw files that were scored.
    pub shards: Vec<RawShard>,
    /// Raw files that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Rows of the raw files that were left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
}

impl DatasetManifest {
    /// The input that says that features look at earlier rows.
    pub const WINDOWS: &str = "windows";

    /// Without a column, a row or a file: whoever prepares it adds those that it has.
    pub fn empty(
        header: Header,
        data_version: DataVersion,
        split: Split,
        config: impl Into<String>,
    ) -> Self {
        Self {
            header,
            data_version,
            split,
            config: config.into(),
            holdout: String::new(),
            columns: Vec::new(),
            rows: 0,
            labelled_rows: 0,
            parts: Vec::new(),
            shards: Vec::new(),
            history: Vec::new(),
            labels: Vec::new(),
            quarantined: Vec::new(),
            left_out: LeftOut::default(),
            short_history: 0,
            aggregates: Vec::new(),
            violations: Vec::new(),
            quarantine: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A digest of what it was made from and of every part's content: what is made from its rows
    /// depends on this, since which files were left out, for one, is no input.
    pub fn content(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.sha256.as_str()).collect();
        digest::hex(format!("{} {}", self.header.fingerprint, parts.join(" ")).as_bytes())
    }
}

impl Manifest for DatasetManifest {
    const KIND: &'static str = "data set";
    fn header(&self) -> &Header {
        &self.header
    }
    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }
    fn objects(&self) -> Vec<(&str, u64)> {
        let aggregates = self.aggregates.iter();
        self.parts
            .iter()
            .chain(&self.quarantine)
            .map(|part| (part.key.as_str(), part.bytes))
            .chain(aggregates.map(|file| (file.key.as_str(), file.bytes)))
            .collect()
    }
}

impl Manifest for ModelManifest {
    const KIND: &'static str = "model";
    fn header(&self) -> &Header {
        &self.header
    }
    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }
    fn objects(&self) -> Vec<(&str, u64)> {
        self.files
            .iter()
            .map(|file| (file.key.as_str(), file.bytes))
            .collect()
    }
}

impl Manifest for ResultsManifest {
    const KIND: &'static str = "results";
    fn header(&self) -> &Header {
        &self.header
    }
    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }
    fn objects(&self) -> Vec<(&str, u64)> {
        let profiles = self
            .profiles
            .iter()
            .map(|profile| (profile.key.as_str(), profile.bytes));
        self.parts
            .iter()
            .map(|part| (part.key.as_str(), part.bytes))
            .chain(profiles)
            .collect()
    }
}

#[cfg(test)]
mod tests;
