//! What goes over the wire, typed: the server takes a wrong type in silence and drops what comes
//! after it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::{MODEL_NAME_TAG, Metric, RunRecord, Status};
use super::names;

/// A parameter or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) value: String,
}

/// Tags fitted to the limits.
pub(super) fn tags<'a>(
    tags: impl IntoIterator<Item = (&'a String, &'a String)>,
    limit: usize,
) -> Vec<KeyValue> {
    let tag = |(key, value): (&String, &String)| KeyValue {
        key: names::key(key),
        value: names::value(value, limit),
    };
    tags.into_iter().map(tag).collect()
}

/// The values of tags by their keys.
pub(super) fn map(tags: Vec<KeyValue>) -> BTreeMap<String, String> {
    tags.into_iter()
        .map(|KeyValue { key, value }| (key, value))
        .collect()
}

/// An answer whose content does not matter.
#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentFound {
    pub(super) experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    pub(super) experiment_id: String,
    #[serde(default)]
    pub(super) lifecycle_stage: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ExperimentsFound {
    #[serde(default)]
    pub(super) experiments: Vec<Experiment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentCreated {
    pub(super) experiment_id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RunsFound {
    #[serde(default)]
    pub(super) runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunFound {
    pub(super) run: Run,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Run {
    pub(super) info: RunInfo,
    #[serde(default)]
    pub(super) data: RunData,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct RunInfo {
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) run_name: String,
    #[serde(default)]
    pub(super) experiment_id: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) start_time: i64,
    #[serde(default, deserialize_with = "number")]
    pub(super) end_time: i64,
    #[serde(default)]
    pub(super) artifact_uri: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RunData {
    #[serde(default)]
    metrics: Vec<MetricFound>,
    #[serde(default)]
    params: Vec<KeyValue>,
    #[serde(default)]
    pub(super) tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Deserialize)]
struct MetricFound {
    key: String,
    #[serde(deserialize_with = "number")]
    value: f64,
    #[serde(default, deserialize_with = "number")]
    timestamp: i64,
}

/// A number, also where it stands as a text: a 64 bit integer may, and `NaN` does.
fn number<'de, D: Deserializer<'de>, N: Deserialize<'de> + std::str::FromStr>(
    deserializer: D,
) -> Result<N, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<N> {
        Number(N),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a number"))),
    }
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

impl Run {
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        self.data
            .tags
            .iter()
            .find(|tag| tag.key == name)
            .map(|tag| tag.value.as_str())
    }

    pub(super) fn status(&self) -> Status {
        match self.info.status.as_str() {
            "FINISHED" => Status::Finished,
            "FAILED" => Status::Failed,
            "KILLED" => Status::Killed,
            _ => Status::Running,
        }
    }

    pub(super) fn record(self) -> RunRecord {
        let status = self.status();
        let tag = |name: &str| self.tag(name).map(str::to_owned);
        let (parent_run_id, model_name) = (tag("mlflow.parentRunId"), tag(MODEL_NAME_TAG));
        let metric = |found: MetricFound| {
            (
                found.key,
                Metric {
                    value: found.value,
                    timestamp: time(found.timestamp),
                },
            )
        };
        RunRecord {
            run_id: self.info.run_id,
            name: self.info.run_name,
            model_name: model_name.and_then(|name| name.parse().ok()),
            parent_run_id,
            status,
            start_time: time(self.info.start_time),
            // A run that was reopened keeps the end that it had.
            end_time: (status != Status::Running).then(|| time(self.info.end_time)),
            params: map(self.data.params),
            metrics: self.data.metrics.into_iter().map(metric).collect(),
            tags: map(self.data.tags),
            datasets: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct NewRun<'a> {
    pub(super) experiment_id: &'a str,
    pub(super) run_name: String,
    pub(super) start_time: i64,
    pub(super) tags: &'a [KeyValue],
}

#[derive(Debug, Serialize)]
pub(super) struct SearchRuns<'a> {
    pub(super) experiment_ids: &'a [String],
    pub(super) filter: String,
    pub(super) order_by: &'a [&'a str],
    pub(super) max_results: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct UpdateRun<'a> {
    pub(super) run_id: &'a str,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<i64>,
}

/// A batch within the limits: at most 1000 entries in all, and 100 parameters and 100 tags.
#[derive(Debug, Serialize)]
pub(super) struct LogBatch<'a> {
    pub(super) run_id: &'a str,
    pub(super) metrics: &'a [MetricLogged],
    pub(super) params: &'a [KeyValue],
    pub(super) tags: &'a [KeyValue],
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct MetricLogged {
    pub(super) key: String,
    /// Finite.
    pub(super) value: f64,
    pub(super) timestamp: i64,
    pub(super) step: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct LogInputs<'a> {
    pub(super) run_id: &'a str,
    pub(super) datasets: Vec<DatasetInput>,
}

#[derive(Debug, Serialize)]
pub(super) struct DatasetInput {
    pub(super) dataset: DatasetLogged,
    pub(super) tags: Vec<KeyValue>,
}

#[derive(Debug, Serialize)]
pub(super) struct DatasetLogged {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) source_type: &'static str,
    /// JSON in a text, as the two that follow.
    pub(super) source: String,
    pub(super) schema: String,
    pub(super) profile: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ArtifactsFound {
    #[serde(default)]
    pub(super) files: Vec<ArtifactFound>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ArtifactFound {
    pub(super) path: String,
    /// Left out when it is 0.
    #[serde(default, deserialize_with = "number")]
    pub(super) file_size: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServerInfo {
    #[serde(default)]
    pub(super) artifacts_presigned_only: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelVersionFound {
    pub(super) model_version: ModelVersion,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelVersionsFound {
    #[serde(default)]
    pub(super) model_versions: Vec<ModelVersion>,
    #[serde(default)]
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelsFound {
    #[serde(default)]
    pub(super) registered_models: Vec<RegisteredModel>,
    #[serde(default)]
    pub(super) next_page_token: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelFound {
    pub(super) registered_model: RegisteredModel,
}

#[derive(Debug, Deserialize)]
pub(super) struct RegisteredModel {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) aliases: Vec<Alias>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alias {
    pub(super) alias: String,
    #[serde(deserialize_with = "number")]
    pub(super) version: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelVersion {
    #[serde(deserialize_with = "number")]
    pub(super) version: u64,
    #[serde(default, deserialize_with = "number")]
    pub(super) creation_timestamp: i64,
    #[serde(default)]
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) tags: Vec<KeyValue>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
}

impl ModelVersion {
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag.key == name)
            .map(|tag| tag.value.as_str())
    }

    pub(super) fn created_at(&self) -> DateTime<Utc> {
        time(self.creation_timestamp)
    }
}

#[derive(Debug, Serialize)]
pub(super) struct NewVersion<'a> {
    pub(super) name: &'a str,
    pub(super) source: &'a str,
    pub(super) run_id: &'a str,
    pub(super) description: &'a str,
    pub(super) tags: &'a [KeyValue],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_stand_as_a_text() {
        let read = |value: &str| {
            let metric = format!(r#"{{"key": "auc", "value": {value}}}"#);
            serde_json::from_str::<MetricFound>(&metric)
        };
        assert_eq!(read(r#""0.5""#).unwrap().value, 0.5);
        assert!(read(r#""NaN""#).unwrap().value.is_nan());
        let error = read(r#""high""#).unwrap_err().to_string();
        assert!(error.starts_with(r#""high" is not a number"#), "{error}");
    }
}
