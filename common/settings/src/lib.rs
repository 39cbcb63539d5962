//! Every setting of every step, once: its flag, its variable, its default, and what it may be.
//!
//! A step flattens the groups that it reads into the flags of its verbs. [`wrong()`] looks at all
//! of them, so that the first step of a workflow refuses what a later one could not use:
//!
//! ```text
//! 2 settings are wrong: HOLDOUT is `10%`: give first-shard, ...; PSI_WARN is `0,1`: give ...
//! ```

mod auto;
mod gate;
pub mod monitored;
mod monitoring;
pub mod of_data;
mod parsers;
mod program;
pub mod published;
#[cfg(test)]
mod tests;
mod wrong;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::FalseyValueParser;
use clap::{Arg, Args, Command, FromArgMatches, ValueEnum};

use catalog::selection::PredictShards;
use learn::model::{ClassWeight, LOGISTIC_REGRESSION};
use runtime::step::with_shared;
use store::RawArgs;
use table::categories::SegmentColumns;
use table::dataset::HoldoutSetting;

pub use auto::Auto;
pub use gate::{GateArgs, GateCompare, GateMode, without_segments};
pub use monitoring::{
    DashboardArgs, FailOn, JudgeArgs, NotifyArgs, NotifyFormat, NotifyOn, ReportArgs,
};
pub use program::{main, main_with};
pub use wrong::{ConfigMapKeys, is_known, refusal, wrong};

use parsers::{class_weight, family, glob, name_in_postgres, positive, predict_glob, probability};

/// The variables that describe a database. They are no flags: command lines are seen by others.
pub const DATABASE_VARIABLES: [&str; 8] = [
    "DATABASE_URL",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
];

/// Secrets that steps read beside those of the object store, MLflow and the database.
const SECRETS: [&str; 5] = [
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "NOTIFY_URL",
    "DASHBOARD_PASSWORD",
];

/// Where a configuration lies.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// Folder with dataset.json, features.sql and optionally models.json, for train
    #[arg(long, env = CONFIG_DIR.0, default_value = CONFIG_DIR.1)]
    pub config_dir: PathBuf,
}

/// Variable and default of the folder where the ConfigMap is mounted.
pub(crate) const CONFIG_DIR: (&str, &str) = ("ALAMEDA_CONFIG", "/config");

/// How raw training files are prepared.
#[derive(Clone, Debug, Args)]
pub struct PreparationArgs {
    /// Raw training files (.parquet, .csv, .csv.gz or .csv.zst)
    #[arg(long, env = "TRAIN_GLOB", default_value = "train/*.parquet", value_parser = glob)]
    pub train_glob: String,

    /// Rows held out of training: first-shard, fraction=0.1, after=2024-10-01, or after=-7d, which
    /// counts back from the date of the data version (less LABEL_DELAY for scored rows)
    #[arg(long, env = "HOLDOUT", default_value = "first-shard")]
    pub holdout: HoldoutSetting,

    /// Days between the scoring of rows and their labels, for training on scored rows
    #[arg(long, env = "LABEL_DELAY", default_value = "0", value_parser = parsers::delay)]
    pub label_delay: u64,

    /// What to do with a raw file that breaks the data contract
    #[arg(long, env = "ON_BAD_SHARD", default_value = "fail")]
    pub on_bad_shard: OnBadShard,

    /// Maximum number of raw files that quarantine may leave out
    #[arg(long, env = "MAX_BAD_SHARDS", default_value = "0", value_parser = parsers::count::<usize>)]
    pub max_bad_shards: usize,

    /// Maximum share of rows that may be quarantined, if the data contract quarantines rows
    #[arg(long, env = "MAX_QUARANTINED_SHARE", default_value = "0.01", value_parser = parsers::share)]
    pub max_quarantined_share: f64,
}

/// What to do with a raw file that breaks the data contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnBadShard {
    /// End the run.
    Fail,
    /// Leave it out, and name it in the manifest.
    Quarantine,
}

