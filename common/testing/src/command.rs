//! Commands that tests run, and what they did.

use std::ffi::OsStr;
use std::process::{Command, Output};

use serde_json::Value;

use services::python;

/// What the names of the variables begin with that programs are configured by.
const OF_PROGRAMS: [&str; 9] = [
    "ALAMEDA_",
    "AWS_",
    "DATABASE_",
    "MLFLOW_",
    "NOTIFY_",
    "PG",
    "RAW_",
    "RUST_LOG",
    "STORE_",
];

/// A program, ready to start, that no variable of the test's own environment configures.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let configures = |name: &str| OF_PROGRAMS.iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(configures) {
            command.env_remove(name);
        }
    }
    command
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors and progress.
    pub stderr: String,
}

impl Ran {
    /// Fails the test, showing what the user would see, unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// All that a user would see.
    pub fn shown(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// The JSON that a Python script prints, which asks the MLflow server at `uri` by its own client;
/// fails the test where the script does. `variables` are those that it needs beside.
#[expect(clippy::unwrap_used, reason = "without an answer no test goes on")]
pub fn ask_mlflow(
    script: &str,
    uri: &str,
    arguments: &[&str],
    variables: Vec<(String, String)>,
) -> Value {
    let output = Command::new(python().unwrap())
        .args(["-W", "ignore", "-c", script])
        .args(arguments)
        .env("MLFLOW_TRACKING_URI", uri)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        .envs(variables)
        .output()
        .unwrap();
    let printed = Ran::from(output).expect(0).stdout;
    serde_json::from_str(&printed).unwrap()
}
