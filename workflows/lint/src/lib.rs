#![doc = include_str!("../README.md")]

mod artifacts;
mod command;
mod cron;
mod dag;
mod data;
mod exits;
mod leaf;
mod metadata;
mod metrics;
mod parameters;
pub mod rules;
mod settings;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use anyhow::Result;
use argo::config_maps::{ConfigMaps, OUR_MAPS};
use argo::finding::Finding;
use argo::library::FORMER_PARAMETERS;
use argo::library::{Entry, FORMER_HOME, Library, home_of_leaf};
use argo::raw::{get, has, list, spec_path, text, texts};
use argo::schema::{self, NOT_RUN};
use runtime::failure::Failure;
use serde_json::Value;

pub use command::{Commands, with_addresses};

/// Longest name of a WorkflowTemplate: it becomes a label.
const TEMPLATE_NAME: usize = 63;
/// Longest name of a CronWorkflow: its workflows add a time to it.
const CRON_NAME: usize = 52;
/// Longest name of a template or task.
const PART_NAME: usize = 128;
/// Templates of a workflow and tasks of a DAG.
const PARTS: usize = 200;
/// The rest of the name of the ConfigMap that belongs to the cluster.
const PLATFORM: &str = "platform";
/// What a submit form and a list show.
const DESCRIPTION: &str = "workflows.argoproj.io/description";

/// Everything that is wrong, in the order of the files.
pub fn lint(library: &Library, maps: &ConfigMaps, commands: Commands) -> Vec<Finding> {
    let mut findings = of_workflows(library, maps, commands, &|_| true);
    let is_ours = |map: &str| map.starts_with(OUR_MAPS);
    findings.extend(of_maps(maps, &is_ours));
    data::unlisted(maps, &is_ours, &mut findings);
    settings::misnamed(library, maps, &mut findings);
    sorted(findings)
}

/// What is wrong with what one run would use.
pub struct OfRun {
    /// In its WorkflowTemplates and its CronWorkflow, and files that its ConfigMaps lack.
    pub workflows: Vec<Finding>,
    /// In the ConfigMaps that its parameters name; the first step finds it too.
    pub maps: Vec<Finding>,
}

/// What is wrong with `entries` and with the ConfigMaps named after `values`, and nothing else.
pub fn lint_run(
    library: &Library,
    maps: &ConfigMaps,
    commands: Commands,
    entries: &BTreeSet<&str>,
    values: &BTreeSet<&str>,
) -> OfRun {
    let mut workflows = of_workflows(library, maps, commands, &|entry| entries.contains(entry));
    let of_run = library.templates.values().chain(library.crons.values());
    let files: BTreeSet<&str> = of_run
        .filter(|entry| entries.contains(entry.name.as_str()))
        .map(|entry| entry.file.as_str())
        .collect();
    workflows.retain(|finding| files.contains(finding.file.as_str()));
    let is_in_use = |map: &str| {
        let name = map.strip_prefix(OUR_MAPS);
        name.is_some_and(|name| name == PLATFORM || values.contains(name))
    };
    data::unlisted(maps, &is_in_use, &mut workflows);
    OfRun {
        workflows: sorted(workflows),
        maps: sorted(of_maps(maps, &is_in_use)),
    }
}

fn of_workflows(
    library: &Library,
    maps: &ConfigMaps,
    commands: Commands,
    is_asked: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = library.findings.clone();
    for (entries, longest) in [
        (&library.templates, TEMPLATE_NAME),
        (&library.crons, CRON_NAME),
    ] {
        for entry in entries.values().filter(|entry| is_asked(&entry.name)) {
            findings.extend(of_entry(library, maps, commands, entry, longest));
        }
    }
    metrics::same_help(library, &mut findings);
    findings
}

fn of_maps(maps: &ConfigMaps, in_use: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    settings::check(maps, in_use, &mut findings);
    settings::differing(maps, in_use, &mut findings);
    data::check(maps, in_use, &mut findings);
    findings
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort();
    findings.dedup();
    findings
}

fn of_entry(
    library: &Library,
    maps: &ConfigMaps,
    commands: Commands,
    entry: &Entry,
    longest: usize,
) -> Vec<Finding> {
    let mut linter = Linter::new(library, maps, commands, entry);
    linter.name(longest);
    linter.spec();
    let of_reading = entry.findings.iter().cloned();
    let of_reading = of_reading.filter(|finding| finding.rule != NOT_RUN);
    of_reading.chain(linter.findings).collect()
}

/// What is wrong in single files, whose templates may call those of the `whole` folder.
pub fn lint_files(
    mut library: Library,
    whole: Library,
    maps: &ConfigMaps,
    commands: Commands,
) -> Vec<Finding> {
    let files: BTreeSet<String> = library.files.iter().cloned().collect();
    for (name, entry) in whole.templates {
        library.templates.entry(name).or_insert(entry);
    }
    let mut findings = lint(&library, maps, commands);
    findings.retain(|finding| files.contains(&finding.file));
    findings
}

