//! A sum that keeps its rounding error.

/// Neumaier's compensated sum: the error does not grow with the number of terms, so that billions
/// of rows and any number of merged parts add up to the same sixteen digits.
///
/// A term that is not finite makes the value not finite, as in a plain sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, term: f64) {
        let total = self.total + term;
        self.lost += if self.total.abs() >= term.abs() {
            (self.total - total) + term
        } else {
            (term - total) + self.total
        };
        self.total = total;
    }

    /// Adds another sum with its remembered error.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.add(other.total);
        self.lost += other.lost;
    }

    /// The sum, rounded once.
    pub(crate) fn value(&self) -> f64 {
        // An overflow leaves infinity in one part and NaN in the other: the plain total says which
        // it was.
        if self.total.is_finite() {
            self.total + self.lost
        } else {
            self.total
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_beside_a_large_one_are_not_lost() {
        let mut sum = Sum::default();
        for term in [1.0, 1e100, 1.0, -1e100] {
            sum.add(term);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn merged_parts_equal_one_sum() {
        let (mut whole, mut left, mut right) = (Sum::default(), Sum::default(), Sum::default());
        for i in 0..1000 {
            whole.add(0.1 * f64::from(i));
            if i < 300 { &mut left } else { &mut right }.add(0.1 * f64::from(i));
        }
        left.merge(&right);
        assert_eq!(left.value(), whole.value());
    }

    #[test]
    fn overflow_stays_visible() {
        let mut sum = Sum::default();
        sum.add(f64::MAX);
        sum.add(f64::MAX);
        assert_eq!(sum.value(), f64::INFINITY);
    }
}
