//! What lies in the place that a glob names, whether it matches or not: for readers that must not
//! overlook anything.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};

use super::{Backend, Object, Store, glob};
use runtime::failure::Failure;
use runtime::threads::blocking;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object, or a link to a file.
    File,
    /// A folder, or what the keys of objects make look like one.
    Folder,
    /// A link whose target does not exist.
    DanglingLink,
    /// A pipe, a socket or a device, which reading would wait for.
    Special,
}

impl Kind {
    /// That of what a path leads to.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        match metadata {
            found if found.is_dir() => Self::Folder,
            found if found.is_file() => Self::File,
            _ => Self::Special,
        }
    }
}

/// One thing in the place of a glob. Only a file has a size and a stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, and what a listing says of it.
    pub object: Object,
    /// Kind of the entry.
    pub kind: Kind,
}

impl Entry {
    fn bare(key: &str, kind: Kind) -> Self {
        let object = Object {
            key: key.to_owned(),
            bytes: 0,
            stamp: String::new(),
        };
        Self { object, kind }
    }
}

impl Store {
    /// All entries in the folders in which matches of a glob may lie, in the order of their keys.
    ///
    /// For `p/*/x-*.csv` these are the entries of every folder in `p`. Empty when there is no such
    /// folder.
    pub async fn entries(&self, pattern: &str) -> Result<Vec<Entry>> {
        let mut entries = match &self.backend {
            Backend::Folder(folder) => {
                let (folder, pattern) = (folder.clone(), pattern.to_owned());
                blocking(move || folder.entries(&pattern)).await?
            }
            Backend::Bucket(bucket) => {
                let (folder, direct) = glob::folder(pattern);
                let (objects, folders) = bucket.list_with_folders(folder, direct).await?;
                of_keys(pattern, objects, folders)
            }
        };
        entries.sort_by(|a, b| a.object.key.cmp(&b.object.key));
        Ok(entries)
    }
}

/// The entries that keys make, at the depth of the pattern. `folders` are known to be folders.
fn of_keys(pattern: &str, objects: Vec<Object>, folders: Vec<String>) -> Vec<Entry> {
    let depth = pattern.split('/').count();
    let parent = pattern.rsplit_once('/').map_or("", |(parent, _)| parent);
    let is_beside = |key: &str| {
        glob::matches(
            parent,
            key.rsplit_once('/').map_or("", |(folder, _)| folder),
        )
    };
    let (mut files, mut below) = (Vec::new(), BTreeSet::new());
    for object in objects {
        match object.key.match_indices('/').nth(depth - 1) {
            Some((end, _)) => {
                below.insert(object.key[..end].to_owned());
            }
            None if object.key.split('/').count() == depth => files.push(object),
            None => {}
        }
    }
    below.extend(folders);
    // An empty object beside keys below it is the mark of a folder: the client cuts its slash.
    files.retain(|file| file.bytes > 0 || !below.contains(&file.key));
    let folders = below.iter().map(|key| Entry::bare(key, Kind::Folder));
    let kind = Kind::File;
    let files = files.into_iter().map(|object| Entry { object, kind });
    files
        .chain(folders)
        .filter(|entry| is_beside(&entry.object.key))
        .collect()
}

/// Collects the entries of the folder at `path`, whose key is `key`, and of those folders in it
/// that match; `segments` is the rest of the pattern.
pub(super) fn walk(
    path: &Path,
    key: &str,
    segments: &[&str],
    found: &mut Vec<Entry>,
) -> Result<()> {
    let [segment, rest @ ..] = segments else {
        return Ok(());
    };
    let reading = || format!("reading the folder {}", path.display());
    let listed = match std::fs::read_dir(path) {
        Err(error) if is_no_folder(&error) => return Ok(()),
        listed => listed.with_context(reading)?,
    };
    for entry in listed {
        let path = entry.with_context(reading)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What a killed writer leaves, or one that is under way: no object.
        if is_unfinished(&name) {
            continue;
        }
        if path.to_str().is_none() {
            if glob::matches(segment, &name) {
                return Err(Failure::usage(format!(
                    "{} has a name that is not UTF-8: rename it",
                    path.display()
                )));
            }
            continue;
        }
        let key = match key {
            "" => name.into_owned(),
            key => format!("{key}/{name}"),
        };
        let Some(entry) = look(&path, key)? else {
            continue;
        };
        if rest.is_empty() {
            found.push(entry);
        } else if entry.kind == Kind::Folder && glob::matches(segment, &last(&entry.object.key)) {
            walk(&path, &entry.object.key, rest, found)?;
        }
    }
    Ok(())
}

