//! The population stability index, and whether it is news.

use serde::{Deserialize, Serialize};

use super::grid::{Grid, GridMismatch, OVERFLOW};
use super::noise::NoiseFloor;
use super::profile::Profile;

/// Shares below this count as this in PSI, on both sides: an empty bucket stays finite, and buckets
/// that are rare on both sides stay silent.
const SMALLEST_SHARE: f64 = 1e-4;

/// Population stability index: sum over buckets of (current - reference) * ln(current / reference),
/// in shares of all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Psi {
    /// The index.
    pub value: f64,
    /// What chance explains: [`NoiseFloor::at`].
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
    /// Infinite, of either sign: in what was counted by a grid.
    Infinite,
    /// -inf.
    MinusInfinity,
    /// Below everything in the reference.
    Below,
    /// One value that the reference repeats.
    Value,
    /// Between two deciles of the reference, or around one of its few values.
    Range,
    /// Above everything in the reference.
    Above,
    /// +inf.
    PlusInfinity,
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

/// Population stability index on the reference's deciles, or on its distinct values where they are
/// at most 64, with buckets of their own for missing and infinite values and for values outside the
/// reference's range. Shares below 0.0001 count as that. `None` when either side has no rows.
///
/// # Errors
/// When the profiles lie on different grids.
pub fn psi(
    reference: &Profile,
    current: &Profile,
    floor: &NoiseFloor,
) -> Result<Option<Psi>, GridMismatch> {
    let cells = Cells::new(reference);
    Ok(cells.psi(&cells.counts(current)?, floor))
}

/// The buckets of a [`Psi`], as a reference profile fixes them, to count current data in.
#[derive(Clone, Debug)]
pub struct Cells {
    grid: Grid,
    parts: Vec<Part>,
    /// The place in `parts` of each bucket of the grid.
    of_bucket: Vec<u8>,
    /// Rows of the reference in each cell.
    reference: Vec<u64>,
}

/// Cells before those of finite values.
const MISSING: usize = 0;
const INFINITE: usize = 1;
const FINITE: usize = 2;

impl Cells {
    /// Of a reference.
    pub fn new(reference: &Profile) -> Self {
        let parts = parts(reference);
        let mut cells = Self {
            grid: reference.grid(),
            of_bucket: Vec::new(),
            reference: Vec::new(),
            parts,
        };
        cells.of_bucket = (-OVERFLOW - 1..=OVERFLOW)
            .map(|bucket| {
                cells
                    .parts
                    .iter()
                    .position(|part| part.holds(bucket))
                    .unwrap_or_default() as u8
            })
            .collect();
        cells.reference = cells.count(reference);
        cells
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        FINITE + self.parts.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The cell of a value; a null is NaN.
    #[inline]
    pub fn of(&self, value: f64) -> usize {
        if value.is_finite() {
            FINITE + usize::from(self.of_bucket[(self.grid.bucket(value) + OVERFLOW + 1) as usize])
        } else if value.is_nan() {
            MISSING
        } else {
            INFINITE
        }
    }

    /// The rows of a profile in each cell.
    ///
    /// # Errors
    /// When it lies on another grid.
    pub fn counts(&self, profile: &Profile) -> Result<Vec<u64>, GridMismatch> {
        self.grid.must_equal(&profile.grid())?;
        Ok(self.count(profile))
    }

    fn count(&self, profile: &Profile) -> Vec<u64> {
        let mut counts = vec![0; self.len()];
        counts[MISSING] = profile.nulls() + profile.nans();
        counts[INFINITE] = profile.infinities();
        for (bucket, count) in profile.filled() {
            counts[FINITE + usize::from(self.of_bucket[(bucket + OVERFLOW + 1) as usize])] += count;
        }
        counts
    }

    /// The index of rows that were counted by cell. `None` when either side has no rows.
    pub fn psi(&self, current: &[u64], floor: &NoiseFloor) -> Option<Psi> {
        let edge = |cut: Option<i32>| {
            cut.map(|cut| self.grid.cut(cut))
                .filter(|edge| edge.is_finite())
        };
        let beside = [
            (PsiKind::Missing, None, None),
            (PsiKind::Infinite, None, None),
        ]
        .into_iter();
        let kinds = beside.chain(
            self.parts
                .iter()
                .map(|part| (part.kind, edge(part.from), edge(part.to))),
        );
        let rows = self.reference.iter().zip(current);
        let bucket = |((kind, lower, upper), (&reference, &current))| {
            PsiBucket::new(kind, lower, upper, reference, current)
        };
        Psi::of(kinds.zip(rows).map(bucket), floor)
    }
}

impl PsiBucket {
    /// What it contributes comes with the others.
    pub fn new(
        kind: PsiKind,
        lower: Option<f64>,
        upper: Option<f64>,
        reference: u64,
        current: u64,
    ) -> Self {
        Self {
            kind,
            lower,
            upper,
            reference,
            current,
            contribution: 0.0,
        }
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
            noise_floor: floor.at(buckets.len(), n, m),
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

/// Buckets of the grid from `from` up to before `to`.
#[derive(Clone, Debug)]
struct Part {
    kind: PsiKind,
    from: Option<i32>,
    to: Option<i32>,
}

impl Part {
    fn holds(&self, bucket: i32) -> bool {
        self.from.is_none_or(|from| bucket >= from) && self.to.is_none_or(|to| bucket < to)
    }
}

/// All finite values, cut at the ends and deciles of the reference, or between its values where
/// these are few. A reference without finite values has one open range.
fn parts(reference: &Profile) -> Vec<Part> {
    let mut filled = reference.filled().map(|(bucket, _)| bucket);
    let Some(first) = filled.next() else {
        return vec![Part {
            kind: PsiKind::Range,
            from: None,
            to: None,
        }];
    };
    let end = filled.last().unwrap_or(first) + 1;
    let mut edges = vec![first];
    edges.extend(match reference.values() {
        // One that is rare would lie with its neighbours in a decile, and could vanish unseen.
        Some(_) => reference.value_cuts(),
        None => reference.decile_cuts(),
    });
    edges.push(end);
    let mut parts = vec![Part {
        kind: PsiKind::Below,
        from: None,
        to: Some(first),
    }];
    parts.extend(edges.windows(2).map(|pair| Part {
        kind: PsiKind::Range,
        from: Some(pair[0]),
        to: Some(pair[1]),
    }));
    parts.push(Part {
        kind: PsiKind::Above,
        from: Some(end),
        to: None,
    });
    parts
}
