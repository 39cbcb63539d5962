//! CSV files: a header, commas, quotes doubled inside quotes; an empty field is null. Values are spelt as the contract's
//! types say, without blanks around them.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};

use super::parquet::missing;
use super::{Chunk, Chunks, RawFile};
use crate::dataset::{Labels, Role};
use crate::parts::BATCH_ROWS;

pub(super) fn open(raw: &RawFile) -> Result<Chunks> {
    let header = Format::default()
        .with_header(true)
        .infer_schema(file(&raw.path)?, Some(0))
        .map_err(|error| raw.unreadable("CSV", &error))?
        .0;
    let names: Vec<&str> = header
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let positions = positions(raw, &names)?;
    let texts: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let projection: Vec<usize> = positions.iter().copied().flatten().collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(texts)))
        .with_header(true)
        .with_batch_size(BATCH_ROWS)
        .with_projection(projection)
        .build_buffered(BufReader::with_capacity(1 << 18, file(&raw.path)?))
        .map_err(|error| raw.unreadable("CSV", &error))?;
    let (raw, schema, wanted) = (raw.clone(), raw.dataset.raw_schema(), raw.wanted());
    Ok(Box::new(reader.map(move |batch| {
        let batch = batch.map_err(|error| raw.unreadable("CSV", &error))?;
        let mut texts = batch.columns().iter();
        let mut misfits = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(positions.len());
        for (wanted, position) in wanted.iter().zip(&positions) {
            columns.push(match position.and_then(|_| texts.next()) {
                Some(texts) => wanted.texts(texts.as_string(), &mut misfits),
                None => wanted.nulls(batch.num_rows()),
            });
        }
        Ok(Chunk {
            batch: RecordBatch::try_new(schema.clone(), columns)?,
            misfits,
        })
    })))
}

/// The file, after the byte order mark that some programs write.
fn file(path: &Path) -> Result<File> {
    let place = || format!("opening {}", path.display());
    let mut file = File::open(path).with_context(place)?;
    let mut mark = Vec::new();
    file.by_ref()
        .take(3)
        .read_to_end(&mut mark)
        .with_context(place)?;
    if mark != [0xef, 0xbb, 0xbf] {
        file.seek(SeekFrom::Start(0)).with_context(place)?;
    }
    Ok(file)
}

/// Where each column of the contract stands in the header; `None` for labels that need not be there.
fn positions(raw: &RawFile, names: &[&str]) -> Result<Vec<Option<usize>>> {
    if let [one] = names
        && raw.dataset.columns.len() > 1
        && one.contains([';', '\t', '|'])
    {
        return Err(raw.broken(&[format!(
            "its header is {one:?}: fields of a CSV file are separated by commas"
        )]));
    }
    let (mut positions, mut lines) = (Vec::new(), Vec::new());
    for column in &raw.dataset.columns {
        let mut found = names
            .iter()
            .enumerate()
            .filter(|(_, name)| **name == column.name);
        let (first, second) = (found.next(), found.next());
        positions.push(first.map(|(position, _)| position));
        if second.is_some() {
            lines.push(format!(
                "column {:?} stands in the header twice",
                column.name
            ));
        }
        if first.is_none() && (column.role != Role::Target || raw.labels != Labels::Optional) {
            lines.push(missing(&column.name, names.iter().copied()));
        }
    }
    if lines.is_empty() {
        Ok(positions)
    } else {
        Err(raw.broken(&lines))
    }
}

/// The line on which a row begins; rows and lines count from 1. Line breaks in quotes belong to their row.
pub(super) fn line(path: &Path, row: u64) -> Option<u64> {
    let reader = BufReader::with_capacity(1 << 18, file(path).ok()?);
    // The header is row 0; blank lines are no rows.
    let (mut line, mut rows, mut quoted, mut blank) = (1, 0, false, true);
    for byte in reader.bytes() {
        match byte.ok()? {
            b'\n' => {
                line += 1;
                if !quoted {
                    rows += u64::from(!blank);
                    blank = true;
                }
            }
            b'\r' => {}
            byte => {
                if blank && rows == row {
                    return Some(line);
                }
                blank = false;
                quoted ^= byte == b'"';
            }
        }
    }
    None
}
