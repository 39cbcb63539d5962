//! Checks of DAGs: order, references, arguments, fan-outs.

use std::collections::{BTreeMap, BTreeSet};

use argo::expr::{self, Dialect};
use argo::library::FORMER_PARAMETERS;
use argo::raw::{get, has, list, plain, text, texts};
use argo::template;
use serde_json::Value;

use super::command::refused_value;
use super::parameters::given;
use super::tags::{has_name, names_input};
use super::{Context, Linter, PARTS};

const RESULTS: [&str; 9] = [
    "",
    "Succeeded",
    "Failed",
    "Errored",
    "Skipped",
    "Omitted",
    "Daemoned",
    "AnySucceeded",
    "AllFailed",
];
/// What never holds free text, so that a condition may hold it without quotes.
const WORDS: [&str; 4] = ["status", "exitCode", "retries", "phase"];

impl<'a> Linter<'a> {
    pub(super) fn dag(&mut self, template: &'a Value) {
        let tasks = list(template, "dag.tasks");
        let has_depends = tasks.iter().any(|task| has(task, "depends"));
        self.at(".dag", |l| {
            if tasks.len() > PARTS {
                l.at(".tasks", |l| {
                    l.find("too-many", format!("there are {} tasks", tasks.len()))
                });
            }
            for (i, task) in tasks.iter().enumerate() {
                l.at(&format!(".tasks[{i}]"), |l| {
                    let name = text(task, "name");
                    l.part_name(name);
                    if has_name(&tasks[..i], name) {
                        l.find("duplicate", format!("there is another task `{name}`"));
                    }
                    if has_depends && has(task, "dependencies") {
                        l.at(".dependencies", |l| {
                            l.find("dependencies", "is in a DAG that uses `depends`")
                        });
                    }
                    if has_depends && has(task, "continueOn") {
                        l.at(".continueOn", |l| {
                            l.find("continue-on", "is in a DAG that uses `depends`")
                        });
                    }
                    l.order(task, tasks);
                    l.fan_out(task, template);
                    l.condition(text(task, "when"), template);
                    l.task(task, template);
                });
            }
        });
        let all: BTreeSet<&str> = tasks.iter().map(|task| text(task, "name")).collect();
        let of = self.of;
        self.at(".outputs", |l| {
            let known = |name: &str| {
                of.names_workflow(name)
                    || names_input(template, name)
                    || of.names_output(template, &all, name)
            };
            l.each(get(template, "outputs"), "parameters", |l, output| {
                l.all_tags(output, "valueFrom", &known);
                l.fan_in(get(output, "valueFrom"), ".valueFrom", template);
            });
            l.each(get(template, "outputs"), "artifacts", |l, output| {
                l.all_tags(output, "from", &known)
            });
        });
    }

    /// What a task waits for.
    fn order(&mut self, task: &'a Value, tasks: &'a [Value]) {
        let no_task = |name: &str| format!("there is no task `{name}`");
        for (i, name) in list(task, "dependencies")
            .iter()
            .filter_map(Value::as_str)
            .enumerate()
        {
            if !has_name(tasks, name) {
                self.at(&format!(".dependencies[{i}]"), |l| {
                    l.find("depends", no_task(name))
                });
            }
        }
        let depends = text(task, "depends");
        self.at(".depends", |l| {
            if !depends.trim().is_empty() {
                match expr::parse(depends, Dialect::Depends) {
                    Ok(expression) => {
                        for name in expression.names() {
                            let (before, result) = name.split_once('.').unwrap_or((name, ""));
                            if !has_name(tasks, before) {
                                l.find("depends", no_task(before));
                            } else if !RESULTS.contains(&result) {
                                let known = RESULTS[1..].join(", ");
                                l.find(
                                    "depends",
                                    format!("`{result}` is not a result of a task: {known}"),
                                );
                            }
                        }
                    }
                    Err(error) => l.find("depends", error),
                }
            }
            let name = text(task, "name");
            if ancestors(task, tasks).contains(name) {
                l.find("depends", format!("`{name}` waits for itself"));
            }
        });
    }

