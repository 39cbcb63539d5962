//! What runs, what does not, and what is passed on, as the controller of Argo 4.1.2 decides it.

use std::fs;

use crate::lab::Lab;

/// A DAG of tasks `NAME CODE [depends] [when]`, each of which exits with its code.
fn dag(fail_fast: &str, tasks: &[(&str, u8, &str, &str)]) -> Lab {
    let mut text = format!("  - name: main\n    dag:\n      failFast: {fail_fast}\n      tasks:\n");
    for (name, code, depends, when) in tasks {
        text += &format!("      - {{name: {name}, template: exits, depends: '{depends}', when: \"{when}\", ");
        text += &format!("arguments: {{parameters: [{{name: code, value: '{code}'}}]}}}}\n");
    }
    text += "  - name: exits\n    inputs: {parameters: [{name: code}]}\n";
    text += "    container: {command: [sh, -c], args: ['exit {{inputs.parameters.code}}']}\n";
    Lab::templates("", &text)
}

#[test]
fn a_task_runs_when_its_depends_holds_and_a_branch_ends_as_its_last_completed_task() {
    let (ok, bad) = (0, 3);
    for (tasks, expected, phase) in [
        (&[("a", bad, "", ""), ("b", ok, "a", "")][..], "Failed Omitted", "Failed"),
        (&[("a", bad, "", ""), ("b", ok, "a.Failed", "")], "Failed Succeeded", "Succeeded"),
        (&[("a", ok, "", ""), ("b", ok, "a.Failed", "")], "Succeeded Omitted", "Succeeded"),
        (&[("a", ok, "", "1 == 2"), ("b", ok, "a", "")], "Skipped Succeeded", "Succeeded"),
        (&[("a", ok, "", "1 == 2"), ("b", ok, "a.Succeeded", "")], "Skipped Omitted", "Succeeded"),
        (&[("a", ok, "", "1 == 2"), ("b", ok, "a.Skipped && !a.Succeeded", "")], "Skipped Succeeded", "Succeeded"),
        (
            &[("a", bad, "", ""), ("b", ok, "a", ""), ("c", ok, "b.Omitted", "")],
            "Failed Omitted Succeeded",
            "Succeeded",
        ),
        (&[("a", bad, "", ""), ("b", ok, "a", ""), ("c", ok, "b", "")], "Failed Omitted Omitted", "Failed"),
        (
            &[("a", bad, "", ""), ("b", ok, "a || a.Failed", ""), ("c", bad, "b", "")],
            "Failed Succeeded Failed",
            "Failed",
        ),
        (
            &[("a", bad, "", ""), ("b", ok, "", ""), ("c", ok, "a.Failed && b", "")],
            "Failed Succeeded Succeeded",
            "Succeeded",
        ),
        (&[("a", ok, "", ""), ("b", bad, "", ""), ("c", ok, "a || b", "")], "Succeeded Failed Succeeded", "Succeeded"),
        (&[("a", ok, "", "a b")], "Error", "Error"),
    ] {
        let ended = dag("false", tasks).submit(&[]);
        let phases: Vec<_> = tasks.iter().map(|task| ended.phase_of(task.0)).collect();
        assert_eq!((phases.join(" ").as_str(), ended.phase()), (expected, phase), "{tasks:?}");
    }
}

