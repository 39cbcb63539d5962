//! Reads the document itself, where the runner's types hold only what it runs.

use serde_json::Value;

/// Where a document has its workflow's spec: `.spec`, in a CronWorkflow `.spec.workflowSpec`.
pub fn spec_path(document: &Value) -> &'static str {
    if document
        .get("kind")
        .is_some_and(|kind| kind == "CronWorkflow")
    {
        ".spec.workflowSpec"
    } else {
        ".spec"
    }
}

/// What is at `a.b.c`; null when there is nothing.
pub fn get<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.')
        .try_fold(value, |value, name| value.get(name))
        .unwrap_or(&Value::Null)
}

/// The list at `path`; empty when there is none.
pub fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    get(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// The text at `path`; empty when there is none.
pub fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    get(value, path).as_str().unwrap_or_default()
}

/// Whether something is at `path`.
pub fn has(value: &Value, path: &str) -> bool {
    !get(value, path).is_null()
}

/// Text, number or boolean as Argo reads it; empty for anything else.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => String::new(),
    }
}

/// Every text in `value` with its path below it.
pub fn texts(value: &Value) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect<'v>(value: &'v Value, path: String, found: &mut Vec<(String, &'v str)>) {
    match value {
        Value::String(text) => found.push((path, text)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| collect(item, format!("{path}[{i}]"), found));
        }
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| collect(field, format!("{path}.{name}"), found)),
        _ => {}
    }
}
