//! Rows by what names them: a 128-bit hash of their key columns, the same on every machine and in every version.

use std::hash::Hasher;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Length that stands for null; no text is as long.
const NULL: u64 = u64::MAX;

/// One key column, made ready for reading row by row.
enum Key {
    Whole(arrow::array::Int64Array),
    Text(StringArray),
    Bool(BooleanArray),
}

/// The hash of each row over the columns: SipHash-1-3 with 128 bits and key 0 over each value in turn, a text as its
/// length and bytes, everything else as a 64-bit whole number, little-endian.
///
/// The type of a column must be one that an id or a time can have.
pub(crate) fn hashes(columns: &[ArrayRef]) -> anyhow::Result<impl Iterator<Item = u128> + use<>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let keys = columns
        .iter()
        .map(key)
        .collect::<anyhow::Result<Vec<Key>>>()?;
    let mut bytes = Vec::with_capacity(64);
    Ok((0..rows).map(move |row| {
        bytes.clear();
        for key in &keys {
            match key {
                Key::Whole(values) if values.is_valid(row) => {
                    bytes.extend(values.value(row).to_le_bytes())
                }
                Key::Bool(values) if values.is_valid(row) => {
                    bytes.extend(i64::from(values.value(row)).to_le_bytes())
                }
                Key::Text(values) if values.is_valid(row) => {
                    let text = values.value(row).as_bytes();
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text);
                }
                _ => bytes.extend(NULL.to_le_bytes()),
            }
        }
        let mut hasher = SipHasher13::new();
        hasher.write(&bytes);
        hasher.finish128().as_u128()
    }))
}

fn key(column: &ArrayRef) -> anyhow::Result<Key> {
    Ok(match column.data_type() {
        DataType::Utf8 => Key::Text(column.as_string().clone()),
        DataType::Boolean => Key::Bool(column.as_boolean().clone()),
        // Dates as days, timestamps as microseconds.
        DataType::Date32 => key(&cast(column, &DataType::Int32)?)?,
        _ => Key::Whole(
            cast(column, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
        ),
    })
}
