//! Label files, sorted by the keys of their rows.

use anyhow::Result;
use runtime::failure::Failure;
use runtime::step::Step;
use store::LocalFile;
use store::spill::Sorters;

use super::{LabelReader, key_hashes};
use crate::dataset::Dataset;
use crate::late::{HeldLabels, Labelled, halves};

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
}
