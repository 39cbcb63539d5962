//! A folder whose files were read, and the ConfigMaps in them.

use anyhow::Result;
use serde_json::Value;

use super::{CONFIG_MAP, Document};
use crate::yaml;

/// The annotation of objects that kustomize keeps to itself.
const LOCAL: &str = "/metadata/annotations/config.kubernetes.io~1local-config";

/// A folder whose files were read.
pub(super) struct Folder<'a> {
    /// What stands before the name of a file in messages.
    pub(super) place: &'a str,
    /// Its YAML files.
    pub(super) names: &'a [String],
    /// What stands in them.
    pub(super) documents: &'a [Document],
    /// The text of a file.
    pub(super) read: &'a dyn Fn(&str) -> Result<String>,
}

impl Folder<'_> {
    /// Whether a path is a YAML file of this folder.
    pub(super) fn has(&self, path: &str) -> bool {
        self.names.iter().any(|name| name == plain(path))
    }

    /// The ConfigMaps of this folder, each with its file.
    pub(super) fn maps(&self) -> impl Iterator<Item = (&str, String)> {
        let maps = self.documents.iter();
        maps.filter_map(|of| Some((of.file.as_str(), map_of(&of.value)?)))
    }

    /// The ConfigMaps in a file of this folder.
    pub(super) fn maps_of(&self, path: &str) -> impl Iterator<Item = String> {
        let of_file = self.maps().filter(move |(file, _)| *file == plain(path));
        of_file.map(|(_, map)| map)
    }

    /// The ConfigMaps in a file anywhere.
    pub(super) fn maps_at(&self, path: &str) -> Result<Vec<String>, String> {
        let text = (self.read)(path).map_err(|error| format!("{error:#}"))?;
        maps_in(&text).map_err(|what| format!("{path}: {what}"))
    }
}

/// The ConfigMaps in a text.
pub(super) fn maps_in(text: &str) -> Result<Vec<String>, String> {
    Ok(yaml::load(text)?.iter().filter_map(map_of).collect())
}

/// The name of a ConfigMap, if it is one that kustomize gives to the cluster.
fn map_of(document: &Value) -> Option<String> {
    let text = |path: &str| document.pointer(path).and_then(Value::as_str);
    let is_map = text("/kind") == Some(CONFIG_MAP) && text(LOCAL) != Some("true");
    is_map.then(|| text("/metadata/name").unwrap_or_default().to_owned())
}

/// A path without what changes nothing of it.
pub(super) fn plain(path: &str) -> &str {
    path.trim_start_matches("./")
}
