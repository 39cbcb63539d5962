//! How the columns of a part are written: as its first rows say.

use std::collections::HashSet;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{filter, is_not_null};
use arrow::datatypes::DataType;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{ROW_GROUP_BYTES, ROW_GROUP_ROWS};

/// Compression that saves less than one byte in so many costs more time than it is worth, when the
/// part is written and whenever it is read.
const SAVES: usize = 8;
/// Bytes of values that are too few to judge by: a first batch may hold a row or two.
const LEAST: usize = 1024;
/// Values of which all but one in so many are distinct gain nothing by a dictionary.
const REPEATS: usize = 20;

/// How a part that begins with `first` is written.
///
/// Numbers with many digits do not compress, and ids do not repeat: trying both on every row took a
/// fifth of preparing data.
pub(super) fn properties(first: &RecordBatch) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for (field, column) in first.schema().fields().iter().zip(first.columns()) {
        let name = || ColumnPath::from(vec![field.name().clone()]);
        let values = Plain::of(column)?;
        let are_distinct = || values.as_ref().is_some_and(Plain::are_distinct);
        if !column.data_type().is_floating() && !are_distinct() {
            continue;
        }
        properties = properties.set_column_dictionary_enabled(name(), false);
        if values.is_some_and(|values| !values.is_worth_compressing()) {
            properties = properties.set_column_compression(name(), Compression::UNCOMPRESSED);
        }
    }
    Ok(properties.build())
}

/// The values of a column as they are written without a dictionary.
struct Plain {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Plain {
    /// Of texts and of values of one width; `None` of others, and where there are none.
    fn of(column: &ArrayRef) -> Result<Option<Self>> {
        let column = match column.null_count() {
            0 => column.clone(),
            _ => filter(column, &is_not_null(column)?)?,
        };
        let mut plain = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(column.len()),
        };
        match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().iter().flatten().for_each(|text| {
                // The length comes first.
                plain.push(&[&(text.len() as u32).to_le_bytes(), text.as_bytes()]);
            }),
            data_type => {
                let Some(width) = data_type.primitive_width() else {
                    return Ok(None);
                };
                let data = column.to_data();
                let Some(buffer) = data.buffers().first() else {
                    return Ok(None);
                };
                let values = &buffer[data.offset() * width..][..data.len() * width];
                values
                    .chunks_exact(width)
                    .for_each(|value| plain.push(&[value]));
            }
        }
        Ok(Some(plain).filter(|plain| !plain.ends.is_empty()))
    }

    fn push(&mut self, pieces: &[&[u8]]) {
        pieces
            .iter()
            .for_each(|piece| self.bytes.extend_from_slice(piece));
        self.ends.push(self.bytes.len());
    }

    fn are_distinct(&self) -> bool {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let values = begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.bytes[begin..*end]);
        let distinct: HashSet<&[u8]> = values.collect();
        let count = self.ends.len();
        count >= REPEATS && distinct.len() >= count - count / REPEATS
    }

    fn is_worth_compressing(&self) -> bool {
        if self.bytes.len() < LEAST {
            return true;
        }
        let compressed = snap::raw::Encoder::new().compress_vec(&self.bytes);
        // More than 4 GiB in one batch are not.
        compressed.is_ok_and(|bytes| bytes.len() <= self.bytes.len() - self.bytes.len() / SAVES)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use learn::splitmix;

    use super::*;

    fn number(row: u64) -> u64 {
        splitmix::number(1, row)
    }

    /// Whether columns of so many rows get a dictionary, and whether they are compressed.
    fn written(column: impl Array + 'static) -> (bool, bool) {
        let field = Field::new("c", column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap();
        let properties = properties(&batch).unwrap();
        let name = ColumnPath::from(vec!["c".to_owned()]);
        let is_compressed = properties.compression(&name) == Compression::SNAPPY;
        (properties.dictionary_enabled(&name), is_compressed)
    }

    #[test]
    fn what_does_not_repeat_has_no_dictionary_and_what_does_not_shrink_is_not_compressed() {
        let rows = || 0..1000_u64;
        let texts = |text: fn(u64) -> String| StringArray::from_iter_values(rows().map(text));
        assert_eq!(
            written(texts(|row| format!(
                "{:032x}",
                u128::from(number(row)) << 64 | u128::from(number(!row))
            ))),
            (false, false)
        );
        assert_eq!(
            written(texts(|row| format!("customer {row:012}"))),
            (false, true)
        );
        assert_eq!(
            written(texts(|row| format!("{}", number(row) % 900))),
            (true, true)
        );
        let floats = |float: fn(u64) -> f64| Float64Array::from_iter_values(rows().map(float));
        assert_eq!(
            written(floats(|row| number(row) as f64 / 3.0)),
            (false, false)
        );
        assert_eq!(written(floats(|row| (row % 7) as f64)), (false, true));
        // Two rows are too few.
        let two = Float64Array::from(vec![1.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(written(two), (false, true));
        let ids = Int64Array::from_iter_values(rows().map(|row| number(row) as i64));
        assert_eq!(written(ids), (false, false));
        let classes =
            Int64Array::from_iter(rows().map(|row| (row % 5 != 0).then_some(row as i64 % 2)));
        assert_eq!(written(classes), (true, true));
    }

    #[test]
    fn rows_without_values_say_nothing() {
        assert_eq!(written(Int64Array::from(vec![None; 100])), (true, true));
        assert_eq!(written(Float64Array::from(vec![None; 100])), (false, true));
        assert_eq!(written(StringArray::from(Vec::<&str>::new())), (true, true));
        assert_eq!(written(StringArray::from(vec!["a", "b"])), (true, true));
    }
}
