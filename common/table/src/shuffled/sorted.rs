//! Sorting whole rows by their columns, from the first to the last, nulls first.

use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, RowParser, Rows, SortField};

use crate::parts::{BATCH_BYTES, batch_rows};
use runtime::work::Work;
use store::spill::{Record, Sorted, Sorter, fill};

/// Bytes that a row takes besides its values.
const OVERHEAD: usize = size_of::<Packed>() + size_of::<usize>();

/// A row as bytes, which are in the order of its columns.
#[derive(Debug)]
struct Packed {
    /// The first bytes, which decide the order of most rows without a look at the others.
    begin: [u64; 2],
    bytes: Bytes,
}

/// Where the bytes of a row are.
#[derive(Debug)]
enum Bytes {
    /// Among those of its batch: a row has no memory of its own.
    Shared(Arc<Rows>, u32),
    /// Read from a scratch file.
    Owned(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::Shared(rows, row) => rows.row(*row as usize).data(),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The first bytes of a row as numbers, in their order.
fn begin(bytes: &[u8]) -> [u64; 2] {
    let mut words = [0; 2];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_be_bytes(whole);
    }
    words
}

impl Packed {
    fn new(bytes: Bytes) -> Self {
        Self {
            begin: begin(bytes.get()),
            bytes,
        }
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = self.begin.cmp(&other.begin);
        first.then_with(|| self.bytes.get().cmp(other.bytes.get()))
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Packed {}

impl Record for Packed {
    const PURPOSE: &'static str = "sorting rows by their entity";

    fn size(&self) -> usize {
        self.bytes.get().len() + OVERHEAD
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let bytes = self.bytes.get();
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(bytes)
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut row = Self::new(Bytes::Owned(Vec::new()));
        Ok(row.read_over(from)?.then_some(row))
    }

    fn read_over(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut length = [0; 4];
        if !fill(from, &mut length)? {
            return Ok(false);
        }
        let mut bytes = match &mut self.bytes {
            Bytes::Owned(bytes) => std::mem::take(bytes),
            Bytes::Shared(..) => Vec::new(),
        };
        bytes.resize(u32::from_le_bytes(length) as usize, 0);
        from.read_exact(&mut bytes)?;
        *self = Self::new(Bytes::Owned(bytes));
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
        let packed = Arc::new(self.converter.convert_columns(rows.columns())?);
        for row in 0..u32::try_from(packed.num_rows())? {
            let bytes = Bytes::Shared(packed.clone(), row);
            self.sorter.push(Packed::new(bytes))?;
        }
        Ok(())
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
                    Some(row) => self.bytes.extend(row.bytes.get()),
                    None => break,
                },
                Sorted::Merged(rows) => match rows.next_ref()? {
                    Some(row) => self.bytes.extend(row.bytes.get()),
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
