//! The interpreter: it walks the templates from the entrypoint, again after each event, and starts
//! what may start.
//!
//! It follows Argo's controller (`operate`, `executeDAG`, `processNodeRetries`) step by step, so
//! that a workflow does here what it does there. All state is in the [`Workflow`], which is saved
//! after each change.

mod dag;
mod gate;
mod pods;
mod scope;
mod signals;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use argo::config_maps::ConfigMaps;
use argo::spec::{NOT_ON_DAGS, Parameter, Parameters, Template, TemplateRef};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::leaf::{Addresses, Control, Event, Leaf};
use crate::runs::Run;
use crate::ui::View;
use crate::workflow::{Kind, Node, Phase, SCOPE, Workflow, now};

/// How often the view is drawn again while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// Message of what a signal ended, in Argo's words.
const TERMINATED: &str = "Stopped with strategy 'Terminate'";

/// Runs one workflow.
pub(crate) struct Engine<'a> {
    workflow: Workflow,
    run: Run,
    maps: &'a ConfigMaps,
    addresses: Addresses,
    /// Answers that were given in advance.
    answers: &'a [Answer],
    /// The gate whose question is on the terminal.
    asking: Option<String>,
    view: &'a mut dyn View,
    templates: BTreeMap<String, Rc<Template>>,
    /// Leaves that wait for a core, in order.
    queue: VecDeque<Leaf>,
    running: BTreeMap<String, Arc<Control>>,
    cores: usize,
    sender: Sender<Event>,
    events: Receiver<Event>,
    stopped_by: Option<u8>,
    /// When the next backoff ends.
    wake: Option<DateTime<Utc>>,
    changed: bool,
}

/// A template that is to run as a node.
#[derive(Clone)]
struct Call {
    /// Name of the node.
    name: String,
    /// WorkflowTemplate and template.
    home: String,
    template: String,
    /// The WorkflowTemplate that calls it, and whether it names the other one.
    scope: String,
    by_reference: bool,
    arguments: Vec<Parameter>,
    /// The DAG that it is part of.
    boundary: Option<Boundary>,
    exit: bool,
}

#[derive(Clone)]
struct Boundary {
    id: String,
    parallelism: Option<usize>,
}

/// What a run came to.
pub(crate) struct Finished {
    /// Its last state.
    pub workflow: Workflow,
    /// The signal that stopped it.
    pub stopped_by: Option<u8>,
}

impl<'a> Engine<'a> {
    /// An engine for a workflow that is new, or was made ready for a retry.
    pub(crate) fn new(
        workflow: Workflow,
        run: Run,
        maps: &'a ConfigMaps,
        addresses: Addresses,
        answers: &'a [Answer],
        cores: usize,
        view: &'a mut dyn View,
    ) -> Self {
        let stored = workflow.status.stored_templates.iter();
        let templates = stored
            .map(|(key, template)| (key.clone(), Rc::new(template.clone())))
            .collect();
        let (sender, events) = channel();
        let (queue, running) = (VecDeque::new(), BTreeMap::new());
        Self {
            workflow,
            run,
            maps,
            addresses,
            answers,
            asking: None,
            view,
            templates,
            queue,
            running,
            cores,
            sender,
            events,
            stopped_by: None,
            wake: None,
            changed: true,
        }
    }

    /// Runs the workflow to its end.
    pub(crate) fn run(mut self) -> Result<Finished> {
        signals::listen(self.sender.clone()).context("listening for signals")?;
        self.workflow.set_phase(Phase::Running);
        self.workflow.status.started_at = Some(now());
        loop {
            self.wake = None;
            self.operate();
            self.start_queued();
            if std::mem::take(&mut self.changed) {
                self.workflow.sum_progress();
                self.run.save(&self.workflow)?;
            }
            self.show();
            if self.workflow.status.phase.fulfilled() && self.running.is_empty() {
                return Ok(Finished {
                    workflow: self.workflow,
                    stopped_by: self.stopped_by,
                });
            }
            self.wait()?;
        }
    }

