//! Decoded rows on disk: what every pass after the first reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use arrow::buffer::MutableBuffer;
use arrow::datatypes::ToByteSlice;
use learn::preprocessing::OneHot;
use learn::rows::Rows;
use runtime::work::Space;

use crate::memory::NUMBER;

/// An unnamed file that vanishes with the process. Chunks of rows are at their row's place: first
/// the numbers, row by row, then the labels, then the weights where rows weigh. Of the columns of a
/// one-hot feature one number is kept: which of them is of the row's category.
pub(crate) struct Scratch {
    file: File,
    shape: Shape,
    /// Inputs that are of no one-hot feature.
    alone: Vec<usize>,
    /// The inputs of a row of no category.
    empty: Vec<f64>,
    /// What the file takes of the disk.
    _space: Space,
}

/// What is kept of a row.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Numbers that the estimator takes.
    pub(crate) inputs: usize,
    /// Which of them are of one-hot features.
    pub(crate) one_hot: Vec<OneHot>,
    /// Whether it weighs.
    pub(crate) weighs: bool,
}

impl Shape {
    /// Bytes of `rows` rows.
    pub(crate) fn bytes(&self, rows: u64) -> u64 {
        let numbers = self.numbers() as u64 + 1 + u64::from(self.weighs);
        rows.saturating_mul(numbers * NUMBER)
    }

    /// Numbers that are kept of the inputs.
    fn numbers(&self) -> usize {
        let of_one_hot: usize = self.one_hot.iter().map(|of| of.columns.len()).sum();
        self.inputs - of_one_hot + self.one_hot.len()
    }
}

/// Room for one chunk; reused, so that reading allocates nothing.
pub(crate) struct Buffer {
    x: MutableBuffer,
    /// The inputs, where they are kept in another form.
    inputs: Vec<f64>,
    y: MutableBuffer,
    weights: MutableBuffer,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            x: MutableBuffer::new(0),
            inputs: Vec::new(),
            y: MutableBuffer::new(0),
            weights: MutableBuffer::new(0),
        }
    }
}

impl Scratch {
    /// In a folder, for rows of a shape.
    pub(crate) fn new(folder: &Path, space: Space, shape: Shape) -> std::io::Result<Self> {
        let one_hot = |input: &usize| shape.one_hot.iter().any(|of| of.columns.contains(input));
        let mut empty = vec![0.0; shape.inputs];
        for of in &shape.one_hot {
            let lowest = of.values.iter().map(|[lowest, _]| *lowest);
            let inputs = empty[of.columns.clone()].iter_mut().zip(lowest);
            inputs.for_each(|(input, lowest)| *input = lowest);
        }
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            alone: (0..shape.inputs).filter(|input| !one_hot(input)).collect(),
            empty,
            shape,
            _space: space,
        })
    }

    /// What is kept of inputs.
    fn packed(&self, x: &[f64]) -> Vec<f64> {
        let rows = x.len().checked_div(self.shape.inputs).unwrap_or(0);
        let mut packed = Vec::with_capacity(rows * self.shape.numbers());
        for row in x.chunks_exact(self.shape.inputs) {
            packed.extend(self.alone.iter().map(|&input| row[input]));
            packed.extend(self.shape.one_hot.iter().map(|of| {
                let mut inputs = row[of.columns.clone()].iter().zip(&of.values);
                let own = inputs.position(|(input, [lowest, _])| input != lowest);
                own.unwrap_or(of.columns.len()) as f64
            }));
        }
        packed
    }

    /// The inputs that were packed.
    fn unpack(&self, packed: &[f64], inputs: &mut Vec<f64>) {
        inputs.clear();
        for packed in packed.chunks_exact(self.shape.numbers()) {
            let first = inputs.len();
            inputs.extend_from_slice(&self.empty);
            let row = &mut inputs[first..];
            let (alone, own) = packed.split_at(self.alone.len());
            for (&input, number) in self.alone.iter().zip(alone) {
                row[input] = *number;
            }
            for (of, own) in self.shape.one_hot.iter().zip(own) {
                if let Some([_, value]) = of.values.get(*own as usize) {
                    row[of.columns.start + *own as usize] = *value;
                }
            }
        }
    }

    /// Writes the chunk whose first row is number `row` of all rows. Several threads may write at
    /// once.
    pub(crate) fn write(&self, row: u64, rows: Rows<'_>) -> std::io::Result<()> {
        let mut start = self.shape.bytes(row);
        let packed = (!self.shape.one_hot.is_empty()).then(|| self.packed(rows.x));
        let x = packed.as_deref().unwrap_or(rows.x);
        for values in [Some(x), Some(rows.y), rows.weights] {
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
            (&mut buffer.x, rows * self.shape.numbers()),
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
        let mut x = buffer.x.typed_data();
        if !self.shape.one_hot.is_empty() {
            self.unpack(x, &mut buffer.inputs);
            x = &buffer.inputs;
        }
        Ok(Rows {
            x,
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
            let shape = Shape {
                inputs: 2,
                one_hot: Vec::new(),
                weighs,
            };
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

    #[test]
    fn of_one_hot_columns_one_number_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape {
            inputs: 7,
            one_hot: vec![
                OneHot {
                    columns: 1..4,
                    values: vec![[0.0, 1.0]; 3],
                },
                OneHot {
                    columns: 5..7,
                    values: vec![[-0.25, 4.0], [-0.5, 2.0]],
                },
            ],
            weighs: false,
        };
        assert_eq!(shape.bytes(10), 10 * 8 * 5);
        let x = [
            [0.1, 0.0, 0.0, 1.0, -0.0, -0.25, 2.0],
            [f64::NAN, 0.0, 0.0, 0.0, 1e300, 4.0, -0.5],
            [-7.5, 1.0, 0.0, 0.0, 0.0, -0.25, -0.5],
        ];
        let (x, y) = (x.concat(), [1.0, 0.0, 1.0]);
        let rows = Rows {
            x: &x,
            y: &y,
            weights: None,
        };
        let scratch = Scratch::new(folder.path(), Disk::default().space(), shape).unwrap();
        scratch.write(4, rows).unwrap();
        let mut buffer = Buffer::new();
        let read = scratch.read(4, 3, &mut buffer).unwrap();
        assert_eq!((bits(read.x), read.y), (bits(&x), &y[..]));
    }
}
