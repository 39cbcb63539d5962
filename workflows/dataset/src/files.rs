//! The raw files that a command line names: files, folders and globs; and how settings name them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use runtime::failure::Failure;
use store::{Kind, matches_glob};
use table::raw::files::{NearMiss, refuse};
use table::raw::{ENDINGS, format_of};

use crate::source::{Source, find};

/// Folders below the root whose names say what is in them, as the settings' defaults have it.
const TRAIN: &str = "train";
const PREDICT: &str = "predict";
const LABELS: &str = "labels";

/// Raw files, below one folder.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder that all of them are in, absolute.
    pub root: PathBuf,
    /// Those to train on, in the order of their keys.
    pub train: Vec<Source>,
    /// Those to score: they are in a folder `predict` beside a folder `train`.
    pub predict: Vec<Source>,
    /// Those of labels: they are directly in a folder `labels` beside a folder `train`.
    pub labels: Vec<Source>,
}

impl Files {
    /// Finds the files. Below a folder all raw files count, whatever their depth; where it holds
    /// `train` those of `predict` are to be scored and those of `labels` are labels.
    ///
    /// # Errors
    /// A path that is not there, a folder without raw files, a name that no raw file has: exit 2.
    pub fn find(given: &[PathBuf]) -> Result<Self> {
        let mut found = BTreeMap::new();
        for path in given {
            for source in of_path(path)? {
                let absolute = std::path::absolute(&source.path)?;
                found.insert(absolute, source.bytes);
            }
        }
        let Some(root) = common_folder(found.keys()) else {
            return Err(Failure::usage(
                "give the raw files: paths, folders or globs",
            ));
        };
        let named = |name: &str| root.file_name().is_some_and(|of| of == name);
        let has = |name: &str| root.parent().is_some_and(|of| of.join(name).is_dir());
        let root = match root.parent() {
            Some(parent) if named(TRAIN) && (has(PREDICT) || has(LABELS)) => parent.to_owned(),
            _ => root,
        };
        let files = found.into_iter().map(|(path, bytes)| {
            let below = path.strip_prefix(&root).unwrap_or(&path);
            let key = below.to_string_lossy().into_owned();
            Source { key, path, bytes }
        });
        let mut train: Vec<Source> = files.collect();
        let (mut predict, mut labels) = (Vec::new(), Vec::new());
        let is_in = |source: &Source, folder: &str| {
            source
                .key
                .split_once('/')
                .is_some_and(|(first, _)| first == folder)
        };
        if train.iter().any(|source| is_in(source, TRAIN)) {
            train.retain(|source| {
                if is_in(source, PREDICT) {
                    predict.push(source.clone());
                }
                // The glob of the settings names no deeper ones.
                if is_in(source, LABELS) && source.key.matches('/').count() == 1 {
                    labels.push(source.clone());
                }
                !is_in(source, PREDICT) && !is_in(source, LABELS)
            });
        }
        Ok(Self {
            root,
            train,
            predict,
            labels,
        })
    }

    /// All bytes of the files to train on.
    pub fn bytes(&self) -> u64 {
        self.train.iter().map(|source| source.bytes).sum()
    }

    /// The glob that names exactly the files to train on among those of their folders.
    ///
    /// # Errors
    /// No glob names them alone: exit 2, with what it would name besides.
    pub fn train_glob(&self) -> Result<String> {
        let keys: Vec<&str> = self
            .train
            .iter()
            .map(|source| source.key.as_str())
            .collect();
        let Some(narrow) = glob_of(&keys) else {
            return Err(Failure::usage(format!(
                "no glob matches both {} and {}, because they are at different depths: put the \
                 training files into one folder, and give that folder",
                keys[0],
                keys[keys.len() - 1]
            )));
        };
        // Tomorrow's files are likely to have other names.
        for glob in [widened(&narrow), narrow.clone()] {
            let there = find(&self.root, Some(&glob), "");
            let there = there.map(|there| there.files).unwrap_or_default();
            let known = |there: &Source| keys.contains(&there.key.as_str());
            if there.len() == keys.len() && there.iter().all(known) {
                return Ok(glob);
            }
        }
        Err(Failure::usage(format!(
            "TRAIN_GLOB must name the training files, but the glob {narrow} also matches others: put \
             the training files into a folder of their own, and give that folder"
        )))
    }

