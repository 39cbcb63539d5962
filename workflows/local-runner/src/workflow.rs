//! A run of a workflow, in the shape of Argo's `Workflow` object; its file is the whole state of
//! the runner.

use std::collections::{BTreeMap, BTreeSet};

use argo::spec::{
    Artifact, Parameter, Parameters, Template, TemplateRef, WorkflowSpec, WorkflowTemplateRef,
};
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

/// Annotation under which Argo keeps the time that a CronWorkflow asked for.
pub(crate) const SCHEDULED_TIME: &str = "workflows.argoproj.io/scheduled-time";
/// What a node's `templateScope` begins with.
pub(crate) const SCOPE: &str = "namespaced/";
/// Annotation with the `STORE_URL` that was given; a retry keeps it.
pub(crate) const STORE_URL: &str = "alameda/store-url";
/// Annotation with the `RAW_URL` that was given; a retry keeps it.
pub(crate) const RAW_URL: &str = "alameda/raw-url";
/// Label with the name of the workflow that was submitted again.
pub(crate) const RESUBMITTED_FROM: &str = "workflows.argoproj.io/resubmitted-from-workflow";
const TEMPLATE_LABEL: &str = "workflows.argoproj.io/workflow-template";
const PHASE_LABEL: &str = "workflows.argoproj.io/phase";
const COMPLETED_LABEL: &str = "workflows.argoproj.io/completed";

/// A workflow as `get -o json` prints it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workflow {
    /// `argoproj.io/v1alpha1`
    pub api_version: String,
    /// `Workflow`
    pub kind: String,
    /// Name, labels and annotations.
    pub metadata: Metadata,
    /// What was submitted.
    pub spec: Submitted,
    /// What came of it.
    pub status: Status,
}

/// Name, labels and annotations.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// Its name, which is the name of its folder too.
    pub name: String,
    /// When it was submitted.
    pub creation_timestamp: DateTime<Utc>,
    /// Argo's labels.
    pub labels: BTreeMap<String, String>,
    /// The scheduled time, and where the raw files lie.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What was submitted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Submitted {
    /// All parameters with their values.
    pub arguments: Parameters,
    /// The WorkflowTemplate.
    pub workflow_template_ref: WorkflowTemplateRef,
}

/// What came of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// How far it is.
    pub phase: Phase,
    /// Why it failed, when a node does not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began, or was retried.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Sum of the leaves' progress, such as `7/9`.
    pub progress: String,
    /// Every node by its id.
    pub nodes: BTreeMap<String, Node>,
    /// The templates as they were at submission, by `{WorkflowTemplate}/{template}`; a retry keeps
    /// them.
    pub stored_templates: BTreeMap<String, Template>,
    /// The spec as it was at submission; a retry keeps it.
    pub stored_workflow_template_spec: WorkflowSpec,
}

/// How far a workflow or node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Phase {
    /// It waits for a core.
    #[default]
    Pending,
    /// Running.
    Running,
    /// Finished with success.
    Succeeded,
    /// `when` was false.
    Skipped,
    /// Its program failed, or a part of it did.
    Failed,
    /// Could not run.
    Error,
    /// `depends` was false.
    Omitted,
}

impl Phase {
    /// Whether nothing more happens.
    pub(crate) fn fulfilled(self) -> bool {
        !matches!(self, Phase::Pending | Phase::Running)
    }

