//! Argo's tags: `{{inputs.parameters.x}}` and the expression `{{=…}}`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::expr::{self, Dialect};
use crate::spec::Parameters;

/// The tag that stays as it is when nobody gave a scheduled time, as in Argo: the step refuses it
/// by name.
pub const SCHEDULED_TIME: &str = "workflow.scheduledTime";

/// The variables that tags can name, such as `inputs.parameters.x`.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    values: BTreeMap<String, String>,
    absent: BTreeMap<String, String>,
}

impl Scope {
    /// Sets the variable `name`.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Says why the variable `name` has no value, for the error of whoever needs it.
    pub fn set_absent(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.absent.insert(name.into(), why.into());
    }

    /// Adds the input parameters of a template.
    pub fn set_inputs(&mut self, inputs: &Parameters) {
        for input in &inputs.parameters {
            self.set(
                format!("inputs.parameters.{}", input.name),
                input.value.clone().unwrap_or_default(),
            );
        }
    }

    /// The value of `name`, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether `text` is nothing but the tag of a variable that is known to have no value.
    pub fn is_absent(&self, text: &str) -> bool {
        let tag = text
            .strip_prefix("{{")
            .and_then(|text| text.strip_suffix("}}"));
        tag.is_some_and(|tag| self.absent.contains_key(tag.trim()))
    }

    /// Replaces every tag of `text`, once: what a value holds is not looked at again.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Tag(tag) => match tag.strip_prefix('=') {
                    Some(expression) => {
                        let text = |value: &str| expr::Value::Text(value.to_owned());
                        let lookup =
                            |name: &str| Some(self.get(name).map_or(expr::Value::Nil, text));
                        let value = expr::parse(expression, Dialect::Variables)?
                            .eval(Dialect::Variables, &lookup)?;
                        filled.push_str(&value.to_string());
                    }
                    None => match (self.get(tag), self.absent.get(tag)) {
                        (Some(value), _) => filled.push_str(value),
                        (None, Some(why)) => {
                            return Err(format!("unable to substitute {{{{{tag}}}}}: {why}"));
                        }
                        (None, None) if tag == SCHEDULED_TIME => {
                            filled.push_str("{{workflow.scheduledTime}}")
                        }
                        (None, None) => return Err(format!("failed to resolve {{{{{tag}}}}}")),
                    },
                },
            }
        }
        Ok(filled)
    }

    /// Replaces the tags of every text within `value`.
    pub fn fill_all(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) if text.contains("{{") => *text = self.fill(text)?,
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill_all(item))?,
            Value::Object(fields) => fields
                .values_mut()
                .try_for_each(|field| self.fill_all(field))?,
            _ => {}
        }
        Ok(())
    }
}

/// Every variable that the tags of `text` name.
pub fn variables(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(_) => {}
            Piece::Tag(tag) => match tag.strip_prefix('=') {
                Some(expression) => {
                    let expression = expr::parse(expression, Dialect::Variables)?;
                    names.extend(expression.names().into_iter().map(str::to_owned));
                }
                None => names.push(tag.to_owned()),
            },
        }
    }
    Ok(names)
}

enum Piece<'a> {
    Text(&'a str),
    Tag(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let body = &rest[start + 2..];
        let end = body
            .find("}}")
            .ok_or_else(|| format!("`{{{{` without `}}}}` in `{text}`"))?;
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Tag(body[..end].trim()));
        rest = &body[end + 2..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_filled_as_argo_fills_them() {
        let mut scope = Scope::default();
        scope.set("inputs.parameters.x", "1.0");
        scope.set("inputs.parameters.tagged", "{{workflow.name}}");
        scope.set("item", r#"{"a":"b"}"#);
        scope.set_absent(
            "tasks.t.outputs.parameters.p",
            "`t` was skipped and its output has no default",
        );
        for (text, expected) in [
            ("--x={{inputs.parameters.x}}!", Ok("--x=1.0!")),
            ("{{ inputs.parameters.x }}{{item}}", Ok(r#"1.0{"a":"b"}"#)),
            ("{{inputs.parameters.tagged}}", Ok("{{workflow.name}}")),
            (
                "{{workflow.scheduledTime}}",
                Ok("{{workflow.scheduledTime}}"),
            ),
            ("{{=inputs.parameters.x == '1.0'}}", Ok("true")),
            ("{{=workflow.failures ?? '[]'}}", Ok("[]")),
            (
                "{{inputs.parameters.y}}",
                Err("failed to resolve {{inputs.parameters.y}}"),
            ),
            ("{{tasks.t.outputs.parameters.p}}", Err("no default")),
            ("{{=jsonpath('x')}}", Err("`jsonpath` is not supported")),
            ("{{item", Err("without")),
        ] {
            match (scope.fill(text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
