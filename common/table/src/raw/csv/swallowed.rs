//! Rows within a quoted text: two quotes that belong to texts, such as those of `24"`, close each
//! other, and the rows between them would be lost.
//!
//! The separators of a line do not show that it is a row, since prose has commas too: its values
//! have to be of the types of the contract.

use std::ops::Range;

use arrow::array::StringArray;

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

/// The values that a column takes.
struct Takes {
    wanted: Wanted,
    /// Those of a text; empty where its type says it.
    allowed: Vec<String>,
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
                *of = Some(Takes { wanted, allowed });
            }
        }
        Self {
            columns: takes,
            separator: raw.dataset.csv.separator,
            nulls: raw.dataset.csv.nulls.clone(),
        }
    }

    /// How many rows the quoted text of a column holds besides its own: its first line goes on as
    /// a row does behind the column, its last one begins as a row does up to the column, and those
    /// between are rows. One value at least is of a column that does not take every text.
    pub(in crate::raw) fn rows(&self, text: &str, column: usize) -> Option<usize> {
        let columns = self.columns.len();
        if columns < COLUMNS {
            return None;
        }
        let mut lines = text.split(['\r', '\n']);
        let (first, last) = (lines.next()?, lines.next_back()?);
        let mut is_typed = false;
        let mut is_row = |line: &str, columns: Range<usize>| {
            let values = || line.split(self.separator);
            values().count() == columns.len()
                && values().zip(columns).all(|(value, at)| {
                    // Of the column itself, each of the lines holds a part.
                    let takes = if at == column {
                        None
                    } else {
                        self.takes(at, value)
                    };
                    is_typed |= takes == Some(true);
                    takes != Some(false)
                })
        };
        if !is_row(last, 0..column + 1) || !is_row(first, column..columns) {
            return None;
        }
        let mut rows = 1;
        for line in lines.filter(|line| !line.is_empty()) {
            if !is_row(line, 0..columns) {
                return None;
            }
            rows += 1;
        }
        is_typed.then_some(rows)
    }

    /// Whether a column takes a text; `None` where that shows nothing.
    fn takes(&self, column: usize, text: &str) -> Option<bool> {
        let takes = self.columns.get(column)?.as_ref()?;
        if text.is_empty() || self.nulls.iter().any(|null| null == text) {
            return None;
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
