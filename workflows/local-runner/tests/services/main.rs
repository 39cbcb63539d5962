//! The pipeline through the real binary and the real workflow files, on real services: S3, MLflow,
//! Postgres.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod lab;
mod labels;
mod new_task;
mod pipeline;
mod publish;
mod secrets;
mod tasks;
mod tracking;
