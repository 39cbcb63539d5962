//! `retryStrategy`.

use crate::lab::Lab;

const STRATEGY: &str = r#"{limit: '2', retryPolicy: Always, expression: 'lastRetry.status == "Error" || asInt(lastRetry.exitCode) in [64, 75, 137, 143]', backoff: {duration: '10ms', factor: '2', cap: '20ms'}}"#;
/// A leaf that ends well and leaves its output out.
const MISSING: &str = "exit 0";
const NOT_WRITTEN: &str = "output parameter v: /work/out/v was not written";

/// docs/retries.md; workflow/controller/operator.go `processNodeRetries`,
/// `buildRetryStrategyLocalScope`; pkg/apis/workflow/v1alpha1/workflow_types.go
/// `RetryPolicyActual`.
#[test]
fn a_leaf_is_tried_again_as_its_strategy_says() {
    for (strategy, script, attempts, phase, message) in [
        (
            STRATEGY,
            "[ {{retries}} = 1 ] || exit 75",
            2,
            "Succeeded",
            "",
        ),
        (
            STRATEGY,
            "exit 10",
            1,
            "Failed",
            "retryStrategy.expression evaluated to false",
        ),
        (STRATEGY, "kill -9 $$", 3, "Failed", "No more retries left"),
        ("{limit: 1}", "exit 10", 2, "Failed", "No more retries left"),
        (
            "{limit: 5, retryPolicy: OnError}",
            "exit 10",
            1,
            "Failed",
            "main: Error (exit code 10)",
        ),
        (
            "{limit: 5, expression: 'asInt(retries) == 0'}",
            "exit 10",
            2,
            "Failed",
            "retryStrategy.expression evaluated to false",
        ),
        // The limit counts tries after the first; a number and its text are the same.
        ("{limit: 0}", "exit 10", 1, "Failed", "No more retries left"),
        (
            "{limit: '0'}",
            "exit 10",
            1,
            "Failed",
            "No more retries left",
        ),
        // An output that is missing is an Error, whatever the exit code.
        (
            "{limit: 1, retryPolicy: OnError}",
            MISSING,
            2,
            "Error",
            "No more retries left",
        ),
        (
            "{limit: 1, retryPolicy: OnFailure}",
            MISSING,
            1,
            "Error",
            NOT_WRITTEN,
        ),
        (
            "{limit: 1, retryPolicy: Always}",
            MISSING,
            2,
            "Error",
            "No more retries left",
        ),
        // Without an expression OnFailure, with one Always.
        ("{limit: 1}", MISSING, 1, "Error", NOT_WRITTEN),
        (
            r#"{limit: 1, expression: 'lastRetry.status == "Error"'}"#,
            MISSING,
            2,
            "Error",
            "No more retries left",
        ),
        (
            r#"{limit: 1, retryPolicy: OnFailure, expression: 'lastRetry.status == "Error"'}"#,
            MISSING,
            1,
            "Error",
            NOT_WRITTEN,
        ),
        (
            "{limit: 1, retryPolicy: Sometimes}",
            "exit 10",
            1,
            "Error",
            "Sometimes is not a valid RetryPolicy",
        ),
        // Exit code, number of the try and duration are text.
        (
            r#"{limit: 1, expression: 'lastRetry.exitCode == "10"'}"#,
            "exit 10",
            2,
            "Failed",
            "No more retries left",
        ),
        (
            "{limit: 1, expression: 'asInt(lastRetry.exitCode) > 9'}",
            "exit 10",
            2,
            "Failed",
            "No more retries left",
        ),
        (
            "{limit: 1, expression: 'lastRetry.exitCode == 10'}",
            "exit 10",
            1,
            "Error",
            "`10` and `10` are of different kinds and cannot be compared",
        ),
        (
            r#"{limit: 2, expression: 'retries == "0"'}"#,
            "exit 10",
            2,
            "Failed",
            "retryStrategy.expression evaluated to false",
        ),
        (
            "{limit: 1, expression: 'asInt(lastRetry.duration) < 60'}",
            "exit 10",
            2,
            "Failed",
            "No more retries left",
        ),
        (
            r#"{limit: 1, expression: 'lastRetry.message == "main: Error (exit code 10): why"'}"#,
            "echo why > $ALAMEDA_TERMINATION_LOG; exit 10",
            2,
            "Failed",
            "No more retries left",
        ),
        (
            "{limit: 5, expression: 'lastRetry.x == 1'}",
            "exit 1",
            1,
            "Error",
            "unknown name `lastRetry.x`",
        ),
    ] {
        let outputs = if script == MISSING {
            "outputs: {parameters: [{name: v, valueFrom: {path: /work/out/v}}]}, "
        } else {
            ""
        };
        let template = format!(
            "  - {{name: main, {outputs}retryStrategy: {strategy}, container: {{command: [sh, -c, '{script}']}}}}\n"
        );
        let ended = Lab::templates("", &template).submit(&[]);
        assert_eq!(ended.node("")["type"], "Retry");
        let pods = ended
            .nodes()
            .into_iter()
            .filter(|node| node["type"] == "Pod")
            .count();
        assert_eq!(
            (pods, ended.phase(), ended.message("")),
            (attempts, phase, message),
            "{strategy} {script}"
        );
    }
}

/// A pod that can't start is ended at its deadline, as 137, and would wait as long at each retry.
#[test]
fn by_the_leaves_own_expression_a_deadline_is_final_and_a_kill_is_not() {
    let leaves = include_str!("../../../../steps/data-prep.yaml");
    let (_, rest) = leaves.split_once("expression: >-\n").unwrap();
    let expression: Vec<&str> = rest.lines().take(2).map(str::trim).collect();
    let expression = expression.join(" ");
    for (script, deadline, attempts) in [("kill -9 $$", 600, 3), ("exec sleep 600", 1, 1)] {
        let lab = Lab::templates(
            "",
            &format!(
                "  - name: main\n    activeDeadlineSeconds: {deadline}\n    retryStrategy:\n      \
                 limit: '2'\n      retryPolicy: Always\n      expression: >-\n        {expression}\n    \
                 container: {{command: [sh, -c], args: ['{script}']}}\n"
            ),
        );
        let ended = lab.submit(&[]);
        let pods = ended
            .nodes()
            .into_iter()
            .filter(|node| node["type"] == "Pod");
        assert_eq!(
            pods.count(),
            attempts,
            "{script}: {:#}",
            ended.0["status"]["nodes"]
        );
    }
}
