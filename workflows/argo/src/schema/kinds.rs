//! The fields of each kind of object.

use super::{Any, Bool, Kind, Number, NumberOrText, Object, Objects, Text, Texts};

pub(crate) static WORKFLOW_TEMPLATE: Kind = Kind {
    name: "WorkflowTemplate",
    interpreted: &[
        ("apiVersion", Text),
        ("kind", Text),
        ("metadata", Object(&METADATA)),
        ("spec", Object(&SPEC)),
    ],
    no_effect: &[],
};

pub(crate) static CRON_WORKFLOW: Kind = Kind {
    name: "CronWorkflow",
    interpreted: &[
        ("apiVersion", Text),
        ("kind", Text),
        ("metadata", Object(&METADATA)),
        ("spec", Object(&CRON_SPEC)),
    ],
    no_effect: &[],
};

static METADATA: Kind = Kind {
    name: "metadata",
    interpreted: &[("name", Text), ("labels", Any)],
    no_effect: &[("annotations", Any), ("namespace", Text)],
};

static CRON_SPEC: Kind = Kind {
    name: "CronWorkflow spec",
    interpreted: &[("workflowSpec", Object(&SPEC))],
    no_effect: &[
        ("schedules", Texts),
        ("timezone", Text),
        ("concurrencyPolicy", Text),
        ("startingDeadlineSeconds", Number),
        ("successfulJobsHistoryLimit", Number),
        ("failedJobsHistoryLimit", Number),
        ("stopStrategy", Any),
        ("suspend", Bool),
        ("workflowMetadata", Any),
    ],
};

static SPEC: Kind = Kind {
    name: "workflow spec",
    interpreted: &[
        ("entrypoint", Text),
        ("onExit", Text),
        ("arguments", Object(&PARAMETERS)),
        ("templates", Objects(&TEMPLATE)),
        ("parallelism", Number),
        ("workflowTemplateRef", Object(&WORKFLOW_TEMPLATE_REF)),
    ],
    no_effect: &[
        ("affinity", Any),
        ("archiveLogs", Bool),
        ("artifactRepositoryRef", Any),
        ("automountServiceAccountToken", Bool),
        ("executor", Any),
        ("imagePullSecrets", Any),
        ("metrics", Any),
        ("nodeSelector", Any),
        ("podDisruptionBudget", Any),
        ("podGC", Any),
        ("podMetadata", Any),
        ("podPriorityClassName", Text),
        ("securityContext", Any),
        ("serviceAccountName", Text),
        ("synchronization", Object(&SYNCHRONIZATION)),
        ("tolerations", Any),
        ("ttlStrategy", Any),
        ("workflowMetadata", Any),
    ],
};

static WORKFLOW_TEMPLATE_REF: Kind = Kind {
    name: "workflowTemplateRef",
    interpreted: &[("name", Text)],
    no_effect: &[],
};

static TEMPLATE: Kind = Kind {
    name: "template",
    interpreted: &[
        ("name", Text),
        ("inputs", Object(&PARAMETERS)),
        ("outputs", Object(&OUTPUTS)),
        ("dag", Object(&DAG)),
        ("container", Object(&CONTAINER)),
        ("suspend", Object(&SUSPEND)),
        ("volumes", Objects(&VOLUME)),
        ("parallelism", Number),
        ("retryStrategy", Object(&RETRY)),
        ("activeDeadlineSeconds", NumberOrText),
    ],
    no_effect: &[
        ("affinity", Any),
        ("automountServiceAccountToken", Bool),
        ("executor", Any),
        ("initContainers", Objects(&INIT_CONTAINER)),
        ("metadata", Any),
        ("metrics", Any),
        ("nodeSelector", Any),
        ("pendingTimeout", Text),
        ("podSpecPatch", Text),
        ("priorityClassName", Text),
        ("securityContext", Any),
        ("serviceAccountName", Text),
        ("synchronization", Object(&SYNCHRONIZATION)),
        ("tolerations", Any),
    ],
};

static SYNCHRONIZATION: Kind = Kind {
    name: "synchronization",
    interpreted: &[],
    no_effect: &[("mutexes", Any), ("semaphores", Any)],
};

static PARAMETERS: Kind = Kind {
    name: "arguments and inputs",
    interpreted: &[("parameters", Objects(&PARAMETER))],
    no_effect: &[],
};

static PARAMETER: Kind = Kind {
    name: "parameter",
    interpreted: &[
        ("name", Text),
        ("value", Text),
        ("default", Text),
        ("enum", Texts),
        ("valueFrom", Object(&VALUE_FROM)),
    ],
    no_effect: &[("description", Text)],
};

static VALUE_FROM: Kind = Kind {
    name: "parameter valueFrom",
    interpreted: &[
        ("path", Text),
        ("parameter", Text),
        ("supplied", Object(&SUPPLIED)),
        ("default", Text),
    ],
    no_effect: &[],
};

