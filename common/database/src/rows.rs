//! Rows in the order of their keys, however many: sorted runs on disk, merged when read, and read
//! as often as needed.
//!
//! An index takes in rows several times faster when they come in its order. Speed alone depends on
//! the order here, so it need not be the index's to the last bit: rows are ordered by the first
//! bytes of their first id, then by all bytes of their key. Equal keys come one after the other all
//! the same.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

use runtime::work::{ScratchFile, Work};

/// Runs of a level that are merged into one of the next: so many files are open at most for each
/// level.
const FAN_IN: usize = 64;
/// Bytes that are read from a run at once.
const READ_AHEAD: usize = 1 << 16;
/// Bytes before a row in a run: its prefix, its part and its length.
const HEAD: usize = 16;

/// A row as it lies in memory and on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// First bytes of the first id, as a number of the same order.
    pub(super) prefix: u64,
    /// The cells as Postgres reads them, those of the key first.
    pub(super) cells: Vec<u8>,
    /// Which part it comes from.
    pub(super) part: u32,
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        // The part makes the order, and with it what an error names, the same in every run.
        (self.prefix, &self.cells, self.part).cmp(&(other.prefix, &other.cells, other.part))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Sorts the rows of one thread.
struct Sorter {
    work: Work,
    memory: usize,
    cells: Vec<u8>,
    /// Prefix, end and part of each row in `cells`, with its begin.
    index: Vec<(u64, usize, usize, u32)>,
    runs: Runs,
}

/// Sorted runs by level: how often their rows were merged already.
#[derive(Default)]
struct Runs(Vec<Vec<ScratchFile>>);

impl Runs {
    /// Adds a run, and merges its level when that is full.
    fn add(&mut self, work: &Work, level: usize, run: ScratchFile) -> Result<()> {
        if self.0.len() <= level {
            self.0.resize_with(level + 1, Vec::new);
        }
        self.0[level].push(run);
        if self.0[level].len() < FAN_IN {
            return Ok(());
        }
        let full: Vec<Arc<ScratchFile>> = std::mem::take(&mut self.0[level])
            .into_iter()
            .map(Arc::new)
            .collect();
        let mut merged = RunWriter::new(work)?;
        let mut rows = Merged::new(&full)?;
        while let Some(row) = rows.next()? {
            merged.write(row.prefix, row.part, &row.cells)?;
        }
        self.add(work, level + 1, merged.finish()?)
    }
}

impl Sorter {
    fn new(work: &Work, memory: usize) -> Self {
        Self {
            work: work.clone(),
            memory,
            cells: Vec::new(),
            index: Vec::new(),
            runs: Runs::default(),
        }
    }

    fn push(&mut self, part: u32, put: impl FnOnce(&mut Vec<u8>) -> u64) -> Result<()> {
        let begin = self.cells.len();
        let prefix = put(&mut self.cells);
        self.index.push((prefix, begin, self.cells.len(), part));
        match self.cells.len() + self.index.len() * size_of::<(u64, usize, usize, u32)>()
            >= self.memory
        {
            true => self.spill(),
            false => Ok(()),
        }
    }

    fn spill(&mut self) -> Result<()> {
        if self.index.is_empty() {
            return Ok(());
        }
        let Self { cells, index, .. } = self;
        index.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0)
                .then_with(|| cells[a.1..a.2].cmp(&cells[b.1..b.2]))
                .then_with(|| a.3.cmp(&b.3))
        });
        let mut run = RunWriter::new(&self.work)?;
        for &(prefix, begin, end, part) in index.iter() {
            run.write(prefix, part, &cells[begin..end])?;
        }
        cells.clear();
        index.clear();
        self.runs.add(&self.work, 0, run.finish()?)
    }
}

/// Writes a run into an unnamed file, which vanishes with the process.
struct RunWriter {
    work: Work,
    file: BufWriter<ScratchFile>,
}

const PURPOSE: &str = "sorting rows";

impl RunWriter {
    fn new(work: &Work) -> Result<Self> {
        Ok(Self {
            work: work.clone(),
            file: BufWriter::with_capacity(READ_AHEAD, work.file(PURPOSE)?),
        })
    }

    fn write(&mut self, prefix: u64, part: u32, cells: &[u8]) -> Result<()> {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&prefix.to_le_bytes());
        head[8..12].copy_from_slice(&part.to_le_bytes());
        head[12..].copy_from_slice(&(cells.len() as u32).to_le_bytes());
        let written = self
            .file
            .write_all(&head)
            .and_then(|()| self.file.write_all(cells));
        written.with_context(|| self.work.spilling(PURPOSE))
    }

    fn finish(self) -> Result<ScratchFile> {
        let Self { work, file } = self;
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .with_context(|| work.spilling(PURPOSE))
    }
}

/// Takes in rows on several threads; each thread fills a sorter of its own. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sorters {
    work: Work,
    memory: usize,
    idle: Arc<Mutex<Vec<Sorter>>>,
}

impl Sorters {
    /// Sorters that spill into a scratch folder, and keep their share of memory each.
    pub(super) fn new(work: impl Into<Work>) -> Self {
        let work = work.into();
        let memory = work.sorter_memory();
        Self::with_memory(work, memory)
    }

