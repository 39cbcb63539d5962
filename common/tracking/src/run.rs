//! A run: begun or reopened, logged to, and closed as its work ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use chrono::Utc;
use futures::FutureExt;

use super::{Dataset, FINGERPRINT_TAG, MODEL_NAME_TAG, Point, RunRecord, Status, Table, Tracking};
use catalog::layout::ModelName;
use runtime::failure::Failure;
use runtime::retry::Budget;
use runtime::step::Step;
use store::Store;
use store::digest;

/// How long work may go on after SIGTERM until it is dropped, so that time is left to close the
/// run.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the closing of a stopped run is tried.
const LAST_CALLS: Budget = Budget(Duration::from_secs(5));
/// Time between two looks for SIGTERM.
const LOOK: Duration = Duration::from_millis(50);

/// What a run is of.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// What a person reads first.
    pub name: String,
    /// The model that it is about.
    pub model_name: ModelName,
    /// What it is found again by.
    pub fingerprint: String,
    /// The workflow whose parent run it is nested in; `None` for a step that is run by hand.
    pub workflow: Option<String>,
    /// Further tags.
    pub tags: BTreeMap<String, String>,
    step: Step,
}

impl RunSpec {
    /// The run of `step` on inputs of a fingerprint.
    pub fn new(
        step: &Step,
        name: impl Into<String>,
        model_name: &ModelName,
        fingerprint: &str,
    ) -> Self {
        let workflow = (!step.is_manual()).then(|| step.workflow().to_owned());
        let spec = Self {
            name: name.into(),
            model_name: model_name.clone(),
            fingerprint: fingerprint.to_owned(),
            tags: BTreeMap::new(),
            step: step.clone(),
            workflow,
        };
        spec.tag("alameda.step", step.name())
            .tag("alameda.workflow", step.workflow())
            .tag("alameda.code_version", env!("CARGO_PKG_VERSION"))
            .tag(MODEL_NAME_TAG, model_name)
            .tag("mlflow.source.name", step.name())
            .tag("mlflow.source.type", "JOB")
    }

    /// Adds a tag.
    pub fn tag(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.tags.insert(name.to_owned(), value.to_string());
        self
    }

    /// The run of its workflow.
    fn parent(&self) -> Option<Self> {
        let workflow = self.workflow.as_ref()?;
        Some(Self {
            name: workflow.clone(),
            fingerprint: workflow_fingerprint(workflow),
            workflow: None,
            tags: BTreeMap::from([
                ("alameda.workflow".to_owned(), workflow.clone()),
                (
                    "alameda.code_version".to_owned(),
                    env!("CARGO_PKG_VERSION").to_owned(),
                ),
                ("mlflow.source.name".to_owned(), workflow.clone()),
                ("mlflow.source.type".to_owned(), "JOB".to_owned()),
            ]),
            ..self.clone()
        })
    }

    /// The tags that the tracking keeps.
    pub(super) fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(FINGERPRINT_TAG.to_owned(), self.fingerprint.clone());
        tags
    }
}

/// What the parent run of a workflow is found by.
pub(super) fn workflow_fingerprint(workflow: &str) -> String {
    digest::hex(format!("workflow\0{workflow}").as_bytes())
}

impl Tracking {
    /// The run about a model that is found by its fingerprint; `None` when there is none.
    pub async fn find_run(
        &self,
        model_name: &ModelName,
        fingerprint: &str,
    ) -> Result<Option<RunRecord>> {
        self.home.find_run(model_name, fingerprint).await
    }

    /// Does work inside a run, and closes the run as the work ends: FINISHED, FAILED (also by a
    /// panic), or KILLED on SIGTERM.
    ///
    /// The run lies inside the parent run of its workflow. A run of the same fingerprint is
    /// reopened, never doubled.
    pub async fn in_run<R>(
        &self,
        spec: &RunSpec,
        work: impl AsyncFnOnce(&Run) -> Result<R>,
    ) -> Result<R> {
        let run = self.start_run(spec).await?;
        Self::work_in(run, spec, work).await
    }

