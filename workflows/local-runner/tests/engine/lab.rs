//! A folder with workflows of a test, and the commands that people type.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use testing::Ran;

/// A home of its own, which vanishes with the test.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

/// A workflow as JSON.
pub(crate) struct Ended(pub Value);

impl Ended {
    /// What a command printed with `-o json`.
    fn of(ran: &Ran) -> Self {
        let workflow = serde_json::from_str(&ran.stdout);
        Self(workflow.unwrap_or_else(|error| panic!("{error}: {}", ran.shown())))
    }

    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap()
    }

    pub(crate) fn phase(&self) -> &str {
        self.0["status"]["phase"].as_str().unwrap()
    }

    pub(crate) fn nodes(&self) -> Vec<&Value> {
        self.0["status"]["nodes"]
            .as_object()
            .unwrap()
            .values()
            .collect()
    }

    /// The node of that dotted path below the workflow's name; empty for the root.
    pub(crate) fn find(&self, path: &str) -> Option<&Value> {
        let name = if path.is_empty() {
            self.name().to_owned()
        } else {
            format!("{}.{path}", self.name())
        };
        self.nodes().into_iter().find(|node| node["name"] == name)
    }

    pub(crate) fn node(&self, path: &str) -> &Value {
        let names: Vec<_> = self
            .nodes()
            .iter()
            .map(|node| node["name"].to_string())
            .collect();
        self.find(path)
            .unwrap_or_else(|| panic!("no node {path}: {names:?}"))
    }

    pub(crate) fn phase_of(&self, path: &str) -> &str {
        self.node(path)["phase"].as_str().unwrap()
    }

    pub(crate) fn message(&self, path: &str) -> &str {
        self.node(path)["message"].as_str().unwrap_or_default()
    }

    /// The value of a parameter in a node's `inputs` or `outputs`.
    pub(crate) fn parameter(&self, path: &str, list: &str, name: &str) -> &str {
        let node = self.node(path);
        let found = node[list]["parameters"]
            .as_array()
            .and_then(|list| list.iter().find(|p| p["name"] == name));
        found.unwrap_or_else(|| panic!("no {list} {name} in {node:#}"))["value"]
            .as_str()
            .unwrap()
    }

    pub(crate) fn output(&self, path: &str, name: &str) -> &str {
        self.parameter(path, "outputs", name)
    }
}

impl Lab {
    /// With WorkflowTemplates in a file, and no ConfigMaps.
    pub(crate) fn new(yaml: &str) -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in ["workflows", "config-maps"] {
            fs::create_dir(lab.path(folder)).unwrap();
        }
        lab.write("workflows/test.yaml", yaml);
        lab
    }

    /// With one WorkflowTemplate `t`, whose entrypoint is `main`.
    pub(crate) fn templates(parameters: &str, templates: &str) -> Self {
        let head = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: t}\nspec:\n  entrypoint: main\n";
        Self::new(&format!(
            "{head}  arguments: {{parameters: [{parameters}]}}\n  templates:\n{templates}"
        ))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `alameda ARGUMENTS` in this folder, ready to start; `$LAB` is the folder. Its few lines of
    /// YAML lack what `alameda lint` asks for, so that it is submitted as it is.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let as_it_is = (arguments.first() == Some(&"submit")).then_some("--no-lint");
        let mut command = self.linted(arguments);
        command.args(as_it_is);
        command
    }

    /// The same, where a submit lints first.
    pub(crate) fn linted(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("LAB", self.folder.path());
        for name in ["STORE_URL", "RAW_URL", "ALAMEDA_THREADS"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn alameda(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// The workflow that a command prints as JSON; fails the test unless its exit code is `code`.
    pub(crate) fn workflow(&self, arguments: &[&str], code: i32) -> Ended {
        let json = [arguments, &["-o", "json"]].concat();
        Ended::of(&self.alameda(&json).expect(code))
    }

    /// Submits `t`; the ended workflow.
    pub(crate) fn submit(&self, more: &[&str]) -> Ended {
        let ran = self.alameda(
            &[
                &["submit", "--from", "workflowtemplate/t", "-o", "json"],
                more,
            ]
            .concat(),
        );
        let ended = Ended::of(&ran);
        assert_eq!(
            ran.code,
            Some(i32::from(ended.phase() != "Succeeded")),
            "{}",
            ran.stderr
        );
        ended
    }

    /// Waits until a file holds a line.
    pub(crate) fn wait_for(&self, name: &str) -> String {
        let text = || self.read(name).lines().next().map(str::to_owned);
        until(&format!("{name} to be written"), || text().is_some());
        text().unwrap()
    }
}

/// Waits for a condition; fails the test after five minutes.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "waited five minutes for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}
