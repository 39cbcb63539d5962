//! `services`: real services on this machine, to try things out with.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use anyhow::Result;
use services::{Minio, Mlflow, MlflowOptions, Postgres, PostgresOptions};

use crate::ui;

/// Starts an S3 server, MLflow and Postgres, says how to use them, and waits for Enter or a signal.
pub(crate) fn run() -> Result<ExitCode> {
    ui::eprint("starting an S3 server, MLflow and Postgres\n");
    let minio = Minio::start()?;
    let mlflow = Mlflow::start(MlflowOptions::default())?;
    let postgres = Postgres::start(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })?;
    let mut variables = minio.variables();
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    set("STORE_URL", format!("s3://{}/store", Minio::BUCKET));
    set("RAW_URL", format!("s3://{}/raw", Minio::BUCKET));
    set("MLFLOW_TRACKING_URI", mlflow.uri());
    set("DATABASE_URL", postgres.create_database("alameda")?);
    let exports: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("export {name}='{value}'\n"))
        .collect();
    ui::print(&exports.concat());
    ui::eprint(
        "Set these in another terminal. Enter or Ctrl-C stops the servers and deletes their data.\n",
    );
    let mut stdin = std::io::stdin();
    if !stdin.is_terminal() {
        // Nobody can press Enter. The servers end with this process, whatever ends it.
        loop {
            std::thread::park();
        }
    }
    stdin.read_exact(&mut [0])?;
    Ok(ExitCode::SUCCESS)
}
