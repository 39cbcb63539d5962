//! How the CSV files of a data set are written, as far as their texts say it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use runtime::failure::Failure;
use std::sync::Arc;
use table::dataset::{ColumnType, Csv};
use table::raw::NULL_TEXTS;
use table::raw::probe::sniff;

use crate::column::{Piece, is_of};
use crate::files::Files;

/// Types whose texts can't be taken for words.
const SPELLED: [ColumnType; 4] = [
    ColumnType::Float64,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
];

/// Separator and encoding, which all CSV files have to share.
///
/// # Errors
/// Files of different dialects: exit 2. A file that is no table: exit 10.
pub(crate) fn of_files(files: &Files) -> Result<Csv> {
    let mut found: Option<(&str, Csv)> = None;
    for source in &files.train {
        let Some(dialect) = sniff(&source.path, &source.key)? else {
            continue;
        };
        match &found {
            Some((first, of)) if *of != dialect => {
                return Err(Failure::usage(format!(
                    "{first} and {} are written in different dialects, and `csv` of dataset.json \
                     is one for all: {} and {}; write the files alike",
                    source.key,
                    described(of),
                    described(&dialect)
                )));
            }
            Some(_) => {}
            None => found = Some((&source.key, dialect)),
        }
    }
    Ok(found.map(|(_, dialect)| dialect).unwrap_or_default())
}

fn described(dialect: &Csv) -> String {
    let encoding = serde_json::to_string(&dialect.encoding).unwrap_or_default();
    format!("separator {:?}, encoding {encoding}", dialect.separator)
}

/// Decimal mark and null texts, by the texts of all columns; null takes the place of null texts.
pub(crate) fn refine(mut dialect: Csv, columns: &mut BTreeMap<String, Vec<Piece>>) -> Result<Csv> {
    let comma = Csv {
        decimal: ',',
        ..dialect.clone()
    };
    let mut nulls = BTreeSet::new();
    let (mut with_point, mut with_comma) = (false, false);
    for piece in columns
        .values()
        .flatten()
        .filter(|(found, _)| found.data_type.is_none())
    {
        let (found, values) = piece;
        let suspects = suspects(values.as_string());
        let cleared = (found.clone(), without(values, &suspects));
        if cleared.1.null_count() == cleared.1.len() {
            continue;
        }
        let is_number = is_of(&cleared, ColumnType::Float64, &dialect)?;
        let is_comma = is_of(&cleared, ColumnType::Float64, &comma)?;
        with_point |= is_number && !is_comma;
        with_comma |= is_comma && !is_number;
        let mut other = SPELLED.iter().skip(1);
        let is_spelled = is_number || is_comma || {
            let mut is = false;
            for &column_type in other.by_ref() {
                is |= is_of(&cleared, column_type, &dialect)?;
            }
            is
        };
        if is_spelled {
            nulls.extend(suspects);
        }
    }
    if with_comma && !with_point {
        dialect.decimal = ',';
    }
    for (found, values) in columns.values_mut().flatten() {
        if found.data_type.is_none() {
            *values = without(values, &nulls);
        }
    }
    dialect.nulls = nulls.into_iter().collect();
    Ok(dialect)
}

/// Texts that other programs write for a value that is missing.
fn suspects(texts: &StringArray) -> BTreeSet<String> {
    let known = |text: &&str| NULL_TEXTS.contains(&text.to_ascii_lowercase().as_str());
    texts
        .iter()
        .flatten()
        .filter(known)
        .map(str::to_owned)
        .collect()
}

fn without(values: &ArrayRef, nulls: &BTreeSet<String>) -> ArrayRef {
    if nulls.is_empty() {
        return values.clone();
    }
    let texts = values.as_string::<i32>().iter();
    let kept = texts.map(|text| text.filter(|text| !nulls.contains(*text)));
    Arc::new(kept.collect::<StringArray>())
}
