//! Every WorkflowTemplate and CronWorkflow of a folder, or the ones built into this binary.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use runtime::failure::Failure;
use serde_json::Value;

use crate::finding::Finding;
use crate::schema;
use crate::spec::{CronWorkflow, Template, WorkflowSpec, WorkflowTemplate};
use crate::steps;
use crate::yaml::{self, Marks};

macro_rules! step_file {
    ($step:literal) => {
        (
            concat!("steps/", $step, ".yaml"),
            include_str!(concat!("../../steps/", $step, ".yaml")),
        )
    };
}

/// The repository's own workflows and configuration, so that the binary works from any folder.
pub const EMBEDDED_WORKFLOWS: [(&str, &str); 13] = [
    ("backfill.yaml", include_str!("../../backfill.yaml")),
    ("inference.yaml", include_str!("../../inference.yaml")),
    ("monitoring.yaml", include_str!("../../monitoring.yaml")),
    (
        "nightly-inference.yaml",
        include_str!("../../nightly-inference.yaml"),
    ),
    ("pipeline.yaml", include_str!("../../pipeline.yaml")),
    (
        "retrain-on-drift.yaml",
        include_str!("../../retrain-on-drift.yaml"),
    ),
    ("training.yaml", include_str!("../../training.yaml")),
    step_file!("batch-inference"),
    step_file!("data-prep"),
    step_file!("model-monitoring"),
    step_file!("model-promotion"),
    step_file!("model-training"),
    step_file!("publish-predictions"),
];

/// The WorkflowTemplate that held all leaves in the first release.
pub const FORMER_HOME: &str = "alameda-steps";
/// Parameters of the first release's templates: command lines and runs may still give them.
pub const FORMER_PARAMETERS: [&str; 2] = ["image-registry", "image-tag"];
/// The subfolder of a workflows folder that holds the leaves.
const STEPS: &str = "steps";

/// Where YAML files come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The copies in this binary.
    Embedded,
    /// A folder.
    Folder(PathBuf),
    /// Single files.
    Files(Vec<PathBuf>),
}

impl Source {
    /// Name and text of every YAML file, in the order of the names.
    pub fn files(&self, embedded: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        let paths = match self {
            Source::Embedded => {
                return Ok(embedded
                    .iter()
                    .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                    .collect());
            }
            Source::Folder(folder) => with_steps(folder)?,
            Source::Files(paths) => {
                let mut files = Vec::new();
                for path in paths {
                    if path.is_dir() {
                        files.extend(with_steps(path)?)
                    } else {
                        files.push(path.clone())
                    }
                }
                files
            }
        };
        let read = |path: &PathBuf| {
            let text = yaml::read(path)?;
            Ok((path.display().to_string(), text))
        };
        paths.iter().map(read).collect()
    }
}

/// YAML files of a folder, then those of its subfolder `steps`.
fn with_steps(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = yaml_files(folder)?;
    let steps = folder.join(STEPS);
    if steps.is_dir() {
        files.extend(yaml_files(&steps)?);
    }
    Ok(files)
}

