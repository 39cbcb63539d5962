//! Finds the late label of each row by its key, in the order of the keys.

use std::collections::BTreeMap;

use anyhow::Result;
use pages::content::LateLabels;
use profile::days::DayNumber;
use store::spill::Sorted;
use table::labels::Latest;

use crate::rows::{LabelWords, LateLabel};

/// What looks across all rows by their keys.
pub(crate) struct Keys {
    pub(crate) duplicate_keys: u64,
    pub(crate) duplicate_rows: u64,
    /// Without the names of the files, and without the labels that no row has.
    pub(crate) late: LateLabels,
    /// Labelled keys that no row has, by the date that is in the key.
    pub(crate) unmatched: BTreeMap<Option<DayNumber>, u64>,
}

/// Finds the late label of each row, and counts keys that repeat; rows come in the order of their
/// keys.
pub(crate) struct Matching {
    late: LatestLabels,
    duplicate_keys: u64,
    duplicate_rows: u64,
    previous: Option<u128>,
    repeats: bool,
}

impl Matching {
    pub(crate) fn new(late: Sorted<LabelWords>) -> Result<Self> {
        Ok(Self {
            late: LatestLabels::new(late)?,
            duplicate_keys: 0,
            duplicate_rows: 0,
            previous: None,
            repeats: false,
        })
    }

    /// The late label of the next row, which has this key.
    pub(crate) fn label_of(&mut self, key: u128) -> Result<Option<f64>> {
        if self.previous == Some(key) {
            self.duplicate_rows += 1;
            self.duplicate_keys += u64::from(!self.repeats);
            self.repeats = true;
        } else {
            self.repeats = false;
        }
        self.previous = Some(key);
        self.late.label_of(key)
    }

    pub(crate) fn finish(self) -> Result<Keys> {
        let (late, unmatched) = self.late.finish()?;
        Ok(Keys {
            duplicate_keys: self.duplicate_keys,
            duplicate_rows: self.duplicate_rows,
            late,
            unmatched,
        })
    }
}

/// The label that holds for each key, in the order of the keys.
struct LatestLabels {
    sorted: Sorted<LabelWords>,
    latest: Latest<LateLabel>,
    /// What holds for the current key, and whether a row has that key.
    current: Option<(LateLabel, bool)>,
    counts: LateLabels,
    unmatched: BTreeMap<Option<DayNumber>, u64>,
}

impl LatestLabels {
    fn new(sorted: Sorted<LabelWords>) -> Result<Self> {
        let mut labels = Self {
            sorted,
            latest: Latest::new(|label| label.file),
            current: None,
            counts: LateLabels::default(),
            unmatched: BTreeMap::new(),
        };
        labels.advance()?;
        Ok(labels)
    }

    /// The late label of a key; keys must be asked for in their order.
    fn label_of(&mut self, key: u128) -> Result<Option<f64>> {
        while self.current.is_some_and(|(label, _)| label.key < key) {
            self.advance()?;
        }
        match &mut self.current {
            Some((label, has_row)) if label.key == key => {
                *has_row = true;
                self.counts.matched_rows += 1;
                Ok(Some(label.label))
            }
            _ => Ok(None),
        }
    }

    fn finish(mut self) -> Result<(LateLabels, BTreeMap<Option<DayNumber>, u64>)> {
        while self.current.is_some() {
            self.advance()?;
        }
        Ok((self.counts, self.unmatched))
    }

    /// Goes on to the next key.
    fn advance(&mut self) -> Result<()> {
        if let Some((label, false)) = self.current {
            *self.unmatched.entry(label.day).or_default() += 1;
        }
        self.current = None;
        for words in self.sorted.by_ref() {
            let label = LateLabel::unpack(words?);
            self.counts.labels += 1;
            let holds = self.latest.push(&label, |held| held.key == label.key);
            if let Some(holds) = holds {
                self.current = Some((holds, false));
                return Ok(());
            }
        }
        self.current = self.latest.finish().map(|holds| (holds, false));
        Ok(())
    }
}