    /// A fan-out over a list that is empty, or may be.
    fn fan_out(&mut self, task: &'a Value, template: &'a Value) {
        if get(task, "withItems").as_array().is_some_and(Vec::is_empty) {
            self.at(".withItems", |l| {
                l.find("fan-out-empty", "the list is empty")
            });
        }
        let Some(param) = get(task, "withParam").as_str().map(str::trim) else {
            return;
        };
        let is_empty = |value: &str| ["", "[]"].contains(&value.trim());
        let of = self.of;
        self.at(".withParam", |l| {
            let names = template::variables(param).unwrap_or_default();
            let [name] = names.as_slice() else {
                if is_empty(param) {
                    l.find("fan-out-empty", "the list is empty");
                }
                return;
            };
            let lists = [
                ("inputs.parameters.", list(template, "inputs.parameters")),
                ("workflow.parameters.", list(of.spec, "arguments.parameters")),
            ];
            for (prefix, parameters) in lists {
                let parameter = name.strip_prefix(prefix);
                let parameter = parameters.iter().find(|other| Some(text(other, "name")) == parameter);
                if parameter.and_then(given).is_some_and(|value| is_empty(&value)) {
                    l.find("fan-out-empty", format!("the default of `{name}` is an empty list"));
                }
            }
            let Some((before, output)) =
                name.strip_prefix("tasks.").and_then(|rest| rest.split_once(".outputs.parameters."))
            else {
                return;
            };
            let Some(before) = list(template, "dag.tasks").iter().find(|task| text(task, "name") == before) else {
                return;
            };
            let Ok(called) = of.called(before) else { return };
            let output = list(called, "outputs.parameters").iter().find(|other| text(other, "name") == output);
            let default = output.map(|output| plain(get(output, "valueFrom.default")));
            if default.is_some_and(|default| is_empty(&default)) && has(before, "when") && !has(task, "when") {
                let skipped = text(before, "name");
                l.find(
                    "fan-out-empty",
                    format!("when `{skipped}` is skipped the list is empty, by the default of its output"),
                );
            }
        });
    }

    /// Outputs of all items in one parameter.
    fn fan_in(&mut self, value: &'a Value, part: &str, template: &'a Value) {
        let tasks = list(template, "dag.tasks");
        for (path, text_of) in texts(value) {
            for name in template::variables(text_of).unwrap_or_default() {
                let rest = name
                    .strip_prefix("tasks.")
                    .and_then(|rest| rest.split_once(".outputs."));
                let Some((producer, output)) =
                    rest.filter(|(_, output)| !output.starts_with("artifacts"))
                else {
                    continue;
                };
                if tasks
                    .iter()
                    .any(|task| text(task, "name") == producer && expands(task))
                {
                    let what =
                        format!("`{output}` of all items of `{producer}` would be one parameter");
                    self.at(&format!("{part}{path}"), |l| l.find("fan-in", what));
                }
            }
        }
    }

    /// `when` is evaluated on the text that comes of it.
    fn condition(&mut self, when: &str, template: &'a Value) {
        let mut quote = None;
        for (i, c) in when.char_indices() {
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                ('{', None) if when[i..].starts_with("{{") && !when[i..].starts_with("{{=") => {
                    let Some((tag, rest)) = when[i + 2..].split_once("}}") else {
                        return;
                    }; // Reported as a tag.
                    let operand = rest
                        .trim_start()
                        .trim_start_matches(['=', '!', '<', '>'])
                        .trim_start();
                    let operand: String = operand
                        .chars()
                        .take_while(|c| c.is_ascii_digit() || *c == '.')
                        .collect();
                    let is_word = tag
                        .rsplit('.')
                        .next()
                        .is_some_and(|last| WORDS.contains(&last.trim()));
                    if !is_word
                        && !self.of.is_one_of_words(tag, template)
                        && operand.parse::<f64>().is_err()
                    {
                        self.at(".when", |l| {
                            l.find("when", format!("{{{{{tag}}}}} is not quoted"))
                        });
                    }
                }
                _ => {}
            }
        }
    }

    fn task(&mut self, task: &'a Value, template: &'a Value) {
        let of = self.of;
        let before = ancestors(task, list(template, "dag.tasks"));
        let known = |name: &str| {
            of.names_workflow(name)
                || names_input(template, name)
                || of.names_output(template, &before, name)
                || expands(task) && (name == "item" || name.starts_with("item."))
        };
        for field in ["withParam", "when", "arguments"] {
            self.all_tags(task, field, &known);
            self.fan_in(get(task, field), &format!(".{field}"), template);
        }
        let targets = ["template", "templateRef", "inline"]
            .into_iter()
            .filter(|field| has(task, field))
            .count();
        if targets != 1 {
            return self.find(
                "task-target",
                format!(
                    "the task `{}` calls {targets} templates",
                    text(task, "name")
                ),
            );
        }
        if has(task, "inline") {
            return;
        }
        let field = if has(task, "templateRef") {
            ".templateRef"
        } else {
            ".template"
        };
        match of.called(task) {
            Ok(target) => self.arguments(task, target),
            Err(text) => self.at(field, |l| l.find("template-ref", text)),
        }
    }

    fn arguments(&mut self, task: &'a Value, target: &'a Value) {
        let inputs = list(target, "inputs.parameters");
        let (called, target) = (target, text(target, "name"));
        self.each(task, "arguments.parameters", |l, argument| {
            let name = text(argument, "name");
            let Some(input) = inputs.iter().find(|input| text(input, "name") == name) else {
                if FORMER_PARAMETERS.contains(&name) {
                    let what = format!("the template `{target}` takes no `{name}` any more");
                    return l.find("image-parameter", what);
                }
                return l.find(
                    "argument-unknown",
                    format!("the template `{target}` has no input `{name}`"),
                );
            };
            l.parameter(argument);
            let value = given(argument).unwrap_or_default();
            l.in_enum(
                input,
                &value,
                format!("`{value}` is not in the enum of the input `{name}`"),
            );
            let literal = !value.is_empty() && !value.contains("{{");
            let refused = literal
                .then(|| refused_value(l.of.commands, called, name, &value))
                .flatten();
            if let Some(what) = refused {
                l.find("command-line", what);
            }
        });
        let needed = inputs
            .iter()
            .filter(|input| given(input).is_none() && !has(input, "valueFrom"));
        for input in needed.map(|input| text(input, "name")) {
            if !has_name(list(task, "arguments.parameters"), input) {
                let what = format!("the input `{input}` of the template `{target}` is not given");
                self.at(".arguments", |l| l.find("argument-missing", what));
            }
        }
    }
}

