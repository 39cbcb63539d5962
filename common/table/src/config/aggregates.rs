//! Aggregates over the rows to train on, `aggregate.NAME.sql`: their SQL, and once a training has
//! computed them, their values.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Config;
use catalog::layout;
use catalog::manifest::File;
use runtime::failure::Failure;
use store::{Store, digest};

/// Where a pinned configuration has them.
pub(super) const FILE: &str = "aggregates.json";
const PREFIX: &str = "aggregate.";
const SUFFIX: &str = ".sql";

/// One aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// One `SELECT` over `train`.
    pub sql: String,
    /// The table of its values; `None` before a training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<Fitted>,
}

/// A table of values, beside the configuration that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// Size in bytes.
    pub bytes: u64,
    /// Digest of its content.
    pub sha256: String,
}

/// The file of an aggregate.
pub fn file_of(name: &str) -> String {
    format!("{PREFIX}{name}{SUFFIX}")
}

/// The name of an aggregate by that of its file; `None` for another file.
///
/// # Errors
/// A name that SQL could not name columns by: exit 2.
pub fn name_of(file: &str) -> Result<Option<&str>> {
    let name = file.strip_prefix(PREFIX);
    let Some(name) = name.and_then(|name| name.strip_suffix(SUFFIX)) else {
        return Ok(None);
    };
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic());
    match first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        true => Ok(Some(name)),
        false => Err(Failure::usage(format!(
            "{file}: {name:?} is not a valid name of an aggregate: letters, digits and _, a letter first, as \
             in aggregate.store.sql"
        ))),
    }
}

/// Reads those in a folder.
pub(super) fn of_folder(folder: &Path) -> Result<BTreeMap<String, String>> {
    let failure = |file: &Path, error: std::io::Error| {
        Failure::usage(format!("reading {}: {error}", file.display()))
    };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failure(folder, error))? {
        let path = entry.map_err(|error| failure(folder, error))?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name_of(&file)? {
            let sql = std::fs::read_to_string(&path).map_err(|error| failure(&path, error))?;
            found.insert(name.to_owned(), sql);
        }
    }
    Ok(found)
}

impl Config {
    /// With aggregates that no training has computed yet: their SQL by name.
    pub fn with_aggregates(self, sql: BTreeMap<String, String>) -> Self {
        let aggregates = sql.into_iter();
        let unfitted = |(name, sql)| (name, Aggregate { sql, fitted: None });
        Self {
            aggregates: aggregates.map(unfitted).collect(),
            ..self
        }
    }

    /// The aggregates as a pinned file; empty where there are none.
    #[expect(clippy::expect_used, reason = "no map of strings fails to become JSON")]
    pub(super) fn aggregates_json(&self) -> String {
        match self.aggregates.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&self.aggregates).expect("a map of strings is JSON"),
        }
    }

    /// Whether some aggregate has no values yet.
    pub fn is_to_be_fitted(&self) -> bool {
        let mut aggregates = self.aggregates.values();
        aggregates.any(|aggregate| aggregate.fitted.is_none())
    }

    /// Pins the configuration with the values of its aggregates, tables by name; gives its digest
    /// and the tables' files.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pin_fitted(
        &self,
        store: &Store,
        tables: Vec<(String, Vec<u8>)>,
    ) -> Result<(String, Vec<File>)> {
        let mut fitted = self.clone();
        for (name, bytes) in &tables {
            if let Some(aggregate) = fitted.aggregates.get_mut(name) {
                aggregate.fitted = Some(Fitted {
                    bytes: bytes.len() as u64,
                    sha256: digest::hex(bytes),
                });
            }
        }
        let folder = layout::config(&fitted.digest());
        let mut files = Vec::new();
        for (name, bytes) in tables {
            let key = layout::config_table(&folder, &name);
            files.push(File {
                key: key.clone(),
                bytes: bytes.len() as u64,
                sha256: digest::hex(&bytes),
            });
            store.put(&key, bytes).await?;
        }
        Ok((fitted.pin(store).await?, files))
    }

    /// The values of its aggregates, tables by name; none of those that have no values yet.
    ///
    /// # Errors
    /// A table that is gone or was changed.
    pub async fn tables(&self, store: &Store) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = layout::config(&self.digest());
        let mut tables = Vec::new();
        for (name, aggregate) in &self.aggregates {
            let Some(fitted) = &aggregate.fitted else {
                continue;
            };
            let key = layout::config_table(&folder, name);
            let bytes = store.require(&key).await?;
            if digest::hex(&bytes) != fitted.sha256 {
                return Err(Failure::damaged(format!(
                    "{key} was changed: its content has another digest; restore it from a copy, or \
                     train on that data version again with cache=refresh"
                )));
            }
            tables.push((name.clone(), bytes));
        }
        Ok(tables)
    }
}
