//! A folder as an object store.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, WriteMultipart,
};

use super::entries::{Entry, object_of, walk};
use super::{Object, glob, hash_file, location};
use runtime::failure::{Failure, causes};

/// Bytes that are written at once; a folder asks for no least size.
const CHUNK: usize = 1 << 20;
/// Chunks in flight of one upload; together they bound the memory of a writer.
const CHUNKS_IN_FLIGHT: usize = 2;

/// File systems count changes of a file by the tick of a clock, at most by whole seconds.
const TICK: TimeDelta = TimeDelta::seconds(1);

/// Size of a file, the time of the last change of its content, and that of any change, which no
/// copy can keep.
type Written = (u64, SystemTime, (i64, i64));

#[derive(Debug)]
pub(super) struct Folder {
    files: LocalFileSystem,
    path: PathBuf,
    /// The digest of each key, and what the file was when it was read.
    digests: Mutex<HashMap<String, (Written, String)>>,
}

impl Folder {
    /// Opens a folder, which must exist.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Failure::usage(format!(
                "there is no folder {}; check the URL or create it",
                path.display()
            )));
        }
        let files = LocalFileSystem::new_with_prefix(path)
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            files,
            path: path.to_owned(),
            digests: Mutex::default(),
        })
    }

    fn name(&self, key: &str) -> String {
        self.path.join(key).display().to_string()
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.read(key, None).await
    }

    /// The bytes of an object that a range names.
    pub(super) async fn part(&self, key: &str, range: GetRange) -> Result<Option<Vec<u8>>> {
        self.read(key, Some(range)).await
    }

    async fn read(&self, key: &str, range: Option<GetRange>) -> Result<Option<Vec<u8>>> {
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let reading = || format!("reading {}", self.name(key));
        let opened = self.files.get_opts(&location("", key)?, options).await;
        let Some(found) = done(found(opened), reading)? else {
            return Ok(None);
        };
        Ok(Some(done(found.bytes().await, reading)?.to_vec()))
    }

    pub(super) async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self
            .files
            .put(&location("", key)?, PutPayload::from(bytes))
            .await;
        done(put, || format!("writing {}", self.name(key)))?;
        Ok(())
    }

    pub(super) async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .files
            .put_opts(&location("", key)?, PutPayload::from(bytes), options)
            .await
        {
            Err(Error::AlreadyExists { .. }) => Ok(false),
            put => done(put, || format!("writing {}", self.name(key))).map(|_| true),
        }
    }

    pub(super) async fn head(&self, key: &str) -> Result<Option<Object>> {
        let looked_up = found(self.files.head(&location("", key)?).await);
        let found = done(looked_up, || format!("looking up {}", self.name(key)))?;
        Ok(found.map(object))
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let prefix = if folder.is_empty() {
            None
        } else {
            Some(location("", folder)?)
        };
        let listed = self
            .files
            .list(prefix.as_ref())
            .map_ok(object)
            .try_collect()
            .await;
        let mut objects: Vec<Object> = done(listed, || format!("listing {}", self.name(folder)))?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// See [`Store::entries`](super::Store::entries).
    pub(super) fn entries(&self, pattern: &str) -> Result<Vec<Entry>> {
        let (folder, _) = glob::folder(pattern);
        let path = match folder {
            "" => self.path.clone(),
            folder => self.file(folder)?,
        };
        let below = pattern[folder.len()..].trim_start_matches('/');
        let mut found = Vec::new();
        walk(
            &path,
            folder,
            &below.split('/').collect::<Vec<_>>(),
            &mut found,
        )?;
        Ok(found)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        let deleted = self.files.delete(&location("", key)?).await;
        done(deleted, || format!("deleting {}", self.name(key)))
    }

    /// The digest of an object's bytes, which are read once as long as they do not change.
    pub(super) fn digest(&self, key: &str) -> Result<String> {
        let path = self.file(key)?;
        let looking_up = || format!("looking up {}", path.display());
        let metadata = std::fs::metadata(&path).with_context(looking_up)?;
        let changed = metadata.modified().with_context(looking_up)?;
        let any_change = (metadata.ctime(), metadata.ctime_nsec());
        let written = (metadata.len(), changed, any_change);
        let known = |digests: &HashMap<String, (Written, String)>| {
            let (known, digest) = digests.get(key)?;
            (*known == written).then(|| digest.clone())
        };
        let digests = || self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known(&digests()) {
            return Ok(digest);
        }
        let digest = hash_file(&path)?.sha256;
        digests().insert(key.to_owned(), (written, digest.clone()));
        Ok(digest)
    }

    /// See [`Store::may_be_replaced`](super::Store::may_be_replaced).
    pub(super) fn may_be_replaced(&self, key: &str, since: DateTime<Utc>) -> Result<bool> {
        let path = self.file(key)?;
        let metadata =
            std::fs::metadata(&path).with_context(|| format!("looking up {}", path.display()))?;
        let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
        let changed = DateTime::from_timestamp(metadata.ctime(), nanos);
        Ok(changed.is_none_or(|changed| changed + TICK > since))
    }

    /// The file of an object, whether there is one or not.
    pub(super) fn file(&self, key: &str) -> Result<PathBuf> {
        let path = self.files.path_to_filesystem(&location("", key)?);
        done(path, || format!("looking up {}", self.name(key)))
    }

    pub(super) async fn upload(&self, key: &str) -> Result<FolderUpload> {
        let name = self.name(key);
        let begun = self.files.put_multipart(&location("", key)?).await;
        let stream = done(begun, || format!("writing {name}"))?;
        Ok(FolderUpload {
            name,
            stream: WriteMultipart::new_with_chunk_size(stream, CHUNK),
        })
    }
}

