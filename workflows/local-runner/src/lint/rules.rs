//! The rules: the table in `docs/lint.md` and `alameda lint --explain RULE` are made from these, and a test has a fault
//! for each.

use std::fmt;

/// One rule.
pub(crate) struct Rule {
    /// Its name, which stands behind each finding.
    pub name: &'static str,
    /// What happens without it.
    pub why: &'static str,
    /// What to do; empty where the finding itself says it.
    pub help: &'static str,
    /// Where Argo's documentation, code or issues tell of it.
    pub source: &'static str,
    /// Which of the tests' faults `argo lint --offline --strict` of Argo 4.1.2 finds.
    pub argo: Argo,
}

/// How much Argo's own lint finds.
#[derive(Clone, Copy)]
pub(crate) enum Argo {
    Yes,
    Partly,
    No,
}

impl fmt::Display for Argo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Argo::Yes => "yes",
            Argo::Partly => "partly",
            Argo::No => "no",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            name,
            why,
            help,
            source,
            argo,
        } = self;
        let help = if help.is_empty() {
            "as the finding tells"
        } else {
            help
        };
        write!(
            f,
            "{name}: {why}\n\nDo this: {help}\nSource: {source}\n`argo lint` finds it: {argo}\n"
        )
    }
}

/// The rule of that name.
pub(crate) fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// What to do about a finding of that rule.
pub(crate) fn help(name: &str) -> &'static str {
    find(name).map_or("", |rule| rule.help)
}

const fn rule(
    name: &'static str,
    argo: Argo,
    why: &'static str,
    help: &'static str,
    source: &'static str,
) -> Rule {
    Rule {
        name,
        why,
        help,
        source,
        argo,
    }
}

use Argo::{No, Partly, Yes};

/// Rules whose findings refuse nothing: what is told for one release before it is refused.
pub(crate) const WARNINGS: [&str; 1] = ["image-parameter"];

