//! `notify`: the exit handler. It records the outcome of a workflow, and sends it to the log and to
//! a webhook.
//!
//! It runs when something went wrong, perhaps with its own arguments: it reports whatever it can't
//! read, and goes on. Argo runs it again when it retries it, and when it retries the workflow.
//! The record of the attempt remembers which end was sent: the same end is sent once, a new one
//! again.

mod message;

use crate::webhook::Webhook;
use anyhow::Result;
use catalog::attempt::{self, Attempt, NodeFailure};
use catalog::layout::{self, DataVersion};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use pages::format::duration;
use runtime::failure;
use runtime::step::Outputs;
use serde_json::Value;
use settings::{NotifyFormat, NotifyOn};
use store::Store;
use store::digest;

/// Failures that the log and a message name; the record holds all.
const NAMED: usize = 20;
/// The leaf of this verb. When its first try failed, it stands among the failures itself.
const OWN_LEAF: &str = "model-monitoring-notify";

/// Where an outcome is sent, besides the log.
#[derive(Debug)]
pub(crate) struct Channel {
    /// An error where its URL makes no sense.
    pub(crate) webhook: Result<Option<Webhook>>,
    pub(crate) on: NotifyOn,
    pub(crate) format: NotifyFormat,
}

impl Channel {
    fn wants(&self, status: &str) -> bool {
        match self.on {
            NotifyOn::Always => true,
            NotifyOn::Failure => status != "Succeeded",
            NotifyOn::Never => false,
        }
    }
}

/// What Argo reports of a workflow that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) workflow: String,
    pub(crate) data_version: String,
    /// Empty when it is not known.
    pub(crate) model_name: String,
    pub(crate) status: String,
    pub(crate) failures: String,
    pub(crate) duration: String,
}

impl Ended {
    /// Adds what the key of the predictions' manifest contains, where it is not known.
    pub(crate) fn about(mut self, results_manifest: &str) -> Self {
        if let Some((data_version, model_name)) = layout::parse_results_manifest(results_manifest) {
            for (known, parsed) in [
                (&mut self.data_version, data_version),
                (&mut self.model_name, model_name),
            ] {
                if known.is_empty() {
                    parsed.clone_into(known);
                }
            }
        }
        self
    }
}

/// The record of an end, and where it stands.
struct Record {
    store: Store,
    key: String,
    attempt: Attempt,
}

/// `store` is an error where none could be opened.
///
/// # Errors
/// A store or a webhook that does not answer: exit 75. A webhook that refuses the message, or whose
/// URL makes no sense: exit 2. The record stands by then, unless it is the store that fails.
pub(crate) async fn notify(
    store: Result<Store>,
    ended: &Ended,
    timezone: Tz,
    channel: Channel,
) -> Result<Outputs> {
    let failures = failures(&ended.failures);
    let end = end(ended, &failures);
    let duration_seconds = ended
        .duration
        .trim()
        .parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite());
    log_outcome(ended, duration_seconds, &failures);
    let recorded = match (store, DataVersion::parse(&ended.data_version, timezone)) {
        (Ok(store), Ok(data_version)) => record(
            store,
            ended,
            &end,
            data_version,
            duration_seconds,
            &failures,
        )
        .await
        .map(Some),
        (Err(error), _) if failure::exit_code(&error) != failure::USAGE => Err(error),
        (Err(error), _) | (Ok(_), Err(error)) => {
            tracing::warn!("the attempt is not recorded: {error:#}");
            Ok(None)
        }
    };
    if !channel.wants(&ended.status) {
        return recorded.map(|_| Outputs::new());
    }
    let Some(webhook) = channel.webhook? else {
        return recorded.map(|_| Outputs::new());
    };
    let record = recorded.as_ref().ok().and_then(Option::as_ref);
    if record.is_some_and(|record| record.attempt.notified_at.is_some()) {
        tracing::info!("the webhook has been sent this outcome before");
        return Ok(Outputs::new());
    }
    let report = match record {
        Some(record) => message::report(&record.store, ended, &record.attempt.data_version).await,
        None => None,
    };
    let attempt = record.map(|record| &record.attempt);
    let message = message::Message::new(ended, attempt, duration_seconds, &failures, report, &end);
    // Also when the store does not answer: that may be the very reason why the workflow failed.
    let sent = webhook
        .post(
            "sending the outcome of the workflow",
            &end,
            &message.body(channel.format),
        )
        .await;
    if let (Err(error), Err(_)) = (&sent, &recorded) {
        tracing::warn!("{error:#}");
    }
    let record = recorded?;
    sent?;
    tracing::info!("the webhook was called");
    if let Some(Record {
        store,
        key,
        attempt,
    }) = record
    {
        store
            .put_json(
                &key,
                &Attempt {
                    notified_at: Some(now()),
                    ..attempt
                },
            )
            .await?;
    }
    Ok(Outputs::new())
}

