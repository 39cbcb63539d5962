//! Fields of a kustomization, and of what is in it.

use serde_json::{Map, Value};

/// The items of a field that is a list; none of a field that is missing.
pub(super) fn items<'a>(
    fields: &'a Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a Value> {
    let items = fields.get(field).and_then(Value::as_array);
    items.into_iter().flatten()
}

/// Whether a field has a value that does something.
pub(super) fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}
