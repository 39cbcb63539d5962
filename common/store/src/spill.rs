//! Sorting more records than fit in memory: sorted runs on disk, merged when read.
//!
//! One sorter serves everything that must look across all rows: duplicate keys, ranks of scores,
//! joins with labels, rows on their way into a table. What is sorted is a [`Record`]: 128 bits, any
//! number of 64-bit words, or a type of the caller's with as many bytes as it needs.
//!
//! ```
//! let scratch = tempfile::tempdir()?;
//! // So little memory that all but the last two records are spilled.
//! let mut sorter = store::spill::Sorter::<u128>::with_memory(scratch.path(), 32);
//! for record in [3, 1, 2, 5, 4] {
//!     sorter.push(record)?;
//! }
//! let sorted: Vec<u128> = sorter.finish()?.collect::<Result<_, _>>()?;
//! assert_eq!(sorted, [1, 2, 3, 4, 5]);
//! # Ok::<(), anyhow::Error>(())
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use runtime::work::{ScratchFile, Work};

/// Runs of a level that are merged into one of the next: so many files are open at most for each
/// level.
const FAN_IN: usize = 64;
/// Bytes that are read from a run at once.
const READ_AHEAD: usize = 1 << 16;

/// Bytes of the largest record of words; the compiler refuses larger ones.
const LARGEST: usize = 64;

/// What a [`Sorter`] sorts, in an order of its own.
pub trait Record: Ord + Sized {
    /// What the scratch folder is used for, in errors.
    const PURPOSE: &'static str = "sorting records";

    /// Bytes that it takes in memory.
    fn size(&self) -> usize;

    /// Writes it as [`Record::read`] reads it.
    ///
    /// # Errors
    /// Those of the writer.
    fn write(&self, to: &mut impl Write) -> io::Result<()>;

    /// Reads the next record; `None` at the end.
    ///
    /// # Errors
    /// Those of the reader, and an end within a record.
    fn read(from: &mut impl Read) -> io::Result<Option<Self>>;

    /// Reads the next record over this one, where that saves memory from being allocated; false at
    /// the end.
    ///
    /// # Errors
    /// Those of [`Record::read`].
    fn read_over(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let next = Self::read(from)?;
        Ok(next.map(|next| *self = next).is_some())
    }
}

impl Record for u128 {
    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.to_le_bytes())
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; 16];
        Ok(fill(from, &mut bytes)?.then(|| Self::from_le_bytes(bytes)))
    }
}

/// Ordered by the first word, then the second, and so on.
impl<const WORDS: usize> Record for [u64; WORDS] {
    fn size(&self) -> usize {
        8 * WORDS
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        self.iter()
            .try_for_each(|word| to.write_all(&word.to_le_bytes()))
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        const { assert!(0 < WORDS && 8 * WORDS <= LARGEST) };
        let mut bytes = [0; LARGEST];
        if !fill(from, &mut bytes[..8 * WORDS])? {
            return Ok(None);
        }
        let mut words = [0; WORDS];
        for (word, source) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*source);
        }
        Ok(Some(words))
    }
}

