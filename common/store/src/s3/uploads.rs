//! Streaming writes to a bucket: one `PUT` for what is small, a multipart upload for the rest, and
//! none of those left behind.

mod leftovers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Location;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::{Bucket, Outcome, SLOWEST_BYTES_PER_SECOND};
use runtime::failure::Failure;
use runtime::step::Close;

/// Size of a part, and of what is written by a single `PUT` at most. S3 wants 5 MiB or more of
/// every part but the last; a writer holds two parts: one that is being filled, and one that is on
/// its way.
const PART_BYTES: usize = 8 << 20;
/// After so many parts the next ones are twice as large. S3 allows 10,000 parts: these reach beyond
/// its largest object.
const PARTS_OF_A_SIZE: usize = 1000;

/// How large the parts of an upload are. It decides the ETag of what is uploaded, so that a change
/// makes every large file that was uploaded before look like another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSizes {
    pub(super) first: usize,
    pub(super) of_a_size: usize,
}

impl Default for PartSizes {
    fn default() -> Self {
        Self {
            first: PART_BYTES,
            of_a_size: PARTS_OF_A_SIZE,
        }
    }
}

impl PartSizes {
    /// Bytes of the part of that number, from 0. The first size is that of one part more than the
    /// others: so it has been since the first release.
    pub(super) fn of_part(self, number: usize) -> usize {
        self.first << (number.saturating_sub(1) / self.of_a_size)
    }
}

/// Multipart uploads that were begun and neither completed nor aborted, of all stores of a step.
#[derive(Debug, Default)]
pub struct OpenUploads {
    /// Whether none may begin any more. Held to read while one begins, so that closing waits until
    /// it is known.
    closed: tokio::sync::RwLock<bool>,
    open: Mutex<BTreeMap<String, Open>>,
    /// Calls that begin one and have no answer yet, or never got one: what they began has no name
    /// that is known.
    unconfirmed: Mutex<BTreeMap<u64, UnconfirmedUpload>>,
    next_call: AtomicU64,
}

/// A call that may have begun an upload.
#[derive(Clone, Debug)]
struct UnconfirmedUpload {
    bucket: Arc<Bucket>,
    location: Location,
    since: Instant,
}

/// An upload that has begun.
#[derive(Debug)]
struct Open {
    bucket: Arc<Bucket>,
    location: Location,
    /// The part that is on its way.
    sending: Option<AbortHandle>,
}

impl OpenUploads {
    /// How many are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// Aborts what is open, within about `time`; afterwards none can begin.
    pub async fn abort_all(&self, time: Duration) {
        let all = async {
            // One that hangs in its begin is not waited for to the end: it is unconfirmed.
            let closing = async { *self.closed.write().await = true };
            let _ = tokio::time::timeout(time / 2, closing).await;
            let open = std::mem::take(&mut *lock(&self.open));
            let aborts = open.into_iter().map(|(id, open)| async move {
                if let Some(sending) = open.sending {
                    sending.abort();
                }
                open.bucket.abort(&open.location, &id).await;
            });
            futures::future::join_all(aborts).await;
            let unconfirmed = std::mem::take(&mut *lock(&self.unconfirmed));
            for UnconfirmedUpload {
                bucket,
                location,
                since,
            } in unconfirmed.into_values()
            {
                bucket.sweep(&location, since).await;
            }
        };
        if tokio::time::timeout(time, all).await.is_err() {
            tracing::warn!(
                "multipart uploads may be left over, since S3 did not answer in {time:.0?}: the bucket's lifecycle rule for \
                 unfinished uploads removes them, see docs/object-store.md"
            );
        }
    }
}

impl Close for OpenUploads {
    fn close(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.abort_all(time).boxed()
    }
}

/// An object that is being written.
pub(crate) struct BucketUpload {
    bucket: Arc<Bucket>,
    key: String,
    location: Location,
    operation: String,
    /// The part that is being filled.
    buffer: Vec<u8>,
    number: usize,
    /// Those that are finished.
    parts: Vec<PartId>,
    /// Bytes of the parts.
    sent: u64,
    multipart: Option<Multipart>,
}