    fn with_memory(work: Work, memory: usize) -> Self {
        Self {
            work,
            memory,
            idle: Arc::default(),
        }
    }

    /// Takes in `count` rows of a part. `put` appends the cells of the row of that number and gives
    /// its prefix.
    ///
    /// # Errors
    /// When the scratch folder can't be written or is full.
    pub(super) fn push(
        &self,
        part: u32,
        count: usize,
        put: impl Fn(usize, &mut Vec<u8>) -> u64,
    ) -> Result<()> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut sorter = idle.unwrap_or_else(|| Sorter::new(&self.work, self.memory));
        (0..count).try_for_each(|row| sorter.push(part, |cells| put(row, cells)))?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sorter);
        Ok(())
    }

    /// The runs of all rows.
    ///
    /// # Errors
    /// Those of [`Sorters::push`].
    pub(super) fn finish(&self) -> Result<Vec<Arc<ScratchFile>>> {
        let sorters =
            std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = Runs::default();
        for mut sorter in sorters {
            sorter.spill()?;
            for (level, runs) in sorter.runs.0.into_iter().enumerate() {
                runs.into_iter()
                    .try_for_each(|run| all.add(&self.work, level, run))?;
            }
        }
        Ok(all.0.into_iter().flatten().map(Arc::new).collect())
    }
}

/// Reads a file from its beginning without moving the position that other readers have.
struct FromStart {
    file: Arc<ScratchFile>,
    position: u64,
}

impl Read for FromStart {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.file().read_at(bytes, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// The rows of several runs in order.
pub(super) struct Merged {
    runs: Vec<BufReader<FromStart>>,
    /// The least row of every run that has one left.
    heads: BinaryHeap<Reverse<(Row, usize)>>,
    /// What was given out last.
    current: Row,
}

impl Merged {
    /// Begins at the first row.
    pub(super) fn new(files: &[Arc<ScratchFile>]) -> Result<Self> {
        let reader = |file: &Arc<ScratchFile>| {
            BufReader::with_capacity(
                READ_AHEAD,
                FromStart {
                    file: file.clone(),
                    position: 0,
                },
            )
        };
        let mut runs: Vec<_> = files.iter().map(reader).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            let mut row = Row::default();
            if read(run, &mut row)? {
                heads.push(Reverse((row, index)));
            }
        }
        Ok(Self {
            runs,
            heads,
            current: Row::default(),
        })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the scratch folder can't be read.
    pub(super) fn next(&mut self) -> Result<Option<&Row>> {
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Reverse((row, index)) = &mut *head;
        std::mem::swap(row, &mut self.current);
        // What was current is read over: no row is allocated anew.
        if !read(&mut self.runs[*index], row)? {
            PeekMut::pop(head);
        }
        Ok(Some(&self.current))
    }
}

/// Reads the next row of a run over `row`; false at its end.
fn read(run: &mut BufReader<FromStart>, row: &mut Row) -> Result<bool> {
    let mut head = [0; HEAD];
    match run.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error).context("reading spilled rows"),
    }
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    row.prefix = u64::from(number(4)) << 32 | u64::from(number(0));
    row.part = number(8);
    row.cells.resize(number(12) as usize, 0);
    run.read_exact(&mut row.cells)
        .context("reading spilled rows")?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sorted(memory: usize, rows: &[(u64, &str)]) -> Vec<(u64, String)> {
        let folder = tempfile::tempdir().unwrap();
        let sorters = Sorters::with_memory(folder.path().into(), memory);
        for (part, &(prefix, cells)) in rows.iter().enumerate() {
            let put = |_, target: &mut Vec<u8>| {
                target.extend(cells.as_bytes());
                prefix
            };
            sorters.push(part as u32, 1, put).unwrap();
        }
        let runs = sorters.finish().unwrap();
        let all = || {
            let mut merged = Merged::new(&runs).unwrap();
            let mut all = Vec::new();
            while let Some(row) = merged.next().unwrap() {
                all.push((row.prefix, String::from_utf8(row.cells.clone()).unwrap()));
            }
            all
        };
        let first = all();
        assert_eq!(first, all(), "rows can be read again");
        first
    }

    #[test]
    fn rows_of_many_runs_come_in_order_as_often_as_they_are_read() {
        let texts: Vec<String> = (0..700_u64)
            .map(|i| format!("{:03}", i * 7919 % 601))
            .collect();
        let rows: Vec<(u64, &str)> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| (i as u64 % 5, text.as_str()))
            .collect();
        let mut expected: Vec<(u64, String)> = rows
            .iter()
            .map(|&(prefix, text)| (prefix, text.to_owned()))
            .collect();
        expected.sort();
        // Runs of one row fill several levels.
        for memory in [1, 100, 5_000, 1 << 20] {
            assert_eq!(sorted(memory, &rows), expected, "{memory} bytes");
        }
        assert_eq!(sorted(100, &[]), []);
    }

    #[test]
    fn an_unwritable_scratch_folder_is_named() {
        let sorters = Sorters::with_memory(Path::new("/no/such/folder").into(), 1);
        let error = sorters.push(0, 1, |_, _| 0).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
