//! `withItems` and `withParam`.

use crate::lab::Lab;

/// workflow/controller/dag.go `expandTask`, `executeDAGTask`; workflow/controller/operator.go
/// `processItem`, `processAggregateNodeOutputs`, `aggregatedJSONValueList`.
#[test]
fn items_run_in_order_within_the_parallelism_and_their_outputs_come_as_lists_in_that_order() {
    let lab = Lab::templates(
        "{name: list}",
        r#"
  - name: main
    parallelism: 1
    outputs: {parameters: [{name: all, valueFrom: {parameter: '{{tasks.map.outputs.parameters.v}}', default: ''}}]}
    dag:
      failFast: false
      tasks:
      - name: map
        template: one
        withParam: '{{workflow.parameters.list}}'
        when: "'{{item}}' != 'skip'"
        arguments: {parameters: [{name: v, value: '{{item}}'}]}
      - {name: any, depends: map.AnySucceeded, template: nothing}
      - {name: every, depends: map.AllFailed, template: nothing}
  - {name: nothing, container: {command: ['true']}}
  - name: one
    inputs: {parameters: [{name: v}]}
    outputs: {parameters: [{name: v, valueFrom: {path: /work/out/v, default: none}}]}
    container:
      command: [sh, -c]
      args: ['echo "in $1" >> $LAB/order; sleep 0.05; echo "out $1" >> $LAB/order; [ "$1" != fail ] || exit 1; echo "$1" > $ALAMEDA_OUT/v', sh, '{{inputs.parameters.v}}']
"#,
    );
    let ended = lab.submit(&["-p", r#"list=["z", "skip", "a", 3, "z"]"#]);
    let order: Vec<String> = ["z", "a", "3", "z"]
        .map(|v| format!("in {v}\nout {v}\n"))
        .into();
    assert_eq!(lab.read("order"), order.concat());
    assert_eq!(ended.output("", "all"), r#"["z","a","3","z"]"#);
    assert_eq!(ended.phase_of("map(1:skip)"), "Skipped");
    assert_eq!(ended.node("map")["type"], "TaskGroup");
    assert_eq!(
        (ended.phase_of("any"), ended.phase_of("every")),
        ("Succeeded", "Omitted")
    );

    let nested = lab.submit(&["-p", r#"list=[[1, 2], {"k": "v"}]"#]);
    assert_eq!(nested.output("", "all"), r#"[[1,2],{"k":"v"}]"#);
    assert!(nested.find("map(1:k:v)").is_some());

    let failed = lab.submit(&["-p", r#"list=["fail", "fail"]"#]);
    assert_eq!(
        (
            failed.phase(),
            failed.phase_of("any"),
            failed.phase_of("every")
        ),
        ("Failed", "Omitted", "Succeeded")
    );
    let empty = lab.submit(&["-p", "list=[]"]);
    assert_eq!(
        (empty.phase_of("map"), empty.message("map")),
        ("Skipped", "Skipped, empty params")
    );
    let broken = lab.submit(&["-p", "list=[1,"]);
    assert!(
        broken
            .message("map")
            .contains("withParam value could not be parsed as a JSON list: [1,")
    );
    assert_eq!(broken.phase(), "Error");
}

/// A DAG with one expanded task, whose outputs `seen` come out as `all`.
fn expanded(fields: &str, seen: &str) -> Lab {
    let text = format!(
        r#"
  - name: main
    outputs: {{parameters: [{{name: all, valueFrom: {{parameter: '{{{{tasks.map.outputs.parameters.seen}}}}', default: none}}}}]}}
    dag: {{failFast: false, tasks: [{{name: map, template: one, {fields}, arguments: {{parameters: [{{name: v, value: '{seen}'}}]}}}}]}}
  - name: one
    inputs: {{parameters: [{{name: v}}]}}
    outputs: {{parameters: [{{name: seen, valueFrom: {{path: /work/out/seen, default: ''}}}}]}}
    container: {{command: [sh, -c, 'echo "$0" > $ALAMEDA_OUT/seen', '{{{{inputs.parameters.v}}}}']}}
"#
    );
    Lab::templates("{name: list, value: '[]'}", &text)
}

/// workflow/controller/operator.go `processItem`.
#[test]
fn an_item_is_given_as_text_and_the_fields_of_an_object_by_name() {
    for (fields, seen, all) in [
        (
            "withItems: [a, 1, 2.5, true]",
            "<{{item}}>",
            r#"["<a>","<1>","<2.5>","<true>"]"#,
        ),
        (
            r#"withItems: [{k: 1, l: x}, {k: [2, 3], l: z}]"#,
            "{{item.k}} {{item.l}}",
            r#"["1 x","[2,3] z"]"#,
        ),
        (
            r#"withItems: [{k: {m: 4}}]"#,
            "<{{item}}>",
            r#"["<{\"k\":{\"m\":4}}>"]"#,
        ),
        // Values that are all lists or objects come as such, and not as text.
        (r#"withItems: [{k: {m: 4}}]"#, "{{item.k}}", r#"[{"m":4}]"#),
        ("withItems: [[1, 2], 3]", "{{item}}", r#"["[1,2]","3"]"#),
        (
            "withParam: '{{workflow.parameters.list}}'",
            "{{item.a}}",
            r#"["1","2"]"#,
        ),
        // As if there were no list.
        ("withItems: []", "once", "once"),
    ] {
        let ended = expanded(fields, seen).submit(&["-p", r#"list=[{"a": 1}, {"a": "2"}]"#]);
        assert_eq!(
            ended.output("", "all"),
            all,
            "{fields} {}",
            ended.message("map")
        );
    }
}

/// workflow/controller/dag.go `expandTask` (a broken list matters only if `when` may hold),
/// `executeDAGTask` ("Skipped, empty params"); workflow/controller/operator.go `processItem`
/// (null).
#[test]
fn an_empty_list_skips_the_task_and_a_broken_one_is_an_error_unless_nobody_needs_it() {
    let list = "withParam: '{{workflow.parameters.list}}'";
    for (list, when, phase, message) in [
        ("[]", "true", "Skipped", "Skipped, empty params"),
        ("", "true", "Error", "could not be parsed as a JSON list"),
        (
            r#"{"a": 1}"#,
            "true",
            "Error",
            "could not be parsed as a JSON list",
        ),
        (
            "[null]",
            "true",
            "Error",
            "withItems[0] expected string, number, list, or map",
        ),
        ("", "'' == x", "Skipped", "Skipped, empty params"),
        (
            "",
            "'{{item}}' == x",
            "Error",
            "could not be parsed as a JSON list",
        ),
    ]
    .map(|(value, when, phase, message)| ((value, list), when, phase, message))
    {
        let ended = expanded(&format!(r#"{}, when: "{when}""#, list.1), "{{item}}")
            .submit(&["-p", &format!("list={}", list.0)]);
        assert_eq!(
            ended.phase_of("map"),
            phase,
            "{list:?} {when}: {}",
            ended.message("map")
        );
        assert!(
            ended.message("map").contains(message),
            "{list:?} {when}: {}",
            ended.message("map")
        );
    }
}

/// workflow/controller/operator.go `processAggregateNodeOutputs`: all outputs of an expanded task
/// as one JSON list, which another task can be expanded by. What failed is not in it.
#[test]
fn the_outputs_of_an_expanded_task_expand_the_next() {
    let text = r#"
  - name: main
    outputs: {parameters: [{name: all, valueFrom: {parameter: '{{tasks.two.outputs.parameters.seen}}', default: none}}]}
    dag:
      failFast: false
      tasks:
      - {name: one, template: leaf, withItems: [a, bad, c], arguments: {parameters: [{name: v, value: '{{item}}'}]}}
      - {name: two, template: leaf, depends: one.AnySucceeded, withParam: '{{tasks.one.outputs.parameters}}', arguments: {parameters: [{name: v, value: 'two-{{item.seen}}'}]}}
      - {name: three, template: leaf, depends: one.AnySucceeded, withParam: '{{tasks.one.outputs.parameters.seen}}', arguments: {parameters: [{name: v, value: '{{item}}'}]}}
  - name: leaf
    inputs: {parameters: [{name: v}]}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container: {command: [sh, -c, '[ $0 != bad ] || exit 1; echo "$0" > $ALAMEDA_OUT/seen', '{{inputs.parameters.v}}']}
"#;
    let ended = Lab::templates("", text).submit(&[]);
    assert_eq!(
        ended.output("", "all"),
        r#"["two-a","two-c"]"#,
        "{}",
        ended.message("two")
    );
    assert_eq!(
        (ended.phase_of("three(0:a)"), ended.phase_of("three(1:c)")),
        ("Succeeded", "Succeeded")
    );
}
