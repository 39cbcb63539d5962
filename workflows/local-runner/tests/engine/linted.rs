//! What `submit` says before anything runs.

use crate::lab::{Lab, Ran};

/// A file that `alameda lint` takes, which runs `exit 0`.
const CLEAN: &str = "apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: t, annotations: {workflows.argoproj.io/description: d}}
spec:
  entrypoint: main
  executor: {serviceAccountName: runner}
  arguments: {parameters: [{name: config, value: mine, description: d}]}
  templates:
  - name: main
    dag:
      tasks:
      - {name: one, template: leaf}
  - name: leaf
    retryStrategy:
      limit: '2'
      retryPolicy: Always
      expression: asInt(lastRetry.exitCode) == 75
    activeDeadlineSeconds: 60
    automountServiceAccountToken: false
    securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
    podSpecPatch: '{\"initContainers\":[{\"name\":\"init\",\"securityContext\":{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]}}}],\"containers\":[{\"name\":\"wait\",\"securityContext\":{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]}}}]}'
    container:
      image: localhost/x:1
      command: [sh, -c]
      args: [exit 0]
      resources:
        requests: {cpu: 100m, memory: 64Mi}
        limits: {memory: 64Mi}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
";

fn submit(lab: &Lab, more: &[&str]) -> Ran {
    let line = [&["submit", "--from", "workflowtemplate/t"], more].concat();
    lab.linted(&line).output().unwrap().into()
}

#[test]
fn a_fault_of_a_workflow_is_refused_before_anything_runs() {
    let lab = Lab::new(CLEAN);
    let ran = submit(&lab, &[]).expect(0);
    assert!(!ran.stderr.contains("help:"), "{}", ran.stderr);

    let lab = Lab::new(&CLEAN.replace("      limit: '2'\n", ""));
    let ran = submit(&lab, &[]).expect(2);
    for said in [
        "test.yaml:14:5: t.spec.templates[1].retryStrategy: a leaf has no `retryStrategy.limit` [retry-limit]",
        "help: set `retryStrategy.limit`",
        "1 problem(s) found in what workflowtemplate/t runs",
        "--no-lint",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let runs = lab.alameda(&["list", "-o", "name"]).expect(0);
    assert_eq!(runs.stdout, "", "nothing was started");

    let ran = submit(&lab, &["--no-lint"]).expect(0);
    assert!(!ran.stderr.contains("retry-limit"), "{}", ran.stderr);
}

#[test]
fn a_fault_of_what_the_run_does_not_use_is_no_matter_of_it() {
    let other = CLEAN
        .replace("name: t,", "name: u,")
        .replace("      limit: '2'\n", "");
    let lab = Lab::new(CLEAN);
    lab.write("workflows/other.yaml", &other);
    let ran = submit(&lab, &[]).expect(0);
    assert!(!ran.stderr.contains("retry-limit"), "{}", ran.stderr);
    lab.alameda(&["lint"]).expect(1);
}

#[test]
fn a_fault_of_the_runs_configuration_is_a_warning() {
    let lab = Lab::new(CLEAN);
    let map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: alameda-{name}}}\ndata: {{GATE: firm}}\n"
        )
    };
    let both = format!("{}---\n{}", map("mine"), map("other"));
    lab.write("config-maps/maps.yaml", &both);
    let ran = submit(&lab, &[]).expect(0);
    let said = "maps.yaml:4: warning: alameda-mine.data.GATE: GATE is `firm`";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(!ran.stderr.contains("alameda-other"), "{}", ran.stderr);
}

#[test]
fn a_file_that_the_runs_configuration_lacks_is_refused_since_no_step_sees_it() {
    let lab = Lab::new(CLEAN);
    let map = "kind: ConfigMap\nmetadata: {name: alameda-mine}\ndata: {GATE: hard}\n";
    let files = |more: &str| {
        format!(
            "kind: Kustomization\nresources: [map.yaml]\nconfigMapGenerator: [{{name: alameda-mine, \
             behavior: merge, files: [dataset.json, features.sql{more}]}}]\n\
             generatorOptions: {{disableNameSuffixHash: true}}\n"
        )
    };
    let contract = r#"{"columns": [{"name": "id", "type": "int64", "role": "id"},
        {"name": "x", "type": "float64", "role": "feature"},
        {"name": "y", "type": "int64", "role": "target"}]}"#;
    lab.write("config-maps/map.yaml", map);
    lab.write("config-maps/dataset.json", contract);
    lab.write("config-maps/features.sql", "SELECT * FROM raw");
    lab.write("config-maps/models.json", r#"{"candidates": "auto"}"#);
    lab.write("config-maps/kustomization.yaml", &files(""));
    let ran = submit(&lab, &[]).expect(2);
    let said = "models.json is beside it and not in the ConfigMap alameda-mine: add it to the files \
                of kustomization.yaml";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    lab.write("config-maps/kustomization.yaml", &files(", models.json"));
    submit(&lab, &[]).expect(0);
}

#[test]
fn configuration_that_a_cluster_would_change_is_refused_before_anything_runs() {
    let lab = Lab::new(CLEAN);
    let map = "kind: ConfigMap\nmetadata: {name: alameda-mine}\ndata: {GATE: hard}\n";
    lab.write("config-maps/map.yaml", map);
    lab.write(
        "config-maps/kustomization.yaml",
        "resources: [map.yaml]\nnamePrefix: team-a-\n",
    );
    let said = "kustomization.yaml: `namePrefix` renames the ConfigMap alameda-mine on a cluster, but \
                not in a local run";
    for ran in [
        submit(&lab, &[]),
        lab.linted(&["lint"]).output().unwrap().into(),
    ] {
        let ran: Ran = ran.expect(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let runs = lab.alameda(&["list", "-o", "name"]).expect(0);
    assert_eq!(runs.stdout, "", "nothing was started");
    lab.write("config-maps/kustomization.yaml", "resources: [map.yaml]\n");
    lab.write("config-maps/old.yaml", map);
    let ran = submit(&lab, &[]).expect(2);
    let said = "old.yaml: the ConfigMap alameda-mine is also in ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}
