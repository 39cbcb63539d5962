use std::fs;
use std::path::Path;

use super::*;
use crate::library::Source;

fn repository(name: &str) -> Source {
    Source::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name))
}

#[test]
fn the_repositorys_own_workflows_are_clean() {
    for (workflows, maps) in
        [(repository("workflows"), repository("config-maps")), (Source::Embedded, Source::Embedded)]
    {
        let library = Library::load(&workflows).unwrap();
        assert_eq!(library.templates.len(), 5);
        assert_eq!(lint(&library, &ConfigMaps::load(&maps).unwrap()), []);
    }
}

/// A WorkflowTemplate without a fault, in which each case makes one.
const GOOD: &str = r#"apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: good}
spec:
  entrypoint: main
  arguments: {parameters: [{name: p, value: a, enum: [a, b]}]}
  templates:
  - name: main
    inputs: {parameters: [{name: p, value: '{{workflow.parameters.p}}'}]}
    outputs: {parameters: [{name: rows, valueFrom: {parameter: '{{tasks.two.outputs.parameters.rows}}', default: ''}}]}
    dag:
      tasks:
      - name: one
        template: map
        withParam: '["0"]'
        arguments: {parameters: [{name: plan, value: '{{inputs.parameters.p}}'}, {name: group, value: '{{item}}'}]}
      - name: two
        depends: one.Succeeded || one.Skipped
        when: "'{{tasks.one.status}}' != x"
        templateRef: {name: good, template: map}
        arguments: {parameters: [{name: plan, value: '{{tasks.one.outputs.parameters.rows}}'}, {name: group, value: g}]}
  - name: map
    inputs: {parameters: [{name: plan}, {name: group}, {name: cache, value: use, enum: [use, refresh]}]}
    outputs: {parameters: [{name: rows, valueFrom: {path: /work/out/rows, default: '0'}}]}
    retryStrategy: {limit: '2', retryPolicy: Always, expression: 'asInt(lastRetry.exitCode) == 75', backoff: {duration: 2s, factor: '2', cap: 10s}}
    activeDeadlineSeconds: 60
    securityContext: {}
    volumes: [{name: work, emptyDir: {}}]
    container:
      command: [data-prep]
      args: [map, '--workflow={{workflow.name}}', '--plan={{inputs.parameters.plan}}', '--group={{inputs.parameters.group}}', '--cache={{inputs.parameters.cache}}']
      volumeMounts: [{name: work, mountPath: /work}]
      resources: {}
      securityContext: {}
"#;

fn findings(workflow: &str, map: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    for folder in ["workflows", "maps"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("workflows/f.yaml"), workflow).unwrap();
    fs::write(home.path().join("maps/m.yaml"), map).unwrap();
    let library = Library::load(&Source::Folder(home.path().join("workflows"))).unwrap();
    let maps = ConfigMaps::load(&Source::Folder(home.path().join("maps"))).unwrap();
    let place = format!("{}/", home.path().display());
    lint(&library, &maps).iter().map(|finding| finding.to_string().replace(&place, "")).collect()
}

