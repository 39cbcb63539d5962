//! A bucket of an S3 server.
//!
//! `object_store` makes the requests, one at a time; they are tried again here, by [`Budget`], with
//! new signatures, with what was learnt from the try before, and with one text for whoever reads
//! the error.

mod download;
mod etag;
mod http;
mod open;
mod trouble;
mod uploads;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use object_store::aws::{AmazonS3, AwsCredentialProvider};
use object_store::client::HttpClient;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Location;
use object_store::{
    GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};

use super::environment::{Identity, Role, Source};
use super::{Object, location};
use http::Refusal;
use runtime::failure::Failure;
use runtime::retry::{Budget, Service, Trouble};
use runtime::work::Work;
use trouble::Verdict;
use uploads::PartSizes;

pub(super) use uploads::BucketUpload;
pub use uploads::OpenUploads;

/// The longest that one try waits for an answer, as a part of the budget: a call that hangs gets
/// another chance.
const TRIES: u32 = 3;
const LONGEST_TRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// A slower line than this is one that hangs.
const SLOWEST_BYTES_PER_SECOND: u64 = 1 << 20;

/// A bucket, and what every key in it begins with.
pub(super) struct Bucket {
    client: AmazonS3,
    /// For calls that the client does not have.
    http: HttpClient,
    credentials: AwsCredentialProvider,
    identity: Identity,
    role: Role,
    region: String,
    /// Where the bucket is, without a slash at the end.
    endpoint: String,
    name: String,
    /// Ends with a slash, unless it is empty.
    prefix: String,
    url: String,
    service: Service,
    budget: Budget,
    scratch: Work,
    uploads: Arc<OpenUploads>,
    part_sizes: PartSizes,
    /// Whether an answer has shown that the bucket exists.
    is_there: AtomicBool,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("url", &self.url)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// What a call came to, where that is no failure.
enum Outcome<T> {
    Done(T),
    /// There is no such key or upload.
    Missing,
    /// The key is taken, or what is there is not what it was.
    Differs,
}

impl Bucket {
    /// The ETag that the object of a file has that was uploaded from here.
    pub(super) fn etag_of(&self, path: &Path) -> Result<String> {
        etag::etag_of(path, self.part_sizes)
    }

    #[cfg(test)]
    pub(super) fn with_part_sizes(self, first: usize, of_a_size: usize) -> Self {
        Self {
            part_sizes: PartSizes { first, of_a_size },
            ..self
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .transfer(key, None, Vec::new())
            .await?
            .map(|(bytes, _)| bytes))
    }

    /// The bytes of an object that a range names.
    pub(super) async fn part(&self, key: &str, range: GetRange) -> Result<Option<Vec<u8>>> {
        Ok(self
            .transfer(key, Some(range), Vec::new())
            .await?
            .map(|(bytes, _)| bytes))
    }

