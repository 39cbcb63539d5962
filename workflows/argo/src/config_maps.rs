//! ConfigMaps from a folder: settings and files of each model, as `kubectl apply -k` would make
//! them.

pub mod differences;
mod fields;
mod folder;
mod kustomization;
mod patches;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use runtime::failure::Failure;
use runtime::spelling;
use serde_json::Value;

use crate::library::{Source, yaml_files};
use crate::yaml::{self, Marks};
use differences::Difference;
use folder::Folder;
use kustomization::{Behavior, Generator};

/// How the names of the ConfigMaps begin that steps read.
pub const OUR_MAPS: &str = "alameda-";

const CONFIG_MAP: &str = "ConfigMap";

/// The fields of a ConfigMap.
const FIELDS: [&str; 6] = [
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "binaryData",
    "immutable",
];
/// The fields of the metadata of an object of Kubernetes.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The repository's own configuration.
const EMBEDDED: [(&str, &str); 4] = [
    (
        "dataset.json",
        include_str!("../../../config-maps/dataset.json"),
    ),
    (
        "features.sql",
        include_str!("../../../config-maps/features.sql"),
    ),
    (
        "kustomization.yaml",
        include_str!("../../../config-maps/kustomization.yaml"),
    ),
    (
        "ml-config.yaml",
        include_str!("../../../config-maps/ml-config.yaml"),
    ),
];

/// A file of the repository's own configuration.
///
/// # Errors
/// A name that none of them has.
pub fn built_in(name: &str) -> Result<&'static str> {
    let file = EMBEDDED.iter().find(|(known, _)| *known == name);
    file.map(|(_, text)| *text)
        .with_context(|| format!("{name} is not built in"))
}

/// A document of a folder.
struct Document {
    /// Name of the file.
    file: String,
    value: Value,
    marks: Marks,
}

/// ConfigMaps by name, each with its keys.
#[derive(Clone, Debug, Default)]
pub struct ConfigMaps {
    maps: BTreeMap<String, BTreeMap<String, String>>,
    /// The file in which each ConfigMap is, or by which it is generated.
    files: BTreeMap<String, String>,
    /// File and line of each key, by `{name}.data.{key}`; line 0 for a file of its own.
    places: BTreeMap<String, (String, usize)>,
    differences: Vec<Difference>,
    source: String,
}

