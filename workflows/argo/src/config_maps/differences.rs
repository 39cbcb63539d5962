//! ConfigMaps that a kustomization makes otherwise than a local run reads them.

use std::collections::BTreeSet;

use super::folder::{Folder, plain};

/// What a cluster has of a ConfigMap and a local run does not, or the other way round.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Name of the ConfigMap.
    pub map: String,
    /// The file to correct.
    pub file: String,
    /// What differs, and what to do.
    pub text: String,
}

/// ConfigMaps in files of the folder that are neither resources nor patches.
pub(super) fn unlisted(
    folder: &Folder<'_>,
    resources: &[&str],
    patched: &BTreeSet<String>,
    kustomization: &str,
) -> Vec<Difference> {
    let is_listed = |file: &str| resources.iter().any(|resource| plain(resource) == file);
    let found = folder.maps().filter(|(file, _)| !is_listed(file));
    let found = found.filter(|(_, map)| !patched.contains(map));
    let difference = |(file, map): (&str, String)| Difference {
        file: format!("{}{file}", folder.place),
        text: format!(
            "a local run reads it, and `kubectl apply -k` leaves it out: add {file} to `resources` \
             of {kustomization}, or move the file to a folder that is not read"
        ),
        map,
    };
    found.map(difference).collect()
}

/// ConfigMaps that are changed here, by a patch or by a generator that merges, and made in another
/// folder.
pub(super) fn partial(
    folder: &Folder<'_>,
    mut changed: BTreeSet<String>,
    merged: &[&str],
    kustomization: &str,
) -> Vec<Difference> {
    let is_here = |name: &str| folder.maps().any(|(_, map)| map == name);
    changed.extend(
        merged
            .iter()
            .filter(|map| !is_here(map))
            .map(|map| (*map).to_owned()),
    );
    let difference = |map| Difference {
        map,
        file: kustomization.to_owned(),
        text: "what it has in another folder is missing in a local run, which reads this folder \
               alone: write what `kubectl kustomize` prints to a YAML file, and give the folder of \
               that file as --config-maps"
            .to_owned(),
    };
    changed.into_iter().map(difference).collect()
}
