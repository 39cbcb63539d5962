//! The two homes, as tests open them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use catalog::manifest::File;
use runtime::step::Step;
use store::{Access, Role, Store};

/// A budget that is never spent: every call succeeds, or is refused for good.
pub(super) const PATIENT: Budget = Budget(Duration::from_secs(120));

/// A tracking of its own: a store, a model name, and with MLflow an experiment of that name.
pub(super) struct Home {
    pub(super) store: Store,
    pub(super) tracking: Tracking,
    pub(super) step: Step,
    pub(super) name: ModelName,
    /// Address of the MLflow server; empty where there is none.
    pub(super) uri: String,
    _folder: tempfile::TempDir,
}

pub(super) fn fingerprint(i: usize) -> String {
    digest::hex(i.to_string().as_bytes())
}

/// What a registered model is described by.
pub(super) const ABOUT: &str = "Models of *churn*.";

/// What the version of the fingerprint `i` is described by.
pub(super) fn description(i: usize) -> String {
    format!("Model **{i}**.\n\nIts F1 is 0.5.")
}

/// Keys of files.
pub(super) fn keys(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.key.as_str()).collect()
}

impl Home {
    pub(super) fn embedded() -> Self {
        Self::new(Tracking::embedded)
    }

    /// On the plain server.
    pub(super) fn mlflow() -> Self {
        Self::at(&testing::mlflow().uri(), Login::None, PATIENT)
    }

    /// On a server, or a proxy before one.
    pub(super) fn at(uri: &str, login: Login, budget: Budget) -> Self {
        let access = Access {
            budget,
            ..Access::of_process(Role::Store).unwrap()
        };
        Self::with_access(uri, login, access)
    }

    /// The same with variables of an S3 server.
    pub(super) fn with_access(uri: &str, login: Login, access: Access) -> Self {
        let args = TrackingArgs {
            uri: Some(uri.to_owned()),
            ..TrackingArgs::default()
        };
        let mlflow = super::super::mlflow::Mlflow::open_as(login, access, uri, &args).unwrap();
        Self {
            uri: uri.to_owned(),
            ..Self::new(|_| Tracking {
                home: Arc::new(mlflow),
            })
        }
    }

    /// With the flags of a step.
    pub(super) fn with_args(login: Login, args: &TrackingArgs) -> Result<Self> {
        let uri = args.uri().unwrap_or_default();
        let mlflow = super::super::mlflow::Mlflow::open_as(
            login,
            Access::of_process(Role::Store)?,
            uri,
            args,
        )?;
        Ok(Self::new(|_| Tracking {
            home: Arc::new(mlflow),
        }))
    }

    fn new(open: impl FnOnce(&Store) -> Tracking) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-training", folder.path());
        let store = Store::of(&step).unwrap();
        let name = format!("churn-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap();
        Self {
            tracking: open(&store),
            store,
            step,
            name,
            uri: String::new(),
            _folder: folder,
        }
    }

    /// The same for another's model.
    pub(super) fn about(self, name: &ModelName) -> Self {
        Self {
            name: name.clone(),
            ..self
        }
    }

    /// A spec of the run of the fingerprint `i`.
    pub(super) fn spec(&self, i: usize) -> RunSpec {
        RunSpec::new(
            &self.step,
            format!("train {i}"),
            &self.name,
            &fingerprint(i),
        )
    }

    /// Files of a model in the store.
    pub(super) async fn files(&self, i: usize) -> Vec<File> {
        let mut files = Vec::new();
        for (name, content) in [
            ("model.json", format!("{{\"model\": {i}}}")),
            ("metrics.json", "{}".to_owned()),
        ] {
            let key = format!("models/{}/{i}/{name}", self.name);
            files.push(File {
                bytes: content.len() as u64,
                sha256: String::new(),
                key: key.clone(),
            });
            self.store.put(&key, content.into_bytes()).await.unwrap();
        }
        files
    }

    /// Registers a model of the fingerprint `i`, from a run of its own that holds its files.
    pub(super) async fn register(&self, i: usize) -> Version {
        let files = self.files(i).await;
        self.tracking
            .in_run(&self.spec(i), async |run| {
                self.register_from(run, i, &files).await
            })
            .await
            .unwrap()
    }

    /// Registers a model of the fingerprint `i` from a run, which holds its files from then on.
    async fn register_from(&self, run: &Run, i: usize, files: &[File]) -> Result<Version> {
        run.log_files(MODEL_FOLDER, &self.store, &keys(files))
            .await?;
        let model = format!("models/{}/{i}/_manifest.json", self.name);
        let fingerprint = fingerprint(i);
        let candidate = Candidate {
            files,
            description: description(i),
            about_model: ABOUT.to_owned(),
            ..Candidate::new(&self.name, &model, &fingerprint, run.id())
        };
        self.tracking.register(&candidate).await
    }

    /// Everything that a training does with the tracking.
    pub(super) async fn train(&self, i: usize) -> Result<Version> {
        let files = self.files(i).await;
        self.tracking
            .in_run(&self.spec(i), async |run| {
                run.log_params([("c", "1".to_owned())]).await?;
                run.log_metrics([("f1", 0.5)]).await?;
                run.log_tables(&[("drift", Table::new(&["feature"]))])
                    .await?;
                self.register_from(run, i, &files).await
            })
            .await
    }

    /// After [`Home::train`]: one run and its workflow's, both finished, and one version, as the
    /// server at `uri` shows them.
    pub(super) fn assert_whole(&self, uri: &str) -> serde_json::Value {
        let read = Self::read_back_at(uri, &self.name);
        let statuses: Vec<_> = read["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| &run["status"])
            .collect();
        assert_eq!(statuses, ["FINISHED", "FINISHED"], "{read:#}");
        let run = &read["runs"][1];
        assert_eq!(
            (&run["params"]["c"], run["metrics"]["f1"][0][0].as_f64()),
            (&"1".into(), Some(0.5))
        );
        assert_eq!(
            (
                run["files"].as_object().unwrap().len(),
                run["tables"].as_object().unwrap().len()
            ),
            (3, 1)
        );
        assert_eq!(read["versions"].as_array().unwrap().len(), 1);
        read
    }

    pub(super) async fn run(&self, i: usize) -> RunRecord {
        self.tracking
            .find_run(&self.name, &fingerprint(i))
            .await
            .unwrap()
            .unwrap()
    }

    pub(super) async fn set(&self, version: u64, expected: Option<u64>) -> bool {
        self.tracking
            .set_alias(&self.name, CHAMPION, version, expected)
            .await
            .unwrap()
    }

    /// What MLflow's own Python client reads of the experiment and the registered model.
    pub(super) fn read_back(&self) -> serde_json::Value {
        Self::read_back_at(&self.uri, &self.name)
    }

    /// The same, past a proxy.
    pub(super) fn read_back_at(uri: &str, name: &ModelName) -> serde_json::Value {
        Self::read_back_with(uri, name, Vec::new())
    }

    /// The same with variables for Python.
    pub(super) fn read_back_with(
        uri: &str,
        name: &ModelName,
        variables: Vec<(String, String)>,
    ) -> serde_json::Value {
        testing::ask_mlflow(
            include_str!("read_back.py"),
            uri,
            &[&name.to_string()],
            variables,
        )
    }
}

/// Runs Python with MLflow's client, and gives the JSON that it prints.
pub(super) fn python(script: &str, uri: &str, arguments: &[&str]) -> serde_json::Value {
    testing::ask_mlflow(script, uri, arguments, Vec::new())
}
