//! Runs and models as people look at them.

use anyhow::Result;
use serde::Serialize;

use super::{RunRecord, Tracking, Version};
use catalog::layout::ModelName;

/// A run, and where a person reads more of it.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// The run.
    #[serde(flatten)]
    pub run: RunRecord,
    /// Its page; `None` where there is none.
    pub url: Option<String>,
}

/// A version of a model, and what is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// The version.
    #[serde(flatten)]
    pub version: Version,
    /// The aliases that point to it.
    pub aliases: Vec<String>,
    /// The run that trained it; `None` where it is gone.
    pub run: Option<RunView>,
    /// Its page; `None` where there is none.
    pub url: Option<String>,
}

impl Tracking {
    /// The runs that began last, the newest first, at most `limit`: those about a model, or all.
    pub async fn runs(&self, model: Option<&ModelName>, limit: usize) -> Result<Vec<RunView>> {
        self.home.runs(model, limit).await
    }

    /// The versions of a model or of all models, the newest of each first, at most `limit` of each.
    ///
    /// # Errors
    /// A model that nobody registered: exit 2.
    pub async fn registered(
        &self,
        model: Option<&ModelName>,
        limit: usize,
    ) -> Result<Vec<VersionView>> {
        let names = match model {
            Some(name) => vec![name.clone()],
            // Others than this program register models too, under other names.
            None => self
                .models()
                .await?
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        };
        let mut views = Vec::new();
        for name in &names {
            let versions = self.versions(name).await?;
            if versions.is_empty() {
                if model.is_some() {
                    return Err(self.unknown_model(name).await?);
                }
                continue;
            }
            let aliases = self.home.aliases(name).await?;
            for version in versions.into_iter().rev().take(limit) {
                let pointing = aliases
                    .iter()
                    .filter(|(_, number)| *number == version.version);
                views.push(VersionView {
                    aliases: pointing.map(|(alias, _)| alias.clone()).collect(),
                    run: self.run(&version.run_id).await?,
                    url: self.home.version_url(name, version.version),
                    version,
                });
            }
        }
        Ok(views)
    }

    /// A run by its id; `None` when there is none.
    pub async fn run(&self, id: &str) -> Result<Option<RunView>> {
        self.home.view(id).await
    }
}
