//! What is counted of a column.

use serde::{Deserialize, Serialize};

use super::{BESIDE, Cells, MINUS_INFINITY, NAN, NULL, PLUS_INFINITY};

/// Sums are kept in units of 2^-50: as whole numbers they are the same in any order.
pub const UNIT: f64 = (1_u64 << 50) as f64;
/// Farther from the centre, in units of the scale, values count as this far in sums.
const FARTHEST: f64 = 1_048_576.0;
/// Below it a square fits 63 bits in units of 2^-50.
const SMALL_SQUARE: f64 = 4_096.0;

/// Rows by cell, and the sums of their values. Negative numbers are only in what is to be taken
/// off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Nulls.
    pub nulls: i64,
    /// NaN.
    pub nans: i64,
    /// Values that are -inf.
    pub minus_infinities: i64,
    /// Values that are +inf.
    pub plus_infinities: i64,
    /// Sum of z = (value - center) / scale over finite values, in units of [`UNIT`]; |z| counts as
    /// 2^20 at most.
    pub sum: i128,
    /// Sum of the squares of z.
    pub squares: i128,
    /// Finite values by cell.
    pub cells: Vec<i64>,
}

/// What [`Counts`] leave out of the sums of values that lie too far from the centre: floats, which
/// are the same only if values are added in the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Excess {
    /// Of z.
    first: f64,
    /// Of the squares of z.
    second: f64,
}

impl Excess {
    /// Adds what the sums leave out of a value.
    #[inline]
    pub fn add(&mut self, cells: &Cells, value: f64) {
        let z = distance(cells, value);
        if z.abs() > FARTHEST && value.is_finite() {
            let counted = of_sums(cells, value);
            self.first += z - counted;
            self.second += z * z - counted * counted;
        }
    }

    /// Adds that of later values.
    pub fn merge(&mut self, later: &Self) {
        self.first += later.first;
        self.second += later.second;
    }
}

impl Counts {
    /// Of no rows yet.
    pub fn new(cells: &Cells) -> Self {
        Self {
            cells: vec![0; cells.len()],
            ..Self::default()
        }
    }

    /// Adds a value `times` times; -1 takes it off. Gives the place where it is counted.
    #[inline]
    pub fn add(&mut self, cells: &Cells, value: f64, times: i64) -> usize {
        let place = cells.place(value);
        match self.cells.get_mut(place) {
            Some(cell) => {
                *cell += times;
                let (first, second) = units_of(cells, value);
                self.sum += first * i128::from(times);
                self.squares += second * i128::from(times);
            }
            None if value.is_nan() => self.nans += times,
            None if value < 0.0 => self.minus_infinities += times,
            None => self.plus_infinities += times,
        }
        place
    }

    /// Counts rows without a value; a negative number takes them off.
    pub fn add_nulls(&mut self, times: i64) {
        self.nulls += times;
    }

    /// Infinite values of either sign.
    pub fn infinities(&self) -> i64 {
        self.minus_infinities + self.plus_infinities
    }

    /// Finite values.
    pub fn count(&self) -> i64 {
        self.cells.iter().sum()
    }

    /// Rows in all.
    pub fn rows(&self) -> i64 {
        self.count() + self.nulls + self.nans + self.infinities()
    }

    /// Finite values below everything in the training data.
    pub fn below(&self, cells: &Cells) -> i64 {
        self.cells[..cells.inner().start].iter().sum()
    }

    /// Finite values above everything in the training data.
    pub fn above(&self, cells: &Cells) -> i64 {
        self.cells[cells.inner().end..].iter().sum()
    }

    /// Whether the sums may count a value as nearer to the centre than it is: they are so large,
    /// and values lie beyond the training data, where alone this can be. Mean and deviation are
    /// then bounds.
    pub fn is_bounded(&self, cells: &Cells) -> bool {
        self.squares >= whole_units(FARTHEST * FARTHEST)
            && self.below(cells) + self.above(cells) > 0
    }

    /// Mean of the finite values; `None` without any.
    pub fn mean(&self, cells: &Cells) -> Option<f64> {
        self.mean_and_std(cells, &Excess::default()).0
    }

    /// Population standard deviation of the finite values; `None` without any.
    pub fn std(&self, cells: &Cells) -> Option<f64> {
        self.mean_and_std(cells, &Excess::default()).1
    }

