//! The commands `retry` and `resubmit`.

use crate::lab::Lab;

/// Each leaf notes its name when it runs; `bad` fails as long as the parameter says so.
const REMEMBER: &str = r#"
  - name: main
    outputs: {parameters: [{name: v, valueFrom: {parameter: '{{tasks.last.outputs.parameters.v}}', default: ''}}]}
    dag:
      failFast: false
      tasks:
      - {name: first, template: note, arguments: {parameters: [{name: who, value: first}]}}
      - {name: whole, depends: first, template: nested}
      - {name: done, depends: first, withItems: [x, z], template: note, arguments: {parameters: [{name: who, value: 'done-{{item}}'}]}}
      - {name: map, depends: first, withItems: [a, bad, c], template: note, arguments: {parameters: [{name: who, value: '{{item}}'}]}}
      - {name: last, depends: map && whole, template: note, arguments: {parameters: [{name: who, value: 'last-{{workflow.parameters.fails}}'}]}}
      - {name: cleanup, depends: map.Failed, template: note, arguments: {parameters: [{name: who, value: cleanup}]}}
  - name: nested
    dag: {tasks: [{name: inner, template: note, arguments: {parameters: [{name: who, value: inner}]}}]}
  - name: note
    inputs: {parameters: [{name: who}]}
    outputs: {parameters: [{name: v, valueFrom: {path: /work/out/v, default: ''}}]}
    container: {command: [sh, -c, 'echo $0 >> $LAB/ran; [ "$0" != "$1" ] || exit 10; echo $0 > $ALAMEDA_OUT/v', '{{inputs.parameters.who}}', '{{workflow.parameters.fails}}']}
"#;

fn sorted(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join(" ")
}

#[test]
fn retry_keeps_what_succeeded_and_runs_a_broken_group_again() {
    let lab = Lab::templates(
        "{name: fails, value: bad}",
        &REMEMBER.replace("      - {name: cleanup", "      #"),
    );
    let failed = lab.submit(&["--name", "w"]);
    assert_eq!(
        (failed.phase(), failed.phase_of("last")),
        ("Failed", "Omitted")
    );
    assert_eq!(
        sorted(&lab.read("ran")),
        "a bad c done-x done-z first inner"
    );

    lab.write("ran", "");
    lab.alameda(&["retry", "w"]).expect(1);
    assert_eq!(
        sorted(&lab.read("ran")),
        "a bad c",
        "the same failure again"
    );

    lab.write("ran", "");
    // The template was edited meanwhile: a retry keeps what was submitted.
    let edited = lab
        .read("workflows/test.yaml")
        .replace("echo $0 > $ALAMEDA_OUT/v", "exit 7");
    lab.write("workflows/test.yaml", &edited);
    let ended = lab.workflow(&["retry", "@latest", "-p", "fails=none"], 0);
    assert_eq!(sorted(&lab.read("ran")), "a bad c last-none");
    assert_eq!(ended.output("", "v"), "last-none");
    let root = ended.node("");
    assert_eq!(
        root["children"].as_array().map(Vec::len),
        Some(1),
        "only `first` follows the root: {root:#}"
    );
    assert_eq!(
        ended.node("first")["children"].as_array().map(Vec::len),
        Some(3),
        "whole, done and map"
    );

    let refused = lab.alameda(&["retry", "w"]).expect(2);
    assert!(
        refused
            .stderr
            .contains("cannot retry a workflow in phase Succeeded"),
        "{}",
        refused.stderr
    );
    let unknown = lab.alameda(&["retry", "nobody"]).expect(2);
    assert!(
        unknown.stderr.contains("there is no workflow `nobody`"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn resubmit_is_a_new_workflow_with_the_same_parameters_from_the_templates_of_today() {
    let lab = Lab::templates("{name: fails, value: none}", REMEMBER);
    lab.submit(&["--name", "w", "-p", "fails=c"]);
    let edited = lab
        .read("workflows/test.yaml")
        .replace("echo $0 > $ALAMEDA_OUT/v", "echo new-$0 > $ALAMEDA_OUT/v");
    lab.write("workflows/test.yaml", &edited);
    lab.write("ran", "");
    let again = lab.workflow(&["resubmit", "w"], 1);
    assert_ne!(again.name(), "w");
    assert_eq!(
        again.0["metadata"]["labels"]["workflows.argoproj.io/resubmitted-from-workflow"],
        "w"
    );
    assert_eq!(again.0["spec"]["arguments"]["parameters"][0]["value"], "c");
    assert_eq!(again.output("first", "v"), "new-first");
    assert_eq!(
        sorted(&lab.read("ran")),
        "a bad c cleanup done-x done-z first inner"
    );
}

#[test]
fn what_ran_because_of_a_failure_stays_when_the_retry_succeeds() {
    let lab = Lab::templates("{name: fails, value: bad}", REMEMBER);
    assert_eq!(
        lab.submit(&["--name", "w"]).phase_of("cleanup"),
        "Succeeded"
    );
    lab.write("ran", "");
    let ended = lab.workflow(&["retry", "w", "-p", "fails=none"], 0);
    assert_eq!(sorted(&lab.read("ran")), "a bad c last-none");
    assert_eq!(ended.phase_of("cleanup"), "Succeeded");
}
