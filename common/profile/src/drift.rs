//! Profiles of numeric columns, and how far two of them lie apart. Pure.
//!
//! A reference [`Profile`] is saved at training and fixes the [`Grid`].
//! Later data is profiled on the same grid in one pass, without sampling, in parts that merge
//! exactly. [`psi()`] and [`ks()`] compare two profiles; [`NoiseFloor`] tells what chance explains,
//! and [`verdict`] judges.

mod grid;
mod hidden;
mod ks;
mod noise;
mod profile;
mod psi;
#[cfg(test)]
mod tests;

pub use grid::{Grid, GridMismatch};
pub use hidden::{Hidden, MOST_HIDDEN};
pub use ks::{Ks, ks};
pub use noise::{FALSE_ALARMS, NoiseFloor};
pub use profile::{HistogramBin, Profile, ProfileError};
pub use psi::{Cells, Psi, PsiBucket, PsiKind, Thresholds, Verdict, psi, verdict};