/// Fills `bytes` from a run; false when it is at its end.
///
/// # Errors
/// Those of the reader, and an end within `bytes`.
pub fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    let begin = loop {
        match from.read(bytes) {
            Ok(0) => return Ok(false),
            Ok(begin) => break begin,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    from.read_exact(&mut bytes[begin..])?;
    Ok(true)
}

/// An external sorter of records, 128-bit values if nothing else is said.
///
/// The order of equal records does not matter, so the result depends neither on the order of
/// pushing nor on how records were spread over sorters that are merged.
pub struct Sorter<R: Record = u128> {
    work: Work,
    /// Bytes of records that are kept in memory.
    memory: usize,
    records: Vec<R>,
    /// Bytes of `records`.
    held: usize,
    /// Whether some of them came from other sorters, one sorted run after the other.
    merged: bool,
    /// By level: how often its records were merged already.
    spilled: Vec<Vec<ScratchFile>>,
}

impl<R: Record> Sorter<R> {
    /// A sorter that spills into unnamed files in a scratch folder, which vanish with the process.
    /// It keeps its share of memory, 16 MiB at most.
    pub fn new(work: &Work) -> Self {
        Self::with_memory(work, work.sorter_memory())
    }

    /// A sorter that keeps at most `bytes` of records in memory, and at least one record.
    pub fn with_memory(work: impl Into<Work>, bytes: usize) -> Self {
        Self {
            work: work.into(),
            memory: bytes,
            records: Vec::new(),
            held: 0,
            merged: false,
            spilled: Vec::new(),
        }
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// When the scratch folder can't be written or is full.
    pub fn push(&mut self, record: R) -> Result<()> {
        self.held += record.size();
        self.records.push(record);
        match self.held >= self.memory {
            true => self.spill(),
            false => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.spilled.is_empty()
    }

    /// Takes in all records of another sorter over the same folder.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn merge(&mut self, mut other: Self) -> Result<()> {
        other.sort();
        self.merged = true;
        for (level, runs) in other.spilled.into_iter().enumerate() {
            for run in runs {
                self.add_run(level, run)?;
            }
        }
        other
            .records
            .into_iter()
            .try_for_each(|record| self.push(record))
    }

    /// All records in ascending order.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn finish(mut self) -> Result<Sorted<R>> {
        if self.spilled.is_empty() {
            self.sort();
            return Ok(Sorted::Memory(self.records.into_iter()));
        }
        Ok(Sorted::Merged(self.runs()?.read()?))
    }

    /// All records on disk, to be read as often as needed.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn runs(mut self) -> Result<Runs<R>> {
        if !self.records.is_empty() {
            self.spill()?;
        }
        Ok(Runs::new(self.spilled.into_iter().flatten()))
    }

    fn sort(&mut self) {
        match self.merged {
            // It finds the runs and merges them, for half as much memory again.
            true => self.records.sort(),
            false => self.records.sort_unstable(),
        }
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        let mut run = RunWriter::new(&self.work)?;
        for record in self.records.drain(..) {
            run.write(&record)?;
        }
        self.held = 0;
        self.add_run(0, run.finish()?)
    }

    /// Adds a sorted run, and merges its level when it is full.
    fn add_run(&mut self, level: usize, run: ScratchFile) -> Result<()> {
        if self.spilled.len() <= level {
            self.spilled.resize_with(level + 1, Vec::new);
        }
        self.spilled[level].push(run);
        if self.spilled[level].len() < FAN_IN {
            return Ok(());
        }
        let full = Runs::<R>::new(std::mem::take(&mut self.spilled[level]));
        let mut merged = RunWriter::new(&self.work)?;
        let mut records = full.read()?;
        while let Some(record) = records.next_ref()? {
            merged.write(record)?;
        }
        self.add_run(level + 1, merged.finish()?)
    }
}

/// Sorters for several threads: each thread fills one of its own, and no thread waits for another.
/// Cheap to clone.
pub struct Sorters<R: Record = u128> {
    work: Work,
    bytes: usize,
    idle: Arc<Mutex<Vec<Sorter<R>>>>,
}

impl<R: Record> Clone for Sorters<R> {
    fn clone(&self) -> Self {
        Self {
            work: self.work.clone(),
            bytes: self.bytes,
            idle: self.idle.clone(),
        }
    }
}

impl<R: Record> Sorters<R> {
    /// Sorters that keep at most `bytes` of records in memory each; see [`Sorter::with_memory`].
    pub fn with_memory(work: impl Into<Work>, bytes: usize) -> Self {
        Self {
            work: work.into(),
            bytes,
            idle: Arc::default(),
        }
    }

    /// Lends a sorter, to be filled.
    ///
    /// # Errors
    /// Those of `fill`; what it has pushed before is lost.
    pub fn lend<T>(&self, fill: impl FnOnce(&mut Sorter<R>) -> Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let mut sorter = idle.unwrap_or_else(|| Sorter::with_memory(&self.work, self.bytes));
        let result = fill(&mut sorter)?;
        self.idle().push(sorter);
        Ok(result)
    }

