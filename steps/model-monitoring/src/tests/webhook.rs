//! What a webhook is sent, by a real HTTP server.

use std::time::Duration;

use crate::webhook::Webhook;
use anyhow::Result;
use catalog::attempt::Attempt;
use chrono_tz::Tz;
use runtime::failure::{Failure, exit_code};
use runtime::retry::Budget;
use runtime::step::Outputs;
use serde_json::json;
use store::Store;
use testing::{Received, Receiver, free_port};

use settings::{NotifyFormat, NotifyOn};

use crate::notify::{self, Channel, Ended};

const TOKEN: &str = "T0/B0/wrong-secret-7Jp4";
const KEY: &str = "_attempts/25.05.1/alameda-pipeline-x1.json";

/// A receiver, and a store that remembers.
struct Lab {
    folder: tempfile::TempDir,
    receiver: Receiver,
    budget: Budget,
    on: NotifyOn,
    format: NotifyFormat,
}

impl Lab {
    fn new() -> Self {
        let (on, format) = (NotifyOn::Failure, NotifyFormat::Json);
        Self {
            folder: tempfile::tempdir().unwrap(),
            receiver: Receiver::start().unwrap(),
            budget: Budget::default(),
            on,
            format,
        }
    }

    fn store(&self) -> Store {
        Store::create(self.folder.path().to_str().unwrap()).unwrap()
    }

    async fn notify(&self, ended: &Ended) -> Result<Outputs> {
        self.notify_at(&self.receiver.url(TOKEN), Ok(self.store()), ended)
            .await
    }

    async fn notify_at(&self, url: &str, store: Result<Store>, ended: &Ended) -> Result<Outputs> {
        let webhook = Webhook::new(url, "NOTIFY_URL", self.budget).map(Some);
        notify::notify(
            store,
            ended,
            Tz::UTC,
            Channel {
                webhook,
                on: self.on,
                format: self.format,
            },
        )
        .await
    }

    async fn record(&self) -> Attempt {
        self.store().require_json(KEY).await.unwrap()
    }

    fn received(&self) -> Vec<Received> {
        self.receiver.take()
    }
}

fn failed(finished_at: &str) -> Ended {
    let failures = json!([
        {"displayName": "alameda-pipeline-x1", "templateName": "pipeline", "phase": "Failed",
         "message": "child 'data-prep-plan' failed", "podName": "p0", "finishedAt": finished_at},
        {"displayName": "data-prep-plan(0)", "templateName": "data-prep-plan", "phase": "Failed",
         "message": "main: Error (exit code 2): a < b", "podName": "p1", "finishedAt": finished_at},
        {"displayName": "data-prep-plan", "templateName": "data-prep-plan", "phase": "Failed",
         "message": "No more retries left", "podName": "p2", "finishedAt": finished_at},
    ]);
    Ended {
        workflow: "alameda-pipeline-x1".to_owned(),
        data_version: "25.05.1".to_owned(),
        model_name: "churn".to_owned(),
        status: "Failed".to_owned(),
        failures: failures.to_string(),
        duration: "125.5".to_owned(),
    }
}

fn succeeded() -> Ended {
    Ended {
        status: "Succeeded".to_owned(),
        failures: "null".to_owned(),
        ..failed("")
    }
}

