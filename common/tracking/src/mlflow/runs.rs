//! Experiments and runs.

use std::collections::BTreeMap;

use anyhow::Result;
use async_trait::async_trait;
use chrono::Utc;
use serde_json::json;

use super::super::run::OpenRun;
use super::super::tracker::Runs;
use super::super::{Dataset, FINGERPRINT_TAG, Point, RunRecord, RunSpec, Status};
use super::wire::{
    DatasetInput, DatasetLogged, Done, ExperimentCreated, ExperimentFound, KeyValue, LogBatch,
    LogInputs, MetricLogged, Run, RunFound, RunsFound, SearchRuns, UpdateRun,
};
use super::{Mlflow, artifacts, begin, names, wire};
use catalog::layout::ModelName;
use runtime::failure::Failure;
use runtime::retry::Trouble;

/// Parameters or tags in a batch, at most.
const BATCH: usize = 100;
/// Metrics in a batch, at most.
const METRICS: usize = 1000;
/// Runs of one fingerprint that are looked at: there should be one.
const SAME: u32 = 20;
/// Characters of a data set's schema, at most.
const SCHEMA: usize = 60_000;

#[async_trait]
impl Runs for Mlflow {
    async fn find_run(&self, model: &ModelName, fingerprint: &str) -> Result<Option<RunRecord>> {
        let Some(experiment) = self.experiment(&self.experiment_name(model)).await? else {
            return Ok(None);
        };
        let operation = "searching the run";
        let found = self
            .client
            .budget
            .call(&self.client.service, operation, || {
                self.search(operation, &experiment, fingerprint)
            });
        Ok(found.await?.into_iter().next().map(Run::record))
    }

    /// Opens the run of a fingerprint again, or makes it.
    async fn reopen(&self, spec: &RunSpec, parent: Option<&str>) -> Result<OpenRun> {
        let experiment = self
            .require_experiment(&self.experiment_name(&spec.model_name))
            .await?;
        let mut all = spec.all_tags();
        if let Some(parent) = parent {
            all.insert("mlflow.parentRunId".to_owned(), parent.to_owned());
        }
        if let Some(user) = self.client.user() {
            all.insert("mlflow.user".to_owned(), user.to_owned());
        }
        let tags = wire::tags(&all, names::TAG);
        let (run, is_new) = self.find_or_create(spec, &experiment, &tags).await?;
        let open = open(&run);
        if !is_new {
            // RUNNING comes last: what fails before leaves the run as it ended.
            self.log_batches(&open.id, &[], &[], &tags).await?;
            self.update(&open.id, Status::Running, None).await?;
        }
        Ok(open)
    }

    async fn close(&self, id: &str, status: Status) -> Result<()> {
        self.update(id, status, Some(Utc::now().timestamp_millis()))
            .await
    }

    async fn log_params(&self, run: &OpenRun, params: BTreeMap<String, String>) -> Result<()> {
        self.log_names(run, params.keys()).await?;
        let params = wire::tags(&params, names::PARAM);
        self.log_batches(&run.id, &[], &params, &[]).await
    }

    async fn log_metrics(
        &self,
        run: &OpenRun,
        points: Vec<(String, Point)>,
        tags: BTreeMap<String, String>,
    ) -> Result<()> {
        self.log_names(run, points.iter().map(|(name, _)| name))
            .await?;
        let logged = |(name, Point { value, at, step }): &(String, Point)| MetricLogged {
            key: names::key(name),
            value: *value,
            timestamp: *at,
            step: *step,
        };
        let metrics: Vec<MetricLogged> = points.iter().map(logged).collect();
        self.log_batches(&run.id, &metrics, &[], &wire::tags(&tags, names::TAG))
            .await
    }

    async fn set_tags(&self, run: &OpenRun, tags: BTreeMap<String, String>) -> Result<()> {
        self.log_batches(&run.id, &[], &[], &wire::tags(&tags, names::TAG))
            .await
    }

    async fn log_datasets(&self, run: &OpenRun, datasets: &[Dataset]) -> Result<()> {
        let datasets = datasets.iter().map(input).collect();
        let call = self.client.post(
            "runs/log-inputs",
            &LogInputs {
                run_id: &run.id,
                datasets,
            },
        )?;
        self.client
            .must::<Done>("logging the data sets of the run", &call)
            .await?;
        Ok(())
    }
}

impl Mlflow {
    /// The experiment's id; `None` when there is none.
    ///
    /// # Errors
    /// A deleted experiment: exit 2.
    pub(super) async fn experiment(&self, name: &str) -> Result<Option<String>> {
        if let Some(id) = self.known_experiments().get(name) {
            return Ok(Some(id.clone()));
        }
        let operation = format!("looking up the experiment {name}");
        let call = self
            .client
            .get("experiments/get-by-name", &[("experiment_name", name)]);
        match self
            .client
            .ask::<ExperimentFound>(&operation, &call)
            .await?
        {
            Ok(ExperimentFound { experiment }) if experiment.lifecycle_stage == "deleted" => {
                Err(Failure::usage(format!(
                    "the experiment {name} of {} is deleted: restore it (mlflow experiments \
                     restore --experiment-id {}), or set \
                     MLFLOW_EXPERIMENT_NAME to another one",
                    self.client.service, experiment.experiment_id
                )))
            }
            Ok(ExperimentFound { experiment }) => {
                self.known_experiments()
                    .insert(name.to_owned(), experiment.experiment_id.clone());
                Ok(Some(experiment.experiment_id))
            }
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(self.client.refused(&operation, &refusal)),
        }
    }

