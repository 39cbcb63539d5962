//! Outputs: where they come from, and what represents those that are not there.

use crate::lab::Lab;

/// workflow/controller/scope.go `addSkippedNodeOutputsToScope`, `markAbsentOptionalArgs`;
/// workflow/common/util.go `ProcessArgs`. docs/enhanced-depends-logic.md still says that such
/// outputs are empty text.
#[test]
fn the_output_of_a_skipped_task_is_its_default_and_without_one_the_consumers() {
    let lab = Lab::templates(
        "",
        r#"
  - name: main
    outputs: {parameters: [{name: seen, valueFrom: {parameter: '{{tasks.use.outputs.parameters.seen}}', default: ''}}]}
    dag:
      tasks:
      - {name: idle, template: makes, when: 'false'}
      - name: use
        depends: idle
        template: uses
        arguments: {parameters: [{name: a, value: '{{tasks.idle.outputs.parameters.with}}'}, {name: b, value: '{{tasks.idle.outputs.parameters.without}}'}]}
      - name: needs
        depends: idle
        template: uses
        arguments: {parameters: [{name: a, value: 'x{{tasks.idle.outputs.parameters.without}}'}]}
  - name: makes
    outputs: {parameters: [{name: with, valueFrom: {path: /work/out/with, default: given}}, {name: without, valueFrom: {path: /work/out/without}}]}
    container: {command: ['true']}
  - name: uses
    inputs: {parameters: [{name: a}, {name: b, value: own}]}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container: {command: [sh, -c, 'echo "$0 $1" > $ALAMEDA_OUT/seen', '{{inputs.parameters.a}}', '{{inputs.parameters.b}}']}
"#,
    );
    let ended = lab.submit(&[]);
    assert_eq!(ended.output("use", "seen"), "given own");
    assert_eq!(ended.phase_of("needs"), "Error");
    assert!(
        ended
            .message("needs")
            .contains("`idle` was skipped and its output has no default"),
        "{}",
        ended.message("needs")
    );
}

/// The same, for a task that was omitted and for an expanded one without items;
/// workflow/controller/operator.go `getTemplateOutputsFromScope` for the output of the DAG.
#[test]
fn omitted_and_empty_tasks_give_their_defaults_too() {
    let ended = Lab::templates(
        "",
        r#"
  - name: main
    outputs:
      parameters:
      - {name: omitted, valueFrom: {parameter: '{{tasks.omitted.outputs.parameters.with}}', default: no}}
      - {name: empty, valueFrom: {parameter: '{{tasks.empty.outputs.parameters.with}}', default: no}}
      - {name: absent, valueFrom: {parameter: '{{tasks.omitted.outputs.parameters.without}}', default: of the DAG}}
    dag:
      tasks:
      - {name: first, template: makes}
      - {name: omitted, depends: first.Failed, template: makes}
      - {name: empty, template: makes, withParam: '[]'}
  - name: makes
    outputs: {parameters: [{name: with, valueFrom: {path: /work/out/with, default: given}}, {name: without, valueFrom: {path: /work/out/without}}]}
    container: {command: [sh, -c, 'echo x > $ALAMEDA_OUT/without']}
"#.replace("default: no}", "default: 'no'}").as_str(),
    )
    .submit(&[]);
    let outputs = ["omitted", "empty", "absent"].map(|name| ended.output("", name));
    assert_eq!(outputs, ["given", "given", "of the DAG"]);
}

/// workflow/executor/executor.go `SaveParameters`.
#[test]
fn output_parameters_come_from_files_and_a_leaf_that_leaves_one_out_needs_a_default() {
    let lab = Lab::templates(
        "",
        r#"
  - name: main
    outputs:
      parameters: [{name: text, valueFrom: {path: /work/out/text}}, {name: none, valueFrom: {path: /work/out/none, default: d}}]
      artifacts:
      - {name: page, path: /work/out/page.html, archive: {none: {}}, s3: {key: '{{workflow.name}}/page.html'}}
      - {name: maybe, path: /work/out/maybe, optional: true, s3: {key: maybe}}
    container: {command: [sh, -c, 'printf "two\nlines\n\n" > $ALAMEDA_OUT/text; echo hi > $ALAMEDA_OUT/page.html']}
"#,
    );
    let ended = lab.submit(&["--name", "w"]);
    assert_eq!(
        (ended.output("", "text"), ended.output("", "none")),
        ("two\nlines\n", "d"),
        "one newline is cut"
    );
    assert_eq!(lab.read(".alameda/runs/w/artifacts/w/page.html"), "hi\n");
    assert_eq!(
        ended.node("")["outputs"]["artifacts"][0]["s3"]["key"],
        "w/page.html"
    );

    let wanting = lab
        .read("workflows/test.yaml")
        .replace("printf", "exit 0; printf");
    lab.write("workflows/test.yaml", &wanting);
    let failed = lab.submit(&[]);
    assert_eq!(failed.phase(), "Error");
    assert!(
        failed
            .message("")
            .contains("output parameter text: /work/out/text was not written")
    );
}

/// Argo keeps what a container prints if a tag names it (`includeScriptOutput` in
/// workflow/controller/operator.go); here outputs are files.
#[test]
fn what_a_leaf_prints_is_no_output() {
    let text = r#"
  - name: main
    dag:
      tasks:
      - {name: says, template: says}
      - {name: uses, depends: says, template: uses, arguments: {parameters: [{name: v, value: '{{tasks.says.outputs.result}}'}]}}
  - {name: says, container: {command: [echo, x]}}
  - {name: uses, inputs: {parameters: [{name: v}]}, container: {command: ['true']}}
"#;
    let ended = Lab::templates("", text).submit(&[]);
    assert_eq!(ended.phase_of("uses"), "Error");
    assert_eq!(
        ended.message("uses"),
        "failed to resolve {{tasks.says.outputs.result}}"
    );
}
