//! Parquet files as they come: other writers spell the same types in other ways.

use std::fs::File;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;

use super::footer::{RANGE_INDEX, guard, opened, range_index, uuids};
use super::{Chunk, Chunks, LINES, RawFile, advice, convert, int96};
use crate::parts::batches::is_text;
use crate::parts::file::ParquetFile;
use catalog::manifest::Role;
use runtime::failure::Failure;
use runtime::work::Work;

/// The reason for pages that the decoder panics on.
const PAGES: &str = "its pages make no sense";

/// The rows of a file, and which columns of the contract are null in them because nobody reads
/// their values.
pub(super) fn open(raw: &RawFile, work: &Work) -> Result<(Chunks, Vec<bool>)> {
    let file = File::open(&raw.path).with_context(|| format!("opening {}", raw.path.display()))?;
    let file = opened(file, &raw.key)?;
    let (builder, mut nanos) = int96::in_microseconds(raw, file.builder()?)?;
    let file = match nanos {
        Some(_) => file.in_schema(builder.schema().clone())?,
        None => file,
    };
    let positions = positions(raw, &file, work)?;
    let unread = unread(raw, &file, &positions)?;
    let positions: Vec<Option<usize>> = positions
        .into_iter()
        .zip(&unread)
        .map(|(position, unread)| position.filter(|_| !unread))
        .collect();
    // The reader gives columns in the order of the file.
    let mut in_file: Vec<usize> = positions.iter().copied().flatten().collect();
    in_file.sort_unstable();
    let order: Vec<Option<usize>> = positions
        .iter()
        .map(|position| position.and_then(|position| in_file.binary_search(&position).ok()))
        .collect();
    let (key, schema, wanted) = (raw.key.clone(), raw.dataset.raw_schema(), raw.wanted());
    let uuids = uuids(&file, &in_file)?;
    let rows = file.rows(&in_file, raw.batch_rows(), work)?;
    let chunks = rows.map(move |batch| {
        let batch = batch?;
        let mut misfits = Vec::new();
        let mut columns = Vec::with_capacity(order.len());
        for (wanted, position) in wanted.iter().zip(&order) {
            columns.push(match position {
                Some(position) if uuids[*position] => {
                    wanted.array(&convert::uuids(batch.column(*position)), &mut misfits)?
                }
                Some(position) => wanted.array(batch.column(*position), &mut misfits)?,
                None => wanted.nulls(batch.num_rows()),
            });
        }
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        if let Some(nanos) = &mut nanos {
            let nanos = guard(&key, PAGES, || nanos.rows(batch.num_rows()))?;
            int96::check(&batch, &nanos, &wanted, &mut misfits);
        }
        let (lines, stray) = (Vec::new(), None);
        Ok(Chunk {
            batch,
            misfits,
            lines,
            stray,
        })
    });
    Ok((Box::new(chunks), unread))
}

/// Which columns need not be decoded: nobody reads their values, and there is nothing to check in
/// them that the file's statistics do not say.
fn unread(raw: &RawFile, file: &ParquetFile, positions: &[Option<usize>]) -> Result<Vec<bool>> {
    if raw.reads.columns.is_none() {
        return Ok(vec![false; positions.len()]);
    }
    let rules = raw.dataset.rules(raw.labels).map_err(Failure::usage)?;
    let columns = raw.dataset.columns.iter().zip(positions).zip(rules);
    let unread = columns
        .enumerate()
        .map(|(index, ((column, position), rule))| {
            let Some(position) = *position else {
                return false;
            };
            let found = file.schema().field(position).data_type();
            let wanted = column.column_type.data_type();
            let is_plain = *found == wanted || (is_text(found) && wanted == DataType::Utf8);
            !raw.reads(index)
                && matches!(column.role, Role::Ignored | Role::Feature)
                && is_plain
                && rule.holds_for_any_value(|| file.nulls(position))
        });
    Ok(unread.collect())
}

/// Where each column of the contract is in the file; `None` for labels that need not be there, and
/// for a column without values, whose type does not matter.
fn positions(raw: &RawFile, file: &ParquetFile, work: &Work) -> Result<Vec<Option<usize>>> {
    let (mut positions, mut lines) = (Vec::new(), Vec::new());
    let schema = file.schema();
    for column in &raw.dataset.columns {
        let mut found = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| *field.name() == column.name);
        let (first, second) = (found.next(), found.next());
        let Some((position, field)) = first else {
            positions.push(None);
            if !raw.labels.may_lack(column.role) {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let mut line = missing(&column.name, names);
                if range_index(schema).as_ref() == Some(&column.name) {
                    line += "; ";
                    line += RANGE_INDEX;
                }
                lines.push(line);
            }
            continue;
        };
        let takes = convert::takes(field.data_type(), column.column_type)
            || convert::takes_by_form(field.data_type(), column);
        let reads = takes || !file.is_null(position);
        positions.push(reads.then_some(position));
        if second.is_some() {
            lines.push(format!("column {:?} occurs twice in the file", column.name));
        } else if !takes && reads {
            if raw.others.is_trial() {
                return Err(advice::Mistyped.into());
            }
            let found = field.data_type();
            // What is not shown need not be tried.
            let advice = match lines.len() < LINES {
                true => advice::of_type(found, &advice::Tried::new(raw, column, work)),
                false => String::new(),
            };
            lines.push(format!(
                "column {:?} is of type {found} in the file, and {} in the contract: {advice}",
                column.name, column.column_type
            ));
        }
    }
    if lines.is_empty() {
        Ok(positions)
    } else {
        Err(raw.broken(&lines))
    }
}

/// The line for a column that is not there.
pub(super) fn missing<'a>(name: &str, mut there: impl Iterator<Item = &'a str> + Clone) -> String {
    match there
        .clone()
        .find(|other| other.trim().eq_ignore_ascii_case(name.trim()))
    {
        Some(other) => {
            format!("column {name:?} is missing; the file has {other:?}, and spelling counts")
        }
        None => {
            let mut names: Vec<String> = there
                .by_ref()
                .take(8)
                .map(|name| format!("{name:?}"))
                .collect();
            if there.next().is_some() {
                names.push("...".to_owned());
            }
            format!(
                "column {name:?} is missing; the file has {}",
                names.join(", ")
            )
        }
    }
}
