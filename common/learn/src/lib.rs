#![doc = include_str!("../README.md")]

pub mod calibration;
pub mod estimator;
pub mod explanation;
pub mod fitted_model;
pub mod frame;
pub mod interval;
pub mod metrics;
pub mod model;
pub mod models;
pub mod permutation;
pub mod preprocessing;
pub mod rows;
mod rule;
pub mod signature;
pub mod splitmix;
pub mod squares;
pub mod task;
pub mod threshold;
pub mod wrong_key;
