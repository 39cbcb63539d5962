#![doc = include_str!("../README.md")]

pub mod categories;
pub mod config;
pub mod dataset;
pub mod dates;
pub mod features;
pub mod labelled;
pub mod labels;
mod late;
pub mod models;
mod models_file;
pub mod parts;
pub mod profiling;
pub mod raw;
pub mod scoring;
pub mod shuffled;
pub mod values;
