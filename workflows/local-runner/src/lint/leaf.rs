//! Checks of leaves, and of their command lines against the steps' own parsers.

use std::collections::BTreeMap;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::Value;

use super::{Linter, WORKFLOW, names_input, names_workflow};
use crate::expr::{self, Dialect};
use crate::leaf::place;
use crate::spec::{Backoff, Container, NumberOrText, Parameters, RetryStrategy, Template, duration};
use crate::steps::{self, Step};
use crate::template::Scope;

/// Values for a tag without a default, tried in turn until the flag takes one.
const PLAUSIBLE: [&str; 5] = ["a", "1", "models:/a/1", "[]", "2026-11-23"];
/// Required flags whose variables the runner sets for every leaf.
const ADDRESSES: [&str; 2] = ["STORE_URL", "RAW_URL"];

impl Linter<'_> {
    pub(super) fn leaf(&mut self, template: &Template, container: &Container, index: usize) {
        self.complete(template, index);
        if let Some(strategy) = &template.retry_strategy {
            self.at(".retryStrategy", |l| l.retry(strategy));
        }
        for (i, output) in template.outputs.parameters.iter().enumerate() {
            let path = output.value_from.as_ref().and_then(|from| from.path.as_deref()).unwrap_or_default();
            self.at(&format!(".outputs.parameters[{i}]"), |l| l.path(path));
        }
        for (i, artifact) in template.outputs.artifacts.iter().enumerate() {
            self.at(&format!(".outputs.artifacts[{i}]"), |l| l.path(&artifact.path));
        }
        for (i, mount) in container.volume_mounts.iter().enumerate() {
            if !template.volumes.iter().any(|volume| volume.name == mount.name) {
                self.at(&format!(".container.volumeMounts[{i}]"), |l| {
                    l.find(format!("there is no volume `{}` in this template", mount.name));
                });
            }
        }
        let entry = self.entry;
        let known = |name: &str| {
            names_workflow(entry, name)
                || names_input(template, name)
                || ["pod.name", "node.name"].contains(&name)
                || name == "retries" && template.retry_strategy.is_some()
        };
        let texts = |value: Option<Value>| texts_of(&value.unwrap_or_default());
        let of_container = texts(serde_json::to_value(container).ok());
        self.at(".container", |l| of_container.iter().for_each(|text| l.tags(text, &known)));
        let of_volumes = texts(serde_json::to_value(&template.volumes).ok());
        self.at(".volumes", |l| of_volumes.iter().for_each(|text| l.tags(text, &known)));
        if let Some(step) = container.command.first().and_then(|program| steps::find(program)) {
            self.at(".container.args", |l| l.command_line(step, template, container));
        }
    }

    /// What a leaf of this house always has.
    fn complete(&mut self, template: &Template, index: usize) {
        let limited = template.retry_strategy.as_ref().is_some_and(|strategy| strategy.limit.is_some());
        if !limited {
            self.find("a leaf needs `retryStrategy.limit`: without it Argo tries for ever, or never again");
        }
        if template.active_deadline_seconds.is_none() {
            self.find("a leaf needs `activeDeadlineSeconds`: without it a hanging step hangs for ever");
        }
        let raw = &self.entry.raw;
        let spec = raw.pointer("/spec/workflowSpec").or(raw.pointer("/spec")).unwrap_or(&Value::Null);
        let field = |path: &str| spec.pointer(&format!("/templates/{index}/{path}")).is_some();
        let missing: Vec<_> = ["securityContext", "container/securityContext", "container/resources"]
            .into_iter()
            .filter(|path| !field(path))
            .collect();
        for path in missing {
            self.find(format!("a leaf needs `{}`", path.replace('/', ".")));
        }
    }

    fn path(&mut self, path: &str) {
        let root = Path::new("");
        if !place(root, path).is_some_and(|place| place.starts_with("outputs")) {
            self.find(format!("the path `{path}` must lie in /work/out, where the steps write their outputs"));
        }
    }

    fn retry(&mut self, strategy: &RetryStrategy) {
        if let Some(policy) = strategy.retry_policy.as_deref()
            && !["Always", "OnFailure", "OnError"].contains(&policy)
        {
            self.find(format!("the retryPolicy `{policy}` is not supported: Always, OnFailure or OnError"));
        }
        let numbers = [&strategy.limit, &strategy.backoff.as_ref().and_then(|backoff| backoff.factor.clone())];
        for error in numbers.into_iter().flatten().filter_map(|number| NumberOrText::number(number).err()) {
            self.find(error);
        }
        if let Some(Backoff { duration: pause, cap, .. }) = &strategy.backoff {
            for error in [Some(pause), cap.as_ref()].into_iter().flatten().filter_map(|text| duration(text).err()) {
                self.find(error);
            }
        }
        let Some(expression) = &strategy.expression else { return };
        self.at(".expression", |l| match expr::parse(expression, Dialect::Variables) {
            Ok(parsed) => {
                let known =
                    ["lastRetry.status", "lastRetry.exitCode", "lastRetry.message", "lastRetry.duration", "retries"];
                for name in parsed.names().into_iter().filter(|name| !known.contains(name)) {
                    l.find(format!("unknown name `{name}`: {}", known.join(", ")));
                }
            }
            Err(error) => l.find(error),
        });
    }

    /// Parses the command line as the step would, with a plausible value for each tag.
    fn command_line(&mut self, step: &Step, template: &Template, container: &Container) {
        let command = (step.command)();
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            let Ok(line) = plausible(step, &self.entry.spec.arguments, template, container, &values) else {
                return; // A tag that refers to nothing, which is told already.
            };
            let Err(error) = command.clone().try_get_matches_from(with_addresses(&command, line)) else { return };
            let flag = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(flag)) => flag.split([' ', '=']).next().unwrap_or_default().to_owned(),
                _ => String::new(),
            };
            let left = values.entry(flag).or_insert_with(|| match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => {
                    valid.iter().take(1).map(String::as_str).chain([PLAUSIBLE[0]]).map(str::to_owned).collect()
                }
                _ => PLAUSIBLE.iter().rev().map(|value| (*value).to_owned()).collect(),
            });
            let value_is_wrong = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
            // The last one is the one in use.
            if value_is_wrong && left.len() > 1 {
                left.pop();
                continue;
            }
            let text = error.to_string();
            let lines: Vec<_> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
            return self.find(lines.join(" ").trim_start_matches("error: ").to_owned());
        }
    }
}

