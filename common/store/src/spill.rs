//! Sorting more records than fit in memory: sorted runs on disk, merged when read.
//!
//! One sorter serves everything that must look across all rows: duplicate keys, ranks of scores,
//! joins with labels. The caller packs what it needs into a fixed number of bits: 128, or any
//! number of 64-bit words.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use runtime::work::{ScratchFile, Work};

/// Runs of a level that are merged into one of the next: so many files are open at most for each
/// level.
const FAN_IN: usize = 64;
/// Bytes that are read from a run at once.
const READ_AHEAD: usize = 1 << 16;

/// Bytes of the largest record; the compiler refuses larger ones.
const LARGEST: usize = 64;

/// What a [`Sorter`] sorts: a fixed number of bytes in an order of its own.
pub trait Record: Copy + Ord {
    /// Size on disk.
    const BYTES: usize;
    /// Writes it into `bytes`, of which there are [`Record::BYTES`].
    fn store(&self, bytes: &mut [u8]);
    /// Reads it from `bytes`.
    fn load(bytes: &[u8]) -> Self;
}

impl Record for u128 {
    const BYTES: usize = 16;

    fn store(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }

    fn load(bytes: &[u8]) -> Self {
        let mut value = [0; 16];
        value.copy_from_slice(bytes);
        Self::from_le_bytes(value)
    }
}

/// Ordered by the first word, then the second, and so on.
impl<const WORDS: usize> Record for [u64; WORDS] {
    const BYTES: usize = 8 * WORDS;

    fn store(&self, bytes: &mut [u8]) {
        for (word, target) in self.iter().zip(bytes.chunks_exact_mut(8)) {
            target.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn load(bytes: &[u8]) -> Self {
        let mut words = [0; WORDS];
        for (word, source) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut value = [0; 8];
            value.copy_from_slice(source);
            *word = u64::from_le_bytes(value);
        }
        words
    }
}

/// An external sorter of records, 128-bit values if nothing else is said.
///
/// The order of equal records does not matter, so the result depends neither on the order of
/// pushing nor on how records were spread over sorters that are merged.
pub struct Sorter<R: Record = u128> {
    work: Work,
    run: usize,
    values: Vec<R>,
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
        Self::with_run(work, (bytes / R::BYTES).max(1))
    }

    fn with_run(work: impl Into<Work>, run: usize) -> Self {
        Self {
            work: work.into(),
            run,
            values: Vec::new(),
            spilled: Vec::new(),
        }
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// When the scratch folder can't be written or is full.
    pub fn push(&mut self, value: R) -> Result<()> {
        self.values.push(value);
        if self.values.len() >= self.run {
            self.spill()
        } else {
            Ok(())
        }
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.spilled.is_empty()
    }

    /// Takes in all records of another sorter over the same folder.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn merge(&mut self, other: Self) -> Result<()> {
        for (level, runs) in other.spilled.into_iter().enumerate() {
            for run in runs {
                self.add_run(level, run)?;
            }
        }
        other
            .values
            .into_iter()
            .try_for_each(|value| self.push(value))
    }

    /// All records in ascending order.
    ///
    /// # Errors
    /// Those of [`Sorter::push`].
    pub fn finish(mut self) -> Result<Sorted<R>> {
        if self.spilled.is_empty() {
            self.values.sort_unstable();
            return Ok(Sorted::Memory(self.values.into_iter()));
        }
        if !self.values.is_empty() {
            self.spill()?;
        }
        Sorted::merged(self.spilled.into_iter().flatten())
    }

    fn spill(&mut self) -> Result<()> {
        self.values.sort_unstable();
        let run = write_run(&self.work, self.values.drain(..).map(Ok))?;
        self.add_run(0, run)
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
        let full = std::mem::take(&mut self.spilled[level]);
        let merged = write_run(&self.work, Sorted::<R>::merged(full)?)?;
        self.add_run(level + 1, merged)
    }
}

/// Sorters for several threads: each thread fills one of its own, and no thread waits for another.
/// Cheap to clone.
#[derive(Clone)]
pub struct Sorters<R: Record = u128> {
    work: Work,
    bytes: usize,
    idle: Arc<Mutex<Vec<Sorter<R>>>>,
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
        let sorters = std::mem::take(&mut *self.idle());
        let mut all = Sorter::with_memory(&self.work, self.bytes);
        for sorter in sorters {
            if all.is_empty() {
                all = sorter
            } else {
                all.merge(sorter)?
            }
        }
        all.finish()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sorter<R>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes sorted records into an unnamed file, ready to be read.
fn write_run<R: Record>(
    work: &Work,
    values: impl Iterator<Item = Result<R>>,
) -> Result<ScratchFile> {
    const PURPOSE: &str = "sorting records";
    let place = || work.spilling(PURPOSE);
    let mut run = BufWriter::with_capacity(READ_AHEAD, work.file(PURPOSE)?);
    let mut bytes = vec![0; R::BYTES];
    for value in values {
        value?.store(&mut bytes);
        run.write_all(&bytes).with_context(place)?;
    }
    let mut run = run
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(place)?;
    run.rewind().with_context(place)?;
    Ok(run)
}

/// Sorted records, read once.
pub enum Sorted<R: Record = u128> {
    /// They fitted in memory.
    Memory(std::vec::IntoIter<R>),
    /// They are merged from runs on disk.
    Merged {
        /// The rest of every run.
        runs: Vec<BufReader<ScratchFile>>,
        /// The least record of every run that has one left.
        heads: BinaryHeap<Reverse<(R, usize)>>,
    },
}

impl<R: Record> Sorted<R> {
    fn merged(runs: impl IntoIterator<Item = ScratchFile>) -> Result<Self> {
        let mut runs: Vec<_> = runs
            .into_iter()
            .map(|run| BufReader::with_capacity(READ_AHEAD, run))
            .collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(next(run)?.map(|value| Reverse((value, index))));
        }
        Ok(Self::Merged { runs, heads })
    }
}

