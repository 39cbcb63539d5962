//! MLflow: runs and registered models.

use std::process::Command;

use anyhow::Result;

use crate::place::program;
use crate::port::free_port;
use crate::process::{Server, local, status};

/// How an MLflow server is started.
#[derive(Clone, Debug, Default)]
pub struct MlflowOptions {
    /// Further arguments of `mlflow server`, such as `--app-name basic-auth`.
    pub arguments: Vec<String>,
    /// Further variables.
    pub variables: Vec<(String, String)>,
    /// A path prefix that everything moves under, such as `/mlflow`.
    pub prefix: String,
    /// Where artifacts go, such as `s3://alameda/mlflow`; `None`: a folder.
    pub artifacts: Option<String>,
    /// User and password of an administrator; `None`: nobody is asked who he is. Other users may
    /// read what is not theirs.
    pub administrator: Option<(String, String)>,
}

/// An MLflow server on a free port, with SQLite and a folder for artifacts.
pub struct Mlflow {
    server: Server,
    port: u16,
    options: MlflowOptions,
    folder: tempfile::TempDir,
}

impl Mlflow {
    /// Starts it.
    pub fn start(options: MlflowOptions) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let server = Self::serve(&options, &folder, port)?;
        Ok(Self {
            server,
            port,
            options,
            folder,
        })
    }

    fn serve(options: &MlflowOptions, folder: &tempfile::TempDir, port: u16) -> Result<Server> {
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut command = Command::new(program("venv/bin/mlflow")?);
        command
            .args([
                "server",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--workers",
                "1",
            ])
            .arg("--backend-store-uri")
            .arg(format!("sqlite:///{}", path("mlflow.db")))
            .arg("--artifacts-destination")
            .arg(
                options
                    .artifacts
                    .clone()
                    .unwrap_or_else(|| path("artifacts")),
            )
            .args(&options.arguments)
            // Its background jobs are seven more processes of Python, for things that are not
            // tested here.
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env_remove("MLFLOW_TRACKING_URI")
            .envs(options.variables.iter().map(|(name, value)| (name, value)));
        if !options.prefix.is_empty() {
            command.args(["--static-prefix", &options.prefix]);
        }
        if let Some((user, password)) = &options.administrator {
            let config = format!(
                "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{}\nadmin_username = {user}\n\
                 authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
                path("users.db")
            );
            std::fs::write(path("users.ini"), config)?;
            command
                .args(["--app-name", "basic-auth"])
                .env("MLFLOW_AUTH_CONFIG_PATH", path("users.ini"))
                .env("MLFLOW_AUTH_ADMIN_PASSWORD", password)
                .env("MLFLOW_FLASK_SERVER_SECRET_KEY", "a key for tests");
        }
        let mut server = Server::start("mlflow", &command, "TERM", folder.path())?;
        let health = format!("{}/health", options.prefix);
        server.wait_until(|| status(local(port), &health) == Some(200))?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `MLFLOW_TRACKING_URI` is set to.
    pub fn uri(&self) -> String {
        format!("http://{}{}", local(self.port), self.options.prefix)
    }

    /// Stops it; its data stay.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        self.server = Self::serve(&self.options, &self.folder, self.port)?;
        Ok(())
    }
}
