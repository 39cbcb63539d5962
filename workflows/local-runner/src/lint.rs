//! Checks of workflows and configuration, stricter than Argo's.

mod leaf;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use leaf::with_addresses;

use std::collections::{BTreeMap, BTreeSet};

use common::store::Environment;

use crate::config_maps::ConfigMaps;
use crate::expr::{self, Dialect};
use crate::library::{Entry, Library};
use crate::schema::Finding;
use crate::spec::{Dag, NOT_ON_DAGS, Parameter, Task, Template};
use crate::steps::STEPS;
use crate::template;

/// Longest name of a WorkflowTemplate: it becomes a label.
const TEMPLATE_NAME: usize = 63;
/// Longest name of a CronWorkflow: its workflows add a time to it.
const CRON_NAME: usize = 52;
/// Variables that every template can name.
const WORKFLOW: [&str; 9] = [
    "workflow.name",
    "workflow.namespace",
    "workflow.uid",
    "workflow.creationTimestamp",
    "workflow.mainEntrypoint",
    "workflow.scheduledTime",
    "workflow.status",
    "workflow.failures",
    "workflow.duration",
];
const RESULTS: [&str; 9] =
    ["", "Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed"];

/// Everything that is wrong, in the order of the files.
pub(crate) fn lint(library: &Library, maps: &ConfigMaps) -> Vec<Finding> {
    let mut findings = library.findings.clone();
    for (entries, longest) in [(&library.templates, TEMPLATE_NAME), (&library.crons, CRON_NAME)] {
        for entry in entries.values() {
            findings.extend(entry.findings.iter().cloned());
            let mut linter = Linter { library, entry, path: entry.name.clone(), findings: &mut findings };
            linter.name(longest);
            linter.spec();
        }
    }
    config_maps(maps, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

/// What is wrong in single files, whose templates may call those of the `whole` folder.
pub(crate) fn lint_files(mut library: Library, whole: Library) -> Vec<Finding> {
    let files: BTreeSet<String> = library.files.iter().cloned().collect();
    for (name, entry) in whole.templates {
        library.templates.entry(name).or_insert(entry);
    }
    let mut findings = lint(&library, &ConfigMaps::default());
    findings.retain(|finding| files.contains(&finding.file));
    findings
}

/// A setting that no step knows is a misspelt one, and a secret has no place in a ConfigMap.
fn config_maps(maps: &ConfigMaps, findings: &mut Vec<Finding>) {
    let mut known: BTreeSet<String> = Environment::names().filter(|name| !Environment::is_secret(name)).collect();
    for step in &STEPS {
        let command = (step.command)();
        for command in std::iter::once(&command).chain(command.get_subcommands()) {
            known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())));
        }
    }
    for (name, keys) in maps.all().filter(|(name, _)| name.starts_with("alameda-")) {
        let setting = |key: &&String| key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        for key in keys.keys().filter(setting).filter(|key| !known.contains(*key)) {
            findings.push(Finding {
                file: maps.source().to_owned(),
                path: format!("{name}.data.{key}"),
                text: match Environment::is_secret(key) {
                    true => "is a secret: put it in the Secret alameda-storage, see config-maps/secrets.example.yaml",
                    false => "no step reads this variable",
                }
                .to_owned(),
            });
        }
    }
}

