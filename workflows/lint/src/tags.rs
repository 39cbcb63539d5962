//! Tags: what each place can name.

use std::collections::BTreeSet;

use argo::raw::{get, has, list, text, texts};
use argo::template::{self, SCHEDULED_TIME};
use serde_json::Value;

use super::{Context, Linter};

/// Variables that every template can name.
pub(super) const WORKFLOW: [&str; 12] = [
    "workflow.name",
    "workflow.namespace",
    "workflow.serviceAccountName",
    "workflow.uid",
    "workflow.creationTimestamp",
    "workflow.mainEntrypoint",
    "workflow.priority",
    "workflow.status",
    "workflow.failures",
    "workflow.duration",
    "workflow.parameters",
    "workflow.parameters.json",
];

impl<'a> Linter<'a> {
    /// Every tag of `text` must name something that `known` knows.
    pub(super) fn tags(&mut self, text: &str, known: &dyn Fn(&str) -> bool) {
        let names = match template::variables(text) {
            Ok(names) => names,
            Err(error) => return self.find("tag", error),
        };
        for name in names.iter().filter(|name| !known(name)) {
            match name == SCHEDULED_TIME {
                true => self.find(
                    "scheduled-time",
                    format!("the tag {{{{{name}}}}} is in a template"),
                ),
                false => self.find("tag", format!("the tag {{{{{name}}}}} refers to nothing")),
            }
        }
        for tag in text
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split("}}").next())
        {
            if !tag.starts_with('=') && tag.trim() != tag {
                self.find("tag-space", format!("`{{{{{tag}}}}}` has spaces inside"));
            }
        }
    }

    /// Every tag in what is at `field`.
    pub(super) fn all_tags(
        &mut self,
        holder: &'a Value,
        field: &str,
        known: &dyn Fn(&str) -> bool,
    ) {
        for (path, text) in texts(get(holder, field)) {
            self.at(&format!(".{field}{path}"), |l| l.tags(text, known));
        }
    }
}

impl<'a> Context<'a> {
    /// Whether the workflow has a variable of that name.
    pub(super) fn names_workflow(&self, name: &str) -> bool {
        let document = &self.entry.raw;
        let parameter = name.strip_prefix("workflow.parameters.");
        let key = |prefix: &str, places: [&Value; 3]| {
            let key = name.strip_prefix(prefix);
            key.is_some_and(|key| places.iter().any(|place| place.get(key).is_some()))
        };
        WORKFLOW.contains(&name)
            || name.starts_with("workflow.creationTimestamp.")
            || name.starts_with("workflow.outputs.")
            || parameter.is_some_and(|name| has_name(list(self.spec, "arguments.parameters"), name))
            || key(
                "workflow.labels.",
                [
                    get(document, "metadata.labels"),
                    get(self.spec, "workflowMetadata.labels"),
                    get(self.spec, "workflowMetadata.labelsFrom"),
                ],
            )
            || key(
                "workflow.annotations.",
                [
                    get(document, "metadata.annotations"),
                    get(self.spec, "workflowMetadata.annotations"),
                    &Value::Null,
                ],
            )
    }

    /// Whether a name is known to a leaf.
    pub(super) fn known_in_leaf(&self, template: &'a Value, name: &str) -> bool {
        self.names_workflow(name) || names_input(template, name) || names_own(template, name)
    }

    /// Whether a name is a result of one of the tasks `before`.
    pub(super) fn names_output(
        &self,
        template: &'a Value,
        before: &BTreeSet<&str>,
        name: &str,
    ) -> bool {
        let rest = name
            .strip_prefix("tasks.")
            .and_then(|rest| rest.split_once('.'));
        let Some((task, field)) = rest.filter(|(task, _)| before.contains(task)) else {
            return false;
        };
        let tasks = list(template, "dag.tasks");
        let Some(task) = tasks.iter().find(|other| text(other, "name") == task) else {
            return false;
        };
        let Ok(target) = self.called(task) else {
            return true; // Found where the task stands.
        };
        let parameter = field.strip_prefix("outputs.parameters.");
        let artifact = field.strip_prefix("outputs.artifacts.");
        parameter.is_some_and(|name| has_name(list(target, "outputs.parameters"), name))
            || artifact.is_some_and(|name| has_name(list(target, "outputs.artifacts"), name))
            || field == "outputs.result" && !has(target, "dag")
            || [
                "status",
                "exitCode",
                "startedAt",
                "finishedAt",
                "id",
                "ip",
                "hostNodeName",
                "outputs.parameters",
            ]
            .contains(&field)
    }
}

/// Whether a name is an input of that template.
pub(super) fn names_input(template: &Value, name: &str) -> bool {
    let parameter = name.strip_prefix("inputs.parameters.");
    let artifact = name
        .strip_prefix("inputs.artifacts.")
        .map(|rest| rest.strip_suffix(".path").unwrap_or(rest));
    name == "inputs.parameters"
        || parameter.is_some_and(|name| has_name(list(template, "inputs.parameters"), name))
        || artifact.is_some_and(|name| has_name(list(template, "inputs.artifacts"), name))
}

/// Whether a name is of the pod itself.
pub(super) fn names_own(template: &Value, name: &str) -> bool {
    let own = |list_of: &str| {
        let rest = name
            .strip_prefix("outputs.")
            .and_then(|rest| rest.strip_prefix(list_of)?.strip_prefix('.'));
        let output = rest.and_then(|rest| rest.strip_suffix(".path"));
        output.is_some_and(|name| has_name(list(template, &format!("outputs.{list_of}")), name))
    };
    let on_retry = name == "retries" || name.starts_with("lastRetry.");
    ["pod.name", "node.name"].contains(&name)
        || on_retry && has(template, "retryStrategy")
        || own("parameters")
        || own("artifacts")
}

/// Whether one of a list is called so.
pub(super) fn has_name(items: &[Value], name: &str) -> bool {
    items.iter().any(|item| text(item, "name") == name)
}