static SUPPLIED: Kind = Kind {
    name: "supplied",
    interpreted: &[],
    no_effect: &[],
};

/// The runner does not wait: it asks, or fails.
static SUSPEND: Kind = Kind {
    name: "suspend",
    interpreted: &[],
    no_effect: &[("duration", NumberOrText)],
};

static OUTPUTS: Kind = Kind {
    name: "outputs",
    interpreted: &[
        ("parameters", Objects(&PARAMETER)),
        ("artifacts", Objects(&ARTIFACT)),
    ],
    no_effect: &[],
};

static ARTIFACT: Kind = Kind {
    name: "output artifact",
    interpreted: &[
        ("name", Text),
        ("path", Text),
        ("optional", Bool),
        ("s3", Object(&S3)),
    ],
    no_effect: &[("archive", Any)],
};

static S3: Kind = Kind {
    name: "artifact s3",
    interpreted: &[("key", Text)],
    no_effect: &[],
};

static DAG: Kind = Kind {
    name: "dag",
    interpreted: &[("failFast", Bool), ("tasks", Objects(&TASK))],
    no_effect: &[],
};

static TASK: Kind = Kind {
    name: "dag task",
    interpreted: &[
        ("name", Text),
        ("template", Text),
        ("templateRef", Object(&TEMPLATE_REF)),
        ("arguments", Object(&PARAMETERS)),
        ("depends", Text),
        ("when", Text),
        ("withItems", Any),
        ("withParam", Text),
    ],
    no_effect: &[],
};

static TEMPLATE_REF: Kind = Kind {
    name: "templateRef",
    interpreted: &[("name", Text), ("template", Text)],
    no_effect: &[],
};

static RETRY: Kind = Kind {
    name: "retryStrategy",
    interpreted: &[
        ("limit", NumberOrText),
        ("retryPolicy", Text),
        ("expression", Text),
        ("backoff", Object(&BACKOFF)),
    ],
    no_effect: &[("affinity", Any)],
};

static BACKOFF: Kind = Kind {
    name: "backoff",
    interpreted: &[("duration", Text), ("factor", NumberOrText), ("cap", Text)],
    no_effect: &[],
};

static VOLUME: Kind = Kind {
    name: "volume",
    interpreted: &[
        ("name", Text),
        ("configMap", Object(&CONFIG_MAP_SOURCE)),
        ("emptyDir", Object(&EMPTY_DIR)),
    ],
    no_effect: &[],
};

static EMPTY_DIR: Kind = Kind {
    name: "emptyDir",
    interpreted: &[],
    no_effect: &[("sizeLimit", NumberOrText), ("medium", Text)],
};

static CONFIG_MAP_SOURCE: Kind = Kind {
    name: "configMap",
    interpreted: &[("name", Text), ("key", Text), ("optional", Bool)],
    no_effect: &[("defaultMode", Number)],
};

static CONTAINER: Kind = Kind {
    name: "container",
    interpreted: &[
        ("command", Texts),
        ("args", Texts),
        ("env", Objects(&ENV)),
        ("envFrom", Objects(&ENV_FROM)),
        ("volumeMounts", Objects(&VOLUME_MOUNT)),
    ],
    no_effect: &[
        ("image", Text),
        ("imagePullPolicy", Text),
        ("resources", Any),
        ("securityContext", Any),
        ("terminationMessagePath", Text),
        ("terminationMessagePolicy", Text),
    ],
};

/// One that only shows that its image is there; the library looks at its command.
static INIT_CONTAINER: Kind = Kind {
    name: "init container",
    interpreted: &[],
    no_effect: &[
        ("name", Text),
        ("image", Text),
        ("imagePullPolicy", Text),
        ("command", Texts),
        ("resources", Any),
        ("securityContext", Any),
    ],
};

static ENV: Kind = Kind {
    name: "env",
    interpreted: &[
        ("name", Text),
        ("value", Text),
        ("valueFrom", Object(&ENV_VALUE_FROM)),
    ],
    no_effect: &[],
};

static ENV_VALUE_FROM: Kind = Kind {
    name: "env valueFrom",
    interpreted: &[
        ("configMapKeyRef", Object(&CONFIG_MAP_SOURCE)),
        ("secretKeyRef", Object(&CONFIG_MAP_SOURCE)),
    ],
    no_effect: &[],
};

static ENV_FROM: Kind = Kind {
    name: "envFrom",
    interpreted: &[
        ("configMapRef", Object(&CONFIG_MAP_SOURCE)),
        ("secretRef", Object(&CONFIG_MAP_SOURCE)),
    ],
    no_effect: &[],
};

static VOLUME_MOUNT: Kind = Kind {
    name: "volumeMount",
    interpreted: &[("name", Text), ("mountPath", Text)],
    no_effect: &[("readOnly", Bool)],
};
