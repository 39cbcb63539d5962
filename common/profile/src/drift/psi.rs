//! The population stability index, and whether it is news.

use serde::{Deserialize, Serialize};

use super::bucket::{PsiBucket, SMALLEST_SHARE};
use super::noise::NoiseFloor;

/// Population stability index: sum over buckets of (current - reference) * ln(current / reference),
/// in shares of all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Psi {
    /// The index.
    pub value: f64,
    /// What chance explains: see [`NoiseFloor`].
    pub noise_floor: f64,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Rows of the current data.
    pub current_rows: u64,
    /// Its parts that hold rows on either side.
    pub buckets: Vec<PsiBucket>,
}

/// When drift matters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Index from which to warn.
    pub warn: f64,
    /// Index from which to alert.
    pub alert: f64,
    /// Rows that either side must have.
    pub min_rows: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn: 0.1,
            alert: 0.25,
            min_rows: 500,
        }
    }
}

/// A judgement, from good to bad: the maximum of several is the verdict on all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No drift that matters.
    Ok,
    /// Too few rows to say.
    InsufficientData,
    /// Look at it.
    Warn,
    /// Act on it.
    Alert,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::InsufficientData => "insufficient-data",
            Self::Warn => "warn",
            Self::Alert => "alert",
        })
    }
}

impl Thresholds {
    /// Judges an index of enough rows. It must reach a threshold and exceed the noise floor: a
    /// large index of few rows is chance.
    pub fn judge(&self, psi: f64, noise_floor: f64) -> Verdict {
        if psi <= noise_floor {
            Verdict::Ok
        } else if psi >= self.alert {
            Verdict::Alert
        } else if psi >= self.warn {
            Verdict::Warn
        } else {
            Verdict::Ok
        }
    }
}

/// Judges an index, as [`Thresholds::judge`] does. Few rows are insufficient data, and so is
/// `None`, a side without rows.
pub fn verdict(psi: Option<&Psi>, thresholds: &Thresholds) -> Verdict {
    match psi {
        Some(psi) if psi.reference_rows.min(psi.current_rows) >= thresholds.min_rows => {
            thresholds.judge(psi.value, psi.noise_floor)
        }
        _ => Verdict::InsufficientData,
    }
}

impl Psi {
    /// The index of rows that were counted by bucket; what each one contributes is set here. `None`
    /// when either side has no rows.
    pub fn of(buckets: impl IntoIterator<Item = PsiBucket>, floor: &NoiseFloor) -> Option<Self> {
        let mut buckets: Vec<PsiBucket> = buckets
            .into_iter()
            .filter(|bucket| bucket.reference + bucket.current > 0)
            .collect();
        let n: u64 = buckets.iter().map(|bucket| bucket.reference).sum();
        let m: u64 = buckets.iter().map(|bucket| bucket.current).sum();
        if n == 0 || m == 0 {
            return None;
        }
        for bucket in &mut buckets {
            let expected = (bucket.reference as f64 / n as f64).max(SMALLEST_SHARE);
            let actual = (bucket.current as f64 / m as f64).max(SMALLEST_SHARE);
            bucket.contribution = (actual - expected) * libm::log(actual / expected);
        }
        Some(Self {
            value: buckets.iter().map(|bucket| bucket.contribution).sum(),
            noise_floor: floor.of_buckets(&buckets, n, m),
            reference_rows: n,
            current_rows: m,
            buckets,
        })
    }

    /// Jensen and Shannon's distance of the shares by bucket, to the base 2: 0 for equal ones, 1
    /// where no bucket is shared.
    pub fn jensen_shannon(&self) -> f64 {
        let half = |share: f64, middle: f64| {
            if share > 0.0 {
                share * libm::log2(share / middle)
            } else {
                0.0
            }
        };
        let divergence: f64 = self
            .buckets
            .iter()
            .map(|bucket| {
                let reference = bucket.reference as f64 / self.reference_rows as f64;
                let current = bucket.current as f64 / self.current_rows as f64;
                let middle = (reference + current) / 2.0;
                half(reference, middle) + half(current, middle)
            })
            .sum();
        (divergence / 2.0).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::super::PsiKind;
    use super::*;

    #[test]
    fn the_verdict_needs_effect_rows_and_more_than_noise() {
        let of = |value: f64, noise_floor: f64, rows: u64| {
            let psi = Psi {
                value,
                noise_floor,
                reference_rows: 10_000,
                current_rows: rows,
                buckets: vec![],
            };
            verdict(Some(&psi), &Thresholds::default())
        };
        assert_eq!(of(0.0999, 0.05, 500), Verdict::Ok);
        assert_eq!(of(0.1, 0.05, 500), Verdict::Warn);
        assert_eq!(of(0.25, 0.05, 500), Verdict::Alert);
        assert_eq!(of(0.25, 0.25, 500), Verdict::Ok);
        assert_eq!(of(9.0, 0.05, 499), Verdict::InsufficientData);
        let worst = [Verdict::InsufficientData, Verdict::Ok].into_iter().max();
        assert_eq!(worst, Some(Verdict::InsufficientData));
        assert!(Verdict::Alert > Verdict::Warn && Verdict::Warn > Verdict::InsufficientData);
        for verdict in [
            Verdict::Ok,
            Verdict::InsufficientData,
            Verdict::Warn,
            Verdict::Alert,
        ] {
            assert_eq!(
                serde_json::to_value(verdict).expect("JSON"),
                verdict.to_string()
            );
        }
    }

    #[test]
    fn jensen_and_shannons_distance_is_that_of_scipy() {
        #[derive(Deserialize)]
        struct Fixture {
            jensen_shannon: Vec<Case>,
        }
        #[derive(Deserialize)]
        struct Case {
            reference: Vec<u64>,
            current: Vec<u64>,
            distance: f64,
        }
        let text = include_str!("../../../testing/fixtures/intervals.json");
        for case in serde_json::from_str::<Fixture>(text)
            .expect("a fixture")
            .jensen_shannon
        {
            let rows = case.reference.iter().zip(&case.current);
            let bucket = |(&reference, &current): (&u64, &u64)| {
                PsiBucket::new(PsiKind::Range, None, None, reference, current)
            };
            let psi = Psi {
                value: 0.0,
                noise_floor: 0.0,
                reference_rows: case.reference.iter().sum(),
                current_rows: case.current.iter().sum(),
                buckets: rows.map(bucket).collect(),
            };
            let found = psi.jensen_shannon();
            assert!(
                (found - case.distance).abs() < 1e-12,
                "{found} and {}",
                case.distance
            );
        }
    }
}
