//! Kolmogorov and Smirnov's distance.

use serde::{Deserialize, Serialize};

/// Kolmogorov and Smirnov's distance of two samples' finite values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ks {
    /// Largest difference of the two cumulative shares at the cuts; the true one is not smaller.
    pub statistic: f64,
    /// How much larger the true statistic can be: what a cell might hide. At most the largest share
    /// of a cell, and 0 where each holds one value alone.
    pub error_bound: f64,
    /// Asymptotic two-sided p-value, with Stephens' correction. With many rows any difference is
    /// significant: show it, but never decide by it.
    pub p_value: f64,
}

impl Ks {
    /// Of finite values that were counted in the same cells, in their order; some of these hold one
    /// value alone, which hides nothing. `None` when either side has none.
    pub fn of_cells(
        reference: &[u64],
        current: &[u64],
        holds_one: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let (n, m) = (
            reference.iter().sum::<u64>() as f64,
            current.iter().sum::<u64>() as f64,
        );
        if n == 0.0 || m == 0.0 {
            return None;
        }
        let (mut below_a, mut below_b) = (0_u64, 0_u64);
        let (mut statistic, mut largest) = (0.0_f64, 0.0_f64);
        for (cell, (a, b)) in reference.iter().zip(current).enumerate() {
            let before = (below_a as f64 / n, below_b as f64 / m);
            below_a += a;
            below_b += b;
            let after = (below_a as f64 / n, below_b as f64 / m);
            statistic = statistic.max((after.0 - after.1).abs());
            // Within a cell one side may have all of its rows before the other has any.
            if !holds_one(cell) {
                largest = largest.max(after.0 - before.1).max(after.1 - before.0);
            }
        }
        Some(Self {
            statistic,
            error_bound: (largest - statistic).max(0.0),
            p_value: p_value(statistic, n, m),
        })
    }
}

/// Kolmogorov's limit distribution at a statistic that is corrected for finite samples (Stephens
/// 1970).
pub(crate) fn p_value(statistic: f64, n: f64, m: f64) -> f64 {
    let root = (n * m / (n + m)).sqrt();
    let x = (root + 0.12 + 0.11 / root) * statistic;
    let sum = |term: &dyn Fn(f64) -> f64| (1..=20).map(|k| term(f64::from(k))).sum::<f64>();
    // Two series of the same function; each converges at once on its side.
    let p = if x < 1e-3 {
        1.0
    } else if x < 1.18 {
        let exponent = std::f64::consts::PI * std::f64::consts::PI / (8.0 * x * x);
        1.0 - (2.0 * std::f64::consts::PI).sqrt() / x
            * sum(&|k| libm::exp(-(2.0 * k - 1.0) * (2.0 * k - 1.0) * exponent))
    } else {
        let sign = |k: f64| if k % 2.0 == 1.0 { 1.0 } else { -1.0 };
        2.0 * sum(&|k| sign(k) * libm::exp(-2.0 * k * k * x * x))
    };
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_p_value_are_one_and_zero() {
        assert_eq!(p_value(0.0, 10.0, 10.0), 1.0);
        assert_eq!(p_value(1.0, 1e6, 1e6), 0.0);
    }
}
