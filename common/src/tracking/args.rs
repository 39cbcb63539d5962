//! Where the tracking is: the flags and variables of those verbs that track.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

/// Where runs and models are kept. The login is no flag: it comes by `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or
/// `MLFLOW_TRACKING_TOKEN`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Tracking options")]
pub struct TrackingArgs {
    /// Address of an MLflow server that keeps runs and models [default: the store keeps them]
    #[arg(
        long = "tracking-uri",
        value_name = "URL",
        env = "MLFLOW_TRACKING_URI",
        hide_env_values = true
    )]
    pub uri: Option<String>,
    /// MLflow experiment of the runs [default: the model's name]
    #[arg(
        long = "experiment",
        value_name = "NAME",
        env = "MLFLOW_EXPERIMENT_NAME"
    )]
    pub experiment: Option<String>,
    /// Take any certificate of the MLflow server: for tests only
    #[arg(
        long = "tracking-insecure-tls",
        env = "MLFLOW_TRACKING_INSECURE_TLS",
        value_parser = FalseyValueParser::new()
    )]
    pub insecure_tls: bool,
    /// File of certificates that the MLflow server's is trusted by
    #[arg(
        long = "tracking-server-cert-path",
        value_name = "FILE",
        env = "MLFLOW_TRACKING_SERVER_CERT_PATH"
    )]
    pub server_cert_path: Option<PathBuf>,
}

impl TrackingArgs {
    /// The address of the MLflow server; `None` where there is none, and an empty variable means none.
    pub(super) fn uri(&self) -> Option<&str> {
        self.uri
            .as_deref()
            .map(str::trim)
            .filter(|uri| !uri.is_empty())
    }
}