    /// Whether it ran to an end; skipped and omitted ones did not.
    pub(crate) fn completed(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed | Phase::Error)
    }

    /// Whether it failed or errored.
    pub(crate) fn failed(self) -> bool {
        matches!(self, Phase::Failed | Phase::Error)
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Kind {
    /// One attempt of a leaf.
    Pod,
    /// A leaf that may be tried again; its attempts are its children.
    Retry,
    /// All runs of one expanded task.
    TaskGroup,
    /// The tasks of a DAG template.
    #[serde(rename = "DAG")]
    Dag,
    /// A gate, which waits for a person's answer.
    Suspend,
    /// A task that did not run.
    Skipped,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    /// `{workflow}-{hash of the name}`
    pub id: String,
    /// Dotted path of tasks, such as `my-wf.training.data-prep-plan(0)`.
    pub name: String,
    /// Last part of the name.
    pub display_name: String,
    /// Kind of the node.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Template that it runs.
    pub template_name: String,
    /// The same with its WorkflowTemplate, when the task names it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// The WorkflowTemplate in which `template_name` is looked up, after `namespaced/`.
    pub template_scope: String,
    /// How far it is.
    pub phase: Phase,
    /// The DAG that it is part of.
    #[serde(
        rename = "boundaryID",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub boundary_id: Option<String>,
    /// Why it failed or did not run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// `done/total` in units of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// Largest resident memory of the process, in bytes, as last seen; not part of Argo's shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// What it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Parameters>,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<NodeOutputs>,
    /// Ids of the nodes that come after it, or of its attempts or runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// Of a DAG: ids of its last nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound_nodes: Vec<String>,
}

impl Node {
    /// The value of an output parameter.
    pub(crate) fn output(&self, name: &str) -> Option<&str> {
        self.outputs
            .as_ref()?
            .parameters
            .iter()
            .find(|parameter| parameter.name == name)?
            .value
            .as_deref()
    }

    /// Whether finished work was used.
    pub(crate) fn reused(&self) -> bool {
        self.output("reused") == Some("true")
    }
}

/// What a node gave.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeOutputs {
    /// Output parameters with their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Files, with the keys under which they are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Of an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<String>,
}

/// Now, in the precision that is kept.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