    async fn work_in<R>(
        run: Run,
        spec: &RunSpec,
        work: impl AsyncFnOnce(&Run) -> Result<R>,
    ) -> Result<R> {
        // A panic must not leave the run open.
        let result = AssertUnwindSafe(until_stopped(&spec.step, work(&run)))
            .catch_unwind()
            .await;
        let closed = run
            .close(result.as_ref().map_or(Status::Failed, Status::of))
            .await;
        if let (Err(_) | Ok(Err(_)), Err(unclosed)) = (&result, &closed) {
            tracing::warn!("the tracking run could not be closed: {unclosed:#}");
        }
        let done = result.unwrap_or_else(|panic| resume_unwind(panic))?;
        closed.map(|()| done)
    }

    /// Starts or reopens a run and its workflow's.
    pub(super) async fn start_run(&self, spec: &RunSpec) -> Result<Run> {
        let parent = match spec.parent() {
            None => None,
            Some(parent) => Some(until_stopped(&spec.step, self.reopen(&parent, None)).await?),
        };
        match until_stopped(&spec.step, self.reopen(spec, parent.as_ref())).await {
            Ok(open) => Ok(Run {
                tracking: self.clone(),
                open,
                parent,
            }),
            Err(error) => {
                if let Some(parent) = parent
                    && let Err(unclosed) = self
                        .with_short_budget()
                        .close_run(&parent, Status::of_failure(&error))
                        .await
                {
                    tracing::warn!("the workflow's tracking run could not be closed: {unclosed:#}");
                }
                Err(error)
            }
        }
    }

    async fn reopen(&self, spec: &RunSpec, parent: Option<&OpenRun>) -> Result<OpenRun> {
        let parent = parent.map(|parent| parent.id.as_str());
        self.home.reopen(spec, parent).await
    }

    async fn close_run(&self, run: &OpenRun, status: Status) -> Result<()> {
        self.home.close(&run.id, status).await
    }

    /// The same, whose calls are retried for [`LAST_CALLS`] at most.
    fn with_short_budget(&self) -> Self {
        Self {
            home: self.home.within(LAST_CALLS),
        }
    }
}

