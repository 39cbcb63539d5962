//! Which fields of Argo's YAML are interpreted, which are accepted without effect on a laptop, and
//! which are refused.
//!
//! One table holds all three: a field is refused because it stands in neither list of its object.

mod kinds;

use serde_json::{Map, Value};

use crate::finding::Finding;

pub(crate) use kinds::{CRON_WORKFLOW, WORKFLOW_TEMPLATE};

/// What a field may hold.
enum Shape {
    Text,
    Bool,
    Number,
    NumberOrText,
    Any,
    Texts,
    Object(&'static Kind),
    Objects(&'static Kind),
}

/// The fields of one kind of object.
pub struct Kind {
    name: &'static str,
    interpreted: &'static [(&'static str, Shape)],
    no_effect: &'static [(&'static str, Shape)],
}

use Shape::{Any, Bool, Number, NumberOrText, Object, Objects, Text, Texts};

/// Fields that other versions of Argo know, and what takes their place.
const INSTEAD: [(&str, &str); 7] = [
    ("schedule", "removed in Argo 4: use `schedules`"),
    ("mutex", "removed in Argo 4: use `mutexes`"),
    ("semaphore", "removed in Argo 4: use `semaphores`"),
    (
        "podPriority",
        "removed in Argo 4: use `podPriorityClassName`",
    ),
    ("priority", "removed in Argo 4: use `priorityClassName`"),
    ("dependencies", "use `depends`"),
    (
        "continueOn",
        "use `depends`, such as `a.Succeeded || a.Failed`",
    ),
];

/// What takes the place of a field that older versions of Argo know.
pub fn removed(name: &str) -> Option<&'static str> {
    INSTEAD
        .iter()
        .find(|(old, hint)| *old == name && hint.starts_with("removed"))
        .map(|(_, hint)| *hint)
}

/// The rule of what is legal in Argo and not interpreted here: it keeps a workflow from running,
/// and lint from nothing.
pub const NOT_RUN: &str = "not-run";

/// Checks `value` against `kind`, appends what is wrong, and gives it back with the interpreted
/// fields only.
pub fn check(
    kind: &Kind,
    value: &Value,
    file: &str,
    path: &str,
    findings: &mut Vec<Finding>,
) -> Value {
    let finding = |path: &str, text: String| Finding::new("type", file, path, text);
    let Value::Object(fields) = value else {
        findings.push(finding(
            path,
            format!("{} must be an object, not {}", kind.name, describe(value)),
        ));
        return Value::Object(Map::new());
    };
    let mut kept = Map::new();
    for (name, field) in fields {
        let path = format!("{path}.{name}");
        let interpreted = kind.interpreted.iter().find(|(known, _)| known == name);
        let Some((_, shape)) =
            interpreted.or_else(|| kind.no_effect.iter().find(|(known, _)| known == name))
        else {
            let hint = INSTEAD
                .iter()
                .find(|(old, _)| old == name)
                .map(|(_, hint)| format!(" ({hint})"));
            let text = format!(
                "the field `{name}` of {} is not run here{}",
                kind.name,
                hint.unwrap_or_default()
            );
            findings.push(Finding::new(NOT_RUN, file, &path, text));
            continue;
        };
        let mut field = field.clone();
        let expected = match (shape, &field) {
            (Object(kind), Value::Null) if kind.interpreted.is_empty() => None,
            (Object(kind), _) => {
                field = check(kind, &field, file, &path, findings);
                None
            }
            (Objects(kind), Value::Array(items)) => {
                let items = items.iter().enumerate();
                let checked = items
                    .map(|(i, item)| check(kind, item, file, &format!("{path}[{i}]"), findings));
                field = checked.collect();
                None
            }
            (Texts, Value::Array(items)) => {
                for (i, item) in items
                    .iter()
                    .enumerate()
                    .filter(|(_, item)| !item.is_string())
                {
                    findings.push(finding(
                        &format!("{path}[{i}]"),
                        format!("must be text, not {}", describe(item)),
                    ));
                }
                None
            }
            (Any, _)
            | (Text | NumberOrText, Value::String(_))
            | (Number | NumberOrText, Value::Number(_))
            | (Bool, Value::Bool(_)) => None,
            (Objects(kind), _) => Some(format!("a list of {}", kind.name)),
            (Texts, _) => Some("a list of text".to_owned()),
            (Text | NumberOrText, _) => Some("text".to_owned()),
            (Number, _) => Some("a number".to_owned()),
            (Bool, _) => Some("true or false".to_owned()),
        };
        if let Some(expected) = expected {
            findings.push(finding(
                &path,
                format!("must be {expected}, not {}", describe(&field)),
            ));
        }
        if interpreted.is_some() {
            kept.insert(name.clone(), field);
        }
    }
    Value::Object(kept)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => {
            format!(
                "the boolean {value} (YAML 1.1 reads an unquoted y, n, yes, no, on, off so: quote it)"
            )
        }
        Value::Number(number) => format!("the number {number} (quote it)"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The lists that `lint --explain` prints and the README holds: per object, what is interpreted and
/// what has no effect.
pub fn explain() -> String {
    let mut seen: Vec<&Kind> = vec![&WORKFLOW_TEMPLATE, &CRON_WORKFLOW];
    let mut next = 0;
    while let Some(kind) = seen.get(next).copied() {
        next += 1;
        for (_, shape) in kind.interpreted.iter().chain(kind.no_effect) {
            if let Object(inner) | Objects(inner) = shape
                && !seen.iter().any(|kind| kind.name == inner.name)
            {
                seen.push(inner);
            }
        }
    }
    let list = |fields: fn(&Kind) -> &'static [(&'static str, Shape)]| {
        let mut lines = String::new();
        for kind in seen.iter().filter(|kind| !fields(kind).is_empty()) {
            let names: Vec<_> = fields(kind)
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            lines += &format!("- {}: {}\n", kind.name, names.join(", "));
        }
        lines
    };
    let hints: Vec<_> = INSTEAD
        .iter()
        .map(|(name, hint)| format!("- `{name}`: {hint}\n"))
        .collect();
    format!(
        "Interpreted as Argo 4.1 does:\n\n{}\nAccepted without effect on a laptop:\n\n{}\nRefused by name, with file, line \
         and path, when it would have to run: every other field. Among them:\n\n{}",
        list(|kind| kind.interpreted),
        list(|kind| kind.no_effect),
        hints.concat()
    )
}
