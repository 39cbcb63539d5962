//! Fixed buckets around a centre: fine near it, wider with distance.

use serde::{Deserialize, Serialize};

use crate::cells::units;

/// Below 2^-6 from the centre buckets have the constant width 2^-13; beyond, each octave has this
/// many.
const PER_OCTAVE: u32 = 128;
/// Bits of the mantissa that do not distinguish buckets.
const DROPPED_BITS: u32 = 52 - PER_OCTAVE.ilog2();
const LINEAR_BELOW: f64 = 1.0 / 64.0;
const LINEAR_PER_UNIT: f64 = 8192.0;
const LINEAR: i32 = 128;
/// From 2^-6 to 2^20.
const OCTAVES: i32 = 26;
/// The bucket on each side that holds everything from 2^20 on.
pub(super) const OVERFLOW: i32 = LINEAR + OCTAVES * PER_OCTAVE as i32;
/// Leading bits of 2^-6: the exponent with its bias, then the first bits of the mantissa.
const FIRST_OCTAVE: u64 = (1023 - 6) * PER_OCTAVE as u64;

/// Where the buckets lie: z = (value - center) / scale.
///
/// Bucket i holds z from cut i up to cut i + 1; 0 is a cut, and negative buckets mirror the others.
/// A bucket is at most 1/64 of its distance from the centre wide, and at least 2^-13.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Unchecked")]
pub struct Grid {
    center: f64,
    scale: f64,
}

#[derive(Deserialize)]
struct Unchecked {
    center: f64,
    scale: f64,
}

impl From<Unchecked> for Grid {
    fn from(grid: Unchecked) -> Self {
        Self::new(grid.center, grid.scale)
    }
}

impl Grid {
    /// A grid around the reference's mean, in units of its standard deviation. A scale that is not
    /// a positive number (a constant or empty reference) becomes 1; a centre that is not finite
    /// becomes 0.
    pub fn new(center: f64, scale: f64) -> Self {
        let (center, scale) = units(center, scale);
        Self { center, scale }
    }

    /// Value in the middle of the grid.
    pub fn center(&self) -> f64 {
        self.center
    }

    /// Unit of the grid.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Bucket of a finite value, from -[`OVERFLOW`] - 1 to [`OVERFLOW`]. A larger value never has a
    /// smaller bucket.
    #[inline]
    pub(super) fn bucket(&self, value: f64) -> i32 {
        let z = (value - self.center) * (1.0 / self.scale);
        let size = z.abs();
        let bucket = if size < LINEAR_BELOW {
            (size * LINEAR_PER_UNIT) as i32
        } else {
            let leading = (size.to_bits() >> DROPPED_BITS) - FIRST_OCTAVE;
            (leading as i32 + LINEAR).min(OVERFLOW)
        };
        if z >= 0.0 { bucket } else { -bucket - 1 }
    }

    /// Value at the lower end of a bucket; infinite below the lowest and above the highest.
    pub(super) fn cut(&self, bucket: i32) -> f64 {
        let steps = bucket.abs();
        let size = if steps <= LINEAR {
            f64::from(steps) / LINEAR_PER_UNIT
        } else if steps > OVERFLOW {
            f64::INFINITY
        } else {
            f64::from_bits(((steps - LINEAR) as u64 + FIRST_OCTAVE) << DROPPED_BITS)
        };
        self.center + self.scale * if bucket < 0 { -size } else { size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_bound_their_buckets() {
        let grid = Grid::new(0.0, 1.0);
        assert_eq!(
            (grid.cut(0), grid.cut(OVERFLOW), grid.cut(-OVERFLOW)),
            (0.0, 1_048_576.0, -1_048_576.0)
        );
        for bucket in -OVERFLOW..OVERFLOW {
            let (lower, upper) = (grid.cut(bucket), grid.cut(bucket + 1));
            assert!(lower < upper);
            assert_eq!(grid.bucket(lower / 2.0 + upper / 2.0), bucket);
            // A cut belongs to the bucket that is farther from the centre.
            assert_eq!(
                grid.bucket(lower),
                if bucket >= 0 { bucket } else { bucket - 1 }
            );
        }
    }

    #[test]
    fn order_is_kept_to_the_ends_of_the_numbers() {
        for grid in [
            Grid::new(0.0, 1.0),
            Grid::new(-7.3, 0.021),
            Grid::new(1e300, 1e-299),
        ] {
            let mut values = vec![
                f64::MIN,
                -1e30,
                -1.0,
                -f64::MIN_POSITIVE,
                -0.0,
                0.0,
                1e-9,
                0.5,
                3.0,
                1e30,
                f64::MAX,
            ];
            values
                .extend((-500..500).map(|i| grid.center() + grid.scale() * f64::from(i) * 0.0173));
            values.sort_by(f64::total_cmp);
            let buckets: Vec<i32> = values.iter().map(|&value| grid.bucket(value)).collect();
            assert!(buckets.is_sorted());
            assert!(
                buckets
                    .iter()
                    .all(|bucket| (-OVERFLOW - 1..=OVERFLOW).contains(bucket))
            );
        }
    }

    #[test]
    fn a_reference_without_spread_gets_a_unit_grid() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-310] {
            assert_eq!(Grid::new(5.0, scale), Grid::new(5.0, 1.0));
        }
        assert_eq!(Grid::new(f64::NAN, 2.0), Grid::new(0.0, 2.0));
    }
}
