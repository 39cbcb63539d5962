//! A column of categories: each of training's most frequent values has a code, from 0 on, by which
//! rows are counted in cells as numbers are. All other values share the code that follows. Pure.
//!
//! ```
//! use profile::categories::Categories;
//!
//! let values = [("red", 5), ("blue", 2)].map(|(value, rows)| (value.to_owned(), rows));
//! let colours = Categories::of(1, values);
//! assert_eq!(colours.values[0], ("blue".to_owned(), 2));
//! let counted = colours.counted();
//! assert_eq!(counted.counts.cells, [2, 5, 0]);
//! assert_eq!(counted.counts.nulls, 1);
//! ```

mod known;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cells::{Cells, CellsError, Counted, Counts};
pub use known::Known;

/// Values that a profile keeps apart, the most frequent ones of training: with nulls and the rest
/// they are as many parts as chance is known for.
pub const MOST_VALUES: usize = 100;

/// How often each value of a column occurred in training.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categories {
    /// Rows without a value.
    pub nulls: u64,
    /// The [`MOST_VALUES`] most frequent values with their rows, in the order of the values.
    pub values: Vec<(String, u64)>,
    /// Rows of all other values.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rest: u64,
    /// Which these are; `None` where there are none, or too many to be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

pub(crate) fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

impl Categories {
    /// Of rows without a value, and of every value with its rows, each once.
    pub fn of(nulls: u64, values: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut values: Vec<(String, u64)> = values.into_iter().collect();
        values.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
        let rest = values.split_off(values.len().min(MOST_VALUES));
        values.sort();
        Self {
            nulls,
            values,
            rest: rest.iter().map(|(_, rows)| rows).sum(),
            known: (!rest.is_empty()).then(|| Known::of(&rest)),
        }
    }

    /// Names of the values, by code.
    pub fn names(&self) -> Vec<String> {
        self.values.iter().map(|(value, _)| value.clone()).collect()
    }

    /// Whether the values are in order, each once.
    pub fn is_sound(&self) -> bool {
        self.values.is_sorted_by(|a, b| a.0 < b.0)
    }

    /// A cell for each value, and one for all others.
    pub fn cells(&self) -> Cells {
        cells(self.values.len())
    }

    /// What training held in these cells.
    pub fn counted(&self) -> Counted {
        let cells = self.cells();
        let mut counts = Counts::new(&cells);
        counts.add_nulls(self.nulls as i64);
        let rows = self.values.iter().map(|(_, rows)| *rows).chain([self.rest]);
        for (code, rows) in rows.enumerate() {
            counts.add(&cells, code as f64, rows as i64);
        }
        Counted { cells, counts }
    }
}

/// Cells around the codes of so many values; what lies above them is none of these.
fn cells(values: usize) -> Cells {
    let cuts = (0..values).map(|code| code as f64 + 0.5).collect();
    let ends = values.checked_sub(1).map(|last| (0.0, last as f64));
    let cells = Cells::sorted((0.0, 1.0), ends, cuts);
    cells.around_if((0..values).map(|code| code as f64).collect())
}

/// The code of a value among names that are in order; that of all others follows the last.
pub fn code(names: &[String], value: &str) -> f64 {
    let place = names.binary_search_by(|name| name.as_str().cmp(value));
    place.unwrap_or(names.len()) as f64
}

/// That names of values are in order, each once, and have the cells.
pub(crate) fn check(names: &[String], cells: &Cells) -> Result<(), CellsError> {
    match names.is_sorted_by(|a, b| a < b) && cells.len() == names.len() + 1 {
        true => Ok(()),
        false => Err(CellsError::new("the values of a column are not in order")),
    }
}

/// Rows of training that a value without a code had at most: no more than any value with a code,
/// since these are the most frequent ones, nor than all others together, which are in `rest` rows.
/// `None` where no value has a code.
pub fn most_without_code(kept: impl IntoIterator<Item = u64>, rest: u64) -> Option<u64> {
    Some(kept.into_iter().min()?.min(rest))
}

/// Values that training's profile does not hold, with their rows: the same in whatever order they
/// come, up to [`MOST_VALUES`]. Of more, those are kept that many rows hold, with a lower bound of
/// these (Misra and Gries 1982): it misses at most one row in as many as are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewValues {
    values: BTreeMap<String, u64>,
    too_many: bool,
}

impl NewValues {
    /// Adds rows of a value.
    pub fn add(&mut self, value: &str, rows: u64) {
        match self.values.get_mut(value) {
            Some(known) => *known += rows,
            None => drop(self.values.insert(value.to_owned(), rows)),
        }
        self.limit();
    }

