//! YAML as Argo reads it: anchors, merge keys, several documents, and YAML 1.1's plain scalars, in
//! which an unquoted `n`, `yes` or `off` is a boolean. A key that occurs twice is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use runtime::failure::Failure;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

/// Deepest nesting that is read: beyond it a file is broken or hostile.
const DEEPEST: usize = 64;
/// Values that aliases may copy, so that a small file can't fill the memory.
const COPIES: usize = 100_000;

/// The text of a file that people write.
///
/// # Errors
/// One that can't be read, or that is not UTF-8: exit 2.
pub fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(Failure::usage(format!(
            "{} is not text in UTF-8: save it as UTF-8",
            path.display()
        ))),
        text => text.with_context(|| format!("reading {}", path.display())),
    }
}

/// A file that is no YAML, or that no reader could agree on.
#[derive(Debug)]
pub struct Broken {
    /// The line, from 1.
    pub line: usize,
    what: String,
}

impl Broken {
    /// What is wrong there.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Where a value and its parts are in the file. A field stands where its key does; an alias
/// stands where it is written and its parts where the anchor has them, as do fields that `<<`
/// brings in.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    line: usize,
    column: usize,
    /// By `.field` and `[index]`.
    parts: Parts,
}

type Parts = BTreeMap<String, Arc<Marks>>;

impl Marks {
    /// Line and column, from 1, of what `path` names, such as `.spec.templates[0].container`; of
    /// the deepest part that is there when the rest of the path is not.
    pub fn find(&self, path: &str) -> (usize, usize) {
        let within = |part: &str| {
            path.strip_prefix(part)
                .filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let parts = self
            .parts
            .iter()
            .filter_map(|(part, marks)| Some((part, marks, within(part)?)));
        match parts.max_by_key(|(part, ..)| part.len()) {
            Some((_, marks, rest)) => marks.find(rest),
            None => (self.line, self.column),
        }
    }
}

/// Reads every document of a file; empty ones are left out.
///
/// # Errors
///
/// Says what is wrong and in which line.
pub fn load(text: &str) -> Result<Vec<Value>, String> {
    let documents = load_marked(text).map_err(|broken| broken.to_string())?;
    Ok(documents.into_iter().map(|(value, _)| value).collect())
}

/// Lines with a merge key, `<<`, which strict readers refuse.
pub fn merge_keys(text: &str) -> Vec<usize> {
    // A broken file is reported by those who read it.
    let events = Parser::new_from_str(text).map_while(Result::ok);
    let is_merge = |event: &Event<'_>| match event {
        Event::Scalar(text, style, ..) => *style == ScalarStyle::Plain && *text == "<<",
        _ => false,
    };
    let keys = events.filter(|(event, _)| is_merge(event));
    keys.map(|(_, span)| span.start.line()).collect()
}

