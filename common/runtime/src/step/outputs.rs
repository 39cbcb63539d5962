//! Output parameters: small files, and the JSON summary on stdout.

use std::fmt::Display;
use std::io::Write;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::folders::{self, Out};

/// What a verb gives to the workflow. A verb sets every parameter that it declares, also when it is
/// empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    parameters: Vec<(&'static str, String)>,
    files: Vec<(&'static str, Vec<u8>)>,
    refusal: Option<String>,
}

impl Outputs {
    /// No outputs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter.
    pub fn set(mut self, name: &'static str, value: impl Display) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// Adds a metric; an undefined one is empty.
    pub fn set_metric(self, name: &'static str, value: Option<f64>) -> Self {
        self.set(
            name,
            value.map(|value| value.to_string()).unwrap_or_default(),
        )
    }

    /// Adds a file, such as a report for Argo's UI.
    pub fn file(mut self, name: &'static str, content: Vec<u8>) -> Self {
        self.files.push((name, content));
        self
    }

    /// Makes the step fail as refused by a gate, with all outputs written.
    pub fn refusing(mut self, why: String) -> Self {
        self.refusal = Some(why);
        self
    }

    /// Why the step fails although its work is done, if it does.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Names of all parameters, in the order in which they were set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.iter().map(|(name, _)| *name)
    }

    pub(super) fn write(&self, out: &Out) -> Result<()> {
        if self.parameters.is_empty() && self.files.is_empty() {
            return Ok(());
        }
        let folder = out.make()?;
        let place = || folders::place(&folder);
        for (name, value) in &self.parameters {
            std::fs::write(folder.join(name), value).with_context(place)?;
        }
        for (name, content) in &self.files {
            std::fs::write(folder.join(name), content).with_context(place)?;
        }
        Ok(())
    }

    pub(super) fn print_summary(&self, step: &str, verb: &str) -> Result<()> {
        let mut summary = Map::new();
        summary.insert("step".to_owned(), step.into());
        summary.insert("verb".to_owned(), verb.into());
        for (name, value) in &self.parameters {
            // `groups` is a JSON array already.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
            summary.insert((*name).to_owned(), value);
        }
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", Value::Object(summary)).context("writing the summary to stdout")
    }
}
