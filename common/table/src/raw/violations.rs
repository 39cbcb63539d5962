//! Rows that break the contract of a column which says that they are counted or quarantined.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::Chunk;
use crate::dataset::rule::Breach;
use crate::dataset::{Dataset, OnViolation};
use catalog::manifest::Violation;

/// Takes rows that are quarantined, in the columns of [`quarantine_schema`].
pub type TakeQuarantined = Box<dyn FnMut(&RecordBatch) -> Result<()> + Send>;

/// The columns of a file of quarantined rows: one row for each reason.
pub fn quarantine_schema(dataset: &Dataset) -> SchemaRef {
    let raw = DataType::Struct(dataset.raw_schema().fields().clone());
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("file", DataType::Utf8, false),
        field("row", DataType::Int64, false),
        field("line", DataType::Int64, true),
        field("column", DataType::Utf8, false),
        field("rule", DataType::Utf8, false),
        field("value", DataType::Utf8, true),
        field("raw", raw, false),
    ]))
}

/// What a breach is called in counts: the key of the contract that it breaks, or what its value
/// can't be.
fn rule_name(breach: &Breach) -> &'static str {
    match breach {
        Breach::Null | Breach::NanAsNull => "nullable",
        Breach::NotANumber => "nan",
        Breach::Below(_) => "min",
        Breach::Above(_) => "max",
        Breach::NotAllowed => "allowed",
        Breach::Misspelt => "type",
        Breach::Fraction => "whole",
        Breach::Beyond => "range",
        Breach::Ambiguous | Breach::Rounded | Breach::Inexact => "exact",
        Breach::Infinite => "infinite",
        Breach::NotBoolean => "bool",
        Breach::NotText => "utf-8",
        Breach::TimeOfDay => "midnight",
    }
}

/// Whether a value that breaks the contract is one of the column's type all the same.
fn can_pass(breach: &Breach) -> bool {
    matches!(
        breach,
        Breach::Below(_) | Breach::Above(_) | Breach::NotAllowed | Breach::NotANumber
    )
}

/// What becomes of rows that break the contract, by column.
pub(super) struct Actions {
    of_columns: Vec<OnViolation>,
    /// Whether there is somebody who takes quarantined rows; without one, they fail.
    pub(super) quarantines: bool,
}

impl Actions {
    pub(super) fn new(dataset: &Dataset) -> Self {
        let columns = dataset.columns.iter();
        Self {
            of_columns: columns.map(|column| column.on_violation).collect(),
            quarantines: false,
        }
    }

    /// What a breach of the column leads to.
    pub(super) fn of(&self, column: usize, breach: &Breach) -> OnViolation {
        match self.of_columns[column] {
            OnViolation::Count if can_pass(breach) => OnViolation::Count,
            OnViolation::QuarantineRow if self.quarantines => OnViolation::QuarantineRow,
            _ => OnViolation::Fail,
        }
    }

    /// Whether every row that breaks the column's contract is quarantined.
    pub(super) fn quarantine(&self, column: usize) -> bool {
        self.quarantines && self.of_columns[column] == OnViolation::QuarantineRow
    }
}

/// A breach that does not end the step.
pub(super) struct Found {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) breach: Breach,
    pub(super) value: String,
    pub(super) action: OnViolation,
}

/// Counts of them.
#[derive(Default)]
pub(super) struct Violations {
    /// Rows that are left out.
    pub(super) quarantined: u64,
    counts: BTreeMap<(usize, &'static str, bool), u64>,
}

impl Violations {
    /// Sorts out what was found in a chunk, before which the file has as many rows: gives the rows
    /// that are kept of those in `keep`, and the quarantined ones.
    pub(super) fn see(
        &mut self,
        dataset: &Dataset,
        chunk: &Chunk,
        (key, before): (&str, u64),
        keep: Option<&BooleanArray>,
        mut found: Vec<Found>,
    ) -> Result<(BooleanArray, Option<RecordBatch>)> {
        let kept = kept(chunk, keep, &found);
        found.sort_by(|one, other| {
            let place = |found: &Found| (found.row, found.column, rule_name(&found.breach));
            place(one).cmp(&place(other))
        });
        // A row that is left out passes nowhere.
        found.retain(|found| found.action == OnViolation::QuarantineRow || kept.value(found.row));
        for found in &found {
            let is_quarantined = found.action == OnViolation::QuarantineRow;
            let count = (found.column, rule_name(&found.breach), is_quarantined);
            *self.counts.entry(count).or_default() += 1;
        }
        found.retain(|found| found.action == OnViolation::QuarantineRow);
        let rows: BTreeSet<usize> = found.iter().map(|found| found.row).collect();
        self.quarantined += rows.len() as u64;
        let batch = match found.is_empty() {
            true => None,
            false => Some(quarantine(dataset, chunk, (key, before), &found)?),
        };
        Ok((kept, batch))
    }

    pub(super) fn finish(&self, dataset: &Dataset) -> Vec<Violation> {
        let counts = self.counts.iter();
        let violation =
            |(&(column, rule, quarantined), &rows): (&(usize, &str, bool), &u64)| Violation {
                column: dataset.columns[column].name.clone(),
                rule: rule.to_owned(),
                quarantined,
                rows,
            };
        Violation::sum(&counts.map(violation).collect::<Vec<_>>())
    }
}

/// The rows in `keep` that are not quarantined.
pub(super) fn kept(chunk: &Chunk, keep: Option<&BooleanArray>, found: &[Found]) -> BooleanArray {
    let rows = chunk.batch.num_rows();
    let mut kept: Vec<bool> = match keep {
        Some(keep) => (0..rows).map(|row| keep.value(row)).collect(),
        None => vec![true; rows],
    };
    for found in found {
        if found.action == OnViolation::QuarantineRow {
            kept[found.row] = false;
        }
    }
    kept.into()
}

fn quarantine(
    dataset: &Dataset,
    chunk: &Chunk,
    (key, before): (&str, u64),
    found: &[Found],
) -> Result<RecordBatch> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let texts = |text: &dyn Fn(&Found) -> Option<String>| -> ArrayRef {
        Arc::new(found.iter().map(text).collect::<StringArray>())
    };
    let rows = found
        .iter()
        .map(|found| number(before + found.row as u64 + 1));
    let lines = found
        .iter()
        .map(|found| chunk.lines.get(found.row).copied().map(number));
    let places: Int64Array = found.iter().map(|found| Some(found.row as i64)).collect();
    let column = |found: &Found| Some(dataset.columns[found.column].name.clone());
    // Null is not a text that spells it.
    let value = |found: &Found| (found.breach != Breach::Null).then(|| found.value.clone());
    let raw: StructArray = chunk.batch.clone().into();
    Ok(RecordBatch::try_new(
        quarantine_schema(dataset),
        vec![
            texts(&|_| Some(key.to_owned())),
            Arc::new(rows.map(Some).collect::<Int64Array>()),
            Arc::new(lines.collect::<Int64Array>()),
            texts(&column),
            texts(&|found| Some(rule_name(&found.breach).to_owned())),
            texts(&value),
            take(&raw, &places, None)?,
        ],
    )?)
}
