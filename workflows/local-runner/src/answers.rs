//! Answers to gates (`suspend` templates), given in advance: `--output-parameter STEP.NAME=VALUE`,
//! after `argo node set --output-parameter NAME=VALUE`.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Result;
use argo::spec::{Parameter, Template};
use runtime::failure::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Name of the task that is a gate.
    pub step: String,
    /// Its output parameter.
    pub name: String,
    /// What it is to be.
    pub value: String,
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('=')
            .and_then(|(path, value)| Some((path.rsplit_once('.')?, value)));
        let ((step, name), value) =
            parts.ok_or("expected STEP.NAME=VALUE, such as approval.decision=approve")?;
        Ok(Self {
            step: step.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The output parameters of a gate that a person supplies.
pub(crate) fn supplied(gate: &Template) -> impl Iterator<Item = &Parameter> {
    let is_supplied = |p: &&Parameter| {
        p.value_from
            .as_ref()
            .is_some_and(|from| from.supplied.is_some())
    };
    gate.outputs.parameters.iter().filter(is_supplied)
}

/// The values that a supplied output may have, as Argo's form offers them: the enum of the input of
/// its name. Empty when any is good.
pub(crate) fn choices<'a>(gate: &'a Template, output: &'a Parameter) -> &'a [String] {
    let input = gate
        .inputs
        .parameters
        .iter()
        .find(|input| input.name == output.name);
    input.map_or(&output.choices, |input| &input.choices)
}

/// Refuses an answer to no gate, or one that a gate does not take, before anything runs.
/// `templates` are all that the workflow can reach, by `{WorkflowTemplate}/{template}`.
pub(crate) fn check(answers: &[Answer], templates: &BTreeMap<String, Template>) -> Result<()> {
    let gates = || {
        templates.iter().flat_map(|(key, template)| {
            let home = key.split('/').next().unwrap_or_default();
            let tasks = template.dag.iter().flat_map(|dag| &dag.tasks);
            tasks.filter_map(move |task| {
                let (home, name) = task.target(home)?;
                let gate = templates.get(&format!("{home}/{name}"))?;
                gate.suspend.is_some().then_some((task.name.as_str(), gate))
            })
        })
    };
    for Answer { step, name, value } in answers {
        let mut found = gates().filter(|(task, _)| task == step).peekable();
        if found.peek().is_none() {
            let known: Vec<_> = gates().map(|(task, _)| task).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(Failure::usage(format!(
                "no step `{step}` waits for an answer; those that do: {known}"
            )));
        }
        for (_, gate) in found {
            let Some(output) = supplied(gate).find(|output| output.name == *name) else {
                let known: Vec<_> = supplied(gate).map(|output| output.name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "{step} asks for no `{name}`; it asks for: {}",
                    known.join(", ")
                )));
            };
            let choices = choices(gate, output);
            if !choices.is_empty() && !choices.contains(value) {
                let choices = choices.join(", ");
                return Err(Failure::usage(format!(
                    "{step}.{name} is `{value}`, but must be one of: {choices}"
                )));
            }
        }
    }
    Ok(())
}
