//! Profiles of older models: buckets about a column's mean, in units of its deviation. Pure.
//!
//! They are read, and never made: [`Profile::counted`] gives the cells that they come to. Buckets
//! of one width say little of a column with far values, and [`Hidden`] says how little.

mod buckets;
mod hidden;
mod profile;
#[cfg(test)]
mod tests;

pub use buckets::Grid;
pub use hidden::{Hidden, MOST_HIDDEN};
pub use profile::{Profile, ProfileError};
pub(crate) use profile::{frame, hidden};
