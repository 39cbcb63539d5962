//! Profiles of numeric columns, and how far two of them lie apart. Pure.
//!
//! A reference [`Profile`] is saved at training and fixes the [`Grid`].
//! Later data is profiled on the same grid in one pass, without sampling, in parts that merge exactly.
//! [`psi`] and [`ks`] compare two profiles; [`verdict`] judges.

mod compare;
mod grid;
mod profile;
#[cfg(test)]
mod tests;

pub use compare::{Ks, Psi, PsiBucket, PsiKind, Thresholds, Verdict, ks, psi, verdict};
pub use grid::{Grid, GridMismatch};
pub use profile::{HistogramBin, Profile, ProfileError};