/// Walks one WorkflowTemplate or CronWorkflow.
struct Linter<'a> {
    library: &'a Library,
    entry: &'a Entry,
    path: String,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Linter<'a> {
    fn find(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { file: self.entry.file.clone(), path: self.path.clone(), text: text.into() });
    }

    /// Looks at a part of what is being looked at.
    fn at(&mut self, part: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path += part;
        look(self);
        self.path.truncate(length);
    }

    fn name(&mut self, longest: usize) {
        let name = &self.entry.name;
        let length = name.len();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        self.at(".metadata.name", |l| {
            if length > longest {
                l.find(format!("has {length} characters, and Argo takes {longest} at most"));
            }
            if !name.chars().all(plain) {
                l.find("may hold lower-case letters, digits, dashes and dots");
            }
        });
    }

    fn spec(&mut self) {
        let spec = &self.entry.spec;
        self.at(".spec", |l| {
            for (i, parameter) in spec.arguments.parameters.iter().enumerate() {
                l.at(&format!(".arguments.parameters[{i}]"), |l| l.choices(parameter));
            }
            let referred = spec.workflow_template_ref.as_ref().map(|target| &target.name);
            let target = referred.map(|name| (name, l.library.templates.get(name)));
            if let Some((name, None)) = target {
                l.at(".workflowTemplateRef", |l| l.find(format!("there is no WorkflowTemplate `{name}`")));
            }
            if let Some((name, Some(target))) = target {
                let known = &target.spec.arguments.parameters;
                for (i, parameter) in spec.arguments.parameters.iter().enumerate() {
                    if !known.iter().any(|known| known.name == parameter.name) {
                        l.at(&format!(".arguments.parameters[{i}]"), |l| {
                            l.find(format!("`{name}` has no parameter `{}`", parameter.name));
                        });
                    }
                }
            }
            let templates = target.and_then(|(_, entry)| entry).map_or(&spec.templates, |entry| &entry.spec.templates);
            for (field, name) in [("entrypoint", &spec.entrypoint), ("onExit", &spec.on_exit)] {
                if let Some(name) = name.as_ref().filter(|name| !templates.iter().any(|t| t.name == **name)) {
                    l.at(&format!(".{field}"), |l| l.find(format!("there is no template `{name}`")));
                }
            }
            let mut seen = BTreeSet::new();
            for (i, template) in spec.templates.iter().enumerate() {
                l.at(&format!(".templates[{i}]"), |l| {
                    if !seen.insert(&template.name) {
                        l.find(format!("there is another template `{}`", template.name));
                    }
                    l.template(template, i);
                });
            }
        });
    }

    fn choices(&mut self, parameter: &Parameter) {
        let Some(value) = parameter.given() else { return };
        if !parameter.choices.is_empty() && !parameter.choices.iter().any(|choice| choice == value) {
            let text = format!("the default `{value}` of `{}` is not in its enum, so Argo refuses it", parameter.name);
            self.find(text);
        }
    }

    fn template(&mut self, template: &'a Template, index: usize) {
        for (i, input) in template.inputs.parameters.iter().enumerate() {
            self.at(&format!(".inputs.parameters[{i}]"), |l| {
                l.choices(input);
                l.tags(input.given().unwrap_or_default(), &|name| names_workflow(l.entry, name));
            });
        }
        for (i, output) in template.outputs.parameters.iter().enumerate() {
            let has_default = output.value_from.as_ref().is_some_and(|from| from.default.is_some());
            if !has_default {
                self.at(&format!(".outputs.parameters[{i}]"), |l| {
                    let why = "if the task is skipped, Argo ends the workflow that refers to it";
                    l.find(format!("the output `{}` needs `valueFrom.default`: {why}", output.name));
                });
            }
        }
        if let Some(dag) = &template.dag {
            if template.retry_strategy.is_some() {
                self.at(".retryStrategy", |l| l.find(NOT_ON_DAGS));
            }
            self.at(".dag", |l| l.dag(dag, template));
        } else if let Some(container) = &template.container {
            self.leaf(template, container, index);
        }
    }

    /// Every tag of `text` must name something that `known` knows.
    fn tags(&mut self, text: &str, known: &dyn Fn(&str) -> bool) {
        match template::variables(text) {
            Ok(names) => {
                for name in names.iter().filter(|name| !known(name)) {
                    self.find(format!("the tag {{{{{name}}}}} refers to nothing"));
                }
            }
            Err(error) => self.find(error),
        }
    }

    fn dag(&mut self, dag: &'a Dag, template: &'a Template) {
        let tasks: BTreeMap<&str, &Task> = dag.tasks.iter().map(|task| (task.name.as_str(), task)).collect();
        for (i, task) in dag.tasks.iter().enumerate() {
            let is_double = dag.tasks[..i].iter().any(|other| other.name == task.name);
            self.at(&format!(".tasks[{i}]"), |l| {
                if is_double {
                    l.find(format!("there is another task `{}`", task.name));
                }
                l.depends(task, &tasks);
                l.task(task, &tasks, template);
            });
        }
        for (i, output) in template.outputs.parameters.iter().enumerate() {
            let from = output.value_from.as_ref().and_then(|from| from.parameter.as_deref()).unwrap_or_default();
            let all: BTreeSet<&str> = tasks.keys().copied().collect();
            self.at(&format!(" outputs.parameters[{i}]"), |l| {
                let (entry, library) = (l.entry, l.library);
                l.tags(from, &|name| {
                    names_workflow(entry, name)
                        || names_input(template, name)
                        || names_output(library, entry, &tasks, &all, name)
                });
            });
        }
    }

    fn depends(&mut self, task: &Task, tasks: &BTreeMap<&str, &Task>) {
        if task.depends.trim().is_empty() {
            return;
        }
        self.at(".depends", |l| {
            let expression = match expr::parse(&task.depends, Dialect::Depends) {
                Ok(expression) => expression,
                Err(error) => return l.find(error),
            };
            for name in expression.names() {
                let (before, result) = name.split_once('.').unwrap_or((name, ""));
                if !tasks.contains_key(before) {
                    l.find(format!("there is no task `{before}`"));
                } else if !RESULTS.contains(&result) {
                    l.find(format!("`{result}` is no result of a task: {}", RESULTS[1..].join(", ")));
                }
            }
            if ancestors(task, tasks).contains(task.name.as_str()) {
                l.find(format!("`{}` waits for itself", task.name));
            }
        });
    }

    fn task(&mut self, task: &Task, tasks: &BTreeMap<&str, &Task>, template: &Template) {
        let (entry, library) = (self.entry, self.library);
        let before = ancestors(task, tasks);
        let known = |name: &str| {
            names_workflow(entry, name)
                || names_input(template, name)
                || names_output(library, entry, tasks, &before, name)
                || task.expands() && (name == "item" || name.starts_with("item."))
        };
        self.at(".withParam", |l| l.tags(task.with_param.as_deref().unwrap_or_default(), &known));
        self.at(".when", |l| l.tags(&task.when, &known));
        for (i, argument) in task.arguments.parameters.iter().enumerate() {
            self.at(&format!(".arguments.parameters[{i}]"), |l| {
                l.tags(argument.given().unwrap_or_default(), &known);
            });
        }
        if task.template.is_some() == task.template_ref.is_some() {
            return self.find(format!("the task `{}` needs either `template` or `templateRef`", task.name));
        }
        match target(library, entry, task) {
            Ok(target) => self.arguments(task, target),
            Err(text) => self.at(".templateRef", |l| l.find(text)),
        }
    }

    fn arguments(&mut self, task: &Task, target: &Template) {
        let inputs = &target.inputs.parameters;
        for (i, argument) in task.arguments.parameters.iter().enumerate() {
            let Some(input) = inputs.iter().find(|input| input.name == argument.name) else {
                let text = format!("the template `{}` has no input `{}`", target.name, argument.name);
                self.at(&format!(".arguments.parameters[{i}]"), |l| l.find(text));
                continue;
            };
            let value = argument.given().unwrap_or_default();
            let is_literal = !value.contains("{{");
            if is_literal && !input.choices.is_empty() && !input.choices.iter().any(|choice| choice == value) {
                let text = format!("`{value}` is not in the enum of the input `{}`", input.name);
                self.at(&format!(".arguments.parameters[{i}]"), |l| l.find(text));
            }
        }
        let given = |input: &&Parameter| task.arguments.parameters.iter().any(|argument| argument.name == input.name);
        for input in inputs.iter().filter(|input| input.given().is_none()).filter(|input| !given(input)) {
            let text = format!("the input `{}` of the template `{}` is not given", input.name, target.name);
            self.at(".arguments", |l| l.find(text));
        }
    }
}

