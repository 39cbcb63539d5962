//! `notify`: the exit handler. It records how a workflow ended, and tells it in the log.
//!
//! It runs when something went wrong, perhaps with its own arguments: whatever it can't read it tells of, and goes on.

use anyhow::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::failure;
use common::layout::{self, DataVersion};
use common::step::Outputs;
use common::store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FORMAT_VERSION: u32 = 1;
/// Failures that the log names; the record holds all.
const NAMED: usize = 20;

/// What Argo tells of a workflow that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) workflow: String,
    pub(crate) data_version: String,
    pub(crate) status: String,
    pub(crate) failures: String,
    pub(crate) duration: String,
}

/// How a workflow ended, as it stands in `_attempts/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) format_version: u32,
    pub(crate) workflow: String,
    pub(crate) data_version: DataVersion,
    /// Argo's word: `Succeeded`, `Failed` or `Error`.
    pub(crate) status: String,
    /// `null` when Argo did not tell.
    pub(crate) duration_seconds: Option<f64>,
    /// How often the workflow has ended: a retried one ends again.
    pub(crate) attempts: u32,
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) failures: Vec<NodeFailure>,
}

/// A node that failed, in Argo's words. What Argo leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NodeFailure {
    pub(crate) display_name: String,
    pub(crate) template_name: String,
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) pod_name: String,
    pub(crate) finished_at: String,
}

/// `store` is an error where none could be opened.
pub(crate) async fn notify(store: Result<Store>, ended: &Ended, timezone: Tz) -> Result<Outputs> {
    let failures = failures(&ended.failures);
    let duration_seconds = ended.duration.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite());
    tell(ended, duration_seconds, &failures);
    let (store, data_version) = match (store, DataVersion::parse(&ended.data_version, timezone)) {
        (Ok(store), Ok(data_version)) => (store, data_version),
        (Err(error), _) if failure::exit_code(&error) != failure::USAGE => return Err(error),
        (Err(error), _) | (Ok(_), Err(error)) => {
            tracing::warn!("the attempt is not recorded: {error:#}");
            return Ok(Outputs::new());
        }
    };
    let key = layout::attempt(&data_version, &ended.workflow);
    let attempt = Attempt {
        format_version: FORMAT_VERSION,
        workflow: ended.workflow.clone(),
        data_version,
        status: ended.status.clone(),
        duration_seconds,
        attempts: earlier(&store, &key).await? + 1,
        recorded_at: DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default(),
        failures,
    };
    store.put_json(&key, &attempt).await?;
    tracing::info!(key, attempts = attempt.attempts, "the attempt is recorded");
    Ok(Outputs::new())
}

/// How often the workflow had ended before; a record that can't be read is written anew.
async fn earlier(store: &Store, key: &str) -> Result<u32> {
    let Some(bytes) = store.get(key).await? else { return Ok(0) };
    Ok(serde_json::from_slice::<Attempt>(&bytes).map_or(0, |attempt| attempt.attempts))
}

fn tell(ended: &Ended, duration_seconds: Option<f64>, failures: &[NodeFailure]) {
    let Ended { workflow, data_version, status, .. } = ended;
    let status = if status.is_empty() { "unknown" } else { status };
    let took = duration_seconds.map(|seconds| format!(" after {}", duration(seconds))).unwrap_or_default();
    let summary = format!("workflow {workflow} for data version {data_version} ended as {status}{took}");
    if status == "Succeeded" {
        tracing::info!(status, "{summary}");
    } else {
        tracing::warn!(status, failures = failures.len(), "{summary}");
    }
    for failure in failures.iter().take(NAMED) {
        tracing::warn!(
            node = failure.display_name,
            template = failure.template_name,
            "{} {}: {}",
            failure.display_name,
            if failure.phase.is_empty() { "Failed" } else { &failure.phase },
            failure.message
        );
    }
    if failures.len() > NAMED {
        tracing::warn!("and {} more failures", failures.len() - NAMED);
    }
}

/// `1 h 2 min`, `3 min 4 s`, `5.2 s`.
fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{:.1} s", seconds.max(0.0)),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Reads `{{workflow.failures}}`: a JSON list, which may stand in quotes and be escaped, once or twice. What Argo did not
/// fill in, `null` and nothing are no failures. A text of another kind is kept as the message of one.
pub(crate) fn failures(text: &str) -> Vec<NodeFailure> {
    let mut text = text.trim().to_owned();
    for _ in 0..3 {
        if text.is_empty() || text.starts_with("{{") {
            return Vec::new();
        }
        // An escaped text without its quotes gets them back.
        let parsed = serde_json::from_str(&text).or_else(|_| serde_json::from_str(&format!("\"{text}\"")));
        match parsed {
            Ok(Value::Null) => return Vec::new(),
            Ok(Value::String(inner)) if inner != text => text = inner.trim().to_owned(),
            Ok(Value::Array(items)) => return items.into_iter().map(node_failure).collect(),
            Ok(item @ Value::Object(_)) => return vec![node_failure(item)],
            _ => break,
        }
    }
    vec![NodeFailure { message: text, ..NodeFailure::default() }]
}

fn node_failure(item: Value) -> NodeFailure {
    let text = item.to_string();
    serde_json::from_value(item).unwrap_or_else(|_| NodeFailure { message: text, ..NodeFailure::default() })
}
