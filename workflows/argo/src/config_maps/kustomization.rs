//! What a kustomization makes of the ConfigMaps of its folder. Whatever could change one and is not
//! understood is refused, so that a local run and the cluster have the same settings.

use std::collections::BTreeSet;

use anyhow::Result;
use runtime::failure::Failure;
use runtime::spelling;
use serde_json::{Map, Value};

use super::differences::{self, Difference};
use super::fields::{is_given, items};
use super::folder::{Folder, plain};
use super::patches::{self, PATCHES};
use super::{Document, OUR_MAPS};

/// Names of the file that kustomize reads.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", WITHOUT_ENDING];
/// The name that looks like no YAML file.
pub(super) const WITHOUT_ENDING: &str = "Kustomization";
/// How the `apiVersion` begins; Flux has a `Kustomization` of another one.
const GROUP: &str = "kustomize.config.k8s.io/";
/// The kinds that kustomize reads.
const KINDS: [&str; 2] = ["Kustomization", "Component"];

/// Fields that are read.
const READ: [&str; 4] = [
    "resources",
    "bases",
    "configMapGenerator",
    GENERATOR_OPTIONS,
];
const GENERATOR_OPTIONS: &str = "generatorOptions";
/// The option by which a generated ConfigMap gets no hash at the end of its name.
const KEEP_NAME: &str = "disableNameSuffixHash";
/// Fields by which a ConfigMap gets another name.
const RENAMING: [&str; 2] = ["namePrefix", "nameSuffix"];
const COMPONENTS: &str = "components";
/// Fields by which a ConfigMap may get other keys and values.
const CHANGING: [&str; 5] = [
    COMPONENTS,
    "generators",
    "replacements",
    "transformers",
    "vars",
];
/// Fields that change no key and no value of a ConfigMap.
const NO_EFFECT: [&str; 21] = [
    "apiVersion",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "configurations",
    "crds",
    "helmChartInflationGenerator",
    "helmCharts",
    "helmGlobals",
    "imageTags",
    "images",
    "inventory",
    "kind",
    "labels",
    "metadata",
    "namespace",
    "openapi",
    "replicas",
    "secretGenerator",
    "sortOptions",
    "validators",
];
/// Fields whose values are lists.
const LISTS: [&str; 7] = [
    "resources",
    "bases",
    "configMapGenerator",
    COMPONENTS,
    PATCHES[0],
    PATCHES[1],
    PATCHES[2],
];
/// Fields of an item of `configMapGenerator`.
const OF_GENERATOR: [&str; 4] = ["name", "behavior", "files", "options"];

/// An item of `configMapGenerator`.
pub(super) struct Generator {
    /// The ConfigMap that it makes or changes.
    pub(super) map: String,
    /// What it does with a ConfigMap that is there.
    pub(super) behavior: Behavior,
    /// Keys with the files of their values.
    pub(super) files: Vec<(String, String)>,
    /// The file that it is in.
    pub(super) file: String,
    /// Where in the file, for messages.
    pub(super) item: String,
    /// Whether all resources are files of this folder, so that every ConfigMap is known.
    pub(super) is_whole: bool,
}

/// What a generator does with a ConfigMap that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behavior {
    /// It is an error.
    Create,
    /// The files are added.
    Merge,
    /// Only the files remain.
    Replace,
}

/// The generators of a folder, in order, and the ConfigMaps that kustomize makes otherwise.
///
/// # Errors
/// What is not understood and may change a ConfigMap, and what kustomize would refuse: names file
/// and field.
pub(super) fn read(folder: &Folder<'_>) -> Result<(Vec<Generator>, Vec<Difference>)> {
    let (mut generators, mut differences) = (Vec::new(), Vec::new());
    for document in folder.documents {
        if is_kustomization(document) {
            let file = format!("{}{}", folder.place, document.file);
            let found = of_document(document, folder, &file);
            let found = found.map_err(|what| Failure::usage(format!("{file}: {what}")))?;
            generators.extend(found.0);
            differences.extend(found.1);
        }
    }
    Ok((generators, differences))
}

/// Whether kustomize would read a document as its own, or people mean it to.
fn is_kustomization(document: &Document) -> bool {
    let text = |field: &str| document.value.get(field).and_then(Value::as_str);
    let is_of_group = || text("apiVersion").is_none_or(|version| version.starts_with(GROUP));
    let is_of_kind = text("kind").is_some_and(|kind| KINDS.contains(&kind));
    FILES.contains(&document.file.as_str()) || (is_of_kind && is_of_group())
}

