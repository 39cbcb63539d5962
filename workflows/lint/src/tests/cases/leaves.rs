//! Faults of leaves, metrics and CronWorkflows.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "retry-limit",
        &[("      limit: '2'\n", "")],
        "retryStrategy",
        "",
    ),
    case(
        "retry-limit",
        &[(
            "    retryStrategy:\n      limit: '2'\n      retryPolicy: Always\n      expression: asInt(lastRetry.exitCode) == 75\n      backoff: {duration: 2s, factor: '2', cap: 10s}\n",
            "    retryStrategy: {}\n",
        )],
        "retryStrategy",
        "",
    ),
    case(
        "retry-policy",
        &[("      retryPolicy: Always\n", "")],
        "retryStrategy",
        "no `retryPolicy`",
    ),
    case(
        "retry-policy",
        &[("retryPolicy: Always", "retryPolicy: Sometimes")],
        "retryPolicy",
        "no retryPolicy `Sometimes`",
    ),
    case(
        "retry-policy",
        &[
            ("retryPolicy: Always", "retryPolicy: OnFailure"),
            (
                "expression: asInt",
                "expression: lastRetry.status == \"Error\" || asInt",
            ),
        ],
        "retryPolicy",
        "deleted or evicted",
    ),
    case(
        "retry-expression",
        &[("asInt(lastRetry.exitCode)", "asInt(lastRetry.code)")],
        "expression",
        "unknown name `lastRetry.code`",
    ),
    case(
        "retry-expression",
        &[("asInt(lastRetry.exitCode)", "asNumber(lastRetry.exitCode)")],
        "expression",
        "asNumber",
    ),
    case(
        "retry-value",
        &[("limit: '2'", "limit: two")],
        "limit: two",
        "`two` is not a whole number",
    ),
    case(
        "retry-value",
        &[("duration: 2s", "duration: 2 weeks")],
        "backoff",
        "2 weeks",
    ),
    case(
        "retry-max-duration",
        &[("cap: 10s", "cap: 10s, maxDuration: 1h")],
        "backoff",
        "",
    ),
    case(
        "deadline-retry",
        &[("exitCode) == 75", "exitCode) in [75, 137]")],
        "retryStrategy",
        "",
    ),
    case(
        "pending-timeout",
        &[(
            "    activeDeadlineSeconds: 60",
            "    pendingTimeout: 5m\n    activeDeadlineSeconds: 60",
        )],
        "pendingTimeout",
        "",
    ),
    case(
        "pod-parameter",
        &[(
            "image: localhost/x:1",
            "image: 'localhost/x:{{inputs.parameters.plan}}'",
        )],
        "image: 'localhost",
        "`{{inputs.parameters.plan}}` is set by the submitter",
    ),
    case(
        "pod-parameter",
        &[(
            "command: [data-prep]",
            "command: ['{{workflow.parameters.p}}']",
        )],
        "command: [",
        "`{{workflow.parameters.p}}`",
    ),
    case(
        "pod-parameter",
        &[(
            "podSpecPatch: '{",
            "podSpecPatch: '{\"nodeName\":\"{{inputs.parameters.plan}}\",",
        )],
        "podSpecPatch",
        "`{{inputs.parameters.plan}}`",
    ),
    case(
        "pod-parameter",
        &[(
            "    volumes:",
            "    initContainers: [{name: a, image: '{{=inputs.parameters.plan}}'}]\n    volumes:",
        )],
        "initContainers: [",
        "`{{=inputs.parameters.plan}}`",
    ),
    case(
        "image",
        &[(
            "    volumes:",
            "    initContainers: [{name: a, image: localhost/x}]\n    volumes:",
        )],
        "initContainers: [",
        "`localhost/x` has no tag",
    ),
    case(
        "pod-security",
        &[(
            "    volumes:",
            "    sidecars: [{name: a, image: 'localhost/x:1'}]\n    volumes:",
        )],
        "sidecars",
        "set `securityContext.allowPrivilegeEscalation: false`",
    ),
    case(
        "deadline",
        &[("    activeDeadlineSeconds: 60\n", "")],
        "- name: map",
        "",
    ),
    case(
        "resources",
        &[("        limits: {memory: 64Mi}\n", "")],
        "resources",
        "`resources.limits.memory`",
    ),
    case(
        "resources",
        &[("{cpu: 100m, memory: 64Mi}", "{memory: 64Mi}")],
        "resources",
        "`resources.requests.cpu`",
    ),
    case(
        "pod-security",
        &[("runAsNonRoot: true, ", "")],
        "securityContext: {sec",
        "runAsNonRoot",
    ),
    case(
        "pod-security",
        &[(", seccompProfile: {type: RuntimeDefault}", "")],
        "securityContext: {run",
        "seccompProfile",
    ),
    case(
        "pod-security",
        &[("allowPrivilegeEscalation: false, ", "")],
        "      securityContext: {",
        "allowPrivilegeEscalation",
    ),
    case(
        "pod-security",
        &[("readOnlyRootFilesystem: true, ", "")],
        "      securityContext: {",
        "readOnlyRootFilesystem",
    ),
    case(
        "pod-security",
        &[("capabilities: {drop: [ALL]}}\n", "capabilities: {}}\n")],
        "      securityContext: {allow",
        "drop: [ALL]",
    ),
    case(
        "token",
        &[("    automountServiceAccountToken: false\n", "")],
        "- name: map",
        "",
    ),
    case(
        "pod-spec-patch",
        &[("\"name\":\"wait\"", "\"name\":\"main\"")],
        "podSpecPatch",
        "`wait` lacks",
    ),
    case(
        "image",
        &[("image: localhost/x:1", "image: localhost:5000/x")],
        "image: localhost",
        "has no tag",
    ),
    case(
        "image",
        &[("image: localhost/x:1", "image: localhost/x:latest")],
        "image: localhost",
        "another image tomorrow",
    ),
    case(
        "image",
        &[("image: localhost/x:1", "image: argoproj/argosay:v2")],
        "image: argo",
        "Docker Hub",
    ),
    case(
        "command",
        &[("      command: [data-prep]\n", "")],
        "    container:",
        "",
    ),
    case(
        "command-line",
        &[("--plan=", "--plna=")],
        "--plna",
        "unexpected argument '--plna'",
    ),
    case(
        "command-line",
        &[("      - --group={{inputs.parameters.group}}\n", "")],
        "args:",
        "--group",
    ),
    case(
        "command-line",
        &[("- map\n      - --w", "- pam\n      - --w")],
        "args:",
        "unrecognized subcommand 'pam'",
    ),
    case(
        "command-line",
        &[("--cache={{inputs.parameters.cache}}", "--cache=sometimes")],
        "--cache=sometimes",
        "invalid value 'sometimes'",
    ),
    case(
        "volume",
        &[("volumes: [{name: work,", "volumes: [{name: wrok,")],
        "volumeMounts",
        "no volume `work`",
    ),
    case(
        "volume",
        &[
            ("    volumes: [{name: work, emptyDir: {}}]\n", ""),
            (
                "  entrypoint: main",
                "  volumes: [{name: work, emptyDir: {}}]\n  entrypoint: main",
            ),
        ],
        "volumeMounts",
        "it is in the spec",
    ),
    case(
        "memoize",
        &[(
            "    activeDeadlineSeconds: 60",
            "    memoize: {key: k, maxAge: 1h, cache: {configMap: {name: c}}}\n    activeDeadlineSeconds: 60",
        )],
        "memoize",
        "",
    ),
    case(
        "output-path",
        &[("/work/out/rows", "/tmp/rows")],
        "/tmp/rows",
        "",
    ),
    case(
        "html-archive",
        &[(", archive: {none: {}}", "")],
        "page.html",
        "",
    ),
    case(
        "artifact-key",
        &[("{{workflow.name}}/page.html", "page.html")],
        "page.html",
        "the same in every run",
    ),
    case(
        "artifact-key",
        &[(
            "{{workflow.name}}/page.html",
            "../{{workflow.name}}/page.html",
        )],
        "../{{",
        "leaves its folder",
    ),
    case(
        "artifact-key-slash",
        &[(
            "path: /work/out/page.html, archive: {none: {}}, s3: {key: '{{workflow.name}}/page.html'",
            "path: /work/out/pages, s3: {key: '{{workflow.name}}/'",
        )],
        "/work/out/pages",
        "the key of a folder",
    ),
    case(
        "metric",
        &[(
            "- {name: rows, help: Rows",
            "- {name: rows-scored, help: Rows",
        )],
        "rows-scored",
        "not a metric name",
    ),
    case(
        "metric",
        &[("help: Rows, ", "")],
        "- {name: rows, labels",
        "needs `help`",
    ),
    case(
        "metric",
        &[(
            "labels: [{key: model, value: x}]",
            "labels: [{key: model, value: '{{workflow.name}}'}]",
        )],
        "labels: [{key",
        "a new series in every run",
    ),
    case(
        "metric",
        &[("realtime: false", "realtime: true")],
        "realtime",
        "in real time",
    ),
    case(
        "metric",
        &[(
            "  entrypoint: main",
            "  metrics: {prometheus: [{name: rows, help: Lines, gauge: {realtime: false, value: '1'}}]}\n  entrypoint: main",
        )],
        "- {name: rows, help: Rows",
        "another help",
    ),
    case(
        "metric",
        &[
            (
                "gauge: {realtime: false, value: '{{outputs.parameters.rows}}'}",
                "counter: {value: '1'}",
            ),
            (
                "- {name: rows, help: Rows",
                "- {name: rows_total, help: Rows",
            ),
        ],
        "rows_total",
        "appends `_total`",
    ),
    case(
        "cron",
        &[("  concurrencyPolicy: Forbid\n", "")],
        "spec:\n  schedules",
        "`concurrencyPolicy`",
    ),
    case(
        "cron",
        &[("  startingDeadlineSeconds: 3600\n", "")],
        "spec:\n  schedules",
        "`startingDeadlineSeconds`",
    ),
    case(
        "cron",
        &[("  timezone: Etc/UTC\n", "")],
        "spec:\n  schedules",
        "`timezone`",
    ),
    case(
        "cron",
        &[("  successfulJobsHistoryLimit: 7\n", "")],
        "spec:\n  schedules",
        "`successfulJobsHistoryLimit`",
    ),
    case(
        "cron",
        &[("  failedJobsHistoryLimit: 7\n", "")],
        "spec:\n  schedules",
        "`failedJobsHistoryLimit`",
    ),
    case(
        "cron",
        &[("failed >= 3", "failed == 3")],
        "stopStrategy",
        "use `>=`",
    ),
    case(
        "cron",
        &[("schedules: ['30 2 * * *']", "schedules: []")],
        "schedules: []",
        "no schedules",
    ),
    case(
        "cron",
        &[("schedules: ['30 2 * * *']", "schedules: ['30 2 * *']")],
        "schedules: ['30",
        "is not a schedule",
    ),
    case(
        "cron-timezone",
        &[("timezone: Etc/UTC", "timezone: Europe/Berlin")],
        "timezone: E",
        "`Etc/UTC` in alameda-x",
    ),
];