    /// The glob of the files to score; `None` where there are none.
    pub fn predict_glob(&self) -> Option<String> {
        let keys: Vec<&str> = self
            .predict
            .iter()
            .map(|source| source.key.as_str())
            .collect();
        glob_of(&keys).map(|glob| widened(&glob))
    }
}

/// A glob of all files of a kind in the same folders, where they are in a folder.
fn widened(glob: &str) -> String {
    match glob.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/*{}", shared_end(&[name])),
        None => glob.to_owned(),
    }
}

fn of_path(path: &Path) -> Result<Vec<Source>> {
    let text = path.to_string_lossy();
    if path.is_dir() {
        return Ok(find(path, None, "")?.files);
    }
    if let Some(star) = text.find('*') {
        let split = text[..star].rfind('/');
        let (folder, glob) = match split {
            Some(0) => ("/", &text[1..]),
            Some(slash) => (&text[..slash], &text[slash + 1..]),
            None => (".", &*text),
        };
        return Ok(find(Path::new(folder), Some(glob), "")?.files);
    }
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|error| {
        Failure::usage(format!("{text}: {error}; give raw files, folders or globs"))
    })?;
    if Kind::of(&metadata) == Kind::Special {
        let folder = path.parent().unwrap_or(path).display().to_string();
        refuse(
            &[(text.to_string(), NearMiss::Special)],
            &folder,
            "--glob",
            None,
        )?;
    }
    match format_of(&text) {
        Some(_) => Ok(vec![Source {
            key: text.into_owned(),
            path: path.to_owned(),
            bytes: metadata.len(),
        }]),
        None => Err(Failure::usage(format!(
            "{text}: the name of a raw file ends with {ENDINGS}"
        ))),
    }
}

/// The deepest folder that holds all of them.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> Option<PathBuf> {
    let first = paths.next()?.parent()?.to_owned();
    Some(paths.fold(first, |folder, path| {
        let same = folder.components().zip(path.components());
        let same = same.take_while(|(one, other)| one == other);
        same.map(|(one, _): (Component<'_>, _)| one).collect()
    }))
}

/// A glob for keys of one depth: what differs in a segment is `*`, the beginning and the ending
/// that all share stay.
fn glob_of(keys: &[&str]) -> Option<String> {
    let segments: Vec<Vec<&str>> = keys.iter().map(|key| key.split('/').collect()).collect();
    let first = segments.first()?;
    if segments.iter().any(|of| of.len() != first.len()) {
        return None;
    }
    let glob = (0..first.len()).map(|at| {
        let all: Vec<&str> = segments.iter().map(|of| of[at]).collect();
        if all.iter().all(|one| *one == all[0]) {
            return all[0].to_owned();
        }
        format!("{}*{}", shared_beginning(&all), shared_end(&all))
    });
    let glob = glob.collect::<Vec<String>>().join("/");
    keys.iter()
        .all(|key| matches_glob(&glob, key))
        .then_some(glob)
}

fn shared_beginning(all: &[&str]) -> String {
    let shortest = all.iter().map(|one| one.chars().count()).min().unwrap_or(0);
    let same = |at: usize| {
        all.iter()
            .all(|one| one.chars().nth(at) == all[0].chars().nth(at))
    };
    let count = (0..shortest).take_while(|&at| same(at)).count();
    // Digits that happen to be the same, as those of a year, do not stay.
    let shared: String = all[0].chars().take(count).collect();
    shared
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .to_owned()
}

/// The ending from a dot on that all share.
fn shared_end(all: &[&str]) -> String {
    let ends = all[0].match_indices('.').map(|(dot, _)| &all[0][dot..]);
    let mut shared = ends.filter(|end| all.iter().all(|one| one.ends_with(end)));
    shared
        .find(|end| format_of(end).is_some())
        .unwrap_or_default()
        .to_owned()
}

/// A path as messages and commands show it: relative where it lies below the current folder.
///
/// # Errors
/// No current folder.
pub fn shown(path: &Path) -> Result<String> {
    let here = std::env::current_dir().context("finding the current folder")?;
    let below = path.strip_prefix(&here).unwrap_or(path);
    Ok(match below.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => below.display().to_string(),
    })
}
