//! Files that a run holds, and the tables among them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::json;

use super::super::Table;
use super::super::run::OpenRun;
use super::super::tracker::{Files, Runs};
use super::wire::{ArtifactsFound, Done, Run, RunInfo, ServerInfo};
use super::{Mlflow, names};
use catalog::manifest::File;
use runtime::failure::Failure;
use store::Store;

/// The tag that lists the tables: without it a page shows them as plain text.
const LOGGED_ARTIFACTS: &str = "mlflow.loggedArtifacts";
const TABLES: &str = "tables";
/// The table of those names that MLflow does not take as keys.
const NAMES: &str = "names";

/// Paths of the tables that a run holds.
pub(super) fn tables_of(run: &Run) -> BTreeSet<String> {
    #[derive(serde::Deserialize)]
    struct Logged {
        path: String,
    }
    let listed = run
        .tag(LOGGED_ARTIFACTS)
        .and_then(|tag| serde_json::from_str::<Vec<Logged>>(tag).ok());
    listed
        .unwrap_or_default()
        .into_iter()
        .map(|logged| logged.path)
        .collect()
}

/// Where artifacts are put.
enum Place<'a> {
    /// To the server, which puts them into its own store: the path there.
    Server(&'a str),
    /// Straight into a bucket, with this program's own credentials (`AWS_*`).
    Bucket(Store),
}

#[async_trait]
impl Files for Mlflow {
    async fn log_tables(&self, run: &OpenRun, tables: &[(&str, Table)]) -> Result<()> {
        let mut paths = locked(&run.tables).clone();
        for (name, table) in tables {
            let path = format!("{TABLES}/{name}.json");
            self.upload(run, &path, serde_json::to_vec(table)?).await?;
            paths.insert(path);
        }
        locked(&run.tables).clone_from(&paths);
        let list: Vec<_> = paths
            .iter()
            .map(|path| json!({ "path": path, "type": "table" }))
            .collect();
        let tag = BTreeMap::from([(LOGGED_ARTIFACTS.to_owned(), json!(list).to_string())]);
        self.set_tags(run, tag).await
    }

    async fn log_files(
        &self,
        run: &OpenRun,
        folder: &str,
        store: &Store,
        keys: &[&str],
    ) -> Result<()> {
        for key in keys {
            self.upload(run, &path(folder, key), store.require(key).await?)
                .await?;
        }
        Ok(())
    }
}

impl Mlflow {
    async fn upload(&self, run: &OpenRun, path: &str, bytes: Vec<u8>) -> Result<()> {
        let operation = format!("uploading {path}");
        let root = match self.place(&run.artifacts)? {
            Place::Bucket(bucket) => {
                return bucket
                    .put(path, bytes)
                    .await
                    .with_context(|| self.in_bucket(&bucket));
            }
            Place::Server(root) => root,
        };
        let call = self.client.put_artifact(&format!("{root}/{path}"), bytes);
        match self.client.must::<Done>(&operation, &call).await {
            Ok(Done {}) => Ok(()),
            Err(error) if self.is_presigned_only().await => Err(error.context(format!(
                "{} accepts no uploads itself (--artifacts-presigned-only), which this program \
                 does not support: start \
                 it without that option",
                self.client.service
            ))),
            Err(error) => Err(error),
        }
    }

    /// Whether the server refuses every upload because clients have to write to its store by signed
    /// addresses.
    async fn is_presigned_only(&self) -> bool {
        let asked = self
            .client
            .ask::<ServerInfo>(
                "asking how the server is set up",
                &self.client.server_info(),
            )
            .await;
        matches!(
            asked,
            Ok(Ok(ServerInfo {
                artifacts_presigned_only: true
            }))
        )
    }

    /// Where a run's artifacts are put.
    fn place<'a>(&self, artifacts: &'a str) -> Result<Place<'a>> {
        let service = &self.client.service;
        let place = match artifacts.split_once(':') {
            Some(("mlflow-artifacts", rest)) => {
                // There may be a host, which is this server.
                let path = rest.strip_prefix("//").map_or(rest, |rest| {
                    rest.split_once('/').map_or("", |(_, path)| path)
                });
                Place::Server(path)
            }
            Some(("s3", _)) => {
                let bucket = Store::create_with(artifacts, &self.access);
                Place::Bucket(bucket.with_context(|| {
                    format!("opening {artifacts}, where {service} stores artifacts")
                })?)
            }
            Some((scheme, _)) if artifacts.contains("://") && scheme != "file" => {
                return Err(Failure::usage(format!(
                    "{service} leaves its artifacts ({scheme}://) to its clients, and this program does not write there: start \
                     the server without --no-serve-artifacts, with --artifacts-destination {scheme}://..., and use a new \
                     experiment"
                )));
            }
            _ => {
                return Err(Failure::usage(format!(
                    "{service} keeps the artifacts of this experiment in a folder of its own machine: start it with \
                     --artifacts-destination, and use a new experiment"
                )));
            }
        };
        Ok(place)
    }

    /// Compares what a run holds with what it should hold.
    ///
    /// # Errors
    /// A file that is missing or has another size: exit 75, since the step's next attempt writes it
    /// again.
    pub(super) async fn check_files(
        &self,
        run: &RunInfo,
        folder: &str,
        files: &[File],
    ) -> Result<()> {
        let place = self.place(&run.artifact_uri)?;
        let listed = match place {
            Place::Server(_) => self.listed(&run.run_id, folder).await?,
            // The server may have no credentials for it.
            Place::Bucket(_) => BTreeMap::new(),
        };
        for file in files {
            let path = path(folder, &file.key);
            let found = match &place {
                Place::Server(_) => listed.get(&path).copied(),
                Place::Bucket(bucket) => bucket
                    .size(&path)
                    .await
                    .with_context(|| self.in_bucket(bucket))?,
            };
            if found != Some(file.bytes) {
                let found = found.map_or("is missing".to_owned(), |bytes| {
                    format!("has {bytes} bytes")
                });
                return Err(Failure::Unavailable(format!(
                    "{path} {found} in run {} of {}, where {} bytes were uploaded: run this step again",
                    run.run_id, self.client.service, file.bytes
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Sizes of the files in a folder of a run, as the server lists them.
    async fn listed(&self, run_id: &str, folder: &str) -> Result<BTreeMap<String, u64>> {
        let call = self
            .client
            .get("artifacts/list", &[("run_id", run_id), ("path", folder)]);
        let found = self
            .client
            .must::<ArtifactsFound>("listing the files of the run", &call)
            .await?;
        Ok(found
            .files
            .into_iter()
            .map(|file| (file.path, file.file_size))
            .collect())
    }

    fn in_bucket(&self, bucket: &Store) -> String {
        format!(
            "writing artifacts to {}, where {} stores them",
            bucket.url(),
            self.client.service
        )
    }

    /// Keeps the names that are not the keys which represent them.
    pub(super) async fn log_names(
        &self,
        run: &OpenRun,
        names: impl IntoIterator<Item = &String>,
    ) -> Result<()> {
        let keyed = names.into_iter().map(|name| (names::key(name), name));
        let changed: BTreeMap<String, String> = keyed
            .filter(|(key, name)| key != *name)
            .map(|(key, name)| (key, name.clone()))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&["key", "name"]);
        {
            let mut all = locked(&run.renamed);
            all.extend(changed);
            for (key, name) in all.iter() {
                table.row(vec![key.as_str().into(), name.as_str().into()]);
            }
        }
        self.log_tables(run, &[(NAMES, table)]).await
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a file of the store is in a folder of the run.
fn path(folder: &str, key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or(key);
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
