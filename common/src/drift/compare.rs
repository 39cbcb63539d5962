//! How far the current data lies from the reference, and whether that is news.

use serde::{Deserialize, Serialize};

use super::grid::GridMismatch;
use super::profile::Profile;

/// Shares below this count as this in PSI, on both sides: an empty bucket stays finite, and buckets that are rare on both
/// sides stay silent.
const SMALLEST_SHARE: f64 = 1e-4;

/// The 0.999 quantile of chi-square for 0 to 13 degrees of freedom (scipy.stats.chi2.ppf); PSI has at most 14 buckets.
const CHI_SQUARE_999: [f64; 14] = [
    0.0,
    10.827566170662733,
    13.815510557964274,
    16.26623619623813,
    18.46682695290317,
    20.515005652432873,
    22.457744484825323,
    24.321886347856854,
    26.12448155837614,
    27.877164871256568,
    29.58829844507442,
    31.264133620239985,
    32.90949040736021,
    34.52817897487089,
];

/// Kolmogorov and Smirnov's distance of two samples' finite values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ks {
    /// Largest difference of the two cumulative shares at the cuts of the grid; the true one is not smaller.
    pub statistic: f64,
    /// How much larger the true statistic can be: what a bucket might hide. At most the largest share of a bucket, and 0
    /// where both columns have at most 64 distinct values.
    pub error_bound: f64,
    /// Asymptotic two-sided p-value, with Stephens' correction. With many rows any difference is significant: show it, but
    /// never decide by it.
    pub p_value: f64,
}

/// Population stability index: sum over buckets of (current - reference) * ln(current / reference), in shares of all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Psi {
    /// The index.
    pub value: f64,
    /// What the index stays below in 999 of 1000 cases without any drift: chi2(k - 1, 0.999) * (1/n + 1/m) for k buckets and
    /// n and m rows.
    pub noise_floor: f64,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Rows of the current data.
    pub current_rows: u64,
    /// Its parts that hold rows on either side.
    pub buckets: Vec<PsiBucket>,
}

/// One part of a [`Psi`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PsiBucket {
    /// What it holds.
    pub kind: PsiKind,
    /// Lower edge of a range; `None` when it is open.
    pub lower: Option<f64>,
    /// Upper edge of a range; `None` when it is open.
    pub upper: Option<f64>,
    /// Rows of the reference.
    pub reference: u64,
    /// Rows of the current data.
    pub current: u64,
    /// What it adds to the index.
    pub contribution: f64,
}

/// What a bucket of a [`Psi`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PsiKind {
    /// Null or NaN.
    Missing,
    /// Infinite.
    Infinite,
    /// Below everything in the reference.
    Below,
    /// Between two deciles of the reference.
    Range,
    /// Above everything in the reference.
    Above,
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
        Self { warn: 0.1, alert: 0.25, min_rows: 500 }
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

/// Judges an index. It must reach a threshold and exceed the noise floor: a large index of few rows is chance.
/// `None`, which is a side without rows, is insufficient data.
pub fn verdict(psi: Option<&Psi>, thresholds: &Thresholds) -> Verdict {
    match psi {
        Some(psi) if psi.reference_rows.min(psi.current_rows) >= thresholds.min_rows => {
            if psi.value <= psi.noise_floor {
                Verdict::Ok
            } else if psi.value >= thresholds.alert {
                Verdict::Alert
            } else if psi.value >= thresholds.warn {
                Verdict::Warn
            } else {
                Verdict::Ok
            }
        }
        _ => Verdict::InsufficientData,
    }
}

/// Population stability index on the reference's deciles, with buckets of their own for missing and infinite values and
/// for values outside the reference's range. Shares below 0.0001 count as that. `None` when either side has no rows.
///
/// # Errors
/// When the profiles lie on different grids.
pub fn psi(reference: &Profile, current: &Profile) -> Result<Option<Psi>, GridMismatch> {
    reference.grid().must_equal(&current.grid())?;
    let (n, m) = (reference.rows(), current.rows());
    if n == 0 || m == 0 {
        return Ok(None);
    }
    let mut buckets = Vec::new();
    let mut add = |kind, lower, upper, reference: u64, current: u64| {
        if reference + current > 0 {
            let expected = (reference as f64 / n as f64).max(SMALLEST_SHARE);
            let actual = (current as f64 / m as f64).max(SMALLEST_SHARE);
            let contribution = (actual - expected) * (actual / expected).ln();
            buckets.push(PsiBucket { kind, lower, upper, reference, current, contribution });
        }
    };
    let missing = |profile: &Profile| profile.nulls() + profile.nans();
    add(PsiKind::Missing, None, None, missing(reference), missing(current));
    add(PsiKind::Infinite, None, None, reference.infinities(), current.infinities());
    for part in parts(reference) {
        let rows = |profile: &Profile| -> u64 {
            let inside =
                |bucket: i32| part.from.is_none_or(|from| bucket >= from) && part.to.is_none_or(|to| bucket < to);
            profile.filled().filter(|(bucket, _)| inside(*bucket)).map(|(_, count)| count).sum()
        };
        let edge = |cut: Option<i32>| cut.map(|cut| reference.grid().cut(cut)).filter(|edge| edge.is_finite());
        add(part.kind, edge(part.from), edge(part.to), rows(reference), rows(current));
    }
    let freedom = buckets.len().saturating_sub(1).min(CHI_SQUARE_999.len() - 1);
    Ok(Some(Psi {
        value: buckets.iter().map(|bucket| bucket.contribution).sum(),
        noise_floor: CHI_SQUARE_999[freedom] * (1.0 / n as f64 + 1.0 / m as f64),
        reference_rows: n,
        current_rows: m,
        buckets,
    }))
}

