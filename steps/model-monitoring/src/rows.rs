//! Rows and late labels as sorters take them: words, the key first.

use anyhow::Result;
use arrow::array::ArrayRef;
use profile::days::DayNumber;
use store::spill::Record;
use table::parts;

use crate::segments::Codes;

/// Rows between two looks at the signal to stop.
pub(crate) const CHECK_EVERY: u64 = 1 << 16;

/// A row as a record.
pub(crate) type RowWords = [u64; 4];
/// A row that weighs as a record.
pub(crate) type WeighedWords = [u64; 5];
/// A place as a record.
pub(crate) type PlaceWords = [u64; 3];
/// A late label as a record.
pub(crate) type LabelWords = [u64; 4];

/// A row as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Its place among all rows.
    pub(crate) place: u64,
    /// What the performance of two classes is counted from.
    pub(crate) row: Row,
    /// What it weighs.
    pub(crate) weight: f64,
}

/// What is sorted of a row until late labels are joined with the rows.
pub(crate) trait RowRecord: Send + Sync + 'static {
    /// The record of a row.
    type Words: Record + Copy + Send + 'static;

    /// The record of a row.
    fn words(seen: Seen) -> Self::Words;
}

/// Rows of two classes, with all that is counted of them.
pub(crate) enum OfTwo {}

impl RowRecord for OfTwo {
    type Words = RowWords;

    fn words(seen: Seen) -> RowWords {
        seen.row.pack()
    }
}

/// Rows of two classes that weigh.
pub(crate) enum WeighedOfTwo {}

impl RowRecord for WeighedOfTwo {
    type Words = WeighedWords;

    fn words(seen: Seen) -> WeighedWords {
        let [high, low, score, rest] = seen.row.pack();
        [high, low, score, rest, seen.weight.to_bits()]
    }
}

/// Rows of two classes, as late labels are joined with them.
pub(crate) trait Joinable: RowRecord {
    /// Makes a row of its record, and what it weighs, where rows do.
    fn row(words: Self::Words) -> (Row, Option<f64>);
}

impl Joinable for OfTwo {
    fn row(words: RowWords) -> (Row, Option<f64>) {
        (Row::unpack(words), None)
    }
}

impl Joinable for WeighedOfTwo {
    fn row([high, low, score, rest, weight]: WeighedWords) -> (Row, Option<f64>) {
        let row = Row::unpack([high, low, score, rest]);
        (row, Some(f64::from_bits(weight)))
    }
}

/// Rows of other tasks, whose outputs are read again by their places.
pub(crate) enum Placed {}

impl RowRecord for Placed {
    type Words = PlaceWords;

    fn words(seen: Seen) -> PlaceWords {
        let [high, low] = halves(seen.row.key);
        [high, low, seen.place]
    }
}

/// The place of a row among all rows: in the order of the parts, and of the rows of each.
pub(crate) fn place(part: u64, row: u64) -> u64 {
    part << 32 | row
}

/// The part and the row of a place.
pub(crate) fn placed_in(place: u64) -> (usize, u64) {
    ((place >> 32) as usize, place & u64::from(u32::MAX))
}

/// The key and the place of a row.
pub(crate) fn placed([high, low, place]: PlaceWords) -> (u128, u64) {
    (whole(high, low), place)
}

/// What rows weigh: 1 where a file that was scored does not say.
pub(crate) fn weights_of(column: &ArrayRef, name: &str) -> Result<Vec<f64>> {
    let weights = parts::numbers(column, name)?;
    Ok(weights.iter().map(|weight| weight.unwrap_or(1.0)).collect())
}

/// What the performance of a row of two classes is counted from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// Hash of its key.
    pub(crate) key: u128,
    /// Probability of the positive class; `None` without a prediction.
    pub(crate) score: Option<f64>,
    /// Its date.
    pub(crate) day: Option<DayNumber>,
    /// Its own label.
    pub(crate) label: Option<u8>,
    /// Its values in the columns that rows are divided by.
    pub(crate) codes: Codes,
}

