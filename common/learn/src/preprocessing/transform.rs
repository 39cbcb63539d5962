//! From raw columns to the numbers of a model.

use super::error::Error;
use super::fitted::{Categorical, Encoding, FittedColumn, Numeric, Preprocessing};
use super::target::TargetTable;
use crate::frame::{Column, Frame};
use crate::splitmix;

/// Folds of training rows, where a target encodes out of fold.
pub const FOLDS: usize = 5;
/// The seed of the numbers that decide folds: another one than those that pick rows for profiles.
const SEED: u64 = 1;

/// The fold of a training row, by its number among all of them.
pub fn fold_of(row: u64) -> u32 {
    let uniform = splitmix::number(SEED, row) >> 11;
    ((uniform * FOLDS as u64) >> 53) as u32
}

/// Encodings for training rows: of each fold, from the rows of all other folds.
///
/// A model that is fitted on encodings of the rows' own labels trusts them too much.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// By fold, then by column that the target encodes.
    pub(super) tables: Vec<Vec<TargetTable>>,
}

impl Preprocessing {
    /// The numbers of a frame: row-major, [`width`](Self::width) values a row. What `out` held is
    /// gone.
    ///
    /// # Errors
    /// A frame of other columns, or an infinite number.
    pub fn transform(&self, frame: &Frame<'_>, out: &mut Vec<f64>) -> Result<(), Error> {
        self.fill(frame, None, out, None)
    }

    /// As [`transform`](Self::transform), but a row with an infinite number is not refused: its
    /// place is added to `refused`, in order and once, and NaN represents the number.
    ///
    /// # Errors
    /// A frame of other columns.
    pub fn transform_or_refuse(
        &self,
        frame: &Frame<'_>,
        out: &mut Vec<f64>,
        refused: &mut Vec<usize>,
    ) -> Result<(), Error> {
        self.fill(frame, None, out, Some(refused))?;
        refused.sort_unstable();
        refused.dedup();
        Ok(())
    }

    /// As [`transform_or_refuse`](Self::transform_or_refuse), of training rows, with the target
    /// encodings that are out of each row's fold.
    ///
    /// # Errors
    /// As there, and a fold that was not fitted.
    pub fn transform_training(
        &self,
        frame: &Frame<'_>,
        out_of_fold: &OutOfFold,
        folds: &[u32],
        out: &mut Vec<f64>,
        refused: &mut Vec<usize>,
    ) -> Result<(), Error> {
        let count = out_of_fold.tables.len();
        if folds.len() != frame.len() || folds.iter().any(|fold| *fold as usize >= count) {
            let reason = format!("each row must be in one of the {count} folds of the fit");
            return Err(Error::Invalid(reason));
        }
        self.fill(frame, Some((out_of_fold, folds)), out, Some(refused))?;
        refused.sort_unstable();
        refused.dedup();
        Ok(())
    }

    fn fill(
        &self,
        frame: &Frame<'_>,
        training: Option<(&OutOfFold, &[u32])>,
        out: &mut Vec<f64>,
        mut refused: Option<&mut Vec<usize>>,
    ) -> Result<(), Error> {
        if frame.columns().len() != self.columns().len() {
            let (given, own) = (frame.columns().len(), self.columns().len());
            let reason = format!("it is for {own} columns, and there are {given}");
            return Err(Error::Invalid(reason));
        }
        out.clear();
        out.resize(frame.len() * self.width(), 0.0);
        let (mut first, mut target) = (0, 0);
        for (column, values) in self.columns().iter().zip(frame.columns()) {
            let mut matrix = Matrix {
                width: self.width(),
                first,
                values: &mut *out,
            };
            match (column, values) {
                (FittedColumn::Numeric(numeric), Column::Numbers(numbers)) => {
                    numeric.fill(numbers, &mut matrix, refused.as_deref_mut())?;
                }
                (FittedColumn::Categorical(categorical), Column::Texts(texts)) => {
                    let encoded = matches!(categorical.encoding, Encoding::Target { .. });
                    let training = training.filter(|_| encoded);
                    let table = |row: usize| {
                        training.map(|(of, folds)| &of.tables[folds[row] as usize][target])
                    };
                    categorical.fill(texts, table, &mut matrix);
                    target += usize::from(encoded);
                }
                (FittedColumn::Dropped(_), _) => {}
                _ => {
                    let reason = format!("column {:?} is of another kind", column.name());
                    return Err(Error::Invalid(reason));
                }
            }
            first += column.width();
        }
        Ok(())
    }
}