/// Explains a rule; without a name, what the runner does with each field.
pub fn explain(rule: &str) -> Result<String> {
    if rule.is_empty() {
        return Ok(schema::explain());
    }
    let known = || {
        rules::all()
            .map(|rule| rule.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rule = rules::find(rule)
        .ok_or_else(|| Failure::usage(format!("there is no rule `{rule}`; known: {}", known())))?;
    Ok(rule.to_string())
}

/// A finding at its place.
fn finding(entry: &Entry, rule: &'static str, path: &str, text: impl Into<String>) -> Finding {
    let (line, column) = entry
        .marks
        .find(path.strip_prefix(entry.name.as_str()).unwrap_or_default());
    Finding {
        line,
        column,
        ..rules::finding(rule, &entry.file, path, text)
    }
}

/// A WorkflowTemplate or CronWorkflow and what is around it.
#[derive(Clone, Copy)]
struct Context<'a> {
    library: &'a Library,
    maps: &'a ConfigMaps,
    commands: Commands,
    entry: &'a Entry,
    /// The workflow's spec.
    spec: &'a Value,
}

/// Walks one WorkflowTemplate or CronWorkflow.
struct Linter<'a> {
    of: Context<'a>,
    path: String,
    findings: Vec<Finding>,
}

impl<'a> Linter<'a> {
    fn new(
        library: &'a Library,
        maps: &'a ConfigMaps,
        commands: Commands,
        entry: &'a Entry,
    ) -> Self {
        let of = Context {
            library,
            maps,
            commands,
            entry,
            spec: spec(entry),
        };
        Self {
            of,
            path: entry.name.clone(),
            findings: Vec::new(),
        }
    }

    fn find(&mut self, rule: &'static str, text: impl Into<String>) {
        self.findings
            .push(finding(self.of.entry, rule, &self.path, text));
    }

    /// Looks at a part of what is being looked at.
    fn at(&mut self, part: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path += part;
        look(self);
        self.path.truncate(length);
    }

