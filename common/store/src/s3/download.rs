//! Objects, streamed to a file or into memory, and taken up where they broke off.
//!
//! `object_store` 0.13 can go on with a broken body too, and is kept from it (`max_retries: 0`): it
//! takes an answer of 200, which is the whole object, for the rest of it; a body that ends early in
//! good order for all of it; its time runs from the beginning, however much has come since; and it
//! neither starts over when the object was written meanwhile, nor notices that nothing comes.

use std::fs::File;
use std::io::{Seek, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};

use super::trouble::Verdict;
use super::{Bucket, Outcome};
use crate::LocalFile;
use crate::digest::{Hasher, Written};
use runtime::failure::Failure;
use runtime::retry::Budget;
use runtime::work::Space;

/// A body of which nothing comes for so long hangs.
const STALL: Duration = Duration::from_secs(10);

/// The waits after a body broke off, while nothing more comes.
fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Where the bytes of an object go.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<()>;
    /// Forgets what came so far.
    fn clear(&mut self) -> Result<()>;
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.clear();
        Ok(())
    }
}

/// A file in the scratch folder.
struct Copy {
    file: File,
    space: Space,
    hasher: Hasher,
    bytes: u64,
    /// What is done, for errors.
    operation: String,
}

impl Sink for Copy {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let operation = || self.operation.clone();
        self.space.grow(bytes.len() as u64, operation)?;
        self.file.write_all(bytes).with_context(operation)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .with_context(|| self.operation.clone())?;
        self.space = self.space.emptied();
        (self.hasher, self.bytes) = (Hasher::default(), 0);
        Ok(())
    }
}

/// How far a transfer is.
struct Progress<S> {
    sink: S,
    /// Whether anything has come.
    has_begun: bool,
    /// Which bytes of the object are still to come; not known before the first answer.
    rest: Option<Range<u64>>,
    /// The object that is being read; another one under its key is not what was begun.
    meta: Option<ObjectMeta>,
}

impl Bucket {
    /// Copies an object into the scratch folder; `None` when there is none.
    pub(crate) async fn download(&self, key: &str) -> Result<Option<LocalFile>> {
        let operation = format!(
            "copying {key} to the scratch folder {} (--work)",
            self.scratch.display()
        );
        let made = tempfile::Builder::new()
            .prefix("alameda-")
            .tempfile_in(&self.scratch);
        let (file, path) = made.with_context(|| operation.clone())?.into_parts();
        let copy = Copy {
            file,
            space: self.scratch.disk().space(),
            hasher: Hasher::default(),
            bytes: 0,
            operation,
        };
        let Some((copy, meta)) = self.transfer(key, None, copy).await? else {
            return Ok(None);
        };
        let written = Written {
            bytes: copy.bytes,
            sha256: copy.hasher.hex(),
        };
        Ok(Some(LocalFile::copied(
            path,
            format!("{}/{key}", self.url),
            self.object(meta),
            written,
            copy.space,
        )))
    }

