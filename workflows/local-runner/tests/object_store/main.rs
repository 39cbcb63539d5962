//! Steps and the pipeline over S3, with a proxy before it that counts and misbehaves.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod calls;
mod failures;
mod lab;
mod pipeline;
mod policies;
mod raw_files;
mod reruns;
mod together;
mod upload;