#[tokio::test]
async fn an_end_is_sent_once_and_a_new_end_again() {
    let lab = Lab::new();
    let ended = failed("2026-11-24T11:30:00Z");
    lab.notify(&ended).await.unwrap();
    let received = lab.received();
    assert_eq!(received.len(), 1);
    let mut body = received[0].body.clone();
    assert_eq!(body["id"], received[0].idempotency_key);
    body["id"] = "".into();
    let expected = json!({
        "id": "", "workflow": "alameda-pipeline-x1", "data_version": "25.05.1", "model_name": "churn", "status": "Failed",
        "attempts": 1, "duration_seconds": 125.5, "more_failures": 0, "retried_attempts": 0,
        "failures": [{"name": "data-prep-plan(0)", "message": "main: Error (exit code 2): a < b"}],
        "next": null, "verdict": null, "report": null,
    });
    assert_eq!(body, expected);

    // The leaf is tried again: Argo lists the same in another order, with the leaf's own first try,
    // and has gone on counting.
    let mut nodes: Vec<serde_json::Value> = serde_json::from_str(&ended.failures).unwrap();
    nodes.reverse();
    nodes.push(json!({"displayName": "model-monitoring-notify(0)", "templateName": "model-monitoring-notify"}));
    let again = Ended {
        failures: json!(nodes).to_string(),
        duration: "190".to_owned(),
        ..ended
    };
    lab.notify(&again).await.unwrap();
    assert_eq!(lab.received(), []);
    assert_eq!(lab.record().await.attempts, 1);

    // The workflow was retried, and failed at the same place.
    lab.notify(&failed("2026-11-24T12:00:00Z")).await.unwrap();
    let received = lab.received();
    assert_eq!(
        (received.len(), &received[0].body["attempts"]),
        (1, &json!(2))
    );
    assert_eq!(lab.record().await.attempts, 2);
}

/// Argo's own words for a run that was stopped, and for a pod whose image could not be pulled.
#[tokio::test]
async fn what_argos_words_do_not_say_is_said_with_the_name_of_the_run() {
    let lab = Lab::new();
    let messages = [
        (
            "Stopped with strategy 'Stop'",
            "`argo resubmit alameda-pipeline-x1` continues",
        ),
        (
            "Pod was active on the node longer than the specified deadline",
            "`kubectl get events --sort-by=.lastTimestamp`",
        ),
    ];
    for (finished_at, (message, advice)) in ["1", "2"].into_iter().zip(messages) {
        let ended = failed(finished_at);
        let ended = Ended {
            failures: ended
                .failures
                .replace("main: Error (exit code 2): a < b", message),
            ..ended
        };
        lab.notify(&ended).await.unwrap();
        let next = lab.received()[0].body["next"].clone();
        assert!(next.as_str().unwrap().contains(advice), "{next}");
        let lab = Lab {
            format: NotifyFormat::Slack,
            ..Lab::new()
        };
        lab.notify(&ended).await.unwrap();
        let text = lab.received()[0].body["text"].clone();
        assert!(text.as_str().unwrap().contains(advice), "{text}");
    }
}

#[tokio::test]
async fn the_ends_that_are_sent_are_chosen() {
    for (on, after_failure, after_success) in [
        (NotifyOn::Always, 1, 1),
        (NotifyOn::Failure, 1, 0),
        (NotifyOn::Never, 0, 0),
    ] {
        let lab = Lab { on, ..Lab::new() };
        lab.notify(&failed("1")).await.unwrap();
        assert_eq!(lab.received().len(), after_failure, "{on:?}");
        lab.notify(&succeeded()).await.unwrap();
        assert_eq!(lab.received().len(), after_success, "{on:?}");
        assert_eq!(lab.record().await.attempts, 2, "{on:?}");
    }
}

#[tokio::test]
async fn slack_gets_a_text_with_the_report_of_this_workflow() {
    let lab = Lab {
        on: NotifyOn::Always,
        format: NotifyFormat::Slack,
        ..Lab::new()
    };
    let report = |workflow: &str, verdict: &str, version: u32| {
        let html = format!("reports/25.05.1/churn/v{version}/report.html");
        json!({"workflow": workflow, "verdict": verdict, "html": {"key": html}})
    };
    for (version, workflow, verdict) in [(1, "another", "ok"), (2, "alameda-pipeline-x1", "alert")]
    {
        let key = format!("reports/25.05.1/churn/v{version}/report.json");
        lab.store()
            .put_json(&key, &report(workflow, verdict, version))
            .await
            .unwrap();
    }
    lab.notify(&succeeded()).await.unwrap();
    let page = format!(
        "{}/reports/25.05.1/churn/v2/report.html",
        lab.folder.path().display()
    );
    let text = "*alameda-pipeline-x1* ended as Succeeded for data version 25.05.1, model churn, after 2 min 5 s";
    assert_eq!(
        lab.received()[0].body,
        json!({"text": format!("{text}\nVerdict: alert\nReport: {page}")})
    );

    lab.notify(&failed("1")).await.unwrap();
    let text = lab.received()[0].body["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("attempt 2")
            && text.contains("• data-prep-plan(0): main: Error (exit code 2): a &lt; b"),
        "{text}"
    );
}

