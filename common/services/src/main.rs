//! Starts an S3 server, MLflow and Postgres, and says how to use them.

use std::io::{Read, Write};

use anyhow::Result;
use services::{Minio, Mlflow, MlflowOptions, Postgres, PostgresOptions};

fn main() -> Result<()> {
    let minio = Minio::start()?;
    let mlflow = Mlflow::start(MlflowOptions::default())?;
    let postgres = Postgres::start(PostgresOptions { durable: true, ..PostgresOptions::default() })?;
    let mut variables = minio.variables();
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    set("STORE_URL", format!("s3://{}/store", Minio::BUCKET));
    set("RAW_URL", format!("s3://{}/raw", Minio::BUCKET));
    set("MLFLOW_TRACKING_URI", mlflow.uri());
    set("DATABASE_URL", postgres.create_database("alameda")?);

    let mut out = std::io::stdout().lock();
    for (name, value) in &variables {
        writeln!(out, "export {name}='{value}'")?;
    }
    writeln!(out, "# Set these in another terminal; press Enter or Ctrl-C here to end the servers. Their data go with them.")?;
    out.flush()?;
    // The servers end with this process, whatever ends it.
    let _ = std::io::stdin().read(&mut [0])?;
    Ok(())
}