/// The command line with tags filled in: by the input's default, else by a value that was chosen for the flag.
fn plausible(
    step: &Step,
    arguments: &Parameters,
    template: &Template,
    container: &Container,
    values: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, String> {
    let mut line = vec![step.name.to_owned()];
    for argument in container.command.iter().skip(1).chain(&container.args) {
        let flag = argument.split('=').next().unwrap_or_default();
        let value = values.get(flag).and_then(|left| left.last()).map_or(PLAUSIBLE[0], String::as_str);
        let mut scope = Scope::default();
        for name in WORKFLOW {
            scope.set(name, value);
        }
        let inputs = template.inputs.parameters.iter().map(|parameter| ("inputs", parameter));
        for (of, parameter) in inputs.chain(arguments.parameters.iter().map(|parameter| ("workflow", parameter))) {
            let default = parameter.given().filter(|default| !default.is_empty() && !default.contains("{{"));
            scope.set(format!("{of}.parameters.{}", parameter.name), default.unwrap_or(value));
        }
        for name in ["retries", "pod.name", "node.name"] {
            scope.set(name, value);
        }
        let filled = scope.fill(argument)?;
        // An empty value counts as not given.
        if !(filled.starts_with("--") && filled.ends_with('=')) {
            line.push(filled);
        }
    }
    Ok(line)
}

/// Adds the flags that come by variables of the platform.
pub(crate) fn with_addresses(command: &clap::Command, mut line: Vec<String>) -> Vec<String> {
    let verb = line.get(1).and_then(|verb| command.find_subcommand(verb));
    for argument in verb.into_iter().flat_map(clap::Command::get_arguments) {
        let by_variable = argument.get_env().and_then(|env| env.to_str()).is_some_and(|env| ADDRESSES.contains(&env));
        if let Some(long) = argument.get_long().filter(|_| by_variable) {
            line.push(format!("--{long}=/data"));
        }
    }
    line
}

fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(fields) => fields.values().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}
