//! DAGs: which task may run, what it is given, and what the DAG comes to.

mod outcome;

use std::collections::BTreeSet;
use std::rc::Rc;

use argo::expr::{self, Dialect};
use argo::spec::{Dag, Parameter, Parameters, Task, Template};
use argo::template::Scope;
use serde_json::Value;

use super::{Boundary, Call, Engine};
use crate::workflow::{Kind, Phase};

/// A DAG that is being walked.
pub(super) struct Tasks<'d> {
    /// The WorkflowTemplate that it is in.
    pub(super) home: String,
    name: String,
    id: String,
    dag: &'d Dag,
    parallelism: Option<usize>,
    /// `workflow.*` and `inputs.*`.
    scope: Scope,
    exit: bool,
}

impl Tasks<'_> {
    pub(super) fn node_name(&self, task: &str) -> String {
        format!("{}.{task}", self.name)
    }

    fn task(&self, name: &str) -> Result<&Task, String> {
        self.dag
            .tasks
            .iter()
            .find(|task| task.name == name)
            .ok_or_else(|| format!("there is no task `{name}`"))
    }

    /// Tasks on which no other one depends.
    fn targets(&self) -> Result<Vec<&Task>, String> {
        let mut wanted = BTreeSet::new();
        for task in &self.dag.tasks {
            wanted.extend(task.dependencies()?);
        }
        Ok(self
            .dag
            .tasks
            .iter()
            .filter(|task| !wanted.contains(&task.name))
            .collect())
    }

    /// All tasks before `task`.
    fn ancestors(&self, task: &Task) -> Result<Vec<&Task>, String> {
        let mut found: Vec<&Task> = Vec::new();
        let mut open = task.dependencies()?;
        while let Some(name) = open.pop() {
            let task = self.task(&name)?;
            if !found.iter().any(|known| known.name == name) {
                open.extend(task.dependencies()?);
                found.push(task);
            }
        }
        Ok(found)
    }
}

