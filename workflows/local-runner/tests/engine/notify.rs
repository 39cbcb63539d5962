//! The exit handler of the real pipeline, and the webhook that it tells.

use testing::Receiver;

const SECRET: &str = "wrong-secret-7Jp4";

/// `alameda ARGUMENTS` in a folder, with a webhook.
fn alameda(home: &std::path::Path, receiver: &Receiver, arguments: &[&str]) -> super::lab::Ran {
    let mut command = testing::command(env!("CARGO_BIN_EXE_alameda"));
    command
        .env("NOTIFY_URL", receiver.url(SECRET))
        .env("RUST_LOG", "trace")
        .current_dir(home)
        .args(arguments);
    command.output().unwrap().into()
}

/// All files below a folder, as text.
fn everything(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text += &match path.is_dir() {
            true => everything(&path),
            false => String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
        };
    }
    text
}

#[test]
fn each_end_of_a_workflow_is_sent_once_and_nothing_shows_the_url() {
    let (home, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    let submit = [
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=1",
        "-p",
        "model-name=churn",
    ];
    // There are no raw files.
    let mut printed = alameda(home.path(), &receiver, &submit).expect(1).stderr;
    let received = receiver.take();
    assert_eq!(received.len(), 1);
    let body = &received[0].body;
    assert_eq!(
        (&body["status"], &body["attempts"], &body["model_name"]),
        (&"Failed".into(), &1.into(), &"churn".into())
    );
    let failures = body["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{body:#}");
    assert_eq!(failures[0]["name"], "data-prep-plan(0)");
    assert!(
        failures[0]["message"]
            .as_str()
            .unwrap()
            .contains("Error (exit code 2)"),
        "{body:#}"
    );

    // It fails again: another end.
    printed += &alameda(home.path(), &receiver, &["retry", "@latest"])
        .expect(1)
        .stderr;
    let received = receiver.take();
    assert_eq!(
        (received.len(), &received[0].body["attempts"]),
        (1, &2.into())
    );

    // It succeeds: no failure. And the handler reported no success.
    let sample = [
        "sample-data",
        "--rows-per-file=2000",
        "--train-files=2",
        "--predict-files=1",
    ];
    alameda(home.path(), &receiver, &sample).expect(0);
    printed += &alameda(home.path(), &receiver, &["retry", "@latest"])
        .expect(0)
        .stderr;
    assert_eq!(receiver.take(), []);
    assert!(
        !printed.contains(SECRET) && !everything(&home.path().join(".alameda")).contains(SECRET)
    );
}

#[test]
fn a_webhook_that_refuses_fails_the_workflow_and_a_retry_tells() {
    let (home, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    receiver.answer(&[404]);
    let submit = [
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=1",
    ];
    let ran = alameda(home.path(), &receiver, &submit).expect(1);
    assert!(
        ran.stderr
            .contains("refuses sending the outcome of the workflow: 404 Not Found"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
    receiver.take();
    alameda(home.path(), &receiver, &["retry", "@latest"]).expect(1);
    assert_eq!(receiver.take().len(), 1);
}