/// Writes the record. The same outcome keeps its number and whether it was sent.
async fn record(
    store: Store,
    ended: &Ended,
    end: &str,
    data_version: DataVersion,
    duration_seconds: Option<f64>,
    failures: &[NodeFailure],
) -> Result<Record> {
    let key = layout::attempt(&data_version, &ended.workflow);
    let earlier = earlier(&store, &key).await?;
    let same = earlier.as_ref().filter(|attempt| attempt.end == end);
    let attempt = Attempt {
        format_version: attempt::FORMAT_VERSION,
        workflow: ended.workflow.clone(),
        data_version,
        model_name: ended.model_name.clone(),
        status: ended.status.clone(),
        duration_seconds,
        attempts: match same {
            Some(same) => same.attempts,
            None => earlier.as_ref().map_or(0, |attempt| attempt.attempts) + 1,
        },
        recorded_at: now(),
        failures: failures.to_vec(),
        notified_at: same.and_then(|same| same.notified_at),
        end: end.to_owned(),
    };
    store.put_json(&key, &attempt).await?;
    tracing::info!(key, attempts = attempt.attempts, "the attempt is recorded");
    Ok(Record {
        store,
        key,
        attempt,
    })
}

/// The record before; one that can't be read is written again.
async fn earlier(store: &Store, key: &str) -> Result<Option<Attempt>> {
    Ok(store
        .get(key)
        .await?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Names an end: equal for each try to report it, and another when the workflow ends again, since
/// what failed then ended at another time. The duration has no part in it: Argo goes on counting.
fn end(ended: &Ended, failures: &[NodeFailure]) -> String {
    // Argo lists them in no order.
    let mut failures: Vec<&NodeFailure> = failures
        .iter()
        .filter(|node| node.template_name != OWN_LEAF)
        .collect();
    failures.sort();
    let text = format!("{}\0{}\0{failures:?}", ended.workflow, ended.status);
    digest::hex(text.as_bytes())[..16].to_owned()
}

/// To the microsecond, as in manifests.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default()
}

/// Logs how the workflow ended, and its failures.
fn log_outcome(ended: &Ended, duration_seconds: Option<f64>, failures: &[NodeFailure]) {
    let Ended {
        workflow,
        data_version,
        status,
        ..
    } = ended;
    let status = if status.is_empty() { "unknown" } else { status };
    let took = duration_seconds
        .map(|seconds| format!(" after {}", duration(seconds, 1)))
        .unwrap_or_default();
    let summary =
        format!("workflow {workflow} for data version {data_version} ended as {status}{took}");
    if status == "Succeeded" {
        tracing::info!(status, "{summary}");
    } else {
        tracing::warn!(status, failures = failures.len(), "{summary}");
    }
    for failure in failures.iter().take(NAMED) {
        tracing::warn!(
            node = failure.display_name,
            template = failure.template_name,
            "{}: {}",
            name(failure),
            why(failure)
        );
    }
    if failures.len() > NAMED {
        tracing::warn!("and {} more failures", failures.len() - NAMED);
    }
}

/// What people call a node, else what else is known of it.
fn name(node: &NodeFailure) -> &str {
    let names = [&node.display_name, &node.template_name, &node.pod_name];
    let known = names.into_iter().find(|name| !name.is_empty());
    known.map_or("a step", String::as_str)
}

/// Why a node failed: a program that was killed leaves no message.
fn why(node: &NodeFailure) -> String {
    let phase = match node.phase.as_str() {
        "" => "Failed",
        phase => phase,
    };
    match node.message.trim() {
        "" => format!("{phase} without a message; its log may say more"),
        message => message.to_owned(),
    }
}

/// Reads `{{workflow.failures}}`: a JSON list, which may be in quotes and be escaped, once or
/// twice. What Argo did not fill in, `null` and nothing are no failures. A text of another kind is
/// kept as the message of one.
pub(crate) fn failures(text: &str) -> Vec<NodeFailure> {
    let mut text = text.trim().to_owned();
    for _ in 0..3 {
        if text.is_empty() || text.starts_with("{{") {
            return Vec::new();
        }
        // An escaped text without its quotes gets them back.
        let parsed =
            serde_json::from_str(&text).or_else(|_| serde_json::from_str(&format!("\"{text}\"")));
        match parsed {
            Ok(Value::Null) => return Vec::new(),
            Ok(Value::String(inner)) if inner != text => text = inner.trim().to_owned(),
            Ok(Value::Array(items)) => return items.into_iter().map(node_failure).collect(),
            Ok(item @ Value::Object(_)) => return vec![node_failure(item)],
            _ => break,
        }
    }
    vec![NodeFailure {
        message: text,
        ..NodeFailure::default()
    }]
}

/// A field that Argo does not know, such as when a stopped pod ended, is `null`.
fn node_failure(mut item: Value) -> NodeFailure {
    let text = item.to_string();
    if let Value::Object(fields) = &mut item {
        fields.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(item).unwrap_or_else(|_| NodeFailure {
        message: text,
        ..NodeFailure::default()
    })
}
