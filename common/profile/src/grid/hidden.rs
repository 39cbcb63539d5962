//! What the grid of a reference can't distinguish.
//!
//! Buckets follow the mean and the standard deviation of the training data. A value that lies far
//! out widens both, until most of the rows share a bucket and may move within it unseen. A column
//! that repeats one value fills a bucket too, and hides nothing: the two are distinguished by the
//! values that come.

use super::{Grid, Profile};

/// A bucket with less of the training data than this hides too little to matter.
const HEAVY: f64 = 0.05;
/// Of the values in a bucket so many must be the same one for it to be a repeated value.
const REPEATED: f64 = 0.9;
/// From this share of the training data on a column can't be judged.
pub const MOST_HIDDEN: f64 = 0.25;

/// Counts, beside a profile, what distinguishes repeated values from hidden ones. It is the same in
/// any order of rows.
#[derive(Clone, Debug)]
pub struct Hidden {
    grid: Grid,
    /// Finite values of the reference.
    count: u64,
    buckets: Vec<Heavy>,
}

/// A bucket that holds much of the reference.
#[derive(Clone, Debug)]
struct Heavy {
    bucket: i32,
    reference: u64,
    /// Current values in it.
    rows: u64,
    /// Values that may be repeated there, each with its current rows.
    candidates: Vec<(f64, u64)>,
}

impl Hidden {
    /// Of no rows yet.
    pub fn new(reference: &Profile) -> Self {
        let (grid, count) = (reference.grid(), reference.count());
        let heavy = |&(_, rows): &(i32, u64)| rows as f64 >= HEAVY * count as f64;
        let buckets = reference
            .filled()
            .filter(heavy)
            .filter_map(|(bucket, rows)| {
                let candidates = match reference.values() {
                    Some(values) => few(grid, values, bucket)?,
                    None => candidates(reference, bucket),
                };
                Some(Heavy {
                    bucket,
                    reference: rows,
                    rows: 0,
                    candidates,
                })
            })
            .collect();
        Self {
            grid,
            count,
            buckets,
        }
    }

    /// Counts values; those that are not finite do not matter.
    pub fn add_all(&mut self, values: &[f64]) {
        if self.buckets.is_empty() {
            return;
        }
        for &value in values.iter().filter(|value| value.is_finite()) {
            let bucket = self.grid.bucket(value);
            let Some(heavy) = self.buckets.iter_mut().find(|of| of.bucket == bucket) else {
                continue;
            };
            heavy.rows += 1;
            for (candidate, rows) in &mut heavy.candidates {
                *rows += u64::from(*candidate == value);
            }
        }
    }

    /// Adds what was counted of other rows beside the same reference.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            ours.rows += theirs.rows;
            for ((_, ours), (_, theirs)) in ours.candidates.iter_mut().zip(&theirs.candidates) {
                *ours += theirs;
            }
        }
    }

    /// Share of the reference within which rows may have moved unseen.
    pub fn share(&self) -> f64 {
        let hides = |heavy: &&Heavy| {
            let most = heavy.candidates.iter().map(|(_, rows)| *rows).max();
            heavy.rows > 0 && (most.unwrap_or(0) as f64) < REPEATED * heavy.rows as f64
        };
        let hidden: u64 = self
            .buckets
            .iter()
            .filter(hides)
            .map(|heavy| heavy.reference)
            .sum();
        if self.count == 0 {
            return 0.0;
        }
        hidden as f64 / self.count as f64
    }
}

/// The values in a bucket, of few that are known; `None` for one alone, which hides nothing.
fn few(grid: Grid, values: &[(f64, u64)], bucket: i32) -> Option<Vec<(f64, u64)>> {
    let within = values.iter().map(|(value, _)| (*value, 0));
    let within: Vec<_> = within
        .filter(|(value, _)| grid.bucket(*value) == bucket)
        .collect();
    (within.len() > 1).then_some(within)
}

/// Values that columns repeat: the ends of the range, and the roundest number of a bucket, such as
/// 0 or 1000.
fn candidates(reference: &Profile, bucket: i32) -> Vec<(f64, u64)> {
    let grid = reference.grid();
    let ends = reference.min().into_iter().chain(reference.max());
    let mut values: Vec<f64> = ends
        .chain(roundest(grid.cut(bucket), grid.cut(bucket + 1)))
        .filter(|value| value.is_finite() && grid.bucket(*value) == bucket)
        .collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values.into_iter().map(|value| (value, 0)).collect()
}

/// The number from `low` to `high` with the fewest digits.
fn roundest(low: f64, high: f64) -> Option<f64> {
    if low <= 0.0 && high >= 0.0 {
        return Some(0.0);
    }
    let whole = (0..16).rev().map(|digits| {
        let step = 10_f64.powi(digits);
        (low / step).ceil() * step
    });
    // Divided, so that it is the float of the text that a person writes.
    let parts = (1..16).map(|digits| {
        let steps = 10_f64.powi(digits);
        (low * steps).ceil() / steps
    });
    whole
        .chain(parts)
        .find(|value| (low..=high).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spread without a pattern over 0 to 1.
    fn spread(count: usize, seed: usize) -> Vec<f64> {
        (0..count)
            .map(|i| ((i * 7_919 + seed * 104_729) % 100_003) as f64 / 100_003.0)
            .collect()
    }

    fn hidden(then: &[f64], now: &[f64]) -> f64 {
        let rows = then.len() as f64;
        let mean = then.iter().sum::<f64>() / rows;
        let squares = then.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let reference = Profile::of(Grid::new(mean, (squares / rows).sqrt()), then);
        // In two parts, the second one first.
        let (first, second) = now.split_at(now.len() / 3);
        let mut all = Hidden::new(&reference);
        all.add_all(second);
        let mut other = Hidden::new(&reference);
        other.add_all(first);
        all.merge(&other);
        all.share()
    }

    #[test]
    fn what_shares_a_bucket_with_much_else_is_hidden_and_a_repeated_value_is_not() {
        let calm = spread(5_000, 1);
        let far = [&calm[..], &[999_999_999.0]].concat();
        let lowest = [&calm[..], &[-9_223_372_036_854_775_808.0]].concat();
        let zeros = [vec![0.0; 9_000], calm.clone()].concat();
        let sentinels = [vec![-999.0; 1_000], calm.clone()].concat();
        let whole = [vec![1_000.0; 3_000], calm.iter().map(|x| x * 5e3).collect()].concat();
        let now = spread(2_000, 9);
        for (name, then, now, expected) in [
            ("calm", &calm, now.clone(), 0.0..0.01),
            ("far", &far, now.clone(), 0.99..1.0),
            ("lowest", &lowest, now.clone(), 0.99..1.0),
            (
                "zeros",
                &zeros,
                [vec![0.0; 5_000], now.clone()].concat(),
                0.0..0.01,
            ),
            ("no zero is left", &zeros, now.clone(), 0.0..0.7),
            (
                "zeros that are no longer zero",
                &zeros,
                [vec![1e-9; 5_000], now.clone()].concat(),
                0.6..0.7,
            ),
            ("sentinels", &sentinels, now.clone(), 0.8..0.9),
            ("a whole number", &whole, vec![1_000.0; 500], 0.0..0.01),
        ] {
            let share = hidden(then, &now);
            assert!(expected.contains(&share), "{name}: {share}");
        }
        assert_eq!(hidden(&[], &now), 0.0);
    }
}
