//! Late labels by key, for rows that were delivered without them.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::work::Work;
use store::LocalFile;
use store::spill::{Runs, Sorted, Sorter, Sorters};

use super::{LabelReader, Latest, key_hashes};
use crate::dataset::{Dataset, Goal};
use crate::parts;

/// Halves of the key's hash, place of the file, label.
type Labelled = [u64; 4];
/// Halves of the key's hash, place of the row.
type Keyed = [u64; 3];

/// The labels of some files, sorted by key on disk. A clone reads the same ones.
#[derive(Clone)]
pub struct HeldLabels {
    runs: Runs<Labelled>,
    keys: Arc<[String]>,
    goal: Goal,
}

impl HeldLabels {
    /// Reads label files, on the threads of the step; `open` gives the file of a name with the
    /// digest that it must have. The later of two files counts where both name a row.
    ///
    /// # Errors
    /// A file with another digest: exit 2. Those of [`LabelReader::read_file`].
    pub async fn read(
        step: &Step,
        dataset: &Dataset,
        files: Vec<(String, String)>,
        open: impl Fn(&str) -> Result<LocalFile> + Clone + Send + 'static,
    ) -> Result<Self> {
        let keys = dataset.key();
        let reader = LabelReader::new(dataset, &keys)?;
        let work = step.work().clone();
        let sorters = Sorters::<Labelled>::with_memory(work.clone(), work.sorter_memory());
        let (all, of_thread) = (sorters.clone(), step.clone());
        let read = move |(place, (key, sha256)): (u64, (String, String))| {
            let file = open(&key)?;
            if file.hash()?.sha256 != sha256 {
                return Err(Failure::usage(format!(
                    "the label file {key} has changed since it was planned: submit a new workflow"
                )));
            }
            all.lend(|sorter| {
                for rows in reader.read_file(&key, file, &work)? {
                    of_thread.check()?;
                    let rows = rows?;
                    for (hash, label) in key_hashes(&rows.keys)?.zip(rows.labels) {
                        if let Some(label) = label {
                            let [high, low] = halves(hash);
                            sorter.push([high, low, place, label.to_bits()])?;
                        }
                    }
                }
                Ok(())
            })
        };
        step.fold((0..).zip(files), read, |()| Ok(())).await?;
        Ok(Self {
            runs: sorters.runs()?,
            keys: keys.into(),
            goal: dataset.goal().map_err(Failure::usage)?,
        })
    }

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

fn halves(hash: u128) -> [u64; 2] {
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
        for hash in key_hashes(keys)? {
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
