//! How the CSV files of a data set are written, as far as their texts say it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use runtime::failure::Failure;
use std::sync::Arc;
use table::dataset::{ColumnType, Csv, Encoding};
use table::raw::NULL_TEXTS;
use table::raw::probe::{mixed, sniff};

use crate::column::{Piece, is_of};
use crate::files::Files;
use crate::marks::Marks;
use crate::question::Question;

/// Types besides numbers whose texts can't be taken for words.
const SPELLED: [ColumnType; 3] = [
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
];

/// Separator and encoding, which all CSV files have to share, and what to ask about them.
///
/// # Errors
/// Files of different dialects: exit 2. A file that is no table: exit 10.
pub(crate) fn of_files(files: &Files) -> Result<(Csv, Vec<Question>)> {
    let mut questions = Vec::new();
    let mut found: Option<(&str, Csv)> = None;
    for source in &files.train {
        let Some(dialect) = sniff(&source.path, &source.key)? else {
            continue;
        };
        if dialect.encoding == Encoding::Windows1252
            && let Some((said, advice)) = mixed(&source.path, &source.key)
        {
            let seen = format!("{}: {said}", source.key);
            let advice = format!("it is read as windows-1252: {advice}");
            questions.push(Question::new("csv", seen, advice));
        }
        if let Some(comment) = dialect.comment {
            let seen = format!("{}: lines begin with {comment:?}", source.key);
            let advice = format!(
                "they are taken for comments and skipped: where they are rows, remove \"comment\": \
                 \"{comment}\" from dataset.json, and the lines that are not rows from the file"
            );
            questions.push(Question::new("csv", seen, advice));
        }
        match &mut found {
            Some((first, of)) => {
                if uncommented(of) != uncommented(&dialect) {
                    return Err(Failure::usage(format!(
                        "{first} and {} are written in different dialects, and `csv` of dataset.json \
                         is one for all: {} and {}; write the files alike",
                        source.key,
                        described(of),
                        described(&dialect)
                    )));
                }
                // Only some of the files may have comments.
                of.comment = of.comment.or(dialect.comment);
            }
            None => found = Some((&source.key, dialect)),
        }
    }
    let dialect = found.map(|(_, dialect)| dialect).unwrap_or_default();
    Ok((dialect, questions))
}

fn uncommented(dialect: &Csv) -> Csv {
    Csv {
        comment: None,
        ..dialect.clone()
    }
}

fn described(dialect: &Csv) -> String {
    let encoding = serde_json::to_string(&dialect.encoding).unwrap_or_default();
    format!("separator {:?}, encoding {encoding}", dialect.separator)
}

/// Marks of numbers and null texts, by the texts of all columns; null takes the place of null
/// texts.
pub(crate) fn refine(
    dialect: &Csv,
    columns: &mut BTreeMap<String, Vec<Piece>>,
) -> Result<(Csv, Marks)> {
    let mut nulls = BTreeSet::new();
    let mut marks = Marks::default();
    for (name, pieces) in columns.iter() {
        let mut before = 0;
        for (found, values) in pieces {
            let rows_before = before;
            before += values.len();
            if found.data_type.is_some() {
                continue;
            }
            let suspects = suspects(values.as_string());
            let cleared = (found.clone(), without(values, &suspects));
            if cleared.1.null_count() == cleared.1.len() {
                continue;
            }
            let mut is_spelled = marks.see(name, rows_before, &cleared, dialect)?;
            for column_type in SPELLED {
                is_spelled = is_spelled || is_of(&cleared, column_type, dialect)?;
            }
            if is_spelled {
                nulls.extend(suspects);
            }
        }
    }
    for (found, values) in columns.values_mut().flatten() {
        if found.data_type.is_none() {
            *values = without(values, &nulls);
        }
    }
    let dialect = Csv {
        nulls: nulls.into_iter().collect(),
        ..marks.read(dialect)
    };
    Ok((dialect, marks))
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
