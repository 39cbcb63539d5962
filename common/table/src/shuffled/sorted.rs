//! Sorting whole rows by their columns, from the first to the last, nulls first.

use std::io::{self, Read, Write};

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, RowParser, SortField};

use crate::parts::{BATCH_BYTES, batch_rows};
use runtime::work::Work;
use store::spill::{Record, Sorted, Sorter, fill};

/// Bytes that a row takes besides its values.
const OVERHEAD: usize = size_of::<Packed>() + 16;

/// A row as bytes, which are in the order of its columns.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed(Vec<u8>);

impl Record for Packed {
    const PURPOSE: &'static str = "sorting rows by their entity";

    fn size(&self) -> usize {
        self.0.len() + OVERHEAD
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&self.0)
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut row = Self(Vec::new());
        Ok(row.read_over(from)?.then_some(row))
    }

    fn read_over(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut length = [0; 4];
        if !fill(from, &mut length)? {
            return Ok(false);
        }
        self.0.resize(u32::from_le_bytes(length) as usize, 0);
        from.read_exact(&mut self.0)?;
        Ok(true)
    }
}

/// Sorts rows, in a scratch folder what does not fit in memory.
pub struct RowSorter {
    schema: SchemaRef,
    converter: RowConverter,
    sorter: Sorter<Packed>,
}

impl RowSorter {
    /// Keeps at most `memory` bytes of rows in memory.
    ///
    /// # Errors
    /// A column of a type that has no order.
    pub fn new(schema: &SchemaRef, work: &Work, memory: usize) -> Result<Self> {
        let fields = schema.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            schema: schema.clone(),
            converter: RowConverter::new(fields.collect())?,
            sorter: Sorter::with_memory(work, memory),
        })
    }

    /// Takes in rows.
    ///
    /// # Errors
    /// A scratch folder that can't be written, or the budget of disk.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let packed = self.converter.convert_columns(rows.columns())?;
        packed
            .iter()
            .try_for_each(|row| self.sorter.push(Packed(row.as_ref().to_vec())))
    }

    /// The rows in order, in batches whose ends depend on the rows alone.
    ///
    /// # Errors
    /// Those of [`RowSorter::push`].
    pub fn finish(self) -> Result<SortedRows> {
        Ok(SortedRows {
            parser: self.converter.parser(),
            converter: self.converter,
            rows: self.sorter.finish()?,
            most: batch_rows(&self.schema),
            schema: self.schema,
            bytes: Vec::new(),
            ends: Vec::new(),
        })
    }
}

/// Rows in order.
pub struct SortedRows {
    schema: SchemaRef,
    converter: RowConverter,
    parser: RowParser,
    rows: Sorted<Packed>,
    most: usize,
    /// The rows of a batch, one after the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SortedRows {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        self.bytes.clear();
        self.ends.clear();
        while self.ends.len() < self.most && self.bytes.len() < BATCH_BYTES {
            match &mut self.rows {
                Sorted::Memory(rows) => match rows.next() {
                    Some(Packed(row)) => self.bytes.extend(row),
                    None => break,
                },
                Sorted::Merged(rows) => match rows.next_ref()? {
                    Some(Packed(row)) => self.bytes.extend(row),
                    None => break,
                },
            }
            self.ends.push(self.bytes.len());
        }
        if self.ends.is_empty() {
            return Ok(None);
        }
        let mut begin = 0;
        let rows = self.ends.iter().map(|&end| {
            let row = &self.bytes[begin..end];
            begin = end;
            self.parser.parse(row)
        });
        let columns = self.converter.convert_rows(rows)?;
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

impl Iterator for SortedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
