//! moto: a second S3 server, which has nothing in common with the first.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Result, ensure};

use services::{Server, free_port, local, program, s3_variables, status};

/// A moto server with one bucket, `alameda`, held in its memory.
pub struct Moto {
    _server: Server,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Moto {
    /// Its bucket.
    pub const BUCKET: &str = "alameda";

    /// Starts it.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = Command::new(program("venv/bin/moto_server")?);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut server = Server::start("moto", &command, "TERM", folder.path())?;
        server.wait_until(|| status(local(port), "/moto-api/").is_some())?;
        let mut stream = TcpStream::connect(local(port))?;
        write!(
            stream,
            "PUT /{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Self::BUCKET,
            local(port)
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.contains(" 200 "), "moto made no bucket: {answer}");
        Ok(Self {
            _server: server,
            port,
            _folder: folder,
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What a program needs to reach it, `STORE_URL` apart. moto believes any key.
    pub fn variables(&self) -> Vec<(String, String)> {
        s3_variables(
            &format!("http://{}", local(self.port)),
            "moto-user",
            "moto-secret-5Kd1",
        )
    }
}
