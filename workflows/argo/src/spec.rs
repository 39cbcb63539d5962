//! The typed form of what is interpreted. `schema.rs` has checked names and kinds before a value
//! comes here.

mod container;
pub(crate) mod fields;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::expr::{self, Dialect};

pub use container::{
    ConfigMapSource, Container, DEADLINE, Env, EnvFrom, EnvValueFrom, Volume, VolumeMount, place,
};

/// A WorkflowTemplate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkflowTemplate {
    /// `argoproj.io/v1alpha1`; not asked for.
    #[serde(default)]
    pub api_version: String,
    /// `WorkflowTemplate`
    pub kind: String,
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it runs.
    pub spec: WorkflowSpec,
}

/// A CronWorkflow.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronWorkflow {
    /// `argoproj.io/v1alpha1`; not asked for.
    #[serde(default)]
    pub api_version: String,
    /// `CronWorkflow`
    pub kind: String,
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it runs; here only when it is submitted.
    pub spec: CronWorkflowSpec,
}

/// What a WorkflowTemplate or CronWorkflow is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Name of the object.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: Value,
}

/// `spec` of a CronWorkflow.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronWorkflowSpec {
    /// The workflow that it makes.
    pub workflow_spec: WorkflowSpec,
}

/// `spec` of a WorkflowTemplate, or `workflowSpec` of a CronWorkflow.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkflowSpec {
    /// Template that runs first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// Template that runs at the end, however it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_exit: Option<String>,
    /// Workflow parameters with their defaults.
    pub arguments: Parameters,
    /// Templates by position in the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Leaves of the whole workflow that run at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// The WorkflowTemplate that a CronWorkflow runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_template_ref: Option<WorkflowTemplateRef>,
}

/// A reference to a WorkflowTemplate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowTemplateRef {
    /// Name of the WorkflowTemplate.
    pub name: String,
}

/// A list of parameters, as `arguments` and `inputs` hold it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// The parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

impl Parameters {
    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|other| other.name == name)
    }
}

/// A parameter: an argument, an input or an output.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Name of the parameter.
    pub name: String,
    /// Its value, which for an input is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value if there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The values that the submit form offers; empty when any is good.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Where an output comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

impl Parameter {
    /// A parameter with its value.
    pub fn new(name: &str, value: String) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value),
            ..Self::default()
        }
    }

    /// The value that is in the file.
    pub fn given(&self) -> Option<&str> {
        self.value.as_deref().or(self.default.as_deref())
    }
}

/// Where an output parameter comes from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueFrom {
    /// A file in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A tag that names another node's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The answer of a person to a gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplied: Option<BTreeMap<String, Value>>,
    /// The value if there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A template: a DAG, a leaf or a gate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    /// Its name within the WorkflowTemplate.
    pub name: String,
    /// What it takes.
    #[serde(default)]
    pub inputs: Parameters,
    /// What it gives.
    #[serde(default)]
    pub outputs: Outputs,
    /// Tasks, if it is a DAG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag: Option<Dag>,
    /// The command line, if it is a leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// A gate, which waits for a person's answer; its fields have no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<BTreeMap<String, Value>>,
    /// Folders of the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Tasks of this DAG that run at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// When a failed leaf is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<RetryStrategy>,
    /// Seconds that one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<NumberOrText>,
}

/// Output parameters and artifacts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outputs {
    /// Small values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// A file that is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Name of the artifact.
    pub name: String,
    /// Where the container writes it.
    pub path: String,
    /// Whether it may be missing.
    #[serde(default)]
    pub optional: bool,
    /// Where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
}

/// The place of an artifact.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Key in the artifact repository; here under the run's `artifacts/`.
    pub key: String,
}

/// Tasks and their order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dag {
    /// Whether a failed branch keeps new tasks from starting (Argo's default).
    #[serde(default = "yes")]
    pub fail_fast: bool,
    /// The tasks.
    pub tasks: Vec<Task>,
}

fn yes() -> bool {
    true
}

/// One task of a DAG.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Its name within the DAG.
    pub name: String,
    /// A template of the same WorkflowTemplate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A template of another WorkflowTemplate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// Values for the template's inputs.
    #[serde(default)]
    pub arguments: Parameters,
    /// On which results of other tasks it waits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub depends: String,
    /// Whether it runs at all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub when: String,
    /// One run for each of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_items: Option<Vec<Value>>,
    /// One run for each item of this JSON array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_param: Option<String>,
}

impl Task {
    /// The tasks that `depends` names.
    pub fn dependencies(&self) -> Result<Vec<String>, String> {
        if self.depends.trim().is_empty() {
            return Ok(Vec::new());
        }
        let expression = expr::parse(&self.depends, Dialect::Depends)?;
        let mut names: Vec<String> = Vec::new();
        for name in expression.names() {
            let task = name.split('.').next().unwrap_or(name);
            if !names.iter().any(|known| known == task) {
                names.push(task.to_owned());
            }
        }
        Ok(names)
    }

