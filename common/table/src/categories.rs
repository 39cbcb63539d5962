//! Columns of few values that a model does not use: which of them scored rows carry, and how often
//! each value occurs. Pure.
//!
//! A report divides the rows by them, and compares their shares with those of training.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;

use catalog::manifest::Column;
use catalog::manifest::Role;
use profile::reference::CategoryProfile;
use runtime::failure::Failure;
use runtime::spelling;

use crate::values;

/// Columns that scored rows carry at most.
pub const MOST_COLUMNS: usize = 4;
/// Columns that are looked at for the first [`MOST_COLUMNS`] with few values.
const MOST_CANDIDATES: usize = 64;
/// A column with more values than these divides nothing.
pub const MOST_VALUES: usize = 50;
/// Characters of a text that are kept; the rest is cut off, so that a wide column takes no more
/// memory than a narrow one.
pub const MOST_CHARACTERS: usize = 100;
/// Stands for what was cut off.
const CUT: char = '…';

/// Which columns scored rows carry, as the setting `SEGMENT_COLUMNS` says.
///
/// ```
/// use table::categories::SegmentColumns;
///
/// let named: SegmentColumns = "region, channel".parse().unwrap();
/// assert_eq!(named, SegmentColumns::Named(vec!["region".to_owned(), "channel".to_owned()]));
/// assert_eq!("".parse(), Ok(SegmentColumns::Automatic));
/// assert_eq!("none".parse(), Ok(SegmentColumns::Nothing));
/// assert!("region,region".parse::<SegmentColumns>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SegmentColumns {
    /// The first four ignored columns of texts and booleans that had at most 50 values in training.
    #[default]
    Automatic,
    /// No column.
    Nothing,
    /// These.
    Named(Vec<String>),
}

impl FromStr for SegmentColumns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => return Ok(Self::Automatic),
            "none" => return Ok(Self::Nothing),
            _ => {}
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("a name is empty: give column names with a comma between, or none".into());
        }
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(format!("column {:?} is named twice", names[twice]));
        }
        if names.len() > MOST_COLUMNS {
            return Err(format!(
                "{} columns are named: at most {MOST_COLUMNS} can be segments",
                names.len()
            ));
        }
        Ok(Self::Named(names))
    }
}

impl std::fmt::Display for SegmentColumns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Automatic => Ok(()),
            Self::Nothing => f.write_str("none"),
            Self::Named(names) => f.write_str(&names.join(",")),
        }
    }
}

impl SegmentColumns {
    /// The prepared columns that are profiled in training: those named, or every text and boolean
    /// with the role ignored.
    ///
    /// # Errors
    /// A name that is no prepared column of the role ignored, or one of another type: exit 2.
    pub fn profiled<'a>(&self, prepared: &'a [Column]) -> Result<Vec<&'a Column>> {
        match self {
            Self::Automatic => Ok(ignored(prepared)
                .filter(|column| divides_by_itself(&column.data_type))
                .take(MOST_CANDIDATES)
                .collect()),
            Self::Nothing => Ok(Vec::new()),
            Self::Named(names) => Self::named(names, prepared),
        }
    }

    /// The prepared columns that scored rows carry: those named, or the first [`MOST_COLUMNS`] that
    /// had few values in training. A model that was trained without such a profile carries
    /// those that are named alone.
    ///
    /// # Errors
    /// A name that is no prepared column of the role ignored, or one of another type: exit 2.
    pub fn carried<'a>(
        &self,
        prepared: &'a [Column],
        trained: &[CategoryProfile],
    ) -> Result<Vec<&'a Column>> {
        let few = |column: &&Column| {
            trained
                .iter()
                .any(|of| of.name == column.name && of.values.is_some())
        };
        match self {
            Self::Automatic => Ok(ignored(prepared)
                .filter(|column| divides(&column.data_type))
                .filter(few)
                .take(MOST_COLUMNS)
                .collect()),
            Self::Nothing => Ok(Vec::new()),
            Self::Named(names) => Self::named(names, prepared),
        }
    }

    /// # Errors
    /// A name that is no prepared column of the role ignored, or one of another type: exit 2, with
    /// what there is.
    fn named<'a>(names: &[String], prepared: &'a [Column]) -> Result<Vec<&'a Column>> {
        let possible: Vec<&Column> = ignored(prepared)
            .filter(|column| divides(&column.data_type))
            .collect();
        let find = |name: &String| {
            if let Some(column) = possible.iter().find(|column| column.name == *name) {
                return Ok(*column);
            }
            let there = || possible.iter().map(|of| of.name.as_str());
            let why = match prepared.iter().find(|column| column.name == *name) {
                None => format!(
                    "is not a column of the result of features.sql{}",
                    spelling::meant(name, there())
                ),
                Some(column) if column.role != Role::Ignored => format!(
                    "has the role {} in dataset.json, and must have the role ignored",
                    column.role
                ),
                Some(column) => format!(
                    "is of type {}, and must be a text, a boolean or an integer",
                    column.data_type
                ),
            };
            let there = match possible.is_empty() {
                true => "there is no column that it could name".to_owned(),
                false => format!("it can name {}", spelling::listed(there())),
            };
            Err(Failure::usage(format!(
                "SEGMENT_COLUMNS (--segment-columns): column {name:?} {why}; {there}"
            )))
        };
        names.iter().map(find).collect()
    }
}

