//! Where batches of rows end: at a number of rows, or of bytes.
//!
//! Both are constants, and only the rows decide: neither a budget nor how a file is cut into pages
//! and encoded. So what is written from batches has the same bytes everywhere.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use std::sync::Arc;

use crate::values;

/// Rows of a batch at most: what is in memory at once, for each file that is read or written.
pub const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of a batch at most, those of its texts and those of everything else apart; a longer text
/// is a batch of its own.
pub const BATCH_BYTES: usize = 8 << 20;
/// Rows of a batch of very many columns.
const LEAST_ROWS: usize = 64;

/// Batches of rows.
pub type Rows = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Rows of a batch at most where rows are wide: [`BATCH_ROWS`] up to 128 columns of 8 bytes, and
/// fewer beyond. A power of two, so that batches fill the blocks in which sums are taken.
pub fn batch_rows(schema: &Schema) -> usize {
    let width: usize = schema
        .fields()
        .iter()
        .map(|field| width(field.data_type()))
        .sum();
    let rows = (BATCH_BYTES / width.max(1)).clamp(LEAST_ROWS, BATCH_ROWS);
    1 << rows.ilog2()
}

/// Bytes of a row; `None` where texts decide it.
pub(crate) fn row_bytes(schema: &Schema) -> Option<usize> {
    let fields = schema.fields().iter();
    let widths =
        fields.map(|field| (!is_text(field.data_type())).then(|| width(field.data_type())));
    widths.sum()
}

/// Bytes of a value, but for what a text says.
fn width(data_type: &DataType) -> usize {
    match data_type {
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(4),
    }
}

/// Whether values are texts, however they are kept in memory.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The schema of cut batches: texts are [`DataType::Utf8`].
pub(crate) fn plain_texts(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| match is_text(field.data_type()) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        false => field.clone(),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(plain).collect();
    Arc::new(Schema::new(fields))
}

/// Rows cut into batches of at most so many rows, and of texts of at most so many bytes.
pub(crate) struct Cut<I> {
    rows: I,
    schema: SchemaRef,
    most_rows: usize,
    most_bytes: usize,
    /// What was read and is in no batch yet.
    rest: Option<RecordBatch>,
    /// The beginning of the next batch.
    begun: Vec<RecordBatch>,
    begun_rows: usize,
    begun_bytes: usize,
}

impl<I: Iterator<Item = Result<RecordBatch>>> Cut<I> {
    /// Of rows that have this schema, but for how texts are kept in memory.
    pub(crate) fn new(rows: I, schema: &Schema, most_rows: usize, most_bytes: usize) -> Self {
        Self {
            rows,
            schema: plain_texts(schema),
            most_rows,
            most_bytes,
            rest: None,
            begun: Vec::new(),
            begun_rows: 0,
            begun_bytes: 0,
        }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let piece = match self.rest.take() {
                Some(rest) => rest,
                None => match self.rows.next() {
                    Some(piece) => piece?,
                    None if self.begun.is_empty() => return Ok(None),
                    None => return self.end().map(Some),
                },
            };
            if piece.num_rows() == 0 {
                continue;
            }
            let fitting = self.fitting(&piece);
            if fitting > 0 {
                self.begin(&piece.slice(0, fitting))?;
            }
            if fitting < piece.num_rows() {
                self.rest = Some(piece.slice(fitting, piece.num_rows() - fitting));
            }
            if self.rest.is_some() || self.begun_rows == self.most_rows {
                return self.end().map(Some);
            }
        }
    }

    /// How many rows of a piece the batch still takes; a first row always.
    fn fitting(&mut self, piece: &RecordBatch) -> usize {
        let rows = piece.num_rows().min(self.most_rows - self.begun_rows);
        let texts: Vec<Lengths<'_>> = piece.columns().iter().filter_map(Lengths::of).collect();
        if texts.is_empty() {
            return rows;
        }
        let mut bytes = self.begun_bytes;
        for row in 0..rows {
            bytes += texts.iter().map(|text| text.of_row(row)).sum::<usize>();
            if bytes > self.most_bytes && self.begun_rows + row > 0 {
                return row;
            }
            self.begun_bytes = bytes;
        }
        rows
    }

    fn begin(&mut self, piece: &RecordBatch) -> Result<()> {
        let plain = |(column, field): (&ArrayRef, &Arc<Field>)| -> Result<ArrayRef> {
            Ok(match column.data_type() == field.data_type() {
                true => column.clone(),
                // Of texts alone: nothing else is of another type.
                false => Arc::new(values::texts(column)?),
            })
        };
        let columns = piece.columns().iter().zip(self.schema.fields());
        let columns = columns.map(plain).collect::<Result<Vec<ArrayRef>>>()?;
        self.begun_rows += piece.num_rows();
        // Where no column is read, rows are counted all the same.
        let options = RecordBatchOptions::new().with_row_count(Some(piece.num_rows()));
        let begun = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        self.begun.push(begun);
        Ok(())
    }

    fn end(&mut self) -> Result<RecordBatch> {
        let pieces = std::mem::take(&mut self.begun);
        (self.begun_rows, self.begun_bytes) = (0, 0);
        match <[RecordBatch; 1]>::try_from(pieces) {
            Ok([whole]) => Ok(whole),
            Err(pieces) => Ok(concat_batches(&self.schema, &pieces)?),
        }
    }
}

