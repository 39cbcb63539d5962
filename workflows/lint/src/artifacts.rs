//! Output artifacts.

use argo::raw::{has, text};
use serde_json::Value;

use super::Linter;

/// What makes a key another one in each run.
const OWN: [&str; 4] = [
    "{{workflow.name}}",
    "{{workflow.uid}}",
    "{{pod.name}}",
    "{{=workflow.",
];

impl<'a> Linter<'a> {
    pub(super) fn artifact(&mut self, artifact: &'a Value, template: &'a Value) {
        let (name, path) = (text(artifact, "name"), text(artifact, "path"));
        let is_plain = has(artifact, "archive.none");
        let stores = ["s3", "gcs", "oss", "azure"]
            .into_iter()
            .filter(|store| has(artifact, &format!("{store}.key")));
        let keys: Vec<(String, &str)> = stores
            .map(|store| {
                (
                    format!(".{store}.key"),
                    text(artifact, &format!("{store}.key")),
                )
            })
            .collect();
        let is_page = path.ends_with(".html") || keys.iter().any(|(_, key)| key.ends_with(".html"));
        if is_page && !is_plain {
            self.find(
                "html-archive",
                format!("the artifact `{name}` would be archived"),
            );
        }
        self.artifact_gc(artifact);
        for (part, key) in keys {
            self.at(&part, |l| {
                if !OWN.iter().any(|own| key.contains(own)) {
                    l.find("artifact-key", format!("`{key}` is the same in every run"));
                }
                if key.split('/').any(|part| part == "..") {
                    l.find("artifact-key", format!("`{key}` leaves its folder"));
                }
                if key.ends_with('/') && !is_plain {
                    l.find(
                        "artifact-key-slash",
                        format!("`{key}` is the key of a folder, and the artifact an archive"),
                    );
                }
                if !has(template, "dag") && !has(template, "steps") {
                    let of = l.of;
                    l.tags(key, &|name| of.known_in_leaf(template, name));
                }
            });
        }
    }
}
