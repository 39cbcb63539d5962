//! What rows weigh in other data of the same raw rows.

use anyhow::Result;

use super::twins::Twins;
use crate::parts;
use catalog::manifest::{DatasetManifest, Part};
use runtime::work::Work;
use store::Store;

/// The weights of rows, as another configuration prepared them.
#[derive(Debug)]
pub(super) struct Weights {
    /// The column; `None` where rows weigh alike there.
    pub(super) column: Option<String>,
    twins: Twins,
}

impl Weights {
    /// # Errors
    /// A raw file that the other data does not have.
    pub(super) fn new(
        column: Option<String>,
        ours: &DatasetManifest,
        theirs: &DatasetManifest,
    ) -> Result<Self> {
        let twins = Twins::new(ours, theirs)?;
        Ok(Self { column, twins })
    }

    /// Those of the rows of a part of ours, one after the other.
    ///
    /// # Errors
    /// Another number of rows: exit 10. A damaged part.
    pub(super) fn of(
        &self,
        store: &Store,
        work: &Work,
        part: &Part,
    ) -> Result<Option<impl Iterator<Item = Result<Vec<f64>>> + use<>>> {
        let Some(column) = self.column.clone() else {
            return Ok(None);
        };
        let other = self.twins.of(part, "weights")?;
        let file = parts::local(store, &other.key, &other.sha256)?;
        let batches = parts::read(&file, std::slice::from_ref(&column), work)?;
        Ok(Some(batches.map(move |batch| {
            let weights = parts::floats(batch?.column(0), &column)?;
            Ok(weights.values().to_vec())
        })))
    }
}
