//! Runs and aliases as people look at them.

use anyhow::Result;
use async_trait::async_trait;

use super::super::tracker::Views;
use super::super::views::RunView;
use super::super::{FINGERPRINT_TAG, MODEL_NAME_TAG};
use super::Mlflow;
use super::wire::{ExperimentsFound, Run, RunFound, RunsFound, SearchRuns};
use catalog::layout::ModelName;

/// Runs or experiments that one call gives, at most.
const PAGE: usize = 1000;

#[async_trait]
impl Views for Mlflow {
    async fn runs(&self, model: Option<&ModelName>, limit: usize) -> Result<Vec<RunView>> {
        let experiments = match &self.experiment {
            Some(name) => self.experiment(name).await?.into_iter().collect(),
            None => self.all_experiments().await?,
        };
        if experiments.is_empty() {
            return Ok(Vec::new());
        }
        let search = SearchRuns {
            experiment_ids: &experiments,
            filter: match model {
                Some(model) => format!("tags.`{MODEL_NAME_TAG}` = '{model}'"),
                None => format!("tags.`{FINGERPRINT_TAG}` != ''"),
            },
            order_by: &["attributes.start_time DESC"],
            max_results: limit.clamp(1, PAGE) as u32,
        };
        let found: RunsFound = self
            .client
            .must(
                "listing the runs",
                &self.client.post("runs/search", &search)?,
            )
            .await?;
        Ok(found
            .runs
            .into_iter()
            .map(|run| self.as_view(run))
            .collect())
    }

    /// A run by its id; `None` when it is gone.
    async fn view(&self, id: &str) -> Result<Option<RunView>> {
        let call = self.client.get("runs/get", &[("run_id", id)]);
        match self.client.ask::<RunFound>("reading a run", &call).await? {
            Ok(found) => Ok(Some(self.as_view(found.run))),
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(self.client.refused("reading a run", &refusal)),
        }
    }

    fn version_url(&self, name: &ModelName, version: u64) -> Option<String> {
        Some(
            self.client
                .page(&format!("models/{name}/versions/{version}")),
        )
    }
}

impl Mlflow {
    async fn all_experiments(&self) -> Result<Vec<String>> {
        let page = PAGE.to_string();
        let call = self
            .client
            .get("experiments/search", &[("max_results", &page)]);
        let found: ExperimentsFound = self.client.must("listing the experiments", &call).await?;
        Ok(found
            .experiments
            .into_iter()
            .map(|experiment| experiment.experiment_id)
            .collect())
    }

    fn as_view(&self, run: Run) -> RunView {
        // A browser that was never here would show the page of traces that language models leave.
        let query = "workflowType=machine_learning";
        let url = self.client.page(&format!(
            "experiments/{}/runs/{}?{query}",
            run.info.experiment_id, run.info.run_id
        ));
        RunView {
            run: run.record(),
            url: Some(url),
        }
    }
}
