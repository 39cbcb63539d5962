//! Parts of other data of the same raw rows.

use std::collections::HashMap;

use anyhow::{Context, Result};

use catalog::manifest::{DatasetManifest, Manifest, Part};
use runtime::failure::Failure;

/// The part of the same raw file in other data, by the key of ours. Its rows are ours, in the same
/// order.
#[derive(Clone, Debug)]
pub(crate) struct Twins(HashMap<String, Part>);

impl Twins {
    /// # Errors
    /// A raw file that the other data does not have.
    pub(crate) fn new(ours: &DatasetManifest, theirs: &DatasetManifest) -> Result<Self> {
        if ours.header().fingerprint == theirs.header().fingerprint {
            let same = ours.parts.iter();
            let same = same.map(|part| (part.key.clone(), part.clone()));
            return Ok(Self(same.collect()));
        }
        let of_file: HashMap<&str, &Part> = by_file(theirs)?.collect();
        let parts = by_file(ours)?.map(|(file, part)| {
            let other = of_file.get(file);
            let other =
                other.with_context(|| format!("{file} is in only one of the two data sets"))?;
            Ok((part.key.clone(), (*other).clone()))
        });
        Ok(Self(parts.collect::<Result<_>>()?))
    }

    /// Of a part of ours; `what` says what is read of it.
    ///
    /// # Errors
    /// Another number of rows: exit 10.
    pub(crate) fn of(&self, part: &Part, what: &str) -> Result<&Part> {
        let other = self.0.get(&part.key);
        let other = other.with_context(|| format!("{} has no {what}", part.key))?;
        if other.rows != part.rows {
            return Err(Failure::contract(format!(
                "{} holds {} rows, and {}, which says their {what}, {}",
                part.key, part.rows, other.key, other.rows
            )));
        }
        Ok(other)
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
