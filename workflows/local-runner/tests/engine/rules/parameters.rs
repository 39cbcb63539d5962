//! Parameters: which value wins, and how tags are filled.

use crate::lab::Lab;

/// docs/workflow-inputs.md; workflow/util/util.go `overrideParameters` for `-p`;
/// workflow/util/merge.go `MergeTo` for the CronWorkflow over its template; workflow/common/util.go
/// `ProcessArgs`, `overwriteWithDefaultParams`, `overwriteWithArguments` for inputs.
#[test]
fn the_nearest_value_wins() {
    let leaf = r#"
  - name: main
    dag: {tasks: [{name: use, template: uses, arguments: {parameters: [{name: argument, value: 'argument'}]}}]}
    outputs: {parameters: [{name: seen, valueFrom: {parameter: '{{tasks.use.outputs.parameters.seen}}', default: ''}}]}
  - name: uses
    inputs:
      parameters:
      - {name: argument, value: of the input}
      - {name: value, value: of the input, default: the default}
      - {name: default, default: the default}
      - {name: workflow, value: '{{workflow.parameters.p}}'}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container: {command: [sh, -c, 'echo "$0, $1, $2, $3" > $ALAMEDA_OUT/seen', '{{inputs.parameters.argument}}', '{{inputs.parameters.value}}', '{{inputs.parameters.default}}', '{{inputs.parameters.workflow}}']}
"#;
    let lab = Lab::templates("{name: p, value: of the template}", leaf);
    let cron = "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: c}\nspec:\n  schedules: ['0 2 * * *']\n  workflowSpec: {workflowTemplateRef: {name: t}, arguments: {parameters: [{name: p, value: of the cron}]}}\n";
    lab.write("workflows/c.yaml", cron);
    for (from, more, p) in [
        ("workflowtemplate/t", &[][..], "of the template"),
        ("workflowtemplate/t", &["-p", "p=of -p"], "of -p"),
        ("workflowtemplate/t", &["-p", "p="], ""),
        ("cronwf/c", &[], "of the cron"),
        ("cronwf/c", &["-p", "p=of -p"], "of -p"),
    ] {
        let ended = lab.workflow(&[&["submit", "--from", from], more].concat(), 0);
        let expected = format!("argument, of the input, the default, {p}");
        assert_eq!(
            ended.output("", "seen"),
            expected.trim_end_matches(' ').to_owned() + if p.is_empty() { " " } else { "" }
        );
    }
}

/// workflow/common/util.go `ProcessArgs` ("was not supplied").
#[test]
fn an_input_without_any_value_is_an_error_where_it_is_used() {
    let text = "  - name: main\n    dag: {tasks: [{name: use, template: uses}]}\n  - {name: uses, inputs: {parameters: [{name: v}]}, container: {command: ['true']}}\n";
    let ended = Lab::templates("", text).submit(&[]);
    assert_eq!(
        (ended.phase_of("use"), ended.message("use")),
        ("Error", "inputs.parameters.v was not supplied")
    );
}

/// Argo interprets these (workflow/common/util.go `substituteAndGetConfigMapValue`;
/// pkg/apis/workflow/v1alpha1 `Backoff.MaxDuration`, `Template.FailFast`); no template here uses
/// them.
#[test]
fn what_is_not_interpreted_is_refused_by_name() {
    for (text, part) in [
        (
            "  - {name: main, inputs: {parameters: [{name: v, valueFrom: {configMapKeyRef: {name: m, key: k}}}]}, container: {command: ['true']}}\n",
            "field `configMapKeyRef` of parameter valueFrom",
        ),
        (
            "  - {name: main, retryStrategy: {limit: 1, backoff: {duration: 1s, maxDuration: 1m}}, container: {command: ['true']}}\n",
            "field `maxDuration` of backoff",
        ),
        (
            "  - {name: main, dag: {tasks: [{name: a, template: b, withSequence: {count: '2'}}]}}\n",
            "field `withSequence` of dag task",
        ),
        (
            "  - {name: main, failFast: true, container: {command: ['true']}}\n",
            "field `failFast` of template",
        ),
        // Booleans of YAML 1.1, as sigs.k8s.io/yaml reads them.
        (
            "  - {name: on, container: {command: ['true']}}\n",
            "must be text, not the boolean true",
        ),
    ] {
        let ran = Lab::templates("", text)
            .alameda(&["submit", "--from", "workflowtemplate/t"])
            .expect(2);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

/// util/template/replace.go, simple_template.go, expression_template.go. Argo leaves the tag of a
/// time that nobody gave as it is (util/variables/keys/runtime.go), and so does the runner.
#[test]
fn what_no_one_filled_in_reaches_the_step_and_values_are_not_looked_at_twice() {
    let lab = Lab::templates(
        "{name: p}",
        r#"
  - name: main
    inputs: {parameters: [{name: p, value: '{{workflow.parameters.p}}'}]}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container: {command: [sh, -c, 'echo "$0 $1" > $ALAMEDA_OUT/seen', '{{inputs.parameters.p}}', '{{workflow.scheduledTime}}']}
"#,
    );
    let ended = lab.submit(&["-p", "p={{workflow.name}}"]);
    assert_eq!(
        ended.output("", "seen"),
        "{{workflow.name}} {{workflow.scheduledTime}}"
    );
    let timed = lab.submit(&["-p", "p=x", "--scheduled-time", "2026-09-20T02:30:00Z"]);
    assert_eq!(timed.output("", "seen"), "x 2026-09-20T02:30:00Z");

    let step = Lab::templates(
        "{name: p}",
        "  - {name: main, container: {command: [data-prep, map, '--plan={{workflow.parameters.p}}', --group=0, --raw-url=/]}}\n",
    );
    let refused = step.submit(&["-p", "p={{inputs.parameters.plan}}"]);
    assert!(
        refused.message("").starts_with("main: Error (exit code 2)"),
        "{}",
        refused.message("")
    );
}