impl<R: Record> Iterator for Sorted<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Sorted::Memory(values) => values.next().map(Ok),
            Sorted::Merged { runs, heads } => {
                let mut head = heads.peek_mut()?;
                let Reverse((value, index)) = *head;
                match next(&mut runs[index]) {
                    // Replacing the head moves it once; taking it out and putting another in would
                    // move twice.
                    Ok(Some(following)) => *head = Reverse((following, index)),
                    Ok(None) => {
                        std::collections::binary_heap::PeekMut::pop(head);
                    }
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok(value))
            }
        }
    }
}

/// The next record of a run, `None` at its end.
fn next<R: Record>(run: &mut BufReader<ScratchFile>) -> Result<Option<R>> {
    const { assert!(0 < R::BYTES && R::BYTES <= LARGEST) };
    let mut bytes = [0; LARGEST];
    let bytes = &mut bytes[..R::BYTES];
    match run.read_exact(bytes) {
        Ok(()) => Ok(Some(R::load(bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("reading spilled records"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::failure::exit_code;
    use runtime::work::Disk;
    use std::path::Path;

    fn sorted(run: usize, values: &[u128]) -> Vec<u128> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_run(folder.path(), run);
        values.iter().for_each(|&value| sorter.push(value).unwrap());
        sorter.finish().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn spilled_runs_merge_into_the_order_of_memory() {
        let values: Vec<u128> = (0..1000u128).map(|i| (i * 7919) % 997).collect();
        let mut expected = values.clone();
        expected.sort_unstable();
        // Runs of one record fill several levels.
        for run in [1, 2, 7, 999, 1000, 1001] {
            assert_eq!(sorted(run, &values), expected, "run of {run}");
        }
        assert_eq!(sorted(4, &[]), []);
    }

    #[test]
    fn records_of_words_are_ordered_word_by_word_and_keep_their_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<[u64; 4]> = (0..500u64)
            .map(|i| [i * 7919 % 13, u64::MAX - i % 7, i * 31 % 17, i | 1 << 63])
            .collect();
        let mut expected = values.clone();
        expected.sort_unstable();
        for run in [3, 64, 1000] {
            let mut sorter = Sorter::with_run(folder.path(), run);
            values.iter().for_each(|&value| sorter.push(value).unwrap());
            let found: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
            assert_eq!(found, expected, "run of {run}");
        }
    }

    #[test]
    fn merged_sorters_give_the_records_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut all = Sorter::with_run(folder.path(), 4);
        for part in 0..7u128 {
            let mut sorter = Sorter::with_run(folder.path(), 4);
            (0..part * 5).for_each(|i| sorter.push((i * 7 + part) % 23).unwrap());
            all.merge(sorter).unwrap();
        }
        let mut expected: Vec<u128> = (0..7)
            .flat_map(|part| (0..part * 5).map(move |i| (i * 7 + part) % 23))
            .collect();
        expected.sort_unstable();
        assert_eq!(
            all.finish()
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn what_threads_sort_apart_is_sorted_together() {
        let folder = tempfile::tempdir().unwrap();
        let sorters = Sorters::<u128>::with_memory(folder.path(), 5 * 16);
        std::thread::scope(|scope| {
            for thread in 0..4u128 {
                let sorters = &sorters;
                scope.spawn(move || {
                    let fill = |sorter: &mut Sorter| {
                        (0..33).try_for_each(|i| sorter.push((i * 17 + thread) % 41))
                    };
                    sorters.lend(fill).unwrap();
                    sorters.lend(fill).unwrap();
                });
            }
        });
        let mut expected: Vec<u128> = (0..4)
            .flat_map(|thread| (0..66).map(move |i| (i % 33 * 17 + thread) % 41))
            .collect();
        expected.sort_unstable();
        assert_eq!(
            sorters
                .finish()
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>(),
            expected
        );
        assert_eq!(sorters.finish().unwrap().count(), 0);
    }

    #[test]
    fn a_sorter_stays_within_the_budget_of_disk_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(1000 * 16);
        let work = Work::new(folder.path(), disk.clone(), 1 << 20);
        let mut sorter = Sorter::with_run(&work, 10);
        (0..400).for_each(|value| sorter.push(value).unwrap());
        assert_eq!(sorter.finish().unwrap().count(), 400);
        assert_eq!(disk.used(), 0);

        let mut sorter = Sorter::with_run(&work, 10);
        let error = (0..2000)
            .find_map(|value| sorter.push(value).err())
            .unwrap();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        let text = format!("{error:#}");
        assert!(
            text.contains("--disk") && text.contains("sorting records"),
            "{text}"
        );
        drop(sorter);
        assert_eq!(disk.used(), 0);
    }

    #[test]
    fn an_unwritable_scratch_folder_is_named() {
        let mut sorter = Sorter::with_run(Path::new("/no/such/folder"), 1);
        assert!(
            sorter
                .push(1_u128)
                .unwrap_err()
                .to_string()
                .contains("/no/such/folder")
        );
    }
}
