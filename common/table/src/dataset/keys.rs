//! Rows by what names them: a 128-bit hash of their key columns, the same on every machine and in
//! every version.

use std::hash::Hasher;

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::DataType;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::rule;
use crate::values;

/// Length that represents null; no text is as long.
const NULL: u64 = u64::MAX;

/// Key columns, made ready for reading row by row.
pub struct Keys {
    columns: Vec<Values>,
    rows: usize,
}

enum Values {
    Whole(Int64Array),
    Text(StringArray),
    Bool(BooleanArray),
}

impl Keys {
    /// The type of a column must be one that an id or a time can have.
    pub fn new(columns: &[ArrayRef]) -> anyhow::Result<Self> {
        Ok(Self {
            rows: columns.first().map_or(0, |column| column.len()),
            columns: columns
                .iter()
                .map(of_column)
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// Writes the key of a row, over what `bytes` holds. Other keys have other bytes: a text is
    /// written as its length and bytes, everything else as a 64-bit whole number, little-endian.
    pub fn encode(&self, row: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        for column in &self.columns {
            match column {
                Values::Whole(values) if values.is_valid(row) => {
                    bytes.extend(values.value(row).to_le_bytes())
                }
                Values::Bool(values) if values.is_valid(row) => {
                    bytes.extend(i64::from(values.value(row)).to_le_bytes())
                }
                Values::Text(values) if values.is_valid(row) => {
                    let text = values.value(row).as_bytes();
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text);
                }
                _ => bytes.extend(NULL.to_le_bytes()),
            }
        }
    }

    /// The hash of each row: SipHash-1-3 with 128 bits and key 0 over what [`Keys::encode`] writes.
    pub fn into_hashes(self) -> impl Iterator<Item = u128> {
        let mut bytes = Vec::with_capacity(64);
        (0..self.rows).map(move |row| {
            self.encode(row, &mut bytes);
            let mut hasher = SipHasher13::new();
            hasher.write(&bytes);
            hasher.finish128().as_u128()
        })
    }
}

/// The hash of each row over the columns; see [`Keys`].
pub(crate) fn hashes(columns: &[ArrayRef]) -> anyhow::Result<impl Iterator<Item = u128> + use<>> {
    Ok(Keys::new(columns)?.into_hashes())
}

/// The key of a row as a message shows it.
pub fn show(names: &[String], columns: &[ArrayRef], row: usize) -> String {
    let shown = names.iter().zip(columns).map(|(name, column)| {
        let value = rule::show(column, row);
        format!("{name} {value}")
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn of_column(column: &ArrayRef) -> anyhow::Result<Values> {
    Ok(match column.data_type() {
        DataType::Utf8 => Values::Text(column.as_string().clone()),
        DataType::Boolean => Values::Bool(column.as_boolean().clone()),
        // Floats differ where their bits do.
        DataType::Float32 | DataType::Float64 => {
            let floats = values::floats(column).context("a type of numbers")?;
            Values::Whole(floats.unary(|value| value.to_bits() as i64))
        }
        // Dates as days, timestamps as microseconds.
        other => Values::Whole(
            values::integers(column).with_context(|| format!("a key is of type {other}"))?,
        ),
    })
}
