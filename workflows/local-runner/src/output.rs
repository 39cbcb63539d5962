//! The formats in which results are printed.

use anyhow::{Context, Result};
use argo::yaml;
use clap::ValueEnum;
use serde::Serialize;

use crate::ui;
use crate::workflow::Workflow;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// As Argo's API gives it.
    Json,
    /// The same as YAML.
    Yaml,
    /// The name alone.
    Name,
    /// The table with more columns.
    Wide,
}

/// Prints a workflow in the format asked for.
pub(crate) fn print_workflow(workflow: &Workflow, output: Option<Output>) -> Result<()> {
    match output {
        Some(Output::Json | Output::Yaml) => print_object(workflow, output)?,
        Some(Output::Name) => ui::print(&format!("{}\n", workflow.name())),
        Some(Output::Wide) | None => ui::print(&ui::describe(workflow, output.is_some())),
    }
    Ok(())
}

pub(crate) fn print_object(object: &impl Serialize, output: Option<Output>) -> Result<()> {
    let value = serde_json::to_value(object).context("writing the workflow as JSON")?;
    ui::print(&match output {
        Some(Output::Yaml) => yaml::emit(&value),
        _ => format!("{value:#}\n"),
    });
    Ok(())
}
