//! What a DAG comes to: its phase and its outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use argo::spec::{Parameter, Task, Template};

use super::Tasks;
use crate::engine::Engine;
use crate::workflow::{Kind, NodeOutputs, Phase};

impl Engine<'_> {
    /// The phase of a DAG once nothing in it runs: the last phase in each branch, where omitted and
    /// skipped tasks inherit the one before them.
    pub(super) fn assess(&self, tasks: &Tasks, targets: &[&Task]) -> Option<Phase> {
        let nodes = &self.workflow.status.nodes;
        let mut phases: BTreeMap<String, Option<Phase>> = targets
            .iter()
            .map(|task| (self.workflow.id(&tasks.node_name(&task.name)), None))
            .collect();
        let first = &nodes.get(&tasks.id)?.children;
        let mut open: VecDeque<(&String, Phase)> =
            first.iter().map(|id| (id, Phase::Succeeded)).collect();
        let mut seen: BTreeSet<(&String, bool)> = BTreeSet::new();
        while let Some((id, inherited)) = open.pop_front() {
            if !seen.insert((id, inherited.failed())) {
                continue;
            }
            let node = nodes.get(id)?;
            if !node.phase.fulfilled() {
                return None;
            }
            let branch = if node.phase.completed() {
                node.phase
            } else {
                inherited
            };
            if let Some(phase) = phases.get_mut(id)
                && !phase.is_some_and(Phase::failed)
            {
                *phase = Some(branch);
            }
            // Failed attempts before the last one say nothing about the branch.
            let skip = if node.kind == Kind::Retry {
                node.children.len().saturating_sub(1)
            } else {
                0
            };
            open.extend(node.children[skip..].iter().map(|id| (id, branch)));
        }
        if self.stopped_by.is_some() {
            return Some(Phase::Failed);
        }
        // As in Argo, `failFast` decides only whether tasks that have not begun are waited for:
        // while anything runs, new tasks begin in either case.
        let mut result = Some(Phase::Succeeded);
        for phase in targets
            .iter()
            .map(|task| phases[&self.workflow.id(&tasks.node_name(&task.name))])
        {
            match phase {
                None => {
                    result = None;
                    if !tasks.dag.fail_fast {
                        break;
                    }
                }
                Some(phase) if phase.failed() => {
                    result = Some(phase);
                    if tasks.dag.fail_fast {
                        break;
                    }
                }
                Some(_) => {}
            }
        }
        result
    }

    /// Output parameters of a DAG that succeeded.
    pub(super) fn dag_outputs(
        &self,
        tasks: &Tasks,
        template: &Template,
    ) -> Result<NodeOutputs, String> {
        let mut scope = tasks.scope.clone();
        for task in &tasks.dag.tasks {
            self.add_task(&mut scope, tasks, task);
        }
        let mut outputs = NodeOutputs::default();
        for output in &template.outputs.parameters {
            let from = output.value_from.clone().unwrap_or_default();
            let value = scope.fill(from.parameter.as_deref().unwrap_or_default());
            let value = value.or_else(|why| {
                from.default
                    .ok_or_else(|| format!("output parameter {}: {why}", output.name))
            });
            outputs
                .parameters
                .push(Parameter::new(&output.name, value?));
        }
        Ok(outputs)
    }
}
