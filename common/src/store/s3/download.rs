//! Objects as local files: streamed to the disk, and taken up where they broke off.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};

use super::trouble::Verdict;
use super::{Bucket, Outcome};
use crate::digest::Hasher;
use crate::failure::Failure;
use crate::retry::Budget;
use crate::store::{LocalFile, Written};

/// A body of which nothing comes for so long hangs.
const STALL: Duration = Duration::from_secs(10);

/// The waits after a body broke off, while nothing more comes.
fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_jitter().without_max_times().build()
}

/// How far a download is.
struct Progress {
    file: File,
    written: u64,
    hasher: Hasher,
    /// The object that is being read; another one under its key is not what was begun.
    meta: Option<ObjectMeta>,
}

impl Bucket {
    /// Copies an object into the scratch folder; `None` when there is none.
    ///
    /// What breaks off is taken up at the byte it broke off at. The budget limits how long nothing more may come, not how
    /// long all of it may take.
    pub(in crate::store) async fn download(&self, key: &str) -> Result<Option<LocalFile>> {
        let location = self.location(key)?;
        let operation = self.operation("reading", key);
        let scratch = || format!("copying {key} to the scratch folder {} (--work)", self.scratch.display());
        let (file, path) =
            tempfile::Builder::new().prefix("alameda-").tempfile_in(&self.scratch).with_context(scratch)?.into_parts();
        let mut progress = Progress { file, written: 0, hasher: Hasher::default(), meta: None };
        let (mut since, mut waits) = (Instant::now(), pauses());
        loop {
            let options = GetOptions {
                range: (progress.written > 0).then_some(GetRange::Offset(progress.written)),
                if_match: progress.meta.as_ref().and_then(|meta| meta.e_tag.clone()),
                ..GetOptions::default()
            };
            let answer = match self.call(&operation, 0, || self.client.get_opts(&location, options.clone())).await? {
                Outcome::Done(answer) => answer,
                Outcome::Missing => return Ok(None),
                Outcome::Differs => {
                    // Written anew in between: what was read so far is of no use.
                    progress = progress.again().with_context(scratch)?;
                    continue;
                }
            };
            let before = progress.written;
            let cause = match progress.take(answer).await.with_context(scratch)? {
                Ok(()) => break,
                Err(Some(error)) => match self.judge(&operation, &error) {
                    Verdict::Passing(cause) => cause,
                    Verdict::Lasting(error) => return Err(error),
                    Verdict::Missing | Verdict::Differs => return Err(self.unexpected(&operation)),
                },
                Err(None) => format!("nothing came for {STALL:.0?}"),
            };
            if progress.written > before {
                (since, waits) = (Instant::now(), pauses());
            }
            let Budget(budget) = self.budget;
            let pause = waits.next().unwrap_or(budget);
            if since.elapsed() + pause >= budget {
                return Err(Failure::Unavailable(format!(
                    "{} is not available: {operation}: it broke off at byte {} and did not go on for {:.1?}: {cause} \
                     (--retry-budget sets how long)",
                    self.service,
                    progress.written,
                    since.elapsed()
                ))
                .into());
            }
            tracing::warn!(
                "{}: {operation}: it broke off at byte {}: {cause}; going on",
                self.service,
                progress.written
            );
            tokio::time::sleep(pause).await;
        }
        let Progress { written, hasher, meta, .. } = progress;
        let object = meta.map(|meta| self.object(meta)).context("an answer without a head")?;
        let written = Written { bytes: written, sha256: hasher.hex() };
        Ok(Some(LocalFile::copied(path, format!("{}/{key}", self.url), object, written)))
    }
}

impl Progress {
    fn again(mut self) -> std::io::Result<Self> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        Ok(Self { file: self.file, written: 0, hasher: Hasher::default(), meta: None })
    }

    /// Writes what comes, to its end. The inner error says why it broke off; `None` that nothing came any more.
    async fn take(&mut self, answer: GetResult) -> std::io::Result<Result<(), Option<object_store::Error>>> {
        let whole = answer.meta.size;
        self.meta.get_or_insert_with(|| answer.meta.clone());
        let mut body = answer.into_stream();
        loop {
            match tokio::time::timeout(STALL, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.file.write_all(&bytes)?;
                    self.hasher.update(&bytes);
                    self.written += bytes.len() as u64;
                }
                Ok(Some(Err(_)) | None) | Err(_) if self.written == whole => return Ok(Ok(())),
                Ok(Some(Err(error))) => return Ok(Err(Some(error))),
                // It ended early in good order, or hangs.
                Ok(None) | Err(_) => return Ok(Err(None)),
            }
        }
    }
}
