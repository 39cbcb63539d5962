//! Rows of one raw file on their way to their entities: one object for each file, with its rows in
//! buckets. All rows of an entity are in the same bucket, whatever their file.
//!
//! An object holds one Arrow IPC stream for each bucket that has rows, an index of them, and bytes
//! of the caller's. So a reader of a bucket's rows reads one range of each object.

mod object;
mod once;
mod partitioned;
mod sorted;

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::dataset::keys::{Keys, show};
use runtime::failure::Failure;

pub use object::{Attached, Entry, ShuffleWriter, Shuffled, index, read, read_all};
pub use once::{Doubles, Once};
pub use sorted::{RowSorter, SortedRows};

/// Bytes of raw files for each bucket, about.
const BUCKET_BYTES: u64 = 16 << 20;
/// What the scratch folder is used for, in errors.
const PURPOSE: &str = "sorting rows into buckets by entity";
/// Buckets at most: each takes a range of every file.
const MAX_BUCKETS: u64 = 512;

/// How many buckets there are for raw files of so many bytes in all.
pub fn buckets(bytes: u64) -> usize {
    bytes.div_ceil(BUCKET_BYTES).clamp(1, MAX_BUCKETS) as usize
}

/// Which columns of raw rows are shuffled, and by which they are put together and sorted.
#[derive(Clone, Debug)]
pub struct Shape {
    /// All columns of raw rows.
    raw: SchemaRef,
    /// Places of those that are shuffled: first the entity's, time and the ids, which rows are
    /// sorted by.
    places: Vec<usize>,
    /// How many of them name the entity.
    entity: usize,
    /// How many of them rows are sorted by.
    keys: usize,
}

impl Shape {
    /// Of raw rows in which `reads` says for each column whether the query reads it. Rows are put
    /// together by `entity` and sorted by `order` within it; columns that are in both count once.
    ///
    /// # Errors
    /// A name that is no column.
    pub fn new(
        raw: &SchemaRef,
        reads: &[bool],
        entity: &[String],
        order: &[String],
    ) -> Result<Self> {
        let mut places: Vec<usize> = Vec::new();
        for name in entity {
            places.push(raw.index_of(name)?);
        }
        let entity = places.len();
        for name in order {
            let place = raw.index_of(name)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let keys = places.len();
        let others = (0..reads.len()).filter(|&place| reads[place]);
        let others: Vec<usize> = others.filter(|place| !places.contains(place)).collect();
        places.extend(others);
        Ok(Self {
            raw: raw.clone(),
            places,
            entity,
            keys,
        })
    }

    /// Schema of the rows in an object.
    pub fn schema(&self) -> SchemaRef {
        self.with(&[])
    }

    /// Schema of the rows as they are sorted to be put together: the columns of
    /// [`Shape::schema`], and after those that decide the order the place of the file and of the
    /// row in it.
    pub fn sorted_schema(&self) -> SchemaRef {
        self.with(&[("file", DataType::UInt32), ("row", DataType::UInt64)])
    }

    /// The shuffled columns, and others after those that decide the order. Names do not matter, and
    /// those of raw files may be any.
    fn with(&self, others: &[(&str, DataType)]) -> SchemaRef {
        let columns = self.places.iter().map(|&place| self.raw.field(place));
        let mut fields: Vec<Field> = columns
            .map(|field| field.clone().with_nullable(true))
            .collect();
        let others = others
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), false));
        fields.splice(self.keys..self.keys, others);
        Arc::new(Schema::new(fields))
    }

    /// The shuffled columns of raw rows of the file `key`.
    fn shuffled(&self, key: &str, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.places.iter();
        let columns: Vec<ArrayRef> = columns.map(|&place| rows.column(place).clone()).collect();
        let schema = self.schema();
        for (place, column) in columns[..self.entity].iter().enumerate() {
            if let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
                let names: Vec<String> = (self.entity..self.keys)
                    .map(|key| schema.field(key).name().clone())
                    .collect();
                let row = show(&names, &columns[self.entity..self.keys], row);
                return Err(Failure::contract(format!(
                    "{key}: {:?} is null in the row of {row}, and rows are put together by \
                     its values: give the row a value, leave it out by the filter of \
                     dataset.json, or name other columns as its \"entity\"",
                    schema.field(place).name()
                )));
            }
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    /// Raw rows of the file `key` with the columns of [`Shape::sorted_schema`]: `file` is its
    /// place, and `first` that of the first of these rows in it.
    ///
    /// # Errors
    /// A row without an entity: exit 10.
    pub fn sorted(
        &self,
        key: &str,
        rows: &RecordBatch,
        file: u32,
        first: u64,
    ) -> Result<RecordBatch> {
        self.placed(&self.shuffled(key, rows)?, file, first)
    }

    /// Columns of rows in an object as those that are sorted: `file` and `first` say where the rows
    /// are from.
    fn placed(&self, rows: &RecordBatch, file: u32, first: u64) -> Result<RecordBatch> {
        use arrow::array::{UInt32Array, UInt64Array};
        let count = rows.num_rows();
        let mut columns = rows.columns().to_vec();
        let places: [ArrayRef; 2] = [
            Arc::new(UInt32Array::from_value(file, count)),
            Arc::new(UInt64Array::from_iter_values(first..first + count as u64)),
        ];
        columns.splice(self.keys..self.keys, places);
        Ok(RecordBatch::try_new(self.sorted_schema(), columns)?)
    }

    /// The hash of the entity of each sorted row.
    ///
    /// # Errors
    /// Rows of another schema than [`Shape::sorted_schema`].
    pub fn entities(&self, sorted: &RecordBatch) -> Result<impl Iterator<Item = u64> + use<>> {
        let columns = &sorted.columns()[..self.entity];
        Ok(Keys::new(columns)?.into_hashes().map(|hash| hash as u64))
    }

    /// Sorted rows as raw rows again, and the place of the file of each. Columns that nobody reads
    /// are null.
    ///
    /// # Errors
    /// Rows of another schema than [`Shape::sorted_schema`].
    pub fn raw_rows(&self, sorted: &RecordBatch) -> Result<(RecordBatch, Vec<u32>)> {
        use arrow::array::AsArray;
        use arrow::datatypes::UInt32Type;
        let rows = sorted.num_rows();
        let files = sorted.column(self.keys).as_primitive::<UInt32Type>();
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.raw.fields().len()];
        let mut shuffled = sorted.columns().to_vec();
        shuffled.drain(self.keys..self.keys + 2);
        for (&place, column) in self.places.iter().zip(shuffled) {
            columns[place] = Some(column);
        }
        let fields = self.raw.fields().iter();
        let columns: Vec<ArrayRef> = columns
            .into_iter()
            .zip(fields)
            .map(|(column, field)| {
                column.unwrap_or_else(|| new_null_array(field.data_type(), rows))
            })
            .collect();
        let batch = RecordBatch::try_new(self.raw.clone(), columns)?;
        Ok((batch, files.values().to_vec()))
    }
}

#[cfg(test)]
mod tests;
