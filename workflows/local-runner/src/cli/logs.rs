//! `logs`: what the steps of a run wrote.

use anyhow::{Context, Result};
use runtime::failure::Failure;

use crate::place::Place;
use crate::runs::folder_name;
use crate::ui;
use crate::workflow::Workflow;

/// Prints the logs, each line after its step's folder, unless there is only one step.
pub(super) fn print(place: &Place, workflow: &Workflow, node: Option<&str>) -> Result<()> {
    let runs = place.runs()?;
    let pods = workflow.pods();
    let ends_in =
        |path: &str, wanted: &str| path == wanted || path.ends_with(&format!(".{wanted}"));
    let wanted = |wanted: &str| -> Vec<_> {
        let by_name = pods.iter().filter(|pod| {
            let name = folder_name(workflow, pod);
            pod.id == wanted
                || pod.name == wanted
                || ends_in(&name, wanted)
                || ends_in(&pod.name, wanted)
        });
        let by_name: Vec<_> = by_name.copied().collect();
        let within = |pod: &&&crate::workflow::Node| {
            let path = folder_name(workflow, pod);
            path.split(['.', '(']).any(|part| part == wanted) || path.starts_with(wanted)
        };
        if by_name.is_empty() {
            pods.iter().filter(within).copied().collect()
        } else {
            by_name
        }
    };
    let chosen = node.map_or_else(|| pods.clone(), wanted);
    if let (Some(node), true) = (node, chosen.is_empty()) {
        let known: Vec<_> = pods
            .iter()
            .map(|pod| format!("\n  {}", folder_name(workflow, pod)))
            .collect();
        return Err(Failure::usage(format!(
            "no step of {} is `{node}`; it has:{}",
            workflow.name(),
            known.concat()
        )));
    }
    let prefixed = chosen.len() > 1;
    for pod in chosen {
        let name = folder_name(workflow, pod);
        let path = runs.folder(workflow).join(&name).join("log");
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("reading {}", path.display()))?,
        };
        for line in String::from_utf8_lossy(&text).lines() {
            let prefix = if prefixed {
                format!("{name}: ")
            } else {
                String::new()
            };
            ui::print(&format!("{prefix}{line}\n"));
        }
    }
    Ok(())
}
