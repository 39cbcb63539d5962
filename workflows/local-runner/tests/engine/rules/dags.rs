//! DAGs: who starts when, and templates of templates.

use crate::lab::Lab;

#[test]
fn a_running_branch_goes_on_to_its_end_whatever_fail_fast_says() {
    for fail_fast in ["true", "false"] {
        let text = format!(
            r#"
  - name: main
    dag:
      failFast: {fail_fast}
      tasks:
      - {{name: bad, template: bad}}
      - {{name: slow, template: slow}}
      - {{name: after, depends: slow, template: fine}}
  - {{name: bad, container: {{command: [sh, -c, 'touch $LAB/bad; exit 1']}}}}
  - {{name: slow, container: {{command: [sh, -c, 'until [ -e $LAB/bad ]; do sleep 0.02; done; sleep 0.2']}}}}
  - {{name: fine, container: {{command: ['true']}}}}
"#
        );
        let ended = Lab::templates("", &text).submit(&[]);
        let phases = ["bad", "slow", "after"].map(|task| ended.phase_of(task).to_owned());
        assert_eq!(phases, ["Failed", "Succeeded", "Succeeded"]);
        assert_eq!(ended.phase(), "Failed");
    }
}

/// workflow/controller/operator.go `checkParallelism`; workflow/controller/node_counters.go
/// `getActiveChildrenCounter`: a nested DAG counts as one, whatever runs in it.
#[test]
fn parallelism_of_a_template_counts_its_own_children() {
    let lab = Lab::templates(
        "",
        r#"
  - name: main
    parallelism: 1
    dag: {tasks: [{name: one, template: both}, {name: two, template: both}]}
  - name: both
    dag:
      tasks:
      - {name: a, template: meets, arguments: {parameters: [{name: other, value: b}]}}
      - {name: b, template: meets, arguments: {parameters: [{name: other, value: a}]}}
  # Each waits for the other one of its DAG: on a machine with one core it would wait for ever.
  - name: meets
    inputs: {parameters: [{name: other}]}
    activeDeadlineSeconds: 600
    container: {command: [sh, -c, 'echo "$0" >> $LAB/order; touch $LAB/$0; until [ -e $LAB/${0%.*}.$1 ]; do sleep 0.01; done; sleep 0.05; echo "$0" >> $LAB/order', '{{node.name}}', '{{inputs.parameters.other}}']}
"#,
    );
    assert_eq!(lab.submit(&["--name", "w"]).phase(), "Succeeded");
    let order = lab.read("order");
    let dags: Vec<_> = order
        .lines()
        .map(|line| line.split('.').nth(1).unwrap())
        .collect();
    assert_eq!(
        dags,
        ["one", "one", "one", "one", "two", "two", "two", "two"]
    );
}

/// docs/workflow-templates.md; workflow/templateresolution/context.go `ResolveTemplate`;
/// workflow/common/util.go `ProcessArgs`: inputs of a template that is called default to parameters
/// of the calling workflow.
#[test]
fn a_template_of_another_file_is_called_with_its_own_neighbours_and_the_callers_parameters() {
    let text = r#"
  - name: main
    outputs: {parameters: [{name: seen, valueFrom: {parameter: '{{tasks.far.outputs.parameters.seen}}', default: ''}}]}
    dag: {tasks: [{name: far, templateRef: {name: u, template: main}, arguments: {parameters: [{name: given, value: 'by t'}]}}]}
"#;
    let lab = Lab::templates("{name: p, value: of t}", text);
    lab.write(
        "workflows/u.yaml",
        r#"apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: u}
spec:
  entrypoint: main
  arguments: {parameters: [{name: p, value: of u}]}
  templates:
  - name: main
    inputs: {parameters: [{name: given, value: by nobody}, {name: p, value: '{{workflow.parameters.p}}'}]}
    outputs: {parameters: [{name: seen, valueFrom: {parameter: '{{tasks.near.outputs.parameters.seen}}', default: ''}}]}
    dag: {tasks: [{name: near, template: leaf, arguments: {parameters: [{name: v, value: '{{inputs.parameters.given}}, {{inputs.parameters.p}}'}]}}]}
  - name: leaf
    inputs: {parameters: [{name: v}]}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container: {command: [sh, -c, 'echo "$0" > $ALAMEDA_OUT/seen', '{{inputs.parameters.v}}']}
"#,
    );
    assert_eq!(lab.submit(&[]).output("", "seen"), "by t, of t");
    let direct = lab.workflow(&["submit", "--from", "workflowtemplate/u"], 0);
    assert_eq!(direct.output("", "seen"), "by nobody, of u");
}

/// Argo would run all of the DAG again, with what has succeeded (`executeTemplate` in
/// workflow/controller/operator.go); argoproj/argo-workflows #9190.
#[test]
fn a_retry_strategy_of_a_dag_is_refused_by_name() {
    let text = "  - name: main\n    retryStrategy: {limit: 1}\n    dag: {tasks: [{name: a, template: leaf}]}\n  - {name: leaf, container: {command: ['true']}}\n";
    let ended = Lab::templates("", text).submit(&[]);
    assert_eq!(ended.phase(), "Error");
    assert!(
        ended
            .message("")
            .contains("the retryStrategy of the DAG main is not supported"),
        "{}",
        ended.message("")
    );
}
