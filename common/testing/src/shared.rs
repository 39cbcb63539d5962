//! Servers that all tests of a program share: the first who asks starts one, and it ends with the
//! program.

use std::sync::OnceLock;

use services::{Minio, Mlflow, MlflowOptions, Postgres, PostgresOptions};

use crate::Moto;

/// MinIO, with one bucket. Tests keep apart by the prefix of their keys.
#[expect(clippy::unwrap_used, reason = "without it no test goes on")]
pub fn minio() -> &'static Minio {
    static SERVER: OnceLock<Minio> = OnceLock::new();
    SERVER.get_or_init(|| Minio::start().unwrap())
}

/// moto, with one bucket. Tests keep apart by the prefix of their keys.
#[expect(clippy::unwrap_used, reason = "without it no test goes on")]
pub(crate) fn moto() -> &'static Moto {
    static SERVER: OnceLock<Moto> = OnceLock::new();
    SERVER.get_or_init(|| Moto::start().unwrap())
}

/// MLflow, which asks nobody who he is. Tests keep apart by the names of their models.
#[expect(clippy::unwrap_used, reason = "without it no test goes on")]
pub fn mlflow() -> &'static Mlflow {
    static SERVER: OnceLock<Mlflow> = OnceLock::new();
    SERVER.get_or_init(|| Mlflow::start(MlflowOptions::default()).unwrap())
}

/// Postgres, without TLS. Tests keep apart by databases of their own.
#[expect(clippy::unwrap_used, reason = "without it no test goes on")]
pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(PostgresOptions::default()).unwrap())
}
