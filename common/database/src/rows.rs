//! Rows in the order of their keys, however many.
//!
//! An index takes in rows several times faster when they come in its order. Speed alone depends on
//! the order here, so it need not be the index's to the last bit: rows are ordered by the first
//! bytes of their first id, then by all bytes of their key. Equal keys come one after the other all
//! the same.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use anyhow::Result;

use runtime::work::Work;
use store::spill::{Record, Runs, Sorters, fill};

/// Bytes before a row in a run: its prefix, its part and its length.
const HEAD: usize = 16;
/// Bytes that an allocation takes besides.
const ALLOCATION: usize = 16;

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

impl Record for Row {
    const PURPOSE: &'static str = "sorting rows";

    fn size(&self) -> usize {
        size_of::<Self>() + self.cells.capacity() + ALLOCATION
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&self.prefix.to_le_bytes());
        head[8..12].copy_from_slice(&self.part.to_le_bytes());
        head[12..].copy_from_slice(&(self.cells.len() as u32).to_le_bytes());
        to.write_all(&head)?;
        to.write_all(&self.cells)
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut row = Self::default();
        Ok(row.read_over(from)?.then_some(row))
    }

    fn read_over(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut head = [0; HEAD];
        if !fill(from, &mut head)? {
            return Ok(false);
        }
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        self.prefix = u64::from(number(4)) << 32 | u64::from(number(0));
        self.part = number(8);
        self.cells.resize(number(12) as usize, 0);
        from.read_exact(&mut self.cells)?;
        Ok(true)
    }
}

/// Takes in rows on several threads. Cheap to clone.
#[derive(Clone)]
pub(super) struct RowSorters(Sorters<Row>);

impl RowSorters {
    /// Sorters that spill into a scratch folder, and keep their share of memory each.
    pub(super) fn new(work: impl Into<Work>) -> Self {
        let work = work.into();
        let memory = work.sorter_memory();
        Self::with_memory(work, memory)
    }

    fn with_memory(work: Work, memory: usize) -> Self {
        Self(Sorters::with_memory(work, memory))
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
        self.0.lend(|sorter| {
            // Rows of a table are about as long as the one before.
            let mut length = 0;
            (0..count).try_for_each(|row| {
                let mut cells = Vec::with_capacity(length);
                let prefix = put(row, &mut cells);
                length = cells.len();
                let row = Row {
                    prefix,
                    cells,
                    part,
                };
                sorter.push(row)
            })
        })
    }

    /// All rows, to be read as often as needed.
    ///
    /// # Errors
    /// Those of [`RowSorters::push`].
    pub(super) fn finish(&self) -> Result<Runs<Row>> {
        self.0.runs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sorted(memory: usize, rows: &[(u64, &str)]) -> Vec<(u64, String)> {
        let folder = tempfile::tempdir().unwrap();
        let sorters = RowSorters::with_memory(folder.path().into(), memory);
        for (part, &(prefix, cells)) in rows.iter().enumerate() {
            let put = |_, target: &mut Vec<u8>| {
                target.extend(cells.as_bytes());
                prefix
            };
            sorters.push(part as u32, 1, put).unwrap();
        }
        let runs = sorters.finish().unwrap();
        let all = || {
            let mut merged = runs.read().unwrap();
            let mut all = Vec::new();
            while let Some(row) = merged.next_ref().unwrap() {
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
        let sorters = RowSorters::with_memory(Path::new("/no/such/folder").into(), 1);
        let error = sorters.push(0, 1, |_, _| 0).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