fn of_document(
    document: &Document,
    folder: &Folder<'_>,
    file: &str,
) -> Result<(Vec<Generator>, Vec<Difference>), String> {
    let fields = document
        .value
        .as_object()
        .ok_or("a kustomization must be an object")?;
    check_fields(fields)?;
    let resources = items(fields, "resources").chain(items(fields, "bases"));
    let resources: Vec<&str> = resources.filter_map(Value::as_str).collect();
    let is_whole = resources.iter().all(|resource| folder.has(resource));
    let generators = generators(fields, file, is_whole)?;
    let mut made: BTreeSet<String> = generators.iter().map(|of| of.map.clone()).collect();
    for resource in &resources {
        if folder.has(resource) {
            made.extend(folder.maps_of(resource));
        } else {
            check_elsewhere(resource, folder, &generators)?;
        }
    }
    let patched = patches::known(fields, folder, &made)?;
    let known = made.union(&patched).cloned().collect();
    check_changes(fields, &made, &known)?;
    check_name(&document.file, folder)?;
    let mut differences = differences::unlisted(folder, &resources, &patched, file);
    let merged = generators
        .iter()
        .filter(|of| of.behavior == Behavior::Merge);
    let merged: Vec<&str> = merged.map(|of| of.map.as_str()).collect();
    differences.extend(differences::partial(folder, patched, &merged, file));
    Ok((generators, differences))
}

/// # Errors
/// A field that kustomize does not have, and one of another type than it takes.
fn check_fields(fields: &Map<String, Value>) -> Result<(), String> {
    let known = || {
        let lists: [&[&str]; 5] = [&READ, &PATCHES, &RENAMING, &CHANGING, &NO_EFFECT];
        lists.into_iter().flatten().copied()
    };
    if let Some(field) = fields.keys().find(|field| known().all(|of| of != *field)) {
        let meant = spelling::meant(field, known());
        return Err(format!(
            "a kustomization has no field `{field}`{meant}: correct it, or remove it"
        ));
    }
    if let Some(kind) = fields.get("kind")
        && !KINDS.iter().any(|known| kind == known)
    {
        return Err(format!("`kind` is {kind}: write {}", KINDS[0]));
    }
    let is_list = |field: &str| {
        matches!(
            fields.get(field),
            None | Some(Value::Null | Value::Array(_))
        )
    };
    match LISTS.iter().find(|field| !is_list(field)) {
        Some(field) => Err(format!("`{field}` must be a list")),
        None => Ok(()),
    }
}

/// # Errors
/// A file that kustomize does not read, or beside which it reads none.
fn check_name(file: &str, folder: &Folder<'_>) -> Result<(), String> {
    if !FILES.contains(&file) {
        return Err(format!(
            "kustomize does not read a file of this name: rename it to {}",
            FILES[0]
        ));
    }
    let mut others = folder.names.iter().filter(|name| *name != file);
    match others.find(|name| FILES.contains(&name.as_str())) {
        Some(other) => Err(format!(
            "{other} is beside it, and kustomize refuses a folder with both: keep one"
        )),
        None => Ok(()),
    }
}

/// # Errors
/// A file outside of the folder with a ConfigMap that is not read, or not before the generators.
fn check_elsewhere(
    resource: &str,
    folder: &Folder<'_>,
    generators: &[Generator],
) -> Result<(), String> {
    // What another folder or an address holds is not known here.
    let Ok(maps) = folder.maps_at(resource) else {
        return Ok(());
    };
    // The YAML files of a folder in this one are read too, as a folder of their own.
    let is_read = |of: &str, name: &str| {
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        is_yaml && !name.contains('/') && of != ".."
    };
    let parts = plain(resource).split_once('/');
    let is_read = parts.is_some_and(|(of, name)| is_read(of, name));
    let is_generated = |map: &String| generators.iter().any(|generator| generator.map == *map);
    match maps.iter().find(|map| !is_read || is_generated(map)) {
        Some(map) => Err(format!(
            "resources: {resource} holds the ConfigMap {map}, and is not a YAML file of this folder, \
             where `alameda` looks for it: move it here"
        )),
        None => Ok(()),
    }
}

