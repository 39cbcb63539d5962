//! Ctrl-C, kill -9, and what is left behind.

use std::process::{Child, Stdio};

use crate::lab::{Lab, lives, until};

/// A leaf that is done, then one that waits for a file.
const WAITS: &str = r#"
  - name: main
    dag:
      tasks:
      - {name: done, template: done}
      - {name: waits, depends: done, template: waits}
      - {name: after, depends: waits, template: done}
  - {name: done, container: {command: [sh, -c, 'echo done >> $LAB/done']}}
  - name: waits
    retryStrategy: {limit: '2', retryPolicy: Always}
    container: {command: [sh, -c, '[ ! -e $LAB/go ] || exit 0; sleep 1000 & echo "$$ $!" > $LAB/pids.new; mv $LAB/pids.new $LAB/pids; wait']}
"#;

/// Submits in the background, and waits until `waits` runs; gives the process ids of its shell and
/// of what that started.
fn begin(lab: &Lab) -> (Child, Vec<String>) {
    let mut command = lab.command(&["submit", "--from", "workflowtemplate/t", "--name", "w"]);
    let runner = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pids: Vec<_> = lab
        .wait_for("pids")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert!(pids.iter().all(|pid| lives(pid)));
    (runner, pids)
}

fn kill(signal: &str, pid: u32) {
    let status = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn ctrl_c_ends_the_steps_and_all_that_they_started_and_a_retry_goes_on() {
    let lab = Lab::templates("", WAITS);
    let (runner, pids) = begin(&lab);
    kill("-INT", runner.id());
    let output = runner.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    // Whatever is killed may wait for a core to end on.
    until("nothing to be left running", || {
        pids.iter().all(|pid| !lives(pid))
    });
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains("stopping the running steps"), "{printed}");
    assert!(
        printed.contains("Stopped with strategy 'Terminate'") && printed.contains("retry w"),
        "{printed}"
    );

    let stopped = lab.workflow(&["get", "w"], 0);
    assert_eq!(
        (
            stopped.phase(),
            stopped.phase_of("waits"),
            stopped.message("waits(0)")
        ),
        ("Failed", "Failed", "main: Error (exit code 143)")
    );
    assert!(stopped.find("after").is_none() && stopped.find("onExit").is_none());
    lab.write("go", "");
    let ended = lab.workflow(&["retry", "w"], 0);
    assert_eq!(ended.phase_of("after"), "Succeeded");
    assert_eq!(
        lab.read("done"),
        "done\ndone\n",
        "`done` ran once, and `after` once"
    );
}

#[test]
fn a_killed_runner_leaves_no_step_and_a_state_from_which_retry_goes_on() {
    let lab = Lab::templates("", WAITS);
    let (mut runner, pids) = begin(&lab);
    let busy = lab.alameda(&["retry", "w"]).expect(2);
    assert!(
        busy.stderr.contains("another runner is running w"),
        "{}",
        busy.stderr
    );
    assert!(lab.alameda(&["list"]).expect(0).stdout.contains("Running"));

    kill("-KILL", runner.id());
    runner.wait().unwrap();
    until("the step to be gone", || !lives(&pids[0]));
    let dead = lab.workflow(&["get", "w"], 0);
    assert_eq!(
        (dead.phase(), dead.phase_of("waits(0)")),
        ("Error", "Error")
    );
    assert!(dead.message("waits(0)").contains("the runner died"));

    lab.write("go", "");
    let ended = lab.workflow(&["retry", "w"], 0);
    assert_eq!(ended.phase(), "Succeeded");
    assert_eq!(lab.read("done"), "done\ndone\n");
    // The shell's own child outlives it: only a container could catch that.
    let _ = std::process::Command::new("kill")
        .args(["-9", &pids[1]])
        .stderr(Stdio::null())
        .status();
}

#[test]
fn a_step_that_ignores_sigterm_is_killed_by_a_second_ctrl_c() {
    let lab = Lab::templates(
        "",
        "  - {name: main, container: {command: [sh, -c, 'trap \"\" TERM; echo $$ > $LAB/pids; while true; do sleep 0.1; done']}}\n",
    );
    let (runner, pids) = begin(&lab);
    kill("-INT", runner.id());
    kill("-INT", runner.id());
    // Two signals that come close together may count as one.
    until("the runner to be gone or asked again", || {
        kill_quietly(runner.id());
        !lives(&pids[0])
    });
    assert_eq!(runner.wait_with_output().unwrap().status.code(), Some(130));
}

fn kill_quietly(pid: u32) {
    let _ = std::process::Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}
