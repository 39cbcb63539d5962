//! Rows within a quoted text: two quotes that belong to texts, such as those of `24"`, close each
//! other, and the rows between them would be lost.
//!
//! The separators of a line do not show that it is a row, since prose has commas too: its values
//! have to be of the types of the contract.

use std::ops::Range;

use arrow::array::StringArray;
use catalog::manifest::Role;

use crate::dataset::ColumnType;
use crate::raw::{RawFile, Wanted};
use learn::model::ClassValue;

/// Columns of a file below which nothing is known of a line.
const COLUMNS: usize = 3;

/// The columns of a file, and what shows that a line is one of its rows.
pub(in crate::raw) struct Shape {
    /// By column of the file; `None` where any text is a value.
    columns: Vec<Option<Takes>>,
    separator: char,
    nulls: Vec<String>,
}

/// How the fields of a line fit some columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// One is no value of its column.
    None,
    /// All may be, and would be in any line.
    Untyped,
    /// All may be, and one is in a column that does not take every text.
    Typed,
}

/// The values that a column takes.
struct Takes {
    wanted: Wanted,
    /// Those of a text; empty where its type says it.
    allowed: Vec<String>,
    /// Whether each row has one.
    is_required: bool,
}

impl Shape {
    /// Of a file with so many columns; `places` are those of the contract's columns in it.
    pub(in crate::raw) fn new(raw: &RawFile, places: &[Option<usize>], columns: usize) -> Self {
        let mut takes: Vec<Option<Takes>> = (0..columns).map(|_| None).collect();
        let contracts = raw.dataset.columns.iter().zip(raw.wanted());
        for ((contract, wanted), place) in contracts.zip(places) {
            let texts = contract.allowed.iter().filter_map(|value| match value {
                ClassValue::Text(text) => Some(text.clone()),
                ClassValue::Bool(_) | ClassValue::Int(_) => None,
            });
            let is_text = contract.column_type == ColumnType::Utf8;
            let allowed: Vec<String> = texts.filter(|_| is_text).collect();
            if is_text && allowed.is_empty() {
                continue;
            }
            if let Some(place) = place
                && let Some(of) = takes.get_mut(*place)
            {
                // A row may be without its target.
                let may_lack = matches!(contract.role, Role::Target | Role::Ignored);
                *of = Some(Takes {
                    wanted,
                    allowed,
                    is_required: !contract.nullable && !may_lack,
                });
            }
        }
        Self {
            columns: takes,
            separator: raw.dataset.csv.separator,
            nulls: raw.dataset.csv.nulls.clone(),
        }
    }

    /// How many rows the quoted text of a column holds besides its own: its first line has as many
    /// fields as a row behind the column, its last one as a row up to the column, and those between
    /// as a row. The values of one whole line, or else of both ends, are of their columns' types.
    pub(in crate::raw) fn rows(&self, text: &str, column: usize) -> Option<usize> {
        let columns = self.columns.len();
        if columns < COLUMNS {
            return None;
        }
        let mut lines = text.split(['\r', '\n']);
        let (first, last) = (lines.next()?, lines.next_back()?);
        let ends = [
            self.fit(last, 0..column + 1, column)?,
            self.fit(first, column..columns, column)?,
        ];
        let mut is_row = ends.contains(&Fit::Typed) && !ends.contains(&Fit::None);
        let mut rows = 1;
        for line in lines.filter(|line| !line.is_empty()) {
            is_row |= self.fit(line, 0..columns, column)? == Fit::Typed;
            rows += 1;
        }
        is_row.then_some(rows)
    }

    /// How the fields of a line fit these columns; `None` where they are more or fewer. Nothing is
    /// known of the text's own column, of which the first and the last line hold a part.
    fn fit(&self, line: &str, columns: Range<usize>, own: usize) -> Option<Fit> {
        let values = || line.split(self.separator);
        if values().count() != columns.len() {
            return None;
        }
        let mut fit = Fit::Untyped;
        for (value, at) in values().zip(columns).filter(|(_, at)| *at != own) {
            match self.takes(at, value) {
                Some(false) => return Some(Fit::None),
                Some(true) => fit = Fit::Typed,
                None => {}
            }
        }
        Some(fit)
    }

    /// Whether a column takes a text; `None` where that shows nothing.
    fn takes(&self, column: usize, text: &str) -> Option<bool> {
        let takes = self.columns.get(column)?.as_ref()?;
        if text.is_empty() || self.nulls.iter().any(|null| null == text) {
            return takes.is_required.then_some(false);
        }
        if !takes.allowed.is_empty() {
            return Some(takes.allowed.iter().any(|value| value == text));
        }
        let mut misfits = Vec::new();
        takes
            .wanted
            .texts(&StringArray::from(vec![text]), &mut misfits);
        Some(misfits.is_empty())
    }
}
