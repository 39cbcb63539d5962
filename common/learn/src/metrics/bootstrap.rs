//! How sure a metric is: the Poisson bootstrap, in which every row of a replicate weighs a number
//! that its own number decides, so that rows stream and any order gives the same replicates.
//!
//! Two models that are measured on the same rows have the same replicates, which makes their
//! differences paired.
//!
//! ```
//! use learn::metrics::bootstrap::{REPLICATES, interval, weight};
//!
//! // The mean of 0, 1, ..., 99: its standard error is 28.87 / 10.
//! let mean = |replicate| {
//!     let weights: Vec<f64> = (0..100).map(|row| weight(replicate, row)).collect();
//!     let sum: f64 = weights.iter().enumerate().map(|(row, weight)| weight * row as f64).sum();
//!     Some(sum / weights.iter().sum::<f64>()).filter(|mean| mean.is_finite())
//! };
//! let replicates: Vec<Option<f64>> = (0..REPLICATES).map(mean).collect();
//! let interval = interval(49.5, &replicates).unwrap();
//! let standard_error = (interval.high - interval.low) / 2.0 / 1.96;
//! assert!((2.4..3.4).contains(&standard_error));
//! ```

use super::Interval;
use crate::splitmix;

/// Replicates: enough for the standard deviation of a metric, by which intervals are made.
pub const REPLICATES: u64 = 100;

/// Seeds from this on, apart from those that decide folds and what profiles pick.
const SEED: u64 = 1 << 32;

/// The probability that a Poisson variable of mean 1 is at most 0, 1, 2, ...: sums of
/// exp(-1) / k!.
const AT_MOST: [f64; 8] = [
    0.367_879_441_171_442_3,
    0.735_758_882_342_884_7,
    0.919_698_602_928_605_8,
    0.981_011_843_123_846_2,
    0.996_340_153_172_656_3,
    0.999_405_815_182_418_3,
    0.999_916_758_850_711_9,
    0.999_989_750_803_325_3,
];

/// What a row weighs in a replicate, by the row's number among all: a Poisson variable of mean 1,
/// 8 at most.
pub fn weight(replicate: u64, row: u64) -> f64 {
    let uniform = splitmix::uniform(SEED + replicate, row);
    AT_MOST.iter().take_while(|most| uniform >= **most).count() as f64
}

/// The 95 % interval of a metric by its values in replicates: the normal one. `None` where it is
/// undefined in a replicate, as with a class that is too rare.
pub fn interval(value: f64, replicates: &[Option<f64>]) -> Option<Interval> {
    let values = replicates.iter().copied().collect::<Option<Vec<f64>>>()?;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|of| (of - mean) * (of - mean)).sum();
    let standard_error = (squares / (n - 1.0)).sqrt();
    let is_known = standard_error.is_finite();
    is_known.then(|| Interval::normal(value, standard_error))
}

#[cfg(test)]
mod tests {
    use super::super::interval::Z;
    use super::*;

    #[test]
    fn weights_are_poisson_and_the_interval_of_a_mean_is_the_known_one() {
        let rows = 20_000;
        let mut counts = [0.0; 9];
        (0..rows).for_each(|row| counts[weight(7, row) as usize] += 1.0);
        let (mut before, mut chi_square) = (0.0, 0.0);
        for (count, at_most) in counts.iter().zip(AT_MOST).take(5) {
            let expected = rows as f64 * (at_most - before);
            chi_square += (count - expected) * (count - expected) / expected;
            before = at_most;
        }
        // The 0.999 quantile of chi-square with 5 degrees of freedom is 20.5.
        assert!(chi_square < 20.5, "{chi_square}");

        // Of values 0, 1, ..., 9 in turn the standard deviation is sqrt(8.25).
        let value = |row: u64| (row % 10) as f64;
        let mean = |replicate| {
            let (mut sum, mut all) = (0.0, 0.0);
            for row in 0..rows {
                let weight = weight(replicate, row);
                (sum, all) = (sum + weight * value(row), all + weight);
            }
            Some(sum / all)
        };
        let replicates: Vec<_> = (0..REPLICATES).map(mean).collect();
        let found = interval(4.5, &replicates).expect("an interval");
        let half = Z * (8.25 / rows as f64).sqrt();
        // The standard deviation of 100 values is known to a fifth in 99 of 100 cases.
        assert!(((found.high - found.low) / 2.0 / half - 1.0).abs() < 0.2);
        assert_eq!(interval(1.0, &[Some(1.0), None]), None);
    }
}
