//! How far two columns that were counted in the same cells lie apart. Pure.
//!
//! [`Psi`] and [`Ks`] compare them; [`NoiseFloor`] says what chance explains, and [`verdict`]
//! judges.

mod bucket;
mod ks;
mod noise;
mod psi;

pub use bucket::{PsiBucket, PsiKind};
pub use ks::Ks;
pub use noise::{FALSE_ALARMS, NoiseFloor};
pub use psi::{Psi, Thresholds, Verdict, verdict};