/// A multipart upload that has begun; aborted when it is dropped.
struct Multipart {
    bucket: Arc<Bucket>,
    location: Location,
    id: String,
    sending: Option<JoinHandle<Result<PartId>>>,
    is_completed: bool,
}

impl BucketUpload {
    pub(crate) fn new(bucket: &Arc<Bucket>, key: &str) -> Result<Self> {
        Ok(Self {
            bucket: Arc::clone(bucket),
            key: key.to_owned(),
            location: bucket.location(key)?,
            operation: bucket.operation("writing", key),
            buffer: Vec::new(),
            number: 0,
            parts: Vec::new(),
            sent: 0,
            multipart: None,
        })
    }

    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // A part is sent when more comes, so that what just fits needs no multipart upload.
            if self.buffer.len() == self.part_bytes() {
                self.send().await?;
            }
            let taken = bytes.len().min(self.part_bytes() - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<()> {
        if self.multipart.is_none() {
            return self
                .bucket
                .put(&self.key, std::mem::take(&mut self.buffer))
                .await;
        }
        if !self.buffer.is_empty() {
            self.send().await?;
        }
        self.wait().await?;
        let Some(mut multipart) = self.multipart.take() else {
            return Ok(());
        };
        self.bucket
            .complete(&self.location, &multipart.id, &self.parts, self.sent)
            .await?;
        multipart.is_completed = true;
        Ok(())
    }

    /// Bytes of the part that is being filled, when it is full.
    fn part_bytes(&self) -> usize {
        self.bucket.part_sizes.of_part(self.number)
    }

    /// Sends the buffer as the next part, in the background.
    async fn send(&mut self) -> Result<()> {
        self.wait().await?;
        let multipart = match &mut self.multipart {
            Some(multipart) => multipart,
            None => {
                let begun = Multipart::begin(&self.bucket, &self.location, &self.operation).await?;
                self.multipart.insert(begun)
            }
        };
        let index = self.number;
        self.number += 1;
        let next = Vec::with_capacity(self.bucket.part_sizes.of_part(self.number));
        let payload = PutPayload::from(std::mem::replace(&mut self.buffer, next));
        self.sent += payload.content_length() as u64;
        let (bucket, location) = (Arc::clone(&self.bucket), self.location.clone());
        let (id, operation) = (multipart.id.clone(), self.operation.clone());
        let sending = tokio::spawn(async move {
            let put = || {
                bucket
                    .client
                    .put_part(&location, &id, index, payload.clone())
            };
            match bucket
                .call(&operation, payload.content_length() as u64, put)
                .await?
            {
                Outcome::Done(part) => Ok(part),
                Outcome::Missing | Outcome::Differs => Err(Failure::Unavailable(format!(
                    "{}: {operation}: somebody else aborted the upload; run the step again",
                    bucket.service
                ))
                .into()),
            }
        });
        if let Some(open) = lock(&self.bucket.uploads.open).get_mut(&multipart.id) {
            open.sending = Some(sending.abort_handle());
        }
        multipart.sending = Some(sending);
        Ok(())
    }

    /// Waits for the part that is on its way.
    async fn wait(&mut self) -> Result<()> {
        let Some(sending) = self
            .multipart
            .as_mut()
            .and_then(|multipart| multipart.sending.as_mut())
        else {
            return Ok(());
        };
        let sent = sending.await;
        if let Some(multipart) = &mut self.multipart {
            multipart.sending = None;
        }
        match sent {
            Ok(part) => self.parts.push(part?),
            Err(error) if error.is_cancelled() => return Err(Failure::Stopped.into()),
            Err(error) => return Err(error).with_context(|| self.operation.clone()),
        }
        Ok(())
    }
}

impl Multipart {
    async fn begin(bucket: &Arc<Bucket>, location: &Location, operation: &str) -> Result<Self> {
        let closed = bucket.uploads.closed.read().await;
        if *closed {
            return Err(Failure::Stopped.into());
        }
        let uploads = &bucket.uploads;
        let number = uploads.next_call.fetch_add(1, Ordering::Relaxed);
        let call = UnconfirmedUpload {
            bucket: Arc::clone(bucket),
            location: location.clone(),
            since: Instant::now(),
        };
        let since = call.since;
        lock(&uploads.unconfirmed).insert(number, call);
        let tries = AtomicU32::new(0);
        let begin = || {
            tries.fetch_add(1, Ordering::Relaxed);
            bucket.client.create_multipart(location)
        };
        let Outcome::Done(id) = bucket.call(operation, 0, begin).await? else {
            return Err(bucket.unexpected(operation));
        };
        let open = Open {
            bucket: Arc::clone(bucket),
            location: location.clone(),
            sending: None,
        };
        lock(&uploads.open).insert(id.clone(), open);
        let begun = Self {
            bucket: Arc::clone(bucket),
            location: location.clone(),
            id,
            sending: None,
            is_completed: false,
        };
        // A try before may have begun one, too.
        if tries.load(Ordering::Relaxed) > 1 {
            bucket.sweep(location, since).await;
        }
        lock(&uploads.unconfirmed).remove(&number);
        Ok(begun)
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if self.is_completed {
            lock(&self.bucket.uploads.open).remove(&self.id);
            return;
        }
        let sending = self.sending.take();
        // Without a runtime nobody is left to ask the server. The step aborts what is then still
        // open.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (bucket, location, id) = (
            Arc::clone(&self.bucket),
            self.location.clone(),
            self.id.clone(),
        );
        runtime.spawn(async move {
            if let Some(sending) = sending {
                sending.abort();
                // Cancelled or done, no part comes after the abort.
                let _ = sending.await;
            }
            bucket.abort(&location, &id).await;
            lock(&bucket.uploads.open).remove(&id);
        });
    }
}