/// Argo's documentation says that `failFast` stops scheduling; its controller goes on as long as anything runs
/// (argoproj/argo-workflows #5227), and fails the DAG when nothing does.
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
    let order: Vec<String> = ["z", "a", "3", "z"].map(|v| format!("in {v}\nout {v}\n")).into();
    assert_eq!(lab.read("order"), order.concat());
    assert_eq!(ended.output("", "all"), r#"["z","a","3","z"]"#);
    assert_eq!(ended.phase_of("map(1:skip)"), "Skipped");
    assert_eq!(ended.node("map")["type"], "TaskGroup");
    assert_eq!((ended.phase_of("any"), ended.phase_of("every")), ("Succeeded", "Omitted"));

    let nested = lab.submit(&["-p", r#"list=[[1, 2], {"k": "v"}]"#]);
    assert_eq!(nested.output("", "all"), r#"[[1,2],{"k":"v"}]"#);
    assert!(nested.find("map(1:k:v)").is_some());

    let failed = lab.submit(&["-p", r#"list=["fail", "fail"]"#]);
    assert_eq!((failed.phase(), failed.phase_of("any"), failed.phase_of("every")), ("Failed", "Omitted", "Succeeded"));
    let empty = lab.submit(&["-p", "list=[]"]);
    assert_eq!((empty.phase_of("map"), empty.message("map")), ("Skipped", "Skipped, empty params"));
    let broken = lab.submit(&["-p", "list=[1,"]);
    assert!(broken.message("map").contains("withParam value could not be parsed as a JSON list: [1,"));
    assert_eq!(broken.phase(), "Error");
}

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
        ended.message("needs").contains("`idle` was skipped and its output has no default"),
        "{}",
        ended.message("needs")
    );
}

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
    assert_eq!((ended.output("", "text"), ended.output("", "none")), ("two\nlines\n", "d"), "one newline is cut");
    assert_eq!(lab.read(".alameda/runs/w/artifacts/w/page.html"), "hi\n");
    assert_eq!(ended.node("")["outputs"]["artifacts"][0]["s3"]["key"], "w/page.html");

    let wanting = lab.read("workflows/test.yaml").replace("printf", "exit 0; printf");
    lab.write("workflows/test.yaml", &wanting);
    let failed = lab.submit(&[]);
    assert_eq!(failed.phase(), "Error");
    assert!(failed.message("").contains("output parameter text: /work/out/text was not written"));
}

#[test]
fn a_leaf_finds_its_folders_settings_files_and_addresses() {
    let lab = Lab::templates(
        "{name: config, value: m}",
        r#"
  - name: main
    volumes:
    - {name: work, emptyDir: {sizeLimit: 1Gi}}
    - {name: config, configMap: {name: 'alameda-{{workflow.parameters.config}}'}}
    outputs: {parameters: [{name: seen, valueFrom: {path: /work/out/seen, default: ''}}]}
    container:
      command: [sh, -c]
      args:
      - |
        cat $ALAMEDA_CONFIG/features.sql > $ALAMEDA_OUT/seen
        echo "$FROM_MAP $OVERRIDDEN $PLAIN $KEY $STORE_URL $RAW_URL $ALAMEDA_LOG" >> $ALAMEDA_OUT/seen
        touch $ALAMEDA_WORK/scratch; echo 2/3 > $ARGO_PROGRESS_FILE
        echo "to the log"; echo "and this" >&2
      env:
      - {name: PLAIN, value: '{{workflow.name}}'}
      - {name: KEY, valueFrom: {configMapKeyRef: {name: alameda-m, key: FROM_MAP}}}
      - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
      envFrom:
      - {configMapRef: {name: alameda-m}}
      - {configMapRef: {name: second}}
      - {configMapRef: {name: absent, optional: true}}
      volumeMounts: [{name: work, mountPath: /work}, {name: config, mountPath: /config, readOnly: true}]
"#,
    );
    let map = |name: &str, data: &str| format!("kind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{data}}}\n---\n");
    let maps = map("alameda-m", "FROM_MAP: one, OVERRIDDEN: first, features.sql: 'SELECT 1 '")
        + &map("second", "OVERRIDDEN: second, STORE_URL: 'http://cluster'");
    lab.write("config-maps/maps.yaml", &maps);
    let ended = lab.submit(&["--name", "w"]);
    let home = fs::canonicalize(lab.path(".alameda")).unwrap();
    let home = home.display();
    let expected = format!("SELECT 1 one second w one {home}/store {home}/raw text");
    assert_eq!(ended.output("", "seen"), expected);
    assert_eq!((&ended.node("")["progress"], &ended.0["status"]["progress"]), (&"2/3".into(), &"3/3".into()));
    assert_eq!(lab.read(".alameda/runs/w/w/log"), "to the log\nand this\n");
    assert_eq!(lab.read(".alameda/runs/w/w/phase"), "Succeeded\n");
    assert!(!lab.path(".alameda/runs/w/w/work").exists(), "scratch goes with the pod");

    let missing = lab.submit(&["-p", "config=other"]);
    assert_eq!(missing.phase(), "Error");
    let message = missing.message("");
    assert!(
        message.starts_with(r#"configmap "alameda-other" not found"#) && message.contains("alameda-m, second"),
        "{message}"
    );
}

#[test]
fn a_leaf_that_takes_too_long_is_ended_with_all_that_it_started() {
    let lab = Lab::templates(
        "",
        "  - {name: main, activeDeadlineSeconds: 1, container: {command: [sh, -c, 'sleep 1000 & echo $! > $LAB/child; wait']}}\n",
    );
    let ended = lab.submit(&[]);
    assert_eq!(
        (ended.phase(), ended.message("")),
        ("Failed", "Pod was active on the node longer than the specified deadline")
    );
    assert!(!crate::lab::lives(&lab.wait_for("child")));
}

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
    assert_eq!(ended.output("", "seen"), "{{workflow.name}} {{workflow.scheduledTime}}");
    let timed = lab.submit(&["-p", "p=x", "--scheduled-time", "2026-09-20T02:30:00Z"]);
    assert_eq!(timed.output("", "seen"), "x 2026-09-20T02:30:00Z");

    let step = Lab::templates(
        "{name: p}",
        "  - {name: main, container: {command: [data-prep, map, '--plan={{workflow.parameters.p}}', --group=0, --raw-url=/]}}\n",
    );
    let refused = step.submit(&["-p", "p={{inputs.parameters.plan}}"]);
    assert!(refused.message("").starts_with("main: Error (exit code 2)"), "{}", refused.message(""));
}

#[test]
fn a_program_that_is_not_there_fails_as_argos_emissary_does() {
    let ended = Lab::templates("", "  - {name: main, container: {command: [no-such-program]}}\n").submit(&[]);
    assert_eq!(ended.node("")["outputs"]["exitCode"], "64");
    assert!(
        ended.message("").starts_with("main: Error (exit code 64): cannot start no-such-program"),
        "{}",
        ended.message("")
    );
}