/// As [`load`], with the places of all values.
pub fn load_marked(text: &str) -> Result<Vec<(Value, Marks)>, Broken> {
    let events = Parser::new_from_str(text);
    let mut reader = Reader {
        events,
        anchors: BTreeMap::new(),
        line: 1,
        column: 1,
        copies: COPIES,
        depth: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                reader.anchors.clear();
                let event = reader.next()?;
                let (document, marks) = reader.value(event)?;
                if !document.is_null() {
                    documents.push((document, marks));
                }
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Value, Marks)>,
    line: usize,
    column: usize,
    copies: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Broken> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                (self.line, self.column) = (span.start.line(), span.start.col() + 1);
                Ok(event)
            }
            Some(Err(error)) => Err(Broken {
                line: error.marker().line(),
                what: error.info().to_owned(),
            }),
            None => Ok(Event::StreamEnd),
        }
    }

    fn broken(&self, what: impl Into<String>) -> Broken {
        Broken {
            line: self.line,
            what: what.into(),
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<(Value, Marks), Broken> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.broken(format!("nested deeper than {DEEPEST} levels")));
        }
        let mut marks = Marks {
            line: self.line,
            column: self.column,
            parts: BTreeMap::new(),
        };
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (
                    anchor,
                    if plain {
                        scalar(&text)
                    } else {
                        Value::String(text.into_owned())
                    },
                )
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break (anchor, Value::Array(items)),
                        event => {
                            let (item, at) = self.value(event)?;
                            marks
                                .parts
                                .insert(format!("[{}]", items.len()), Arc::new(at));
                            items.push(item);
                        }
                    }
                }
            }
            Event::MappingStart(anchor, _) => {
                let (fields, parts) = self.mapping()?;
                marks.parts = parts;
                (anchor, Value::Object(fields))
            }
            Event::Alias(anchor) => {
                let copy = self.anchors.get(&anchor).cloned();
                let (value, original) =
                    copy.ok_or_else(|| self.broken("an alias is inside its own anchor"))?;
                self.copies = self.copies.saturating_sub(count(&value));
                if self.copies == 0 {
                    return Err(self.broken(format!("aliases copy more than {COPIES} values")));
                }
                marks.parts = original.parts;
                (0, value)
            }
            other => return Err(self.broken(format!("unexpected {other:?}"))),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), marks.clone()));
        }
        self.depth -= 1;
        Ok((value, marks))
    }

    /// A mapping; what `<<` brings in yields to what is in the mapping itself.
    fn mapping(&mut self) -> Result<(Map<String, Value>, Parts), Broken> {
        let mut fields = Map::new();
        let mut parts = Parts::new();
        let mut merged: Vec<(Map<String, Value>, Marks)> = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(self.broken("a key must be text")),
            };
            let (line, column) = (self.line, self.column);
            let event = self.next()?;
            let (value, at) = self.value(event)?;
            if key == "<<" {
                let sources: Vec<(Value, Marks)> = match value {
                    Value::Array(items) => {
                        let mark = |i: usize| {
                            at.parts
                                .get(&format!("[{i}]"))
                                .map(|at| Marks::clone(at))
                                .unwrap_or_default()
                        };
                        items
                            .into_iter()
                            .enumerate()
                            .map(|(i, item)| (item, mark(i)))
                            .collect()
                    }
                    other => vec![(other, at)],
                };
                for (source, at) in sources {
                    let Value::Object(source) = source else {
                        return Err(Broken {
                            line,
                            what: "`<<` needs a mapping".to_owned(),
                        });
                    };
                    merged.push((source, at));
                }
            } else if fields.contains_key(&key) {
                return Err(Broken {
                    line,
                    what: format!("the key `{key}` occurs twice"),
                });
            } else {
                parts.insert(format!(".{key}"), Arc::new(Marks { line, column, ..at }));
                fields.insert(key, value);
            }
        }
        for (source, at) in merged {
            for (key, value) in source {
                let part = format!(".{key}");
                if let (false, Some(at)) = (fields.contains_key(&key), at.parts.get(&part)) {
                    parts.insert(part, at.clone());
                    fields.insert(key, value);
                }
            }
        }
        Ok((fields, parts))
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// What a plain scalar means in YAML 1.1.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = text.replace('_', "");
    let magnitude = unsigned.replace('_', "");
    let based = |prefix: &str, base| {
        magnitude
            .strip_prefix(prefix)
            .map(|digits| i64::from_str_radix(digits, base))
    };
    if let Some(based) = based("0x", 16)
        .or_else(|| based("0o", 8))
        .or_else(|| based("0b", 2))
    {
        return Some(Number::from(if text.starts_with('-') {
            -based.ok()?
        } else {
            based.ok()?
        }));
    }
    let octal = magnitude.len() > 1
        && magnitude.bytes().all(|b| b.is_ascii_digit())
        && magnitude.starts_with('0');
    if octal && let Ok(number) = i64::from_str_radix(&magnitude, 8) {
        return Some(Number::from(if text.starts_with('-') {
            -number
        } else {
            number
        }));
    }
    digits
        .parse::<i64>()
        .map(Number::from)
        .ok()
        .or_else(|| Number::from_f64(digits.parse().ok()?))
}

/// Writes a value as YAML.
pub fn emit(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, false);
    text
}

fn write(out: &mut String, value: &Value, indent: usize, in_list: bool) {
    let pad = |out: &mut String, first: bool| {
        if !(first && in_list) {
            out.push_str(&" ".repeat(indent));
        }
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (i, (key, value)) in fields.iter().enumerate() {
                pad(out, i == 0);
                out.push_str(&quote(key));
                out.push(':');
                nested(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                pad(out, i == 0);
                out.push_str("- ");
                write(out, item, indent + 2, true);
            }
        }
        Value::String(text) => *out += &format!("{}\n", quote(text)),
        other => *out += &format!("{other}\n"),
    }
}

fn nested(out: &mut String, value: &Value, indent: usize) {
    let block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    out.push(if block { '\n' } else { ' ' });
    write(out, value, indent + 2, false);
}

/// Text that would be read as something else is written as JSON, which is YAML too.
fn quote(text: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || "/_.-+()%".contains(c);
    let plain = text.starts_with(|c: char| c.is_alphanumeric() || c == '/' || c == '_')
        && text.ends_with(safe)
        && text.chars().all(|c| safe(c) || c == ' ')
        && scalar(text).is_string();
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests;
