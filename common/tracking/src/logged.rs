//! What a run holds besides parameters and metrics: the data that it read, and tables.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use catalog::layout::ModelName;
use catalog::manifest::{Column, DatasetManifest, File, ResultsManifest};
use store::Store;

/// Data that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// What a person calls it, such as `train/25.05.1`.
    pub name: String,
    /// Digest of its content, in hexadecimal digits.
    pub digest: String,
    /// URL of its manifest.
    pub source: String,
    /// Columns of the data set.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: u64,
    /// What the run read it for, such as `training`.
    pub context: String,
}

impl Dataset {
    /// The prepared data whose manifest is at `key`.
    pub fn prepared(store: &Store, key: &str, manifest: &DatasetManifest, context: &str) -> Self {
        Self {
            name: format!("{}/{}", manifest.split, manifest.data_version),
            digest: manifest.content(),
            source: format!("{}/{key}", store.url()),
            columns: manifest.columns.clone(),
            rows: manifest.rows,
            context: context.to_owned(),
        }
    }

    /// The predictions whose manifest is at `key`.
    pub fn results(store: &Store, key: &str, manifest: &ResultsManifest, context: &str) -> Self {
        let ResultsManifest {
            data_version,
            model_name,
            model_version,
            ..
        } = manifest;
        Self {
            name: format!("results/{data_version}/{model_name}/v{model_version}"),
            digest: manifest.header.fingerprint.clone(),
            source: format!("{}/{key}", store.url()),
            columns: manifest.columns.clone(),
            rows: manifest.rows,
            context: context.to_owned(),
        }
    }
}

/// A table that the tracker's page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns.
    columns: Vec<String>,
    /// Row by row; `null` for what is undefined.
    data: Vec<Vec<Value>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            data: Vec::new(),
        }
    }

    /// Adds a row: a value for each column. Numbers that are not finite become `null`.
    pub fn row(&mut self, values: Vec<Value>) {
        debug_assert_eq!(values.len(), self.columns.len());
        self.data.push(values);
    }
}

/// A number for a log: when it was, and where it is in a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Its value.
    pub value: f64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Place in the series, from 0.
    pub step: i64,
}

/// A fitted model that is to be registered.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The name that it gets a version of.
    pub model_name: &'a ModelName,
    /// Key of its manifest.
    pub model: &'a str,
    /// Fingerprint of what it was trained from.
    pub fingerprint: &'a str,
    /// The run that trained it and holds its files.
    pub run_id: &'a str,
    /// Its files, which the run must hold.
    pub files: &'a [File],
    /// What a person finds it by, besides.
    pub tags: Vec<(String, String)>,
    /// What a person reads of the version, in Markdown; may be empty.
    pub description: String,
    /// What a person reads of the registered model, in Markdown, where nobody has described it;
    /// may be empty.
    pub about_model: String,
}

impl<'a> Candidate<'a> {
    /// Without files, tags and descriptions.
    pub fn new(
        model_name: &'a ModelName,
        model: &'a str,
        fingerprint: &'a str,
        run_id: &'a str,
    ) -> Self {
        Self {
            model_name,
            model,
            fingerprint,
            run_id,
            files: &[],
            tags: Vec::new(),
            description: String::new(),
            about_model: String::new(),
        }
    }
}