/// The columns of a row-major matrix from one on.
struct Matrix<'a> {
    width: usize,
    first: usize,
    values: &'a mut [f64],
}

impl Matrix<'_> {
    fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.width + self.first + column] = value;
    }
}

/// A number within the bounds; NaN stays NaN.
pub(super) fn clipped([low, high]: [Option<f64>; 2], mut value: f64) -> f64 {
    if let Some(low) = low.filter(|low| value < *low) {
        value = low;
    }
    if let Some(high) = high.filter(|high| value > *high) {
        value = high;
    }
    value
}

impl Numeric {
    fn fill(
        &self,
        numbers: &[f64],
        matrix: &mut Matrix<'_>,
        mut refused: Option<&mut Vec<usize>>,
    ) -> Result<(), Error> {
        for (row, number) in numbers.iter().enumerate() {
            let mut value = clipped(self.clip, *number);
            if value.is_infinite() {
                let Some(refused) = &mut refused else {
                    return Err(Error::Infinite {
                        column: self.name.clone(),
                        row,
                        value,
                    });
                };
                refused.push(row);
                value = f64::NAN;
            }
            let missing = value.is_nan();
            if missing {
                value = self.impute.unwrap_or(f64::NAN);
            }
            matrix.set(row, 0, self.scale.map_or(value, |scale| scale.apply(value)));
            if self.missing_indicator {
                matrix.set(row, 1, f64::from(u8::from(missing)));
            }
        }
        Ok(())
    }
}

impl Categorical {
    /// The index of a category, `other` last; none where it is unknown and there is no `other`.
    pub(super) fn group(&self, text: Option<&str>) -> Option<usize> {
        let text = text.or(self.impute.as_deref());
        let order = |own: &Option<String>| match (own.as_deref(), text) {
            (Some(own), Some(text)) => own.cmp(text),
            // Missing is last.
            (own, text) => own.is_none().cmp(&text.is_none()),
        };
        let found = self.categories.binary_search_by(order).ok();
        found.or(self.other.then_some(self.categories.len()))
    }

    /// What comes out for a category.
    pub(super) fn encode(
        &self,
        group: Option<usize>,
        missing: bool,
        table: Option<&TargetTable>,
        mut set: impl FnMut(usize, f64),
    ) {
        match &self.encoding {
            Encoding::OneHot => {
                for column in 0..self.width() {
                    set(column, f64::from(u8::from(group == Some(column))));
                }
            }
            Encoding::Ordinal if missing => set(0, f64::NAN),
            Encoding::Ordinal => set(0, group.map_or(-1.0, |group| group as f64)),
            Encoding::Target {
                table: own,
                frequencies,
                ..
            } => {
                let row = table.unwrap_or(own).row(group);
                row.iter().enumerate().for_each(|(at, of)| set(at, *of));
                if let Some(frequencies) = frequencies {
                    let known = group.and_then(|group| frequencies.get(group));
                    set(row.len(), known.map_or(0.0, |rows| *rows as f64));
                }
            }
        }
    }

    fn fill<'a>(
        &self,
        texts: &[Option<&str>],
        table: impl Fn(usize) -> Option<&'a TargetTable>,
        matrix: &mut Matrix<'_>,
    ) {
        for (row, text) in texts.iter().enumerate() {
            let missing = text.is_none() && self.impute.is_none();
            let scaled = |column: usize, value| {
                let scale = self.scales.get(column);
                let value = scale.map_or(value, |scale| scale.apply(value));
                matrix.set(row, column, value);
            };
            self.encode(self.group(*text), missing, table(row), scaled);
            if self.missing_indicator {
                matrix.set(row, self.width(), f64::from(u8::from(text.is_none())));
            }
        }
    }
}
