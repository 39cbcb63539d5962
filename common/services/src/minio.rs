//! MinIO: an S3 server.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::program;
use crate::port::free_port;
use crate::process::{Server, local, status};
use crate::s3_variables;

/// A MinIO server with one bucket, `alameda`, on a free port and a temporary folder.
pub struct Minio {
    server: Server,
    port: u16,
    folder: tempfile::TempDir,
}

impl Minio {
    /// Its first bucket.
    pub const BUCKET: &str = "alameda";
    /// The user that may do everything.
    pub const USER: &str = "alameda-minio-user";
    /// That user's password.
    pub const PASSWORD: &str = "minio-secret-8Vq2";

    /// Starts it.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        std::fs::create_dir_all(folder.path().join("data").join(Self::BUCKET))?;
        let server = Self::serve(&folder, port)?;
        Ok(Self {
            server,
            port,
            folder,
        })
    }

    fn serve(folder: &tempfile::TempDir, port: u16) -> Result<Server> {
        let mut command = Command::new(program("bin/minio")?);
        command
            .args([
                "server",
                "--quiet",
                "--address",
                &local(port).to_string(),
                "--console-address",
                "127.0.0.1:0",
            ])
            .arg(folder.path().join("data"))
            .env("MINIO_ROOT_USER", Self::USER)
            .env("MINIO_ROOT_PASSWORD", Self::PASSWORD)
            .env("MINIO_BROWSER", "off")
            // Calls and bytes are counted at /minio/v2/metrics/cluster.
            .env("MINIO_PROMETHEUS_AUTH_TYPE", "public");
        let mut server = Server::start("minio", &command, "TERM", folder.path())?;
        server.wait_until(|| status(local(port), "/minio/health/ready") == Some(200))?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address, such as `http://127.0.0.1:9000`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", local(self.port))
    }

    /// What a program needs to reach it, `STORE_URL` apart.
    pub fn variables(&self) -> Vec<(String, String)> {
        s3_variables(&self.endpoint(), Self::USER, Self::PASSWORD)
    }

    /// Makes another bucket.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        std::fs::create_dir_all(self.folder.path().join("data").join(name))
            .context("making a bucket")
    }

    /// The folder that holds unfinished multipart uploads; empty when there is none.
    pub fn multipart_folder(&self) -> PathBuf {
        self.folder.path().join("data/.minio.sys/multipart")
    }

    /// Stops it; its data stay.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        self.server = Self::serve(&self.folder, self.port)?;
        Ok(())
    }
}
