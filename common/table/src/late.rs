//! Late labels by key, for rows that were delivered without them.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use runtime::work::Work;
use store::spill::{Runs, Sorted, Sorter};

use crate::dataset::{Goal, keys};
use crate::parts;

/// Halves of the key's hash, place of the file, label.
pub(crate) type Labelled = [u64; 4];
/// Halves of the key's hash, place of the row.
type Keyed = [u64; 3];

/// Where several label files name the same row, the last file's label holds: picks it from labels
/// in the order of their keys.
///
/// ```
/// use table::labels::Latest;
///
/// // Key, place of the file, label.
/// let labels = [(1, 0, 1.0), (1, 2, 0.0), (1, 1, 1.0), (5, 0, 1.0)];
/// let mut latest = Latest::new(|label: &(u64, u64, f64)| label.1);
/// let mut hold: Vec<_> = labels
///     .iter()
///     .filter_map(|label| latest.push(label, |held| held.0 == label.0))
///     .collect();
/// hold.extend(latest.finish());
/// assert_eq!(hold, [(1, 2, 0.0), (5, 0, 1.0)]);
/// ```
#[derive(Debug)]
pub struct Latest<L> {
    held: Option<L>,
    file: fn(&L) -> u64,
}

impl<L: Clone> Latest<L> {
    /// `file` is the place of a label's file among all of them.
    pub fn new(file: fn(&L) -> u64) -> Self {
        Self { held: None, file }
    }

    /// Takes the next label, and gives that of the key before, if this is one of another key.
    pub fn push(&mut self, label: &L, has_its_key: impl FnOnce(&L) -> bool) -> Option<L> {
        match &mut self.held {
            Some(held) if has_its_key(held) => {
                if (self.file)(label) >= (self.file)(held) {
                    held.clone_from(label);
                }
                None
            }
            held => held.replace(label.clone()),
        }
    }

    /// The label of the last key.
    pub fn finish(&mut self) -> Option<L> {
        self.held.take()
    }
}

/// The labels of some files, sorted by key on disk. A clone reads the same ones.
#[derive(Clone)]
pub struct HeldLabels {
    pub(crate) runs: Runs<Labelled>,
    pub(crate) keys: Arc<[String]>,
    pub(crate) goal: Goal,
}

impl HeldLabels {
    /// Names of the columns that name a row.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Joins the rows that `keyed` has the keys of: the labels that were found, by the place of
    /// their row.
    fn of_rows(&self, keyed: Sorted<Keyed>, work: &Work) -> Result<Sorted<[u64; 2]>> {
        let mut found = Sorter::new(work);
        let mut labels = self.runs.read()?;
        let mut latest = Latest::new(|label: &Labelled| label[2]);
        // The label that holds for the next key that has one.
        let mut advance = || -> Result<Option<Labelled>> {
            while let Some(label) = labels.next_ref()? {
                if let Some(holds) = latest.push(label, |held| held[..2] == label[..2]) {
                    return Ok(Some(holds));
                }
            }
            Ok(latest.finish())
        };
        let mut current = advance()?;
        for row in keyed {
            let [high, low, place] = row?;
            while current.is_some_and(|label| [label[0], label[1]] < [high, low]) {
                current = advance()?;
            }
            match current {
                Some(label) if [label[0], label[1]] == [high, low] => {
                    found.push([place, label[3]])?
                }
                Some(_) => {}
                None => break,
            }
        }
        found.finish()
    }
}

pub(crate) fn halves(hash: u128) -> [u64; 2] {
    [(hash >> 64) as u64, hash as u64]
}

/// Takes the keys of the rows of a file, in their order.
pub(crate) struct Join {
    held: HeldLabels,
    keyed: Sorter<Keyed>,
    rows: u64,
    work: Work,
}

impl Join {
    pub(crate) fn new(held: &HeldLabels, work: &Work) -> Self {
        Self {
            held: held.clone(),
            keyed: Sorter::new(work),
            rows: 0,
            work: work.clone(),
        }
    }

    /// Takes the key columns of the next rows.
    pub(crate) fn add(&mut self, keys: &[ArrayRef]) -> Result<()> {
        for hash in keys::hashes(keys)? {
            let [high, low] = halves(hash);
            self.keyed.push([high, low, self.rows])?;
            self.rows += 1;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<OfRows> {
        let mut found = self.held.of_rows(self.keyed.finish()?, &self.work)?;
        Ok(OfRows {
            next: found.next().transpose()?,
            found,
            rows: 0,
            goal: self.held.goal,
        })
    }
}

/// The late labels of the rows of a file, in their order.
pub(crate) struct OfRows {
    found: Sorted<[u64; 2]>,
    next: Option<[u64; 2]>,
    /// Rows that were given their labels.
    rows: u64,
    goal: Goal,
}

impl OfRows {
    /// The next rows with their late labels in the column `target`; a row without one keeps its
    /// own.
    pub(crate) fn label(&mut self, batch: &RecordBatch, target: usize) -> Result<RecordBatch> {
        let end = self.rows + batch.num_rows() as u64;
        let mut labels = vec![None; batch.num_rows()];
        while let Some([row, bits]) = self.next
            && row < end
        {
            labels[(row - self.rows) as usize] = Some(f64::from_bits(bits));
            self.next = self.found.next().transpose()?;
        }
        self.rows = end;
        let own = batch.column(target);
        let late = parts::of_labels(&labels, &self.goal, own.data_type())?;
        let mut columns = batch.columns().to_vec();
        columns[target] = zip(&is_not_null(&late)?, &late, own)?;
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }
}
