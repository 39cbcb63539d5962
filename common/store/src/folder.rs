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
use runtime::failure::Failure;

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
        let found = match found(self.files.get_opts(&location("", key)?, options).await) {
            Ok(None) => return Ok(None),
            Ok(Some(found)) => found.bytes().await,
            Err(error) => Err(error),
        };
        Ok(Some(
            found
                .with_context(|| format!("reading {}", self.name(key)))?
                .to_vec(),
        ))
    }

    pub(super) async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self
            .files
            .put(&location("", key)?, PutPayload::from(bytes))
            .await;
        put.with_context(|| format!("writing {}", self.name(key)))?;
        Ok(())
    }

    pub(super) async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .files
            .put_opts(&location("", key)?, PutPayload::from(bytes), options)
            .await
        {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("writing {}", self.name(key))),
        }
    }

    pub(super) async fn head(&self, key: &str) -> Result<Option<Object>> {
        let looked_up = found(self.files.head(&location("", key)?).await);
        Ok(looked_up
            .with_context(|| format!("looking up {}", self.name(key)))?
            .map(object))
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
            .try_collect();
        let mut objects: Vec<Object> = listed
            .await
            .with_context(|| format!("listing {}", self.name(folder)))?;
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
        deleted.with_context(|| format!("deleting {}", self.name(key)))
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
        Ok(self.files.path_to_filesystem(&location("", key)?)?)
    }

    pub(super) async fn upload(&self, key: &str) -> Result<FolderUpload> {
        let name = self.name(key);
        let begun = self.files.put_multipart(&location("", key)?).await;
        let stream = begun.with_context(|| format!("writing {name}"))?;
        Ok(FolderUpload {
            name,
            stream: WriteMultipart::new_with_chunk_size(stream, CHUNK),
        })
    }
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
        free.with_context(|| format!("writing {}", self.name))?;
        self.stream.write(bytes);
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<()> {
        self.stream
            .finish()
            .await
            .with_context(|| format!("writing {}", self.name))?;
        Ok(())
    }
}
