//! What chance alone explains: quantiles of chi-square.

use super::bucket::{PsiBucket, PsiKind, SMALLEST_SHARE};

/// How often chance may exceed a noise floor, in all comparisons together.
pub const FALSE_ALARMS: f64 = 0.001;

/// Degrees of freedom that an index can have: a bucket for each of 100 values that a hundredth of
/// the rows repeat, and a few beside them.
const FREEDOMS: usize = 128;

/// Rows of a bucket from which it adds to an index what chi-square says; of fewer the logarithm
/// makes it add more.
const FEW: f64 = 30.0;
/// Counts of a bucket of so few rows that are at all likely.
const LIKELY: usize = 120;
/// A value has a bucket because many rows held it, some of them by chance: so many times more than
/// that of others is the part of the reference in what chance explains.
const SELECTED: f64 = 3.0;

/// What an index of undrifted data stays below.
///
/// With k buckets, n and m rows, such an index is about chi-square with k - 1 degrees of freedom,
/// times 1/n + 1/m. Of many indices that are looked at together some are large by chance, so each
/// one gets its part of [`FALSE_ALARMS`] alone (Bonferroni): without drift, any of them exceeds its
/// floor in one of 1000 reports, whatever their number.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseFloor {
    quantiles: [f64; FREEDOMS],
    /// How often chance may exceed one of them.
    tail: f64,
}

impl NoiseFloor {
    /// For so many indices that are judged together.
    pub fn of(comparisons: usize) -> Self {
        let tail = FALSE_ALARMS / comparisons.max(1) as f64;
        Self {
            quantiles: std::array::from_fn(|freedom| quantile(freedom as u32, tail)),
            tail,
        }
    }

    /// Whether chance explains that one of so many values, in `then` of `n` rows of the reference,
    /// is in `now` of `m` rows of the current data, or in more.
    ///
    /// Of all rows with the value, those of the current data are binomial around the share m / (n +
    /// m); Chernoff's bound of their tail is at most so large for each of the values (Bonferroni).
    pub fn explains(&self, [then, n]: [u64; 2], [now, m]: [u64; 2], values: u64) -> bool {
        let rows = (then + now) as f64;
        let (seen, expected) = (now as f64 / rows, m as f64 / (n + m) as f64);
        if rows == 0.0 || seen <= expected {
            return true;
        }
        let part = |seen: f64, expected: f64| match seen > 0.0 {
            true => seen * libm::log(seen / expected),
            false => 0.0,
        };
        let divergence = part(seen, expected) + part(1.0 - seen, 1.0 - expected);
        rows * divergence <= libm::log(values.max(1) as f64 / self.tail)
    }

    /// The floor of an index of these buckets, of `n` rows of the reference and `m` of the current
    /// data: that of [`NoiseFloor::at`], and more where buckets have few rows.
    ///
    /// By chance a bucket adds Cov(x, ln x) / rows of either side, where x is its number of rows, a
    /// Poisson variable: 1 / rows for many. The index is then about a multiple of chi-square, with
    /// as many degrees of freedom as such parts make up (Satterthwaite).
    pub(super) fn of_buckets(&self, buckets: &[PsiBucket], n: u64, m: u64) -> f64 {
        let plain = self.at(buckets.len(), n, m);
        let share =
            |bucket: &PsiBucket| (bucket.reference + bucket.current) as f64 / (n + m) as f64;
        if !buckets.iter().any(|of| share(of) * (n.min(m) as f64) < FEW) {
            return plain;
        }
        let (of_reference, of_current) = (Side::of(n), Side::of(m));
        let parts = buckets.iter().map(|bucket| {
            let selected = match bucket.kind {
                PsiKind::Value => SELECTED,
                _ => 1.0,
            };
            let share = share(bucket);
            of_current.part(share) + selected * of_reference.part(share)
        });
        let (sum, squares) = parts.fold((0.0, 0.0), |(sum, squares), part| {
            (sum + part, squares + part * part)
        });
        let freedom = ((sum * sum / squares) as usize).saturating_sub(1);
        let freedom = freedom.clamp(1, FREEDOMS - 1);
        let buckets = buckets.len() as f64;
        let mean = sum * (buckets - 1.0) / buckets;
        plain.max(self.quantiles[freedom] / freedom as f64 * mean)
    }

    /// The floor of an index of `buckets` buckets, `n` rows of the reference and `m` of the current
    /// data.
    pub fn at(&self, buckets: usize, n: u64, m: u64) -> f64 {
        let freedom = buckets.saturating_sub(1).min(FREEDOMS - 1);
        self.quantiles[freedom] * (1.0 / n as f64 + 1.0 / m as f64)
    }
}

/// The rows of a side, and the logarithms of their counts as an index takes them.
struct Side {
    rows: f64,
    logarithms: [f64; LIKELY],
}

impl Side {
    fn of(rows: u64) -> Self {
        let rows = rows as f64;
        let counted = |count: usize| libm::log((count as f64).max(SMALLEST_SHARE * rows));
        Self {
            rows,
            logarithms: std::array::from_fn(counted),
        }
    }

    /// What a bucket with this share of all rows adds to an index by chance.
    fn part(&self, share: f64) -> f64 {
        let expected = share * self.rows;
        if expected >= FEW {
            return 1.0 / self.rows;
        }
        let (mut probability, mut covariance) = (libm::exp(-expected), 0.0);
        for (count, logarithm) in self.logarithms.iter().enumerate() {
            covariance += probability * (count as f64 - expected) * logarithm;
            probability *= expected / (count as f64 + 1.0);
        }
        covariance / self.rows
    }
}

