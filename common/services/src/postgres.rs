//! Postgres: predictions for applications and the dashboard.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::port::free_port;
use crate::process::{Server, local};

/// How a Postgres server is started.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Settings, such as `("shared_buffers", "256MB")`.
    pub settings: Vec<(String, String)>,
    /// Whether it speaks TLS, with a certificate for the host name `localhost` alone.
    pub tls: bool,
    /// Whether it waits for the disk as a server in earnest does; tests need not.
    pub durable: bool,
}

/// A Postgres server on a free port, with its data in a temporary folder.
pub struct Postgres {
    server: Server,
    port: u16,
    options: PostgresOptions,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// The superuser.
    pub const USER: &str = "alameda";
    /// The superuser's password.
    pub const PASSWORD: &str = "postgres-secret-3Xw9";

    /// Starts it.
    pub fn start(options: PostgresOptions) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // The server runs as another user when this process is root.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let port = free_port()?;
        Self::initialise(&folder, &options)?;
        let server = Self::serve(&options, &folder, port)?;
        let postgres = Self {
            server,
            port,
            options,
            folder,
        };
        Ok(postgres)
    }

    fn initialise(folder: &tempfile::TempDir, options: &PostgresOptions) -> Result<()> {
        let own = folder.path().join("own");
        std::fs::create_dir(&own)?;
        let password = own.join("password");
        std::fs::write(&password, Self::PASSWORD)?;
        if options.tls {
            certificate(&own)?;
        }
        if is_root()? {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(&own))?;
        }
        let mut initdb = as_postgres(&program("initdb")?)?;
        initdb
            .arg("-D")
            .arg(own.join("data"))
            .args([
                "-U",
                Self::USER,
                "--auth=scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", password.display()));
        run(&mut initdb)
    }

    fn serve(options: &PostgresOptions, folder: &tempfile::TempDir, port: u16) -> Result<Server> {
        let own = folder.path().join("own");
        let mut command = as_postgres(&program("postgres")?)?;
        command
            .arg("-D")
            .arg(own.join("data"))
            .args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.arg("-k").arg(&own);
        let mut setting = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        if !options.durable {
            setting("fsync", "off");
        }
        if options.tls {
            setting("ssl", "on");
            setting(
                "ssl_cert_file",
                &own.join("server.crt").display().to_string(),
            );
            setting(
                "ssl_key_file",
                &own.join("server.key").display().to_string(),
            );
        }
        for (name, value) in &options.settings {
            setting(name, value);
        }
        // Immediate shutdown: the data are temporary, and a smart one waits for clients.
        let mut server = Server::start("postgres", &command, "QUIT", folder.path())?;
        let mut ready = Command::new(program("pg_isready")?);
        ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        server.wait_until(|| ready.status().is_ok_and(|status| status.success()))?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `DATABASE_URL` is set to for a database; `postgres` always exists.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{}:{}@{}/{database}",
            Self::USER,
            Self::PASSWORD,
            local(self.port)
        )
    }

    /// The certificate that clients must trust to verify a server with TLS.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("own/server.crt")
    }

    /// Runs SQL with psql and gives what it prints: rows in lines, columns separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(program("psql")?)
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url(database),
                "-c",
                sql,
            ])
            .output()?;
        ensure!(
            output.status.success(),
            "psql: {sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Makes a database and gives its URL.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url(name))
    }

    /// Stops it at once, as a crash would; its data stay.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        self.server = Self::serve(&self.options, &self.folder, self.port)?;
        Ok(())
    }
}

/// A program of the newest Postgres that is installed: Debian keeps the server's programs out of
/// `PATH`.
#[expect(clippy::disallowed_methods, reason = "where programs are installed")]
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path().join("bin").join(name);
        if let (Ok(version), true) = (entry.file_name().to_string_lossy().parse(), path.is_file()) {
            found.push((version, path));
        }
    }
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    let newest = found
        .into_iter()
        .max()
        .map(|(_, path)| path)
        .or_else(in_path);
    newest.with_context(|| {
        format!("Postgres's program {name} is missing: run `just install-services`")
    })
}

/// Postgres refuses to run as root.
fn as_postgres(program: &Path) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    Ok(command)
}

fn is_root() -> Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("asking who runs this")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// A certificate for `localhost`, signed by itself.
fn certificate(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-new",
            "-x509",
            "-days",
            "2",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .arg("-out")
        .arg(folder.join("server.crt"))
        .arg("-keyout")
        .arg(folder.join("server.key"));
    run(&mut openssl)?;
    std::fs::set_permissions(
        folder.join("server.key"),
        std::fs::Permissions::from_mode(0o600),
    )?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {}", command.get_program().display()))?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success(),
        "{} failed: {stdout}{stderr}",
        command.get_program().display()
    );
    Ok(())
}