#[test]
fn each_fault_is_found_with_its_place() {
    assert_eq!(findings(GOOD, ""), Vec::<String>::new());
    let task = ".spec.templates[0].dag.tasks";
    let leaf = ".spec.templates[1]";
    for (good, bad, place, text) in [
        // Fields.
        (
            "securityContext: {}\n    volumes",
            "priority: 1\n    securityContext: {}\n    volumes",
            &*format!("{leaf}.priority"),
            "removed in Argo 4: use `priorityClassName`",
        ),
        (
            "depends: one.Succeeded || one.Skipped",
            "dependencies: [one]",
            &*format!("{task}[1].dependencies"),
            "use `depends`",
        ),
        ("value: g}", "value: n}", &*format!("{task}[1].arguments.parameters[1].value"), "not the boolean false"),
        ("kind: WorkflowTemplate", "kind: Workflow", "", "the kind `Workflow` is not supported"),
        ("  - name: map\n", "  - name: empty\n  - name: map\n", "", "needs either `dag` or `container`"),
        (
            "metadata: {name: good}",
            "metadata: {name: good}\nmetadata: {}",
            "YAML",
            "line 4: the key `metadata` stands twice",
        ),
        ("metadata: {name: good}", "metadata: {}", "metadata.name", "a WorkflowTemplate needs a name"),
        // Names.
        ("name: good}\nspec", "name: Good}\nspec", ".metadata.name", "lower-case letters"),
        (
            "name: good}\nspec",
            &*format!("name: {}}}\nspec", "g".repeat(64)),
            ".metadata.name",
            "has 64 characters, and Argo takes 63",
        ),
        ("entrypoint: main", "entrypoint: mian", ".spec.entrypoint", "there is no template `mian`"),
        ("entrypoint: main", "entrypoint: main\n  onExit: bye", ".spec.onExit", "there is no template `bye`"),
        ("- name: map", "- name: main", leaf, "there is another template `main`"),
        ("- name: two", "- name: one", &*format!("{task}[1]"), "there is another task `one`"),
        // Parameters.
        (
            "value: a, enum",
            "value: c, enum",
            ".spec.arguments.parameters[0]",
            "the default `c` of `p` is not in its enum",
        ),
        (
            "value: use, enum",
            "value: reuse, enum",
            &*format!("{leaf}.inputs.parameters[2]"),
            "the default `reuse` of `cache`",
        ),
        (
            "name: group, value: g}",
            "name: gruop, value: g}",
            &*format!("{task}[1].arguments.parameters[1]"),
            "the template `map` has no input `gruop`",
        ),
        (
            ", {name: group, value: g}",
            "",
            &*format!("{task}[1].arguments"),
            "the input `group` of the template `map` is not given",
        ),
        (
            "{name: group, value: g}",
            "{name: group, value: g}, {name: cache, value: never}",
            &*format!("{task}[1].arguments.parameters[2]"),
            "`never` is not in the enum",
        ),
        (", default: ''}}", "}}", ".spec.templates[0].outputs.parameters[0]", "needs `valueFrom.default`"),
        (", default: '0'}}", "}}", &*format!("{leaf}.outputs.parameters[0]"), "needs `valueFrom.default`"),
        ("/work/out/rows", "/tmp/rows", &*format!("{leaf}.outputs.parameters[0]"), "must lie in /work/out"),
        // References.
        (
            "{name: good, template: map}",
            "{name: bad, template: map}",
            &*format!("{task}[1].templateRef"),
            "there is no WorkflowTemplate `bad`",
        ),
        (
            "{name: good, template: map}",
            "{name: good, template: pam}",
            &*format!("{task}[1].templateRef"),
            "has no template `pam`",
        ),
        (
            "templateRef: {name: good, template: map}",
            "templateRef: {name: good, template: map}\n        template: map",
            &*format!("{task}[1]"),
            "needs either `template` or `templateRef`",
        ),
        ("depends: one.Succeeded", "depends: eno.Succeeded", &*format!("{task}[1].depends"), "there is no task `eno`"),
        (
            "depends: one.Succeeded",
            "depends: one.Success",
            &*format!("{task}[1].depends"),
            "`Success` is no result of a task",
        ),
        ("depends: one.Succeeded", "depends: two.Succeeded", &*format!("{task}[1].depends"), "`two` waits for itself"),
        ("depends: one.Succeeded ||", "depends: one.Succeeded &&&", &*format!("{task}[1].depends"), "not understood"),
        (
            "{{workflow.parameters.p}}",
            "{{workflow.parameters.q}}",
            ".spec.templates[0].inputs.parameters[0]",
            "the tag {{workflow.parameters.q}} refers to nothing",
        ),
        (
            "{{inputs.parameters.p}}",
            "{{inputs.parameters.q}}",
            &*format!("{task}[0].arguments.parameters[0]"),
            "{{inputs.parameters.q}} refers to nothing",
        ),
        (
            "{{tasks.one.outputs.parameters.rows}}",
            "{{tasks.one.outputs.parameters.row}}",
            &*format!("{task}[1].arguments.parameters[0]"),
            "refers to nothing",
        ),
        (
            "{{inputs.parameters.p}}",
            "{{tasks.two.outputs.parameters.rows}}",
            &*format!("{task}[0].arguments.parameters[0]"),
            "refers to nothing",
        ),
        (
            "{name: group, value: g}",
            "{name: group, value: '{{item}}'}",
            &*format!("{task}[1].arguments.parameters[1]"),
            "{{item}} refers to nothing",
        ),
        (
            "'{{tasks.one.status}}'",
            "'{{tasks.one.state}}'",
            &*format!("{task}[1].when"),
            "{{tasks.one.state}} refers to nothing",
        ),
        (
            "{{tasks.two.outputs.parameters.rows}}', default",
            "{{tasks.six.outputs.parameters.rows}}', default",
            ".spec.templates[0].dag outputs.parameters[0]",
            "refers to nothing",
        ),
        (
            "--workflow={{workflow.name}}",
            "--workflow={{workflow.nmae}}",
            &*format!("{leaf}.container"),
            "{{workflow.nmae}} refers to nothing",
        ),
        (
            "    dag:\n",
            "    retryStrategy: {limit: '1'}\n    dag:\n",
            ".spec.templates[0].retryStrategy",
            "is not supported: give each leaf its own",
        ),
        // Leaves.
        ("limit: '2', ", "", leaf, "needs `retryStrategy.limit`"),
        ("limit: '2'", "limit: 'two'", &*format!("{leaf}.retryStrategy"), "`two` is not a whole number"),
        (
            "retryPolicy: Always",
            "retryPolicy: Sometimes",
            &*format!("{leaf}.retryStrategy"),
            "`Sometimes` is not supported",
        ),
        (
            "asInt(lastRetry.exitCode)",
            "asInt(lastRetry.code)",
            &*format!("{leaf}.retryStrategy.expression"),
            "unknown name `lastRetry.code`",
        ),
        ("duration: 2s", "duration: 2 weeks", &*format!("{leaf}.retryStrategy"), "2 weeks"),
        ("    activeDeadlineSeconds: 60\n", "", leaf, "needs `activeDeadlineSeconds`"),
        ("      resources: {}\n", "", leaf, "a leaf needs `container.resources`"),
        ("      securityContext: {}\n", "", leaf, "a leaf needs `container.securityContext`"),
        ("    securityContext: {}\n    volumes", "    volumes", leaf, "a leaf needs `securityContext`"),
        (
            "volumes: [{name: work,",
            "volumes: [{name: wrok,",
            &*format!("{leaf}.container.volumeMounts[0]"),
            "there is no volume `work`",
        ),
        // Command lines, by the step's own parser.
        ("--plan=", "--plna=", &*format!("{leaf}.container.args"), "unexpected argument '--plna'"),
        ("'--group={{inputs.parameters.group}}', ", "", &*format!("{leaf}.container.args"), "--group"),
        ("args: [map,", "args: [pam,", &*format!("{leaf}.container.args"), "unrecognized subcommand 'pam'"),
        (
            "--cache={{inputs.parameters.cache}}",
            "--cache=sometimes",
            &*format!("{leaf}.container.args"),
            "invalid value 'sometimes' for '--cache",
        ),
    ] {
        assert!(GOOD.contains(good), "{good}");
        let found = findings(&GOOD.replacen(good, bad, 1), "");
        let expected = |finding: &String| {
            let (file, rest) = finding.split_once(": ").unwrap();
            let (path, what) = rest.split_once(": ").unwrap();
            file == "workflows/f.yaml" && path.ends_with(place) && what.contains(text)
        };
        assert!(found.iter().any(expected), "{bad}: {found:#?}");
    }
}