/// YAML files of a folder, sorted.
pub fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("listing the folder {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_file()
            && path
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One WorkflowTemplate or CronWorkflow.
#[derive(Debug)]
pub struct Entry {
    /// The file that it is in.
    pub file: String,
    /// Name of the template.
    pub name: String,
    /// Its spec.
    pub spec: WorkflowSpec,
    /// The document as it is in the file.
    pub raw: Value,
    /// Where its values stand.
    pub marks: Marks,
    /// What is not understood in it.
    pub findings: Vec<Finding>,
}

/// All that is there to submit.
#[derive(Debug, Default)]
pub struct Library {
    /// WorkflowTemplates by name.
    pub templates: BTreeMap<String, Entry>,
    /// CronWorkflows by name.
    pub crons: BTreeMap<String, Entry>,
    /// What is wrong with whole files.
    pub findings: Vec<Finding>,
    /// The files that were read.
    pub files: Vec<String>,
}

impl Library {
    /// Reads all files. What is not understood becomes findings, not an error.
    pub fn load(source: &Source) -> Result<Self> {
        let mut library = Self::default();
        for (file, text) in source.files(&EMBEDDED_WORKFLOWS)? {
            library.files.push(file.clone());
            for line in yaml::merge_keys(&text) {
                let finding = Finding::new("merge-key", &file, "YAML", "`<<` merges a mapping");
                library.findings.push(Finding { line, ..finding });
            }
            match yaml::load_marked(&text) {
                Ok(documents) => documents
                    .into_iter()
                    .for_each(|(value, marks)| library.add(&file, value, marks)),
                Err(broken) => {
                    let finding = Finding::new("yaml", &file, "YAML", broken.what());
                    library.findings.push(Finding {
                        line: broken.line,
                        ..finding
                    });
                }
            }
        }
        Ok(library)
    }

    fn add(&mut self, file: &str, raw: Value, marks: Marks) {
        let text = |field: &str| raw.get(field).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if !version.starts_with("argoproj.io/") && !version.is_empty() {
            return; // A Service, a Role or the like: nothing that runs here.
        }
        let name = raw
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut find = |rule: &'static str, path: &str, text: String| {
            let (line, column) = marks.find("");
            self.findings.push(Finding {
                line,
                column,
                ..Finding::new(rule, file, path, text)
            });
        };
        let is_cron = kind == "CronWorkflow";
        if !is_cron && kind != "WorkflowTemplate" {
            return find(
                "kind",
                &name,
                format!("the kind `{kind}` is not supported: WorkflowTemplate or CronWorkflow"),
            );
        }
        if name.is_empty() {
            return find("name", "metadata.name", format!("a {kind} needs a name"));
        }
        let (kept, mut findings) = schema::read(kind, &raw, file, &name);
        unrun_init_containers(&raw, file, &name, &mut findings);
        let parsed = if is_cron {
            serde_json::from_value::<CronWorkflow>(kept).map(|cron| cron.spec.workflow_spec)
        } else {
            serde_json::from_value::<WorkflowTemplate>(kept).map(|template| template.spec)
        };
        let spec = match parsed {
            Ok(spec) => spec,
            Err(error) => {
                if findings.is_empty() {
                    findings.push(Finding::new("type", file, &name, error.to_string()));
                }
                WorkflowSpec::default()
            }
        };
        for finding in &mut findings {
            (finding.line, finding.column) = marks.find(&finding.path[name.len()..]);
        }
        let place = if is_cron {
            &mut self.crons
        } else {
            &mut self.templates
        };
        if let Some(other) = place.get(&name) {
            return find(
                "duplicate",
                &name,
                format!("the same {kind} is also in {}", other.file),
            );
        }
        place.insert(
            name.clone(),
            Entry {
                file: file.to_owned(),
                name,
                spec,
                raw,
                marks,
                findings,
            },
        );
    }

    /// The leaves of all steps, in the order of the steps.
    pub fn leaves(&self) -> impl Iterator<Item = &Template> {
        let homes = steps::STEPS.map(|step| format!("alameda-{step}"));
        homes
            .into_iter()
            .flat_map(|home| &self.templates[&home].spec.templates)
    }

    /// The WorkflowTemplate of that name, if all of it is understood.
    pub fn template(&self, name: &str) -> Result<&Entry> {
        entry(&self.templates, "workflowtemplate", name, &self.findings)
    }

    /// The CronWorkflow of that name, if all of it is understood.
    pub fn cron(&self, name: &str) -> Result<&Entry> {
        entry(&self.crons, "cronwf", name, &self.findings)
    }

    /// Where a template is. Workflows of the first release call every leaf in one WorkflowTemplate.
    fn home(&self, home: &str, template: &str) -> String {
        if home != FORMER_HOME || self.templates.contains_key(home) {
            return home.to_owned();
        }
        home_of_leaf(template).unwrap_or_else(|| home.to_owned())
    }

    /// Everything that a spec of the WorkflowTemplate `home` can reach, by
    /// `{WorkflowTemplate}/{template}`.
    pub fn reachable(&self, home: &str, spec: &WorkflowSpec) -> Result<BTreeMap<String, Template>> {
        let mut stored = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let entries = spec.entrypoint.iter().chain(&spec.on_exit);
        let mut open: Vec<(String, String)> = entries
            .map(|name| (home.to_owned(), name.clone()))
            .collect();
        while let Some((home, name)) = open.pop() {
            if !seen.insert((home.clone(), name.clone())) {
                continue;
            }
            let entry = self.template(&self.home(&home, &name))?;
            let template = entry
                .spec
                .templates
                .iter()
                .find(|template| template.name == name)
                .ok_or_else(|| {
                    let known: Vec<_> = entry
                        .spec
                        .templates
                        .iter()
                        .map(|template| template.name.as_str())
                        .collect();
                    Failure::usage(format!(
                        "the WorkflowTemplate `{home}` ({}) has no template `{name}`; it has: {}",
                        entry.file,
                        known.join(", ")
                    ))
                })?;
            for task in template.dag.iter().flat_map(|dag| &dag.tasks) {
                if let Some((home, name)) = task.target(&home) {
                    open.push((home.to_owned(), name.to_owned()));
                }
            }
            stored.insert(format!("{home}/{name}"), template.clone());
        }
        Ok(stored)
    }
}

