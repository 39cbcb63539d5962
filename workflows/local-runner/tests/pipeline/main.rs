//! The whole pipeline through the real binary and the real workflow files, over temporary folders.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod aggregates;
mod approval;
mod backfill;
mod bad_input;
mod bench;
mod bring_your_own;
mod budgets;
mod candidates;
mod champions;
mod dashboard;
mod experiments;
mod far_values;
mod flights;
mod forests;
mod gates;
mod kills;
mod models_json;
mod nightly;
mod other_people;
mod own_data;
mod platform;
mod pyfunc;
mod python;
mod quantiles;
mod raw_files;
mod readme;
mod reruns;
mod retrain;
mod scale;
mod target_encoding;
mod tasks;
mod trees;
mod windows;