#[test]
fn a_cron_workflow_gives_only_parameters_that_its_template_has() {
    let cron = |name: &str, parameter: &str, template: &str| {
        format!(
            "{GOOD}---\napiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {{name: {name}}}\nspec:\n  schedules: ['0 2 * * *']\n  workflowSpec: {{workflowTemplateRef: {{name: {template}}}, arguments: {{parameters: [{{name: {parameter}, value: '{{{{workflow.scheduledTime}}}}'}}]}}}}\n"
        )
    };
    assert_eq!(findings(&cron("nightly", "p", "good"), ""), Vec::<String>::new());
    for (name, parameter, template, text) in [
        (&*"n".repeat(53), "p", "good", "has 53 characters, and Argo takes 52 at most"),
        ("nightly", "q", "good", "`good` has no parameter `q`"),
        ("nightly", "p", "bad", "there is no WorkflowTemplate `bad`"),
    ] {
        let found = findings(&cron(name, parameter, template), "");
        assert!(found.iter().any(|finding| finding.contains(text)), "{found:?}");
    }
}

#[test]
fn a_setting_that_no_step_reads_is_found() {
    let map = "kind: ConfigMap\nmetadata: {name: alameda-x}\ndata: {HOLDOUT: first-shard, HOLDUOT: first-shard, features.sql: SELECT 1}\n";
    assert_eq!(findings(GOOD, map), ["maps: alameda-x.data.HOLDUOT: no step reads this variable"]);
    let map = "kind: ConfigMap\nmetadata: {name: alameda-platform}\n\
               data: {AWS_ENDPOINT_URL: a, RAW_AWS_REGION: b, RAW_AWS_SECRET_ACCESS_KEY: c}\n";
    let found = findings(GOOD, map);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("alameda-platform.data.RAW_AWS_SECRET_ACCESS_KEY: is a secret: put it in"), "{found:?}");
}

#[test]
fn the_readme_lists_the_fields_that_explain_prints() {
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&crate::schema::explain()),
        "README.md differs from `alameda lint --explain`:\n{}",
        crate::schema::explain()
    );
}
