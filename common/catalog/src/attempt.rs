//! Records of how workflows ended: one for each workflow and data version, under `_attempts/`.
//!
//! `model-monitoring notify` writes them; backfills and the dashboard go by them.
//!
//! ```
//! use catalog::attempt::Attempt;
//!
//! let attempt: Attempt = serde_json::from_str(
//!     r#"{
//!         "format_version": 1,
//!         "workflow": "alameda-pipeline-x7k2p",
//!         "data_version": "2026-11-23",
//!         "model_name": "churn",
//!         "status": "Failed",
//!         "duration_seconds": 61.25,
//!         "attempts": 1,
//!         "recorded_at": "2026-11-23T02:31:00Z",
//!         "failures": []
//!     }"#,
//! )?;
//! assert!(attempt.is_of(&"churn".parse().map_err(anyhow::Error::msg)?));
//! assert!(!attempt.is_of(&"fraud".parse().map_err(anyhow::Error::msg)?));
//! # Ok::<(), anyhow::Error>(())
//! ```

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::layout::{DataVersion, ModelName};

/// The shape that this version of the code writes.
pub const FORMAT_VERSION: u32 = 1;

/// How a workflow ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the workflow.
    pub workflow: String,
    /// The data version that it was for.
    pub data_version: DataVersion,
    /// The model that it was for; empty when it is not known.
    #[serde(default)]
    pub model_name: String,
    /// Argo's word: `Succeeded`, `Failed` or `Error`.
    pub status: String,
    /// `null` when Argo did not say.
    pub duration_seconds: Option<f64>,
    /// How often the workflow has ended: a retried one ends again.
    pub attempts: u32,
    /// When the last end was recorded.
    pub recorded_at: DateTime<Utc>,
    /// What failed.
    pub failures: Vec<NodeFailure>,
    /// Names this end among all of the workflow.
    #[serde(default)]
    pub end: String,
    /// When the webhook took the message about this end.
    #[serde(default)]
    pub notified_at: Option<DateTime<Utc>>,
}

impl Attempt {
    /// Whether it is about a model: one that does not say which is about each.
    pub fn is_of(&self, model_name: &ModelName) -> bool {
        self.model_name.is_empty() || self.model_name == model_name.to_string()
    }
}

/// A node that failed, in Argo's words. What Argo leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeFailure {
    /// What people call it.
    pub display_name: String,
    /// Its template.
    pub template_name: String,
    /// `Failed` or `Error`.
    pub phase: String,
    /// Why.
    pub message: String,
    /// Its pod.
    pub pod_name: String,
    /// When it ended.
    pub finished_at: String,
}