/// A label that came later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LateLabel {
    /// Hash of the key that it labels.
    pub(crate) key: u128,
    /// Place of its file among all files, below 2^30.
    pub(crate) file: u64,
    /// The date in its key.
    pub(crate) day: Option<DayNumber>,
    /// The index of its class, or the number.
    pub(crate) label: f64,
}

/// Stands for no label.
const UNLABELLED: u64 = 2;
/// Bits of the codes. They come last, since their numbers mean nothing: what decides the order of
/// rows is the same in every run.
const CODES: u32 = 24;
/// Bits before the place of a file: those of a day.
const FILE: u32 = 33;

impl Row {
    pub(crate) fn pack(self) -> RowWords {
        let [high, low] = halves(self.key);
        let label = self.label.map_or(UNLABELLED, u64::from);
        [
            high,
            low,
            self.score.unwrap_or(f64::NAN).to_bits(),
            (pack_day(self.day) << 2 | label) << CODES | u64::from(self.codes),
        ]
    }

    pub(crate) fn unpack([high, low, score, rest]: RowWords) -> Self {
        let score = f64::from_bits(score);
        let codes = (rest & ((1 << CODES) - 1)) as Codes;
        let rest = rest >> CODES;
        Self {
            key: whole(high, low),
            score: (!score.is_nan()).then_some(score),
            day: unpack_day(rest >> 2),
            label: (rest & 3 < UNLABELLED).then_some((rest & 1) as u8),
            codes,
        }
    }
}

impl LateLabel {
    pub(crate) fn pack(self) -> LabelWords {
        let [high, low] = halves(self.key);
        let rest = self.file << FILE | pack_day(self.day);
        [high, low, rest, self.label.to_bits()]
    }

    pub(crate) fn unpack([high, low, rest, label]: LabelWords) -> Self {
        Self {
            key: whole(high, low),
            file: rest >> FILE,
            day: unpack_day(rest & ((1 << FILE) - 1)),
            label: f64::from_bits(label),
        }
    }
}

/// A day as a word that keeps the order; 0 is none.
pub(crate) fn pack_day(day: Option<DayNumber>) -> u64 {
    day.map_or(0, |day| {
        (i64::from(day) - i64::from(DayNumber::MIN) + 1) as u64
    })
}

/// The day of [`pack_day`].
pub(crate) fn unpack_day(word: u64) -> Option<DayNumber> {
    (word > 0).then(|| (word as i64 - 1 + i64::from(DayNumber::MIN)) as DayNumber)
}

fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

fn whole(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        for day in [
            None,
            Some(0),
            Some(-1),
            Some(DayNumber::MIN),
            Some(DayNumber::MAX),
            Some(20_000),
        ] {
            for label in [None, Some(0), Some(1)] {
                for score in [None, Some(0.0), Some(0.1), Some(1.0)] {
                    for codes in [0, 1, (1 << 24) - 1] {
                        let row = Row {
                            key: u128::MAX - 7,
                            score,
                            day,
                            label,
                            codes,
                        };
                        assert_eq!(Row::unpack(row.pack()), row);
                    }
                }
            }
        }
        let late = LateLabel {
            key: 1 << 64 | 5,
            file: (1 << 30) - 1,
            day: None,
            label: -1.5,
        };
        for day in [None, Some(DayNumber::MIN), Some(0), Some(DayNumber::MAX)] {
            let late = LateLabel { day, ..late };
            assert_eq!(LateLabel::unpack(late.pack()), late);
        }
    }

    #[test]
    fn the_label_of_the_last_file_comes_last() {
        let late = |file, label: f64| {
            LateLabel {
                key: 9,
                file,
                day: Some(DayNumber::MAX),
                label,
            }
            .pack()
        };
        assert!(late(0, 1.0) < late(1, 0.0) && late(1, 0.0) < late(2, 0.0));
    }
}
