//! Reads a document as far as it is understood: what Argo doesn't know, what is not run here, and
//! the rest.
//!
//! What Argo takes is in `legal`, what is interpreted is in the types of `spec`, and `kinds` adds
//! which of the other fields have no effect on a laptop.

mod kinds;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::finding::Finding;
use crate::legal::{Part, Shape};
use crate::raw::{list, spec_path};
use kinds::Kind;

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
fn removed(name: &str) -> Option<&'static str> {
    INSTEAD
        .iter()
        .find(|(old, hint)| *old == name && hint.starts_with("removed"))
        .map(|(_, hint)| *hint)
}

/// The rule of what is legal in Argo and not interpreted here: it keeps a workflow from running,
/// and lint from nothing.
pub const NOT_RUN: &str = "not-run";

/// What a template can be; it is one of them.
const TEMPLATE_KINDS: [&str; 10] = [
    "dag",
    "container",
    "steps",
    "script",
    "suspend",
    "resource",
    "http",
    "data",
    "plugin",
    "containerSet",
];

/// The interpreted fields of a WorkflowTemplate or CronWorkflow of that `name`, and what is wrong
/// with the others.
pub(crate) fn read(kind: &str, document: &Value, file: &str, name: &str) -> (Value, Vec<Finding>) {
    let mut reader = Reader {
        file,
        findings: Vec::new(),
    };
    let of = kinds::find(kind).zip(Part::named(kind));
    let kept = of.map_or(Value::Null, |(kind, part)| {
        reader.object(kind, part, document, name)
    });
    let at = spec_path(document);
    let spec = document.pointer(&at.replace('.', "/"));
    for (i, template) in list(spec.unwrap_or(&Value::Null), "templates")
        .iter()
        .enumerate()
    {
        reader.template(template, &format!("{name}{at}.templates[{i}]"));
    }
    (kept, reader.findings)
}

