//! The outside world and the shared pure core of every Alameda step; it names no step.

pub mod digest;
pub mod drift;
pub mod failure;
pub mod layout;
pub mod metrics;
pub mod model;
pub mod spill;
pub mod store;
