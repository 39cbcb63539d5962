#![doc = include_str!("../README.md")]

mod minio;
mod mlflow;
mod place;
mod port;
mod postgres;
mod process;

pub use minio::Minio;
pub use mlflow::{Mlflow, MlflowOptions};
pub use place::{place, program, python};
pub use port::free_port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::{Server, local, status};

/// What a program needs to reach an S3 server, besides its `STORE_URL`.
///
/// `endpoint` is such as `http://127.0.0.1:9000`; the names are those that AWS's own tools read.
pub fn s3_variables(endpoint: &str, user: &str, password: &str) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", user),
        ("AWS_SECRET_ACCESS_KEY", password),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