    /// All records in ascending order; nothing is left.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn finish(&self) -> Result<Sorted<R>> {
        self.together()?.finish()
    }

    /// All records on disk, to be read as often as needed; nothing is left.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn runs(&self) -> Result<Runs<R>> {
        self.together()?.runs()
    }

    fn together(&self) -> Result<Sorter<R>> {
        let sorters = std::mem::take(&mut *self.idle());
        let mut all = Sorter::with_memory(&self.work, self.bytes);
        for sorter in sorters {
            if all.is_empty() {
                all = sorter
            } else {
                all.merge(sorter)?
            }
        }
        Ok(all)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sorter<R>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes sorted records into an unnamed file, which vanishes with the process.
struct RunWriter<R> {
    work: Work,
    file: BufWriter<ScratchFile>,
    of: PhantomData<R>,
}

impl<R: Record> RunWriter<R> {
    fn new(work: &Work) -> Result<Self> {
        Ok(Self {
            work: work.clone(),
            file: BufWriter::with_capacity(READ_AHEAD, work.file(R::PURPOSE)?),
            of: PhantomData,
        })
    }

    fn write(&mut self, record: &R) -> Result<()> {
        let written = record.write(&mut self.file);
        written.with_context(|| self.work.spilling(R::PURPOSE))
    }

    fn finish(self) -> Result<ScratchFile> {
        let Self { work, file, .. } = self;
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)
            .with_context(|| work.spilling(R::PURPOSE))
    }
}

/// Sorted runs on disk. Cheap to clone.
pub struct Runs<R> {
    files: Vec<Arc<ScratchFile>>,
    of: PhantomData<fn() -> R>,
}

impl<R> Clone for Runs<R> {
    fn clone(&self) -> Self {
        Self {
            files: self.files.clone(),
            of: PhantomData,
        }
    }
}

impl<R: Record> Runs<R> {
    fn new(files: impl IntoIterator<Item = ScratchFile>) -> Self {
        Self {
            files: files.into_iter().map(Arc::new).collect(),
            of: PhantomData,
        }
    }

    /// The records of all of them in ascending order, from the first on.
    ///
    /// # Errors
    /// When the scratch folder can't be read.
    pub fn read(&self) -> Result<Merged<R>> {
        let reader = |file: &Arc<ScratchFile>| {
            let (file, position) = (file.clone(), 0);
            BufReader::with_capacity(READ_AHEAD, FromStart { file, position })
        };
        let mut runs: Vec<_> = self.files.iter().map(reader).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            let record = R::read(run).with_context(reading::<R>)?;
            heads.extend(record.map(|record| Reverse((record, index))));
        }
        Ok(Merged {
            runs,
            heads,
            current: None,
        })
    }
}

/// Reads a file from its beginning without moving the position that other readers have.
struct FromStart {
    file: Arc<ScratchFile>,
    position: u64,
}

impl Read for FromStart {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.file().read_at(bytes, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The records of several runs in order, read once.
pub struct Merged<R> {
    /// The rest of every run.
    runs: Vec<BufReader<FromStart>>,
    /// The least record of every run that has one left.
    heads: BinaryHeap<Reverse<(R, usize)>>,
    /// What was given out last.
    current: Option<R>,
}

impl<R: Record> Merged<R> {
    /// The next record, which stays where it is until the one after it; `None` at the end.
    ///
    /// # Errors
    /// When the scratch folder can't be read.
    pub fn next_ref(&mut self) -> Result<Option<&R>> {
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Reverse((record, index)) = &mut *head;
        let run = &mut self.runs[*index];
        // Replacing the head moves it once, and the record before is read over.
        let following = match self.current.take() {
            Some(mut spare) => spare.read_over(run).map(|is_one| is_one.then_some(spare)),
            None => R::read(run),
        };
        self.current = match following.with_context(reading::<R>)? {
            Some(following) => Some(std::mem::replace(record, following)),
            None => Some(PeekMut::pop(head).0.0),
        };
        Ok(self.current.as_ref())
    }
}

fn reading<R: Record>() -> String {
    format!("{}: reading what was spilled", R::PURPOSE)
}

/// Sorted records, read once.
pub enum Sorted<R: Record = u128> {
    /// They fitted in memory.
    Memory(std::vec::IntoIter<R>),
    /// They are merged from runs on disk.
    Merged(Merged<R>),
}

impl<R: Record + Copy> Iterator for Sorted<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Sorted::Memory(records) => records.next().map(Ok),
            Sorted::Merged(merged) => merged.next_ref().map(Option::<&R>::copied).transpose(),
        }
    }
}

#[cfg(test)]
mod tests;
