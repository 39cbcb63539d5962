//! What rows weigh in other data of the same raw rows.

use std::collections::HashMap;

use anyhow::{Context, Result};

use crate::parts;
use catalog::manifest::{DatasetManifest, Part};
use runtime::failure::Failure;
use runtime::work::Work;
use store::Store;

/// The weights of rows, as another configuration prepared them.
#[derive(Debug)]
pub(super) struct Weights {
    /// The column; `None` where rows weigh alike there.
    pub(super) column: Option<String>,
    /// The part there of the same raw file, by the key of ours.
    parts: HashMap<String, Part>,
}

impl Weights {
    /// # Errors
    /// A raw file that the other data does not have.
    pub(super) fn new(
        column: Option<String>,
        ours: &DatasetManifest,
        theirs: &DatasetManifest,
    ) -> Result<Self> {
        let of_file: HashMap<&str, &Part> = by_file(theirs)?.collect();
        let parts = by_file(ours)?.map(|(file, part)| {
            let other = of_file.get(file);
            let other = other.with_context(|| format!("{file} has no weights"))?;
            Ok((part.key.clone(), (*other).clone()))
        });
        Ok(Self {
            parts: parts.collect::<Result<_>>()?,
            column,
        })
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
        let other = self.parts.get(&part.key);
        let other = other.with_context(|| format!("{} has no weights", part.key))?;
        if other.rows != part.rows {
            return Err(Failure::contract(format!(
                "{} holds {} rows, and {}, which says what they weigh, {}",
                part.key, part.rows, other.key, other.rows
            )));
        }
        let file = parts::local(store, &other.key, &other.sha256)?;
        let batches = parts::read(&file, std::slice::from_ref(&column), work)?;
        Ok(Some(batches.map(move |batch| {
            let weights = parts::floats(batch?.column(0), &column)?;
            Ok(weights.values().to_vec())
        })))
    }
}

/// The parts, each with the raw file that it was made of.
fn by_file(dataset: &DatasetManifest) -> Result<impl Iterator<Item = (&str, &Part)>> {
    if dataset.parts.len() != dataset.shards.len() {
        return Err(Failure::contract(format!(
            "the {} data of {} does not say which raw file a row is from",
            dataset.split, dataset.data_version
        )));
    }
    let files = dataset.shards.iter().map(|shard| shard.key.as_str());
    Ok(files.zip(&dataset.parts))
}
