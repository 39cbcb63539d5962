//! The object store: one root that everything is read from and written under.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::{self, Hasher};
use crate::failure::Failure;
use crate::layout;

/// An object store with a root.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<LocalFileSystem>,
    url: String,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Key below the root.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What changes when the object is written anew: the time of its last change.
    pub stamp: String,
}

impl Store {
    /// Opens the store that a URL names: a folder or a `file://` URL. The folder is made when it is missing.
    pub fn create(url: &str) -> Result<Self> {
        let folder = folder(url)?;
        std::fs::create_dir_all(&folder).with_context(|| format!("making the store's folder {}", folder.display()))?;
        Self::open(url)
    }

    /// Opens a store that must exist, such as that of the raw files.
    pub fn open(url: &str) -> Result<Self> {
        let folder = folder(url)?;
        if !folder.is_dir() {
            return Err(Failure::usage(format!("there is no folder {}; check the URL or make it", folder.display())));
        }
        let inner = LocalFileSystem::new_with_prefix(&folder).with_context(|| format!("opening the store {url}"))?;
        Ok(Self { inner: Arc::new(inner), url: folder.display().to_string() })
    }

    /// Where the store is, for messages.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads and parses a JSON object; `None` when there is none.
    ///
    /// # Errors
    /// A document that does not parse is corrupt: exit 2, with the key and the place in it.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(bytes) = self.get(key).await? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::usage(format!(
                "{}/{key} is corrupt: {error}; restore it, or delete it and run the step that writes it again",
                self.url
            ))
        })?;
        Ok(Some(parsed))
    }

    /// Reads and parses a JSON object that must be there.
    pub async fn require_json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get_json(key).await?.ok_or_else(|| self.missing(key))
    }

    /// Reads an object; `None` when there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.inner.get(&self.location(key)?).await {
            Ok(found) => Ok(Some(found.bytes().await.with_context(|| format!("reading {key}"))?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {key}")),
        }
    }

    /// Reads an object that must be there.
    pub async fn require(&self, key: &str) -> Result<Vec<u8>> {
        self.get(key).await?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> anyhow::Error {
        Failure::usage(format!("there is no {key} in {}; run the step that writes it first", self.url))
    }

    /// Writes a JSON object, over what was there.
    pub async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<()> {
        self.put(key, json_bytes(value)?).await
    }

    /// Writes bytes, over what was there; readers see the old or the new object, never a part.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let location = self.location(key)?;
        self.inner
            .put(&location, PutPayload::from(bytes))
            .await
            .with_context(|| format!("writing {key} in {}", self.url))?;
        Ok(())
    }

    /// Writes a JSON object only if the key is free; false when somebody else was first.
    pub async fn put_json_new(&self, key: &str, value: &impl Serialize) -> Result<bool> {
        let payload = PutPayload::from(json_bytes(value)?);
        let options = PutOptions::from(PutMode::Create);
        match self.inner.put_opts(&self.location(key)?, payload, options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("writing {key} in {}", self.url)),
        }
    }

    /// Size of an object in bytes; `None` when there is none.
    pub async fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.head(key).await?.map(|object| object.bytes))
    }

    /// What a listing would show of one object.
    pub async fn head(&self, key: &str) -> Result<Option<Object>> {
        match self.inner.head(&self.location(key)?).await {
            Ok(meta) => Ok(Some(object(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("looking up {key}")),
        }
    }

    /// All objects below a folder (`""`: all), in the order of their keys.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let prefix = if folder.is_empty() { None } else { Some(self.location(folder)?) };
        let mut objects: Vec<Object> = self
            .inner
            .list(prefix.as_ref())
            .map_ok(object)
            .try_collect()
            .await
            .with_context(|| format!("listing {}/{folder}", self.url))?;
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// All objects whose key matches a glob, in the order of their keys. `*` stands for any characters but `/`.
    pub async fn glob(&self, pattern: &str) -> Result<Vec<Object>> {
        let literal = pattern.split('*').next().unwrap_or_default();
        let folder = literal.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut objects = self.list(folder).await?;
        objects.retain(|object| matches(pattern, &object.key));
        Ok(objects)
    }

    /// A local file with the object's bytes. A folder store gives its own file: do not change it.
    pub fn file(&self, key: &str) -> Result<PathBuf> {
        Ok(self.inner.path_to_filesystem(&self.location(key)?)?)
    }

    /// Begins a streaming write. Nothing is visible before [`Upload::finish`]; a dropped upload leaves nothing.
    pub async fn upload(&self, key: &str) -> Result<Upload> {
        let multipart = self
            .inner
            .put_multipart(&self.location(key)?)
            .await
            .with_context(|| format!("writing {key} in {}", self.url))?;
        Ok(Upload {
            key: key.to_owned(),
            stream: WriteMultipart::new_with_chunk_size(multipart, CHUNK),
            hasher: Hasher::default(),
            bytes: 0,
        })
    }

    fn location(&self, key: &str) -> Result<Location> {
        Location::parse(layout::check(key)?).map_err(|error| Failure::usage(format!("key {key:?} is refused: {error}")))
    }
}

/// Bytes that are written at once; a folder asks for no least size.
const CHUNK: usize = 1 << 20;
/// Chunks in flight of one upload; together they bound the memory of a writer.
const PARTS_IN_FLIGHT: usize = 2;

/// A streaming write that hashes what passes.
pub struct Upload {
    key: String,
    stream: WriteMultipart,
    hasher: Hasher,
    bytes: u64,
}

/// What a finished upload wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Size in bytes.
    pub bytes: u64,
    /// Hex digest of the content.
    pub sha256: String,
}