/// The WorkflowTemplate that a leaf of that name is in.
pub fn home_of_leaf(template: &str) -> Option<String> {
    let is_of = |step: &str| {
        let verb = template.strip_prefix(step);
        verb.is_some_and(|verb| verb.starts_with('-'))
    };
    let step = steps::STEPS.into_iter().find(|step| is_of(step))?;
    Some(format!("alameda-{step}"))
}

/// An init container that does more than show that its image is there would not have done it here.
fn unrun_init_containers(raw: &Value, file: &str, name: &str, findings: &mut Vec<Finding>) {
    let list = |value: &Value, field: &str| {
        let items = value.get(field).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    };
    let spec = raw.get("spec").unwrap_or(&Value::Null);
    for (i, template) in list(spec, "templates").iter().enumerate() {
        for (k, container) in list(template, "initContainers").iter().enumerate() {
            let command = list(container, "command");
            let is_probe = match command.as_slice() {
                [Value::String(step), Value::String(flag)] => {
                    steps::is_program(step) && flag == "--version"
                }
                _ => false,
            };
            if !is_probe {
                let path = format!("{name}.spec.templates[{i}].initContainers[{k}]");
                let text = "an init container that does more than `STEP --version` is not run here";
                findings.push(Finding::new(schema::NOT_RUN, file, path, text));
            }
        }
    }
}

fn entry<'a>(
    place: &'a BTreeMap<String, Entry>,
    kind: &str,
    name: &str,
    broken: &[Finding],
) -> Result<&'a Entry> {
    let lines = |findings: &[Finding]| {
        findings
            .iter()
            .map(|f| format!("\n  {f}"))
            .collect::<String>()
    };
    let Some(entry) = place.get(name) else {
        let known: Vec<_> = place.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Failure::usage(format!(
            "there is no {kind} `{name}`; known: {known}{}",
            lines(broken)
        )));
    };
    if entry.findings.is_empty() {
        return Ok(entry);
    }
    let what = format!(
        "{kind}/{name} holds what this runner does not understand:{}",
        lines(&entry.findings)
    );
    Err(Failure::usage(format!(
        "{what}\n`alameda lint --explain` lists the fields"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_holds_every_workflow_of_the_repository() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let on_disk: Vec<_> = with_steps(&folder).unwrap();
        let names: Vec<_> = on_disk
            .iter()
            .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, EMBEDDED_WORKFLOWS.map(|(name, _)| name));
    }
}
