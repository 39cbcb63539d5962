//! What was measured on some rows.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::metrics;

/// What was measured on some rows, as metrics.json holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// Of two classes.
    Binary(Box<metrics::Report>),
    /// Of another task: each metric by its name, and what else its pages show.
    Other(Map<String, Value>),
}

impl Report {
    /// Of a task with fields of its own.
    pub fn other(
        fields: &impl Serialize,
        more: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let fields = match serde_json::to_value(fields) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let more = more.into_iter().map(|(name, of)| (name.to_owned(), of));
        Self::Other(fields.into_iter().chain(more).collect())
    }

    /// A number by its name; `None` where it is undefined.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self {
            Self::Binary(report) => serde_json::to_value(report).ok()?.get(name)?.as_f64(),
            Self::Other(fields) => fields.get(name)?.as_f64(),
        }
    }

    /// Every number that was measured, by its name.
    pub fn numbers(&self) -> Vec<(String, f64)> {
        let fields = match self {
            Self::Binary(report) => match serde_json::to_value(report) {
                Ok(Value::Object(fields)) => fields,
                _ => Map::new(),
            },
            Self::Other(fields) => fields.clone(),
        };
        let mut numbers = Vec::new();
        let counts = ["rows", "positives", "threshold", "weight"];
        let fields = fields
            .iter()
            .filter(|(name, _)| !counts.contains(&name.as_str()));
        for (name, value) in fields {
            match value {
                Value::Object(inner) => {
                    let inner = inner
                        .iter()
                        .filter_map(|(of, value)| Some((format!("{name}.{of}"), value.as_f64()?)));
                    numbers.extend(inner);
                }
                value => numbers.extend(value.as_f64().map(|value| (name.clone(), value))),
            }
        }
        numbers
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Binary(report) => report.rows,
            Self::Other(fields) => fields.get("rows").and_then(Value::as_u64).unwrap_or(0),
        }
    }

    /// That of two classes.
    pub fn binary(&self) -> Option<&metrics::Report> {
        match self {
            Self::Binary(report) => Some(report),
            Self::Other(_) => None,
        }
    }

    /// That of a task with fields of its own.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Binary(_) => None,
            Self::Other(fields) => serde_json::from_value(Value::Object(fields.clone())).ok(),
        }
    }
}
