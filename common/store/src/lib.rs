//! The object store: one root that everything is read from and written under, a folder or a place
//! in S3.

mod address;
mod arguments;
pub mod digest;
mod entries;
mod environment;
mod file;
mod folder;
mod glob;
mod present;
mod s3;
pub mod spill;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use object_store::GetRange;
use object_store::path::Path as Location;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use address::Address;
use folder::Folder;
use runtime::failure::Failure;
use runtime::retry::Budget;
use runtime::threads::blocking;
use runtime::work::Work;
use s3::{Bucket, BucketUpload};
use upload::To;

pub use arguments::RawArgs;
pub use entries::{Entry, Kind};
pub use environment::{Environment, Role};
pub use file::{LocalFile, hash_file};
pub use glob::matches as matches_glob;
pub use s3::OpenUploads;
pub use upload::{BlockingUpload, Upload};

/// An object store with a root. Cheap to clone.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let folder = tempfile::tempdir()?;
/// let store = store::Store::create(&folder.path().display().to_string())?;
/// // Only the first creates: so a manifest becomes a commit.
/// assert!(store.put_json_new("train/1/_manifest.json", &1).await?);
/// assert!(!store.put_json_new("train/1/_manifest.json", &2).await?);
/// assert_eq!(store.get_json("train/1/_manifest.json").await?, Some(1));
/// assert_eq!(store.glob("train/*/_manifest.json").await?.len(), 1);
/// # Ok::<(), anyhow::Error>(())
/// # })?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone)]
pub struct Store {
    url: String,
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Folder(Arc<Folder>),
    Bucket(Arc<Bucket>),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.url).finish()
    }
}

/// How an S3 server is reached; a folder needs nothing of it.
#[derive(Clone, Debug)]
pub struct Access {
    /// Which of a step's stores it is.
    pub role: Role,
    /// Where the server is and who asks.
    pub environment: Environment,
    /// How long a call is tried again.
    pub budget: Budget,
    /// Where objects are copied to when they are read as files.
    pub scratch: Work,
    /// Where uploads are listed until they end, so that none is left behind.
    pub uploads: Arc<OpenUploads>,
}

impl Access {
    /// By the variables of this process, with the system's folder for temporary files.
    ///
    /// # Errors
    /// Those of [`Environment::of_process`].
    pub fn of_process(role: Role) -> Result<Self> {
        Ok(Self::new(role, Environment::of_process()?))
    }

    /// By given variables, with the system's folder for temporary files.
    pub fn new(role: Role, environment: Environment) -> Self {
        Self {
            role,
            environment,
            budget: Budget::default(),
            scratch: std::env::temp_dir().as_path().into(),
            uploads: Arc::default(),
        }
    }
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Key below the root.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What changes when the object is written again: the time of its last change in a folder, its
    /// ETag in S3.
    pub stamp: String,
}

/// Refuses keys that leave the root or are not in normal form.
pub fn check_key(key: &str) -> Result<&str> {
    let bad = |segment: &str| segment.is_empty() || segment == "." || segment == "..";
    if key.split('/').any(bad) || key.contains('\\') || key.contains('\0') {
        return Err(Failure::usage(format!(
            "key {key:?} is refused: a key is relative, has no empty, '.' or '..' segment and no backslash"
        )));
    }
    Ok(key)
}

/// Refuses a URL that no store can be opened by, or that holds a secret: exit 2.
pub fn check_url(url: &str) -> Result<()> {
    Address::parse(url).map(drop)
}

impl Store {
    /// Opens the store that a URL names: a folder, a `file://` URL or `s3://BUCKET/PREFIX`. A
    /// folder is made when it is missing; a bucket must be there. S3 is not asked anything yet.
    pub fn create(url: &str) -> Result<Self> {
        Self::create_with(url, &Access::of_process(Role::Store)?)
    }

