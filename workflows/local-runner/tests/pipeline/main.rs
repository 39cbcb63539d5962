//! The whole pipeline through the real binary and the real workflow files, over temporary folders.

mod approval;
mod backfill;
mod bad_input;
mod bench;
mod bring_your_own;
mod budgets;
mod dashboard;
mod kills;
mod nightly;
mod platform;
mod raw_files;
mod readme;
mod reruns;
mod scale;