/// How a model is fitted.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct TrainingArgs {
    /// Model family
    #[arg(long, env = "MODEL_FAMILY", default_value = LOGISTIC_REGRESSION, value_parser = family)]
    pub family: String,
    /// Inverse strength of the L2 penalty
    #[arg(long, env = "MODEL_C", default_value_t = 1.0, value_parser = positive)]
    pub c: f64,
    /// Weights of the classes: balanced or none
    #[arg(long, env = "MODEL_CLASS_WEIGHT", default_value = "balanced", value_parser = class_weight)]
    pub class_weight: ClassWeight,
    /// Maximum number of Newton steps
    #[arg(
        long,
        env = "MODEL_MAX_ITER",
        default_value_t = 1000,
        value_parser = parsers::from_one
    )]
    pub max_iter: u32,
    /// Newton steps go on while a component of the gradient is larger than this and they still make
    /// progress
    #[arg(long, env = "MODEL_TOL", default_value_t = 1e-10, value_parser = positive)]
    pub tol: f64,
    /// Probability from which the positive class is predicted
    #[arg(long, env = "MODEL_THRESHOLD", default_value_t = 0.5, value_parser = probability)]
    pub threshold: f64,
}

/// When candidates are measured in pods of their own.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct FanOutArgs {
    /// Maximum number of training rows with which one pod measures all candidates; with more rows,
    /// each candidate has its own pod
    #[arg(long, env = "FAN_OUT_ROWS", default_value_t = 5_000_000, value_parser = parsers::count::<u64>)]
    pub fan_out_rows: u64,
}

/// Columns that rows are divided by.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct SegmentsArgs {
    /// Ignored columns that are kept in training profiles and scored rows as segments of the
    /// report: names separated by commas, or none; by default the first 4 text and boolean columns
    /// with at most 50 values in training
    #[arg(long, env = "SEGMENT_COLUMNS", default_value = "")]
    pub segment_columns: SegmentColumns,
}

/// Which model scores which raw files.
#[derive(Clone, Debug, Args)]
pub struct ScoringArgs {
    /// Model version that scores: an alias, or a version number
    #[arg(long, env = "MODEL_REF", default_value = "champion")]
    pub model_ref: String,
    /// Raw files to score; may contain {data-version}, and must for a backfill
    #[arg(long, env = "PREDICT_GLOB", default_value = "predict/*.parquet", value_parser = predict_glob)]
    pub predict_glob: String,
}

/// Which of the raw files are scored.
#[derive(Clone, Debug, Args)]
pub struct SelectionArgs {
    /// Whether to score all raw files, or only those in no earlier results of this model name
    #[arg(long, env = "PREDICT_SHARDS", default_value = "all")]
    pub predict_shards: PredictShards,
}

/// Labels that come later than predictions.
#[derive(Clone, Debug, Args)]
pub struct LabelsArgs {
    /// Raw files of late labels: id, time, target; the last file name wins
    #[arg(long, env = "LABELS_GLOB", default_value = "labels/*.parquet", value_parser = glob)]
    pub labels_glob: String,
}

/// Which table holds the predictions.
#[derive(Clone, Debug, Args)]
pub struct TableArgs {
    /// Schema of the tables in Postgres; it must exist
    #[arg(
        long,
        env = "DATABASE_SCHEMA",
        default_value = "public",
        value_parser = name_in_postgres
    )]
    pub database_schema: String,
    /// Table of the predictions in Postgres; it is created if it does not exist
    #[arg(
        long,
        env = "PREDICTIONS_TABLE",
        default_value = "predictions",
        value_parser = name_in_postgres
    )]
    pub predictions_table: String,
    /// Whether a new table is partitioned by month
    #[arg(long, env = "PREDICTIONS_PARTITION", default_value = "none")]
    pub predictions_partition: PartitionBy,
}

/// How the table of predictions is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PartitionBy {
    /// In one piece.
    #[default]
    None,
    /// By the month of the column of time, which for instants is that of UTC.
    Month,
}

/// How long published rows are kept.
#[derive(Clone, Debug, Args)]
pub struct RetentionArgs {
    /// Days after which rows of the model are dropped, by their time; by default all are kept
    #[arg(long, env = "RETENTION_DAYS", value_parser = parsers::from_one)]
    pub retention_days: Option<u32>,
}