struct Reader<'a> {
    file: &'a str,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn find(&mut self, rule: &'static str, path: &str, text: String) {
        self.findings
            .push(Finding::new(rule, self.file, path, text));
    }

    /// The interpreted fields of an object.
    fn object(&mut self, kind: &'static Kind, part: Part, value: &Value, path: &str) -> Value {
        let mut kept = Map::new();
        let Value::Object(fields) = value else {
            let text = format!("{} must be an object, not {}", kind.name, describe(value));
            self.find("type", path, text);
            return Value::Object(kept);
        };
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            let Some(field) = self.known(part, name, &path) else {
                continue;
            };
            let is_interpreted = (kind.interpreted)().contains(&name.as_str());
            if !is_interpreted && !kind.no_effect.contains(&name.as_str()) {
                self.not_run(kind, name, &path);
                self.unknown(field, value, &path);
                continue;
            }
            let value = self.field(field, is_interpreted, value, &path);
            if is_interpreted {
                kept.insert(name.clone(), value);
            }
        }
        Value::Object(kept)
    }

    /// The value of a field, of an object its interpreted fields.
    fn field(&mut self, field: Part, is_interpreted: bool, value: &Value, path: &str) -> Value {
        let looked_into = |part: Part| {
            let kind = kinds::find(part.name);
            kind.filter(|kind| is_interpreted || kind.has_no_effect())
        };
        let expected = match (field.shape(), value) {
            (Shape::Text | Shape::NumberOrText, Value::String(_))
            | (Shape::Number | Shape::NumberOrText, Value::Number(_))
            | (Shape::Bool, Value::Bool(_)) => return value.clone(),
            (Shape::Texts, Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    if !item.is_string() {
                        let text = format!("must be text, not {}", describe(item));
                        self.find("type", &format!("{path}[{i}]"), text);
                    }
                }
                return value.clone();
            }
            (Shape::Texts, _) => "a list of text".to_owned(),
            (Shape::Text | Shape::NumberOrText, _) => "text".to_owned(),
            (Shape::Number, _) => "a number".to_owned(),
            (Shape::Bool, _) => "true or false".to_owned(),
            (Shape::Other, _) => {
                if let Some(kind) = looked_into(field) {
                    return match value {
                        Value::Null if kind.has_no_effect() => Value::Null,
                        _ => self.object(kind, field, value, path),
                    };
                }
                let items = field.items();
                let Some((item, kind)) = items.and_then(|item| Some((item, looked_into(item)?)))
                else {
                    self.unknown(field, value, path);
                    return value.clone();
                };
                if let Value::Array(values) = value {
                    let values = values.iter().enumerate();
                    return values
                        .map(|(i, value)| self.object(kind, item, value, &format!("{path}[{i}]")))
                        .collect();
                }
                format!("a list of {}", kind.name)
            }
        };
        let text = format!("must be {expected}, not {}", describe(value));
        self.find("type", path, text);
        value.clone()
    }

    /// Looks for fields that Argo doesn't know in what is not interpreted. Its types are Argo's to
    /// check.
    fn unknown(&mut self, part: Part, value: &Value, path: &str) {
        let part = part.items().unwrap_or(part);
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.unknown(part, item, &format!("{path}[{i}]"));
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    let field = match part.has_fields() {
                        true => self.known(part, name, &path),
                        false => part.values(),
                    };
                    if let Some(field) = field {
                        self.unknown(field, value, &path);
                    }
                }
            }
            _ => {}
        }
    }

    /// The field of that name, if Argo knows it.
    fn known(&mut self, part: Part, name: &str, path: &str) -> Option<Part> {
        let field = match part.has_fields() {
            true => part.field(name),
            false => Some(part),
        };
        if field.is_none() {
            match removed(name) {
                Some(hint) => {
                    self.find(
                        "removed-field",
                        path,
                        format!("the field `{name}` was {hint}"),
                    );
                }
                None => {
                    let text = format!("unknown field `{name}` of {}", part.name);
                    self.find("unknown-field", path, text);
                }
            }
        }
        field
    }

    fn not_run(&mut self, kind: &Kind, name: &str, path: &str) {
        let hint = INSTEAD.iter().find(|(old, _)| *old == name);
        let hint = hint.map_or(String::new(), |(_, hint)| format!(" ({hint})"));
        let text = format!("the field `{name}` of {} is not run here{hint}", kind.name);
        self.find(NOT_RUN, path, text);
    }

    /// A template is of one kind.
    fn template(&mut self, template: &Value, path: &str) {
        let kinds: Vec<_> = TEMPLATE_KINDS
            .into_iter()
            .filter(|kind| template.get(kind).is_some())
            .collect();
        if kinds.len() == 1 {
            return;
        }
        let found = match kinds.is_empty() {
            true => "none".to_owned(),
            false => kinds.join(" and "),
        };
        let known = TEMPLATE_KINDS.join(", ");
        let text = format!("a template needs one of {known}; this one has {found}");
        self.find("template-kind", path, text);
    }
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
    let parts = ["WorkflowTemplate", "CronWorkflow"].map(Part::named);
    let mut seen: Vec<(&Kind, Part)> = Vec::new();
    for part in parts.into_iter().flatten() {
        seen.extend(kinds::find(part.name).map(|kind| (kind, part)));
    }
    let mut next = 0;
    while let Some((kind, part)) = seen.get(next).copied() {
        next += 1;
        let interpreted = (kind.interpreted)().iter().map(|name| (name, true));
        let others = kind.no_effect.iter().map(|name| (name, false));
        for (name, is_interpreted) in interpreted.chain(others) {
            let Some(field) = part.field(name) else {
                continue;
            };
            let field = field.items().unwrap_or(field);
            if let Some(kind) = kinds::find(field.name)
                && (is_interpreted || kind.has_no_effect())
                && !seen.iter().any(|(other, _)| other.name == kind.name)
            {
                seen.push((kind, field));
            }
        }
    }
    let list = |fields: fn(&Kind) -> &'static [&'static str]| {
        let mut lines = String::new();
        for (kind, _) in seen.iter().filter(|(kind, _)| !fields(kind).is_empty()) {
            let names: Vec<_> = fields(kind)
                .iter()
                .map(|name| format!("`{name}`"))
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
        "Interpreted as Argo 4.1 does:\n\n{}\nAccepted without effect on a laptop:\n\n{}\nRefused by \
         name, with file, line and path, when it would have to run: every other field. Among \
         them:\n\n{}",
        list(|kind| (kind.interpreted)()),
        list(|kind| kind.no_effect),
        hints.concat()
    )
}