impl ConfigMaps {
    /// Reads a folder and the folders in it.
    ///
    /// # Errors
    ///
    /// If a file can't be read, if it changes ConfigMaps in a way that is not understood here, and
    /// if two ConfigMaps have one name; names the file.
    pub fn load(source: &Source) -> Result<Self> {
        let mut found = Self {
            source: "the copies in this binary".to_owned(),
            ..Self::default()
        };
        let Source::Folder(folder) = source else {
            let read = |name: &str| built_in(name).map(str::to_owned);
            let names = EMBEDDED
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| name.ends_with(".yaml"));
            return found
                .read(&names.map(str::to_owned).collect::<Vec<_>>(), "", &read)
                .map(|()| found);
        };
        found.source = folder.display().to_string();
        let mut folders: Vec<PathBuf> = vec![folder.clone()];
        let listing = || format!("listing the folder {} (--config-maps)", folder.display());
        for entry in std::fs::read_dir(folder).with_context(listing)? {
            folders.push(entry.with_context(listing)?.path());
        }
        folders[1..].sort();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            let read = |name: &str| yaml::read(&folder.join(name));
            let files = yaml_files(folder)?;
            let mut names: Vec<_> = files
                .iter()
                .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                .collect();
            if folder.join(kustomization::WITHOUT_ENDING).is_file() {
                names.push(kustomization::WITHOUT_ENDING.to_owned());
            }
            found.read(&names, &format!("{}/", folder.display()), &read)?;
        }
        Ok(found)
    }

    /// Reads the files of one folder; files that a generator adds come on top of what stands in a
    /// ConfigMap.
    fn read(
        &mut self,
        names: &[String],
        place: &str,
        read: &dyn Fn(&str) -> Result<String>,
    ) -> Result<()> {
        let mut documents = Vec::new();
        for name in names {
            let of_file = yaml::load_marked(&read(name)?)
                .map_err(|broken| Failure::usage(format!("{place}{name}: {broken}")))?;
            documents.extend(of_file.into_iter().map(|(value, marks)| Document {
                file: name.clone(),
                value,
                marks,
            }));
        }
        let (generators, differences) = kustomization::read(&Folder {
            place,
            names,
            documents: &documents,
            read,
        })?;
        // A kustomization does not see the ConfigMaps of other folders.
        let mut found = Self {
            source: match place.trim_end_matches('/') {
                "" => self.source.clone(),
                folder => folder.to_owned(),
            },
            differences,
            ..Self::default()
        };
        for document in documents {
            found.add(document, place)?;
        }
        for generator in generators {
            found.generate(generator, place, read)?;
        }
        self.absorb(found)
    }

    /// Adds a document, if it is a ConfigMap.
    fn add(&mut self, document: Document, place: &str) -> Result<()> {
        let file = format!("{place}{}", document.file);
        let refuse = |what: String| Failure::usage(format!("{file}: {what}"));
        if !is_config_map(&document.value).map_err(refuse)? {
            return Ok(());
        }
        let name = check_fields(&document.value).map_err(refuse)?;
        if let Some(other) = self.files.insert(name.clone(), file.clone()) {
            return Err(refuse(match other == file {
                true => format!("it has two ConfigMaps {name}: make one of them, or rename one"),
                false => doubled(&name, &other),
            }));
        }
        let mut keys = BTreeMap::new();
        let data = document.value.get("data").and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let Value::String(value) = value else {
                let why = no_text(value);
                return Err(refuse(format!("{name}.data.{key}: {why}")));
            };
            let (line, _) = document.marks.find(&format!(".data.{key}"));
            let at = (file.clone(), line);
            self.places.insert(format!("{name}.data.{key}"), at);
            keys.insert(key.clone(), value.clone());
        }
        self.maps.insert(name, keys);
        Ok(())
    }

    /// Does what kustomize does for an item of `configMapGenerator`.
    fn generate(
        &mut self,
        generator: Generator,
        place: &str,
        read: &dyn Fn(&str) -> Result<String>,
    ) -> Result<()> {
        let Generator {
            map: name,
            behavior,
            files,
            file,
            item,
            is_whole,
        } = generator;
        let refuse = |what: String| Failure::usage(format!("{file}: {item}: {what}"));
        match (behavior, self.files.get(&name)) {
            (Behavior::Create, Some(other)) => {
                return Err(refuse(format!(
                    "the ConfigMap {name} is in {other} already: give `behavior: merge`, which adds \
                     the files to it"
                )));
            }
            (Behavior::Merge | Behavior::Replace, None) if is_whole => {
                let meant = spelling::meant(&name, self.maps.keys().map(String::as_str));
                return Err(refuse(format!(
                    "there is no ConfigMap {name} to merge the files into{meant}: give the \
                     one that holds the settings this `metadata.name`; {}",
                    self.known()
                )));
            }
            _ => {}
        }
        self.files.entry(name.clone()).or_insert(file);
        let keys = self.maps.entry(name.clone()).or_default();
        if behavior == Behavior::Replace {
            keys.clear();
        }
        for (key, file) in files {
            keys.insert(key.clone(), read(&file)?);
            let at = (format!("{place}{file}"), 0);
            self.places.insert(format!("{name}.data.{key}"), at);
        }
        Ok(())
    }

    /// Adds the ConfigMaps of one folder to those of the others.
    fn absorb(&mut self, found: Self) -> Result<()> {
        for (name, file) in found.files {
            if let Some(other) = self.files.insert(name.clone(), file.clone()) {
                let what = doubled(&name, &other);
                return Err(Failure::usage(format!("{file}: {what}")));
            }
        }
        self.maps.extend(found.maps);
        self.places.extend(found.places);
        self.differences.extend(found.differences);
        Ok(())
    }

    /// The keys of a ConfigMap.
    pub fn get(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.maps.get(name)
    }

    /// Every ConfigMap and its keys.
    pub fn all(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.maps.iter().map(|(name, keys)| (name.as_str(), keys))
    }

    /// ConfigMaps that `kubectl apply -k` would not make as they are here.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// File and line of a key; line 0 when it is a file of its own.
    pub fn place(&self, name: &str, key: &str) -> (&str, usize) {
        let place = self.places.get(&format!("{name}.data.{key}"));
        place.map_or((self.source.as_str(), 0), |(file, line)| {
            (file.as_str(), *line)
        })
    }

    /// Where they were looked for, and which were found.
    pub fn known(&self) -> String {
        let names: Vec<_> = self.maps.keys().map(String::as_str).collect();
        format!(
            "in {} there are: {}",
            self.source,
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        )
    }
}

