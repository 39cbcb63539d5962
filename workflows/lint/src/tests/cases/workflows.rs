//! Faults of documents, workflows and DAGs.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "yaml",
        &[(
            "spec:\n  entrypoint",
            "kind: WorkflowTemplate\nspec:\n  entrypoint",
        )],
        "kind: WorkflowTemplate\nspec",
        "occurs twice",
    ),
    case("yaml", &[("[data-prep]", "[data-prep")], "args:", ""),
    case(
        "merge-key",
        &[("volumes: [{name: work,", "volumes: [{<<: {name: work},")],
        "<<",
        "",
    ),
    case(
        "kind",
        &[("kind: CronWorkflow", "kind: CronWorkflw")],
        "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflw\n",
        "the kind `CronWorkflw`",
    ),
    case(
        "name",
        &[(
            "name: good",
            "name: gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
        )],
        "name: ggg",
        "has 64 characters",
    ),
    case(
        "name",
        &[("name: good", "name: Good")],
        "name: Good",
        "lower-case",
    ),
    case(
        "name",
        &[(
            "name: nightly",
            "name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        )],
        "name: nnn",
        "has 53 characters",
    ),
    case(
        "name",
        &[("  name: good\n", "  labels: {a: b}\n")],
        "apiVersion",
        "needs a name",
    ),
    case(
        "duplicate",
        &[("- name: map\n", "- name: main\n")],
        "- name: main\n    retry",
        "another template `main`",
    ),
    case(
        "duplicate",
        &[("- name: two\n", "- name: one\n")],
        "- name: one\n        depends",
        "another task `one`",
    ),
    case(
        "duplicate",
        &[(
            "- {name: config,",
            "- {name: p, value: b, description: x}\n    - {name: config,",
        )],
        "- {name: p, value: b",
        "another parameter `p`",
    ),
    case(
        "unknown-field",
        &[(
            "resources:\n        requests",
            "resources:\n        request",
        )],
        "request:",
        "unknown field `request` of ResourceRequirements",
    ),
    case(
        "unknown-field",
        &[("seccompProfile: {type", "seccompProfile: {tpye")],
        "seccompProfile",
        "unknown field `tpye`",
    ),
    case(
        "removed-field",
        &[("  schedules: [", "  schedule: 0 2 * * *\n  schedules: [")],
        "schedule: 0",
        "removed in Argo 4: use `schedules`",
    ),
    case(
        "removed-field",
        &[("mutexes:", "mutex: {name: x}\n      mutexes:")],
        "mutex: {",
        "removed in Argo 4: use `mutexes`",
    ),
    case(
        "removed-field",
        &[(
            "    activeDeadlineSeconds: 60",
            "    priority: 1\n    activeDeadlineSeconds: 60",
        )],
        "priority: 1",
        "use `priorityClassName`",
    ),
    case(
        "type",
        &[("value: g}", "value: n}")],
        "value: n}",
        "not the boolean false",
    ),
    case(
        "type",
        &[("value: g}", "value: 4}")],
        "value: 4}",
        "the number 4",
    ),
    case(
        "type",
        &[("parallelism: 4", "parallelism: '{{workflow.parameters.p}}'")],
        "parallelism:",
        "must be a number",
    ),
    case(
        "type",
        &[("{labels: {a: b}}", "{labels: {a: 1}}")],
        "workflowMetadata",
        "must be text, not 1",
    ),
    case(
        "template-kind",
        &[("- name: map\n", "- name: none\n  - name: map\n")],
        "- name: none",
        "this one has none",
    ),
    case(
        "template-kind",
        &[("    dag:\n", "    suspend: {}\n    dag:\n")],
        "- name: main",
        "dag and suspend",
    ),
    case(
        "too-many",
        &[(
            "- name: map\n",
            "- name: mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm\n",
        )],
        "- name: mmm",
        "has 129 characters",
    ),
    case(
        "entrypoint",
        &[("entrypoint: main", "entrypoint: mian")],
        "entrypoint: mian",
        "there is no template `mian`",
    ),
    case(
        "entrypoint",
        &[("onExit: bye", "onExit: by")],
        "onExit: by",
        "there is no template `by`",
    ),
    case(
        "template-ref",
        &[("{name: good, template: map}", "{name: bad, template: map}")],
        "templateRef:",
        "there is no WorkflowTemplate `bad`",
    ),
    case(
        "template-ref",
        &[("{name: good, template: map}", "{name: good, template: pam}")],
        "templateRef:",
        "has no template `pam`",
    ),
    case(
        "template-ref",
        &[(
            "workflowTemplateRef: {name: good}",
            "workflowTemplateRef: {name: bad}",
        )],
        "workflowTemplateRef",
        "there is no WorkflowTemplate `bad`",
    ),
    case(
        "spec-retry",
        &[(
            "  entrypoint: main",
            "  retryStrategy: {limit: '2'}\n  entrypoint: main",
        )],
        "retryStrategy: {",
        "`retryStrategy` reaches",
    ),
    case(
        "spec-retry",
        &[(
            "  entrypoint: main",
            "  templateDefaults: {retryStrategy: {limit: '2'}}\n  entrypoint: main",
        )],
        "templateDefaults",
        "`templateDefaults.retryStrategy` reaches",
    ),
    case(
        "executor",
        &[("  executor: {serviceAccountName: runner}\n", "")],
        "spec:",
        "no `executor.serviceAccountName`",
    ),
    case(
        "artifact-gc",
        &[(
            "  entrypoint: main",
            "  artifactGC: {strategy: OnWorkflowDeletion}\n  entrypoint: main",
        )],
        "artifactGC",
        "OnWorkflowDeletion",
    ),
    case(
        "artifact-gc",
        &[(
            "archive: {none: {}},",
            "archive: {none: {}}, artifactGC: {strategy: OnWorkflowCompletion},",
        )],
        "artifactGC",
        "OnWorkflowCompletion",
    ),
    case(
        "locks",
        &[("mutexes: [{name: x}]", "mutexes: [{name: x}, {name: z}]")],
        "synchronization:",
        "2 locks",
    ),
    case(
        "progress",
        &[(
            "    workflows.argoproj.io/description",
            "    workflows.argoproj.io/progress: 0/1\n    workflows.argoproj.io/description",
        )],
        "progress: 0/1",
        "",
    ),
    case(
        "run-title",
        &[(
            "  workflowMetadata: {labels: {a: b}}",
            "  workflowMetadata: {annotations: {workflows.argoproj.io/title: t}}",
        )],
        "workflowMetadata",
        "set on runs",
    ),
    case(
        "label",
        &[("{labels: {a: b}}", "{labels: {a: \"b c\"}}")],
        "workflowMetadata",
        "`b c`",
    ),
    case(
        "exit-variable",
        &[(
            "name: plan, value: a}",
            "name: plan, value: '{{workflow.status}}'}",
        )],
        "'{{workflow.status}}'",
        "not known before the end",
    ),
    case(
        "exit-outputs",
        &[(
            "value: '{{workflow.status}}'",
            "value: '{{workflow.outputs.parameters.x}}'",
        )],
        "workflow.outputs",
        "may be absent",
    ),
    case(
        "tag",
        &[(
            "- {name: p, value: a}\n",
            "- {name: p, value: '{{workflow.parameters.q}}'}\n",
        )],
        "'{{workflow.parameters.q}}'",
        "",
    ),
    case(
        "workflow-parameter",
        &[("'{{inputs.parameters.p}}'", "'{{workflow.parameters.p}}'")],
        "'{{workflow.parameters.p}}'",
        "{{workflow.parameters.p}} is read in a template",
    ),
    case(
        "input-default",
        &[("- {name: p, value: a}\n", "- {name: p, value: b}\n")],
        "- {name: p, value: b}",
        "the default of `p` is `b`, not `a`",
    ),
    case(
        "input-default",
        &[("- {name: p, value: a}\n", "- {name: p}\n")],
        "- {name: p}",
        "the default of `p` is nothing, not `a`",
    ),
    case(
        "image-parameter",
        &[(
            "value: g}",
            "value: g}\n          - {name: image-tag, value: '1'}",
        )],
        "image-tag",
        "takes no `image-tag` any more",
    ),
    case(
        "image-parameter",
        &[(
            "      - {name: date, value: '{{workflow",
            "      - {name: image-registry, value: x}\n      - {name: date, value: '{{workflow",
        )],
        "image-registry",
        "`good` takes no `image-registry` any more",
    ),
    case(
        "node-size",
        &[("- {name: plan}\n", "- {name: plan, description: d}\n")],
        "- {name: plan, description",
        "the field `description`",
    ),
    case(
        "task-target",
        &[(
            "templateRef: {name: good, template: map}",
            "templateRef: {name: good, template: map}\n        template: map",
        )],
        "- name: two",
        "calls 2 templates",
    ),
    case(
        "depends",
        &[("depends: one.Succeeded ||", "depends: eno.Succeeded ||")],
        "depends: ",
        "no task `eno`",
    ),
    case(
        "depends",
        &[("depends: one.Succeeded ||", "depends: one.Success ||")],
        "depends: ",
        "`Success` is not a result",
    ),
    case(
        "depends",
        &[("depends: one.Succeeded ||", "depends: two.Succeeded ||")],
        "depends: ",
        "`two` waits for itself",
    ),
    case(
        "depends",
        &[("depends: one.Succeeded ||", "depends: one.Succeeded &&&")],
        "depends: ",
        "not understood",
    ),
    case(
        "dependencies",
        &[(
            "        depends: one",
            "        dependencies: [one]\n        depends: one",
        )],
        "dependencies",
        "uses `depends`",
    ),
    case(
        "continue-on",
        &[(
            "        depends: one",
            "        continueOn: {failed: true}\n        depends: one",
        )],
        "continueOn",
        "uses `depends`",
    ),
    case(
        "deadline-on-dag",
        &[("    dag:\n", "    activeDeadlineSeconds: 9\n    dag:\n")],
        "activeDeadlineSeconds: 9",
        "",
    ),
    case(
        "retry-on-dag",
        &[(
            "    dag:\n",
            "    retryStrategy: {limit: '1', retryPolicy: Always}\n    dag:\n",
        )],
        "retryStrategy: {limit",
        "",
    ),
    case(
        "fan-out-empty",
        &[("withItems: [a]", "withItems: []")],
        "withItems",
        "the list is empty",
    ),
    case(
        "fan-out-empty",
        &[("withItems: [a]", "withParam: '[]'")],
        "withParam",
        "the list is empty",
    ),
    case(
        "fan-out-empty",
        &[
            ("withItems: [a]", "withParam: '{{inputs.parameters.items}}'"),
            (
                "- {name: p, value: a}",
                "- {name: items, value: '[]'}\n      - {name: p, value: a}",
            ),
        ],
        "withParam",
        "the default of `inputs.parameters.items`",
    ),
    case(
        "fan-out-empty",
        &[
            (
                "withItems: [a]",
                "depends: two\n        withParam: '{{tasks.two.outputs.parameters.rows}}'",
            ),
            ("default: '0'}}", "default: '[]'}}"),
        ],
        "withParam",
        "when `two` is skipped",
    ),
    case(
        "fan-in",
        &[
            ("        withItems: [a]\n", ""),
            (
                "        template: map\n        arguments",
                "        template: map\n        withItems: [a]\n        arguments",
            ),
        ],
        "value: '{{tasks.one",
        "of all items of `one`",
    ),
    case(
        "fan-in",
        &[(
            "{{tasks.two.outputs.parameters.rows}}', default",
            "{{tasks.many.outputs.parameters.rows}}', default",
        )],
        "{{tasks.many",
        "of all items of `many`",
    ),
    case(
        "when",
        &[(
            "when: \"'{{tasks.one.status}}' != x\"",
            "when: '{{tasks.one.outputs.parameters.rows}} == x'",
        )],
        "when:",
        "is not quoted",
    ),
];
