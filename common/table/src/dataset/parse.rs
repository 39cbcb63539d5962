//! Reading `dataset.json`, with errors that name the key and what it may be.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::{ColumnContract, Dataset};
use learn::wrong_key::{WrongKey, wrong_keys};
use runtime::failure::Failure;

/// The mark that some editors put before a text in UTF-8.
pub(crate) const MARK: char = '\u{feff}';

impl Dataset {
    /// Reads a data contract.
    ///
    /// # Errors
    /// Exit 2, with the column and the key, or the place in the file.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Failure::usage("dataset.json is not text in UTF-8: save it as UTF-8"))?;
        let text = text.trim_start_matches(MARK);
        let dataset: Self = serde_json::from_str(text).map_err(|error| {
            let reason = reason(text).unwrap_or_else(|| error.to_string());
            Failure::usage(format!("dataset.json is not a data contract: {reason}"))
        })?;
        dataset
            .validate()
            .map_err(|text| Failure::usage(format!("dataset.json: {text}")))?;
        Ok(dataset)
    }
}

/// The values of a list. An empty one would read as if nothing may occur, and means that all may.
///
/// # Errors
/// No value.
pub(super) fn some<'de, T, D>(list: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let values = Vec::deserialize(list)?;
    if values.is_empty() {
        return Err(D::Error::custom(
            "the list is empty: name the values that may occur, or leave the key out if any may",
        ));
    }
    Ok(values)
}

/// Which key of a contract is wrong, where it is one alone. Everything else serde says best itself.
fn reason(text: &str) -> Option<String> {
    let contract = match serde_json::from_str::<Value>(text).ok()? {
        Value::Object(contract) => contract,
        // Serde takes the values of a list for those of the keys, in their order.
        Value::Array(_) => {
            let reason = "it is a list, and a contract is an object: put the list of columns into \
                          {\"columns\": [...]}";
            return Some(reason.to_owned());
        }
        _ => return None,
    };
    let rest = keys(json!({"columns": []}));
    let mut others = contract.clone();
    // Its columns are looked through one by one.
    others.remove("columns");
    if let Some(wrong) = wrong_keys::<Dataset>(&others, &rest).next() {
        return Some(explained(wrong));
    }
    let columns = contract.get("columns")?.as_array()?;
    let rest = keys(json!({"name": "", "type": "int64", "role": "ignored"}));
    columns.iter().enumerate().find_map(|(place, column)| {
        let error = ColumnContract::deserialize(column).err()?;
        let name = match column.get("name").and_then(Value::as_str) {
            Some(name) => format!("column {name:?}"),
            None => format!("column {} of the list", place + 1),
        };
        let reason = column.as_object().and_then(|column| {
            let mut wrong = wrong_keys::<ColumnContract>(column, &rest);
            Some(explained(wrong.next()?))
        });
        Some(format!(
            "{name}: {}",
            reason.unwrap_or_else(|| error.to_string())
        ))
    })
}

fn keys(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}

fn explained(wrong: WrongKey<'_>) -> String {
    // `allowed` has a type of its own for each kind of value.
    let is_list = wrong.reason().contains("untagged enum");
    match is_list {
        true => wrong.because("expected texts, whole numbers, true or false"),
        false => wrong,
    }
    .to_string()
}
