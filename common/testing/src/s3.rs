//! S3 servers that all tests of a program share.

use std::sync::OnceLock;

use services::Minio;

use crate::Moto;

/// An S3 server. Each has a bucket named [`S3Server::BUCKET`].
#[derive(Clone, Debug)]
pub struct S3Server {
    /// Whose it is, such as `MinIO`.
    pub name: &'static str,
    /// Where it listens on this machine.
    pub port: u16,
    /// What a program needs to reach it.
    pub variables: Vec<(String, String)>,
}

impl S3Server {
    /// The bucket that is there at the start.
    pub const BUCKET: &str = Minio::BUCKET;

    /// MinIO, started by the first who asks.
    #[expect(clippy::unwrap_used, reason = "without it no test goes on")]
    pub fn minio() -> Self {
        static MINIO: OnceLock<Minio> = OnceLock::new();
        let minio = MINIO.get_or_init(|| Minio::start().unwrap());
        Self {
            name: "MinIO",
            port: minio.port(),
            variables: minio.variables(),
        }
    }

    /// moto, started by the first who asks.
    #[expect(clippy::unwrap_used, reason = "without it no test goes on")]
    pub fn moto() -> Self {
        static MOTO: OnceLock<Moto> = OnceLock::new();
        let moto = MOTO.get_or_init(|| Moto::start().unwrap());
        Self {
            name: "moto",
            port: moto.port(),
            variables: moto.variables(),
        }
    }

    /// Each of them: what holds for one must hold for the other.
    pub fn all() -> [Self; 2] {
        [Self::minio(), Self::moto()]
    }
}
