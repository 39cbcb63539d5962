//! The patches of a kustomization, which are not applied here: those of other objects are taken.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::CONFIG_MAP;
use super::fields::{is_given, items};
use super::folder::{Folder, maps_in};

/// Fields with patches.
pub(super) const PATCHES: [&str; 3] = ["patches", "patchesStrategicMerge", "patchesJson6902"];

/// The ConfigMaps in patches that are read as if they were the whole: these change one that is in
/// another folder, so that nothing else is known of it here.
///
/// # Errors
/// A patch that may change a ConfigMap in another way.
pub(super) fn known(
    fields: &Map<String, Value>,
    folder: &Folder<'_>,
    made: &BTreeSet<String>,
) -> Result<BTreeSet<String>, String> {
    let mut known = BTreeSet::new();
    for field in PATCHES {
        for (i, patch) in items(fields, field).enumerate() {
            let at = |what: String| format!("{field}[{i}]: {what}");
            known.extend(of_patch(patch, folder, made).map_err(at)?);
        }
    }
    Ok(known)
}

fn of_patch(
    patch: &Value,
    folder: &Folder<'_>,
    made: &BTreeSet<String>,
) -> Result<Vec<String>, String> {
    let refuse = |map: &str| {
        format!(
            "the patch changes {map} on a cluster, but not in a local run: write its settings into \
             `data` of the ConfigMap instead"
        )
    };
    if let Some(target) = patch.get("target").filter(|target| is_given(target)) {
        // Kind and name of a target are regular expressions.
        let is_other = |kind: &str| {
            kind != CONFIG_MAP && kind.chars().all(|letter| letter.is_ascii_alphanumeric())
        };
        let of_target = |field: &str| target.get(field).and_then(Value::as_str);
        return match (of_target("kind"), of_target("name")) {
            (Some(kind), _) if is_other(kind) => Ok(Vec::new()),
            (Some(_), Some(map)) => Err(refuse(&format!("the ConfigMap {map}"))),
            (Some(_), None) => Err(refuse("ConfigMaps")),
            (None, _) => Err(format!(
                "{}; if it is for objects of another kind, name that as `target.kind`",
                refuse("whatever its target selects, so maybe ConfigMaps,")
            )),
        };
    }
    // In `patchesStrategicMerge` a patch is a text: a path, or the patch itself.
    let (path, text) = match patch.as_str() {
        Some(text) if text.contains(['\n', ':']) => (None, Some(text)),
        Some(path) => (Some(path), None),
        None => {
            let field = |field: &str| patch.get(field).and_then(Value::as_str);
            (field("path"), field("patch"))
        }
    };
    let maps = match (path, text) {
        (Some(path), _) => folder.maps_at(path)?,
        (None, Some(text)) => maps_in(text)?,
        (None, None) => Vec::new(),
    };
    let is_read = |map: &String| path.is_some_and(|path| folder.has(path)) && !made.contains(map);
    match maps.iter().find(|map| !is_read(map)) {
        Some(map) => Err(refuse(&format!("the ConfigMap {map}"))),
        None => Ok(maps),
    }
}