impl<I: Iterator<Item = Result<RecordBatch>>> Iterator for Cut<I> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// How long the texts of a column are.
enum Lengths<'a> {
    Offsets(&'a [i32]),
    LargeOffsets(&'a [i64]),
    Views(&'a [u128]),
    /// Of a dictionary: the place of each row's value, and the lengths of the values.
    Places(Vec<Option<usize>>, Box<Lengths<'a>>),
}

impl<'a> Lengths<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        match column.data_type() {
            DataType::Utf8 => Some(Self::Offsets(column.as_string::<i32>().value_offsets())),
            DataType::LargeUtf8 => Some(Self::LargeOffsets(
                column.as_string::<i64>().value_offsets(),
            )),
            DataType::Utf8View => Some(Self::Views(column.as_string_view().views())),
            DataType::Dictionary(..) => {
                let dictionary = column.as_any_dictionary_opt()?;
                if dictionary.values().is_empty() {
                    return None;
                }
                let lengths = Self::of(dictionary.values())?;
                let places = dictionary.normalized_keys().into_iter().enumerate();
                let places = places.map(|(row, place)| column.is_valid(row).then_some(place));
                Some(Self::Places(places.collect(), Box::new(lengths)))
            }
            _ => None,
        }
    }

    fn of_row(&self, row: usize) -> usize {
        match self {
            Self::Offsets(offsets) => (offsets[row + 1] - offsets[row]) as usize,
            Self::LargeOffsets(offsets) => (offsets[row + 1] - offsets[row]) as usize,
            // The length is the low half of a view.
            Self::Views(views) => views[row] as u32 as usize,
            Self::Places(places, lengths) => places[row].map_or(0, |place| lengths.of_row(place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Float64Array, StringArray, StringViewArray};
    use arrow::compute::cast;
    use arrow::datatypes::Int8Type;

    fn texts(column: ArrayRef) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("t", column.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap()
    }

    /// Rows of the batches that pieces of `piece` rows are cut into.
    fn cut(all: &RecordBatch, piece: usize, rows: usize, bytes: usize) -> Vec<usize> {
        let pieces = (0..all.num_rows())
            .step_by(piece)
            .map(|at| Ok(all.slice(at, piece.min(all.num_rows() - at))));
        let cut: Vec<RecordBatch> = Cut::new(pieces, &all.schema(), rows, bytes)
            .map(Result::unwrap)
            .collect();
        let schema = plain_texts(&all.schema());
        let joined = concat_batches(&schema, &cut).unwrap();
        let expected = cast(all.column(0), schema.field(0).data_type()).unwrap();
        assert_eq!(joined.column(0), &expected);
        cut.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn texts_end_a_batch_wherever_pieces_end_and_however_they_are_kept() {
        let values = [
            "aaaa",
            "b",
            "",
            "ccccccccccccccccccccc",
            "dd",
            "aaaa",
            "aaaa",
        ];
        let plain: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let viewed: ArrayRef = Arc::new(StringViewArray::from(values.to_vec()));
        let dictionary: DictionaryArray<Int8Type> = values.into_iter().collect();
        let large = cast(&plain, &DataType::LargeUtf8).unwrap();
        for column in [plain, viewed, large, Arc::new(dictionary)] {
            let all = texts(column);
            for piece in 1..=8 {
                // The long text is a batch of its own.
                assert_eq!(cut(&all, piece, 100, 10), [3, 1, 3], "pieces of {piece}");
                assert_eq!(
                    cut(&all, piece, 2, 10),
                    [2, 1, 1, 2, 1],
                    "pieces of {piece}"
                );
                assert_eq!(cut(&all, piece, 4, 1000), [4, 3], "pieces of {piece}");
            }
        }
    }

    #[test]
    fn rows_alone_end_a_batch_of_numbers() {
        let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..25).map(f64::from)));
        let all = texts(column);
        for piece in [1, 3, 10, 25] {
            assert_eq!(cut(&all, piece, 10, 1), [10, 10, 5]);
        }
    }

    #[test]
    fn batches_of_very_many_columns_are_shorter() {
        let columns = |count: usize| {
            let field = |i| Field::new(format!("x{i}"), DataType::Float64, true);
            batch_rows(&Schema::new((0..count).map(field).collect::<Vec<_>>()))
        };
        assert_eq!(columns(1), BATCH_ROWS);
        assert_eq!(columns(128), BATCH_ROWS);
        assert_eq!(columns(129), BATCH_ROWS / 2);
        assert_eq!(columns(1_000), 1024);
        assert_eq!(columns(10_000), 64);
        assert_eq!(columns(1_000_000), LEAST_ROWS);
    }
}