/// The template that a task calls.
fn target<'a>(library: &'a Library, entry: &'a Entry, task: &Task) -> Result<&'a Template, String> {
    let (home, name) = task.target(&entry.name).ok_or("the task calls no template")?;
    let entry = if home == entry.name { Some(entry) } else { library.templates.get(home) };
    let entry = entry.ok_or_else(|| format!("there is no WorkflowTemplate `{home}`"))?;
    let template = entry.spec.templates.iter().find(|template| template.name == name);
    template.ok_or_else(|| format!("the WorkflowTemplate `{home}` has no template `{name}`"))
}

/// Names of all tasks that come before one; of itself too, if it waits for itself.
fn ancestors<'t>(task: &Task, tasks: &BTreeMap<&'t str, &Task>) -> BTreeSet<&'t str> {
    let mut found = BTreeSet::new();
    let mut open = task.dependencies().unwrap_or_default();
    while let Some(name) = open.pop() {
        if let Some((name, task)) = tasks.get_key_value(name.as_str())
            && found.insert(*name)
        {
            open.extend(task.dependencies().unwrap_or_default());
        }
    }
    found
}

fn names_workflow(entry: &Entry, name: &str) -> bool {
    let parameter = name.strip_prefix("workflow.parameters.");
    WORKFLOW.contains(&name)
        || parameter.is_some_and(|name| entry.spec.arguments.parameters.iter().any(|p| p.name == name))
}

fn names_input(template: &Template, name: &str) -> bool {
    let parameter = name.strip_prefix("inputs.parameters.");
    parameter.is_some_and(|name| template.inputs.parameters.iter().any(|input| input.name == name))
}

/// Whether a name is a result of one of the tasks `before`.
fn names_output(
    library: &Library,
    entry: &Entry,
    tasks: &BTreeMap<&str, &Task>,
    before: &BTreeSet<&str>,
    name: &str,
) -> bool {
    let Some((task, field)) = name.strip_prefix("tasks.").and_then(|rest| rest.split_once('.')) else { return false };
    let Some(task) = tasks.get(task).filter(|_| before.contains(task)) else { return false };
    let Ok(template) = target(library, entry, task) else {
        return true; // Told where the task stands.
    };
    match field.strip_prefix("outputs.parameters.") {
        Some(name) => template.outputs.parameters.iter().any(|output| output.name == name),
        None => ["status", "exitCode", "outputs.parameters"].contains(&field),
    }
}
