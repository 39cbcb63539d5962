//! Streaming writes.

use std::io::Write;

use anyhow::Result;

use super::folder::FolderUpload;
use super::s3::BucketUpload;
use crate::digest::{Hasher, Written};
use runtime::threads::wait;

/// A streaming write that hashes what passes. Nothing is visible before [`Upload::finish`]; a
/// dropped one leaves nothing.
pub struct Upload {
    to: To,
    hasher: Hasher,
    bytes: u64,
}

pub(super) enum To {
    Folder(FolderUpload),
    Bucket(Box<BucketUpload>),
}

impl Upload {
    pub(super) fn new(to: To) -> Self {
        Self {
            to,
            hasher: Hasher::default(),
            bytes: 0,
        }
    }

    /// Appends bytes; waits while too much is in flight.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.to {
            To::Folder(upload) => upload.write(bytes).await?,
            To::Bucket(upload) => upload.write(bytes).await?,
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Makes the object visible.
    pub async fn finish(self) -> Result<Written> {
        match self.to {
            To::Folder(upload) => upload.finish().await?,
            To::Bucket(upload) => upload.finish().await?,
        }
        Ok(Written {
            bytes: self.bytes,
            sha256: self.hasher.hex(),
        })
    }
}

/// An upload for writers that wait, on blocking threads.
pub struct BlockingUpload(pub Upload);

impl Write for BlockingUpload {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Boxed so that the cause can be downcast again: the exit code depends on it.
        let passed_on = |error: anyhow::Error| {
            std::io::Error::other(error.reallocate_into_boxed_dyn_error_without_backtrace())
        };
        wait(self.0.write(bytes)).map_err(passed_on)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
