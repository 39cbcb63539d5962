#![doc = include_str!("../README.md")]

pub mod estimator;
pub mod metrics;
pub mod model;
pub mod rows;
pub mod task;
