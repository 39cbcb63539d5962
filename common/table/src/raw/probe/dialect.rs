//! How a CSV file is written, as far as its rows say it.

use std::path::Path;

use anyhow::Result;

use super::raw;
use crate::dataset::{Csv, Encoding};
use crate::raw::{Compression, Format, csv, format};
use runtime::failure::Failure;

/// Separators of CSV files, the default first.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Rows that are looked at for the dialect.
const SNIFFED: usize = 2000;

/// The dialect in which the first rows of a CSV file are a table of the most columns; `None` of a
/// parquet file. The content of fields is not looked at. Lines that begin with # are comments where
/// that alone makes a table of several columns.
///
/// # Errors
/// A file that is no table in any dialect: exit 10, as the default dialect finds it. One of UTF-8
/// with a few lines in another encoding: exit 10.
pub fn sniff(path: &Path, key: &str) -> Result<Option<Csv>> {
    let format = format::require(key)?;
    format::check_kind(path, key, format)?;
    let Format::Csv(compression) = format else {
        return Ok(None);
    };
    let plain = widest(path, key, compression, None);
    if !matches!(plain, Ok((2.., _)))
        && let Ok((2.., dialect)) = widest(path, key, compression, Some('#'))
    {
        return Ok(Some(dialect));
    }
    plain.map(|(_, dialect)| Some(dialect))
}

/// The dialect in which the first rows are a table of the most columns, and how many these are; 0
/// where rows differ, so that the reader names them.
fn widest(
    path: &Path,
    key: &str,
    compression: Compression,
    comment: Option<char>,
) -> Result<(usize, Csv)> {
    let mut refused = None;
    for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Windows1252] {
        if encoding == Encoding::Windows1252
            && let Some(mixture) = csv::Mixture::of(path, compression)
            && mixture.is_mostly_utf8()
        {
            let (said, advice) = (mixture.said(), mixture.advice());
            return Err(Failure::contract(format!("{key}: {said}\n{advice}")));
        }
        let mut best: Option<(usize, Csv)> = None;
        // A separator that the header has, and some rows have more or less often.
        let mut ragged: Option<(usize, Csv)> = None;
        // Errors of separators that the header has, and of those that it has not.
        let (mut broken, mut narrow) = (None, None);
        for separator in SEPARATORS {
            let dialect = Csv {
                separator,
                encoding,
                comment,
                ..Csv::default()
            };
            let raw = raw(path, key, &dialect);
            let rows = match csv::peek(&raw, compression, SNIFFED) {
                Ok(rows) => rows,
                Err(error) => {
                    let header = csv::peek(&raw, compression, 1).unwrap_or_default();
                    match header.first().is_some_and(|names| names.len() > 1) {
                        true => broken.get_or_insert(error),
                        false => narrow.get_or_insert(error),
                    };
                    continue;
                }
            };
            let Some(width) = rows.first().map(Vec::len) else {
                continue;
            };
            let alike = rows.iter().filter(|row| row.len() == width).count();
            let of = match alike == rows.len() {
                true => &mut best,
                false if width > 1 && 2 * alike > rows.len() => &mut ragged,
                false => continue,
            };
            if of.as_ref().is_none_or(|(most, _)| width > *most) {
                *of = Some((width, dialect));
            }
        }
        match (best, ragged, broken) {
            (Some((width @ 2.., dialect)), ..) => return Ok((width, dialect)),
            (_, Some((_, dialect)), _) => return Ok((0, dialect)),
            (Some(_), None, Some(error)) => return Err(error),
            (Some(single), None, None) => return Ok(single),
            (None, None, broken) => refused = refused.or(broken).or(narrow),
        }
    }
    match refused {
        Some(error) => Err(error),
        None => Ok((0, Csv::default())),
    }
}

/// What is wrong with a CSV file whose lines mix encodings, and what to do; `None` of another file.
pub fn mixed(path: &Path, key: &str) -> Option<(String, String)> {
    let Some(Format::Csv(compression)) = format::format_of(key) else {
        return None;
    };
    let mixture = csv::Mixture::of(path, compression)?;
    Some((mixture.said(), mixture.advice()))
}
