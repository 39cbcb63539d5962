//! Runs on disk: `{home}/runs/{workflow}/workflow.json` and a folder for each node.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use runtime::failure::Failure;

use crate::workflow::{Node, Phase, Workflow};

/// All runs of a home folder.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    folder: PathBuf,
}

/// The folder of one workflow, held by the one runner that may change it.
#[derive(Debug)]
pub(crate) struct Run {
    /// The folder.
    pub folder: PathBuf,
    _lock: File,
}

impl Runs {
    /// The runs of `home`.
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            folder: home.join("runs"),
        }
    }

    pub(crate) fn folder(&self, workflow: &Workflow) -> PathBuf {
        self.folder.join(workflow.name())
    }

    /// Makes the folder of a new workflow; `None` when the name is taken.
    pub(crate) fn create(&self, name: &str) -> Result<Option<Run>> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("making the folder {}", self.folder.display()))?;
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
            made => made.with_context(|| format!("making the folder {}", folder.display()))?,
        }
        self.lock(name).map(Some)
    }

    /// Takes an existing workflow, unless another runner has it.
    pub(crate) fn lock(&self, name: &str) -> Result<Run> {
        let folder = self.folder.join(name);
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Run {
                folder,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Failure::usage(format!(
                "another runner is running {name}: wait for it, or stop it"
            ))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }

    /// Every workflow, the newest first. Folders that hold none are left out.
    pub(crate) fn list(&self) -> Result<Vec<Workflow>> {
        let mut workflows = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(workflows),
            entries => {
                entries.with_context(|| format!("listing the folder {}", self.folder.display()))?
            }
        };
        for entry in entries {
            let name = entry
                .with_context(|| format!("listing the folder {}", self.folder.display()))?
                .file_name();
            if let Some(name) = name.to_str()
                && let Some(workflow) = self.read(name)?
            {
                workflows.push(workflow);
            }
        }
        workflows.sort_by(|a, b| {
            let key = |w: &Workflow| (w.metadata.creation_timestamp, w.name().to_owned());
            key(b).cmp(&key(a))
        });
        Ok(workflows)
    }

    /// The workflow of that name, or the newest one for `@latest`.
    pub(crate) fn get(&self, name: &str) -> Result<Workflow> {
        let found = if name == "@latest" {
            self.list()?.into_iter().next()
        } else if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            None
        } else {
            self.read(name)?
        };
        found.ok_or_else(|| {
            let folder = self.folder.display();
            Failure::usage(match name {
                "@latest" => {
                    format!("there is no workflow yet in {folder}: submit one, or give --home")
                }
                _ => format!("there is no workflow `{name}` in {folder}: `alameda list` shows all"),
            })
        })
    }

    /// The state on disk. What looks unfinished though no runner holds it is what a dead runner
    /// left behind.
    fn read(&self, name: &str) -> Result<Option<Workflow>> {
        let path = self.folder.join(name).join("workflow.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("reading {}", path.display()))?,
        };
        let broken = |error| {
            Failure::usage(format!(
                "{} is not readable: remove its folder: {error}",
                path.display()
            ))
        };
        let mut workflow: Workflow = serde_json::from_slice(&text).map_err(broken)?;
        if !workflow.status.phase.fulfilled() && self.lock(name).is_ok() {
            workflow.mark_abandoned();
        }
        Ok(Some(workflow))
    }
}

impl Run {
    /// Writes the state, whole or not at all.
    pub(crate) fn save(&self, workflow: &Workflow) -> Result<()> {
        let text = serde_json::to_vec_pretty(workflow)
            .context("writing the state of the workflow as JSON")?;
        let (partial, path) = (
            self.folder.join(".workflow.json"),
            self.folder.join("workflow.json"),
        );
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, &path))
            .with_context(|| format!("writing {}", path.display()))
    }

    /// The folder of a node.
    pub(crate) fn node(&self, workflow: &Workflow, node: &Node) -> PathBuf {
        self.folder.join(folder_name(workflow, node))
    }

    /// Notes the phase of an attempt beside its log.
    pub(crate) fn note_phase(&self, workflow: &Workflow, node: &Node, phase: Phase) -> Result<()> {
        let path = self.node(workflow, node).join("phase");
        fs::write(&path, format!("{phase:?}\n"))
            .with_context(|| format!("writing {}", path.display()))
    }
}

/// Name of a node's folder: its dotted path, with a hash when characters had to be replaced or left
/// out.
pub(crate) fn folder_name(workflow: &Workflow, node: &Node) -> String {
    let path = node
        .name
        .strip_prefix(workflow.name())
        .unwrap_or(&node.name)
        .trim_start_matches('.');
    let path = if path.is_empty() {
        workflow.name()
    } else {
        path
    };
    let clean = |c: char| {
        if c.is_ascii_alphanumeric() || "._-():,=".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = path.chars().map(clean).take(100).collect();
    if name == path {
        name
    } else {
        format!("{name}-{}", node.id.rsplit('-').next().unwrap_or_default())
    }
}