    /// [`Store::create`], with another access to S3.
    pub fn create_with(url: &str, access: &Access) -> Result<Self> {
        let address = Address::parse(url)?;
        if let Address::Folder(folder) = &address {
            let making = || format!("creating the store's folder {}", folder.display());
            match std::fs::create_dir_all(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    return Err(Failure::usage(format!(
                        "{} is not a folder: move it away, or give another folder for the store",
                        folder.display()
                    )));
                }
                made => made.with_context(making)?,
            }
        }
        Self::at(&address, access)
    }

    /// Opens a store that must exist, such as that of the raw files. The first call reports a
    /// missing bucket.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, &Access::of_process(Role::Store)?)
    }

    /// [`Store::open`], with another access to S3.
    pub fn open_with(url: &str, access: &Access) -> Result<Self> {
        Self::at(&Address::parse(url)?, access)
    }

    fn at(address: &Address, access: &Access) -> Result<Self> {
        let url = address.url();
        let backend = match address {
            Address::Folder(folder) => Backend::Folder(Arc::new(Folder::open(folder)?)),
            Address::Bucket { name, prefix } => {
                Backend::Bucket(Arc::new(Bucket::open(name, prefix, url.clone(), access)?))
            }
        };
        Ok(Self { url, backend })
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
        self.get(key)
            .await?
            .map(|bytes| self.parse(key, &bytes))
            .transpose()
    }

    /// Parses what was read from a JSON object.
    ///
    /// # Errors
    /// Those of [`Store::get_json`].
    pub fn parse<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| {
            Failure::damaged(format!(
                "{}/{key} is corrupt: {error}; restore it, or delete it and run the step that writes it again",
                self.url
            ))
        })
    }

    /// Reads and parses a JSON object that must be there.
    pub async fn require_json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get_json(key).await?.ok_or_else(|| self.missing(key))
    }

    /// Reads an object; `None` when there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match &self.backend {
            Backend::Folder(folder) => folder.get(key).await,
            Backend::Bucket(bucket) => bucket.get(key).await,
        }
    }

    /// Reads an object that must be there.
    pub async fn require(&self, key: &str) -> Result<Vec<u8>> {
        self.get(key).await?.ok_or_else(|| self.missing(key))
    }

    /// Reads the last `bytes` bytes of an object, or all when it has less; `None` when there is
    /// none.
    pub async fn tail(&self, key: &str, bytes: u64) -> Result<Option<Vec<u8>>> {
        self.part(key, GetRange::Suffix(bytes)).await
    }

    /// Reads a range of the bytes of an object that must be there and hold them.
    ///
    /// # Errors
    /// An object that is gone, or shorter: exit 2.
    pub async fn range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let found = self.part(key, GetRange::Bounded(range)).await?;
        let found = found.ok_or_else(|| self.missing(key))?;
        if found.len() as u64 == wanted {
            return Ok(found);
        }
        Err(Failure::damaged(format!(
            "{}/{key} is shorter than it was written; run the step that writes it again",
            self.url
        )))
    }

    async fn part(&self, key: &str, range: GetRange) -> Result<Option<Vec<u8>>> {
        match &self.backend {
            Backend::Folder(folder) => folder.part(key, range).await,
            Backend::Bucket(bucket) => bucket.part(key, range).await,
        }
    }

    fn missing(&self, key: &str) -> anyhow::Error {
        Failure::damaged(format!(
            "there is no {key} in {}; run the step that writes it first",
            self.url
        ))
    }

    /// Writes a JSON object, over what was there.
    pub async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<()> {
        self.put(key, json_bytes(value)?).await
    }

    /// Writes bytes, over what was there; readers see the old or the new object, never a part.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        match &self.backend {
            Backend::Folder(folder) => folder.put(key, bytes).await,
            Backend::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// Writes a JSON object only if the key is free; false when somebody else was first.
    pub async fn put_json_new(&self, key: &str, value: &impl Serialize) -> Result<bool> {
        self.put_new(key, json_bytes(value)?).await
    }

    /// Writes bytes only if the key is free; false when somebody else was first.
    pub async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        match &self.backend {
            Backend::Folder(folder) => folder.put_new(key, bytes).await,
            Backend::Bucket(bucket) => bucket.put_new(key, bytes).await,
        }
    }

    /// Size of an object in bytes; `None` when there is none.
    pub async fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.head(key).await?.map(|object| object.bytes))
    }

    /// What a listing would show of one object.
    pub async fn head(&self, key: &str) -> Result<Option<Object>> {
        match &self.backend {
            Backend::Folder(folder) => folder.head(key).await,
            Backend::Bucket(bucket) => bucket.head(key).await,
        }
    }

    /// Whether an object may be another one than at a moment although its size and its stamp are
    /// the same: a copy of a file can keep the time of its last change. An ETag can't be kept.
    ///
    /// # Errors
    /// A file that can't be looked up.
    pub fn may_be_replaced(&self, key: &str, since: DateTime<Utc>) -> Result<bool> {
        match &self.backend {
            Backend::Folder(folder) => folder.may_be_replaced(key, since),
            Backend::Bucket(_) => Ok(false),
        }
    }

    /// All objects below a folder (`""`: all), in the order of their keys.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        match &self.backend {
            Backend::Folder(files) => files.list(folder).await,
            Backend::Bucket(bucket) => bucket.list(folder, false).await,
        }
    }

    /// All objects whose key matches a glob, in the order of their keys. `*` represents any
    /// characters but `/`.
    pub async fn glob(&self, pattern: &str) -> Result<Vec<Object>> {
        let (folder, direct) = glob::folder(pattern);
        let mut objects = match &self.backend {
            Backend::Folder(files) => files.list(folder).await?,
            Backend::Bucket(bucket) => bucket.list(folder, direct).await?,
        };
        objects.retain(|object| glob::matches(pattern, &object.key));
        Ok(objects)
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match &self.backend {
            Backend::Folder(folder) => folder.delete(key).await,
            Backend::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// A file on this machine with the object's bytes: of S3 a copy in the scratch folder, which
    /// vanishes when the result is dropped.
    ///
    /// # Errors
    /// No such object, or a scratch folder that is full: exit 2.
    pub async fn file(&self, key: &str) -> Result<LocalFile> {
        self.find_file(key).await?.ok_or_else(|| self.missing(key))
    }

    /// [`Store::file`] of an object that may not be there.
    pub async fn find_file(&self, key: &str) -> Result<Option<LocalFile>> {
        match &self.backend {
            Backend::Bucket(bucket) => bucket.download(key).await,
            Backend::Folder(folder) => {
                let path = folder.file(key)?;
                Ok(path
                    .try_exists()
                    .with_context(|| format!("looking up {}", path.display()))?
                    .then(|| path.into()))
            }
        }
    }

    /// Whether an object, as it was listed, has the very bytes of a file on this machine.
    ///
    /// In S3 the ETag decides where it is the digest that this program's own uploads get. Where it
    /// is not, because of encryption by KMS or another uploader's parts, an object of the same size
    /// is copied to the scratch folder and read.
    pub async fn holds(&self, object: &Object, file: &Path) -> Result<bool> {
        let bytes = std::fs::metadata(file)
            .with_context(|| format!("looking up {}", file.display()))?
            .len();
        if bytes != object.bytes {
            return Ok(false);
        }
        if let Backend::Bucket(bucket) = &self.backend {
            let (bucket, path) = (Arc::clone(bucket), file.to_owned());
            if blocking(move || bucket.etag_of(&path)).await? == object.stamp {
                return Ok(true);
            }
        }
        let (there, here) = (self.file(&object.key).await?, file.to_owned());
        blocking(move || Ok(there.hash()? == hash_file(&here)?)).await
    }

    /// The digest of an object that [`Store::file`] gave. A file of a folder is read for it, once
    /// as long as it does not change; a copy was hashed when it was made.
    pub fn digest(&self, key: &str, file: &LocalFile) -> Result<String> {
        match &self.backend {
            Backend::Folder(folder) => folder.digest(key),
            Backend::Bucket(_) => Ok(file.hash()?.sha256),
        }
    }

    /// The path of an object, whether it is there or not; `None` unless the store is a folder.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        match &self.backend {
            Backend::Folder(folder) => folder.file(key).ok(),
            Backend::Bucket(_) => None,
        }
    }

    /// Begins a streaming write. Nothing is visible before [`Upload::finish`]; a dropped upload
    /// leaves nothing.
    pub async fn upload(&self, key: &str) -> Result<Upload> {
        Ok(Upload::new(match &self.backend {
            Backend::Folder(folder) => To::Folder(folder.upload(key).await?),
            Backend::Bucket(bucket) => To::Bucket(Box::new(BucketUpload::new(bucket, key)?)),
        }))
    }
}

#[cfg(test)]
impl Store {
    /// The same store, whose uploads have parts of other sizes.
    fn with_part_sizes(self, first: usize, of_a_size: usize) -> Self {
        let Backend::Bucket(bucket) = self.backend else {
            return self;
        };
        let bucket = Arc::into_inner(bucket).expect("the store was just opened");
        Self {
            url: self.url,
            backend: Backend::Bucket(Arc::new(bucket.with_part_sizes(first, of_a_size))),
        }
    }
}

/// The place of a key below a prefix, which is empty or ends with a slash.
fn location(prefix: &str, key: &str) -> Result<Location> {
    Location::parse(format!("{prefix}{}", check_key(key)?))
        .map_err(|error| Failure::usage(format!("key {key:?} is refused: {error}")))
}

/// JSON as it is stored: indented, so that a person can read it, and with a final line break.
///
/// # Errors
/// A value that JSON has no form for.
pub fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
