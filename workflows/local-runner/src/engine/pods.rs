//! Leaves: attempts, retries, and what an ended process leaves behind.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use argo::expr::{self, Dialect};
use argo::spec::{
    Artifact, Container, NumberOrText, Parameter, Parameters, RetryStrategy, S3, Template, Volume,
    place,
};
use argo::template::Scope;
use serde_json::Value;

use super::{Call, Engine, TERMINATED};
use crate::leaf::{Leaf, Outcome};
use crate::workflow::{Kind, Node, NodeOutputs, Phase, SCOPE, now};

/// Argo's limit for an output parameter.
const OUTPUT_BYTES: u64 = 256 * 1024;

impl Engine<'_> {
    pub(super) fn leaf(
        &mut self,
        call: &Call,
        template: &Rc<Template>,
        container: &Container,
        inputs: Parameters,
    ) {
        let Some(strategy) = &template.retry_strategy else {
            if self.workflow.node(&call.name).is_none() && self.ready(call) {
                self.queue_pod(call, template, container, inputs, None);
            }
            return;
        };
        let id = self.workflow.id(&call.name);
        let Some(node) = self.workflow.status.nodes.get(&id) else {
            if self.ready(call) {
                self.add(call, Kind::Retry, Phase::Running, Some(inputs.clone()));
                self.attempt(call, template, container, inputs);
            }
            return;
        };
        let attempts = node.children.len();
        let Some(last) = node
            .children
            .last()
            .and_then(|id| self.workflow.status.nodes.get(id))
        else {
            return self.attempt(call, template, container, inputs);
        };
        match last.phase {
            Phase::Pending | Phase::Running => {}
            Phase::Succeeded => {
                let (outputs, progress) = (last.outputs.clone(), last.progress.clone());
                self.end(&id, Phase::Succeeded, "");
                if let Some(node) = self.workflow.status.nodes.get_mut(&id) {
                    (node.outputs, node.progress) = (outputs, progress);
                }
            }
            phase => match self.decide(strategy, last, attempts) {
                Ok(Next::Attempt) if self.ready(call) => {
                    self.attempt(call, template, container, inputs)
                }
                Ok(Next::Attempt) => {}
                Ok(Next::Wait(time)) => {
                    self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)))
                }
                Ok(Next::GiveUp(message)) => {
                    let outputs = last.outputs.clone();
                    self.end(&id, phase, &message);
                    if let Some(node) = self.workflow.status.nodes.get_mut(&id) {
                        node.outputs = outputs;
                    }
                }
                Err(message) => self.end(&id, Phase::Error, &message),
            },
        }
    }

    pub(super) fn ready(&self, call: &Call) -> bool {
        self.stopped_by.is_none() && self.may_start(call.boundary.as_ref())
    }

    /// Whether a failed leaf is tried again.
    fn decide(
        &self,
        strategy: &RetryStrategy,
        last: &Node,
        attempts: usize,
    ) -> Result<Next, String> {
        if self.stopped_by.is_some() {
            return Ok(Next::GiveUp(TERMINATED.to_owned()));
        }
        let (on_failed, on_error) = match strategy.retry_policy.as_deref() {
            Some("Always") => (true, true),
            None if strategy.expression.is_some() => (true, true),
            Some("OnFailure") | None => (true, false),
            Some("OnError") => (false, true),
            Some(other) => return Err(format!("{other} is not a valid RetryPolicy")),
        };
        let exit_code = last
            .outputs
            .as_ref()
            .and_then(|outputs| outputs.exit_code.clone());
        // Without an exit code it never ran: what is missing is not there at the next attempt
        // either.
        if exit_code.is_none()
            || !(if last.phase == Phase::Error {
                on_error
            } else {
                on_failed
            })
        {
            return Ok(Next::GiveUp(last.message.clone()));
        }
        let limit = strategy
            .limit
            .as_ref()
            .map(NumberOrText::number)
            .transpose()?;
        if limit.is_some_and(|limit| attempts as u64 > limit) {
            return Ok(Next::GiveUp("No more retries left".to_owned()));
        }
        if let Some(expression) = &strategy.expression {
            let text = |text: String| Some(expr::Value::Text(text));
            let lookup = |name: &str| match name {
                "lastRetry.status" => text(format!("{:?}", last.phase)),
                "lastRetry.exitCode" => text(exit_code.clone().unwrap_or_else(|| "-1".to_owned())),
                "lastRetry.message" => text(last.message.clone()),
                "lastRetry.duration" => {
                    let ended = last.finished_at.unwrap_or(last.started_at);
                    text((ended - last.started_at).num_seconds().to_string())
                }
                "retries" => text((attempts - 1).to_string()),
                _ => None,
            };
            if !expr::holds(expression, Dialect::Variables, &lookup)? {
                return Ok(Next::GiveUp(
                    "retryStrategy.expression evaluated to false".to_owned(),
                ));
            }
        }
        // Argo waits only when there is a limit.
        let backoff = strategy.backoff.as_ref().filter(|_| limit.is_some());
        let pause = backoff.map(|backoff| backoff.pause(attempts)).transpose()?;
        let pause = pause.unwrap_or(Duration::ZERO);
        let until = last.finished_at.unwrap_or_else(now) + pause;
        Ok(if until <= now() {
            Next::Attempt
        } else {
            Next::Wait(until)
        })
    }

    /// Begins the next attempt of a leaf.
    fn attempt(
        &mut self,
        call: &Call,
        template: &Rc<Template>,
        container: &Container,
        inputs: Parameters,
    ) {
        let id = self.workflow.id(&call.name);
        let Some(number) = self
            .workflow
            .status
            .nodes
            .get(&id)
            .map(|node| node.children.len())
        else {
            return;
        };
        let attempt = Call {
            name: format!("{}({number})", call.name),
            ..call.clone()
        };
        let attempt_id = self.workflow.id(&attempt.name);
        if let Some(node) = self.workflow.status.nodes.get_mut(&id) {
            node.children.push(attempt_id);
        }
        self.queue_pod(&attempt, template, container, inputs, Some(number));
    }

    /// Makes the node of an attempt, and puts it in the queue for a core.
    fn queue_pod(
        &mut self,
        call: &Call,
        template: &Template,
        container: &Container,
        inputs: Parameters,
        retries: Option<usize>,
    ) {
        self.add(call, Kind::Pod, Phase::Pending, Some(inputs.clone()));
        let id = self.workflow.id(&call.name);
        let mut scope = self.workflow_scope(call.exit);
        scope.set_inputs(&inputs);
        scope.set("pod.name", &id);
        scope.set("node.name", &call.name);
        if let Some(retries) = retries {
            scope.set("retries", retries.to_string());
        }
        match self.prepare(&id, &scope, template, container, &inputs) {
            Ok(leaf) => self.queue.push_back(leaf),
            Err(message) => self.end(&id, Phase::Error, &message),
        }
    }

    fn prepare(
        &self,
        id: &str,
        scope: &Scope,
        template: &Template,
        container: &Container,
        inputs: &Parameters,
    ) -> Result<Leaf, String> {
        let node = self
            .workflow
            .status
            .nodes
            .get(id)
            .ok_or("the node is gone")?;
        let container: Container = filled(scope, container)?;
        let volumes: Vec<Volume> = filled(scope, &template.volumes)?;
        let deadline = match &template.active_deadline_seconds {
            Some(NumberOrText::Text(text)) => Some(NumberOrText::Text(scope.fill(text)?).number()?),
            Some(number) => Some(number.number()?),
            None => None,
        };
        let folder = self.run.node(&self.workflow, node);
        let leaf = Leaf::prepare(
            id,
            folder,
            &container,
            &volumes,
            inputs,
            self.maps,
            &self.addresses,
        )?;
        Ok(leaf.with_deadline(deadline.map(Duration::from_secs)))
    }

    /// Starts what waits, one for each free core; those that run at the same time share the cores.
    pub(super) fn start_queued(&mut self) {
        let together = (self.running.len() + self.queue.len()).clamp(1, self.cores);
        let threads = (self.cores / together).max(1);
        while self.running.len() < self.cores
            && let Some(leaf) = self.queue.pop_front()
        {
            if let Some(node) = self.workflow.status.nodes.get_mut(leaf.id()) {
                (node.phase, node.started_at, node.progress) =
                    (Phase::Running, now(), "0/1".to_owned());
            }
            let control = Arc::default();
            self.running
                .insert(leaf.id().to_owned(), Arc::clone(&control));
            leaf.start(threads, control, self.sender.clone());
            self.changed = true;
        }
    }

    /// Takes in what an ended process left behind.
    pub(super) fn finish_pod(&mut self, id: &str, outcome: Outcome) -> Result<()> {
        let Some(node) = self.workflow.status.nodes.get(id) else {
            return Ok(());
        };
        let mut outputs = NodeOutputs {
            exit_code: outcome.exit_code.map(|code| code.to_string()),
            ..NodeOutputs::default()
        };
        let (mut phase, mut message) = (outcome.phase, outcome.message);
        if phase == Phase::Succeeded {
            match self.collect(node) {
                Ok((parameters, artifacts)) => {
                    (outputs.parameters, outputs.artifacts) = (parameters, artifacts)
                }
                Err(text) => (phase, message) = (Phase::Error, text),
            }
        }
        if let Ok(text) = fs::read_to_string(self.run.node(&self.workflow, node).join("progress"))
            && crate::workflow::progress(&text).is_some()
            && let Some(node) = self.workflow.status.nodes.get_mut(id)
        {
            node.progress = text.trim().to_owned();
        }
        self.end(id, phase, &message);
        let Some(node) = self.workflow.status.nodes.get_mut(id) else {
            return Ok(());
        };
        node.outputs = Some(outputs);
        node.peak_memory_bytes = outcome.peak_memory;
        if phase == Phase::Succeeded && node.progress == "0/1" {
            node.progress = "1/1".to_owned();
        }
        let node = &self.workflow.status.nodes[id];
        self.run.note_phase(&self.workflow, node, phase)
    }

    /// Reads the output parameters of a leaf, and keeps its artifacts.
    fn collect(&self, node: &Node) -> Result<(Vec<Parameter>, Vec<Artifact>), String> {
        let key = match &node.template_ref {
            Some(target) => format!("{}/{}", target.name, target.template),
            None => format!(
                "{}/{}",
                node.template_scope.trim_start_matches(SCOPE),
                node.template_name
            ),
        };
        let template = self
            .templates
            .get(&key)
            .ok_or_else(|| format!("there is no template {key}"))?;
        let folder = self.run.node(&self.workflow, node);
        let mut scope = self.workflow_scope(false);
        scope.set_inputs(node.inputs.as_ref().unwrap_or(&Parameters::default()));
        let parameters = template.outputs.parameters.iter().map(|output| {
            let value = read_output(output, &folder)
                .map_err(|what| format!("output parameter {}: {what}", output.name));
            Ok(Parameter::new(&output.name, value?))
        });
        let parameters = parameters.collect::<Result<_, String>>()?;
        let artifacts = template.outputs.artifacts.iter().map(|artifact| {
            let default = format!("{}/{}/{}", self.workflow.name(), node.id, artifact.name);
            let key = artifact
                .s3
                .as_ref()
                .map_or(Ok(default), |s3| scope.fill(&s3.key));
            let kept = key.and_then(|key| self.keep(artifact, &folder, key));
            kept.map_err(|what| format!("artifact {}: {what}", artifact.name))
        });
        let artifacts: Vec<Option<Artifact>> = artifacts.collect::<Result<_, String>>()?;
        Ok((parameters, artifacts.into_iter().flatten().collect()))
    }

    /// Copies an artifact to its key; `None` when it is optional and missing.
    fn keep(
        &self,
        artifact: &Artifact,
        folder: &Path,
        key: String,
    ) -> Result<Option<Artifact>, String> {
        let file = place(folder, &artifact.path)
            .ok_or_else(|| format!("{} must be in /work/out", artifact.path))?;
        if !file.exists() {
            return if artifact.optional {
                Ok(None)
            } else {
                Err(format!("{} was not written", artifact.path))
            };
        }
        if key
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..")
        {
            return Err(format!("the key `{key}` is not a plain path"));
        }
        let kept = self.run.folder.join("artifacts").join(&key);
        fs::create_dir_all(kept.parent().unwrap_or(folder))
            .and_then(|()| fs::copy(&file, &kept))
            .map_err(|error| format!("cannot be kept at {}: {error}", kept.display()))?;
        Ok(Some(Artifact {
            s3: Some(S3 { key }),
            ..artifact.clone()
        }))
    }
}

/// The value of an output parameter: its file without one newline at the end, else its default.
fn read_output(output: &Parameter, folder: &Path) -> Result<String, String> {
    let from = output.value_from.clone().unwrap_or_default();
    let path = from.path.unwrap_or_default();
    let file = place(folder, &path).ok_or_else(|| format!("{path} must be in /work/out"))?;
    match fs::metadata(&file) {
        Ok(found) if found.len() > OUTPUT_BYTES => {
            Err("it has more than 256 kB: pass a key instead".to_owned())
        }
        Ok(_) => {
            let bytes =
                fs::read(&file).map_err(|error| format!("reading {}: {error}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        }
        Err(_) => from
            .default
            .ok_or_else(|| format!("{path} was not written")),
    }
}

/// What comes after an attempt that failed.
enum Next {
    Attempt,
    Wait(chrono::DateTime<chrono::Utc>),
    GiveUp(String),
}

fn filled<T: serde::Serialize + serde::de::DeserializeOwned>(
    scope: &Scope,
    value: &T,
) -> Result<T, String> {
    let mut value: Value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    scope.fill_all(&mut value)?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}