/// A file that was last changed at some time, as a listing shows it.
pub(super) fn object_of(key: String, bytes: u64, changed: DateTime<Utc>) -> Object {
    let stamp = changed.to_rfc3339_opts(SecondsFormat::Nanos, true);
    Object { key, bytes, stamp }
}

fn last(key: &str) -> String {
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

fn is_no_folder(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Whether `object_store` takes it for a file that is being written.
fn is_unfinished(name: &str) -> bool {
    let after = name.split_once('#').map(|(_, after)| after);
    after.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// What lies at a path; `None` when it has gone since it was listed.
fn look(path: &Path, key: String) -> Result<Option<Entry>> {
    let looking = || format!("looking up {}", path.display());
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(match Kind::of(&metadata) {
            kind @ Kind::File => {
                let changed = metadata.modified().with_context(looking)?;
                let object = object_of(key, metadata.len(), changed.into());
                Entry { object, kind }
            }
            kind => Entry::bare(&key, kind),
        })),
        Err(_) if path.is_symlink() => Ok(Some(Entry::bare(&key, Kind::DanglingLink))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(looking),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, bytes: u64) -> Object {
        Object {
            key: key.to_owned(),
            bytes,
            stamp: "s".to_owned(),
        }
    }

    fn shown(entries: &[Entry]) -> Vec<String> {
        let shown = |entry: &Entry| format!("{} {:?}", entry.object.key, entry.kind);
        entries.iter().map(shown).collect()
    }

    #[test]
    fn keys_below_the_depth_of_a_glob_are_folders_and_so_are_their_marks() {
        let keys = [
            "p/1/a.csv",
            "p/1/b.csv/0",
            "p/1/c.csv/0/1",
            "p/x.csv",
            "p/1/d.csv",
        ];
        let mut objects: Vec<Object> = keys.iter().map(|key| object(key, 1)).collect();
        objects.push(object("p/1/b.csv", 0));
        objects.push(object("q/1/a.csv", 1));
        let entries = of_keys("p/*/*.csv", objects, Vec::new());
        let expected = [
            "p/1/a.csv File",
            "p/1/d.csv File",
            "p/1/b.csv Folder",
            "p/1/c.csv Folder",
        ];
        assert_eq!(shown(&entries), expected);
    }

    #[tokio::test]
    async fn a_folder_shows_links_and_folders_as_what_they_are() {
        let home = tempfile::tempdir().unwrap();
        let path = |key: &str| home.path().join(key);
        for folder in ["a/1/deep", "a/2", "b"] {
            std::fs::create_dir_all(path(folder)).unwrap();
        }
        for file in [
            "a/1/x.csv",
            "a/1/y.csv#1",
            "a/2/z.csv",
            "a/top.csv",
            "a/1/deep/d.csv",
        ] {
            std::fs::write(path(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("x.csv", path("a/1/linked.csv")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("a/1/lost.csv")).unwrap();
        let store = Store::open(home.path().to_str().unwrap()).unwrap();
        let listed = store.glob("a/*/*.csv").await.unwrap();
        std::os::unix::fs::symlink("loop.csv", path("a/1/loop.csv")).unwrap();
        let entries = store.entries("a/*/*.csv").await.unwrap();
        let expected = [
            "a/1/deep Folder",
            "a/1/linked.csv File",
            "a/1/loop.csv DanglingLink",
            "a/1/lost.csv DanglingLink",
            "a/1/x.csv File",
            "a/2/z.csv File",
        ];
        assert_eq!(shown(&entries), expected);
        let files = entries.iter().filter(|entry| entry.kind == Kind::File);
        assert!(
            files.map(|entry| &entry.object).eq(&listed),
            "sizes and stamps are the same"
        );
        assert_eq!(store.entries("c/*.csv").await.unwrap(), []);
        assert_eq!(store.entries("a/top.csv/*.csv").await.unwrap(), []);
        assert!(store.entries("../*.csv").await.is_err());
    }
}
