//! The variables that tags can name.

use argo::spec::Task;
use argo::template::Scope;
use serde_json::Value;

use super::Engine;
use super::dag::Tasks;
use crate::workflow::{Kind, Node, Phase, SCHEDULED_TIME, now};

impl Engine<'_> {
    /// `workflow.*`; status, failures and duration for the exit handler only.
    pub(super) fn workflow_scope(&self, exit: bool) -> Scope {
        let workflow = &self.workflow;
        let mut scope = Scope::default();
        scope.set("workflow.name", workflow.name());
        scope.set("workflow.namespace", "local");
        scope.set("workflow.uid", workflow.name());
        scope.set(
            "workflow.creationTimestamp",
            workflow.metadata.creation_timestamp.to_rfc3339(),
        );
        if let Some(entrypoint) = &workflow.status.stored_workflow_template_spec.entrypoint {
            scope.set("workflow.mainEntrypoint", entrypoint);
        }
        let scheduled = workflow.metadata.annotations.get(SCHEDULED_TIME);
        if let Some(time) = scheduled {
            scope.set("workflow.scheduledTime", time);
        }
        for parameter in &workflow.spec.arguments.parameters {
            let mut value = parameter.value.clone().unwrap_or_default();
            // Argo substitutes twice, so that a parameter may hold this tag; the list of parameters
            // keeps showing it.
            if let Some(time) = scheduled {
                value = value.replace("{{workflow.scheduledTime}}", time);
            }
            scope.set(format!("workflow.parameters.{}", parameter.name), value);
        }
        if exit {
            let status = workflow.root().map_or(Phase::Error, |root| root.phase);
            scope.set("workflow.status", format!("{status:?}"));
            scope.set("workflow.failures", self.failures());
            let seconds = workflow
                .status
                .started_at
                .map_or(0, |start| (now() - start).num_milliseconds())
                as f64
                / 1e3;
            scope.set("workflow.duration", format!("{seconds:.6}"));
        }
        scope
    }

    /// Adds what a task gave: `tasks.{name}.status` and `tasks.{name}.outputs.…`.
    pub(super) fn add_task(&self, scope: &mut Scope, tasks: &Tasks, task: &Task) {
        let Some(node) = self.workflow.node(&tasks.node_name(&task.name)) else {
            return;
        };
        let prefix = format!("tasks.{}", task.name);
        scope.set(format!("{prefix}.status"), format!("{:?}", node.phase));
        if node.kind == Kind::TaskGroup {
            return self.add_group(scope, &prefix, node);
        }
        if let Some(code) = node
            .outputs
            .as_ref()
            .and_then(|outputs| outputs.exit_code.as_ref())
        {
            scope.set(format!("{prefix}.exitCode"), code);
        }
        for output in node.outputs.iter().flat_map(|outputs| &outputs.parameters) {
            let value = output.value.clone().unwrap_or_default();
            scope.set(
                format!("{prefix}.outputs.parameters.{}", output.name),
                value,
            );
        }
        if !matches!(node.phase, Phase::Skipped | Phase::Omitted) {
            return;
        }
        let Some((home, name)) = task.target(&tasks.home) else {
            return;
        };
        let template = self.templates.get(&format!("{home}/{name}"));
        for output in template
            .iter()
            .flat_map(|template| &template.outputs.parameters)
        {
            let variable = format!("{prefix}.outputs.parameters.{}", output.name);
            match output
                .value_from
                .as_ref()
                .and_then(|from| from.default.as_ref())
            {
                Some(default) => scope.set(variable, default),
                None => {
                    let did = format!("{:?}", node.phase).to_lowercase();
                    scope.set_absent(
                        variable,
                        format!("`{}` was {did} and its output has no default", task.name),
                    );
                }
            }
        }
    }

    /// Outputs of an expanded task: JSON lists in the order of the items, of the runs that
    /// succeeded.
    fn add_group(&self, scope: &mut Scope, prefix: &str, group: &Node) {
        let runs = group
            .children
            .iter()
            .filter_map(|id| self.workflow.status.nodes.get(id));
        let outputs: Vec<_> = runs
            .filter(|run| run.phase == Phase::Succeeded)
            .filter_map(|run| run.outputs.as_ref())
            .filter(|outputs| !outputs.parameters.is_empty())
            .collect();
        let value = |text: &Option<String>| text.clone().unwrap_or_default();
        let maps = outputs.iter().map(|run| {
            run.parameters
                .iter()
                .map(|p| (p.name.clone(), Value::from(value(&p.value))))
                .collect::<Value>()
        });
        scope.set(
            format!("{prefix}.outputs.parameters"),
            Value::from_iter(maps).to_string(),
        );
        let mut names: Vec<&str> = outputs
            .iter()
            .flat_map(|run| run.parameters.iter().map(|p| p.name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let texts: Vec<String> = outputs
                .iter()
                .flat_map(|run| {
                    run.parameters
                        .iter()
                        .filter(|p| p.name == name)
                        .map(|p| value(&p.value))
                })
                .collect();
            // Values that are all lists or objects are nested, not quoted.
            let nested: Option<Vec<Value>> = texts
                .iter()
                .map(|text| {
                    serde_json::from_str(text)
                        .ok()
                        .filter(|v: &Value| v.is_array() || v.is_object())
                })
                .collect();
            let list = nested.map_or_else(|| Value::from(texts), Value::from);
            scope.set(
                format!("{prefix}.outputs.parameters.{name}"),
                list.to_string(),
            );
        }
    }
}
