//! Flags, formats and refusals.

use serde_json::Value;

use crate::lab::Lab;

const TEMPLATES: &str = r#"
  - name: main
    inputs: {parameters: [{name: word, value: '{{workflow.parameters.word}}'}]}
    outputs: {parameters: [{name: said, valueFrom: {parameter: '{{tasks.say.outputs.parameters.said}}', default: ''}}]}
    dag:
      tasks:
      - {name: say, withItems: [a], template: say, arguments: {parameters: [{name: word, value: '{{inputs.parameters.word}}-{{item}}'}]}}
      - {name: never, depends: say, when: 'x == y', template: say, arguments: {parameters: [{name: word, value: x}]}}
  - name: say
    inputs: {parameters: [{name: word}]}
    outputs: {parameters: [{name: said, valueFrom: {path: /work/out/said, default: ''}}, {name: reused, valueFrom: {path: /work/out/reused, default: 'true'}}]}
    retryStrategy: {limit: 1}
    container: {command: [sh, -c, 'echo "$0" > $ALAMEDA_OUT/said; echo "says $0"; [ "$0" != bad-a ] || { echo "why: it is bad" > $ALAMEDA_TERMINATION_LOG; exit 10; }', '{{inputs.parameters.word}}']}
"#;

fn lab() -> Lab {
    Lab::templates(
        "{name: word, value: good, enum: [good, bad]}, {name: count, value: '1'}",
        TEMPLATES,
    )
}