    /// WorkflowTemplate and template that it calls, from within the WorkflowTemplate `home`.
    pub fn target<'a>(&'a self, home: &'a str) -> Option<(&'a str, &'a str)> {
        match (&self.template_ref, &self.template) {
            (Some(target), _) => Some((&target.name, &target.template)),
            (None, Some(template)) => Some((home, template)),
            (None, None) => None,
        }
    }

    /// The items that it is run for, as they are in the file; an empty list is as none, as in
    /// Argo.
    pub fn items(&self) -> Option<&Vec<Value>> {
        self.with_items.as_ref().filter(|items| !items.is_empty())
    }

    /// Whether it becomes a group of runs.
    pub fn expands(&self) -> bool {
        self.items().is_some() || self.with_param.is_some()
    }
}

/// A template of another WorkflowTemplate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateRef {
    /// The WorkflowTemplate.
    pub name: String,
    /// The template in it.
    pub template: String,
}

/// Why a retryStrategy on a DAG is refused: Argo would run all of it again, with what has
/// succeeded.
pub const NOT_ON_DAGS: &str = "is not supported: give each leaf its own";

/// When a failed leaf is tried again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryStrategy {
    /// Retries at most; without it there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<NumberOrText>,
    /// `Always`, `OnFailure`, `OnError`; `Always` when there is an expression, else `OnFailure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<String>,
    /// Condition over `lastRetry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Pause before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

/// Pause before the next attempt: `duration * factor^(attempts - 1)`, at most `cap`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// Such as `2s`.
    pub duration: String,
    /// A whole number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<NumberOrText>,
    /// Such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
}

impl Backoff {
    /// The pause after `attempts` failed attempts.
    pub fn pause(&self, attempts: usize) -> Result<Duration, String> {
        let base = duration(&self.duration)?;
        let factor = self
            .factor
            .as_ref()
            .map(NumberOrText::number)
            .transpose()?
            .unwrap_or(1)
            .max(1) as f64;
        let cap = self
            .cap
            .as_deref()
            .map(duration)
            .transpose()?
            .unwrap_or(Duration::from_secs(86_400));
        let seconds = base.as_secs_f64() * factor.powi(attempts.saturating_sub(1).min(64) as i32);
        Ok(Duration::from_secs_f64(seconds.min(cap.as_secs_f64())))
    }
}

/// Reads `30`, `500ms`, `2s`, `5m`, `1h` or `1d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        unit => return Err(format!("unknown unit `{unit}` in the duration `{text}`")),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is not a duration, such as `30s`"))?;
    Duration::try_from_secs_f64(number * unit)
        .map_err(|_| format!("the duration `{text}` is out of range"))
}

/// A whole number that Argo also takes as text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum NumberOrText {
    /// `2`
    Number(u64),
    /// `'2'`
    Text(String),
}

impl NumberOrText {
    /// The number.
    pub fn number(&self) -> Result<u64, String> {
        match self {
            NumberOrText::Number(number) => Ok(*number),
            NumberOrText::Text(text) => text
                .parse()
                .map_err(|_| format!("`{text}` is not a whole number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `processNodeRetries` in workflow/controller/operator.go of Argo 4.1.2, and docs/retries.md.
    #[test]
    fn a_pause_grows_by_its_factor_up_to_its_cap() {
        for (backoff, pauses) in [
            (
                r#"{"duration": "2s", "factor": "2", "cap": "10s"}"#,
                ["2s", "4s", "8s", "10s"],
            ),
            (
                r#"{"duration": "2s", "factor": 3}"#,
                ["2s", "6s", "18s", "54s"],
            ),
            (r#"{"duration": "1m"}"#, ["60s", "60s", "60s", "60s"]),
            (
                r#"{"duration": "30", "factor": 0}"#,
                ["30s", "30s", "30s", "30s"],
            ),
            (
                r#"{"duration": "1h", "factor": 2, "cap": "90m"}"#,
                ["1h", "90m", "90m", "90m"],
            ),
            (
                r#"{"duration": "1d", "factor": 2, "cap": "500ms"}"#,
                ["500ms", "500ms", "500ms", "500ms"],
            ),
        ] {
            let parsed: Backoff = serde_json::from_str(backoff).unwrap();
            let found: Vec<_> = (1..=4)
                .map(|attempts| parsed.pause(attempts).unwrap())
                .collect();
            assert_eq!(
                found,
                pauses.map(|pause| duration(pause).unwrap()),
                "{backoff}"
            );
        }
    }
}
