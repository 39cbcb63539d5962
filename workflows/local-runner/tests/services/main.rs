//! The pipeline through the real binary and the real workflow files, on real services: S3, MLflow, Postgres.

mod lab;
mod labels;
mod pipeline;
mod publish;
mod secrets;
mod tracking;