impl Engine<'_> {
    pub(super) fn dag(
        &mut self,
        call: &Call,
        template: &Rc<Template>,
        dag: &Dag,
        inputs: Parameters,
    ) {
        let id = self.workflow.id(&call.name);
        if !self.workflow.status.nodes.contains_key(&id) {
            if self.stopped_by.is_some() || !self.may_start(call.boundary.as_ref()) {
                return;
            }
            self.add(call, Kind::Dag, Phase::Running, Some(inputs.clone()));
        }
        let mut scope = self.workflow_scope(call.exit);
        scope.set_inputs(&inputs);
        let tasks = Tasks {
            home: call.home.clone(),
            name: call.name.clone(),
            id: id.clone(),
            dag,
            parallelism: template.parallelism,
            scope,
            exit: call.exit,
        };
        if let Err(message) = self.walk(&tasks, template) {
            self.end(&id, Phase::Error, &message);
        }
    }

    fn walk(&mut self, tasks: &Tasks, template: &Template) -> Result<(), String> {
        let targets = tasks.targets()?;
        let mut visited = BTreeSet::new();
        for target in &targets {
            self.task(tasks, target, &mut visited)?;
        }
        let Some(phase) = self.assess(tasks, &targets) else {
            return Ok(());
        };
        let outbound = targets
            .iter()
            .flat_map(|task| self.outbound(&self.workflow.id(&tasks.node_name(&task.name))));
        let outbound: Vec<String> = outbound.collect();
        let outputs = if phase == Phase::Succeeded {
            Some(self.dag_outputs(tasks, template)?)
        } else {
            None
        };
        self.end(&tasks.id, phase, "");
        if let Some(node) = self.workflow.status.nodes.get_mut(&tasks.id) {
            node.outbound_nodes = outbound;
            node.outputs = outputs.filter(|outputs| !outputs.parameters.is_empty());
        }
        Ok(())
    }

    /// Runs a task as far as it can go, those before it first.
    fn task<'d>(
        &mut self,
        tasks: &'d Tasks,
        task: &'d Task,
        visited: &mut BTreeSet<&'d str>,
    ) -> Result<(), String> {
        if !visited.insert(&task.name) {
            return Ok(());
        }
        let name = tasks.node_name(&task.name);
        let before = task.dependencies()?;
        for dependency in &before {
            self.task(tasks, tasks.task(dependency)?, visited)?;
        }
        let call = self.call(tasks, task, name.clone(), Vec::new());
        let existing = self.workflow.node(&name).map(|node| node.phase);
        if existing.is_some() {
            self.connect(tasks, &before, &name);
        }
        if existing.is_some_and(Phase::fulfilled) || self.stopped_by.is_some() && existing.is_none()
        {
            return Ok(());
        }
        if existing.is_none() {
            match self.depends(tasks, task, &before) {
                Ok(None) => return Ok(()),
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    self.skip(&call, Phase::Omitted, "omitted: depends condition not met");
                    self.connect(tasks, &before, &name);
                    return Ok(());
                }
                Err(message) => {
                    self.fail_task(tasks, &call, &before, message);
                    return Ok(());
                }
            }
        }
        match self.runs(tasks, task) {
            Ok(runs) if task.expands() => self.group(tasks, task, &call, &before, runs),
            Ok(runs) => {
                for run in runs {
                    self.run_task(tasks, task, run, &call);
                }
                if self.workflow.node(&name).is_some() {
                    self.connect(tasks, &before, &name);
                }
            }
            Err(message) => self.fail_task(tasks, &call, &before, message),
        }
        Ok(())
    }

    fn fail_task(&mut self, tasks: &Tasks, call: &Call, before: &[String], message: String) {
        self.refuse(call, message);
        self.connect(tasks, before, &call.name);
    }

    fn call(&self, tasks: &Tasks, task: &Task, name: String, arguments: Vec<Parameter>) -> Call {
        let (home, template) = task.target(&tasks.home).unwrap_or(("", ""));
        let boundary = Some(Boundary {
            id: tasks.id.clone(),
            parallelism: tasks.parallelism,
        });
        Call {
            name,
            home: home.to_owned(),
            template: template.to_owned(),
            scope: tasks.home.clone(),
            by_reference: task.template_ref.is_some(),
            arguments,
            boundary,
            exit: tasks.exit,
        }
    }

    fn skip(&mut self, call: &Call, phase: Phase, message: &str) {
        self.add(call, Kind::Skipped, phase, None);
        self.end(&self.workflow.id(&call.name), phase, message);
    }

    /// Whether the tasks before it let a task run; `None` while they are not done.
    fn depends(
        &self,
        tasks: &Tasks,
        task: &Task,
        before: &[String],
    ) -> Result<Option<bool>, String> {
        let done = |name: &String| {
            self.workflow
                .node(&tasks.node_name(name))
                .is_some_and(|node| node.phase.fulfilled())
        };
        if !before.iter().all(done) {
            return Ok(None);
        }
        if before.is_empty() {
            return Ok(Some(true));
        }
        let lookup = |name: &str| {
            let (task, result) = name.split_once('.').unwrap_or((name, ""));
            let node = self.workflow.node(&tasks.node_name(task))?;
            let runs = || {
                node.children
                    .iter()
                    .filter_map(|id| self.workflow.status.nodes.get(id))
            };
            let is_group = node.kind == Kind::TaskGroup;
            let holds = match result {
                "" => matches!(node.phase, Phase::Succeeded | Phase::Skipped),
                "Succeeded" => node.phase == Phase::Succeeded,
                "Failed" => node.phase == Phase::Failed,
                "Errored" => node.phase == Phase::Error,
                "Skipped" => node.phase == Phase::Skipped,
                "Omitted" => node.phase == Phase::Omitted,
                "Daemoned" => false,
                "AnySucceeded" => is_group && runs().any(|run| run.phase == Phase::Succeeded),
                "AllFailed" => is_group && runs().all(|run| run.phase == Phase::Failed),
                _ => return None,
            };
            Some(expr::Value::Bool(holds))
        };
        expr::holds(&task.depends, Dialect::Depends, &lookup)
            .map(Some)
            .map_err(|error| format!("unable to evaluate expression '{}': {error}", task.depends))
    }

    /// What a task is run for: one entry, or one for each item; with the scope that its tags see.
    fn runs(&self, tasks: &Tasks, task: &Task) -> Result<Vec<(String, Scope)>, String> {
        let mut scope = tasks.scope.clone();
        for ancestor in tasks.ancestors(task)? {
            self.add_task(&mut scope, tasks, ancestor);
        }
        let items: Vec<Value> = match (task.items(), &task.with_param) {
            (Some(items), _) => items.clone(),
            (None, Some(list)) => match items_of(&scope, list) {
                Ok(items) => items,
                // A list that nobody needs may be missing or broken.
                Err(_) if is_ruled_out(&scope, task) => Vec::new(),
                Err(message) => return Err(message),
            },
            (None, None) => return Ok(vec![(task.name.clone(), scope)]),
        };
        if let Some(index) = items.iter().position(Value::is_null) {
            return Err(format!(
                "withItems[{index}] expected string, number, list, or map. received: null"
            ));
        }
        let run = |(index, item): (usize, &Value)| {
            let mut scope = scope.clone();
            scope.set("item", text(item));
            let mut description = text(item);
            if let Value::Object(fields) = item {
                let pairs: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| format!("{key}:{}", text(value)))
                    .collect();
                description = pairs.join(",");
                fields
                    .iter()
                    .for_each(|(key, value)| scope.set(format!("item.{key}"), text(value)));
            }
            (
                format!(
                    "{}({index}:{})",
                    task.name,
                    description.replace(['(', ')'], "")
                ),
                scope,
            )
        };
        Ok(items.iter().enumerate().map(run).collect())
    }

    /// Runs an expanded task.
    fn group(
        &mut self,
        tasks: &Tasks,
        task: &Task,
        call: &Call,
        before: &[String],
        runs: Vec<(String, Scope)>,
    ) {
        if runs.is_empty() {
            self.skip(call, Phase::Skipped, "Skipped, empty params");
            return self.connect(tasks, before, &call.name);
        }
        self.add(call, Kind::TaskGroup, Phase::Running, None);
        self.connect(tasks, before, &call.name);
        let names: Vec<String> = runs.iter().map(|(name, _)| tasks.node_name(name)).collect();
        for (name, run) in names.iter().zip(runs) {
            let done = self
                .workflow
                .node(name)
                .is_some_and(|node| node.phase.fulfilled());
            if !done && self.stopped_by.is_none() || self.workflow.node(name).is_some() {
                self.run_task(tasks, task, run, call);
            }
            if self.workflow.node(name).is_some() {
                self.link(&self.workflow.id(&call.name), &self.workflow.id(name));
            }
        }
        let phases = names
            .iter()
            .map(|name| self.workflow.node(name).map(|node| node.phase));
        let begun: Vec<Phase> = phases.flatten().collect();
        let all = begun.len() == names.len() || self.stopped_by.is_some();
        if all && begun.iter().all(|phase| phase.fulfilled()) {
            let failed = begun.iter().rev().find(|phase| phase.failed());
            let stopped = if begun.len() == names.len() {
                Phase::Succeeded
            } else {
                Phase::Failed
            };
            self.end(
                &self.workflow.id(&call.name),
                failed.copied().unwrap_or(stopped),
                "",
            );
        }
    }

    /// Runs one item of a task, unless `when` says no.
    fn run_task(
        &mut self,
        tasks: &Tasks,
        task: &Task,
        (name, scope): (String, Scope),
        outer: &Call,
    ) {
        let mut call = Call {
            name: tasks.node_name(&name),
            ..outer.clone()
        };
        let is_new = self.workflow.node(&call.name).is_none();
        if is_new && !task.when.is_empty() {
            let when = match scope.fill(&task.when) {
                Ok(when) => when,
                Err(message) => return self.refuse(&call, message),
            };
            match expr::holds(&when, Dialect::When, &|_| None) {
                Ok(true) => {}
                Ok(false) => {
                    return self.skip(
                        &call,
                        Phase::Skipped,
                        &format!("when '{when}' evaluated false"),
                    );
                }
                Err(error) => {
                    return self.refuse(
                        &call,
                        format!("Invalid 'when' expression '{when}': {error}"),
                    );
                }
            }
        }
        for argument in &task.arguments.parameters {
            let text = argument.given().unwrap_or_default();
            // An argument that is nothing but a skipped task's output without a default counts as
            // not given.
            if scope.is_absent(text) {
                continue;
            }
            match scope.fill(text) {
                Ok(value) => call.arguments.push(Parameter::new(&argument.name, value)),
                Err(message) => return self.refuse(&call, message),
            }
        }
        self.execute(&call);
    }

    /// Makes a task's node a child of what comes before it.
    fn connect(&mut self, tasks: &Tasks, before: &[String], name: &str) {
        let child = self.workflow.id(name);
        if before.is_empty() {
            return self.link(&tasks.id, &child);
        }
        for dependency in before {
            for parent in self.outbound(&self.workflow.id(&tasks.node_name(dependency))) {
                self.link(&parent, &child);
            }
        }
    }

    fn link(&mut self, parent: &str, child: &str) {
        if let Some(node) = self.workflow.status.nodes.get_mut(parent)
            && !node.children.iter().any(|id| id == child)
        {
            node.children.push(child.to_owned());
            self.changed = true;
        }
    }

    /// The last nodes of a node: those after which the next task comes.
    fn outbound(&self, id: &str) -> Vec<String> {
        let Some(node) = self.workflow.status.nodes.get(id) else {
            return Vec::new();
        };
        match node.kind {
            Kind::Retry => node.children.last().cloned().into_iter().collect(),
            Kind::TaskGroup if !node.children.is_empty() => node
                .children
                .iter()
                .flat_map(|id| self.outbound(id))
                .collect(),
            Kind::Dag => node
                .outbound_nodes
                .iter()
                .flat_map(|id| self.outbound(id))
                .collect(),
            Kind::Pod | Kind::Suspend | Kind::Skipped | Kind::TaskGroup => vec![id.to_owned()],
        }
    }
}

/// The items of a `withParam`.
fn items_of(scope: &Scope, list: &str) -> Result<Vec<Value>, String> {
    let list = scope.fill(list)?;
    serde_json::from_str(&list).map_err(|error| {
        format!("withParam value could not be parsed as a JSON list: {list}: {error}")
    })
}

/// Whether `when` is false for a task as a whole, whatever its items are.
fn is_ruled_out(scope: &Scope, task: &Task) -> bool {
    let when = scope.fill(&task.when);
    when.is_ok_and(|when| {
        !when.is_empty() && expr::holds(&when, Dialect::When, &|_| None) == Ok(false)
    })
}

/// An item as text: JSON, but text without its quotes.
fn text(item: &Value) -> String {
    match item {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
