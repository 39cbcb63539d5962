//! What points and commas in the numbers of CSV files mean: decimal marks, or marks between
//! thousands. Some numbers leave it open, and a person is asked.

use anyhow::Result;
use arrow::array::{Array, AsArray};
use table::dataset::{ColumnType, Csv};

use crate::column::{Column, Piece, is_of};
use crate::places::Places;
use crate::question::{Question, quoted};

/// What the texts of all columns say of the marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// Whether there are numbers that only a decimal point explains, or only a decimal comma.
    with_point: bool,
    with_comma: bool,
    /// Whether the other mark is between thousands in some of them.
    are_parted: bool,
    /// The first number of each column that may be either.
    unsure: Vec<Unsure>,
}

/// A number such as `1.003`, and where it is.
#[derive(Clone, Debug)]
struct Unsure {
    column: String,
    /// Place in the rows of the sample.
    row: usize,
    text: String,
    mark: char,
}

/// The mark that the other one leaves.
pub(crate) fn other(mark: char) -> char {
    if mark == ',' { '.' } else { ',' }
}

/// A dialect with these marks.
fn with(dialect: &Csv, decimal: char, thousands: Option<char>) -> Csv {
    Csv {
        decimal,
        thousands,
        ..dialect.clone()
    }
}

impl Marks {
    /// Takes in the texts of a column in one file, before which the sample has so many rows.
    /// Whether they are numbers.
    pub(crate) fn see(
        &mut self,
        column: &str,
        before: usize,
        piece: &Piece,
        dialect: &Csv,
    ) -> Result<bool> {
        let texts = piece.1.as_string::<i32>();
        let first = |mark: char| {
            let mut rows = 0..texts.len();
            rows.find(|&row| texts.is_valid(row) && texts.value(row).contains(mark))
        };
        // 0.125 has a decimal mark: nothing is left of a group that is 0.
        let parts_zero = |decimal: char| {
            let mut wholes = texts.iter().flatten().map(|text| {
                let unsigned = text.trim_start_matches(['-', '+']);
                unsigned.split(decimal).next().unwrap_or_default()
            });
            wholes.any(|whole| whole.starts_with('0') && whole.contains(other(decimal)))
        };
        let fits = |decimal: char| -> Result<bool> {
            let dialect = with(dialect, decimal, Some(other(decimal)));
            Ok(is_of(piece, ColumnType::Float64, &dialect)? && !parts_zero(decimal))
        };
        let (in_point, in_comma) = (fits('.')?, fits(',')?);
        match (in_point, in_comma) {
            (true, false) => {
                self.with_point = true;
                self.are_parted |= first(',').is_some();
            }
            (false, true) => {
                self.with_comma = true;
                self.are_parted |= first('.').is_some();
            }
            (true, true) if self.unsure.iter().all(|of| of.column != column) => {
                let marked = ['.', ','].map(|mark| first(mark).map(|row| (mark, row)));
                let marked = marked.into_iter().flatten().next();
                self.unsure.extend(marked.map(|(mark, row)| Unsure {
                    column: column.to_owned(),
                    row: before + row,
                    text: texts.value(row).to_owned(),
                    mark,
                }));
            }
            _ => {}
        }
        Ok(in_point || in_comma)
    }

    /// Whether numbers say with certainty, and without contradiction, which mark is which.
    fn are_certain(&self) -> bool {
        self.with_point != self.with_comma
    }

    fn is_unsure_of(&self, mark: char) -> bool {
        self.unsure.iter().any(|of| of.mark == mark)
    }

    /// The dialect with the marks that the numbers have.
    pub(crate) fn read(&self, dialect: &Csv) -> Csv {
        let decimal = match (self.with_point, self.with_comma) {
            (false, true) => ',',
            (false, false) if self.is_unsure_of(',') && !self.is_unsure_of('.') => ',',
            _ => '.',
        };
        let thousands = other(decimal);
        let parts = self.are_certain() && (self.are_parted || self.is_unsure_of(thousands));
        with(dialect, decimal, parts.then_some(thousands))
    }

    /// What to look at in columns of numbers that may be read in another way than `dialect` does.
    pub(crate) fn questions(
        &self,
        columns: &[Column],
        dialect: &Csv,
        places: &Places,
    ) -> Vec<Question> {
        let is_number = |name: &str| {
            let mut columns = columns.iter();
            columns.any(|column| column.name == name && column.is_number())
        };
        let doubtful = self.unsure.iter().filter(|of| {
            is_number(&of.column) && !(self.are_certain() && of.mark == dialect.decimal)
        });
        let ask = doubtful.map(|of| {
            let (mark, thousands) = (of.mark, dialect.thousands == Some(of.mark));
            let (fraction, whole) = (of.text.replace(mark, "."), of.text.replace(mark, ""));
            let seen = format!(
                "{:?} in {} may be {fraction} or {whole}: three digits follow every {mark:?}",
                of.text,
                places.of(of.row)
            );
            let (taken, otherwise) = match thousands {
                true => (&whole, &fraction),
                false => (&fraction, &whole),
            };
            let setting = match self.with_point || self.with_comma {
                false => format!(
                    "\"csv\": {{\"decimal\": \"{}\", \"thousands\": \"{mark}\"}} in dataset.json reads",
                    other(mark)
                ),
                // The marks are those of other columns as well.
                true => {
                    let to = if thousands { "." } else { "" };
                    let number = match (mark, to) {
                        ('.', ".") => quoted(&of.column),
                        _ => format!("replace({}, '{mark}', '{to}')", quoted(&of.column)),
                    };
                    format!(
                        "\"type\": \"utf8\" in dataset.json and TRY_CAST({number} AS DOUBLE) in \
                         features.sql read"
                    )
                }
            };
            let advice = format!("it is read as {taken}: if it is {otherwise}, {setting} it so");
            Question::new(&of.column, seen, advice)
        });
        ask.collect()
    }
}
