//! The rows of sample files.

use std::f64::consts::TAU;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::SchemaRef;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Drift, Split, Target, UUID_CHARS};

/// One file's stream of random numbers.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Each file draws from a stream of its own, so the order in which files are written does not
    /// matter.
    pub(super) fn new(seed: u64, target: Target) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator
            .set_stream((target.ordinal as u64) << 1 | u64::from(target.split == Split::Predict));
        Self(generator)
    }

    /// Uniform in the open interval (0, 1).
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * libm::log(self.unit())).sqrt() * libm::cos(TAU * self.unit())
    }

    /// Appends a random (version 4) UUID in its usual text form.
    fn push_uuid(&mut self, text: &mut Vec<u8>) {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        for (index, byte) in bytes.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push(b'-');
            }
            text.extend(
                [byte >> 4, byte & 0x0f].map(|digit| b"0123456789abcdef"[usize::from(digit)]),
            );
        }
    }

    pub(super) fn batch(
        &mut self,
        schema: &SchemaRef,
        split: Split,
        drift: &[Drift],
        rows: usize,
    ) -> Result<RecordBatch> {
        let (first, end) = split.seconds();
        let mut dates = Vec::with_capacity(rows);
        let mut ids = Vec::with_capacity(rows * UUID_CHARS);
        let mut feature1 = Vec::with_capacity(rows);
        let mut feature2 = Vec::with_capacity(rows);
        let mut targets = Vec::with_capacity(rows);
        for _ in 0..rows {
            // The part of the year that is over.
            let over = self.unit();
            dates.push((first + (over * (end - first) as f64) as i64) * 1_000_000);
            self.push_uuid(&mut ids);
            let one = 50.0 + 15.0 * self.normal();
            let two = -libm::log(self.unit()) / 1.3;
            let has = |kind| drift.contains(&kind);
            let one = if has(Drift::ShiftedMean) {
                one + 15.0 * over
            } else {
                one
            };
            // A column breaks on its way here: what it represents goes on.
            let recorded = if has(Drift::BrokenColumn) && over >= 0.75 {
                0.0
            } else {
                two
            };
            let target = self.unit() < probability(one, two);
            // Drawn only here, so that files without drift keep their bytes.
            let target = if has(Drift::FallingAccuracy) {
                target ^ (self.unit() < 0.35 * over)
            } else {
                target
            };
            feature1.push(one);
            feature2.push(recorded);
            targets.push(i64::from(target));
        }
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(UUID_CHARS, rows));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(dates)),
            Arc::new(StringArray::try_new(offsets, Buffer::from_vec(ids), None)?),
            Arc::new(Float64Array::from(feature1)),
            Arc::new(Float64Array::from(feature2)),
            Arc::new(Int64Array::from(targets)),
        ];
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    }
}

/// Probability that the target is 1.
pub(super) fn probability(feature1: f64, feature2: f64) -> f64 {
    let logit = 0.88 + 0.038 * feature1 - 0.965 * feature2;
    1.0 / (1.0 + libm::exp(-logit))
}