/// Buckets of the grid from `from` up to before `to`.
struct Part {
    kind: PsiKind,
    from: Option<i32>,
    to: Option<i32>,
}

/// All finite values, cut at the ends and deciles of the reference. A reference without finite values has one open range.
fn parts(reference: &Profile) -> Vec<Part> {
    let mut filled = reference.filled().map(|(bucket, _)| bucket);
    let Some(first) = filled.next() else {
        return vec![Part { kind: PsiKind::Range, from: None, to: None }];
    };
    let end = filled.last().unwrap_or(first) + 1;
    let mut edges = vec![first];
    edges.extend(reference.decile_cuts());
    edges.push(end);
    let mut parts = vec![Part { kind: PsiKind::Below, from: None, to: Some(first) }];
    parts.extend(edges.windows(2).map(|pair| Part { kind: PsiKind::Range, from: Some(pair[0]), to: Some(pair[1]) }));
    parts.push(Part { kind: PsiKind::Above, from: Some(end), to: None });
    parts
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
            let (statistic, _) = distance(a.iter().copied(), b.iter().copied(), n, m, f64::total_cmp);
            (statistic, statistic)
        }
        _ => distance(reference.filled(), current.filled(), n, m, i32::cmp),
    };
    Ok(Some(Ks { statistic, error_bound: (largest - statistic).max(0.0), p_value: p_value(statistic, n, m) }))
}

/// Largest difference of the cumulative shares after each key, and the largest that could lie within one: between its ends
/// one side may have all of its rows before the other has any.
fn distance<K: Copy>(
    a: impl Iterator<Item = (K, u64)>,
    b: impl Iterator<Item = (K, u64)>,
    n: f64,
    m: f64,
    compare: fn(&K, &K) -> std::cmp::Ordering,
) -> (f64, f64) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let (mut below_a, mut below_b) = (0_u64, 0_u64);
    let (mut statistic, mut largest) = (0.0_f64, 0.0_f64);
    while let Some(key) = match (a.peek(), b.peek()) {
        (Some((x, _)), Some((y, _))) => Some(if compare(x, y).is_le() { *x } else { *y }),
        (x, y) => x.or(y).map(|(key, _)| *key),
    } {
        let before = (below_a as f64 / n, below_b as f64 / m);
        below_a += a.next_if(|(x, _)| compare(x, &key).is_eq()).map_or(0, |(_, count)| count);
        below_b += b.next_if(|(y, _)| compare(y, &key).is_eq()).map_or(0, |(_, count)| count);
        let after = (below_a as f64 / n, below_b as f64 / m);
        statistic = statistic.max((after.0 - after.1).abs());
        largest = largest.max(after.0 - before.1).max(after.1 - before.0);
    }
    (statistic, largest)
}

/// Kolmogorov's limit distribution at a statistic that is corrected for finite samples (Stephens 1970).
pub(super) fn p_value(statistic: f64, n: f64, m: f64) -> f64 {
    let root = (n * m / (n + m)).sqrt();
    let x = (root + 0.12 + 0.11 / root) * statistic;
    let sum = |term: &dyn Fn(f64) -> f64| (1..=20).map(|k| term(f64::from(k))).sum::<f64>();
    // Two series of the same function; each converges at once on its side.
    let p = if x < 1e-3 {
        1.0
    } else if x < 1.18 {
        let exponent = std::f64::consts::PI.powi(2) / (8.0 * x * x);
        1.0 - (2.0 * std::f64::consts::PI).sqrt() / x * sum(&|k| (-(2.0 * k - 1.0).powi(2) * exponent).exp())
    } else {
        let sign = |k: f64| if k % 2.0 == 1.0 { 1.0 } else { -1.0 };
        2.0 * sum(&|k| sign(k) * (-2.0 * k * k * x * x).exp())
    };
    p.clamp(0.0, 1.0)
}