pub(crate) static RULES: [Rule; 76] = [
    // ---- Documents
    rule(
        "yaml",
        Partly,
        "readers take either of a key that stands twice, and nothing of a broken file",
        "",
        "YAML 1.1",
    ),
    rule(
        "merge-key",
        No,
        "strict readers refuse a key that a merge doubles: `argo lint --strict` leaves the file out \
         without a word, and `argo template create` finds nothing in it",
        "write the fields out",
        "sigs.k8s.io/yaml",
    ),
    rule(
        "kind",
        No,
        "other kinds are not looked into",
        "make it a WorkflowTemplate, or a CronWorkflow that runs one",
        "workflow-templates.md",
    ),
    rule(
        "name",
        Yes,
        "the name becomes a label of 63 characters; a CronWorkflow appends a time of 11",
        "shorten it: a WorkflowTemplate takes 63 characters of a-z, 0-9, `-` and `.`, a CronWorkflow 52",
        "CRD rules of 4.0",
    ),
    rule(
        "duplicate",
        Yes,
        "one of the two is never used",
        "rename or remove one",
        "validate.go",
    ),
    rule(
        "unknown-field",
        Yes,
        "a misspelt field has no effect",
        "look for the right spelling in Argo's fields.md",
        "fields.md",
    ),
    rule(
        "removed-field",
        Yes,
        "Argo 4 ignores or refuses it",
        "",
        "deprecations.md, upgrading.md",
    ),
    rule(
        "type",
        Partly,
        "an unquoted y, n, yes, no, on, off is a boolean, and Argo wants text",
        "quote it",
        "YAML 1.1",
    ),
    rule(
        "template-kind",
        Yes,
        "Argo runs a template that is exactly one thing",
        "",
        "validate.go",
    ),
    rule(
        "too-many",
        Partly,
        "the CRD refuses the file when it is applied",
        "split it: at most 200 templates, 200 tasks of a DAG, and 128 characters of a name",
        "CRD rules of 4.0",
    ),
    // ---- Workflows
    rule(
        "entrypoint",
        Yes,
        "nothing would run",
        "name a template of this workflow",
        "validate.go",
    ),
    rule(
        "template-ref",
        Yes,
        "the reference is looked up by name when the run gets there",
        "name a template that is there, with no tag in the name",
        "workflow-templates.md",
    ),
    rule(
        "spec-retry",
        No,
        "it applies to DAGs and steps too, so all of a fan-out runs again",
        "put `retryStrategy` on each leaf",
        "#9190, #12009, #14228",
    ),
    rule(
        "executor",
        No,
        "without a token the executor can't report, and outputs never arrive",
        "set `spec.executor.serviceAccountName`: the leaves mount no token of their own",
        "workflow-rbac.md",
    ),
    rule(
        "artifact-gc",
        No,
        "its finalizer blocks the deletion of workflows, and valuable data is deleted with a run",
        "remove it, or set `Never`; let the bucket's lifecycle rules delete",
        "#10840, #13499, #12621",
    ),
    rule(
        "locks",
        No,
        "two locks in one place deadlock",
        "keep one mutex or semaphore",
        "#14461",
    ),
    rule(
        "progress",
        No,
        "progress stays at 0%",
        "remove the annotation: the step writes $ARGO_PROGRESS_FILE",
        "#11125, #13057",
    ),
    rule(
        "run-title",
        No,
        "on a run it hides the name in the UI",
        "put title and description into the template's own `metadata.annotations`",
        "title-and-description.md",
    ),
    rule(
        "label",
        No,
        "a run with an invalid label value fails",
        "use 63 characters at most of letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
        "workflowMetadata in fields.md",
    ),
    rule(
        "exit-variable",
        No,
        "`workflow.status` and `workflow.failures` are filled in exit handlers only",
        "use it in templates that `onExit` reaches",
        "variables.md",
    ),
    rule(
        "exit-outputs",
        Yes,
        "when the producer did not succeed the output is absent, and the exit handler fails",
        "let the step that has the value write it to the store, and read it there",
        "lifecyclehook.md",
    ),
    // ---- Parameters and tags
    rule(
        "tag",
        Partly,
        "the text itself reaches the container, or the run ends",
        "name something that is there",
        "variables.md",
    ),
    rule(
        "tag-space",
        No,
        "with spaces inside, some places leave the tag as it is",
        "write the tag without spaces inside",
        "#8960",
    ),
    rule(
        "scheduled-time",
        No,
        "outside a CronWorkflow's arguments nothing fills it, and the literal text reaches the container",
        "give it as a parameter in `workflowSpec.arguments` of a CronWorkflow",
        "runtime.go",
    ),
    rule(
        "one-pass",
        No,
        "names of locks and labels are filled in one pass, so the parameter's own tag stays literal",
        "use `workflow.name` or another parameter there",
        "SubstituteParams in common/util",
    ),
    rule(
        "enum",
        Partly,
        "Argo refuses a default that is not in the enum, and runs any other value that is not",
        "use a value of the enum",
        "workflow-inputs.md",
    ),
    rule(
        "boolean",
        No,
        "free text where true or false is meant is found by the step, late",
        "add `enum: ['false', 'true']`",
        "#6824",
    ),
    rule(
        "description",
        No,
        "the submit form shows names alone",
        "say what it is for: `description` of a parameter, annotation `workflows.argoproj.io/description` of a template",
        "new-features.md",
    ),
    rule(
        "secret",
        No,
        "parameters, variables and ConfigMaps are shown in UI, CLI and archive",
        "put it into a Secret, and read it by `valueFrom.secretKeyRef`; see config-maps/secrets.example.yaml",
        "#3797, #5506",
    ),
    rule(
        "two-values",
        No,
        "`value` wins over `valueFrom` without a word",
        "keep one of the two",
        "upgrading.md of 3.7",
    ),
    rule(
        "argument-unknown",
        No,
        "Argo drops it without a word",
        "name an input of the called template",
        "#14603",
    ),
    rule(
        "argument-missing",
        Yes,
        "the run ends when it gets to the task",
        "give it, or give the input a default",
        "validate.go",
    ),
    rule(
        "output-default",
        No,
        "when the task is skipped or omitted, whoever refers to the output fails for good",
        "add `valueFrom.default`",
        "upgrading.md of 4.0, #15837",
    ),
    rule(
        "workflow-parameter",
        No,
        "`argo retry -p` drops the defaults of the workflow's parameters, and the tag stays literal",
        "read an input: entrypoint and exit handler get the workflow's arguments by name",
        "overrideParameters in workflow/util/util.go",
    ),
    rule(
        "input-default",
        No,
        "after `argo retry -p` the default of the input takes the place of the workflow's",
        "give the input the workflow's own default",
        "overrideParameters in workflow/util/util.go",
    ),
    rule(
        "image-parameter",
        No,
        "it is ignored; the next release refuses it as `argument-unknown`",
        "remove it: registry and tag are stamped into the templates by workflows/platform/images",
        "docs/running-on-argo.md",
    ),
    rule(
        "node-size",
        No,
        "each node of a run repeats it in the workflow's object, which etcd limits",
        "describe the workflow's own parameters; say the rest in a comment",
        "NodeStatus.Inputs in fields.md",
    ),
    // ---- DAGs
    rule(
        "task-target",
        Yes,
        "a task calls one template",
        "set either `template` or `templateRef`",
        "validate.go",
    ),
    rule(
        "depends",
        Partly,
        "the run can't begin",
        "write names of tasks and their results, with && || ! and parentheses",
        "enhanced-depends-logic.md",
    ),
    rule(
        "dependencies",
        Yes,
        "Argo takes one of the two in a DAG",
        "use `depends` in every task",
        "CRD rules of 4.0",
    ),
    rule(
        "continue-on",
        Yes,
        "Argo refuses it beside `depends`",
        "use `depends`, such as `a.Succeeded || a.Failed`",
        "CRD rules of 4.0",
    ),
    rule(
        "deadline-on-dag",
        Yes,
        "the CRD takes it on leaves only",
        "move it to the leaves, or set the workflow's own",
        "CRD rules of 4.0",
    ),
    rule(
        "retry-on-dag",
        No,
        "all that succeeded in it runs again, and steps can hang",
        "put `retryStrategy` on the leaves",
        "#9190, #16849",
    ),
    rule(
        "fan-out-empty",
        No,
        "an empty list skips the task, so its outputs are absent",
        "let the list hold one item that has nothing to do, or put the same `when` on the fan-out",
        "#16793",
    ),
    rule(
        "fan-in",
        No,
        "all values in one parameter break at 128 KiB, and at the megabyte of a workflow",
        "give the prefix of the store that the items write to, and list it",
        "#7527",
    ),
    rule(
        "when",
        No,
        "the value is pasted into the condition: a hyphen or a space breaks it",
        "quote the tag: `'{{...}}' == ...`, or give the parameter an enum of plain words",
        "conditionals.md",
    ),
    // ---- Leaves
    rule(
        "retry-limit",
        No,
        "without a limit Argo tries for ever; without a strategy, never again",
        "set `retryStrategy.limit`, such as `'2'`",
        "retries.md",
    ),
    rule(
        "retry-policy",
        Partly,
        "`OnFailure` leaves a deleted or evicted pod, which ends as Error",
        "set `retryPolicy: Always` and an `expression` for what is worth it",
        "#893, #3097",
    ),
    rule(
        "retry-expression",
        No,
        "an error in it shows when the first attempt has failed",
        "use `lastRetry.status`, `lastRetry.exitCode`, `lastRetry.message` with literals, lists, && || ! == != in and asInt()",
        "retries.md",
    ),
    rule(
        "retry-value",
        No,
        "a malformed value fails the node at its first retry",
        "write whole numbers and durations such as `30s`",
        "retries.md",
    ),
    rule(
        "retry-max-duration",
        No,
        "it becomes the deadline of later attempts' pods",
        "use `limit` and `backoff.cap`",
        "operator.go",
    ),
    rule(
        "deadline",
        No,
        "a hanging step hangs for ever",
        "set `activeDeadlineSeconds`",
        "fields.md",
    ),
    rule(
        "pending-timeout",
        No,
        "beside a `retryStrategy` Argo 4.1 never enforces it, and elsewhere waiting for a lock counts",
        "remove it: `activeDeadlineSeconds` also ends a pod that has not started",
        "checkTemplateTimeouts in operator.go",
    ),
    rule(
        "deadline-retry",
        No,
        "a pod that could not start ends at its deadline as 137, and waits as long at each retry",
        "add `!(lastRetry.message contains 'longer than the specified deadline')`",
        "active_deadline.go of the kubelet",
    ),
    rule(
        "pod-parameter",
        No,
        "whoever may submit runs a program of his own with the secrets of the pod",
        "write it out; a number may pass through `{{=asInt(...)}}`",
        "workflow-restrictions.md",
    ),
    rule(
        "resources",
        No,
        "the pod is the first to be evicted, or takes the node with it",
        "set a request for cpu and a limit for memory, which its request follows",
        "cost-optimisation.md",
    ),
    rule(
        "pod-security",
        No,
        "a namespace with Pod Security `restricted` refuses the pod",
        "",
        "workflow-pod-security-context.md",
    ),
    rule(
        "token",
        No,
        "the step's own process gets a token of the cluster",
        "set `automountServiceAccountToken: false`",
        "service-accounts.md",
    ),
    rule(
        "pod-spec-patch",
        No,
        "Pod Security `restricted` refuses Argo's own containers, and every try is used up in seconds",
        "patch `init` and `wait` as the leaves in workflows/steps do",
        "newExecContainer in workflowpod.go",
    ),
    rule(
        "image",
        No,
        "the same workflow runs another program tomorrow",
        "give a tag or digest other than `latest`; Argo's own images are on quay.io",
        "upgrading.md of 3.7",
    ),
    rule(
        "command",
        No,
        "the controller has to read the image's configuration from its registry",
        "set `command`",
        "workflow-executors.md",
    ),
    rule(
        "command-line",
        No,
        "the step refuses its command line when its turn comes",
        "see the step's flags in docs/contract.md",
        "docs/contract.md",
    ),
    rule(
        "volume",
        No,
        "volumes of a spec are not inherited by those who call the template",
        "put it into the template's own `volumes`",
        "#12568",
    ),
    rule(
        "memoize",
        No,
        "a ConfigMap of 1 MiB holds all entries, and a failed save fails a step that succeeded",
        "let the step find its finished work in the store",
        "#11191, #3587",
    ),
    rule(
        "output-path",
        No,
        "the root of a leaf's file system is read-only",
        "write to /work/out",
        "emissary.go",
    ),
    rule(
        "html-archive",
        No,
        "an archived page can't be viewed",
        "add `archive: {none: {}}`",
        "artifact-visualization.md",
    ),
    rule(
        "artifact-key",
        No,
        "runs overwrite each other's artifacts, and `..` leaves the repository",
        "put `{{workflow.name}}` or `{{workflow.uid}}` into the key, and no `..`",
        "key-only-artifacts.md",
    ),
    rule(
        "artifact-key-slash",
        No,
        "saving an archive under the key of a folder fails",
        "end the key without `/`, or add `archive: {none: {}}`",
        "artifacts.md",
    ),
    // ---- Metrics
    rule(
        "metric",
        Partly,
        "the controller drops it, or its series fill the monitoring",
        "",
        "metrics.md",
    ),
    // ---- CronWorkflows
    rule(
        "cron",
        Partly,
        "a default of Argo's bites: runs overlap, are missed, or vanish from the list",
        "",
        "cron-workflows.md, #9632",
    ),
    rule(
        "cron-timezone",
        No,
        "the run's date and the steps' dates differ around midnight",
        "set `timezone` to the ALAMEDA_TIMEZONE of the ConfigMap",
        "cron-workflows.md",
    ),
    // ---- ConfigMaps
    rule(
        "setting",
        No,
        "the step falls back to its default",
        "see docs/contract.md for the variables",
        "docs/contract.md",
    ),
    rule(
        "setting-value",
        No,
        "the step refuses it in the middle of the night",
        "see docs/contract.md for what the variable takes",
        "docs/contract.md",
    ),
    rule(
        "data",
        No,
        "the first step refuses the data contract",
        "see config-maps/README.md for what dataset.json holds",
        "config-maps/README.md",
    ),
    rule(
        "features",
        No,
        "the first step refuses the query",
        "see config-maps/README.md for what features.sql may compute",
        "config-maps/README.md",
    ),
    rule(
        "publishing",
        No,
        "where there is a database the first step refuses it; elsewhere predictions stay parquet",
        "",
        "docs/predictions-table.md",
    ),
];