/// What publishing catches up.
#[derive(Clone, Debug, Args)]
pub struct CatchUpArgs {
    /// How many of the model's newest results are also published if the table lacks them, as after
    /// a failed run; 0: none
    #[arg(long, env = "PUBLISH_CATCH_UP", default_value_t = 30, value_parser = parsers::count::<u32>)]
    pub catch_up: u32,
}

/// Which earlier reports are looked at for later labels.
#[derive(Clone, Debug, Args)]
pub struct RenewArgs {
    /// How many of the model's newest results get a new report when late labels arrive; 0: none
    #[arg(long, env = "RENEW_REPORTS", default_value_t = 30, value_parser = parsers::count::<u32>)]
    pub renew_reports: u32,
}

/// Where runs and models are kept: in an MLflow server, or in the store when there is none.
///
/// Secrets are no flags, because command lines are seen by others: a user and a password are read
/// from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, a token instead of them from
/// `MLFLOW_TRACKING_TOKEN`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Tracking options")]
pub struct TrackingArgs {
    /// Address of the MLflow server for runs and models [default: they are kept in the store]
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
    /// Accept any certificate of the MLflow server: for tests only
    #[arg(
        long = "tracking-insecure-tls",
        env = "MLFLOW_TRACKING_INSECURE_TLS",
        value_parser = FalseyValueParser::new()
    )]
    pub insecure_tls: bool,
    /// File with the CA certificates to trust for the MLflow server
    #[arg(
        long = "tracking-server-cert-path",
        value_name = "FILE",
        env = "MLFLOW_TRACKING_SERVER_CERT_PATH"
    )]
    pub server_cert_path: Option<PathBuf>,
}

impl TrackingArgs {
    /// The address of the MLflow server; `None` where there is none, and an empty variable means
    /// none.
    pub fn uri(&self) -> Option<&str> {
        let uri = self.uri.as_deref().map(str::trim);
        uri.filter(|uri| !uri.is_empty())
    }
}

/// The flags of every group, each with its variable.
pub fn all() -> Vec<Arg> {
    let command = Command::new("settings");
    let command = with_shared(command);
    let command = RawArgs::augment_args(command);
    let command = ConfigArgs::augment_args(command);
    let command = PreparationArgs::augment_args(command);
    let command = TrainingArgs::augment_args(command);
    let command = FanOutArgs::augment_args(command);
    let command = SegmentsArgs::augment_args(command);
    let command = GateArgs::augment_args(command);
    let command = ScoringArgs::augment_args(command);
    let command = SelectionArgs::augment_args(command);
    let command = LabelsArgs::augment_args(command);
    let command = TableArgs::augment_args(command);
    let command = RetentionArgs::augment_args(command);
    let command = CatchUpArgs::augment_args(command);
    let command = RenewArgs::augment_args(command);
    let command = JudgeArgs::augment_args(command);
    let command = ReportArgs::augment_args(command);
    let command = NotifyArgs::augment_args(command);
    let command = DashboardArgs::augment_args(command);
    let command = TrackingArgs::augment_args(command);
    command.get_arguments().cloned().collect()
}

/// Whether a database is described.
pub fn has_database(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    is_set("DATABASE_URL") || is_set("PGHOST")
}

/// A group of settings by their variables alone; `None` when one of them is wrong.
pub(crate) fn group<A: Args + FromArgMatches>(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<A> {
    let command = A::augment_args(Command::new("settings").no_binary_name(true));
    let given = command.get_arguments().filter_map(|flag| {
        let value = variable(flag.get_env()?.to_str()?)?.into_string().ok()?;
        let is_given = !value.is_empty();
        is_given.then_some(format!("--{}={value}", flag.get_long()?))
    });
    let given: Vec<String> = given.collect();
    let command = command.mut_args(|flag| flag.env(None::<&'static str>));
    A::from_arg_matches(&command.try_get_matches_from(given).ok()?).ok()
}

/// Settings that are right each for itself, and contradict each other.
///
/// # Errors
/// Exit 2, with the names of both.
fn contradiction(variable: impl Fn(&str) -> Option<OsString>) -> Result<()> {
    if let Some(judge) = group::<JudgeArgs>(&variable) {
        judge.thresholds()?;
    }
    if let Some(gate) = group::<GateArgs>(&variable) {
        gate.check()?;
    }
    Ok(())
}
