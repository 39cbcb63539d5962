//! Decoded rows on disk: what every pass after the first reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use arrow::buffer::MutableBuffer;
use arrow::datatypes::ToByteSlice;
use runtime::work::Space;

/// Bytes of a number.
const FLOAT: u64 = size_of::<f64>() as u64;

/// An unnamed file that vanishes with the process. Chunks of rows stand at their row's place: first
/// the numbers, row by row, then the labels.
pub(crate) struct Scratch {
    file: File,
    features: usize,
    /// What the file takes of the disk.
    _space: Space,
}

/// Room for one chunk; reused, so that reading allocates nothing.
pub(crate) struct Buffer {
    x: MutableBuffer,
    y: MutableBuffer,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            x: MutableBuffer::new(0),
            y: MutableBuffer::new(0),
        }
    }
}

impl Scratch {
    /// In a folder, for rows of so many features.
    pub(crate) fn new(folder: &Path, space: Space, features: usize) -> std::io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            features,
            _space: space,
        })
    }

    /// Bytes of `rows` rows.
    pub(crate) fn bytes(rows: u64, features: usize) -> u64 {
        rows.saturating_mul((features as u64 + 1) * FLOAT)
    }

    /// Writes the chunk whose first row is number `row` of all rows. Several threads may write at
    /// once.
    pub(crate) fn write(&self, row: u64, x: &[f64], y: &[f64]) -> std::io::Result<()> {
        let start = Self::bytes(row, self.features);
        self.file.write_all_at(x.to_byte_slice(), start)?;
        self.file
            .write_all_at(y.to_byte_slice(), start + size_of_val(x) as u64)
    }

    /// Reads the chunk of `rows` rows that was written at `row`.
    pub(crate) fn read<'a>(
        &self,
        row: u64,
        rows: usize,
        buffer: &'a mut Buffer,
    ) -> Result<(&'a [f64], &'a [f64])> {
        let start = Self::bytes(row, self.features);
        let of_x = rows * self.features * size_of::<f64>();
        buffer.x.resize(of_x, 0);
        buffer.y.resize(rows * size_of::<f64>(), 0);
        self.file
            .read_exact_at(buffer.x.as_slice_mut(), start)
            .and_then(|()| {
                let y = buffer.y.as_slice_mut();
                self.file.read_exact_at(y, start + of_x as u64)
            })
            .context("reading decoded rows from the scratch folder (--work)")?;
        Ok((buffer.x.typed_data(), buffer.y.typed_data()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::work::Disk;

    #[test]
    fn chunks_come_back_bit_by_bit_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path(), Disk::default().space(), 2).unwrap();
        let x: Vec<f64> = vec![-0.0, 1e-308, f64::MAX, 0.1, -5.5, 7.0];
        scratch.write(2, &x[4..], &[1.0]).unwrap();
        scratch.write(0, &x[..4], &[1.0, 0.0]).unwrap();
        let mut buffer = Buffer::new();
        let (tail, labels) = scratch.read(2, 1, &mut buffer).unwrap();
        assert_eq!((tail, labels), (&x[4..], &[1.0][..]));
        let (head, labels) = scratch.read(0, 2, &mut buffer).unwrap();
        assert_eq!(
            head.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            x[..4].iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
        assert_eq!(labels, [1.0, 0.0]);
    }
}
