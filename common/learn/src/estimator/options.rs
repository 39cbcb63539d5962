//! The options of a fit: read with their defaults, and refused by name.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::wrong_key::wrong_keys;

use super::EstimatorError;

/// Options of a type, with its defaults.
pub(super) fn parse<T: Serialize + DeserializeOwned>(
    given: &Map<String, Value>,
) -> Result<(T, Map<String, Value>), EstimatorError> {
    let whole = Value::Object(given.clone());
    let options = serde_json::from_value::<T>(whole).map_err(|error| {
        let text = error.to_string();
        let none = Map::new();
        let wrong = wrong_keys::<T>(given, &none).find(|wrong| wrong.reason() == text);
        EstimatorError::Option(wrong.map_or(text, |wrong| wrong.to_string()))
    })?;
    match serde_json::to_value(&options)? {
        Value::Object(whole) => Ok((options, whole)),
        _ => Err(EstimatorError::Option("they are not an object".to_owned())),
    }
}

/// A number that must be positive.
pub(super) fn positive(name: &str, value: f64) -> Result<(), EstimatorError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    wrong(name, value, "a positive number")
}

/// A number that must be from 0 to 1.
pub(super) fn share(name: &str, value: f64) -> Result<(), EstimatorError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    wrong(name, value, "from 0 to 1")
}

/// Refuses the value of an option.
pub(super) fn wrong(name: &str, value: f64, must: &str) -> Result<(), EstimatorError> {
    Err(EstimatorError::Option(format!(
        "{name} is {value}: it must be {must}"
    )))
}

/// The option `max_rows`: at least one row, or all of them.
pub(super) fn max_rows(max_rows: Option<u64>) -> Result<(), EstimatorError> {
    match max_rows {
        Some(0) => wrong("max_rows", 0.0, "1 or more, or null for all rows"),
        _ => Ok(()),
    }
}

/// Of so many training rows, those that trees are grown on where there may be so many at most.
pub(super) fn sampled(rows: u64, max_rows: Option<u64>) -> u64 {
    max_rows.map_or(rows, |most| rows.min(most))
}
