//! Whether a raw file is the one that was planned.

use anyhow::Result;
use catalog::fanout::Shard;
use runtime::failure::Failure;
use runtime::threads::wait;
use sql::prepare::Prepared;
use store::{LocalFile, Object};

use super::Task;

impl Task {
    /// The raw file, if it is the one that was planned, and what it has to be as long as it is
    /// read. Files that were read before and are looked at again are known by their content
    /// instead.
    pub(crate) fn planned(&self, shard: &Shard) -> Result<(LocalFile, Object)> {
        let gone = || self.gone(shard);
        let file = wait(self.raw.find_file(&shard.key))?.ok_or_else(gone)?;
        let found = match file.copied_object() {
            Some(copied) => copied.clone(),
            None => wait(self.raw.head(&shard.key))?.ok_or_else(gone)?,
        };
        let looks_back = self.plan.job.looks_back.as_ref();
        let is_known = looks_back.is_some_and(|known| known.contents.contains_key(&shard.key));
        let is_known = is_known || self.as_scored(shard).is_some();
        if self.plan.job.is_again() || is_known {
            return Ok((file, found));
        }
        let retouched = self.plan.job.retouched.get(&shard.key);
        let expected = Object {
            key: shard.key.clone(),
            bytes: shard.bytes,
            stamp: retouched.unwrap_or(&shard.stamp).clone(),
        };
        self.unchanged(shard, &expected, Some(&found))?;
        Ok((file, expected))
    }

    /// Refuses a raw file that is not the one any more that was read.
    pub(crate) fn still_there(&self, shard: &Shard, expected: &Object) -> Result<()> {
        self.unchanged(shard, expected, wait(self.raw.head(&shard.key))?.as_ref())
    }

    /// Refuses a file that is not the one of which a holdout was made before.
    pub(crate) fn of_then(&self, shard: &Shard, prepared: Prepared) -> Result<Prepared> {
        let of_then = self.plan.job.again.as_ref();
        match of_then.and_then(|again| again.contents.get(&shard.key)) {
            Some(content) if *content != prepared.sha256 => Err(Failure::contract(format!(
                "raw file {} was changed since the holdout was prepared",
                shard.key
            ))),
            _ => self.of_scoring(shard, prepared),
        }
    }

    /// The digest of a file to train on, as it was scored.
    fn as_scored(&self, shard: &Shard) -> Option<&String> {
        self.plan.job.scored.as_ref()?.contents.get(&shard.key)
    }

    /// Refuses a file to train on that is not the one that was scored.
    fn of_scoring(&self, shard: &Shard, prepared: Prepared) -> Result<Prepared> {
        match self.as_scored(shard) {
            Some(content) if *content != prepared.sha256 => Err(Failure::usage(format!(
                "{} in {} has changed since it was scored: restore the old file, or score \
                 it again, and submit with cache=refresh",
                shard.key,
                self.raw_url()
            ))),
            _ => Ok(prepared),
        }
    }

    pub(crate) fn raw_url(&self) -> &str {
        self.raw.url()
    }

    /// Refuses a raw file that is not the one that was planned.
    fn unchanged(&self, shard: &Shard, expected: &Object, found: Option<&Object>) -> Result<()> {
        let (key, url) = (&shard.key, self.raw.url());
        match found {
            Some(found) if found.bytes == expected.bytes && found.stamp == expected.stamp => Ok(()),
            Some(found) => Err(Failure::usage(format!(
                "{key} in {url} has changed since it was planned: it had {} bytes, last changed {}, and has {} bytes, \
                 last changed {}; restore the old file, give the new data another data-version, \
                 or accept it with cache=refresh",
                expected.bytes, expected.stamp, found.bytes, found.stamp
            ))),
            None => Err(self.gone(shard)),
        }
    }

    fn gone(&self, shard: &Shard) -> anyhow::Error {
        let (key, url) = (&shard.key, self.raw.url());
        if self.plan.job.is_again() {
            return Failure::damaged(format!(
                "raw file {key} of the holdout is gone from {url}: restore it, or train the \
                 candidate again on a data version whose raw files are there"
            ));
        }
        if self.plan.job.is_earlier(shard.ordinal) {
            return Failure::usage(format!(
                "{key} is gone from {url}, and rows to score look back at it: restore it"
            ));
        }
        Failure::usage(format!(
            "{key} is gone from {url} since it was planned: restore it, or submit a new workflow"
        ))
    }
}
