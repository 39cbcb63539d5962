//! Steps and the pipeline over S3, with a proxy before it that counts and misbehaves.

mod calls;
mod failures;
mod lab;
mod pipeline;
mod policies;
mod raw_files;
mod reruns;
mod upload;