    /// Takes in what happened; returns once something changed or a backoff ended.
    fn wait(&mut self) -> Result<()> {
        let idle = self.running.is_empty() && self.queue.is_empty() && self.asking.is_none();
        if idle && self.wake.is_none() && !self.changed {
            // A bug of the engine; waiting for ever would hide it.
            let open = self
                .workflow
                .status
                .nodes
                .values()
                .find(|node| !node.phase.fulfilled());
            let name = open
                .map_or("the entrypoint", |node| node.name.as_str())
                .to_owned();
            self.end_workflow(
                Phase::Error,
                format!("nothing runs, and yet {name} is not done"),
            );
            return Ok(());
        }
        loop {
            match self.events.recv_timeout(TICK) {
                Ok(event) => {
                    self.take(event)?;
                    while let Ok(event) = self.events.try_recv() {
                        self.take(event)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    anyhow::bail!("the channel of events is closed")
                }
            }
            if self.changed || self.wake.is_some_and(|wake| wake <= now()) {
                return Ok(());
            }
            self.show();
        }
    }

    /// Draws the state, but not over a question that waits for its answer.
    fn show(&mut self) {
        if self.asking.is_none() {
            self.view.update(&self.workflow);
        }
    }

    fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Progress { id, progress } => {
                if let Some(node) = self.workflow.status.nodes.get_mut(&id) {
                    node.progress = progress;
                    self.workflow.sum_progress();
                }
            }
            Event::Ended { id, outcome } => {
                self.running.remove(&id);
                self.finish_pod(&id, outcome)?;
                self.changed = true;
            }
            Event::Answered { id, outputs } => self.answered(&id, outputs),
            Event::Stop { signal } => {
                self.view
                    .say("stopping the running steps; press Ctrl-C again to kill them");
                self.stopped_by = Some(signal);
                self.changed = true;
                self.running.values().for_each(|control| control.stop());
                for leaf in std::mem::take(&mut self.queue) {
                    self.end(leaf.id(), Phase::Failed, TERMINATED);
                }
                if let Some(gate) = self.asking.take() {
                    self.end(&gate, Phase::Failed, TERMINATED);
                }
            }
        }
        Ok(())
    }

    /// One pass over the workflow.
    fn operate(&mut self) {
        let spec = &self.workflow.status.stored_workflow_template_spec;
        let (entrypoint, on_exit) = (spec.entrypoint.clone(), spec.on_exit.clone());
        let home = self.workflow.spec.workflow_template_ref.name.clone();
        let name = self.workflow.name().to_owned();
        let call = |name: String, template: String, arguments, exit| {
            let (home, scope) = (home.clone(), home.clone());
            Call {
                name,
                home,
                template,
                scope,
                by_reference: false,
                arguments,
                boundary: None,
                exit,
            }
        };
        let Some(entrypoint) = entrypoint else {
            return self.end_workflow(Phase::Error, "the spec has no entrypoint".to_owned());
        };
        // By the scope: a parameter may hold the tag of the scheduled time.
        let scope = self.workflow_scope(false);
        let value = |p: &Parameter| {
            scope
                .get(&format!("workflow.parameters.{}", p.name))
                .unwrap_or_default()
                .to_owned()
        };
        let parameters = self.workflow.spec.arguments.parameters.iter();
        let arguments: Vec<Parameter> = parameters
            .map(|parameter| Parameter::new(&parameter.name, value(parameter)))
            .collect();
        self.execute(&call(name.clone(), entrypoint, arguments.clone(), false));
        let Some(root) = self.workflow.root().filter(|root| root.phase.fulfilled()) else {
            return;
        };
        let (phase, message) = (root.phase, root.message.clone());
        if self.stopped_by.is_some() {
            return self.end_workflow(Phase::Failed, TERMINATED.to_owned());
        }
        let mut exit_handler = None;
        if let Some(template) = on_exit {
            self.execute(&call(format!("{name}.onExit"), template, arguments, true));
            match self.workflow.exit_root() {
                Some(node) if node.phase.fulfilled() => {
                    exit_handler = Some((node.phase, node.message.clone()))
                }
                _ => return,
            }
        }
        match (phase, exit_handler) {
            (Phase::Failed | Phase::Error, _) => self.end_workflow(phase, message),
            (_, Some((exit_phase, message))) if exit_phase.failed() => {
                self.end_workflow(exit_phase, message)
            }
            _ => self.end_workflow(Phase::Succeeded, String::new()),
        }
    }

    fn end_workflow(&mut self, phase: Phase, message: String) {
        self.workflow.set_phase(phase);
        self.workflow.status.message = message;
        self.workflow.status.finished_at = Some(now());
        self.changed = true;
    }

    /// Runs a template as a node, as far as it can go now.
    fn execute(&mut self, call: &Call) {
        if self
            .workflow
            .node(&call.name)
            .is_some_and(|node| node.phase.fulfilled())
        {
            return;
        }
        let Some(template) = self
            .templates
            .get(&format!("{}/{}", call.home, call.template))
            .cloned()
        else {
            return self.refuse(
                call,
                format!("there is no template {}/{}", call.home, call.template),
            );
        };
        let inputs = match self.inputs(&template, call) {
            Ok(inputs) => inputs,
            Err(message) => return self.refuse(call, message),
        };
        match (&template.dag, &template.container) {
            (Some(_), _) if template.retry_strategy.is_some() => {
                self.refuse(
                    call,
                    format!(
                        "the retryStrategy of the DAG {} {NOT_ON_DAGS}",
                        call.template
                    ),
                );
            }
            (Some(dag), _) => self.dag(call, &template, dag, inputs),
            (None, Some(container)) => self.leaf(call, &template, container, inputs),
            (None, None) if template.suspend.is_some() => self.gate(call, &template, inputs),
            (None, None) => self.refuse(call, format!("the template {} is empty", call.template)),
        }
    }

    /// Values of a template's inputs: the argument, else the default.
    fn inputs(&self, template: &Template, call: &Call) -> Result<Parameters, String> {
        let scope = self.workflow_scope(call.exit);
        let mut inputs = Parameters::default();
        for input in &template.inputs.parameters {
            let argument = call
                .arguments
                .iter()
                .find(|argument| argument.name == input.name);
            let value = match (
                argument.and_then(|argument| argument.value.clone()),
                input.given(),
            ) {
                (Some(value), _) => value,
                (None, Some(default)) => scope.fill(default)?,
                (None, None) => {
                    return Err(format!("inputs.parameters.{} was not supplied", input.name));
                }
            };
            inputs.parameters.push(Parameter::new(&input.name, value));
        }
        Ok(inputs)
    }

    /// Makes a node that can't run.
    fn refuse(&mut self, call: &Call, message: String) {
        self.add(call, Kind::Skipped, Phase::Error, None);
        self.end(&self.workflow.id(&call.name), Phase::Error, &message);
    }

    /// Makes a node, unless it is there.
    fn add(&mut self, call: &Call, kind: Kind, phase: Phase, inputs: Option<Parameters>) {
        let id = self.workflow.id(&call.name);
        if self.workflow.status.nodes.contains_key(&id) {
            return;
        }
        let path = call
            .boundary
            .as_ref()
            .and_then(|boundary| self.workflow.status.nodes.get(&boundary.id));
        let display_name = path
            .and_then(|dag| call.name.strip_prefix(&format!("{}.", dag.name)))
            .unwrap_or(&call.name);
        let reference = TemplateRef {
            name: call.home.clone(),
            template: call.template.clone(),
        };
        let node = Node {
            id: id.clone(),
            name: call.name.clone(),
            display_name: display_name.to_owned(),
            kind,
            template_name: call.template.clone(),
            template_ref: call.by_reference.then_some(reference),
            template_scope: format!("{SCOPE}{}", call.scope),
            phase,
            boundary_id: call.boundary.as_ref().map(|boundary| boundary.id.clone()),
            message: String::new(),
            started_at: now(),
            finished_at: None,
            progress: String::new(),
            peak_memory_bytes: None,
            inputs,
            outputs: None,
            children: Vec::new(),
            outbound_nodes: Vec::new(),
        };
        self.workflow.status.nodes.insert(id, node);
        self.changed = true;
    }

    /// Sets the last phase of a node.
    fn end(&mut self, id: &str, phase: Phase, message: &str) {
        if let Some(node) = self.workflow.status.nodes.get_mut(id) {
            node.phase = phase;
            node.message = message.to_owned();
            node.finished_at = Some(now());
            self.changed = true;
        }
    }

    /// Whether the limits of the workflow and of the DAG let another node start.
    fn may_start(&self, boundary: Option<&Boundary>) -> bool {
        let active =
            |node: &&Node| !node.phase.fulfilled() && matches!(node.kind, Kind::Pod | Kind::Dag);
        let nodes = || self.workflow.status.nodes.values().filter(active);
        let pods = nodes().filter(|node| node.kind == Kind::Pod).count();
        let spec = &self.workflow.status.stored_workflow_template_spec;
        let siblings = |boundary: &Boundary| {
            nodes()
                .filter(|node| node.boundary_id.as_ref() == Some(&boundary.id))
                .count()
        };
        spec.parallelism.is_none_or(|limit| pods < limit)
            && boundary.is_none_or(|boundary| {
                boundary
                    .parallelism
                    .is_none_or(|limit| siblings(boundary) < limit)
            })
    }

    /// `workflow.failures`, as Argo gives it to the exit handler: attempts that were retried stand
    /// in it too.
    fn failures(&self) -> String {
        let mut failed: Vec<_> = self
            .workflow
            .status
            .nodes
            .values()
            .filter(|node| node.phase.failed())
            .collect();
        failed.sort_by_key(|node| crate::workflow::natural(node));
        let list: Vec<Value> = failed
            .into_iter()
            .map(|node| {
                json!({
                    "displayName": node.display_name,
                    "message": node.message,
                    "templateName": node.template_name,
                    "phase": node.phase,
                    "podName": node.id,
                    "finishedAt": node.finished_at,
                })
            })
            .collect();
        if list.is_empty() {
            "null".to_owned()
        } else {
            Value::from(list).to_string()
        }
    }
}
