//! ConfigMaps from a folder: settings and files of each model, as `kubectl apply -k` would make
//! them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use runtime::failure::Failure;
use runtime::spelling;
use serde_json::Value;

use crate::library::{Source, yaml_files};
use crate::yaml;

#[cfg(test)]
mod tests;

/// The fields of a ConfigMap.
const FIELDS: [&str; 6] = [
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "binaryData",
    "immutable",
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

/// ConfigMaps by name, each with its keys.
#[derive(Clone, Debug, Default)]
pub struct ConfigMaps {
    maps: BTreeMap<String, BTreeMap<String, String>>,
    /// File and line of each key, by `{name}.data.{key}`; line 0 for a file of its own.
    places: BTreeMap<String, (String, usize)>,
    source: String,
}

impl ConfigMaps {
    /// Reads a folder and the folders in it.
    ///
    /// # Errors
    ///
    /// If a file can't be read, or asks kustomize for something that is not understood here; names
    /// the file.
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
            let names: Vec<_> = files
                .iter()
                .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
                .collect();
            found.read(&names, &format!("{}/", folder.display()), &read)?;
        }
        Ok(found)
    }

    /// Reads the YAML files of one folder; files that a generator adds come on top of what stands
    /// in a ConfigMap.
    fn read(
        &mut self,
        names: &[String],
        place: &str,
        read: &dyn Fn(&str) -> Result<String>,
    ) -> Result<()> {
        let mut generated = Vec::new();
        for name in names {
            let refuse = |what: String| Failure::usage(format!("{place}{name}: {what}"));
            let documents =
                yaml::load_marked(&read(name)?).map_err(|broken| refuse(broken.to_string()))?;
            for (document, marks) in documents {
                let map_name = document
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                match document.get("kind").and_then(Value::as_str) {
                    Some("ConfigMap") => {
                        check_fields(&document).map_err(&refuse)?;
                        let keys = self.maps.entry(map_name.clone()).or_default();
                        for (key, value) in document
                            .get("data")
                            .and_then(Value::as_object)
                            .into_iter()
                            .flatten()
                        {
                            let Value::String(value) = value else {
                                let why = no_text(value);
                                return Err(refuse(format!("{map_name}.data.{key}: {why}")));
                            };
                            let (line, _) = marks.find(&format!(".data.{key}"));
                            self.places.insert(
                                format!("{map_name}.data.{key}"),
                                (format!("{place}{name}"), line),
                            );
                            keys.insert(key.clone(), value.clone());
                        }
                    }
                    Some("Kustomization") => {
                        let items = |field: &str| document.get(field).and_then(Value::as_array);
                        // What another folder holds is not known here.
                        let is_here = |resource: &Value| {
                            names
                                .iter()
                                .any(|name| resource.as_str() == Some(name.as_str()))
                        };
                        let is_whole = items("resources").into_iter().flatten().all(is_here);
                        let generators = items("configMapGenerator").into_iter().flatten();
                        for (i, generator) in generators.enumerate() {
                            let at = format!("configMapGenerator[{i}]");
                            let (map, files) = generate(generator)
                                .map_err(|what| refuse(format!("{at}: {what}")))?;
                            let merges =
                                generator.get("behavior").and_then(Value::as_str) == Some("merge");
                            let at = (is_whole && merges).then(|| format!("{place}{name}: {at}"));
                            generated.push((map, files, at));
                        }
                    }
                    _ => {}
                }
            }
        }
        for (name, files, merged_at) in generated {
            if let Some(at) = merged_at
                && !self.maps.contains_key(&name)
            {
                let meant = spelling::meant(&name, self.maps.keys().map(String::as_str));
                return Err(Failure::usage(format!(
                    "{at}: there is no ConfigMap {name} to merge the files into{meant}: give the \
                     one that holds the settings this `metadata.name`; {}",
                    self.known()
                )));
            }
            let keys = self.maps.entry(name.clone()).or_default();
            for (key, file) in files {
                keys.insert(key.clone(), read(&file)?);
                let at = (format!("{place}{file}"), 0);
                self.places.insert(format!("{name}.data.{key}"), at);
            }
        }
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

/// # Errors
/// A field that no ConfigMap has, whose settings would count for nothing, and one that is missing.
fn check_fields(document: &Value) -> Result<(), String> {
    let mut fields = document.as_object().into_iter().flatten();
    if let Some((field, _)) = fields.find(|(field, _)| !FIELDS.contains(&field.as_str())) {
        let meant = spelling::meant(field, FIELDS);
        return Err(format!(
            "a ConfigMap has no field `{field}`{meant}: settings are the keys of `data`"
        ));
    }
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    if name.is_none_or(str::is_empty) {
        return Err("the ConfigMap has no `metadata.name`: give it one".to_owned());
    }
    match document.get("data") {
        None if document.get("binaryData").is_none() => {
            Err("the ConfigMap has no `data`: settings are the keys of `data`".to_owned())
        }
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
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

/// Name of the ConfigMap that a generator makes, with the files of its keys.
fn generate(generator: &Value) -> Result<(String, Vec<(String, String)>), String> {
    let fields = generator.as_object().ok_or("must be an object")?;
    if let Some(field) = fields
        .keys()
        .find(|key| !["name", "behavior", "files"].contains(&key.as_str()))
    {
        return Err(format!(
            "unknown field `{field}`: name, behavior and files are understood"
        ));
    }
    let name = fields
        .get("name")
        .and_then(Value::as_str)
        .ok_or("`name` is missing")?;
    let mut files = Vec::new();
    for file in fields
        .get("files")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let file = file.as_str().ok_or("`files` must be a list of text")?;
        let (key, path) = match file.split_once('=') {
            Some((key, path)) => (key, path),
            None => (file.rsplit('/').next().unwrap_or(file), file),
        };
        files.push((key.to_owned(), path.to_owned()));
    }
    Ok((name.to_owned(), files))
}
