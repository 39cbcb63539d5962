//! Sorting more values than fit in memory: sorted runs on disk, merged when read.
//!
//! One sorter serves everything that must look across all rows: duplicate keys, ranks of scores, joins with labels.
//! The caller packs what it needs into 128 bits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Values kept in memory before a run is spilled: 16 MiB of them.
const RUN: usize = 1 << 20;

/// An external sorter of 128-bit values.
pub struct Sorter {
    folder: PathBuf,
    run: usize,
    values: Vec<u128>,
    spilled: Vec<File>,
}

impl Sorter {
    /// A sorter that spills into unnamed files in `folder`, which vanish with the process.
    pub fn new(folder: &Path) -> Self {
        Self::with_run(folder, RUN)
    }

    fn with_run(folder: &Path, run: usize) -> Self {
        Self { folder: folder.to_owned(), run, values: Vec::new(), spilled: Vec::new() }
    }

    /// Takes a value in.
    ///
    /// # Errors
    /// When the scratch folder can't be written or is full.
    pub fn push(&mut self, value: u128) -> Result<()> {
        self.values.push(value);
        if self.values.len() >= self.run {
            self.spill().with_context(|| format!("spilling sorted values into {}", self.folder.display()))?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.values.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        for value in self.values.drain(..) {
            run.write_all(&value.to_le_bytes())?;
        }
        let mut run = run.into_inner()?;
        run.rewind()?;
        self.spilled.push(run);
        Ok(())
    }

    /// All values in ascending order.
    pub fn finish(mut self) -> Result<Sorted> {
        if self.spilled.is_empty() {
            self.values.sort_unstable();
            return Ok(Sorted::Memory(self.values.into_iter()));
        }
        if !self.values.is_empty() {
            self.spill()?;
        }
        let mut runs: Vec<_> = self.spilled.into_iter().map(|run| BufReader::with_capacity(1 << 16, run)).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(next(run)?.map(|value| Reverse((value, index))));
        }
        Ok(Sorted::Merged { runs, heads })
    }
}

/// Sorted values, read once.
pub enum Sorted {
    /// They fitted in memory.
    Memory(std::vec::IntoIter<u128>),
    /// They are merged from runs on disk.
    Merged {
        /// The rest of every run.
        runs: Vec<BufReader<File>>,
        /// The least value of every run that has one left.
        heads: BinaryHeap<Reverse<(u128, usize)>>,
    },
}

impl Iterator for Sorted {
    type Item = Result<u128>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Sorted::Memory(values) => values.next().map(Ok),
            Sorted::Merged { runs, heads } => {
                let Reverse((value, index)) = heads.pop()?;
                match next(&mut runs[index]) {
                    Ok(head) => heads.extend(head.map(|head| Reverse((head, index)))),
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok(value))
            }
        }
    }
}

/// The next value of a run, `None` at its end.
fn next(run: &mut BufReader<File>) -> Result<Option<u128>> {
    let mut bytes = [0; 16];
    match run.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(u128::from_le_bytes(bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("reading spilled values"),
    }
}

/// A total order of floats as an order of integers, so that a score can be the high half of a sorted value.
pub fn ordered_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// The float of [`ordered_bits`].
pub fn from_ordered_bits(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for run in [1, 2, 7, 999, 1000, 1001] {
            assert_eq!(sorted(run, &values), expected, "run of {run}");
        }
        assert_eq!(sorted(4, &[]), []);
    }

    #[test]
    fn the_bits_order_as_the_floats_do() {
        let floats = [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 0.5, 1.0, f64::INFINITY];
        for pair in floats.windows(2) {
            assert!(ordered_bits(pair[0]) < ordered_bits(pair[1]), "{pair:?}");
        }
        for float in floats {
            assert_eq!(from_ordered_bits(ordered_bits(float)).to_bits(), float.to_bits());
        }
    }

    #[test]
    fn an_unwritable_scratch_folder_is_named() {
        let mut sorter = Sorter::with_run(Path::new("/no/such/folder"), 1);
        assert!(sorter.push(1).unwrap_err().to_string().contains("/no/such/folder"));
    }
}