    /// The experiment's id; it is made when there is none. Of those who make it at once, one does.
    async fn require_experiment(&self, name: &str) -> Result<String> {
        if let Some(id) = self.experiment(name).await? {
            return Ok(id);
        }
        let operation = format!("creating the experiment {name}");
        let call = self
            .client
            .post("experiments/create", &json!({ "name": name }))?;
        match self
            .client
            .ask::<ExperimentCreated>(&operation, &call)
            .await?
        {
            Ok(ExperimentCreated { experiment_id }) => Ok(experiment_id),
            Err(refusal) if refusal.is_taken() => match self.experiment(name).await? {
                Some(id) => Ok(id),
                None => Err(self.client.refused(&operation, &refusal)),
            },
            Err(refusal) => Err(self.client.refused(&operation, &refusal)),
        }
    }

    /// Runs of a fingerprint, the one that counts first: those that were agreed on, then the
    /// oldest.
    pub(super) async fn search(
        &self,
        operation: &str,
        experiment: &String,
        fingerprint: &str,
    ) -> Result<Vec<Run>, Trouble> {
        let search = SearchRuns {
            experiment_ids: std::slice::from_ref(experiment),
            filter: format!("tags.`{FINGERPRINT_TAG}` = '{fingerprint}'"),
            order_by: &["attributes.start_time ASC"],
            max_results: SAME,
        };
        let call = self
            .client
            .post("runs/search", &search)
            .map_err(Trouble::Lasting)?;
        match self.client.once::<RunsFound>(operation, &call).await? {
            Ok(RunsFound { mut runs }) => {
                runs.sort_by_cached_key(|run| {
                    (
                        !begin::is_agreed(run),
                        run.info.start_time,
                        run.info.run_id.clone(),
                    )
                });
                Ok(runs)
            }
            Err(refusal) => Err(Trouble::Lasting(self.client.refused(operation, &refusal))),
        }
    }

    pub(super) async fn update(
        &self,
        id: &str,
        status: Status,
        end_time: Option<i64>,
    ) -> Result<()> {
        let call = self.client.post(
            "runs/update",
            &UpdateRun {
                run_id: id,
                status,
                end_time,
            },
        )?;
        let operation = if end_time.is_some() {
            "closing the run"
        } else {
            "reopening the run"
        };
        self.client.must::<Done>(operation, &call).await?;
        Ok(())
    }

    /// Logs in batches of as much as the server takes.
    pub(super) async fn log_batches(
        &self,
        run_id: &str,
        metrics: &[MetricLogged],
        params: &[KeyValue],
        tags: &[KeyValue],
    ) -> Result<()> {
        let metrics = metrics.chunks(METRICS).map(|metrics| LogBatch {
            run_id,
            metrics,
            params: &[],
            tags: &[],
        });
        let params = params.chunks(BATCH).map(|params| LogBatch {
            run_id,
            metrics: &[],
            params,
            tags: &[],
        });
        let tags = tags.chunks(BATCH).map(|tags| LogBatch {
            run_id,
            metrics: &[],
            params: &[],
            tags,
        });
        for batch in metrics.chain(params).chain(tags) {
            let call = self.client.post("runs/log-batch", &batch)?;
            self.client
                .must::<Done>("logging to the run", &call)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn run(&self, id: &str) -> Result<Run> {
        let call = self.client.get("runs/get", &[("run_id", id)]);
        Ok(self
            .client
            .must::<RunFound>("reading the run", &call)
            .await?
            .run)
    }
}

fn open(run: &Run) -> OpenRun {
    OpenRun::new(
        run.info.run_id.clone(),
        run.info.artifact_uri.clone(),
        artifacts::tables_of(run),
    )
}

/// A data set as MLflow describes one. Its page shows the schema in these words.
fn input(dataset: &Dataset) -> DatasetInput {
    let column = |column: &catalog::manifest::Column| json!({ "type": kind(&column.data_type), "name": column.name, "required": false });
    let all: Vec<serde_json::Value> = dataset.columns.iter().map(column).collect();
    let mut columns = all.as_slice();
    let schema = |columns: &[serde_json::Value]| json!({ "mlflow_colspec": columns }).to_string();
    while schema(columns).chars().count() > SCHEMA {
        columns = &columns[..columns.len() / 2];
    }
    let mut profile = json!({ "num_rows": dataset.rows, "num_columns": all.len() });
    if columns.len() < all.len() {
        profile["schema_cut"] = format!(
            "the schema shows {} of {} columns",
            columns.len(),
            all.len()
        )
        .into();
    }
    let is_s3 = dataset.source.starts_with("s3://");
    DatasetInput {
        dataset: DatasetLogged {
            name: names::value(&dataset.name, names::NAME),
            digest: dataset.digest.chars().take(names::DIGEST).collect(),
            source_type: if is_s3 { "s3" } else { "local" },
            source: json!({ "uri": dataset.source }).to_string(),
            schema: schema(columns),
            profile: profile.to_string(),
        },
        tags: vec![KeyValue {
            key: "mlflow.data.context".to_owned(),
            value: dataset.context.clone(),
        }],
    }
}

/// MLflow's name for a type that Arrow names.
fn kind(data_type: &str) -> &'static str {
    match data_type {
        "Int64" | "UInt64" | "UInt32" => "long",
        "Int8" | "Int16" | "Int32" | "UInt8" | "UInt16" => "integer",
        "Float16" | "Float32" => "float",
        "Float64" => "double",
        "Boolean" => "boolean",
        "Utf8" | "LargeUtf8" | "Utf8View" => "string",
        "Binary" | "LargeBinary" | "BinaryView" => "binary",
        other if other.starts_with("Date") || other.starts_with("Timestamp") => "datetime",
        other if other.starts_with("Decimal") => "double",
        _ => "string",
    }
}
