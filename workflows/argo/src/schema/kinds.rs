//! What is done with the fields of each kind of object.

use crate::spec::{
    Artifact, Backoff, ConfigMapSource, Container, CronWorkflow, CronWorkflowSpec, Dag, Env,
    EnvFrom, EnvValueFrom, Metadata, Outputs, Parameter, Parameters, RetryStrategy, S3, Task,
    Template, TemplateRef, ValueFrom, Volume, VolumeMount, WorkflowSpec, WorkflowTemplate,
    WorkflowTemplateRef, fields,
};

/// What is done with the fields of one kind of Argo's objects.
pub(crate) struct Kind {
    /// Its name in Argo's schema.
    pub argo: &'static str,
    /// What a finding calls it.
    pub name: &'static str,
    /// The fields of the type that it is read into.
    pub interpreted: fn() -> &'static [&'static str],
    /// Fields that have no effect on a laptop.
    pub no_effect: &'static [&'static str],
}

impl Kind {
    /// Whether nothing of it is interpreted.
    pub(crate) fn has_no_effect(&self) -> bool {
        (self.interpreted)().is_empty()
    }
}

/// The kind of that name in Argo's schema.
pub(crate) fn find(argo: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.argo == argo)
}

#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

const fn kind(
    argo: &'static str,
    name: &'static str,
    interpreted: fn() -> &'static [&'static str],
    no_effect: &'static [&'static str],
) -> Kind {
    Kind {
        argo,
        name,
        interpreted,
        no_effect,
    }
}

fn nothing() -> &'static [&'static str] {
    &[]
}

static KINDS: [Kind; 35] = [
    kind(
        "WorkflowTemplate",
        "WorkflowTemplate",
        fields::of::<WorkflowTemplate>,
        &[],
    ),
    kind(
        "CronWorkflow",
        "CronWorkflow",
        fields::of::<CronWorkflow>,
        &[],
    ),
    kind(
        "ObjectMeta",
        "metadata",
        fields::of::<Metadata>,
        &["annotations", "namespace"],
    ),
    kind(
        "CronWorkflowSpec",
        "CronWorkflow spec",
        fields::of::<CronWorkflowSpec>,
        &[
            "schedules",
            "timezone",
            "concurrencyPolicy",
            "startingDeadlineSeconds",
            "successfulJobsHistoryLimit",
            "failedJobsHistoryLimit",
            "stopStrategy",
            "suspend",
            "workflowMetadata",
        ],
    ),
    kind(
        "WorkflowSpec",
        "workflow spec",
        fields::of::<WorkflowSpec>,
        &[
            "affinity",
            "archiveLogs",
            "artifactRepositoryRef",
            "automountServiceAccountToken",
            "executor",
            "imagePullSecrets",
            "metrics",
            "nodeSelector",
            "podDisruptionBudget",
            "podGC",
            "podMetadata",
            "podPriorityClassName",
            "securityContext",
            "serviceAccountName",
            "synchronization",
            "tolerations",
            "ttlStrategy",
            "workflowMetadata",
        ],
    ),
    kind(
        "WorkflowTemplateRef",
        "workflowTemplateRef",
        fields::of::<WorkflowTemplateRef>,
        &[],
    ),
    kind(
        "Template",
        "template",
        fields::of::<Template>,
        &[
            "affinity",
            "automountServiceAccountToken",
            "executor",
            "initContainers",
            "metadata",
            "metrics",
            "nodeSelector",
            "pendingTimeout",
            "podSpecPatch",
            "priorityClassName",
            "securityContext",
            "serviceAccountName",
            "synchronization",
            "tolerations",
        ],
    ),
    kind(
        "Synchronization",
        "synchronization",
        nothing,
        &["mutexes", "semaphores"],
    ),
    kind(
        "Arguments",
        "arguments and inputs",
        fields::of::<Parameters>,
        &[],
    ),
    kind(
        "Inputs",
        "arguments and inputs",
        fields::of::<Parameters>,
        &[],
    ),
    kind(
        "Parameter",
        "parameter",
        fields::of::<Parameter>,
        &["description"],
    ),
    kind(
        "ValueFrom",
        "parameter valueFrom",
        fields::of::<ValueFrom>,
        &[],
    ),
    kind("SuppliedValueFrom", "supplied", nothing, &[]),
    // The runner does not wait: it asks, or fails.
    kind("SuspendTemplate", "suspend", nothing, &["duration"]),
    kind("Outputs", "outputs", fields::of::<Outputs>, &[]),
    kind(
        "Artifact",
        "output artifact",
        fields::of::<Artifact>,
        &["archive"],
    ),
    kind("S3Artifact", "artifact s3", fields::of::<S3>, &[]),
    kind("DAGTemplate", "dag", fields::of::<Dag>, &[]),
    kind("DAGTask", "dag task", fields::of::<Task>, &[]),
    kind("TemplateRef", "templateRef", fields::of::<TemplateRef>, &[]),
    kind(
        "RetryStrategy",
        "retryStrategy",
        fields::of::<RetryStrategy>,
        &["affinity"],
    ),
    kind("Backoff", "backoff", fields::of::<Backoff>, &[]),
    kind("Volume", "volume", fields::of::<Volume>, &[]),
    kind(
        "EmptyDirVolumeSource",
        "emptyDir",
        nothing,
        &["sizeLimit", "medium"],
    ),
    kind(
        "ConfigMapVolumeSource",
        "configMap",
        fields::of::<ConfigMapSource>,
        &["defaultMode"],
    ),
    kind(
        "ConfigMapKeySelector",
        "configMap",
        fields::of::<ConfigMapSource>,
        &[],
    ),
    kind(
        "ConfigMapEnvSource",
        "configMap",
        fields::of::<ConfigMapSource>,
        &[],
    ),
    kind(
        "SecretKeySelector",
        "configMap",
        fields::of::<ConfigMapSource>,
        &[],
    ),
    kind(
        "SecretEnvSource",
        "configMap",
        fields::of::<ConfigMapSource>,
        &[],
    ),
    kind(
        "Container",
        "container",
        fields::of::<Container>,
        &[
            "image",
            "imagePullPolicy",
            "resources",
            "securityContext",
            "terminationMessagePath",
            "terminationMessagePolicy",
        ],
    ),
    // It only shows that its image is there; the library looks at its command.
    kind(
        "UserContainer",
        "init container",
        nothing,
        &[
            "name",
            "image",
            "imagePullPolicy",
            "command",
            "resources",
            "securityContext",
        ],
    ),
    kind("EnvVar", "env", fields::of::<Env>, &[]),
    kind(
        "EnvVarSource",
        "env valueFrom",
        fields::of::<EnvValueFrom>,
        &[],
    ),
    kind("EnvFromSource", "envFrom", fields::of::<EnvFrom>, &[]),
    kind(
        "VolumeMount",
        "volumeMount",
        fields::of::<VolumeMount>,
        &["readOnly"],
    ),
];
