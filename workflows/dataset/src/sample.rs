//! Some rows of every file, in columns.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use arrow::datatypes::DataType;
use runtime::work::{Disk, Work};
use table::dataset::Csv;
use table::raw::probe::{Found, Probe};

use crate::column::{Chosen, Column, Piece};
use crate::dialect;
use crate::files::Files;
use crate::places::Places;
use crate::question::Question;

/// Values that are looked at, of all columns together: what bounds memory.
const VALUES: u64 = 8 << 20;
/// Memory of a file's decoder.
const MEMORY: u64 = 512 << 20;
/// Rows of one file at least, however many files there are.
const ROWS_OF_FILE: u64 = 20;

/// The sampled rows of all files.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    /// Columns that all files have and that some type takes, in the order of the first file.
    pub(crate) columns: Vec<Column>,
    /// The other ones, each with why.
    pub(crate) unusable: Vec<(String, String)>,
    /// How the CSV files are written.
    pub(crate) dialect: Csv,
    /// Whether there are such.
    pub(crate) is_csv: bool,
    /// What their texts leave open.
    pub(crate) questions: Vec<Question>,
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// Where they are.
    pub(crate) places: Places,
    /// Rows of all files; `None` where one was not read to its end.
    pub(crate) of: Option<u64>,
}

/// What files are read with, in a scratch folder.
pub(crate) fn work_in(scratch: &Path) -> Work {
    Work::new(scratch, Disk::new(u64::MAX), MEMORY)
}

/// Reads the schemas of all files, then about so many rows, the same number of each file. `seen` is
/// called with the bytes of each file.
pub(crate) fn read(files: &Files, rows: u64, work: &Work, seen: &dyn Fn(u64)) -> Result<Sampled> {
    let (sniffed, mut questions) = dialect::of_files(files)?;
    let probes = files
        .train
        .iter()
        .map(|source| Probe::open(&source.path, &source.key, &sniffed))
        .collect::<Result<Vec<Probe>>>()?;
    let first = probes.first().context("there is no file")?;
    let mut having: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: Vec<&str> = Vec::new();
    for found in probes.iter().flat_map(Probe::columns) {
        let count = having.entry(&found.name).or_insert(0);
        if *count == 0 {
            names.push(&found.name);
        }
        *count += 1;
    }
    let width = first.columns().len().max(1) as u64;
    let each = (rows.min(VALUES / width) / probes.len() as u64).max(ROWS_OF_FILE);
    let mut pieces: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
    let (mut read, mut of, mut places) = (0, Some(0), Places::default());
    for (probe, source) in probes.iter().zip(&files.train) {
        let sample = probe.sample(each, work)?;
        read += sample.rows;
        of = of.zip(sample.of).map(|(all, rows)| all + rows);
        places.add(&source.key, sample.numbers);
        for (found, values) in probe.columns().iter().zip(sample.columns) {
            if let Some(values) = values {
                pieces
                    .entry(found.name.clone())
                    .or_default()
                    .push((found.clone(), values));
            }
        }
        seen(source.bytes);
    }
    let (dialect, marks) = dialect::refine(&sniffed, &mut pieces)?;
    let (mut columns, mut unusable) = (Vec::new(), Vec::new());
    for name in names {
        let files = probes.len();
        let why = match (having.get(name), pieces.remove(name)) {
            _ if name.is_empty() => {
                "it has no name, as the index that pandas writes: index=False leaves it out"
                    .to_owned()
            }
            (Some(&count), _) if count < files => {
                format!(
                    "{count} of {files} files have it, and a column of the contract is \
                     in every file"
                )
            }
            (_, Some(pieces)) if pieces.len() == files => {
                match Column::of(name, &pieces, &dialect)? {
                    Chosen::Column(column) => {
                        columns.push(*column);
                        continue;
                    }
                    Chosen::Differing(spelled) => differing(&spelled),
                }
            }
            _ => format!(
                "its type is {}, which no column of a contract has",
                nested(&probes, name)
            ),
        };
        unusable.push((name.to_owned(), why));
    }
    questions.extend(marks.questions(&columns, &dialect, &places));
    if let Some((name, why)) = first.range_index()?
        && !having.contains_key(name.as_str())
    {
        unusable.push((name, why.to_owned()));
    }
    Ok(Sampled {
        questions,
        columns,
        unusable,
        dialect,
        is_csv: probes.iter().any(|probe| probe.rows().is_none()),
        rows: read,
        places,
        of,
    })
}

fn nested(probes: &[Probe], name: &str) -> String {
    let mut found = probes.iter().flat_map(Probe::columns);
    let column = found.find(|found| found.name == name && !found.is_readable());
    let data_type = column.and_then(|column: &Found| column.data_type.as_ref());
    data_type.map(ToString::to_string).unwrap_or_default()
}

/// Types by how many files spell them.
fn differing(spelled: &[(String, usize)]) -> String {
    let unsigned = DataType::UInt64.to_string();
    let advice = match spelled.iter().all(|(name, _)| *name == unsigned) {
        true => {
            "; its whole numbers are too large for int64, and not all of them are floats: write it \
             as text, or as floats, which rounds them"
        }
        false => "",
    };
    format!(
        "no type accepts its values in all files: it is {}{advice}",
        by_files(spelled)
    )
}

/// Types by how many files spell them, for messages.
pub(crate) fn by_files(spelled: &[(String, usize)]) -> String {
    let each = spelled.iter().map(|(name, count)| match count {
        1 => format!("{name} in 1 file"),
        count => format!("{name} in {count} files"),
    });
    each.collect::<Vec<_>>().join(", ")
}
