//! What is wrong with the key of a row, and where the row is.

use anyhow::Result;
use catalog::manifest::ResultsManifest;
use runtime::failure::Failure;
use table::dataset::ColumnType;

use super::{MODEL_NAME, Publication};
use crate::binary;
use crate::names::list;

/// Bytes of an entry of an index at most.
const ENTRY_BYTES: usize = 2704;

/// The parts of results by their keys, with the raw file of each where its rows are those of one.
pub(super) fn parts(results: &ResultsManifest) -> Vec<String> {
    // A raw file whose rows are all left out has no part; with windows a part is of many files.
    let shards: Vec<_> = results.shards.iter().filter(|of| of.rows > 0).collect();
    let rows_of_parts = results.parts.iter().map(|part| part.rows);
    let alike = rows_of_parts.eq(shards.iter().map(|shard| shard.rows));
    let parts = results.parts.iter().enumerate();
    let named = parts.map(|(place, part)| match shards.get(place).filter(|_| alike) {
        Some(shard) => format!("{} (raw file {})", part.key, shard.key),
        None => part.key.clone(),
    });
    named.collect()
}

impl Publication {
    /// Refuses a key that the index of the primary key can't hold unless Postgres compresses it,
    /// which no key should depend on.
    pub(super) fn check_length(&self, key: &[u8], part: u32) -> Result<()> {
        /// Shorter keys fit whatever they are made of.
        const SURE: usize = 2000;
        if key.len() + self.model_name.len() <= SURE {
            return Ok(());
        }
        let cells = [key, binary::text(&self.model_name).as_slice()].concat();
        let mut columns: Vec<(&str, ColumnType)> = self.columns[..self.keys]
            .iter()
            .map(|column| (column.name.as_str(), column.column_type))
            .collect();
        columns.push((MODEL_NAME, ColumnType::Utf8));
        let (entry, longest, bytes) = binary::entry(&cells, &columns)?;
        if entry <= ENTRY_BYTES {
            return Ok(());
        }
        Err(Failure::contract(format!(
            "column {longest:?} has {bytes} bytes in the row {} of {}: its key takes {entry} bytes, \
             and Postgres indexes at most {ENTRY_BYTES}; write shorter ids into the raw file and \
             score it in a new data version, or publish nothing (without DATABASE_URL and PGHOST \
             predictions are Parquet files only)",
            self.shown(key),
            self.part(part)
        )))
    }

    pub(super) fn part(&self, number: u32) -> &str {
        self.parts.get(number as usize).map_or("", String::as_str)
    }

    /// The values of a key as a person writes them.
    fn shown(&self, key: &[u8]) -> String {
        let columns = self.columns[..self.keys].iter();
        let types: Vec<ColumnType> = columns.map(|column| column.column_type).collect();
        binary::shown(key, &types)
    }

    pub(super) fn repeated(&self, key: &[u8], parts: [u32; 2]) -> anyhow::Error {
        let columns = &self.columns[..self.keys];
        let places = match parts {
            [one, other] if one == other => format!("both in {}", self.part(one)),
            [one, other] => format!("one in {} and one in {}", self.part(one), self.part(other)),
        };
        Failure::contract(format!(
            "two rows have the same ({}), {}: {places}; which of them is right is not known, so nothing is published: \
             deliver each row in one raw file only",
            list(columns.iter().map(|column| column.name.as_str())),
            self.shown(key)
        ))
    }
}