    /// Adds those of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.too_many |= other.too_many;
        for (value, rows) in &other.values {
            *self.values.entry(value.clone()).or_default() += rows;
        }
        self.limit();
    }

    /// Takes so many rows off each value that no more than are kept have any left: at least one row
    /// off each of more values than are kept, and so at most once in as many rows. On average a row
    /// costs no more than finding its value.
    fn limit(&mut self) {
        if self.values.len() <= MOST_VALUES {
            return;
        }
        self.too_many = true;
        let mut rows: Vec<u64> = self.values.values().copied().collect();
        rows.sort_unstable_by_key(|rows| Reverse(*rows));
        let off = rows[MOST_VALUES];
        self.values.retain(|_, rows| {
            *rows -= off.min(*rows);
            *rows > 0
        });
    }

    /// They, in order; `None` where there are too many.
    pub fn values(&self) -> Option<&BTreeMap<String, u64>> {
        (!self.too_many).then_some(&self.values)
    }

    /// The one that the most rows hold, and how many do at least.
    pub fn most(&self) -> Option<(&str, u64)> {
        let values = self.values.iter().map(|(value, rows)| (&**value, *rows));
        // Of equally frequent ones the first in order.
        values.max_by_key(|(value, rows)| (*rows, Reverse(*value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Compared, Side};
    use crate::drift::{NoiseFloor, PsiKind};

    fn many(values: usize) -> Categories {
        Categories::of(0, (0..values).map(|i| (format!("v{i:04}"), 1 + i as u64)))
    }

    #[test]
    fn the_most_frequent_values_are_kept_and_the_rest_is_together() {
        let kept = many(MOST_VALUES + 3);
        assert_eq!(kept.values.len(), MOST_VALUES);
        assert_eq!(kept.rest, 1 + 2 + 3);
        assert!(kept.known.as_ref().unwrap().has("v0002"));
        assert_eq!(many(MOST_VALUES).known, None);
        assert_eq!(kept.values[0].0, "v0003");
        let names = kept.names();
        assert_eq!(code(&names, "v0004"), 1.0);
        for other in ["v0000", "zebra", ""] {
            assert_eq!(code(&names, other), MOST_VALUES as f64);
        }
        let counted = kept.counted();
        assert!(counted.is_sound());
        assert_eq!(counted.counts.rows(), (1..=103).sum::<i64>());
        check(&names, &counted.cells).unwrap();
        assert!(check(&names[1..], &counted.cells).is_err());
        // Of equally frequent ones the first in order are kept.
        let even = Categories::of(0, (0..102).map(|i| (format!("{i:03}"), 7)));
        assert_eq!(even.values[99].0, "099");
        assert_eq!(even.rest, 14);
    }

    #[test]
    fn the_index_is_over_values_nulls_and_others() {
        let trained = Categories::of(10, [("a".to_owned(), 60), ("b".to_owned(), 30)]);
        let counted = trained.counted();
        let mut now = Counts::new(&counted.cells);
        now.add_nulls(20);
        for (value, rows) in [("a", 50), ("new", 30)] {
            now.add(&counted.cells, code(&trained.names(), value), rows);
        }
        let side = |counts| Side::of(&counted.cells, counts);
        let compared = Compared::new(&counted.cells, side(&counted.counts), side(&now));
        let psi = compared.psi(&NoiseFloor::of(1)).unwrap();
        let parts = psi
            .buckets
            .iter()
            .map(|part| (part.kind, part.lower, part.reference, part.current));
        assert_eq!(
            parts.collect::<Vec<_>>(),
            [
                (PsiKind::Missing, None, 10, 20),
                (PsiKind::Value, Some(0.0), 60, 50),
                (PsiKind::Value, Some(1.0), 30, 0),
                (PsiKind::Above, Some(1.0), 0, 30),
            ]
        );
        // Python: sum((q-p)*log(q/p)) over the shares .1/.2, .6/.5, .3/1e-4 and 1e-4/.3.
        assert!((psi.value - EXPECTED).abs() < 1e-12, "{}", psi.value);
    }

    const EXPECTED: f64 = 4.889766140812007;

    #[test]
    fn a_column_that_held_no_value_in_training_has_one_cell() {
        let none = Categories::of(5, []);
        let counted = none.counted();
        assert_eq!((counted.cells.len(), counted.counts.nulls), (1, 5));
        assert_eq!(counted.cells.place(code(&[], "x")), 0);
    }

    #[test]
    fn new_values_are_the_same_in_any_order() {
        let of = |range: std::ops::Range<usize>| {
            let mut values = NewValues::default();
            range.for_each(|i| values.add(&format!("v{i}"), 2));
            values
        };
        let (mut there, mut back) = (of(0..60), of(40..MOST_VALUES));
        there.merge(&of(40..MOST_VALUES));
        back.merge(&of(0..60));
        assert_eq!(there, back);
        let values = there.values().unwrap();
        assert_eq!(values.len(), MOST_VALUES);
        assert_eq!(values["v50"], 4);
        assert_eq!(there.most(), Some(("v40", 4)));
        there.merge(&of(MOST_VALUES..MOST_VALUES + 1));
        there.add("v1", 1);
        assert_eq!(there.values(), None);
        assert_eq!(NewValues::default().most(), None);
    }

    #[test]
    fn the_most_frequent_of_too_many_values_is_kept() {
        // Every third row holds the same value, and the others 10,000 values.
        let name = |row: usize| match row % 3 {
            1 => "same".to_owned(),
            _ => format!("v{}", row * 7 % 10_000),
        };
        let of = |rows: std::ops::Range<usize>| {
            let mut values = NewValues::default();
            rows.for_each(|row| values.add(&name(row), 1));
            values
        };
        let mut parts = NewValues::default();
        for part in 0..6 {
            parts.merge(&of(5000 * part..5000 * (part + 1)));
        }
        for found in [of(0..30_000), parts] {
            assert_eq!(found.values(), None);
            let (value, rows) = found.most().unwrap();
            assert_eq!(value, "same");
            assert!(
                (10_000 - 30_000 / MOST_VALUES as u64..=10_000).contains(&rows),
                "{rows}"
            );
        }
    }
}
