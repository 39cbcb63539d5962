//! The exit handler takes whatever it is given.

use anyhow::Result;
use catalog::attempt::Attempt;
use chrono_tz::Tz;
use runtime::failure::Failure;
use runtime::step::Outputs;
use store::Store;

use settings::{NotifyFormat, NotifyOn};

use crate::notify::{self, Channel, Ended, failures};

const ONE: &str = r#"[{"displayName":"data-prep-map(0:000)","message":"main: Error (exit code 10): \"{{x}}\" it's","templateName":"data-prep-map","phase":"Failed","podName":"p-1","finishedAt":"2026-11-24T11:30:00Z"}]"#;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().to_str().unwrap()).unwrap();
    (folder, store)
}

/// Without a webhook.
async fn notify(store: Result<Store>, ended: &Ended, timezone: Tz) -> Result<Outputs> {
    let channel = Channel {
        webhook: Ok(None),
        on: NotifyOn::Always,
        format: NotifyFormat::Json,
    };
    notify::notify(store, ended, timezone, channel).await
}

fn ended(data_version: &str, status: &str, failures: &str) -> Ended {
    Ended {
        workflow: "alameda-pipeline-x1".to_owned(),
        data_version: data_version.to_owned(),
        model_name: String::new(),
        status: status.to_owned(),
        failures: failures.to_owned(),
        duration: "125.5".to_owned(),
    }
}

#[test]
fn failures_are_read_in_every_way_that_argo_writes_them() {
    let quoted = serde_json::to_string(ONE).unwrap();
    let twice = serde_json::to_string(&quoted).unwrap();
    let escaped = quoted.trim_matches('"').to_owned();
    for text in [ONE.to_owned(), quoted, twice, escaped, format!("  {ONE}\n")] {
        let found = failures(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].display_name, "data-prep-map(0:000)", "{text}");
        assert_eq!(
            found[0].message, "main: Error (exit code 10): \"{{x}}\" it's",
            "{text}"
        );
    }
    for text in [
        "",
        "null",
        "[]",
        "\"[]\"",
        "\"null\"",
        "{{workflow.failures}}",
        "  ",
    ] {
        assert_eq!(failures(text), [], "{text:?}");
    }
    assert_eq!(
        failures("the pod was deleted")[0].message,
        "the pod was deleted"
    );
    assert_eq!(failures("[{\"displayName\": 3}, {}]").len(), 2);
}

#[tokio::test]
async fn a_second_end_of_a_workflow_is_counted() {
    let (_folder, store) = store();
    let key = "_attempts/25.05.1/alameda-pipeline-x1.json";
    notify(Ok(store.clone()), &ended("25.05.1", "Failed", ONE), Tz::UTC)
        .await
        .unwrap();
    let first: Attempt = store.require_json(key).await.unwrap();
    assert_eq!(
        (
            first.attempts,
            first.status.as_str(),
            first.duration_seconds
        ),
        (1, "Failed", Some(125.5))
    );
    assert_eq!(first.failures[0].template_name, "data-prep-map");

    notify(
        Ok(store.clone()),
        &ended("25.05.1", "Succeeded", "null"),
        Tz::UTC,
    )
    .await
    .unwrap();
    let second: Attempt = store.require_json(key).await.unwrap();
    assert_eq!(
        (
            second.attempts,
            second.status.as_str(),
            second.failures.len()
        ),
        (2, "Succeeded", 0)
    );

    store.put(key, b"{".to_vec()).await.unwrap();
    notify(
        Ok(store.clone()),
        &ended("25.05.1", "Succeeded", "[]"),
        Tz::UTC,
    )
    .await
    .unwrap();
    assert_eq!(
        store.require_json::<Attempt>(key).await.unwrap().attempts,
        1
    );
}

#[tokio::test]
async fn an_instant_is_recorded_under_its_date() {
    let (_folder, store) = store();
    let berlin = "Europe/Berlin".parse().unwrap();
    notify(
        Ok(store.clone()),
        &ended("2026-11-23T23:30:00Z", "Succeeded", "[]"),
        berlin,
    )
    .await
    .unwrap();
    assert_eq!(
        store.list("_attempts").await.unwrap()[0].key,
        "_attempts/2026-11-24/alameda-pipeline-x1.json"
    );
}

#[test]
fn the_predictions_tell_data_version_and_model() {
    let key = "results/25.05.1/customer-classifier/v3/_manifest.json";
    let message = ended("", "Failed", ONE).about(key);
    assert_eq!(
        (message.data_version.as_str(), message.model_name.as_str()),
        ("25.05.1", "customer-classifier")
    );
    assert_eq!(
        ended("25.05.2", "Failed", ONE).about(key).data_version,
        "25.05.2"
    );
    assert_eq!(
        ended("", "Failed", ONE)
            .about("{{workflow.parameters.results-manifest}}")
            .data_version,
        ""
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_fail_the_handler() {
    let (_folder, store) = store();
    for data_version in ["", "a/b", "{{workflow.parameters.data-version}}", ".."] {
        notify(
            Ok(store.clone()),
            &ended(data_version, "Failed", ONE),
            Tz::UTC,
        )
        .await
        .unwrap();
    }
    assert_eq!(store.list("").await.unwrap(), []);
    let missing = Err(Failure::usage("--store-url is missing"));
    notify(missing, &ended("25.05.1", "Failed", ONE), Tz::UTC)
        .await
        .unwrap();
    let unreachable = Err(Failure::Unavailable("the store is down".to_owned()).into());
    assert!(
        notify(unreachable, &ended("25.05.1", "Failed", ONE), Tz::UTC)
            .await
            .is_err()
    );
}