fn ignored(prepared: &[Column]) -> impl Iterator<Item = &Column> {
    prepared
        .iter()
        .filter(|column| column.role == Role::Ignored)
}

/// Whether rows are divided by columns of this type, as Arrow prints it, without being asked.
fn divides_by_itself(data_type: &str) -> bool {
    is_text(data_type) || data_type == "Boolean"
}

/// Whether rows can be divided by columns of this type, as Arrow prints it.
pub fn divides(data_type: &str) -> bool {
    let integer = data_type
        .trim_start_matches('U')
        .strip_prefix("Int")
        .is_some_and(|bits| bits.parse::<u8>().is_ok());
    integer || divides_by_itself(data_type)
}

/// Whether columns of this type, as Arrow prints it, hold texts.
pub fn is_text(data_type: &str) -> bool {
    ["Utf8", "LargeUtf8", "Utf8View"].contains(&data_type)
}

/// Whether columns of this type, as Arrow prints it, hold texts, be it by a dictionary.
pub fn holds_texts(data_type: &str) -> bool {
    let values = data_type
        .strip_prefix("Dictionary(")
        .and_then(|of| of.strip_suffix(')'))
        .and_then(|of| of.split_once(", "));
    is_text(values.map_or(data_type, |(_, values)| values))
}

/// A text of [`MOST_CHARACTERS`] at most, and one more that marks a cut.
pub fn cut(value: &str) -> String {
    match value.char_indices().nth(MOST_CHARACTERS) {
        None => value.to_owned(),
        Some((end, _)) => format!("{}{CUT}", &value[..end]),
    }
}

/// The values of a column as texts, each of [`MOST_CHARACTERS`] at most and one more that tells of
/// a cut.
///
/// # Errors
/// A column that can't be read as texts.
pub fn texts(column: &ArrayRef) -> Result<StringArray> {
    let of = |values: &mut dyn Iterator<Item = Option<&str>>| -> StringArray {
        values.map(|value| value.map(cut)).collect()
    };
    // Cut before it is copied: all of a wide column would be.
    Ok(match column.data_type() {
        DataType::Utf8 => of(&mut column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => of(&mut column.as_string::<i64>().iter()),
        DataType::Utf8View => of(&mut column.as_string_view().iter()),
        _ => values::texts(column).context("reading a column as texts")?,
    })
}

/// Counts the values of a column: the same whatever the order of the rows.
#[derive(Clone, Debug)]
pub struct Categories {
    most: usize,
    rows: u64,
    nulls: u64,
    values: BTreeMap<String, u64>,
    /// Bytes of memory that the values take at most.
    bytes: u64,
    too_many: bool,
}

/// Bytes of a value beside its text: twice its place in a map, and the rest of its allocation.
const VALUE_BYTES: u64 = 2 * size_of::<(String, u64)>() as u64 + 16;

impl Default for Categories {
    /// Of a column that rows are divided by.
    fn default() -> Self {
        Self::up_to(MOST_VALUES)
    }
}

impl Categories {
    /// Counts up to so many distinct values.
    pub fn up_to(most: usize) -> Self {
        Self {
            most,
            rows: 0,
            nulls: 0,
            values: BTreeMap::new(),
            bytes: 0,
            too_many: false,
        }
    }

    /// Bytes of memory that the values take at most.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts the values of a batch.
    ///
    /// # Errors
    /// Those of [`texts`].
    pub fn add(&mut self, column: &ArrayRef) -> Result<()> {
        self.rows += column.len() as u64;
        self.nulls += column.null_count() as u64;
        if self.too_many {
            return Ok(());
        }
        for value in texts(column)?.iter().flatten() {
            match self.values.get_mut(value) {
                Some(count) => *count += 1,
                None => {
                    self.bytes += VALUE_BYTES + value.len() as u64;
                    self.values.insert(value.to_owned(), 1);
                }
            }
            if self.limit() {
                break;
            }
        }
        Ok(())
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.too_many |= other.too_many;
        for (value, count) in &other.values {
            match self.values.get_mut(value) {
                Some(own) => *own += count,
                None => {
                    self.bytes += VALUE_BYTES + value.len() as u64;
                    self.values.insert(value.clone(), *count);
                }
            }
        }
        self.limit();
    }

    /// Forgets the values where they are too many.
    fn limit(&mut self) -> bool {
        self.too_many |= self.values.len() > self.most;
        if self.too_many {
            self.values.clear();
            self.bytes = 0;
        }
        self.too_many
    }

    /// Whether there are more values than are counted: further rows change nothing.
    pub fn is_full(&self) -> bool {
        self.too_many
    }

    /// As it is kept of a feature; where there were too many values, all of them are together.
    pub fn of_feature(self) -> profile::categories::Categories {
        let mut kept = profile::categories::Categories::of(self.nulls, self.values);
        if self.too_many {
            kept.rest = self.rows - self.nulls;
        }
        kept
    }

    /// As it is kept of a column that rows are divided by.
    pub fn profile(self, name: &str) -> CategoryProfile {
        let name = name.to_owned();
        if self.too_many {
            return CategoryProfile {
                name,
                ..CategoryProfile::default()
            };
        }
        CategoryProfile {
            name,
            rows: self.rows,
            nulls: self.nulls,
            values: Some(self.values.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests;