    /// Looks at each item of a list.
    fn each(&mut self, value: &'a Value, part: &str, mut look: impl FnMut(&mut Self, &'a Value)) {
        for (i, item) in list(value, part).iter().enumerate() {
            self.at(&format!(".{part}[{i}]"), |l| look(l, item));
        }
    }

    fn name(&mut self, longest: usize) {
        let name = &self.of.entry.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        self.at(".metadata.name", |l| {
            if name.len() > longest {
                l.find(
                    "name",
                    format!(
                        "has {} characters, and Argo takes {longest} at most",
                        name.len()
                    ),
                );
            }
            if !name.chars().all(plain) {
                l.find(
                    "name",
                    "may hold lower-case letters, digits, dashes and dots",
                );
            }
        });
    }

    fn spec(&mut self) {
        let document = &self.of.entry.raw;
        let is_cron = document
            .get("kind")
            .is_some_and(|kind| kind == "CronWorkflow");
        self.metadata(document, "metadata");
        if is_cron {
            self.at(".spec", |l| l.cron(get(document, "spec")));
        }
        let spec = self.of.spec;
        self.at(spec_path(document), |l| {
            l.parameters(is_cron);
            l.workflow();
            l.by_inputs();
            l.target(is_cron);
            let mut seen = BTreeSet::new();
            let templates = list(spec, "templates");
            if templates.len() > PARTS {
                l.at(".templates", |l| {
                    l.find(
                        "too-many",
                        format!("there are {} templates", templates.len()),
                    )
                });
            }
            l.each(spec, "templates", |l, template| {
                let name = text(template, "name");
                l.part_name(name);
                if !seen.insert(name) {
                    l.find("duplicate", format!("there is another template `{name}`"));
                }
                l.template(template);
            });
        });
    }

    /// Fields of the workflow itself.
    fn workflow(&mut self) {
        let spec = self.of.spec;
        for path in ["retryStrategy", "templateDefaults.retryStrategy"]
            .into_iter()
            .filter(|path| has(spec, path))
        {
            self.at(&format!(".{path}"), |l| {
                l.find(
                    "spec-retry",
                    format!("`{path}` reaches every kind of template"),
                )
            });
        }
        if has(spec, "entrypoint")
            && !has(spec, "executor.serviceAccountName")
            && self.mounts_no_token()
        {
            self.find(
                "executor",
                "the templates mount no token, and there is no `executor.serviceAccountName`",
            );
        }
        self.artifact_gc(spec);
        self.locks(spec);
        self.metrics(spec);
        self.metadata(spec, "podMetadata");
        self.metadata(spec, "workflowMetadata");
        self.exits();
    }

    /// Whether leaves of this workflow, or the workflow itself, do without a token.
    fn mounts_no_token(&self) -> bool {
        let without =
            |value: &Value| get(value, "automountServiceAccountToken") == &Value::Bool(false);
        let called = list(self.of.spec, "templates")
            .iter()
            .flat_map(|template| list(template, "dag.tasks"));
        let leaves = list(self.of.spec, "templates")
            .iter()
            .chain(called.filter_map(|task| self.of.called(task).ok()));
        without(self.of.spec) || leaves.into_iter().any(without)
    }

    /// `entrypoint`, `onExit` and `workflowTemplateRef`.
    fn target(&mut self, is_cron: bool) {
        let (spec, library) = (self.of.spec, self.of.library);
        let mut templates = list(spec, "templates");
        if has(spec, "workflowTemplateRef") {
            let name = text(spec, "workflowTemplateRef.name");
            let Some(target) = library.templates.get(name) else {
                return self.at(".workflowTemplateRef.name", |l| {
                    l.find(
                        "template-ref",
                        format!("there is no WorkflowTemplate `{name}`"),
                    );
                });
            };
            let target = self::spec(target);
            templates = list(target, "templates");
            let known = list(target, "arguments.parameters");
            for (i, given) in list(spec, "arguments.parameters").iter().enumerate() {
                self.at(&format!(".arguments.parameters[{i}]"), |l| {
                    let parameter = text(given, "name");
                    let is_known = known.iter().any(|known| text(known, "name") == parameter);
                    if !is_known && FORMER_PARAMETERS.contains(&parameter) {
                        let what = format!("`{name}` takes no `{parameter}` any more");
                        l.find("image-parameter", what);
                    } else if !is_known {
                        l.find(
                            "argument-unknown",
                            format!("`{name}` has no parameter `{parameter}`"),
                        );
                    }
                    if is_cron {
                        l.one_pass(given, target);
                    }
                });
            }
        }
        for field in ["entrypoint", "onExit"]
            .into_iter()
            .filter(|field| has(spec, field))
        {
            let name = text(spec, field);
            if !templates
                .iter()
                .any(|template| text(template, "name") == name)
            {
                self.at(&format!(".{field}"), |l| {
                    l.find("entrypoint", format!("there is no template `{name}`"))
                });
            }
        }
    }

    fn part_name(&mut self, name: &str) {
        if name.len() > PART_NAME {
            self.at(".name", |l| {
                l.find(
                    "too-many",
                    format!("has {} characters, {PART_NAME} are allowed", name.len()),
                )
            });
        }
    }

    fn template(&mut self, template: &'a Value) {
        self.at(".inputs", |l| l.inputs(template));
        self.at(".outputs", |l| l.outputs(template));
        self.locks(template);
        self.metrics(template);
        self.metadata(template, "metadata");
        if has(template, "memoize") {
            self.at(".memoize", |l| {
                l.find("memoize", "remembers in a ConfigMap")
            });
        }
        if has(template, "dag") || has(template, "steps") {
            for field in ["timeout", "activeDeadlineSeconds"]
                .into_iter()
                .filter(|field| has(template, field))
            {
                self.at(&format!(".{field}"), |l| {
                    l.find("deadline-on-dag", format!("`{field}` is for leaves only"))
                });
            }
            if has(template, "retryStrategy") {
                self.at(".retryStrategy", |l| {
                    l.find("retry-on-dag", "a retry of it repeats everything in it")
                });
            }
        }
        if has(template, "dag") {
            self.dag(template);
        }
        for kind in ["container", "script"]
            .into_iter()
            .filter(|kind| has(template, kind))
        {
            self.leaf(template, kind);
        }
    }

    /// More than one lock in one place.
    fn locks(&mut self, holder: &'a Value) {
        let of = get(holder, "synchronization");
        let count = list(of, "mutexes").len() + list(of, "semaphores").len();
        if count > 1 {
            self.at(".synchronization", |l| {
                l.find("locks", format!("{count} locks are taken together"))
            });
        }
    }

    fn artifact_gc(&mut self, holder: &'a Value) {
        let strategy = text(holder, "artifactGC.strategy");
        if has(holder, "artifactGC") && strategy != "Never" {
            self.at(".artifactGC", |l| {
                l.find(
                    "artifact-gc",
                    format!("artifacts are deleted: `{strategy}`"),
                )
            });
        }
    }
}

impl<'a> Context<'a> {
    /// The template that a task calls.
    fn called(&self, task: &'a Value) -> Result<&'a Value, String> {
        let (home, name) = match has(task, "templateRef") {
            true => (
                text(task, "templateRef.name"),
                text(task, "templateRef.template"),
            ),
            false => (self.entry.name.as_str(), text(task, "template")),
        };
        let entry = if home == self.entry.name {
            Some(self.entry)
        } else {
            self.library.templates.get(home)
        };
        let entry = entry.ok_or_else(|| {
            let now = home_of_leaf(name).filter(|_| home == FORMER_HOME);
            let now = now.map(|now| format!(": its leaf `{name}` is in `{now}`"));
            let now = now.unwrap_or_default();
            format!("there is no WorkflowTemplate `{home}`{now}")
        })?;
        let template = list(spec(entry), "templates")
            .iter()
            .find(|template| text(template, "name") == name);
        template.ok_or_else(|| format!("the WorkflowTemplate `{home}` has no template `{name}`"))
    }
}

/// The workflow's spec of a document.
fn spec(entry: &Entry) -> &Value {
    get(&entry.raw, &spec_path(&entry.raw)[1..])
}
