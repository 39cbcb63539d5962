//! Labels and annotations.

use argo::raw::{get, plain};
use serde_json::Value;

use super::{DESCRIPTION, Linter};

/// The annotation that must never be set.
const PROGRESS: &str = "workflows.argoproj.io/progress";

impl<'a> Linter<'a> {
    /// Labels and annotations, wherever they stand.
    pub(super) fn metadata(&mut self, holder: &'a Value, field: &str) {
        let of_runs = field == "workflowMetadata";
        let metadata = get(holder, field);
        self.at(&format!(".{field}"), |l| {
            for part in ["labels", "annotations"] {
                let fields = get(metadata, part).as_object().into_iter().flatten();
                for (key, value) in fields.filter(|(_, value)| !value.is_string()) {
                    l.at(&format!(".{part}.{key}"), |l| {
                        l.find("type", format!("must be text, not {value}"))
                    });
                }
            }
            for (key, value) in get(metadata, "labels").as_object().into_iter().flatten() {
                let value = plain(value);
                if !value.contains("{{") && !is_label(&value) {
                    l.at(&format!(".labels.{key}"), |l| {
                        l.find("label", format!("`{value}` is not a label value"))
                    });
                }
            }
            for key in get(metadata, "annotations")
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.keys())
            {
                let hides =
                    of_runs && ["workflows.argoproj.io/title", DESCRIPTION].contains(&key.as_str());
                l.at(&format!(".annotations.{key}"), |l| match key.as_str() {
                    PROGRESS => l.find("progress", "the annotation is Argo's own"),
                    key if hides => l.find("run-title", format!("`{key}` is set on runs")),
                    _ => {}
                });
            }
        });
    }
}

fn is_label(value: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| end(c) || "-_.".contains(c);
    value.is_empty()
        || value.len() <= 63
            && value.chars().all(inner)
            && value.starts_with(end)
            && value.ends_with(end)
}