    /// Mean and population standard deviation of the finite values, with what the sums leave out;
    /// `None` without any, and where they overflow.
    pub(super) fn mean_and_std(
        &self,
        cells: &Cells,
        excess: &Excess,
    ) -> (Option<f64>, Option<f64>) {
        let count = self.count() as f64;
        if count <= 0.0 {
            return (None, None);
        }
        // Of z.
        let mean = (self.sum as f64 / UNIT + excess.first) / count;
        let square = (self.squares as f64 / UNIT + excess.second) / count;
        let variance = (square - mean * mean).max(0.0);
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        (
            finite(cells.center() + cells.scale() * mean),
            finite(cells.scale() * variance.sqrt()),
        )
    }

    /// Whether the numbers fit the cells and none is negative.
    pub fn is_sound(&self, cells: &Cells) -> bool {
        self.cells.len() == cells.len()
            && self
                .cells
                .iter()
                .chain(&self.beside())
                .all(|count| *count >= 0)
            && self.squares >= 0
    }

    /// Whether all finite values are the special ones of their cells.
    pub(super) fn is_special(&self, cells: &Cells) -> bool {
        let (mut sum, mut squares) = (0_i128, 0_i128);
        for (cell, count) in self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, count)| **count != 0)
        {
            let Some(value) = cells.special(cell) else {
                return false;
            };
            let (first, second) = units_of(cells, value);
            sum += first * i128::from(*count);
            squares += second * i128::from(*count);
        }
        (sum, squares) == (self.sum, self.squares)
    }

    /// Adds others, whose cells are the same; `None` when a number overflows.
    pub fn merge(&mut self, other: &Self) -> Option<()> {
        for (ours, theirs) in [
            (&mut self.nulls, other.nulls),
            (&mut self.nans, other.nans),
            (&mut self.minus_infinities, other.minus_infinities),
            (&mut self.plus_infinities, other.plus_infinities),
        ]
        .into_iter()
        .chain(self.cells.iter_mut().zip(other.cells.iter().copied()))
        {
            *ours = ours.checked_add(theirs)?;
        }
        self.sum = self.sum.checked_add(other.sum)?;
        self.squares = self.squares.checked_add(other.squares)?;
        Some(())
    }

    /// What is in no cell, by its place after them.
    fn beside(&self) -> [i64; BESIDE] {
        let mut beside = [0; BESIDE];
        beside[NULL] = self.nulls;
        beside[NAN] = self.nans;
        beside[MINUS_INFINITY] = self.minus_infinities;
        beside[PLUS_INFINITY] = self.plus_infinities;
        beside
    }
}

/// What a value adds to the sum and to the sum of squares.
#[inline]
fn units_of(cells: &Cells, value: f64) -> (i128, i128) {
    let z = of_sums(cells, value);
    (whole_units(z), whole_units(z * z))
}

/// What stands for a value in sums.
#[inline]
pub(crate) fn of_sums(cells: &Cells, value: f64) -> f64 {
    distance(cells, value).clamp(-FARTHEST, FARTHEST)
}

/// From the centre to a value, in units of the scale.
#[inline]
fn distance(cells: &Cells, value: f64) -> f64 {
    (value - cells.center) * (1.0 / cells.scale)
}

/// A number in units of [`UNIT`].
#[inline]
pub(crate) fn whole_units(value: f64) -> i128 {
    let whole = rounded(value * UNIT);
    // The wide conversion is a call.
    if value.abs() < SMALL_SQUARE {
        i128::from(whole as i64)
    } else {
        whole as i128
    }
}

/// To the nearest whole number, of two as near ones to the even one: what
/// [`f64::round_ties_even`] gives, which is a call where the machine's oldest instructions are all
/// there is.
#[inline]
pub(crate) fn rounded(value: f64) -> f64 {
    /// From here on there are whole numbers only.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    let size = value.abs();
    let rounded = if size < WHOLE {
        (size + WHOLE) - WHOLE
    } else {
        size
    };
    rounded.copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        let exponents = (-60..1024).map(|power| 2_f64.powi(power));
        let sizes =
            exponents.flat_map(|of| [of, of * 1.25, of * 1.5, of * 1.75, of.next_down(), of + 0.5]);
        let few = [0.0, 0.5, 1.5, 2.5, 3.5, f64::INFINITY];
        for size in sizes.chain(few) {
            for value in [size, -size] {
                assert_eq!(
                    rounded(value).to_bits(),
                    value.round_ties_even().to_bits(),
                    "{value:e}"
                );
            }
        }
        assert!(rounded(f64::NAN).is_nan());
    }
}
