//! The exit handler.

use serde_json::Value;

use crate::lab::{Ended, Lab};

/// A workflow whose leaf runs a script, and whose exit handler says what it was given and runs
/// another one.
fn lab(script: &str, handler: &str) -> Lab {
    let text = format!(
        r#"
  - name: main
    retryStrategy: {{limit: '1', expression: 'lastRetry.exitCode == "75"'}}
    outputs: {{parameters: [{{name: v, valueFrom: {{path: /work/out/v}}}}]}}
    container: {{command: [sh, -c, '{script}']}}
  - name: handler
    inputs: {{parameters: [{{name: fails}}]}}
    container: {{command: [sh, -c, 'echo "$0" >> $LAB/ended; echo "$1" > $LAB/failures; echo "$2 $3" > $LAB/rest; {handler}', '{{{{workflow.status}}}}', '{{{{workflow.failures}}}}', '{{{{workflow.duration}}}}', '{{{{inputs.parameters.fails}}}}']}}
"#
    );
    let lab = Lab::templates("{name: fails, value: nothing}", &text);
    lab.write(
        "workflows/test.yaml",
        &lab.read("workflows/test.yaml").replace(
            "  entrypoint: main\n",
            "  entrypoint: main\n  onExit: handler\n",
        ),
    );
    lab
}

fn failures(lab: &Lab) -> Vec<Value> {
    serde_json::from_str::<Option<Vec<Value>>>(&lab.read("failures"))
        .unwrap()
        .unwrap_or_default()
}

/// docs/walk-through/exit-handlers.md, docs/variables.md; workflow/controller/operator.go
/// `operate`: the handler runs on each end, sees the phase that the entrypoint came to, and takes
/// the workflow with it only if that had succeeded.
#[test]
fn the_handler_runs_on_every_end_and_fails_a_workflow_that_had_succeeded() {
    const FINE: &str = "echo v > $ALAMEDA_OUT/v";
    for (script, handler, status, failed, phase, message) in [
        (FINE, "exit 0", "Succeeded", 0, "Succeeded", ""),
        (
            "exit 3",
            "exit 0",
            "Failed",
            2,
            "Failed",
            "retryStrategy.expression evaluated to false",
        ),
        // The output is missing.
        (
            "exit 0",
            "exit 0",
            "Error",
            2,
            "Error",
            "retryStrategy.expression evaluated to false",
        ),
        // An attempt that was retried is in the failures too.
        (
            "[ {{retries}} = 1 ] || exit 75; echo v > $ALAMEDA_OUT/v",
            "exit 0",
            "Succeeded",
            1,
            "Succeeded",
            "",
        ),
        (
            FINE,
            "exit 4",
            "Succeeded",
            0,
            "Failed",
            "main: Error (exit code 4)",
        ),
        (
            "exit 3",
            "exit 4",
            "Failed",
            2,
            "Failed",
            "retryStrategy.expression evaluated to false",
        ),
    ] {
        let lab = lab(script, handler);
        let ended = lab.submit(&[]);
        assert_eq!(lab.read("ended").trim_end(), status, "{script} {handler}");
        assert_eq!(
            (
                ended.phase(),
                ended.0["status"]["message"].as_str().unwrap_or_default()
            ),
            (phase, message),
            "{script} {handler}"
        );
        let failures = failures(&lab);
        assert_eq!(failures.len(), failed, "{script}: {failures:?}");
        for failure in failures {
            for field in [
                "displayName",
                "message",
                "templateName",
                "phase",
                "podName",
                "finishedAt",
            ] {
                assert!(failure[field].is_string(), "{field}: {failure}");
            }
        }
        // Seconds, and the workflow's parameter (`GetExitHook` in
        // pkg/apis/workflow/v1alpha1/workflow_types.go).
        let rest = lab.read("rest");
        let (seconds, parameter) = rest.trim_end().split_once(' ').unwrap();
        assert!(
            seconds.parse::<f64>().unwrap() >= 0.0 && parameter == "nothing",
            "{rest}"
        );
    }
}

/// workflow/util/util.go `FormulateRetryWorkflow`: nodes of the handler are dropped, so that it
/// runs at each end.
#[test]
fn after_a_retry_the_handler_runs_again_and_the_attempts_before_are_forgotten() {
    let lab = lab(
        "[ -e $LAB/go ] || exit 3; echo v > $ALAMEDA_OUT/v",
        "exit 0",
    );
    lab.submit(&["--name", "w"]);
    assert_eq!(failures(&lab).len(), 2);
    lab.write("go", "");
    let ended: Ended = lab.workflow(&["retry", "w"], 0);
    assert_eq!(
        (lab.read("ended").as_str(), failures(&lab).len()),
        ("Failed\nSucceeded\n", 0)
    );
    assert_eq!(ended.phase_of("onExit"), "Succeeded");
}
