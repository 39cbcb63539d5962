//! What a real Argo 4.1.2 did with `skeleton.yaml`, this runner does too.

use serde_json::Value;

use crate::lab::{Ended, Lab};

fn lab() -> Lab {
    let lab = Lab::new(include_str!("skeleton.yaml"));
    lab.write(
        "config-maps/maps.yaml",
        "kind: ConfigMap\nmetadata: {name: ml-config}\ndata: {features.sql: 'SELECT 1'}\n---\nkind: ConfigMap\nmetadata: {name: ml-config-env}\ndata: {FLOOR: '0.7'}\n",
    );
    lab
}

fn submit(lab: &Lab, from: &str, code: i32, more: &[&str]) -> Ended {
    let submit = ["submit", "--from", from, "--name", "w"];
    lab.workflow(&[&submit[..], more].concat(), code)
}

#[test]
fn the_pipeline_succeeds_as_it_did_on_argo() {
    let lab = lab();
    let ended = submit(
        &lab,
        "workflowtemplate/sk-pipeline",
        0,
        &["-p", "data-version=2.0"],
    );
    assert_eq!(ended.phase(), "Succeeded");
    // Volumes, variables and retries of a leaf work through two levels of templateRef.
    let log = |node: &str| lab.alameda(&["logs", "w", node]).expect(0).stdout;
    assert_eq!(log("training.plan"), "SELECT 1v=2.0 F=0.7\n");
    assert_eq!(
        ended.node("training.plan")["templateRef"]["name"],
        "sk-steps"
    );
    // Exit code 75 is tried again.
    assert_eq!(
        (
            ended.phase_of("flaky"),
            ended.phase_of("flaky(0)"),
            ended.output("flaky", "nn")
        ),
        ("Succeeded", "Failed", "1")
    );
    // The default of the skipped task arrives.
    assert_eq!(ended.phase_of("skipped"), "Skipped");
    assert_eq!(ended.message("skipped"), "when '1 == 99' evaluated false");
    assert_eq!(
        log("report"),
        "keys [\"train/2.0/g0\",\"train/2.0/g1\",\"train/2.0/g2\"] skipped=[d]\n"
    );
    // The entrypoint's outputs are on the root node.
    assert_eq!(ended.output("", "verdict"), "ok");
    assert_eq!(ended.node("")["templateName"], "pipeline");
    assert_eq!(
        lab.read(".alameda/runs/w/artifacts/reports/w/report.html"),
        "<svg/>\n"
    );
    // The last progress that was written stays: of 4 + 4 + 4 and five leaves of 1, one of which
    // failed.
    assert_eq!(ended.node("training.map(0:g0)(0)")["progress"], "3/4");
    // A retried attempt is in the failures also when the workflow succeeded.
    let notified = log("onExit.notify");
    let (status, failures) = notified.split_once(" failures=").unwrap();
    assert!(
        status.starts_with("status=Succeeded ") && status.ends_with(" asof="),
        "{status}"
    );
    let failures: Value = serde_json::from_str(failures).unwrap();
    assert_eq!(failures.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&failures[0]["displayName"], &failures[0]["phase"]),
        (&"flaky(0)".into(), &"Failed".into())
    );
}

#[test]
fn a_failed_item_omits_what_comes_after_it_and_a_retry_runs_all_items_again() {
    let lab = lab();
    let failed = submit(&lab, "workflowtemplate/sk-pipeline", 1, &["-p", "fail=g1"]);
    assert_eq!(failed.phase(), "Failed");
    assert_eq!(
        failed.message("training.map(1:g1)"),
        "retryStrategy.expression evaluated to false"
    );
    let phases = [
        "training.map(0:g0)",
        "training.map(2:g2)",
        "training",
        "report",
    ]
    .map(|name| failed.phase_of(name).to_owned());
    assert_eq!(phases, ["Succeeded", "Succeeded", "Failed", "Omitted"]);
    assert!(
        failed.find("training.map(1:g1)(1)").is_none(),
        "10 is not tried again"
    );
    let notified = lab
        .alameda(&["logs", "w", "onExit.notify"])
        .expect(0)
        .stdout;
    assert!(
        notified.starts_with("status=Failed ") && notified.contains("exit code 10"),
        "{notified}"
    );

    let started =
        |ended: &Ended, name: &str| ended.node(name)["startedAt"].as_str().unwrap().to_owned();
    let ended = lab.workflow(&["retry", "w", "-p", "fail=none"], 0);
    assert_eq!(
        (ended.phase(), ended.output("", "verdict")),
        ("Succeeded", "ok")
    );
    for name in ["flaky", "flaky(0)", "training.plan(0)"] {
        assert_eq!(
            started(&ended, name),
            started(&failed, name),
            "{name} did not run again"
        );
    }
    for name in [
        "training.map(0:g0)(0)",
        "training.map(1:g1)(0)",
        "training.map(2:g2)(0)",
    ] {
        assert_ne!(
            started(&ended, name),
            started(&failed, name),
            "{name} ran again"
        );
    }
}

#[test]
fn a_cron_workflow_shows_the_tag_and_gives_the_time() {
    let lab = lab();
    let time = "2026-09-20T02:30:00Z";
    let ended = submit(&lab, "cronwf/sk-nightly", 0, &["--scheduled-time", time]);
    let parameters = ended.0["spec"]["arguments"]["parameters"]
        .as_array()
        .unwrap();
    let as_of = parameters
        .iter()
        .find(|parameter| parameter["name"] == "as-of")
        .unwrap();
    assert_eq!(as_of["value"], "{{workflow.scheduledTime}}");
    assert_eq!(
        ended.parameter("training.plan", "inputs", "data-version"),
        time
    );
    let notified = lab
        .alameda(&["logs", "w", "onExit.notify"])
        .expect(0)
        .stdout;
    assert!(notified.contains(&format!("asof={time}")), "{notified}");
    let now = lab.workflow(&["submit", "--from", "cronwf/sk-nightly"], 0);
    assert!(now.name().starts_with("sk-nightly-"));
    assert!(
        now.parameter("training.plan", "inputs", "data-version")
            .starts_with("20"),
        "without a time it is now"
    );
}
