//! Kolmogorov and Smirnov's distance.

use serde::{Deserialize, Serialize};

use super::grid::GridMismatch;
use super::profile::Profile;

/// Kolmogorov and Smirnov's distance of two samples' finite values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ks {
    /// Largest difference of the two cumulative shares at the cuts of the grid; the true one is
    /// not smaller.
    pub statistic: f64,
    /// How much larger the true statistic can be: what a bucket might hide. At most the largest
    /// share of a bucket, and 0 where both columns have at most 64 distinct values.
    pub error_bound: f64,
    /// Asymptotic two-sided p-value, with Stephens' correction. With many rows any difference is
    /// significant: show it, but never decide by it.
    pub p_value: f64,
}

/// Kolmogorov and Smirnov's distance of the finite values. `None` when either side has none.
///
/// # Errors
/// When the profiles lie on different grids.
pub fn ks(reference: &Profile, current: &Profile) -> Result<Option<Ks>, GridMismatch> {
    reference.grid().must_equal(&current.grid())?;
    let (n, m) = (reference.count() as f64, current.count() as f64);
    if n == 0.0 || m == 0.0 {
        return Ok(None);
    }
    let (statistic, largest) = match (reference.values(), current.values()) {
        (Some(a), Some(b)) => {
            let (statistic, _) = distance(
                a.iter().copied(),
                b.iter().copied(),
                n,
                m,
                f64::total_cmp,
                |_| false,
            );
            (statistic, statistic)
        }
        _ => distance(reference.filled(), current.filled(), n, m, i32::cmp, |_| {
            true
        }),
    };
    Ok(Some(Ks {
        statistic,
        error_bound: (largest - statistic).max(0.0),
        p_value: p_value(statistic, n, m),
    }))
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
        let (a, b) = (
            reference.iter().copied().enumerate(),
            current.iter().copied().enumerate(),
        );
        let (statistic, largest) = distance(a, b, n, m, usize::cmp, |cell| !holds_one(*cell));
        Some(Self {
            statistic,
            error_bound: (largest - statistic).max(0.0),
            p_value: p_value(statistic, n, m),
        })
    }
}

/// Largest difference of the cumulative shares after each key, and the largest that could lie
/// within one that hides something: between its ends one side may have all of its rows before the
/// other has any.
fn distance<K: Copy>(
    a: impl Iterator<Item = (K, u64)>,
    b: impl Iterator<Item = (K, u64)>,
    n: f64,
    m: f64,
    compare: fn(&K, &K) -> std::cmp::Ordering,
    hides: impl Fn(&K) -> bool,
) -> (f64, f64) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let (mut below_a, mut below_b) = (0_u64, 0_u64);
    let (mut statistic, mut largest) = (0.0_f64, 0.0_f64);
    while let Some(key) = match (a.peek(), b.peek()) {
        (Some((x, _)), Some((y, _))) => Some(if compare(x, y).is_le() { *x } else { *y }),
        (x, y) => x.or(y).map(|(key, _)| *key),
    } {
        let before = (below_a as f64 / n, below_b as f64 / m);
        below_a += a
            .next_if(|(x, _)| compare(x, &key).is_eq())
            .map_or(0, |(_, count)| count);
        below_b += b
            .next_if(|(y, _)| compare(y, &key).is_eq())
            .map_or(0, |(_, count)| count);
        let after = (below_a as f64 / n, below_b as f64 / m);
        statistic = statistic.max((after.0 - after.1).abs());
        if hides(&key) {
            largest = largest.max(after.0 - before.1).max(after.1 - before.0);
        }
    }
    (statistic, largest)
}

/// Kolmogorov's limit distribution at a statistic that is corrected for finite samples (Stephens
/// 1970).
pub(super) fn p_value(statistic: f64, n: f64, m: f64) -> f64 {
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
