//! `depends`, and what a DAG comes to.

use super::dag;
use crate::lab::Lab;

/// docs/enhanced-depends-logic.md; workflow/controller/dag.go `evaluateDependsLogic`;
/// workflow/common/ancestry.go `expandDependency` for the bare name; workflow/controller/dag.go
/// `assessDAGPhase` for the phase of the DAG.
#[test]
fn a_task_runs_when_its_depends_holds_and_a_branch_ends_as_its_last_completed_task() {
    let (ok, bad) = (0, 3);
    for (tasks, expected, phase) in [
        (
            &[("a", bad, "", ""), ("b", ok, "a", "")][..],
            "Failed Omitted",
            "Failed",
        ),
        (
            &[("a", bad, "", ""), ("b", ok, "a.Failed", "")],
            "Failed Succeeded",
            "Succeeded",
        ),
        (
            &[("a", ok, "", ""), ("b", ok, "a.Failed", "")],
            "Succeeded Omitted",
            "Succeeded",
        ),
        (
            &[("a", ok, "", "1 == 2"), ("b", ok, "a", "")],
            "Skipped Succeeded",
            "Succeeded",
        ),
        (
            &[("a", ok, "", "1 == 2"), ("b", ok, "a.Succeeded", "")],
            "Skipped Omitted",
            "Succeeded",
        ),
        (
            &[
                ("a", ok, "", "1 == 2"),
                ("b", ok, "a.Skipped && !a.Succeeded", ""),
            ],
            "Skipped Succeeded",
            "Succeeded",
        ),
        (
            &[
                ("a", bad, "", ""),
                ("b", ok, "a", ""),
                ("c", ok, "b.Omitted", ""),
            ],
            "Failed Omitted Succeeded",
            "Succeeded",
        ),
        (
            &[("a", bad, "", ""), ("b", ok, "a", ""), ("c", ok, "b", "")],
            "Failed Omitted Omitted",
            "Failed",
        ),
        (
            &[
                ("a", bad, "", ""),
                ("b", ok, "a || a.Failed", ""),
                ("c", bad, "b", ""),
            ],
            "Failed Succeeded Failed",
            "Failed",
        ),
        (
            &[
                ("a", bad, "", ""),
                ("b", ok, "", ""),
                ("c", ok, "a.Failed && b", ""),
            ],
            "Failed Succeeded Succeeded",
            "Succeeded",
        ),
        (
            &[
                ("a", ok, "", ""),
                ("b", bad, "", ""),
                ("c", ok, "a || b", ""),
            ],
            "Succeeded Failed Succeeded",
            "Succeeded",
        ),
        (&[("a", ok, "", "a b")], "Error", "Error"),
        (
            &[("a", ok, "", ""), ("b", ok, "a.Errored || a.Daemoned", "")],
            "Succeeded Omitted",
            "Succeeded",
        ),
        (
            &[
                ("a", ok, "", "a b"),
                ("b", ok, "a.Errored", ""),
                ("c", ok, "a.Failed", ""),
            ],
            "Error Succeeded Omitted",
            "Error",
        ),
        // Only of expanded tasks.
        (
            &[
                ("a", ok, "", ""),
                ("b", ok, "a.AnySucceeded || a.AllFailed", ""),
            ],
            "Succeeded Omitted",
            "Succeeded",
        ),
        // && binds tighter than ||, and parentheses tighter than both.
        (
            &[
                ("a", ok, "", ""),
                ("b", ok, "a.Succeeded || a.Failed && a.Failed", ""),
            ],
            "Succeeded Succeeded",
            "Succeeded",
        ),
        (
            &[
                ("a", ok, "", ""),
                ("b", ok, "(a.Succeeded || a.Failed) && a.Failed", ""),
            ],
            "Succeeded Omitted",
            "Succeeded",
        ),
        (
            &[
                ("a-b", ok, "", ""),
                ("b", ok, "!(a-b.Failed || a-b.Skipped)", ""),
            ],
            "Succeeded Succeeded",
            "Succeeded",
        ),
    ] {
        let ended = dag(tasks).submit(&[]);
        let phases: Vec<_> = tasks.iter().map(|task| ended.phase_of(task.0)).collect();
        assert_eq!(
            (phases.join(" ").as_str(), ended.phase()),
            (expected, phase),
            "{tasks:?}"
        );
    }
}

/// workflow/controller/dag.go `evaluateDependsLogic`, `executeDAGTask` (the last of the failed
/// items gives the phase).
#[test]
fn an_expanded_task_is_judged_by_its_items() {
    for (codes, depends, expected) in [
        ("[0, 3]", "map.AnySucceeded", "Failed Succeeded"),
        ("[0, 3]", "map.AllFailed", "Failed Omitted"),
        ("[3, 3]", "map.AnySucceeded", "Failed Omitted"),
        ("[3, 3]", "map.AllFailed", "Failed Succeeded"),
        (
            "[0, 0]",
            "map.Succeeded && map.AnySucceeded && !map.AllFailed",
            "Succeeded Succeeded",
        ),
        ("[0, 3]", "map.Succeeded", "Failed Omitted"),
        ("[0, 3]", "map.Failed", "Failed Succeeded"),
        (
            "[]",
            "map.Skipped && !map.AnySucceeded && !map.AllFailed",
            "Skipped Succeeded",
        ),
        ("[]", "map", "Skipped Succeeded"),
    ] {
        let text = format!(
            r#"
  - name: main
    dag:
      failFast: false
      tasks:
      - {{name: map, template: exits, withParam: '{codes}', arguments: {{parameters: [{{name: code, value: '{{{{item}}}}'}}]}}}}
      - {{name: next, template: exits, depends: '{depends}', arguments: {{parameters: [{{name: code, value: '0'}}]}}}}
  - name: exits
    inputs: {{parameters: [{{name: code}}]}}
    container: {{command: [sh, -c, 'exit $0', '{{{{inputs.parameters.code}}}}']}}
"#
        );
        let ended = Lab::templates("", &text).submit(&[]);
        assert_eq!(
            [ended.phase_of("map"), ended.phase_of("next")].join(" "),
            expected,
            "{codes} {depends}"
        );
    }
}
