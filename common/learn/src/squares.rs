//! Sums of squares of numbers that may be so small that their squares are 0.

/// A power of two, so that it changes no digit: numbers whose squares underflow are counted in
/// units of its inverse too.
const UNIT: f64 = f64::from_bits((1023 + 600) << 52);
/// A sum below it may lack squares that underflowed.
const SMALL: f64 = 1e-280;

/// A sum of squares, which never decreases.
///
/// ```
/// use learn::squares::Squares;
///
/// let mut squares = Squares::default();
/// squares.add(|unit| (3e-200 * unit) * (3e-200 * unit));
/// assert_eq!(squares.deviation(1.0), 3e-200);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Squares {
    sum: f64,
    /// The same of the numbers times [`UNIT`]; of no meaning unless `sum` is small.
    large: f64,
}

impl Squares {
    /// Of no numbers.
    pub const NONE: Self = Self {
        sum: 0.0,
        large: 0.0,
    };

    /// A sum that is known, and the same of the numbers times a unit.
    pub fn of(sum: f64, times: impl FnOnce(f64) -> f64) -> Self {
        if sum >= SMALL || sum.is_nan() {
            return Self { sum, large: 0.0 };
        }
        // Numbers that overflow in the unit have squares: their weight is what is small.
        let large = Some(times(UNIT)).filter(|large| large.is_finite());
        Self {
            sum,
            large: large.unwrap_or(sum * UNIT * UNIT),
        }
    }

    /// Adds squares of numbers times a unit.
    #[inline]
    pub fn add(&mut self, times: impl Fn(f64) -> f64) {
        self.merge(&Self::of(times(1.0), times));
    }

    /// Adds those of other numbers.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.large += other.large;
    }

    /// The sum over a weight in some unit, and this unit.
    pub fn variance(&self, weight: f64) -> (f64, f64) {
        let large = self.large / weight;
        if self.sum < SMALL && large.is_finite() {
            return (large, UNIT);
        }
        (self.sum / weight, 1.0)
    }

    /// The root of the sum over a weight.
    pub fn deviation(&self, weight: f64) -> f64 {
        let (variance, unit) = self.variance(weight);
        variance.sqrt() / unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Squares {
        let mut squares = Squares::default();
        for value in values {
            squares.add(|unit| (value * unit) * (value * unit));
        }
        squares
    }

    #[test]
    fn small_numbers_and_large_ones_have_their_deviation() {
        for scale in [5e-310, 1e-200, 1e-162, 1e-140, 1.0, 1e150] {
            let deviation = of(&[3.0 * scale, 4.0 * scale]).deviation(2.0);
            let expected = 12.5_f64.sqrt() * scale;
            // Of the smallest numbers few digits are left.
            let digits = if scale < 1e-300 { 1e-12 } else { 1e-15 };
            assert!((deviation / expected - 1.0).abs() < digits, "{deviation:e}");
        }
        assert_eq!(of(&[0.0, 0.0]).deviation(2.0), 0.0);
        for (weight, deviation) in [(0.0, 0.0), (1e-290, 50.0)] {
            let mut squares = Squares::default();
            squares.add(|unit| (50.0 * unit) * (50.0 * unit) * weight);
            assert_eq!(squares.deviation(f64::max(weight, 1e-290)), deviation);
        }
        assert_eq!(of(&[2.0, 2e-200, 0.0]).deviation(1.0), 2.0);
        let mut both = of(&[3e-200]);
        both.merge(&of(&[4e-200]));
        assert_eq!(both, of(&[3e-200, 4e-200]));
        both.merge(&of(&[3.0]));
        assert_eq!(both.deviation(1.0), 3.0);
    }
}
