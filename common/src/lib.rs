//! The outside world and the shared pure core of every Alameda step; it names no step.

pub mod config;
pub mod dataset;
pub mod digest;
pub mod drift;
pub mod failure;
pub mod fanout;
pub mod labelled;
pub mod labels;
pub mod layout;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod parts;
#[cfg(feature = "sql")]
pub mod prepare;
pub mod raw;
pub mod reference;
pub mod scoring;
pub mod selection;
#[cfg(feature = "sql")]
pub mod session;
pub mod spill;
pub mod step;
pub mod store;
pub mod tracking;