#[tokio::test]
async fn a_webhook_that_is_overloaded_is_asked_again() {
    let lab = Lab::new();
    lab.receiver.answer(&[503, 429, 408]);
    lab.notify(&failed("1")).await.unwrap();
    let received = lab.received();
    assert_eq!(received.len(), 4);
    assert!(
        received.iter().all(|message| message == &received[0]),
        "and can tell that it is the same message"
    );
    assert!(lab.record().await.notified_at.is_some());
}

#[tokio::test]
async fn a_refusal_is_final_and_the_next_try_tells() {
    for status in [400, 401, 403, 404, 410, 302] {
        let lab = Lab::new();
        lab.receiver.answer(&[status]);
        let error = lab.notify(&failed("1")).await.unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        let text = format!("{error:#} {error:?}");
        assert!(
            text.contains("the webhook at 127.0.0.1:") && text.contains("correct NOTIFY_URL"),
            "{text}"
        );
        assert!(!text.contains("wrong-secret"), "{text}");
        assert_eq!(lab.received().len(), 1, "{status}");
        let record = lab.record().await;
        assert_eq!(
            (record.status.as_str(), record.notified_at),
            ("Failed", None),
            "the record stands"
        );
        lab.notify(&failed("1")).await.unwrap();
        assert_eq!(lab.received().len(), 1);
        assert_eq!(lab.record().await.attempts, 1);
    }
}

#[tokio::test]
async fn a_webhook_that_is_away_is_worth_another_try_and_its_url_is_not_shown() {
    let mut lab = Lab::new();
    lab.budget = Budget(Duration::from_secs(2));
    let away = format!("http://127.0.0.1:{}/{TOKEN}", free_port().unwrap());
    let error = lab
        .notify_at(&away, Ok(lab.store()), &failed("1"))
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 75);
    let text = format!("{error:#} {error:?}");
    assert!(
        text.contains("the webhook at 127.0.0.1:") && text.contains("no connection"),
        "{text}"
    );
    assert!(!text.contains("wrong-secret"), "{text}");
    for url in ["wrong-secret-7Jp4", "ftp://wrong-secret-7Jp4/", "https://"] {
        let error = lab
            .notify_at(url, Ok(lab.store()), &failed("1"))
            .await
            .unwrap_err();
        assert!(
            exit_code(&error) == 2 && !format!("{error:#}").contains("wrong-secret"),
            "{error:#}"
        );
    }
    let shown = format!(
        "{:?}",
        Webhook::new(&away, "NOTIFY_URL", Budget::default()).unwrap()
    );
    assert!(
        shown.contains("127.0.0.1") && !shown.contains("wrong-secret"),
        "{shown}"
    );
    lab.budget = Budget::default();
    lab.notify(&failed("1")).await.unwrap();
    assert_eq!(lab.received().len(), 1);
    let record = String::from_utf8(lab.store().require(KEY).await.unwrap()).unwrap();
    assert!(
        !record.contains("wrong-secret") && record.contains("notified_at"),
        "{record}"
    );
}

#[tokio::test]
async fn an_end_is_sent_when_nothing_can_be_recorded() {
    let lab = Lab::new();
    let url = lab.receiver.url(TOKEN);
    let down = || Err(Failure::Unavailable("the store is down".to_owned()).into());
    let error = lab.notify_at(&url, down(), &failed("1")).await.unwrap_err();
    assert!(
        exit_code(&error) == 75 && error.to_string().contains("the store is down"),
        "{error:#}"
    );
    let received = lab.received();
    assert_eq!(
        (received.len(), &received[0].body["attempts"]),
        (1, &json!(null))
    );
    let unfilled = Ended {
        data_version: "{{workflow.parameters.data-version}}".to_owned(),
        ..failed("1")
    };
    lab.notify(&unfilled).await.unwrap();
    assert_eq!(lab.received()[0].body["data_version"], json!(null));
}
