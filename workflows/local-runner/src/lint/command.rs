//! Command lines, by the steps' own parsers.

use std::collections::BTreeMap;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::Value;

use super::Linter;
use super::parameters::given;
use super::raw::{list, text};
use super::tags::WORKFLOW;
use crate::steps::{self, Step};
use crate::template::Scope;

/// Values for a tag without a default, tried in turn until the flag takes one.
const PLAUSIBLE: [&str; 5] = ["a", "1", "models:/a/1", "[]", "2026-11-23"];
/// Required flags whose variables the runner sets for every leaf.
const ADDRESSES: [&str; 2] = ["STORE_URL", "RAW_URL"];

impl<'a> Linter<'a> {
    /// Parses the command line as the step would, with a plausible value for each tag.
    pub(super) fn command_line(&mut self, step: &Step, template: &'a Value, container: &'a Value) {
        let Some((flag, what)) = refused(step, self.of.spec, template, container) else {
            return;
        };
        let is_flag = |argument: &Value| {
            argument
                .as_str()
                .is_some_and(|text| text.split('=').next() == Some(&flag))
        };
        let index = list(container, "args").iter().position(is_flag);
        let part = index.map(|i| format!("[{i}]")).unwrap_or_default();
        self.at(&part, |l| l.find("command-line", what));
    }
}

/// Why the step of a leaf refuses a value that a task gives to an input.
pub(super) fn refused_value(target: &Value, input: &str, value: &str) -> Option<String> {
    let container = target.get("container")?;
    let program = list(container, "command").first()?.as_str()?;
    let step = steps::find(program)?;
    let mut given = target.clone();
    let inputs = given.pointer_mut("/inputs/parameters")?.as_array_mut()?;
    let input = inputs
        .iter_mut()
        .find(|other| text(other, "name") == input)?;
    input
        .as_object_mut()?
        .insert("value".to_owned(), value.into());
    let (_, what) = refused(step, &Value::Null, &given, container)?;
    // Not what is wrong with the leaf itself.
    let without = refused(step, &Value::Null, target, container);
    without.is_none().then_some(what)
}

/// The flag that a step refuses in a leaf's command line, and why.
fn refused(
    step: &Step,
    spec: &Value,
    template: &Value,
    container: &Value,
) -> Option<(String, String)> {
    let command = (step.command)();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        // A tag that refers to nothing is told already.
        let line = plausible(step, spec, template, container, &values).ok()?;
        let line = with_addresses(&command, line);
        let error = command.clone().try_get_matches_from(line).err()?;
        let flag = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(flag)) => {
                flag.split([' ', '=']).next().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let left = values.entry(flag.clone()).or_insert_with(|| {
            let of = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
            match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => {
                    let first = valid.first().map_or(PLAUSIBLE[0], String::as_str);
                    of(&[first, PLAUSIBLE[0]])
                }
                _ => PLAUSIBLE
                    .iter()
                    .rev()
                    .map(|value| (*value).to_owned())
                    .collect(),
            }
        });
        let value_is_wrong = matches!(
            error.kind(),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
        );
        // The last one is the one in use.
        if value_is_wrong && left.len() > 1 {
            left.pop();
            continue;
        }
        let message = error.to_string();
        let lines: Vec<_> = message
            .lines()
            .take_while(|line| !line.trim().is_empty())
            .map(str::trim)
            .collect();
        let what = lines.join(" ").trim_start_matches("error: ").to_owned();
        return Some((flag, what));
    }
}

/// The command line with tags filled in: by the input's default, else by a value that was chosen for the flag.
fn plausible(
    step: &Step,
    spec: &Value,
    template: &Value,
    container: &Value,
    values: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, String> {
    let mut line = vec![step.name.to_owned()];
    let words = list(container, "command")
        .iter()
        .skip(1)
        .chain(list(container, "args"));
    for argument in words.filter_map(Value::as_str) {
        let flag = argument.split('=').next().unwrap_or_default();
        let value = values
            .get(flag)
            .and_then(|left| left.last())
            .map_or(PLAUSIBLE[0], String::as_str);
        let mut scope = Scope::default();
        for name in WORKFLOW
            .into_iter()
            .chain(["retries", "pod.name", "node.name"])
        {
            scope.set(name, value);
        }
        let inputs = list(template, "inputs.parameters")
            .iter()
            .map(|parameter| ("inputs", parameter));
        let own = list(spec, "arguments.parameters")
            .iter()
            .map(|parameter| ("workflow", parameter));
        for (of, parameter) in inputs.chain(own) {
            let default =
                given(parameter).filter(|default| !default.is_empty() && !default.contains("{{"));
            let name = format!("{of}.parameters.{}", text(parameter, "name"));
            scope.set(name, default.unwrap_or_else(|| value.to_owned()));
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
        let by_variable = argument
            .get_env()
            .and_then(|env| env.to_str())
            .is_some_and(|env| ADDRESSES.contains(&env));
        if let Some(long) = argument.get_long().filter(|_| by_variable) {
            line.push(format!("--{long}=/data"));
        }
    }
    line
}
