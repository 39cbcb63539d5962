//! Faults of parameters and tags.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "tag",
        &[("'{{inputs.parameters.p}}'", "'{{inputs.parameters.q}}'")],
        "'{{inputs.parameters.q}}'",
        "",
    ),
    case(
        "tag",
        &[(
            "{{tasks.one.outputs.parameters.rows}}",
            "{{tasks.one.outputs.parameters.row}}",
        )],
        "{{tasks.one.outputs.parameters.row}}",
        "",
    ),
    case(
        "tag",
        &[(
            "{{tasks.one.outputs.parameters.rows}}",
            "{{tasks.two.outputs.parameters.rows}}",
        )],
        "plan, value: '{{tasks.two.outputs.parameters.rows}}",
        "",
    ),
    case(
        "tag",
        &[("value: g}", "value: '{{item}}'}")],
        "value: '{{item}}'}",
        "",
    ),
    case(
        "tag",
        &[("'{{tasks.one.status}}'", "'{{tasks.one.state}}'")],
        "'{{tasks.one.state}}'",
        "",
    ),
    case(
        "tag",
        &[(
            "{{tasks.two.outputs.parameters.rows}}', default",
            "{{tasks.six.outputs.parameters.rows}}', default",
        )],
        "{{tasks.six.outputs.parameters.rows}}', default",
        "",
    ),
    case(
        "tag",
        &[(
            "--workflow={{workflow.name}}",
            "--workflow={{workflow.nmae}}",
        )],
        "--workflow={{workflow.nmae}}",
        "",
    ),
    case(
        "tag",
        &[("--workflow={{workflow.name}}", "--workflow={{workflow.name")],
        "--workflow={{workflow.name",
        "",
    ),
    case(
        "tag-space",
        &[("'{{inputs.parameters.p}}'", "'{{ inputs.parameters.p }}'")],
        "{{ inputs",
        "spaces inside",
    ),
    case(
        "scheduled-time",
        &[("value: g}", "value: '{{workflow.scheduledTime}}'}")],
        "group, value: '{{workflow.scheduledTime}}'",
        "",
    ),
    case(
        "scheduled-time",
        &[(
            "{name: date, value: '',",
            "{name: date, value: '{{workflow.scheduledTime}}',",
        )],
        "date, value: '{{workflow.scheduledTime}}', desc",
        "",
    ),
    case(
        "one-pass",
        &[(
            "  workflowMetadata: {labels: {a: b}}",
            "  synchronization: {mutexes: [{name: 'x-{{workflow.parameters.date}}'}]}",
        )],
        "- {name: date, value: '{{workflow.scheduledTime",
        "`synchronization` of the template",
    ),
    case(
        "enum",
        &[("value: a, enum", "value: c, enum")],
        "value: c, enum",
        "the default `c` of `p`",
    ),
    case(
        "command-line",
        &[(
            "value: g}",
            "value: g}\n          - {name: cache, value: never}",
        )],
        "value: never",
        "invalid value 'never'",
    ),
    case(
        "boolean",
        &[("{name: config, value: x,", "{name: config, value: 'true',")],
        "value: 'true'",
        "`config` is `true`",
    ),
    case(
        "description",
        &[("value: x, description: d}", "value: x}")],
        "{name: config, value: x}",
        "`config` has no description",
    ),
    case(
        "description",
        &[("    workflows.argoproj.io/description: d\n", "    a: b\n")],
        "spec:",
        "needs the annotation",
    ),
    case(
        "secret",
        &[(
            "{name: config,",
            "{name: api-token, value: x, description: d}\n    - {name: config,",
        )],
        "api-token",
        "has the name of a secret",
    ),
    case(
        "secret",
        &[(
            "value: g}",
            "value: g}\n          - {name: cache, value: AKIAIOSFODNN7EXAMPLE}",
        )],
        "AKIA",
        "looks like a secret",
    ),
    case(
        "secret",
        &[("env: []", "env: [{name: PGPASSWORD, value: x}]")],
        "PGPASSWORD",
        "`PGPASSWORD` has the name",
    ),
    case(
        "secret",
        &[(
            "env: []",
            "env: [{name: URL, value: 'postgres://u:hidden@host/db'}]",
        )],
        "URL",
        "looks like a secret",
    ),
    case(
        "secret",
        &[("HOLDOUT:", "RAW_AWS_SECRET_ACCESS_KEY: x\n  HOLDOUT:")],
        "RAW_AWS",
        "has the name of a secret",
    ),
    case(
        "two-values",
        &[(
            "{name: p, value: a,",
            "{name: p, valueFrom: {configMapKeyRef: {name: m, key: k}}, value: a,",
        )],
        "{name: p, valueFrom",
        "",
    ),
    case(
        "argument-unknown",
        &[(
            "name: group, value: g}",
            "name: group, value: g}\n          - {name: gruop, value: g}",
        )],
        "gruop",
        "has no input `gruop`",
    ),
    case(
        "argument-unknown",
        &[(
            "{name: date, value: '{{workflow.sch",
            "{name: dtae, value: '{{workflow.sch",
        )],
        "dtae",
        "has no parameter `dtae`",
    ),
    case(
        "argument-missing",
        &[("\n          - {name: group, value: g}", "")],
        "arguments:\n          parameters:\n          - {name: plan, value: '{{tasks",
        "`group` of the template `map` is not given",
    ),
    case(
        "output-default",
        &[(", default: '0'}}", "}}")],
        "- {name: rows, valueFrom: {path",
        "the output `rows`",
    ),
    case(
        "output-default",
        &[(", default: ''}}", "}}")],
        "- {name: rows, valueFrom: {parameter",
        "the output `rows`",
    ),
];