    /// Reads an object, or a range of it, to its end; `None` when there is none.
    ///
    /// What breaks off is taken up at the byte it broke off at. The budget limits how long nothing
    /// more may come, not how long all of it may take.
    pub(super) async fn transfer<S: Sink>(
        &self,
        key: &str,
        range: Option<GetRange>,
        sink: S,
    ) -> Result<Option<(S, ObjectMeta)>> {
        let location = self.location(key)?;
        let operation = self.operation("reading", key);
        let mut progress = Progress {
            sink,
            has_begun: false,
            rest: None,
            meta: None,
        };
        let (mut since, mut waits) = (Instant::now(), pauses());
        let mut restarts = Restarts::new(self.budget);
        loop {
            let options = GetOptions {
                range: match &progress.rest {
                    Some(rest) if progress.has_begun => Some(GetRange::Bounded(rest.clone())),
                    _ => range.clone(),
                },
                if_match: progress.meta.as_ref().and_then(|meta| meta.e_tag.clone()),
                ..GetOptions::default()
            };
            // The answer's head alone: its body may take as long as it comes.
            let answer = match self
                .call(&operation, 0, || {
                    self.client.get_opts(&location, options.clone())
                })
                .await?
            {
                Outcome::Done(answer) => answer,
                Outcome::Missing => return Ok(None),
                Outcome::Differs => {
                    // Written again in between: what was read so far is of no use.
                    let Some(pause) = restarts.next() else {
                        return Err(self.changes_all_the_time(&operation, &restarts));
                    };
                    tokio::time::sleep(pause).await;
                    progress.sink.clear()?;
                    progress = Progress {
                        sink: progress.sink,
                        has_begun: false,
                        rest: None,
                        meta: None,
                    };
                    continue;
                }
            };
            let before = progress.rest.clone();
            let cause = match progress.take(answer).await? {
                Ok(()) => break,
                Err(Some(error)) => match self.judge(&operation, &error) {
                    Verdict::Passing(cause) => cause,
                    Verdict::Lasting(error) => return Err(error),
                    Verdict::Missing | Verdict::Differs => return Err(self.unexpected(&operation)),
                },
                Err(None) => format!("no data for {STALL:.0?}"),
            };
            if progress.has_begun && progress.rest != before {
                (since, waits) = (Instant::now(), pauses());
            }
            let at = progress.rest.as_ref().map_or(0, |rest| rest.start);
            let Budget(budget) = self.budget;
            let pause = waits.next().unwrap_or(budget);
            if since.elapsed() + pause >= budget {
                return Err(Failure::Unavailable(format!(
                    "{} is not available: {operation}: the download broke off at byte {at} and \
                     did not resume for {:.1?}: {cause} \
                     (--retry-budget sets how long)",
                    self.service,
                    since.elapsed()
                ))
                .into());
            }
            tracing::warn!(
                "{}: {operation}: the download broke off at byte {at}: {cause}; resuming",
                self.service
            );
            tokio::time::sleep(pause).await;
        }
        let meta = progress.meta.context("an answer without a head")?;
        Ok(Some((progress.sink, meta)))
    }

    fn changes_all_the_time(&self, operation: &str, restarts: &Restarts) -> anyhow::Error {
        Failure::Unavailable(format!(
            "{} is not available: {operation}: each time that the download broke off, the object \
             had changed before it \
             could resume ({} times in {:.1?}; --retry-budget sets how long): it is overwritten \
             all the time, or a proxy in \
             between truncates long answers and changes their ETag",
            self.service,
            restarts.count,
            restarts
                .since
                .map_or(Duration::ZERO, |since| since.elapsed()),
        ))
        .into()
    }
}

/// Transfers that started over because the object was another one: the budget limits how long that
/// may go on, whatever comes in between.
struct Restarts {
    budget: Budget,
    since: Option<Instant>,
    count: u32,
    waits: ExponentialBackoff,
}

impl Restarts {
    fn new(budget: Budget) -> Self {
        Self {
            budget,
            since: None,
            count: 0,
            waits: pauses(),
        }
    }

    /// How long to wait before the transfer starts over; `None` when the budget is spent.
    fn next(&mut self) -> Option<Duration> {
        let Budget(budget) = self.budget;
        self.count += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        let pause = self.waits.next().unwrap_or(budget);
        (since.elapsed() + pause < budget).then_some(pause)
    }
}

impl<S: Sink> Progress<S> {
    /// Takes in what comes, to its end. The inner error says why it broke off; `None` that nothing
    /// came any more.
    async fn take(&mut self, answer: GetResult) -> Result<Result<(), Option<object_store::Error>>> {
        self.meta.get_or_insert_with(|| answer.meta.clone());
        let rest = self.rest.get_or_insert(answer.range.clone());
        let mut body = answer.into_stream();
        loop {
            match tokio::time::timeout(STALL, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    self.sink.put(&bytes)?;
                    rest.start += bytes.len() as u64;
                    self.has_begun |= !bytes.is_empty();
                }
                Ok(Some(Err(_)) | None) | Err(_) if rest.start == rest.end => return Ok(Ok(())),
                Ok(Some(Err(error))) => return Ok(Err(Some(error))),
                // It ended early in good order, or hangs.
                Ok(None) | Err(_) => return Ok(Err(None)),
            }
        }
    }
}
