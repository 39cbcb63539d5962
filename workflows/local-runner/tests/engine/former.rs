//! Command lines and templates of the first release still run, for one release with a warning.

use crate::lab::Lab;

/// As the first release's documentation has it: one template of all leaves, and images as
/// parameters.
const OWN: &str = "apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: t}
spec:
  entrypoint: main
  executor: {serviceAccountName: alameda-runner}
  arguments: {parameters: [{name: image-tag, value: '0.1.0'}]}
  templates:
  - name: main
    dag:
      tasks:
      - name: tell
        templateRef: {name: alameda-steps, template: model-monitoring-notify}
        arguments:
          parameters:
          - {name: data-version, value: '1'}
          - {name: status, value: Succeeded}
          - {name: image-tag, value: '{{workflow.parameters.image-tag}}'}
";

/// A lab that also has the repository's leaves.
fn lab() -> Lab {
    let lab = Lab::new(OWN);
    let leaves = include_str!("../../../steps/model-monitoring.yaml");
    std::fs::create_dir(lab.path("workflows/steps")).unwrap();
    lab.write("workflows/steps/model-monitoring.yaml", leaves);
    lab
}

#[test]
fn a_workflow_that_calls_the_leaves_of_the_first_release_runs() {
    let ended = lab().submit(&[]);
    assert_eq!(ended.phase_of("tell"), "Succeeded");
}

#[test]
fn lint_says_where_a_leaf_is_now_and_warns_of_the_parameters_of_images() {
    let lab = lab();
    let ran = lab.alameda(&["lint", "workflows/test.yaml"]).expect(1);
    let said = "its leaf `model-monitoring-notify` is in `alameda-model-monitoring`";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let now = OWN
        .replace("alameda-steps", "alameda-model-monitoring")
        .replace(
            "metadata: {name: t}",
            "metadata: {name: t, annotations: {workflows.argoproj.io/description: d}}",
        )
        .replace(
            "value: '{{workflow.parameters.image-tag}}'",
            "value: '0.1.0'",
        )
        .replace(
            "{name: image-tag, value: '0.1.0'}]}",
            "{name: image-tag, value: '0.1.0', description: d}]}",
        );
    lab.write("workflows/test.yaml", &now);
    let ran = lab.alameda(&["lint", "workflows/test.yaml"]).expect(0);
    for said in [
        "warning: t.spec",
        "takes no `image-tag` any more [image-parameter]",
    ] {
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
    assert!(ran.stderr.contains("1 warning(s)"), "{}", ran.stderr);
}

#[test]
fn an_image_on_the_command_line_is_ignored_and_said_so() {
    let lab = Lab::templates(
        "",
        "  - name: main\n    container: {command: [sh, -c], args: ['exit 0']}\n",
    );
    let line = [
        "submit",
        "--from",
        "workflowtemplate/t",
        "-p",
        "image-tag=1",
    ];
    let ran = lab.alameda(&line).expect(0);
    let said = "warning: the parameter image-tag is ignored";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn an_init_container_that_does_more_than_show_its_image_is_refused() {
    let template = |command: &str| {
        format!(
            "  - name: main\n    initContainers: [{{name: i, image: 'x:1', command: {command}}}]\n    \
             container: {{command: [sh, -c], args: ['exit 0']}}\n"
        )
    };
    Lab::templates("", &template("[data-prep, --version]")).submit(&[]);
    let lab = Lab::templates("", &template("[sh, -c, 'touch /work/ready']"));
    let ran = lab
        .alameda(&["submit", "--from", "workflowtemplate/t"])
        .expect(2);
    assert!(
        ran.stderr.contains("init container that does more"),
        "{}",
        ran.stderr
    );
}