/// Times and sizes are of the moment.
fn still(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("peakMemoryBytes");
            for (name, field) in fields {
                let is_time =
                    ["startedAt", "finishedAt", "creationTimestamp"].contains(&name.as_str());
                if is_time && field.is_string() {
                    *field = "[time]".into()
                } else {
                    still(field)
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(still),
        _ => {}
    }
}

#[test]
fn what_people_wrote_and_is_not_text_is_no_bug_of_the_program() {
    let lab = Lab::templates(
        "{name: a, value: ''}",
        "  - name: main\n    container: {command: [sh, -c], args: ['exit 0']}\n",
    );
    lab.submit(&["--name", "w"]);
    let submit = ["submit", "--from", "workflowtemplate/t"];
    let no_text = |name: &str| std::fs::write(lab.path(name), b"a: \xff").unwrap();
    for (name, arguments) in [
        ("p.yaml", &[&submit[..], &["-f", "p.yaml"]].concat()[..]),
        ("config-maps/m.yaml", &submit),
        ("workflows/u.yaml", &["lint"]),
    ] {
        no_text(name);
        let ran = lab.alameda(arguments).expect(2);
        let said = format!("{name} is not text in UTF-8: save it as UTF-8");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        std::fs::remove_file(lab.path(name)).unwrap();
    }
    no_text(".alameda/runs/w/workflow.json");
    let ran = lab.alameda(&["get", "w"]).expect(2);
    assert!(ran.stderr.contains("remove its folder"), "{}", ran.stderr);
    let ran = lab.alameda(&["dashboard", "--config=none"]).expect(2);
    assert!(ran.stderr.contains("alameda-none"), "{}", ran.stderr);
}

#[test]
fn the_former_command_of_the_dashboard_names_the_new_one() {
    let lab = lab();
    for given in [
        &[][..],
        &["--store-url=store", "--bind=127.0.0.1:0"],
        &["--bind", "127.0.0.1:0", "--psi-warn=0.2", "--cache=use"],
    ] {
        let line = [&["model-monitoring", "serve"], given].concat();
        let ran = lab.alameda(&line).expect(2);
        assert!(ran.stderr.contains("`dashboard serve`"), "{}", ran.stderr);
    }
    let help = lab.alameda(&["model-monitoring", "--help"]).expect(0);
    assert!(!help.stdout.contains("serve"), "{}", help.stdout);
    let help = lab.alameda(&["dashboard", "serve", "--help"]).expect(0);
    assert!(help.stdout.contains("--user-header"), "{}", help.stdout);
}

#[test]
fn get_prints_an_object_of_argos_shape() {
    let lab = lab();
    lab.submit(&["--name", "w"]);
    let mut workflow = lab.workflow(&["get", "@latest"], 0).0;
    still(&mut workflow);
    workflow["status"]["storedTemplates"] = "[templates]".into();
    workflow["status"]["storedWorkflowTemplateSpec"] = "[spec]".into();
    insta::assert_snapshot!(format!("{workflow:#}"));
}

#[test]
fn every_format_is_there() {
    let lab = lab();
    lab.submit(&["--name", "w"]);
    let shown = |arguments: &[&str]| lab.alameda(arguments).expect(0).stdout;
    let yaml = shown(&["get", "w", "-o", "yaml"]);
    assert!(
        yaml.contains("\n  name: w\n") && yaml.contains("apiVersion: argoproj.io/v1alpha1\n"),
        "{yaml}"
    );
    assert_eq!(shown(&["get", "w", "-o", "name"]), "w\n");
    let table = shown(&["get", "w"]);
    for part in [
        "Status:              Succeeded",
        "  word:              good",
        "✔ say(0:a)",
        "○ never",
        "when 'x == y' evaluated false",
        "reused",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let wide = shown(&["get", "w", "-o", "wide"]);
    assert!(
        wide.contains("FOLDER") && wide.contains("say(0:a)(0)"),
        "{wide}"
    );

    lab.submit(&["--name", "later", "-p", "word=bad"]);
    let list = shown(&["list"]);
    let names: Vec<_> = list
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(names, ["NAME", "later", "w"], "the newest first");
    assert!(
        list.contains("main: Error (exit code 10): why: it is bad"),
        "{list}"
    );
    assert!(shown(&["list", "-o", "wide"]).contains("word=bad,count=1"));
    assert_eq!(shown(&["list", "-o", "name"]), "later\nw\n");
    let listed: Value = serde_json::from_str(&shown(&["list", "-o", "json"])).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(
        Lab::new("").alameda(&["list"]).expect(0).stdout,
        "No workflows found\n"
    );
}

#[test]
fn a_failure_says_what_why_and_what_next() {
    let lab = lab();
    let ran = lab
        .alameda(&[
            "submit",
            "--from",
            "workflowtemplate/t",
            "--name",
            "w",
            "-p",
            "word=bad",
        ])
        .expect(1);
    for part in [
        "w: Failed",
        "✖ say(0:a)",
        "main: Error (exit code 10): why: it is bad",
        "logs w 'say(0:a)(1)'",
        "retry w\n",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let logs = |node: &str| lab.alameda(&["logs", "w", node]).expect(0).stdout;
    let next = ran
        .stderr
        .lines()
        .find_map(|line| line.split_once(" logs w '"))
        .unwrap()
        .1
        .trim_end_matches('\'');
    assert_eq!(logs(next), "says bad-a\n");
    let both = logs("say");
    assert_eq!(
        both.lines()
            .filter(|line| line.ends_with(": says bad-a"))
            .count(),
        2,
        "{both}"
    );
    let unknown = lab.alameda(&["logs", "w", "nobody"]).expect(2);
    assert!(
        unknown
            .stderr
            .contains("no step of w is `nobody`; it has:\n  say(0:a)"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn parameters_come_from_a_file_and_the_command_line_wins() {
    let lab = lab();
    lab.write("p.yaml", "word: bad\ncount: 7\n");
    lab.write("p.json", r#"{"word": "bad", "count": "8"}"#);
    for (file, n) in [("p.yaml", "7"), ("p.json", "8")] {
        let ended = lab.submit(&["--parameter-file", file, "-p", "word=good"]);
        let parameters = &ended.0["spec"]["arguments"]["parameters"];
        assert_eq!(
            (&parameters[0]["value"], &parameters[1]["value"]),
            (&"good".into(), &n.into())
        );
    }
}

#[test]
fn a_retry_reads_and_writes_where_the_workflow_did() {
    let lab = Lab::templates(
        "",
        "  - {name: main, container: {command: [sh, -c, 'echo $STORE_URL $RAW_URL >> $LAB/urls; exit 1']}}\n",
    );
    lab.submit(&[
        "--name",
        "w",
        "--store-url",
        "here",
        "--raw-url",
        "s3://bucket/raw",
    ]);
    lab.alameda(&["retry", "w"]).expect(1);
    let seen = lab.read("urls");
    let lines: Vec<_> = seen.lines().collect();
    assert!(
        lines[0].ends_with("/here s3://bucket/raw") && lines[0].starts_with('/'),
        "{seen}"
    );
    assert_eq!(lines[1], lines[0]);
}

#[test]
fn what_is_asked_wrongly_is_refused_with_exit_2_and_starts_nothing() {
    let lab = lab();
    let submit = ["submit", "--from", "workflowtemplate/t"];
    for (arguments, part) in [
        (
            &[&submit[..], &["-p", "wrod=x"]].concat()[..],
            "has no parameter `wrod`; it takes: word, count",
        ),
        (
            &[&submit[..], &["-p", "word=worse"]].concat(),
            "the parameter word is `worse`, but must be one of: good, bad",
        ),
        (
            &[&submit[..], &["-p", "word"]].concat(),
            "expected parameter of the form: NAME=VALUE. Received: word",
        ),
        (
            &[&submit[..], &["--scheduled-time", "today"]].concat(),
            "give an instant such as",
        ),
        (
            &[&submit[..], &["--parameter-file", "none.yaml"]].concat(),
            "none.yaml",
        ),
        (
            &[&submit[..], &["--name", "a/b"]].concat(),
            "a/b is not a valid name",
        ),
        (
            &["submit", "--from", "workflowtemplate/u"],
            "there is no workflowtemplate `u`; known: t",
        ),
        (
            &["submit", "--from", "cronwf/u"],
            "there is no cronwf `u`; known: none",
        ),
        (
            &["submit", "--from", "t"],
            "give workflowtemplate/NAME or cronwf/NAME",
        ),
        (&["submit"], "--from"),
        (&["get", "../x"], "there is no workflow `../x`"),
        (&["get", "@latest"], "there is no workflow yet"),
        (&["list", "--workflows", "nowhere", "-o", "csv"], "csv"),
        (
            &[
                "submit",
                "--workflows",
                "nowhere",
                "--from",
                "workflowtemplate/t",
            ],
            "--workflows nowhere: there is no such folder",
        ),
    ] {
        let ran = lab.alameda(arguments).expect(2);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(lab.alameda(&["list", "-o", "name"]).expect(0).stdout, "");
    lab.submit(&["--name", "w"]);
    let taken = lab
        .alameda(&[&submit[..], &["--name", "w"]].concat())
        .expect(2);
    assert!(
        taken.stderr.contains("there is a workflow w already"),
        "{}",
        taken.stderr
    );
}

#[test]
fn a_field_that_is_not_understood_is_refused_with_file_and_path_and_only_for_those_who_need_it() {
    let lab = lab();
    let steps = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: u}\nspec:\n  entrypoint: main\n  templates:\n  - {name: main, steps: [], container: {command: [n]}}\n";
    lab.write("workflows/u.yaml", steps);
    lab.write(
        "workflows/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {anything: goes}\n",
    );
    assert_eq!(lab.submit(&[]).phase(), "Succeeded");
    let ran = lab
        .alameda(&["submit", "--from", "workflowtemplate/u"])
        .expect(2);
    for part in [
        "workflows/u.yaml:7:18: u.spec.templates[0].steps: the field `steps` of template is not run here [not-run]",
        "workflows/u.yaml:7:51: u.spec.templates[0].container.command[0]: must be text, not the boolean false",
        "workflows/u.yaml:7:5: u.spec.templates[0]: a template needs one of",
        "lint --explain",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let lint = lab.alameda(&["lint", "workflows/u.yaml"]).expect(1);
    assert!(
        !lint.stdout.contains("not-run") && lint.stdout.contains("u.yaml:7:51: "),
        "{}",
        lint.stdout
    );
    let json = lab
        .alameda(&["lint", "-o", "json", "workflows/u.yaml"])
        .expect(1)
        .stdout;
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let find = |rule: &str| {
        findings
            .iter()
            .find(|finding| finding["rule"] == rule)
            .unwrap()
    };
    assert_eq!(
        (&find("type")["line"], &find("type")["column"]),
        (&7.into(), &51.into())
    );
    assert_eq!(find("type")["help"], "quote it");
    assert!(lint.stderr.ends_with("problem(s) found\n"));
    let library = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: v}\nspec:\n  templates:\n  - {name: main, dag: {tasks: [{name: a, templateRef: {name: u, template: main}}]}}\n";
    lab.write("workflows/v.yaml", library);
    let one = lab.alameda(&["lint", "workflows/v.yaml"]).expect(0);
    assert_eq!(
        one.stdout, "",
        "what it calls is in another file, whose faults are not reported"
    );
    assert_eq!(
        lab.alameda(&["lint", "-o", "json", "workflows/v.yaml"])
            .expect(0)
            .stdout,
        "[]\n"
    );
    lab.write("workflows/broken.yaml", "a: [");
    assert!(
        lab.alameda(&["lint"])
            .expect(1)
            .stdout
            .contains("workflows/broken.yaml:2: YAML: ")
    );
}

#[test]
fn a_rule_explains_itself() {
    let lab = lab();
    let printed = lab
        .alameda(&["lint", "--explain", "spec-retry"])
        .expect(0)
        .stdout;
    assert!(
        printed.starts_with("spec-retry: ")
            && printed.contains("#9190")
            && printed.contains("finds it: no"),
        "{printed}"
    );
    assert!(
        lab.alameda(&["lint", "--explain"])
            .expect(0)
            .stdout
            .starts_with("Interpreted as Argo")
    );
    let unknown = lab.alameda(&["lint", "--explain", "spec-retri"]).expect(2);
    assert!(
        unknown
            .stderr
            .contains("no rule `spec-retri`; known: yaml, "),
        "{}",
        unknown.stderr
    );
}

#[test]
fn the_copies_in_the_program_serve_where_there_is_no_folder() {
    let empty = Lab::new("");
    let elsewhere = empty.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let ran = empty
        .command(&["lint"])
        .current_dir(&elsewhere)
        .output()
        .unwrap();
    assert_eq!(
        (ran.status.code(), ran.stdout.as_slice()),
        (Some(0), &b""[..])
    );
    let ran = empty
        .command(&["submit", "--from", "workflowtemplate/alameda-pipeline"])
        .current_dir(&elsewhere)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("the parameter data-version is missing"));
}