impl Upload {
    /// Appends bytes; waits while too much is in flight.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.wait_for_capacity(PARTS_IN_FLIGHT).await.with_context(|| format!("writing {}", self.key))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.stream.write(bytes);
        Ok(())
    }

    /// Makes the object visible.
    pub async fn finish(self) -> Result<Written> {
        self.stream.finish().await.with_context(|| format!("writing {}", self.key))?;
        Ok(Written { bytes: self.bytes, sha256: self.hasher.hex() })
    }
}

/// JSON as it is stored: indented, so that a person can read it, and with a final line break.
fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn object(meta: object_store::ObjectMeta) -> Object {
    let stamp = meta.last_modified.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    Object { key: meta.location.to_string(), bytes: meta.size, stamp }
}

/// The folder that a URL names.
fn folder(url: &str) -> Result<PathBuf> {
    let folder = match url.split_once("://") {
        None => PathBuf::from(url),
        Some(("file", _)) => url::Url::parse(url)
            .ok()
            .and_then(|parsed| parsed.to_file_path().ok())
            .ok_or_else(|| Failure::usage(format!("{url:?} is not a file URL, such as file:///data/store")))?,
        Some((scheme, _)) => {
            return Err(Failure::usage(format!(
                "the store {url:?} is refused: this version has no support for {scheme}://; give a folder or a file:// URL"
            )));
        }
    };
    std::path::absolute(&folder).with_context(|| format!("resolving the folder {}", folder.display()))
}

/// Whether a key matches a glob in which `*` stands for any characters but `/`.
fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((literal, rest)) => {
            let Some(tail) = key.strip_prefix(literal) else { return false };
            let segment = tail.find('/').unwrap_or(tail.len());
            (0..=segment).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
        }
    }
}

/// The digest and size of a local file, read once from end to end.
pub fn hash_file(path: &Path) -> Result<Written> {
    let file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    digest::of_reader(file).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join("store").to_str().unwrap()).unwrap();
        (folder, store)
    }

    #[test]
    fn globs_stay_within_a_segment() {
        for (pattern, key, expected) in [
            ("train/*.parquet", "train/a.parquet", true),
            ("train/*.parquet", "train/a/b.parquet", false),
            ("train/*.parquet", "train/.parquet", true),
            ("train/*.parquet", "predict/a.parquet", false),
            ("p/*/x-*.csv", "p/2026-11-23/x-1.csv", true),
            ("p/*/x-*.csv", "p/2026-11-23/y-1.csv", false),
            ("one.csv", "one.csv", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
        }
    }

    #[tokio::test]
    async fn the_first_to_create_wins() {
        let (_folder, store) = store();
        assert!(store.put_json_new("a/b.json", &1).await.unwrap());
        assert!(!store.put_json_new("a/b.json", &2).await.unwrap());
        assert_eq!(store.get_json::<i32>("a/b.json").await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn an_upload_shows_only_when_finished() {
        let (_folder, store) = store();
        let mut abandoned = store.upload("x/part.bin").await.unwrap();
        abandoned.write(&[7; 100]).await.unwrap();
        drop(abandoned);
        assert_eq!(store.list("").await.unwrap(), []);

        let mut upload = store.upload("x/part.bin").await.unwrap();
        upload.write(b"ab").await.unwrap();
        upload.write(b"c").await.unwrap();
        let written = upload.finish().await.unwrap();
        assert_eq!(written.sha256, digest::hex(b"abc"));
        assert_eq!(store.require("x/part.bin").await.unwrap(), b"abc");
        assert_eq!(store.size("x/part.bin").await.unwrap(), Some(3));
    }

    #[tokio::test]
    async fn names_with_spaces_and_quotes_are_kept() {
        let (folder, store) = store();
        let raw = folder.path().join("store/raw");
        std::fs::create_dir_all(&raw).unwrap();
        std::fs::write(raw.join("día 1 'a' 100%.parquet"), b"x").unwrap();
        let found = store.glob("raw/*.parquet").await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(std::fs::read(store.file(&found[0].key).unwrap()).unwrap(), b"x");
    }

    #[tokio::test]
    async fn a_corrupt_document_names_its_key() {
        let (_folder, store) = store();
        store.put("m.json", b"{\"rows\": ".to_vec()).await.unwrap();
        let error = store.get_json::<serde_json::Value>("m.json").await.unwrap_err();
        assert_eq!(crate::failure::exit_code(&error), 2);
        assert!(error.to_string().contains("m.json is corrupt"), "{error}");
    }

    #[test]
    fn unknown_schemes_and_missing_folders_are_refused_by_name() {
        for url in ["s3://bucket/prefix", "/no/such/folder", "http://x"] {
            let error = Store::open(url).unwrap_err();
            assert_eq!(crate::failure::exit_code(&error), 2, "{url}: {error}");
        }
    }
}