/// What is wrong with a ConfigMap whose name another one has.
fn doubled(name: &str, other: &str) -> String {
    format!(
        "the ConfigMap {name} is also in {other}, and only one of a name can be used: rename one, or \
         move it to a folder that is not read"
    )
}

/// # Errors
/// A `kind` that is misspelt or missing, without which the settings would count for nothing.
fn is_config_map(document: &Value) -> Result<bool, String> {
    let advice = format!("write `kind: {CONFIG_MAP}`");
    match document.get("kind").and_then(Value::as_str) {
        Some(CONFIG_MAP) => Ok(true),
        Some(kind) => match spelling::nearest(kind, [CONFIG_MAP]) {
            Some(_) => Err(format!("Kubernetes has no kind `{kind}`: {advice}")),
            None => Ok(false),
        },
        None => match (document.get("metadata"), document.get("data")) {
            (Some(_), Some(_)) => Err(format!("it has `data`, and no `kind`: {advice}")),
            _ => Ok(false),
        },
    }
}

/// The name of a ConfigMap.
///
/// # Errors
/// A field that no ConfigMap has, whose settings would count for nothing, and one that is missing.
fn check_fields(document: &Value) -> Result<String, String> {
    let fields = |value: Option<&Value>, known: &[&str]| {
        let mut fields = value.and_then(Value::as_object).into_iter().flatten();
        let unknown = fields.find(|(field, _)| !known.contains(&field.as_str()));
        unknown.map(|(field, _)| {
            let meant = spelling::meant(field, known.iter().copied());
            format!("no field `{field}`{meant}: settings are the keys of `data`")
        })
    };
    if let Some(unknown) = fields(Some(document), &FIELDS) {
        return Err(format!("a ConfigMap has {unknown}"));
    }
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err("the ConfigMap has no `metadata.name`: give it one".to_owned());
    };
    if let Some(unknown) = fields(document.get("metadata"), &METADATA) {
        return Err(format!(
            "the metadata of the ConfigMap {name} has {unknown}"
        ));
    }
    let binary = document.get("binaryData").and_then(Value::as_object);
    if let Some((key, _)) = binary.and_then(|keys| keys.iter().next())
        && name.starts_with(OUR_MAPS)
    {
        return Err(format!(
            "{name}.binaryData.{key}: a local run reads no `binaryData`: write it into `data`"
        ));
    }
    match document.get("data") {
        None if document.get("binaryData").is_none() => {
            Err("the ConfigMap has no `data`: settings are the keys of `data`".to_owned())
        }
        None | Some(Value::Null | Value::Object(_)) => Ok(name.to_owned()),
        Some(_) => Err("`data` of the ConfigMap must be settings, each with a value".to_owned()),
    }
}

/// Why a value is refused that is no text. A number is not repeated: YAML has read it, and may have
/// made another one of it.
fn no_text(value: &Value) -> String {
    let what = match value {
        Value::Null => return "is empty: give it a value, or remove it".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    };
    format!("must be text, not {what}: put it in quotes")
}
