//! Which key of a JSON object is wrong: serde does not say it of a value of another type.

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
        match error.contains(&format!("`{key}`")) {
            true => f.write_str(error),
            false => write!(f, "`{key}` is {value}: {error}"),
        }
    }
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
        let expected = "`interval` is \"wide\": invalid type: string \"wide\"";
        assert!(error.contains(expected), "{error}");
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
