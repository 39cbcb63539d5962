//! Labels that come later than the predictions: raw files of ids, time and target, and the hash
//! that joins them.

mod held;

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::ArrayRef;

use crate::dataset::{ColumnContract, Dataset, Goal, Labels, keys};
use crate::parts;
use crate::raw::{RawFile, files};
use runtime::failure::Failure;
use runtime::threads::wait;
use runtime::work::Work;
use store::{LocalFile, Object, Store};

pub use crate::late::{HeldLabels, Latest};

/// Some rows of a label file.
#[derive(Clone, Debug)]
pub struct LabelRows {
    /// The columns that name a row, in the order and the types of the contract.
    pub keys: Vec<ArrayRef>,
    /// The index of the class, or the number; `None` while the label is not known.
    pub labels: Vec<Option<f64>>,
}

/// Reads label files as a data contract describes them.
#[derive(Clone, Debug)]
pub struct LabelReader {
    /// The contract's columns that a label file has, in its order, and how CSV is written.
    dataset: Arc<Dataset>,
    /// Places in it of the keys.
    keys: Vec<usize>,
    target: usize,
    goal: Goal,
}

/// The label files that a glob names, in the order of their names, which [`Latest`] goes by. Empty
/// when there is no such folder or file.
///
/// # Errors
/// Those of [`files::find`]: exit 2.
pub async fn find(store: &Store, glob: &str) -> Result<Vec<Object>> {
    Ok(search(store, glob).await?.files)
}

/// As [`find`], with what else lies there.
///
/// # Errors
/// Those of [`find`].
pub async fn search(store: &Store, glob: &str) -> Result<files::Found> {
    let found = files::find(store, glob, "--labels-glob (LABELS_GLOB)").await;
    found.with_context(|| format!("looking for labels {glob:?}"))
}

/// One hash for each row of key columns: equal keys have equal hashes, and two others among n rows
/// with a chance of about n * n / 2^129, which is 10^-19 for ten billion.
pub fn key_hashes(keys: &[ArrayRef]) -> Result<impl Iterator<Item = u128> + use<>> {
    keys::hashes(keys)
}

impl LabelReader {
    /// For labels of rows that `dataset` describes. They are joined by the columns named in `keys`,
    /// which are all or some of [`Dataset::key`]; other columns of a file do not matter.
    ///
    /// # Errors
    /// A contract whose target no task takes: exit 2.
    pub fn new(dataset: &Dataset, keys: &[String]) -> Result<Self> {
        let goal = dataset.goal().map_err(Failure::usage)?;
        let target = &dataset.target().name;
        let is_there =
            |column: &&ColumnContract| keys.contains(&column.name) || column.name == *target;
        let columns: Vec<ColumnContract> =
            dataset.columns.iter().filter(is_there).cloned().collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let (places, target) = (keys.iter().filter_map(place).collect(), place(target));
        let mut of_labels = Dataset::new(columns);
        of_labels.task.clone_from(&dataset.task);
        of_labels.csv.clone_from(&dataset.csv);
        Ok(Self {
            dataset: Arc::new(of_labels),
            keys: places,
            target: target.context("a contract has a target")?,
            goal,
        })
    }

    /// Reads a file as a stream. Keys, which must not repeat, are sorted in the folder `scratch`.
    ///
    /// # Errors
    /// A file that can't be read, or rows that break the contract: exit 10, as for any raw file.
    /// They come with the last item: what was read before counts only when all of the file is
    /// good.
    pub fn read(
        &self,
        raw: &Store,
        file: &Object,
        work: &Work,
    ) -> Result<impl Iterator<Item = Result<LabelRows>> + use<>> {
        self.read_file(&file.key, wait(raw.file(&file.key))?, work)
    }

    /// As [`LabelReader::read`], of a file that is at hand and is called `key`.
    ///
    /// # Errors
    /// Those of [`LabelReader::read`].
    pub fn read_file(
        &self,
        key: &str,
        local: LocalFile,
        work: &Work,
    ) -> Result<impl Iterator<Item = Result<LabelRows>> + use<>> {
        let (path, dataset) = (local.path().to_owned(), self.dataset.clone());
        let raw_file = RawFile {
            pinned: true,
            ..RawFile::new(key.to_owned(), path, dataset, Labels::Pending)
        };
        let reader = self.clone();
        Ok(raw_file.checked(work, |_| Ok(None))?.map(move |batch| {
            // A copy stays until the last row: it may be read twice.
            let _ = &local;
            let batch = batch?;
            let key = |place: &usize| batch.column(*place).clone();
            Ok(LabelRows {
                keys: reader.keys.iter().map(key).collect(),
                labels: parts::labels(batch.column(reader.target), &reader.goal)?,
            })
        }))
    }
}

#[cfg(test)]
mod tests;
