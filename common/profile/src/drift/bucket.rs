//! The buckets of a population stability index.

use serde::{Deserialize, Serialize};

/// Shares below this count as this in PSI, on both sides: an empty bucket stays finite, and buckets
/// that are rare on both sides stay silent.
pub(super) const SMALLEST_SHARE: f64 = 1e-4;

/// One part of a [`Psi`](super::Psi).
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

/// What a bucket of a [`Psi`](super::Psi) holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PsiKind {
    /// Null or NaN.
    Missing,
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
    /// +inf; in reports of earlier releases, either infinity.
    #[serde(alias = "infinite")]
    PlusInfinity,
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
