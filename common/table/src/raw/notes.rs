//! Values that have no place in the type of their column, as they are found.

use std::collections::BTreeMap;

use super::Wanted;
use crate::dataset::rule::Breach;

/// A value that has no place in the type of its column.
pub(super) struct Misfit {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) breach: Breach,
    pub(super) example: String,
    /// Examples of the batch up to here, apart from those of quarantined columns.
    examples: usize,
}

/// Values of one column of a batch, and of one breach, that are kept as texts: a message shows the
/// first that the filter keeps.
const COLUMN_EXAMPLES: usize = 512;
/// The same of all columns; a message names the first few columns alone.
const EXAMPLES: usize = 1 << 16;

/// Takes down the values of one column that have no place in its type.
pub(super) struct Notes<'a> {
    pub(super) wanted: &'a Wanted,
    misfits: &'a mut Vec<Misfit>,
    /// Values of this column that were noted, by breach.
    noted: BTreeMap<Breach, usize>,
    /// Values of all columns that are kept as texts.
    examples: usize,
}

impl<'a> Notes<'a> {
    pub(super) fn new(wanted: &'a Wanted, misfits: &'a mut Vec<Misfit>) -> Self {
        Self {
            wanted,
            examples: misfits.last().map_or(0, |last| last.examples),
            misfits,
            noted: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, row: usize, breach: Breach, example: impl FnOnce() -> String) {
        if breach == Breach::NanAsNull && self.wanted.nullable {
            return;
        }
        let noted = self.noted.entry(breach.clone()).or_default();
        let has_room = *noted < COLUMN_EXAMPLES && self.examples < EXAMPLES;
        *noted += 1;
        let quarantine = self.wanted.quarantine;
        self.examples += usize::from(has_room && !quarantine);
        self.misfits.push(Misfit {
            column: self.wanted.column,
            row,
            breach,
            example: (quarantine || has_room).then(example).unwrap_or_default(),
            examples: self.examples,
        });
    }
}