impl Bucket {
    /// Makes the object of `bytes` bytes visible.
    async fn complete(
        &self,
        location: &Location,
        id: &str,
        parts: &[PartId],
        bytes: u64,
    ) -> Result<()> {
        let operation = format!("writing s3://{}/{location}", self.name);
        let id = id.to_owned();
        let complete = || {
            self.client
                .complete_multipart(location, &id, parts.to_vec())
        };
        // S3 puts the parts together before it answers: a second is given to each.
        let allowance = parts.len() as u64 * SLOWEST_BYTES_PER_SECOND;
        match self.call(&operation, allowance, complete).await? {
            Outcome::Done(_) => return Ok(()),
            Outcome::Missing => {}
            Outcome::Differs => return Err(self.unexpected(&operation)),
        }
        // There is no such upload. That is so, too, when a try before was done and its answer lost.
        match self
            .call(&operation, 0, || self.client.head(location))
            .await?
        {
            Outcome::Done(meta) if meta.size == bytes => Ok(()),
            _ => Err(Failure::Unavailable(format!(
                "{}: {operation}: somebody else aborted the upload; run the step again",
                self.service
            ))
            .into()),
        }
    }

    /// Aborts an upload. A failure is reported in the log only: there is another error to report,
    /// and the bucket's lifecycle rule is the last resort.
    async fn abort(&self, location: &Location, id: &str) {
        let operation = format!("aborting the upload of s3://{}/{location}", self.name);
        let id = id.to_owned();
        if let Err(error) = self
            .call(&operation, 0, || self.client.abort_multipart(location, &id))
            .await
        {
            tracing::warn!(
                "{error:#}; the bucket's lifecycle rule for unfinished uploads removes what is left of it"
            );
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_reach_beyond_the_largest_object() {
        let bytes = |part| PartSizes::default().of_part(part);
        let all: u64 = (0..10_000).map(|part| bytes(part) as u64).sum();
        assert!(all > 5 << 40, "{all}");
        assert!((0..10_000).all(|part| (5 << 20..=5 << 30).contains(&bytes(part))));
        // What earlier releases uploaded has these sizes: another one would make it look changed.
        assert_eq!(
            [0, 1, 1000, 1001].map(bytes),
            [8, 8, 8, 16].map(|mib| mib << 20)
        );
        assert_eq!(
            [2000, 2001, 9_999].map(bytes),
            [16, 32, 4096].map(|mib| mib << 20)
        );
    }
}