/// What a call gave, or why it failed. Without an error of the file system among its causes, it is
/// the name or the range that no file can have: a person must act.
fn done<T>(result: object_store::Result<T>, operation: impl FnOnce() -> String) -> Result<T> {
    let failed = |error: Error| {
        let of_a_file = causes(&error).any(|cause| cause.is::<std::io::Error>());
        match error {
            Error::InvalidPath { .. } | Error::Generic { .. } if !of_a_file => {
                Failure::usage(error.to_string())
            }
            error => error.into(),
        }
    };
    result.map_err(failed).with_context(operation)
}

fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn object(meta: ObjectMeta) -> Object {
    object_of(meta.location.to_string(), meta.size, meta.last_modified)
}

/// A file that is being written under another name.
pub(super) struct FolderUpload {
    name: String,
    stream: WriteMultipart,
}

impl FolderUpload {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let free = self.stream.wait_for_capacity(CHUNKS_IN_FLIGHT).await;
        done(free, || format!("writing {}", self.name))?;
        self.stream.write(bytes);
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<()> {
        let finished = self.stream.finish().await;
        done(finished, || format!("writing {}", self.name))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_no_file_can_have_needs_a_person() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        for error in [
            folder.get("a#1").await.unwrap_err(),
            folder.put("a#1", vec![1]).await.unwrap_err(),
            folder.file("a#1").unwrap_err(),
        ] {
            let text = format!("{error:#}");
            assert_eq!(runtime::failure::exit_code(&error), 2, "{text}");
            assert!(
                text.contains("a#1: ") && text.contains("not supported"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_whose_name_is_no_text_is_named() {
        use std::os::unix::ffi::OsStrExt;
        let home = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"part-\xff");
        std::fs::write(home.path().join(name), "a").unwrap();
        let error = Folder::open(home.path())
            .unwrap()
            .list("")
            .await
            .unwrap_err();
        let text = format!("{error:#}");
        assert_eq!(runtime::failure::exit_code(&error), 2, "{text}");
        assert!(text.contains("part-"), "{text}");
    }
}
