//! Which key of a JSON object is wrong: serde does not say it of a value of another type.
//!
//! ```
//! use learn::wrong_key::wrong_keys;
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Options {
//!     depth: u32,
//!     rate: f64,
//! }
//!
//! let given = json!({"depth": "deep", "rate": 0.5, "speed": 1});
//! let complete = json!({"depth": 3, "rate": 0.1});
//! let (given, complete) = (given.as_object().unwrap(), complete.as_object().unwrap());
//! let wrong: Vec<_> = wrong_keys::<Options>(given, complete).collect();
//! assert_eq!(wrong.len(), 2);
//! assert_eq!(
//!     wrong[0].to_string(),
//!     "`depth` is \"deep\": invalid type: string \"deep\", expected a whole number from 0",
//! );
//! assert!(wrong[1].is_unknown());
//! assert_eq!(wrong[1].key(), "speed");
//! ```

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A key whose value can't be read, whatever the other keys are.
#[derive(Debug)]
pub struct WrongKey<'a> {
    key: &'a str,
    value: &'a Value,
    error: String,
}

impl WrongKey<'_> {
    /// Its name.
    pub fn key(&self) -> &str {
        self.key
    }

    /// Whether no such key exists.
    pub fn is_unknown(&self) -> bool {
        self.error.starts_with("unknown field")
    }

    /// The same with another reason.
    pub fn because(self, error: &str) -> Self {
        Self {
            error: error.to_owned(),
            ..self
        }
    }

    /// What is wrong with the value.
    pub fn reason(&self) -> &str {
        &self.error
    }
}

impl fmt::Display for WrongKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, error } = self;
        let error = &in_words(error);
        match error.contains(&format!("`{key}`")) {
            true => f.write_str(error),
            false => write!(f, "`{key}` is {value}: {error}"),
        }
    }
}

/// An error of serde, which names types of Rust, in words.
fn in_words(error: &str) -> String {
    let whole = ["expected usize", "expected u64", "expected u32"];
    let whole = whole.map(|of| (of, "expected a whole number from 0"));
    let pairs = whole
        .into_iter()
        .chain([("expected f64", "expected a number")]);
    pairs.fold(error.to_owned(), |text, (of, words)| {
        text.replace(of, words)
    })
}

/// The keys of an object that are wrong, in its order: each is read beside the keys of `rest`,
/// which has what a `T` can't do without.
pub fn wrong_keys<'a, T: DeserializeOwned>(
    given: &'a Map<String, Value>,
    rest: &'a Map<String, Value>,
) -> impl Iterator<Item = WrongKey<'a>> {
    given.iter().filter_map(|(key, value)| {
        let mut alone = rest.clone();
        alone.insert(key.clone(), value.clone());
        let error = serde_json::from_value::<T>(Value::Object(alone)).err()?;
        Some(WrongKey {
            key,
            value,
            error: error.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::estimator::Families;
    use crate::models::Models;

    #[test]
    fn a_key_of_models_json_and_of_its_candidates_is_named_with_its_value() {
        let file = |text: &str| Models::parse(text.as_bytes()).unwrap_err().to_string();
        let error = file(r#"{"candidates": "auto", "interval": "wide"}"#);
        let expected = "`interval` is \"wide\": invalid type: string \"wide\", expected a number";
        assert_eq!(error, expected);
        for wrong in ["-1", "true", "1.5"] {
            let error = file(&format!(r#"{{"candidates": "auto", "explain": {wrong}}}"#));
            let expected = format!("`explain` is {wrong}: it must be a whole number from 1 to 100");
            assert_eq!(error, expected);
        }
        let error = file(r#"{"candidates": "auto", "validation": {"folds": -1}}"#);
        assert!(
            error.ends_with("integer `-1`, expected a whole number from 0"),
            "{error}"
        );
        let error = file(r#"{"candidates": 5}"#);
        assert!(
            error.starts_with("`candidates` is 5: it must be"),
            "{error}"
        );
        let error = file(r#"{"candidates": "auto", "intervals": 0.9}"#);
        assert!(error.starts_with("unknown field `intervals`"), "{error}");

        let families = Families::standard();
        let family = families.get("gradient-boosting").unwrap();
        let options = |given: Value| {
            let given = given.as_object().unwrap();
            family.options(given).unwrap_err().to_string()
        };
        let error = options(json!({"learning_rate": 0.1, "max_depth": "deep"}));
        let expected = "`max_depth` is \"deep\": invalid type: string \"deep\"";
        assert!(error.contains(expected), "{error}");
        let error = options(json!({"depth": 3}));
        assert!(error.starts_with("unknown field `depth`"), "{error}");
    }
}
