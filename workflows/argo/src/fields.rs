//! Every field that Argo 4.1 knows, so that a misspelt one is found at any depth, run here or not.
//!
//! `argo-4.1.txt` holds one kind a line, `Kind: field field=Kind field=Kind{}`, where `{}` is a map
//! of them; what has no kind is not looked into. The test `argo_types` compares it with Argo's own
//! types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::finding::Finding;
use crate::raw::{list, spec_path};
use crate::schema::{self, NOT_RUN};

type Fields = BTreeMap<&'static str, Option<&'static str>>;

static KINDS: LazyLock<BTreeMap<&'static str, Fields>> = LazyLock::new(|| {
    let kinds = include_str!("argo-4.1.txt")
        .lines()
        .filter_map(|line| line.split_once(": "));
    let field = |field: &'static str| match field.split_once('=') {
        Some((name, kind)) => (name, Some(kind)),
        None => (field, None),
    };
    kinds
        .map(|(kind, fields)| (kind, fields.split(' ').map(field).collect()))
        .collect()
});

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

/// Appends what Argo does not know, and every template that is not of one kind. What the schema of
/// the runner has already found about a field is taken back when Argo doesn't know it at all.
pub(crate) fn check(
    kind: &str,
    document: &Value,
    file: &str,
    name: &str,
    findings: &mut Vec<Finding>,
) {
    let mut unknown = Vec::new();
    walk(kind, document, name, &mut unknown);
    findings.retain(|finding| {
        finding.rule != NOT_RUN || !unknown.iter().any(|(path, ..)| *path == finding.path)
    });
    for (path, field, kind) in unknown {
        findings.push(match schema::removed(&field) {
            Some(hint) => Finding::new(
                "removed-field",
                file,
                path,
                format!("the field `{field}` was {hint}"),
            ),
            None => Finding::new(
                "unknown-field",
                file,
                path,
                format!("unknown field `{field}` of {kind}"),
            ),
        });
    }
    let at = spec_path(document);
    let spec = document
        .pointer(&at.replace('.', "/"))
        .unwrap_or(&Value::Null);
    for (i, template) in list(spec, "templates").iter().enumerate() {
        let kinds: Vec<_> = TEMPLATE_KINDS
            .into_iter()
            .filter(|kind| template.get(kind).is_some())
            .collect();
        if kinds.len() != 1 {
            let found = if kinds.is_empty() {
                "none".to_owned()
            } else {
                kinds.join(" and ")
            };
            let text = format!(
                "a template needs one of {}; this one has {found}",
                TEMPLATE_KINDS.join(", ")
            );
            findings.push(Finding::new(
                "template-kind",
                file,
                format!("{name}{at}.templates[{i}]"),
                text,
            ));
        }
    }
}

fn walk(kind: &str, value: &Value, path: &str, unknown: &mut Vec<(String, String, String)>) {
    let (kind, is_map) = kind
        .strip_suffix("{}")
        .map_or((kind, false), |kind| (kind, true));
    let fields = match value {
        Value::Array(items) => {
            return items
                .iter()
                .enumerate()
                .for_each(|(i, item)| walk(kind, item, &format!("{path}[{i}]"), unknown));
        }
        Value::Object(fields) => fields,
        _ => return, // The type is told by the runner's schema, or by Argo.
    };
    for (name, field) in fields {
        let path = format!("{path}.{name}");
        match KINDS.get(kind).and_then(|known| known.get(name.as_str())) {
            _ if is_map => walk(kind, field, &path, unknown),
            None => unknown.push((path, name.clone(), kind.to_owned())),
            Some(Some(inner)) => walk(inner, field, &path, unknown),
            Some(None) => {}
        }
    }
}