    pub(super) async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let location = self.location(key)?;
        let payload = PutPayload::from(bytes);
        let size = payload.content_length() as u64;
        let operation = self.operation("writing", key);
        let put = || self.client.put(&location, payload.clone());
        match self.call(&operation, size, put).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missing | Outcome::Differs => Err(self.unexpected(&operation)),
        }
    }

    /// Writes only if the key is free; false when somebody else was first.
    ///
    /// An answer may get lost, and the next try then finds the key taken by the very bytes that
    /// were to be put: that is no somebody else. Two writers of equal bytes can't be told
    /// apart, and need not be.
    pub(super) async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        let location = self.location(key)?;
        let payload = PutPayload::from(bytes.clone());
        let options = PutOptions::from(PutMode::Create);
        let operation = self.operation("writing", key);
        let put = || {
            self.client
                .put_opts(&location, payload.clone(), options.clone())
        };
        // A key that was taken and is free again: someone's write was under way, and has failed.
        for _ in 0..3 {
            match self.call(&operation, bytes.len() as u64, put).await? {
                Outcome::Done(_) => return Ok(true),
                Outcome::Missing => return Err(self.unexpected(&operation)),
                Outcome::Differs => {
                    if let Some(there) = self.get(key).await? {
                        return Ok(there == bytes);
                    }
                }
            }
        }
        Err(Failure::Unavailable(format!(
            "{} is overloaded: {operation}: concurrent writers of the same key abort each other",
            self.service
        ))
        .into())
    }

    pub(super) async fn head(&self, key: &str) -> Result<Option<Object>> {
        let location = self.location(key)?;
        let look = || async {
            let found = self.client.head(&location).await;
            // An answer to a HEAD has no body that would say what is missing or refused; one to a
            // listing has.
            let refusal = found.as_ref().err().and_then(|error| Refusal::of(error));
            if refusal.is_some_and(|refusal| refusal.status < 500)
                && !(refusal.is_some_and(|refusal| refusal.status == 404)
                    && self.is_there.load(Ordering::Relaxed))
            {
                let one = PaginatedListOptions {
                    max_keys: Some(1),
                    ..PaginatedListOptions::default()
                };
                self.client.list_paginated(self.prefix(), one).await?;
                self.is_there.store(true, Ordering::Relaxed);
            }
            found
        };
        match self
            .call(&self.operation("looking up", key), 0, look)
            .await?
        {
            Outcome::Done(meta) => Ok(Some(self.object(meta))),
            Outcome::Missing | Outcome::Differs => Ok(None),
        }
    }

    /// All objects below a folder, or those that lie directly in it, in the order of their keys.
    pub(super) async fn list(&self, folder: &str, direct: bool) -> Result<Vec<Object>> {
        Ok(self.list_with_folders(folder, direct).await?.0)
    }

    /// [`Bucket::list`], with the keys of the folders that lie directly in it when `direct`.
    pub(super) async fn list_with_folders(
        &self,
        folder: &str,
        direct: bool,
    ) -> Result<(Vec<Object>, Vec<String>)> {
        let below = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let prefix = format!("{}{below}", self.prefix);
        let operation = self.operation("listing", folder);
        let (mut objects, mut folders) = (Vec::new(), Vec::new());
        let mut page_token = None;
        loop {
            let list = || {
                let options = PaginatedListOptions {
                    delimiter: direct.then(|| "/".into()),
                    page_token: page_token.clone(),
                    ..PaginatedListOptions::default()
                };
                self.client.list_paginated(
                    Some(&prefix)
                        .filter(|prefix| !prefix.is_empty())
                        .map(String::as_str),
                    options,
                )
            };
            let Outcome::Done(page) = self.call(&operation, 0, list).await? else {
                return Err(self.unexpected(&operation));
            };
            // A key that ends with a slash represents a folder; the client cuts the slash.
            let in_folder = page
                .result
                .objects
                .into_iter()
                .filter(|meta| meta.location.as_ref().len() > prefix.len());
            objects.extend(in_folder.map(|meta| self.object(meta)));
            let prefixes = page.result.common_prefixes.iter();
            folders.extend(prefixes.map(|prefix| self.key_of(prefix.as_ref()).to_owned()));
            page_token = page.page_token;
            if page_token.is_none() {
                break;
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok((objects, folders))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        let location = self.location(key)?;
        self.call(&self.operation("deleting", key), 0, || {
            self.client.delete(&location)
        })
        .await?;
        Ok(())
    }

    fn prefix(&self) -> Option<&str> {
        Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty())
    }

    fn location(&self, key: &str) -> Result<Location> {
        location(&self.prefix, key)
    }

    fn operation(&self, verb: &str, key: &str) -> String {
        if key.is_empty() {
            format!("{verb} {}", self.url)
        } else {
            format!("{verb} {}/{key}", self.url)
        }
    }

    /// The key at a location in the bucket.
    fn key_of<'a>(&self, location: &'a str) -> &'a str {
        location.strip_prefix(&self.prefix).unwrap_or(location)
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let key = meta.location.as_ref();
        let stamp = match &meta.e_tag {
            Some(tag) => tag.trim_matches('"').to_owned(),
            None => meta
                .last_modified
                .to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
        };
        Object {
            key: self.key_of(key).to_owned(),
            bytes: meta.size,
            stamp,
        }
    }

    /// Makes a call that carries so many bytes, until it succeeds, fails for good, or the budget is
    /// spent.
    async fn call<T, F>(
        &self,
        operation: &str,
        bytes: u64,
        call: impl Fn() -> F,
    ) -> Result<Outcome<T>>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let transfer = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        let longest = (self.budget.0 / TRIES).clamp(LONGEST_TRY.0, LONGEST_TRY.1) + transfer;
        Budget(self.budget.0 + transfer)
            .call(&self.service, operation, || {
                self.attempt(operation, longest, call())
            })
            .await
    }

    async fn attempt<T>(
        &self,
        operation: &str,
        longest: Duration,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Outcome<T>, Trouble> {
        let answered = tokio::time::timeout(longest, async {
            // Kept until they expire. Asked for by themselves, so that their trouble is not taken
            // for the server's.
            if self.identity.source() != Source::Nobody
                && let Err(error) = self.credentials.get_credential().await
            {
                return Err(self.judge_credentials(operation, &error));
            }
            call.await.map_err(|error| self.judge(operation, &error))
        });
        match answered.await {
            Ok(Ok(done)) => {
                self.is_there.store(true, Ordering::Relaxed);
                Ok(Outcome::Done(done))
            }
            Ok(Err(Verdict::Missing)) => Ok(Outcome::Missing),
            Ok(Err(Verdict::Differs)) => Ok(Outcome::Differs),
            Ok(Err(Verdict::Passing(cause))) => Err(Trouble::Passing(anyhow::Error::msg(cause))),
            Ok(Err(Verdict::Lasting(error))) => Err(Trouble::Lasting(error)),
            Err(_) => Err(Trouble::Passing(anyhow::anyhow!(
                "no answer in {longest:.0?}"
            ))),
        }
    }

    /// For an answer that S3 never gives to such a call.
    fn unexpected(&self, operation: &str) -> anyhow::Error {
        Failure::usage(format!(
            "{}: {operation}: it does not answer as S3 does; correct AWS_ENDPOINT_URL",
            self.service
        ))
    }
}
