//! Which results a table lacks, by its ledger.

use anyhow::Result;
use catalog::manifest::ResultsManifest;
use chrono::{DateTime, Utc};

use super::names::Table;
use super::{Database, definition, ledger, retention};

/// Committed results, as far as it takes to see whether they are published.
#[derive(Clone, Debug)]
pub struct Results {
    /// Key of their manifest.
    pub key: String,
    fingerprint: String,
    /// Time of their latest row; `None` where a shard does not say.
    latest: Option<DateTime<Utc>>,
}

impl Results {
    /// Those of a manifest.
    pub fn new(key: &str, manifest: &ResultsManifest) -> Self {
        let times = manifest.shards.iter().map(|shard| shard.time);
        let latest: Option<Vec<_>> = times
            .map(|time| time.map(|range| range.last.and_utc()))
            .collect();
        Self {
            key: key.to_owned(),
            fingerprint: manifest.header.fingerprint.clone(),
            latest: latest.and_then(|latest| latest.into_iter().max()),
        }
    }
}

impl Database {
    /// Those of the results that the table lacks, in the same order. Results whose rows are all
    /// older than what the table keeps of the model are not lacking.
    ///
    /// # Errors
    /// A database that does not answer: exit 75.
    pub async fn lacking(
        &self,
        table: &Table,
        model_name: &str,
        results: &[Results],
    ) -> Result<Vec<Results>> {
        self.transaction(&format!("looking at {table}"), async |session| {
            let has_table = definition::look_up(session, table).await?.is_some();
            let kept_from = retention::kept_from(session, table, model_name).await?;
            let mut lacking = Vec::new();
            for of in results {
                let expired = of.latest.zip(kept_from).is_some_and(|(at, from)| at < from);
                let published = has_table
                    && ledger::find(session, table, &of.fingerprint)
                        .await?
                        .is_some();
                if !expired && !published {
                    lacking.push(of.clone());
                }
            }
            Ok(lacking)
        })
        .await
    }
}
