//! Both S3 servers, as a test that must hold for either takes them.

use services::Minio;

use crate::shared;

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

    /// The one that all tests of a program share.
    pub fn minio() -> Self {
        let minio = shared::minio();
        Self {
            name: "MinIO",
            port: minio.port(),
            variables: minio.variables(),
        }
    }

    /// The one that all tests of a program share.
    pub fn moto() -> Self {
        let moto = shared::moto();
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
