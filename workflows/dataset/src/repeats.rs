//! Rows to train on, or to score, that have the same key.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::ArrayRef;
use sql::prepare::{Preparation, Takers};
use store::LocalFile;
use store::spill::Sorter;
use table::dataset::RepeatedKeys;
use table::dataset::keys::{Keys, show};

use crate::source::Source;

/// Pairs of files and examples that a message shows, at most.
const SHOWN: usize = 3;
/// Files that are named for one example, at most.
const FILES: usize = 8;

/// Which rows repeat a key, since that decides what a workflow does about them.
#[derive(Clone, Copy)]
pub(crate) enum Among {
    Train(RepeatedKeys),
    Score,
}

/// The hash of a key in two words, and the place of its file.
pub(crate) type Record = [u64; 3];

pub(crate) fn record(hash: u128, place: usize) -> Record {
    [(hash >> 64) as u64, hash as u64, place as u64]
}

/// Keys that occur more than once. Where they may not repeat, those of one file are a breach of its
/// own, and only those of several files come here.
#[derive(Default)]
pub(crate) struct Repeats {
    rows: u64,
    /// By the first file that has a key, and each one that repeats it: the rows that do.
    pairs: BTreeMap<(usize, usize), u64>,
    /// Each with the first files that have it.
    examples: Vec<(u128, Vec<usize>)>,
}

impl Repeats {
    pub(crate) fn find(keys: Sorter<Record>) -> Result<Self> {
        let mut found = Self::default();
        let mut last: Option<(u128, usize)> = None;
        for key in keys.finish()? {
            let [high, low, place] = key?;
            let hash = (u128::from(high) << 64) | u128::from(low);
            let place = place as usize;
            match last {
                Some((same, first)) if same == hash => found.add(hash, first, place),
                _ => last = Some((hash, place)),
            }
        }
        Ok(found)
    }

    fn add(&mut self, hash: u128, first: usize, place: usize) {
        self.rows += 1;
        *self.pairs.entry((first, place)).or_default() += 1;
        let is_known = self.examples.last().is_some_and(|(last, _)| *last == hash);
        if !is_known {
            if self.examples.len() >= SHOWN {
                return;
            }
            self.examples.push((hash, vec![first]));
        }
        if let Some((_, files)) = self.examples.last_mut()
            && files.len() < FILES
            && files.last() != Some(&place)
        {
            files.push(place);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What to do about them; `files` are all files by their places, and `names` the columns of a
    /// key. It reads the files of the examples once more.
    pub(crate) fn said(
        &self,
        files: &[Source],
        names: &[String],
        preparation: &Preparation,
        among: Among,
    ) -> Result<String> {
        let (rows, columns) = (self.rows, names.join(", "));
        let repeat = if rows == 1 {
            "row repeats"
        } else {
            "rows repeat"
        };
        let of = match among {
            Among::Train(RepeatedKeys::Refuse) => "a row in another file",
            Among::Train(RepeatedKeys::Allow) => {
                "another row, which \"repeated_keys\": \"allow\" in dataset.json permits"
            }
            Among::Score => "a row in another file to score",
        };
        let mut text = format!("{rows} {repeat} the ({columns}) of {of}:");
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_by_key(|&(pair, rows)| (Reverse(*rows), *pair));
        for &(&(a, b), rows) in pairs.iter().take(SHOWN) {
            let (first, other) = (&files[a].key, &files[b].key);
            text += &match a == b {
                true => format!("\n  within {first}: {rows}"),
                false => format!("\n  {first} and {other}: {rows}"),
            };
        }
        if pairs.len() > SHOWN {
            text += &format!("\n  and {} more pairs of files", pairs.len() - SHOWN);
        }
        text += "\nfor example:";
        for (hash, places) in &self.examples {
            let key = shown(*hash, &files[places[0]], names, preparation)?;
            let places: Vec<&str> = places.iter().map(|at| files[*at].key.as_str()).collect();
            text += &format!("\n  {key}: in {}", places.join(" and "));
        }
        let is_refuse = match among {
            Among::Train(repeated_keys) => repeated_keys.is_refuse(),
            Among::Score => {
                text += "\na workflow that scores them in one data version refuses them, because a \
                         prediction is published under its key: deliver each row once; in a later \
                         data version, the new prediction replaces the old one";
                return Ok(text);
            }
        };
        if is_refuse {
            text += "\ndeliver each row once, or give \"repeated_keys\": \"allow\" in dataset.json, \
                     if each of these rows should count";
        }
        // A check does not know the setting.
        let of_first = |&(first, other): &(usize, usize)| first == 0 && other > 0;
        if self.pairs.keys().any(of_first) {
            text += match is_refuse {
                true => "; even so, ",
                false => "\neach of these rows counts, but ",
            };
            text += &format!(
                "where HOLDOUT is first-shard, its default, it holds out {} and refuses its rows in \
                 other files: HOLDOUT=fraction=0.1 keeps the rows of an id together",
                files[0].key
            );
        }
        Ok(text)
    }
}

/// The key of a hash as a message shows it, from a file that has it.
fn shown(
    hash: u128,
    source: &Source,
    names: &[String],
    preparation: &Preparation,
) -> Result<String> {
    let mut shown = String::new();
    let takers = Takers {
        key: None,
        quarantined: Some(Box::new(|_| Ok(()))),
    };
    let file = LocalFile::from(source.path.clone());
    preparation.raw_rows(&source.key, &file, takers, |rows| {
        let schema = rows.schema_ref();
        let columns = names
            .iter()
            .map(|name| Ok(rows.column(schema.index_of(name)?).clone()));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let mut hashes = Keys::new(&columns)?.into_hashes();
        if let Some(row) = hashes.position(|of| of == hash) {
            shown = show(names, &columns, row);
        }
        Ok(())
    })?;
    Ok(shown)
}
