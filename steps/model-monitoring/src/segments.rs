//! Parts of the rows: by the score, and by columns of texts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::{Array, ArrayRef};
use pages::judge::performance::SegmentCounts;
use table::categories::{self, MOST_VALUES};

/// Bits of a value's code: those of all columns fit the place that a row has for them.
const BITS: u32 = 6;
/// Stands for all values that have no code of their own.
const OTHER: u32 = (1 << BITS) - 1;
/// Codes of values: more than a column may have that divides the rows, so that new values stand
/// beside those of training.
const CODES: usize = OTHER as usize - 1;

/// The values of a row in all columns, as small numbers.
pub(crate) type Codes = u32;

/// The values of each column, with the numbers that they were given; shared by all threads.
#[derive(Clone, Debug)]
pub(crate) struct Dictionaries {
    columns: Arc<Vec<(String, Mutex<Dictionary>)>>,
}

/// The number of a value is of no meaning: it depends on which thread saw it first, but for those
/// that were known before.
#[derive(Debug, Default)]
struct Dictionary {
    codes: HashMap<String, u32>,
    /// Whether a value has no code of its own.
    full: bool,
}

/// A column with the value of each number.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) column: String,
    pub(crate) values: HashMap<u32, String>,
    /// Whether there are more values than numbers.
    full: bool,
}

impl Dictionaries {
    /// Of columns with the values that are known before.
    pub(crate) fn new(columns: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let dictionary = |(name, known): (String, Vec<String>)| {
            let mut dictionary = Dictionary::default();
            for value in &known {
                dictionary.code(value);
            }
            (name, Mutex::new(dictionary))
        };
        Self {
            columns: Arc::new(columns.into_iter().map(dictionary).collect()),
        }
    }

    /// The values of each row.
    ///
    /// # Errors
    /// A column that can't be read as texts.
    pub(crate) fn codes(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Codes>> {
        let mut codes = vec![0; rows];
        for (index, (column, (_, dictionary))) in
            columns.iter().zip(self.columns.iter()).enumerate()
        {
            let mut dictionary = dictionary.lock().unwrap_or_else(PoisonError::into_inner);
            let texts = categories::texts(column)?;
            for (row, code) in codes
                .iter_mut()
                .enumerate()
                .filter(|(row, _)| texts.is_valid(*row))
            {
                *code |= dictionary.code(texts.value(row)) << (index as u32 * BITS);
            }
        }
        Ok(codes)
    }

    /// The columns with the value of each number.
    pub(crate) fn named(&self) -> Vec<Named> {
        let named = |(name, dictionary): &(String, Mutex<Dictionary>)| {
            let dictionary = dictionary.lock().unwrap_or_else(PoisonError::into_inner);
            let codes = dictionary.codes.iter();
            Named {
                column: name.clone(),
                values: codes.map(|(value, code)| (*code, value.clone())).collect(),
                full: dictionary.full,
            }
        };
        self.columns.iter().map(named).collect()
    }
}

impl Named {
    /// Whether there are too many values to divide rows by, of which these are counted.
    pub(crate) fn has_too_many(&self, counted: &HashMap<u32, SegmentCounts>) -> bool {
        self.full || counted.keys().filter(|code| **code > 0).count() > MOST_VALUES
    }
}

impl Dictionary {
    fn code(&mut self, value: &str) -> u32 {
        if let Some(&code) = self.codes.get(value) {
            return code;
        }
        if self.codes.len() >= CODES {
            self.full = true;
            return OTHER;
        }
        let code = self.codes.len() as u32 + 1;
        self.codes.insert(value.to_owned(), code);
        code
    }
}

/// The number of a row's value in one column; 0 is null.
pub(crate) fn code(codes: Codes, column: usize) -> u32 {
    codes >> (column as u32 * BITS) & OTHER
}

/// What is counted of all parts of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Segmentation {
    threshold: f64,
    cuts: Vec<f64>,
    columns: usize,
    /// By the place of the score among the cuts.
    pub(crate) score: Vec<SegmentCounts>,
    /// By column, then by the number of the value.
    pub(crate) values: Vec<HashMap<u32, SegmentCounts>>,
}

impl Segmentation {
    /// Of no rows yet, by ascending cuts of the score and a number of columns.
    pub(crate) fn new(threshold: f64, cuts: Vec<f64>, columns: usize) -> Self {
        let score = vec![SegmentCounts::default(); cuts.len() + 1];
        Self {
            threshold,
            cuts,
            columns,
            score,
            values: vec![HashMap::new(); columns],
        }
    }

    pub(crate) fn cuts(&self) -> &[f64] {
        &self.cuts
    }

    /// Counts a row, and what it weighs where rows do.
    pub(crate) fn add(
        &mut self,
        score: Option<f64>,
        label: Option<u8>,
        codes: Codes,
        weight: Option<f64>,
    ) {
        if let Some(value) = score {
            let place = self.cuts.partition_point(|cut| *cut <= value);
            self.score[place].add(score, label, self.threshold, weight);
        }
        for column in 0..self.columns {
            let counts = self.values[column].entry(code(codes, column)).or_default();
            counts.add(score, label, self.threshold, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, StringArray};

    use super::*;

    #[test]
    fn values_of_several_columns_are_told_apart() {
        let dictionaries = Dictionaries::new(
            ["region", "new", "wide"].map(|name| (name.to_owned(), vec!["south".to_owned()])),
        );
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![
                Some("north"),
                None,
                Some("south"),
                Some("north"),
            ])),
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(true),
                None,
                Some(false),
            ])),
            Arc::new(StringArray::from_iter_values((0..4).map(|i| i.to_string()))),
        ];
        let codes = dictionaries.codes(&columns, 4).unwrap();
        let wide: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![None::<&str>; 60])),
            Arc::new(BooleanArray::from(vec![None; 60])),
            Arc::new(StringArray::from_iter_values(
                (0..60).map(|i| i.to_string()),
            )),
        ];
        let mut counted = Segmentation::new(0.5, Vec::new(), 3);
        for codes in dictionaries.codes(&wide, 60).unwrap() {
            counted.add(None, None, codes, None);
        }
        let kept = dictionaries.named();
        let too_many = kept.iter().zip(&counted.values);
        let too_many = too_many.map(|(named, values)| named.has_too_many(values));
        assert_eq!(too_many.collect::<Vec<_>>(), [false, false, true]);
        let read = |column: usize| -> Vec<Option<&str>> {
            codes
                .iter()
                .map(|codes| {
                    kept[column]
                        .values
                        .get(&code(*codes, column))
                        .map(String::as_str)
                })
                .collect()
        };
        assert_eq!(read(0), [Some("north"), None, Some("south"), Some("north")]);
        assert_eq!(read(1), [Some("true"), Some("true"), None, Some("false")]);
    }

    #[test]
    fn a_cut_belongs_to_the_range_above_it() {
        let mut parts = Segmentation::new(0.5, vec![0.2, 0.6], 0);
        for score in [0.0, 0.199, 0.2, 0.6, 1.0] {
            parts.add(Some(score), Some(1), 0, None);
        }
        parts.add(None, Some(1), 0, None);
        let rows: Vec<u64> = parts.score.iter().map(|counts| counts.rows).collect();
        assert_eq!(rows, [2, 1, 2]);
        assert_eq!(
            (
                parts.score[2].confusion.true_positives,
                parts.score[0].confusion.false_negatives
            ),
            (2, 2)
        );
    }
}
