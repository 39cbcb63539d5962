//! Decoded rows on disk: what every pass after the first reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use arrow::buffer::MutableBuffer;
use arrow::datatypes::ToByteSlice;
use learn::rows::Rows;
use runtime::work::Space;

/// Bytes of a number.
const FLOAT: u64 = size_of::<f64>() as u64;

/// An unnamed file that vanishes with the process. Chunks of rows are at their row's place: first
/// the numbers, row by row, then the labels, then the weights where rows weigh.
pub(crate) struct Scratch {
    file: File,
    shape: Shape,
    /// What the file takes of the disk.
    _space: Space,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Numbers that the estimator takes.
    pub(crate) inputs: usize,
    /// Whether it weighs.
    pub(crate) weighs: bool,
}

impl Shape {
    /// Bytes of `rows` rows.
    pub(crate) fn bytes(self, rows: u64) -> u64 {
        let numbers = self.inputs as u64 + 1 + u64::from(self.weighs);
        rows.saturating_mul(numbers * FLOAT)
    }
}

/// Room for one chunk; reused, so that reading allocates nothing.
pub(crate) struct Buffer {
    x: MutableBuffer,
    y: MutableBuffer,
    weights: MutableBuffer,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            x: MutableBuffer::new(0),
            y: MutableBuffer::new(0),
            weights: MutableBuffer::new(0),
        }
    }
}

impl Scratch {
    /// In a folder, for rows of a shape.
    pub(crate) fn new(folder: &Path, space: Space, shape: Shape) -> std::io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            shape,
            _space: space,
        })
    }

    /// Writes the chunk whose first row is number `row` of all rows. Several threads may write at
    /// once.
    pub(crate) fn write(&self, row: u64, rows: Rows<'_>) -> std::io::Result<()> {
        let mut start = self.shape.bytes(row);
        for values in [Some(rows.x), Some(rows.y), rows.weights] {
            let bytes = values.unwrap_or_default().to_byte_slice();
            self.file.write_all_at(bytes, start)?;
            start += bytes.len() as u64;
        }
        Ok(())
    }

    /// Reads the chunk of `rows` rows that was written at `row`.
    pub(crate) fn read<'a>(
        &self,
        row: u64,
        rows: usize,
        buffer: &'a mut Buffer,
    ) -> Result<Rows<'a>> {
        let mut start = self.shape.bytes(row);
        let numbers = [
            (&mut buffer.x, rows * self.shape.inputs),
            (&mut buffer.y, rows),
            (&mut buffer.weights, rows * usize::from(self.shape.weighs)),
        ];
        for (values, count) in numbers {
            values.resize(count * size_of::<f64>(), 0);
            self.file
                .read_exact_at(values.as_slice_mut(), start)
                .context("reading decoded rows from the scratch folder (--work)")?;
            start += values.len() as u64;
        }
        Ok(Rows {
            x: buffer.x.typed_data(),
            y: buffer.y.typed_data(),
            weights: self.shape.weighs.then(|| buffer.weights.typed_data()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::work::Disk;

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn chunks_come_back_bit_by_bit_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let x: Vec<f64> = vec![-0.0, 1e-308, f64::MAX, 0.1, -5.5, 7.0];
        let weights = [0.0, 2.5, 1e-300];
        for weighs in [false, true] {
            let shape = Shape { inputs: 2, weighs };
            let scratch = Scratch::new(folder.path(), Disk::default().space(), shape).unwrap();
            let rows = |first: usize, end: usize, y| Rows {
                x: &x[2 * first..2 * end],
                y,
                weights: weighs.then(|| &weights[first..end]),
            };
            scratch.write(2, rows(2, 3, &[1.0])).unwrap();
            scratch.write(0, rows(0, 2, &[1.0, 0.0])).unwrap();
            let mut buffer = Buffer::new();
            for (first, end, y) in [(2, 3, &[1.0][..]), (0, 2, &[1.0, 0.0])] {
                let read = scratch
                    .read(first, (end - first) as usize, &mut buffer)
                    .unwrap();
                let (first, end) = (first as usize, end as usize);
                assert_eq!(bits(read.x), bits(&x[2 * first..2 * end]));
                assert_eq!(read.y, y);
                assert_eq!(read.weights, weighs.then(|| &weights[first..end]));
            }
        }
    }
}
