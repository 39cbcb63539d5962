//! The outside world and the shared pure core of every Alameda step; it names no step.

pub mod config;
pub mod dataset;
pub mod digest;
pub mod drift;
pub mod failure;
pub mod fanout;
pub mod labels;
pub mod labelled;
pub mod layout;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod parts;
pub mod reference;
pub mod scoring;
pub mod selection;
pub mod spill;
pub mod step;
pub mod store;
pub mod tracking;
