//! The scratch folder, and what may be used of it and of memory.
//!
//! Budgets decide when something spills, what runs at the same time, and what is refused by name;
//! never which bytes are written.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::failure::Failure;

/// Bytes that a sorter keeps in memory at most, and at least.
const SORTED_BYTES: (u64, u64) = (1 << 20, 16 << 20);
/// Of the memory of a task: what a sorter may keep, and what pages that are being decoded may take.
const SHARE: u64 = 8;
/// Where no budget is known, as in the tests of one part.
const MEMORY: u64 = 1 << 30;

/// The scratch folder of a task, with its budgets of disk and memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Work {
    folder: Arc<Path>,
    disk: Disk,
    memory: u64,
}

impl Work {
    /// Over a folder, with budgets. `memory` is what one task of several that run at the same time
    /// may use.
    pub fn new(folder: &Path, disk: Disk, memory: u64) -> Self {
        Self {
            folder: folder.into(),
            disk,
            memory,
        }
    }

    /// Another folder with the same budgets.
    pub fn in_folder(&self, folder: &Path) -> Self {
        Self {
            folder: folder.into(),
            ..self.clone()
        }
    }

    /// The budget of disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Bytes of memory that a task may use.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes of records that a sorter keeps in memory.
    pub fn sorter_memory(&self) -> usize {
        (self.memory / SHARE).clamp(SORTED_BYTES.0, SORTED_BYTES.1) as usize
    }

    /// Bytes that the pages of a file may take while they are decoded.
    pub fn page_memory(&self) -> u64 {
        self.memory / SHARE
    }

    /// A file without a name, which vanishes with the process, for what `purpose` says, such as
    /// `sorting keys`.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn file(&self, purpose: &'static str) -> Result<ScratchFile> {
        let file = tempfile::tempfile_in(self).with_context(|| self.spilling(purpose))?;
        Ok(ScratchFile {
            file,
            space: self.disk.space(),
            purpose,
        })
    }

    /// What is done in the folder, for errors.
    pub fn spilling(&self, purpose: &str) -> String {
        format!(
            "{purpose} in the scratch folder {} (--work)",
            self.display()
        )
    }
}

impl Deref for Work {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.folder
    }
}

impl AsRef<Path> for Work {
    fn as_ref(&self) -> &Path {
        &self.folder
    }
}

impl From<&Path> for Work {
    /// A folder without a limit.
    fn from(folder: &Path) -> Self {
        Self::new(folder, Disk::default(), MEMORY)
    }
}

impl From<&Work> for Work {
    fn from(work: &Work) -> Self {
        work.clone()
    }
}

impl From<&Work> for PathBuf {
    fn from(work: &Work) -> Self {
        work.folder.to_path_buf()
    }
}

/// A budget of disk that all scratch files of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Disk(Arc<State>);

struct State {
    limit: u64,
    used: AtomicU64,
}

impl Disk {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(State {
            limit,
            used: AtomicU64::new(0),
        }))
    }

    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        let used = self.0.used.load(Ordering::Relaxed);
        self.0.limit.saturating_sub(used)
    }

    /// Bytes that are in use.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Room for a file that is empty so far.
    pub fn space(&self) -> Space {
        Space {
            disk: self.clone(),
            bytes: 0,
        }
    }

    /// Takes `bytes` bytes if they are free.
    fn take(&self, bytes: u64) -> bool {
        let State { limit, used } = &*self.0;
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| used <= limit)
        })
        .is_ok()
    }
}

impl Default for Disk {
    /// Without a limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disk({} of {} bytes)", self.used(), self.0.limit)
    }
}

/// What a scratch file takes of a [`Disk`]; given back when it is dropped.
#[derive(Debug)]
pub struct Space {
    disk: Disk,
    bytes: u64,
}

impl Space {
    /// Room for a file that is empty again.
    pub fn emptied(&self) -> Self {
        self.disk.space()
    }

    /// Takes `bytes` bytes more, if they are free.
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let taken = self.disk.take(bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// Takes `bytes` bytes more, for what `what` says, such as `sorting the keys of a.parquet`.
    ///
    /// # Errors
    /// A budget that does not suffice: exit 2, naming what wanted how much, the limit and the
    /// setting.
    pub fn grow(&mut self, bytes: u64, what: impl FnOnce() -> String) -> Result<()> {
        if self.try_grow(bytes) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} needs {} of disk, and of the disk budget of {}, {} are in use: raise --disk \
             (ALAMEDA_DISK), on Argo together with the sizeLimit of the volume `work`, or prepare smaller files",
            what(),
            size(self.bytes + bytes),
            size(self.disk.0.limit),
            size(self.disk.used()),
        )))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.disk.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A file that takes its bytes from a budget of disk as it is written.
#[derive(Debug)]
pub struct ScratchFile {
    file: File,
    space: Space,
    purpose: &'static str,
}

impl ScratchFile {
    /// The file itself, for reading at any place.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let grown = self
            .space
            .grow(bytes.len() as u64, || self.purpose.to_owned());
        // Boxed so that the cause can be downcast again: the exit code depends on it.
        grown.map_err(|error| {
            std::io::Error::other(error.reallocate_into_boxed_dyn_error_without_backtrace())
        })?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for ScratchFile {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for ScratchFile {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(position)
    }
}

/// Bytes as a person reads them.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes >> shift > 0);
    match unit {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1 << shift)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::exit_code;

    #[test]
    fn a_spent_budget_names_what_wanted_how_much_and_the_setting() {
        let disk = Disk::new(10 << 20);
        let mut first = disk.space();
        first.grow(6 << 20, || "the first".to_owned()).unwrap();
        let mut second = disk.space();
        let error = second
            .grow(5 << 20, || "sorting the keys of a.parquet".to_owned())
            .unwrap_err();
        assert_eq!(exit_code(&error), 2);
        assert_eq!(
            error.to_string(),
            "sorting the keys of a.parquet needs 5.0 MiB of disk, and of the disk budget of 10.0 MiB, \
             6.0 MiB are in use: raise --disk (ALAMEDA_DISK), on Argo together with the sizeLimit of the volume `work`, or \
             prepare smaller files"
        );
        // What was refused is not counted, and what is dropped is given back.
        assert_eq!(disk.free(), 4 << 20);
        drop(first);
        second.grow(10 << 20, || "the second".to_owned()).unwrap();
        assert_eq!(disk.free(), 0);
    }

    #[test]
    fn shares_of_memory_stay_within_their_bounds() {
        let memory = |bytes| Work::new(Path::new("/"), Disk::default(), bytes).sorter_memory();
        assert_eq!(memory(1), 1 << 20);
        assert_eq!(memory(64 << 20), 8 << 20);
        assert_eq!(memory(1 << 40), 16 << 20);
    }
}
