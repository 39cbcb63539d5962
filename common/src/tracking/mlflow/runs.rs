//! Experiments and runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use chrono::Utc;
use serde_json::json;

use super::super::run::OpenRun;
use super::super::{Dataset, FINGERPRINT_TAG, Point, RunRecord, RunSpec, Status};
use super::wire::{
    DatasetInput, DatasetLogged, Done, ExperimentCreated, ExperimentFound, KeyValue, LogBatch, LogInputs, MetricLogged,
    NewRun, Run, RunFound, RunsFound, SearchRuns, UpdateRun,
};
use super::{Mlflow, artifacts, names, wire};
use crate::failure::Failure;
use crate::layout::ModelName;
use crate::retry::Trouble;

/// The tag that tells who made a run or a version, so that what was made in vain is known as one's own.
pub(super) const CREATOR_TAG: &str = "alameda.creator";
/// Parameters or tags in a batch, at most.
const BATCH: usize = 100;
/// Metrics in a batch, at most.
const METRICS: usize = 1000;
/// Runs of one fingerprint that are looked at: there should be one.
const SAME: u32 = 20;
/// Characters of a data set's schema, at most.
const SCHEMA: usize = 60_000;

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
        let call = self.client.get("experiments/get-by-name", &[("experiment_name", name)]);
        match self.client.ask::<ExperimentFound>(&operation, &call).await? {
            Ok(ExperimentFound { experiment }) if experiment.lifecycle_stage == "deleted" => {
                Err(Failure::usage(format!(
                    "the experiment {name} of {} is deleted: restore it (mlflow experiments restore --experiment-id {}), or name \
                     another one by MLFLOW_EXPERIMENT_NAME",
                    self.client.service, experiment.experiment_id
                )))
            }
            Ok(ExperimentFound { experiment }) => {
                self.known_experiments().insert(name.to_owned(), experiment.experiment_id.clone());
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
        let call = self.client.post("experiments/create", &json!({ "name": name }))?;
        match self.client.ask::<ExperimentCreated>(&operation, &call).await? {
            Ok(ExperimentCreated { experiment_id }) => Ok(experiment_id),
            Err(refusal) if refusal.is_taken() => match self.experiment(name).await? {
                Some(id) => Ok(id),
                None => Err(self.client.refused(&operation, &refusal)),
            },
            Err(refusal) => Err(self.client.refused(&operation, &refusal)),
        }
    }

    pub(in super::super) async fn find_run(&self, model: &ModelName, fingerprint: &str) -> Result<Option<RunRecord>> {
        let Some(experiment) = self.experiment(&self.experiment_name(model)).await? else { return Ok(None) };
        let operation = "searching the run";
        let found = self
            .client
            .budget
            .call(&self.client.service, operation, || self.search(operation, &experiment, fingerprint));
        Ok(found.await?.into_iter().next().map(Run::record))
    }

    /// Runs of a fingerprint, the one that counts first: the oldest.
    async fn search(&self, operation: &str, experiment: &String, fingerprint: &str) -> Result<Vec<Run>, Trouble> {
        let search = SearchRuns {
            experiment_ids: std::slice::from_ref(experiment),
            filter: format!("tags.`{FINGERPRINT_TAG}` = '{fingerprint}'"),
            order_by: &["attributes.start_time ASC"],
            max_results: SAME,
        };
        let call = self.client.post("runs/search", &search).map_err(Trouble::Lasting)?;
        match self.client.once::<RunsFound>(operation, &call).await? {
            Ok(RunsFound { mut runs }) => {
                runs.sort_by(|a, b| (a.info.start_time, &a.info.run_id).cmp(&(b.info.start_time, &b.info.run_id)));
                Ok(runs)
            }
            Err(refusal) => Err(Trouble::Lasting(self.client.refused(operation, &refusal))),
        }
    }

    /// Opens the run of a fingerprint again, or makes it.
    ///
    /// The server makes another run whenever it is asked, so it is asked only after a search, also when an answer was
    /// lost. Of two who ask at once, each sees the other's run afterwards: the older one counts, and whoever made the
    /// younger one deletes it. Which one is older is told by the clocks of those who ask, before they ask: where these
    /// differ, or a call is under way for long, the one that comes last may take itself for the older, and both stay.
    pub(in super::super) async fn reopen(&self, spec: &RunSpec, parent: Option<&str>) -> Result<OpenRun> {
        let experiment = self.require_experiment(&self.experiment_name(&spec.model_name)).await?;
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

    /// The run, and whether it was made now.
    async fn find_or_create(&self, spec: &RunSpec, experiment: &String, tags: &[KeyValue]) -> Result<(Run, bool)> {
        let operation = format!("creating the run {}", spec.name);
        let creator = Self::creator();
        let tags = [tags, &[KeyValue { key: CREATOR_TAG.to_owned(), value: creator.clone() }]].concat();
        let is_asked = AtomicBool::new(false);
        let find_or_create = || async {
            if let Some(run) = self.search(&operation, experiment, &spec.fingerprint).await?.into_iter().next() {
                return Ok(run);
            }
            let new = NewRun {
                experiment_id: experiment,
                run_name: names::value(&spec.name, names::NAME),
                start_time: Utc::now().timestamp_millis(),
                tags: &tags,
            };
            let call = self.client.post("runs/create", &new).map_err(Trouble::Lasting)?;
            is_asked.store(true, Ordering::Relaxed);
            match self.client.once::<RunFound>(&operation, &call).await? {
                Ok(RunFound { run }) => Ok(run),
                Err(refusal) => Err(Trouble::Lasting(self.client.refused(&operation, &refusal))),
            }
        };
        let run = self.client.budget.call(&self.client.service, &operation, find_or_create).await?;
        if !is_asked.into_inner() {
            return Ok((run, false));
        }
        let run = self.settle(spec, experiment, run, &creator).await?;
        let is_new = is_of(&run, &creator);
        Ok((run, is_new))
    }

    /// After the server was asked to make a run: the one that counts. Others that `creator` made are deleted.
    async fn settle(&self, spec: &RunSpec, experiment: &String, made: Run, creator: &str) -> Result<Run> {
        let id = made.info.run_id.clone();
        let settled = async {
            let operation = "looking whether the run is the only one";
            let search = || self.search(operation, experiment, &spec.fingerprint);
            let mut found = self.client.budget.call(&self.client.service, operation, search).await?.into_iter();
            // A server that does not show it yet shows no other one either.
            let oldest = found.next().unwrap_or(made);
            for extra in found.filter(|run| is_of(run, creator)) {
                tracing::info!(
                    run = oldest.info.run_id,
                    "this run was begun twice at the same time: the older one is used"
                );
                let call = self.client.post("runs/delete", &json!({ "run_id": extra.info.run_id }))?;
                let operation = "deleting the run that was made twice";
                match self.client.ask::<Done>(operation, &call).await? {
                    // Also the answer to whoever deletes it again.
                    Err(refusal) if !refusal.is_missing() && refusal.code != "INVALID_PARAMETER_VALUE" => {
                        return Err(self.client.refused(operation, &refusal));
                    }
                    _ => {}
                }
            }
            Ok(oldest)
        };
        let settled = settled.await;
        if settled.is_err() {
            // Else it would stay RUNNING. The error that is given tells what is wrong with the server.
            let _ = self.update(&id, Status::Failed, Some(Utc::now().timestamp_millis())).await;
        }
        settled
    }

    pub(in super::super) async fn close(&self, id: &str, status: Status) -> Result<()> {
        self.update(id, status, Some(Utc::now().timestamp_millis())).await
    }

    async fn update(&self, id: &str, status: Status, end_time: Option<i64>) -> Result<()> {
        let call = self.client.post("runs/update", &UpdateRun { run_id: id, status, end_time })?;
        let operation = if end_time.is_some() { "closing the run" } else { "opening the run again" };
        self.client.must::<Done>(operation, &call).await?;
        Ok(())
    }

    pub(in super::super) async fn log_params(&self, run: &OpenRun, params: BTreeMap<String, String>) -> Result<()> {
        self.log_names(run, params.keys()).await?;
        let params = wire::tags(&params, names::PARAM);
        self.log_batches(&run.id, &[], &params, &[]).await
    }

    pub(in super::super) async fn log_metrics(
        &self,
        run: &OpenRun,
        points: Vec<(String, Point)>,
        tags: BTreeMap<String, String>,
    ) -> Result<()> {
        self.log_names(run, points.iter().map(|(name, _)| name)).await?;
        let logged = |(name, Point { value, at, step }): &(String, Point)| MetricLogged {
            key: names::key(name),
            value: *value,
            timestamp: *at,
            step: *step,
        };
        let metrics: Vec<MetricLogged> = points.iter().map(logged).collect();
        self.log_batches(&run.id, &metrics, &[], &wire::tags(&tags, names::TAG)).await
    }

    pub(in super::super) async fn set_tags(&self, run: &OpenRun, tags: BTreeMap<String, String>) -> Result<()> {
        self.log_batches(&run.id, &[], &[], &wire::tags(&tags, names::TAG)).await
    }

    /// Logs in batches of as much as the server takes.
    pub(super) async fn log_batches(
        &self,
        run_id: &str,
        metrics: &[MetricLogged],
        params: &[KeyValue],
        tags: &[KeyValue],
    ) -> Result<()> {
        let metrics = metrics.chunks(METRICS).map(|metrics| LogBatch { run_id, metrics, params: &[], tags: &[] });
        let params = params.chunks(BATCH).map(|params| LogBatch { run_id, metrics: &[], params, tags: &[] });
        let tags = tags.chunks(BATCH).map(|tags| LogBatch { run_id, metrics: &[], params: &[], tags });
        for batch in metrics.chain(params).chain(tags) {
            let call = self.client.post("runs/log-batch", &batch)?;
            self.client.must::<Done>("logging to the run", &call).await?;
        }
        Ok(())
    }

    pub(in super::super) async fn log_datasets(&self, run: &OpenRun, datasets: &[Dataset]) -> Result<()> {
        let datasets = datasets.iter().map(input).collect();
        let call = self.client.post("runs/log-inputs", &LogInputs { run_id: &run.id, datasets })?;
        self.client.must::<Done>("logging the data sets of the run", &call).await?;
        Ok(())
    }

    pub(super) async fn run(&self, id: &str) -> Result<Run> {
        let call = self.client.get("runs/get", &[("run_id", id)]);
        Ok(self.client.must::<RunFound>("reading the run", &call).await?.run)
    }
}

fn open(run: &Run) -> OpenRun {
    OpenRun::new(run.info.run_id.clone(), run.info.artifact_uri.clone(), artifacts::tables_of(run))
}

/// A data set as MLflow describes one. Its page shows the schema in these words.
fn input(dataset: &Dataset) -> DatasetInput {
    let column = |column: &crate::manifest::Column| json!({ "type": kind(&column.data_type), "name": column.name, "required": false });
    let all: Vec<serde_json::Value> = dataset.columns.iter().map(column).collect();
    let mut columns = all.as_slice();
    let schema = |columns: &[serde_json::Value]| json!({ "mlflow_colspec": columns }).to_string();
    while schema(columns).chars().count() > SCHEMA {
        columns = &columns[..columns.len() / 2];
    }
    let mut profile = json!({ "num_rows": dataset.rows, "num_columns": all.len() });
    if columns.len() < all.len() {
        profile["schema_cut"] = format!("the schema shows {} of {} columns", columns.len(), all.len()).into();
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
        tags: vec![KeyValue { key: "mlflow.data.context".to_owned(), value: dataset.context.clone() }],
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

/// Whether `creator` made a run.
fn is_of(run: &Run, creator: &str) -> bool {
    run.tag(CREATOR_TAG).is_some_and(|tag| tag == creator)
}
