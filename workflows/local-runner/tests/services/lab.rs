//! A place of its own on shared servers, and the commands that people type there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use testing::{Minio, minio, mlflow, postgres};

pub(crate) use testing::Ran;

/// A prefix, a model's name, a database and a folder that no other test uses.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    /// Name of its model, and so of its experiment, and of its database.
    pub(crate) name: String,
    /// The services, as the commands get them.
    pub(crate) variables: Vec<(String, String)>,
}

impl Lab {
    /// Nothing in it yet.
    pub(crate) fn new() -> Self {
        static LABS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("lab{}", LABS.fetch_add(1, Ordering::Relaxed));
        let database = postgres().create_database(&name).unwrap();
        let mut lab = Self {
            folder: tempfile::tempdir().unwrap(),
            name: name.clone(),
            variables: minio().variables(),
        };
        lab.set("STORE_URL", &format!("s3://{}/{name}/store", Minio::BUCKET));
        lab.set("RAW_URL", &format!("s3://{}/{name}/raw", Minio::BUCKET));
        lab.set("MLFLOW_TRACKING_URI", &mlflow().uri());
        lab.set("DATABASE_URL", &database);
        lab
    }

    /// Sets a variable for all commands from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A variable's value.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map_or_else(|| panic!("no variable {name}"), |(_, value)| value)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program in this lab, with its variables and no others of the kind.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = testing::command(program);
        command
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder());
        command
    }

    /// `alameda --home ... ARGUMENTS`, ready to start.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(Path::new(env!("CARGO_BIN_EXE_alameda")));
        command.arg("--home").arg(self.home()).args(arguments);
        command
    }

    /// Folder of the runs.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    pub(crate) fn alameda(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Raw files in the lab's bucket: `train` for training and `predict` to score.
    pub(crate) fn sample_data(&self, rows: usize, train: usize, predict: usize) {
        let [rows, train, predict] = [rows, train, predict].map(|number| number.to_string());
        let size = [
            "--rows-per-file",
            &rows,
            "--train-files",
            &train,
            "--predict-files",
            &predict,
        ];
        self.alameda(&[&["sample-data"], &size[..]].concat())
            .expect(0);
    }

    /// Submits the pipeline on data version `25.05.1`.
    pub(crate) fn pipeline(&self, more: &[&str]) -> Ran {
        let model = format!("model-name={}", self.name);
        let arguments = [
            "submit",
            "--from",
            "workflowtemplate/alameda-pipeline",
            "-p",
            "data-version=25.05.1",
            "-p",
            &model,
        ];
        self.alameda(&[&arguments[..], more].concat())
    }

    /// Runs Python with the lab's variables; gives what it prints.
    pub(crate) fn python(&self, script: &str) -> String {
        let mut command = self.program(&testing::python().unwrap());
        let ran: Ran = command.arg("-c").arg(script).output().unwrap().into();
        ran.expect(0).stdout
    }
}
