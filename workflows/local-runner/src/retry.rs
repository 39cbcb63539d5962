//! What a retry keeps of a workflow that failed.

use std::collections::BTreeSet;

use anyhow::Result;
use runtime::failure::Failure;

use crate::workflow::{Kind, Node, Phase, Workflow};

/// Makes a workflow ready to run again: keeps the leaves that succeeded, drops all others with the
/// exit handler, and gives the dropped nodes.
///
/// A group of runs of which one failed is dropped whole, as Argo does when parameters change; a DAG
/// that succeeded is kept whole. Skipped tasks are decided again.
///
/// # Errors
///
/// If there is nothing to retry.
pub(crate) fn reset(workflow: &mut Workflow) -> Result<Vec<Node>> {
    match workflow.status.phase {
        Phase::Failed | Phase::Error => {}
        phase => {
            let next = format!(
                "`alameda resubmit {}` runs it again as a new workflow",
                workflow.name()
            );
            return Err(Failure::usage(format!(
                "cannot retry a workflow in phase {phase:?}: there is nothing to do; {next}"
            )));
        }
    }
    let nodes = &workflow.status.nodes;
    let composite = |node: &&Node| {
        matches!(node.kind, Kind::Dag | Kind::TaskGroup) && node.phase == Phase::Succeeded
    };
    let whole: Vec<&Node> = nodes.values().filter(composite).collect();
    let broken: Vec<&Node> = nodes
        .values()
        .filter(|node| node.kind == Kind::TaskGroup && node.phase != Phase::Succeeded)
        .collect();
    let exit = format!("{}.onExit", workflow.name());
    let keeps = |node: &Node| {
        let within = |outer: &Node| {
            let open = if outer.kind == Kind::Dag { '.' } else { '(' };
            outer.id == node.id
                || node
                    .name
                    .strip_prefix(&outer.name)
                    .is_some_and(|rest| rest.starts_with(open))
        };
        if node.name.starts_with(&exit) || broken.iter().any(|group| within(group)) {
            return false;
        }
        if whole.iter().any(|outer| within(outer)) {
            return true;
        }
        match node.kind {
            Kind::Skipped | Kind::Dag | Kind::TaskGroup => false,
            Kind::Retry | Kind::Pod | Kind::Suspend => {
                let retry = nodes
                    .values()
                    .find(|retry| retry.kind == Kind::Retry && retry.children.contains(&node.id));
                retry.unwrap_or(node).phase == Phase::Succeeded
            }
        }
    };
    let kept: BTreeSet<String> = nodes
        .values()
        .filter(|node| keeps(node))
        .map(|node| node.id.clone())
        .collect();
    let all = std::mem::take(&mut workflow.status.nodes);
    let (kept_nodes, dropped): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(id, _)| kept.contains(id));
    for (id, mut node) in kept_nodes {
        node.children.retain(|child| kept.contains(child));
        node.outbound_nodes.retain(|child| kept.contains(child));
        workflow.status.nodes.insert(id, node);
    }
    workflow.status.message.clear();
    workflow.status.finished_at = None;
    Ok(dropped.into_iter().map(|(_, node)| node).collect())
}