/// # Errors
/// A field by which kustomize would change the name, the keys or the values of a ConfigMap.
fn check_changes(
    fields: &Map<String, Value>,
    made: &BTreeSet<String>,
    known: &BTreeSet<String>,
) -> Result<(), String> {
    let is_set = |field: &&&str| fields.get(**field).is_some_and(is_given);
    if let (Some(field), Some(map)) = (RENAMING.iter().find(is_set), known.first()) {
        return Err(format!(
            "`{field}` renames the ConfigMap {map} on a cluster, but not in a local run: remove it, \
             and write the whole name where the ConfigMap is named"
        ));
    }
    for field in CHANGING.iter().filter(is_set) {
        // Overlays patch ConfigMaps of other folders and add components that concern images.
        let maps = if *field == COMPONENTS { made } else { known };
        if let Some(map) = maps.first() {
            return Err(format!(
                "`{field}` may change the ConfigMap {map} on a cluster, but not in a local run: \
                 write its settings into `data`, and move `{field}` into a kustomization of its own, \
                 whose `resources` name this folder"
            ));
        }
    }
    Ok(())
}

fn generators(
    fields: &Map<String, Value>,
    file: &str,
    is_whole: bool,
) -> Result<Vec<Generator>, String> {
    let global = fields.get(GENERATOR_OPTIONS).unwrap_or(&Value::Null);
    let mut found = Vec::new();
    for (i, item) in items(fields, "configMapGenerator").enumerate() {
        let at = format!("configMapGenerator[{i}]");
        let (map, behavior, files) =
            generator(item, global).map_err(|what| format!("{at}: {what}"))?;
        found.push(Generator {
            map,
            behavior,
            files,
            file: file.to_owned(),
            item: at,
            is_whole,
        });
    }
    Ok(found)
}

type Made = (String, Behavior, Vec<(String, String)>);

/// Name of the ConfigMap that a generator makes, and the files of its keys.
fn generator(item: &Value, global: &Value) -> Result<Made, String> {
    let fields = item.as_object().ok_or("must be an object")?;
    if let Some(field) = fields
        .keys()
        .find(|key| !OF_GENERATOR.contains(&key.as_str()))
    {
        return Err(format!(
            "unknown field `{field}`: name, behavior, files and options are understood; write \
             settings into `data` of a ConfigMap"
        ));
    }
    let name = fields
        .get("name")
        .and_then(Value::as_str)
        .ok_or("`name` is missing")?;
    let behavior = match fields.get("behavior").filter(|value| is_given(value)) {
        None => Behavior::Create,
        Some(value) => match value.as_str() {
            Some("create") => Behavior::Create,
            Some("merge") => Behavior::Merge,
            Some("replace") => Behavior::Replace,
            _ => {
                return Err(format!(
                    "`behavior` is {value}: write create, merge or replace"
                ));
            }
        },
    };
    let keeps_name = |options: &Value| options.get(KEEP_NAME) == Some(&Value::Bool(true));
    let own = fields.get("options").unwrap_or(&Value::Null);
    if name.starts_with(OUR_MAPS) && !keeps_name(own) && !keeps_name(global) {
        return Err(format!(
            "kustomize adds a hash to the name {name}, by which no workflow finds the ConfigMap: \
             add `{GENERATOR_OPTIONS}: {{{KEEP_NAME}: true}}`"
        ));
    }
    Ok((name.to_owned(), behavior, files(fields.get("files"))?))
}

fn files(listed: Option<&Value>) -> Result<Vec<(String, String)>, String> {
    let none = Vec::new();
    let listed = match listed {
        None | Some(Value::Null) => &none,
        Some(listed) => listed.as_array().ok_or("`files` must be a list of text")?,
    };
    let mut files: Vec<(String, String)> = Vec::new();
    for file in listed {
        let file = file.as_str().ok_or("`files` must be a list of text")?;
        let (key, path) = match file.split_once('=') {
            Some((key, path)) => (key, path),
            None => (file.rsplit('/').next().unwrap_or(file), file),
        };
        if files.iter().any(|(other, _)| other == key) {
            return Err(format!(
                "`files` has two files for the key {key}: remove one"
            ));
        }
        files.push((key.to_owned(), path.to_owned()));
    }
    Ok(files)
}