/// Does work until it ends, or until some time after SIGTERM has come: calls to a slow service do
/// not notice it.
async fn until_stopped<R>(step: &Step, work: impl Future<Output = Result<R>>) -> Result<R> {
    let stopped = async {
        while step.check().is_ok() {
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        biased;
        result = work => result,
        () = stopped => Err(Failure::Stopped.into()),
    }
}

/// A run as the tracking holds it while it is open.
#[derive(Clone, Debug)]
pub(super) struct OpenRun {
    pub(super) id: String,
    /// URL of its artifacts; empty where there are none.
    pub(super) artifacts: String,
    /// Paths of the tables that it holds.
    pub(super) tables: Arc<Mutex<BTreeSet<String>>>,
    /// Names that MLflow does not take, by the keys that represent them.
    pub(super) renamed: Arc<Mutex<BTreeMap<String, String>>>,
}

impl OpenRun {
    pub(super) fn new(id: String, artifacts: String, tables: BTreeSet<String>) -> Self {
        Self {
            id,
            artifacts,
            tables: Arc::new(Mutex::new(tables)),
            renamed: Arc::default(),
        }
    }
}

/// A run that is open.
#[derive(Clone, Debug)]
pub struct Run {
    tracking: Tracking,
    open: OpenRun,
    parent: Option<OpenRun>,
}

impl Run {
    /// Id of the run.
    pub fn id(&self) -> &str {
        &self.open.id
    }

    /// Does work inside a run that is nested in this one, as [`Tracking::in_run`] does in one of a
    /// workflow.
    pub async fn nested<R>(
        &self,
        spec: &RunSpec,
        work: impl AsyncFnOnce(&Self) -> Result<R>,
    ) -> Result<R> {
        let open = self.tracking.reopen(spec, Some(&self.open)).await?;
        let run = Self {
            tracking: self.tracking.clone(),
            open,
            parent: None,
        };
        Tracking::work_in(run, spec, work).await
    }

    /// Logs what the run was asked to do.
    pub async fn log_params<K: Into<String>>(
        &self,
        params: impl IntoIterator<Item = (K, String)>,
    ) -> Result<()> {
        let params: BTreeMap<String, String> = params
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        self.tracking.home.log_params(&self.open, params).await
    }

    /// Logs what the run measured. No tracker keeps numbers that are not finite: they are left out,
    /// and tagged with their name.
    pub async fn log_metrics<K: Into<String>>(
        &self,
        metrics: impl IntoIterator<Item = (K, f64)>,
    ) -> Result<()> {
        let at = Utc::now().timestamp_millis();
        let point = |(name, value): (K, f64)| (name.into(), Point { value, at, step: 0 });
        self.log_series(metrics.into_iter().map(point)).await
    }

    /// Logs numbers that each have a time and a place in a series. Of a name that comes more than
    /// once, the embedded tracking keeps the last one.
    pub async fn log_series<K: Into<String>>(
        &self,
        points: impl IntoIterator<Item = (K, Point)>,
    ) -> Result<()> {
        let points = points.into_iter().map(|(name, point)| (name.into(), point));
        let (finite, other): (Vec<_>, Vec<_>) =
            points.partition(|(_, point): &(String, Point)| point.value.is_finite());
        let mut tags = BTreeMap::new();
        for (name, point) in other {
            tags.insert(
                format!("alameda.not_finite.{name}"),
                point.value.to_string(),
            );
        }
        let home = &self.tracking.home;
        home.log_metrics(&self.open, finite, tags).await
    }

    /// Sets tags.
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<()> {
        self.tracking.home.set_tags(&self.open, tags).await
    }

    /// Sets a tag.
    pub async fn set_tag(&self, name: &str, value: impl fmt::Display) -> Result<()> {
        self.set_tags(BTreeMap::from([(name.to_owned(), value.to_string())]))
            .await
    }

    /// Describes the run in Markdown.
    pub async fn describe(&self, markdown: String) -> Result<()> {
        self.set_tag("mlflow.note.content", markdown).await
    }

    /// Logs the data that the run read.
    pub async fn log_datasets(&self, datasets: Vec<Dataset>) -> Result<()> {
        self.tracking.home.log_datasets(&self.open, &datasets).await
    }

    /// Logs tables by name, which the tracker's page shows; once per run, all together. The
    /// embedded tracking keeps none: what they show is in the store.
    pub async fn log_tables(&self, tables: &[(&str, Table)]) -> Result<()> {
        self.tracking.home.log_tables(&self.open, tables).await
    }

    /// Copies files of the store into a folder (`""`: the top) of what the run holds. The embedded
    /// tracking leaves them where they are: in the same store.
    pub async fn log_files(&self, folder: &str, store: &Store, keys: &[&str]) -> Result<()> {
        let home = &self.tracking.home;
        home.log_files(&self.open, folder, store, keys).await
    }

    /// Closes the run, and the workflow's run with it: the workflow's next step opens that one
    /// again.
    pub(super) async fn close(self, status: Status) -> Result<()> {
        let tracking = if status == Status::Killed {
            self.tracking.with_short_budget()
        } else {
            self.tracking.clone()
        };
        let parent = async {
            match &self.parent {
                Some(parent) => tracking.close_run(parent, status).await,
                None => Ok(()),
            }
        };
        if status == Status::Finished {
            // The workflow's first: a run that is FINISHED is not opened again, and a kill between
            // the two would leave the workflow's RUNNING.
            parent.await?;
            return tracking.close_run(&self.open, status).await;
        }
        // Together: after SIGTERM there is little time.
        let (closed, parent) = futures::join!(tracking.close_run(&self.open, status), parent);
        closed.and(parent)
    }
}