impl<'a> Context<'a> {
    /// Whether a variable is a parameter with an enum of plain words, which need no quotes.
    fn is_one_of_words(&self, name: &str, template: &'a Value) -> bool {
        let find = |list: &'a [Value], name: &str| {
            list.iter()
                .find(|parameter| text(parameter, "name") == name)
        };
        let parameter = if let Some(name) = name.strip_prefix("workflow.parameters.") {
            find(list(self.spec, "arguments.parameters"), name)
        } else if let Some(name) = name.strip_prefix("inputs.parameters.") {
            find(list(template, "inputs.parameters"), name)
        } else {
            // What a person supplies is chosen from the enum of the input of that name.
            let rest = name
                .strip_prefix("tasks.")
                .and_then(|rest| rest.split_once(".outputs.parameters."));
            let Some((task, output)) = rest else {
                return false;
            };
            let task = find(list(template, "dag.tasks"), task);
            let called = task
                .and_then(|task| self.called(task).ok())
                .filter(|called| has(called, "suspend"));
            called.and_then(|called| find(list(called, "inputs.parameters"), output))
        };
        let Some(parameter) = parameter else {
            return false;
        };
        let choices = list(parameter, "enum");
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !choices.is_empty() {
            return choices.iter().all(|choice| is_word(&plain(choice)));
        }
        // An input that takes the workflow's parameter of the same name has its enum.
        let name = name.strip_prefix("inputs.parameters.");
        name.is_some_and(|name| {
            self.is_one_of_words(&format!("workflow.parameters.{name}"), template)
        })
    }
}

/// Whether a task becomes a group of runs.
fn expands(task: &Value) -> bool {
    ["withItems", "withParam", "withSequence"]
        .iter()
        .any(|field| has(task, field))
}

/// Names of all tasks that come before one; of itself too, if it waits for itself.
fn ancestors<'t>(task: &Value, tasks: &'t [Value]) -> BTreeSet<&'t str> {
    let by_name: BTreeMap<&str, &Value> = tasks
        .iter()
        .map(|task| (text(task, "name"), task))
        .collect();
    let mut found = BTreeSet::new();
    let mut open = dependencies(task);
    while let Some(name) = open.pop() {
        if let Some((name, task)) = by_name.get_key_value(name.as_str())
            && found.insert(*name)
        {
            open.extend(dependencies(task));
        }
    }
    found
}

fn dependencies(task: &Value) -> Vec<String> {
    let listed = list(task, "dependencies")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let depends = text(task, "depends");
    let parsed = expr::parse(depends, Dialect::Depends).ok();
    let named: Vec<String> = parsed
        .iter()
        .flat_map(expr::Expr::names)
        .map(str::to_owned)
        .collect();
    listed
        .chain(
            named
                .into_iter()
                .filter_map(|name| Some(name.split('.').next()?.to_owned())),
        )
        .collect()
}