impl Workflow {
    /// A workflow that has not begun.
    pub(crate) fn new(
        name: String,
        template: &str,
        spec: WorkflowSpec,
        stored: BTreeMap<String, Template>,
    ) -> Self {
        let labels = BTreeMap::from([(TEMPLATE_LABEL.to_owned(), template.to_owned())]);
        let metadata = Metadata {
            name,
            creation_timestamp: now(),
            labels,
            annotations: BTreeMap::new(),
        };
        let workflow_template_ref = WorkflowTemplateRef {
            name: template.to_owned(),
        };
        // Those that can be reached are stored one by one.
        let spec = WorkflowSpec {
            templates: Vec::new(),
            ..spec
        };
        let mut workflow = Self {
            api_version: "argoproj.io/v1alpha1".to_owned(),
            kind: "Workflow".to_owned(),
            metadata,
            spec: Submitted {
                arguments: spec.arguments.clone(),
                workflow_template_ref,
            },
            status: Status {
                stored_templates: stored,
                stored_workflow_template_spec: spec,
                ..Status::default()
            },
        };
        workflow.set_phase(Phase::Pending);
        workflow
    }

    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The id of the node of that name, as Argo forms it: FNV-1a, 32 bits.
    pub(crate) fn id(&self, name: &str) -> String {
        if name == self.name() {
            return name.to_owned();
        }
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, b| {
            (hash ^ u32::from(b)).wrapping_mul(0x0100_0193)
        });
        format!("{}-{hash}", self.name())
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.status.nodes.get(&self.id(name))
    }

    /// The node on which the entrypoint's outputs stand.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.node(self.name())
    }

    /// The root of the exit handler's nodes.
    pub(crate) fn exit_root(&self) -> Option<&Node> {
        self.node(&format!("{}.onExit", self.name()))
    }

    /// Sets the phase, and the labels that Argo keeps beside it.
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.status.phase = phase;
        self.metadata
            .labels
            .insert(PHASE_LABEL.to_owned(), format!("{phase:?}"));
        self.metadata
            .labels
            .insert(COMPLETED_LABEL.to_owned(), phase.completed().to_string());
    }

    /// Attempts and leaves in the order in which they began.
    pub(crate) fn pods(&self) -> Vec<&Node> {
        let mut pods: Vec<_> = self
            .status
            .nodes
            .values()
            .filter(|node| node.kind == Kind::Pod)
            .collect();
        pods.sort_by(|a, b| natural(a).cmp(&natural(b)));
        pods
    }

    /// Failed attempts that nothing made good: those which a person has to look at.
    pub(crate) fn failures(&self) -> Vec<&Node> {
        let retried: BTreeSet<&String> = self
            .status
            .nodes
            .values()
            .filter(|node| node.kind == Kind::Retry)
            .flat_map(|node| {
                let last = if node.phase.failed() {
                    node.children.len().saturating_sub(1)
                } else {
                    node.children.len()
                };
                &node.children[..last]
            })
            .collect();
        let failed = |node: &&Node| {
            let leaf = matches!(node.kind, Kind::Pod | Kind::Skipped) || node.children.is_empty();
            node.phase.failed() && leaf && !retried.contains(&node.id)
        };
        let mut failures: Vec<_> = self.status.nodes.values().filter(failed).collect();
        failures.sort_by(|a, b| natural(a).cmp(&natural(b)));
        failures
    }

    /// Adds up the progress of the leaves, as Argo does: for the workflow, and for each node above
    /// them.
    pub(crate) fn sum_progress(&mut self) {
        let pods: Vec<(String, u64, u64)> = self
            .status
            .nodes
            .values()
            .filter(|node| node.kind == Kind::Pod)
            .map(|pod| {
                let (done, total) = progress(&pod.progress).unwrap_or((0, 1));
                (
                    pod.name.clone(),
                    if pod.phase == Phase::Succeeded {
                        total
                    } else {
                        done
                    },
                    total,
                )
            })
            .collect();
        let sum = |within: &dyn Fn(&str) -> bool| {
            let pods = pods.iter().filter(|(name, ..)| within(name));
            let (done, total) = pods.fold((0, 0), |(d, t), (_, done, total)| (d + done, t + total));
            format!("{done}/{total}")
        };
        self.status.progress = sum(&|_| true);
        for node in self
            .status
            .nodes
            .values_mut()
            .filter(|node| !matches!(node.kind, Kind::Pod | Kind::Suspend | Kind::Skipped))
        {
            let below = |name: &str| {
                name.strip_prefix(&node.name)
                    .is_some_and(|rest| rest.starts_with(['.', '(']))
            };
            node.progress = sum(&below);
        }
    }

    /// Marks as errors what had not ended in a workflow whose runner died: nothing of it runs.
    pub(crate) fn mark_abandoned(&mut self) {
        for node in self
            .status
            .nodes
            .values_mut()
            .filter(|node| !node.phase.fulfilled())
        {
            node.phase = Phase::Error;
            node.finished_at = Some(now());
            if node.kind == Kind::Pod {
                node.message = "the runner died before the step ended".to_owned();
            }
        }
        self.set_phase(Phase::Error);
        self.status.message =
            "the runner died before the workflow ended; retry continues from here".to_owned();
        self.status.finished_at = Some(now());
    }
}

/// Order of begin; items of a group by their index.
pub(crate) fn natural(node: &Node) -> (DateTime<Utc>, &str, usize, &str) {
    let (task, index) = match node.display_name.split_once('(') {
        Some((task, rest)) => {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            (task, rest[..digits].parse().unwrap_or(0))
        }
        None => (node.display_name.as_str(), 0),
    };
    (node.started_at, task, index, &node.name)
}

/// Reads `N/M`, as Argo does: M above 0, N at most M.
pub(crate) fn progress(text: &str) -> Option<(u64, u64)> {
    let (done, total) = text.trim().split_once('/')?;
    let (done, total) = (done.parse().ok()?, total.parse().ok()?);
    (total > 0 && done <= total).then_some((done, total))
}
