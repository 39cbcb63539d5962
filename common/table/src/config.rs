//! The configuration of a model: its data contract and its features, named by their digest and
//! pinned in the store.

pub mod aggregates;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use aggregates::Aggregate;

use crate::dataset::{Dataset, Goal, MARK};
use crate::models_file;
use catalog::layout;
use runtime::failure::Failure;
use store::Store;
use store::digest;

/// The file of the data contract.
pub const DATASET_FILE: &str = "dataset.json";
/// The file of the features query.
pub const FEATURES_FILE: &str = "features.sql";

/// A data contract and a features query.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The data contract.
    pub dataset: Dataset,
    /// One `SELECT` over `raw`.
    pub features_sql: String,
    /// Aggregates over the rows to train on, by name.
    pub aggregates: BTreeMap<String, Aggregate>,
    /// Whether features may be categories: `models.json`, which says how they become numbers, lies
    /// beside, or did when the configuration was pinned.
    pub categories: bool,
    dataset_json: String,
}

impl Config {
    /// Reads the configuration that is mounted at a folder.
    ///
    /// # Errors
    /// A missing or wrong file: exit 2.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let file = folder.join(name);
            std::fs::read_to_string(&file).map_err(|error| {
                let advice = match error.kind() {
                    std::io::ErrorKind::InvalidData => "save it as text in UTF-8",
                    _ => {
                        "on Argo the ConfigMap holds it; elsewhere --config-dir (ALAMEDA_CONFIG) \
                         names the folder that does"
                    }
                };
                Failure::usage(format!("{}: {error}; {advice}", file.display()))
            })
        };
        let config = Self::parse(read(DATASET_FILE)?, read(FEATURES_FILE)?)
            .with_context(|| format!("reading the configuration in {}", folder.display()))?;
        Ok(Self {
            categories: models_file::text(folder)?.is_some(),
            ..config.with_aggregates(aggregates::of_folder(folder)?)
        })
    }

    /// Reads the configuration that is pinned under a digest.
    pub async fn load(store: &Store, digest: &str) -> Result<Self> {
        let folder = layout::config(digest);
        let mut texts = Vec::new();
        for name in [DATASET_FILE, FEATURES_FILE] {
            let key = layout::config_file(&folder, name);
            // What is no text any more has another digest too.
            texts.push(String::from_utf8_lossy(&store.require(&key).await?).into_owned());
        }
        let (features_sql, dataset_json) = (texts.remove(1), texts.remove(0));
        // Without aggregates there is no such file, and nobody asks for it.
        let aggregates = match digest_of(&dataset_json, &features_sql, "") == digest {
            true => Vec::new(),
            false => {
                let key = layout::config_file(&folder, aggregates::FILE);
                store.get(&key).await?.unwrap_or_default()
            }
        };
        let aggregates = String::from_utf8_lossy(&aggregates).into_owned();
        if digest_of(&dataset_json, &features_sql, &aggregates) != digest {
            return Err(Failure::damaged(format!(
                "{folder} was changed: its content has another digest; restore it from a copy, or \
                 run data-prep plan --split=train with the dataset.json and features.sql of that \
                 time"
            )));
        }
        let config = Self::parse(dataset_json, features_sql);
        let aggregates = match aggregates.is_empty() {
            true => BTreeMap::new(),
            false => store.parse(&folder, aggregates.as_bytes())?,
        };
        Ok(Self {
            aggregates,
            // The first step of the training refused what it could not take.
            categories: true,
            ..config.with_context(|| format!("reading {folder}"))?
        })
    }

    /// Parses both files. A mark that an editor put before a text is no part of it.
    pub fn parse(dataset_json: String, features_sql: String) -> Result<Self> {
        let unmarked = |text: String| match text.strip_prefix(MARK) {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        let (dataset_json, features_sql) = (unmarked(dataset_json), unmarked(features_sql));
        let dataset = Dataset::parse(dataset_json.as_bytes())?;
        Ok(Self {
            dataset,
            features_sql,
            aggregates: BTreeMap::new(),
            categories: false,
            dataset_json,
        })
    }

    /// What is predicted, and as what.
    ///
    /// # Errors
    /// A target that no task takes: exit 2.
    pub fn goal(&self) -> Result<Goal> {
        let goal = self.dataset.goal();
        goal.map_err(|reason| Failure::usage(format!("{DATASET_FILE}: {reason}")))
    }

    /// What it is named by: a digest of its files, and of the values of its aggregates.
    pub fn digest(&self) -> String {
        digest_of(
            &self.dataset_json,
            &self.features_sql,
            &self.aggregates_json(),
        )
    }

    /// Name and digest of each of its files, so that a comparison can say which one was edited; the
    /// data contract first.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            (DATASET_FILE.to_owned(), self.dataset_json.clone()),
            (FEATURES_FILE.to_owned(), self.features_sql.clone()),
        ];
        for (name, aggregate) in &self.aggregates {
            let fitted = aggregate.fitted.iter();
            let fitted = fitted.map(|table| table.sha256.clone());
            files.extend(fitted.map(|table| (format!("values of aggregate {name}"), table)));
            files.push((aggregates::file_of(name), aggregate.sql.clone()));
        }
        let digests = files.into_iter();
        digests
            .map(|(name, text)| (name, digest::hex(text.as_bytes())))
            .collect()
    }

    /// Writes a copy under its digest, where it stays whatever becomes of the ConfigMap.
    pub async fn pin(&self, store: &Store) -> Result<String> {
        let digest = self.digest();
        let folder = layout::config(&digest);
        if !self.aggregates.is_empty() {
            let key = layout::config_file(&folder, aggregates::FILE);
            store.put(&key, self.aggregates_json().into_bytes()).await?;
        }
        store
            .put(
                &layout::config_file(&folder, FEATURES_FILE),
                self.features_sql.clone().into_bytes(),
            )
            .await?;
        store
            .put(
                &layout::config_file(&folder, DATASET_FILE),
                self.dataset_json.clone().into_bytes(),
            )
            .await?;
        Ok(digest)
    }
}

/// `aggregates` is empty where there are none.
fn digest_of(dataset_json: &str, features_sql: &str, aggregates: &str) -> String {
    let mut text = format!("{dataset_json}\0{features_sql}");
    if !aggregates.is_empty() {
        text.push('\0');
        text.push_str(aggregates);
    }
    digest::hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::failure;

    #[tokio::test]
    async fn a_pinned_file_that_was_changed_is_named_and_not_read() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::create(&home.path().display().to_string()).unwrap();
        let (dataset, features) = (DATASET_FILE, FEATURES_FILE);
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
        let config = Config::from_folder(&repository).unwrap();
        let digest = config.pin(&store).await.unwrap();
        for (name, bytes) in [
            (dataset, &b"{"[..]),
            (features, b"SELECT '\xff'"),
            (dataset, b""),
        ] {
            config.pin(&store).await.unwrap();
            let file = layout::config_file(&layout::config(&digest), name);
            store.put(&file, bytes.to_vec()).await.unwrap();
            let error = Config::load(&store, &digest).await.unwrap_err();
            let text = format!("{error:#}");
            assert!(
                text.contains("was changed: its content has another digest"),
                "{text}"
            );
            assert!(failure::is_damaged(&error), "{text}");
        }
        config.pin(&store).await.unwrap();
        assert_eq!(
            Config::load(&store, &digest).await.unwrap().digest(),
            digest
        );
    }
}
