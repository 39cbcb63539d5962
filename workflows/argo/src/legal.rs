//! What Argo takes: its own JSON schema, cut down by `schema.py` to what a file can hold here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// A schema: of an object, a list or a single value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Schema {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    items: Option<Box<Schema>>,
    properties: BTreeMap<String, Schema>,
    additional_properties: Option<Box<Schema>>,
}

#[derive(Deserialize)]
struct File {
    definitions: BTreeMap<String, Schema>,
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the text is built in, and a test reads it"
    )]
    serde_json::from_str(include_str!("argo-4.1.json")).expect("Argo's schema")
});

/// Kinds that the schema calls text, and of which Argo takes numbers too.
const NUMBER_OR_TEXT: [&str; 2] = ["IntOrString", "Quantity"];

/// What a field may hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Bool,
    Number,
    NumberOrText,
    Texts,
    /// An object, a list of objects, or anything.
    Other,
}

/// An object of a name, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Its name in Argo's documentation, such as `DAGTask`; empty when it has none.
    pub name: &'static str,
    schema: &'static Schema,
}

impl Part {
    /// The object of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = FILE.definitions.iter().map(|(full, schema)| Self {
            name: last(full),
            schema,
        });
        all.find(|part| part.name == name)
    }

    /// What `schema` refers to, or itself.
    fn of(schema: &'static Schema) -> Self {
        let reference = schema.reference.as_deref();
        let full = reference.and_then(|reference| reference.strip_prefix("#/definitions/"));
        match full.and_then(|full| FILE.definitions.get_key_value(full)) {
            Some((full, schema)) => Self {
                name: last(full),
                schema,
            },
            None => Self { name: "", schema },
        }
    }

    /// Its field of that name; `None` when Argo knows none.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        self.schema.properties.get(name).map(Self::of)
    }

    /// Whether Argo names its fields; of others it takes any.
    pub(crate) fn has_fields(self) -> bool {
        !self.schema.properties.is_empty()
    }

    /// What each item of it is, when it is a list.
    pub(crate) fn items(self) -> Option<Self> {
        self.schema.items.as_deref().map(Self::of)
    }

    /// What each value of it is, when it is a map.
    pub(crate) fn values(self) -> Option<Self> {
        self.schema.additional_properties.as_deref().map(Self::of)
    }

    pub(crate) fn shape(self) -> Shape {
        match self.schema.kind.as_str() {
            _ if NUMBER_OR_TEXT.contains(&self.name) => Shape::NumberOrText,
            "string" => Shape::Text,
            "boolean" => Shape::Bool,
            "integer" | "number" => Shape::Number,
            _ => match self.items() {
                Some(items) if items.shape() == Shape::Text => Shape::Texts,
                _ => Shape::Other,
            },
        }
    }
}

/// The name without its package.
fn last(full: &'static str) -> &'static str {
    full.rsplit('.').next().unwrap_or(full)
}
