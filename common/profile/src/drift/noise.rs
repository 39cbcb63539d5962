//! What chance alone explains: quantiles of chi-square.

/// How often chance may exceed a noise floor, in all comparisons together.
pub const FALSE_ALARMS: f64 = 0.001;

/// Degrees of freedom that an index can have: a bucket for each of 100 values that a hundredth of
/// the rows repeat, and a few beside them.
const FREEDOMS: usize = 128;

/// What an index of undrifted data stays below.
///
/// With k buckets, n and m rows, such an index is about chi-square with k - 1 degrees of freedom,
/// times 1/n + 1/m. Of many indices that are looked at together some are large by chance, so each
/// one gets its part of [`FALSE_ALARMS`] alone (Bonferroni): without drift, any of them exceeds its
/// floor in one of 1000 reports, whatever their number.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseFloor {
    quantiles: [f64; FREEDOMS],
}

impl NoiseFloor {
    /// For so many indices that are judged together.
    pub fn of(comparisons: usize) -> Self {
        let tail = FALSE_ALARMS / comparisons.max(1) as f64;
        Self {
            quantiles: std::array::from_fn(|freedom| quantile(freedom as u32, tail)),
        }
    }

    /// The floor of an index of `buckets` buckets, `n` rows of the reference and `m` of the current
    /// data.
    pub fn at(&self, buckets: usize, n: u64, m: u64) -> f64 {
        let freedom = buckets.saturating_sub(1).min(FREEDOMS - 1);
        self.quantiles[freedom] * (1.0 / n as f64 + 1.0 / m as f64)
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