/// The value that chi-square exceeds with probability `tail`.
fn quantile(freedom: u32, tail: f64) -> f64 {
    if freedom == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while exceeds(freedom, high) > tail {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if exceeds(freedom, middle) > tail {
            low = middle
        } else {
            high = middle
        }
    }
}

/// Probability that chi-square exceeds `x`, in closed form for whole degrees of freedom.
fn exceeds(freedom: u32, x: f64) -> f64 {
    let half = x / 2.0;
    let odd = freedom % 2 == 1;
    // Terms half^s / gamma(s + 1), from s = 0 or 1/2 on, up to before freedom / 2.
    let (mut term, first) = if odd {
        (2.0 * (half / std::f64::consts::PI).sqrt(), 0.5)
    } else {
        (1.0, 0.0)
    };
    let mut sum = 0.0;
    for step in 0..freedom / 2 {
        sum += term;
        term *= half / (first + f64::from(step) + 1.0);
    }
    let beyond = libm::exp(-half) * sum;
    if odd {
        libm::erfc(half.sqrt()) + beyond
    } else {
        beyond
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::Psi;
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        floors: Vec<Floor>,
    }

    #[derive(Deserialize)]
    struct Floor {
        comparisons: usize,
        quantiles: Vec<f64>,
    }

    /// Rows of a side that hold one of so many equally frequent values, by bucket: 100 of them,
    /// which have the most rows of the reference, and the others together.
    fn drawn(values: usize, [n, m]: [u64; 2], seed: u64) -> Vec<PsiBucket> {
        let count = |rows: u64, seed: u64| {
            let mut counts = vec![0_u64; values];
            for row in 0..rows {
                let value = learn::splitmix::uniform(seed, row) * values as f64;
                counts[value as usize] += 1;
            }
            counts
        };
        let (reference, current) = (count(n, 2 * seed), count(m, 2 * seed + 1));
        let mut order: Vec<usize> = (0..values).collect();
        order.sort_by_key(|value| std::cmp::Reverse(reference[*value]));
        let (named, others) = order.split_at(values.min(100));
        let all = |counts: &[u64]| others.iter().map(|value| counts[*value]).sum();
        let named = named.iter().map(|value| {
            let (of_reference, of_current) = (reference[*value], current[*value]);
            PsiBucket::new(PsiKind::Value, None, None, of_reference, of_current)
        });
        let others = PsiBucket::new(PsiKind::Above, None, None, all(&reference), all(&current));
        named.chain([others]).collect()
    }

    #[test]
    fn few_rows_of_many_values_exceed_the_floor_as_seldom_as_many_rows() {
        // Of 200 draws of each, one in 5000 may exceed it; by chi-square alone half of them did.
        let floor = NoiseFloor::of(5);
        for (values, rows) in [
            (300, [16_000, 600]),
            (500, [16_000, 600]),
            (500, [16_000, 1000]),
            (200, [16_000, 700]),
            (100, [5_000, 500]),
            (20, [2_000, 500]),
        ] {
            let exceeds = |seed: &u64| {
                let psi = Psi::of(drawn(values, rows, *seed), &floor).expect("rows");
                psi.value > psi.noise_floor
            };
            let exceeding = (0..200).filter(exceeds).count();
            assert!(exceeding <= 4, "{exceeding} of {values} values, {rows:?}");
        }
    }

    #[test]
    fn the_bound_of_a_value_holds_scipys_tail() {
        let floor = NoiseFloor::of(1);
        // 2 of 10,000 rows hold one of 50 values. That 6 of 1,000 do has a chance of 1.3e-5 by
        // scipy.stats.binom.sf(5, 8, 1 / 11), and 4.2e-5 by the bound; it is to be 2e-5 or more.
        let explains = |now| floor.explains([2, 10_000], [now, 1000], 50);
        assert!((0..=6).all(explains));
        assert!((12..=1000).all(|now| !explains(now)));
        assert!(floor.explains([0, 10_000], [0, 1000], 50));
        // With more values more is chance.
        assert!(floor.explains([2, 10_000], [9, 1000], 1_000_000));
    }

    #[test]
    fn buckets_of_many_rows_have_the_floor_of_chi_square() {
        let floor = NoiseFloor::of(1);
        let bucket = |rows| PsiBucket::new(PsiKind::Range, None, None, 10 * rows, rows);
        let buckets = vec![bucket(100); 10];
        assert_eq!(
            floor.of_buckets(&buckets, 10_000, 1000),
            floor.at(10, 10_000, 1000)
        );
        // A bucket of 30 rows adds a sixtieth more; the floor does not jump.
        let side = Side::of(1000);
        let few = side.part(0.0299);
        assert!((1.0..1.05).contains(&(few * 1000.0)), "{few}");
        // numpy: (pmf * (x - 2) * log(maximum(x, 0.1))).sum() of Poisson's distribution of mean 2.
        let of_two = side.part(0.002) * 1000.0;
        assert!((of_two - 1.380_09).abs() < 1e-4, "{of_two}");
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        let text = include_str!("../../../testing/fixtures/intervals.json");
        let Fixture { floors } = serde_json::from_str(text).expect("a fixture");
        assert!(floors.len() > 3);
        for Floor {
            comparisons,
            quantiles,
        } in floors
        {
            let floor = NoiseFloor::of(comparisons);
            for (freedom, expected) in quantiles.into_iter().enumerate() {
                let found = floor.at(freedom + 1, 2, 2);
                assert!(
                    (found - expected).abs() <= 1e-10 * expected,
                    "{comparisons} {freedom}: {found} {expected}"
                );
            }
        }
    }
}
