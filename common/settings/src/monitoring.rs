//! Settings of reports, of messages, and of the dashboard.

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::monitored::MonitorColumns;
use crate::parsers::{self, connections, from_zero, name_in_postgres};
use profile::drift::Thresholds;
use runtime::failure::Failure;

/// What decides a verdict.
#[derive(Clone, Debug, Args)]
pub struct JudgeArgs {
    /// Population stability index from which the verdict is warn
    #[arg(long, env = "PSI_WARN", default_value_t = Thresholds::default().warn, value_parser = from_zero)]
    pub psi_warn: f64,
    /// Population stability index from which the verdict is alert
    #[arg(long, env = "PSI_ALERT", default_value_t = Thresholds::default().alert, value_parser = from_zero)]
    pub psi_alert: f64,
    /// Minimum number of rows for a verdict; with fewer it is insufficient-data
    #[arg(
        long,
        env = "MIN_ROWS",
        default_value_t = Thresholds::default().min_rows,
        value_parser = parsers::count::<u64>
    )]
    pub min_rows: u64,
    /// Columns that affect the verdict: x1,x2 for only these, -x1,-x2 for all except these; the
    /// score is the column score
    #[arg(
        long,
        env = "MONITOR_COLUMNS",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub monitor_columns: MonitorColumns,
}

impl JudgeArgs {
    /// The thresholds.
    ///
    /// # Errors
    /// An alert below the warning: exit 2.
    pub fn thresholds(&self) -> Result<Thresholds> {
        if self.psi_alert < self.psi_warn {
            return Err(Failure::usage(format!(
                "PSI_ALERT (--psi-alert) is {}, below PSI_WARN (--psi-warn), which is {}: \
                 give a PSI_ALERT of at least PSI_WARN",
                self.psi_alert, self.psi_warn
            )));
        }
        Ok(Thresholds {
            warn: self.psi_warn,
            alert: self.psi_alert,
            min_rows: self.min_rows,
        })
    }
}

/// What a report does beside being written.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Verdict at which the step fails, with exit code 11, after the report is written; warn
    /// includes alert
    #[arg(long, env = "REPORT_FAIL_ON", default_value = "never")]
    pub fail_on: FailOn,
}

/// From which verdict on the step fails, after the report is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// When the verdict is alert.
    Alert,
    /// When it is warn or alert.
    Warn,
    /// Never: the verdict is for others to act on.
    Never,
}

/// Which ends of a workflow a webhook gets.
#[derive(Clone, Debug, Args)]
pub struct NotifyArgs {
    /// Outcomes of a workflow that are sent to the webhook in NOTIFY_URL
    #[arg(long, env = "NOTIFY_ON", default_value = "failure")]
    pub notify_on: NotifyOn,
    /// Format of the message: json for programs, slack for Slack and compatible services
    #[arg(long, env = "NOTIFY_FORMAT", default_value = "json")]
    pub notify_format: NotifyFormat,
}

/// Which outcomes of a workflow are sent to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NotifyOn {
    /// Every end.
    Always,
    /// Every end but success.
    Failure,
    /// None.
    Never,
}

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NotifyFormat {
    /// Fields, for programs.
    Json,
    /// A text, for Slack and what understands its messages.
    Slack,
}

/// Where the dashboard listens, and to whom.
#[derive(Clone, Debug, Args)]
pub struct DashboardArgs {
    /// Address and port to listen on; 0.0.0.0:8501 accepts connections from other machines
    #[arg(long, env = "DASHBOARD_BIND", default_value = "127.0.0.1:8501", value_parser = parsers::address)]
    pub bind: SocketAddr,
    /// Maximum number of connections to Postgres
    #[arg(long, env = "DASHBOARD_CONNECTIONS", default_value_t = 4, value_parser = connections)]
    pub connections: usize,
    /// Header in which the proxy in front names the user; requests without it are refused
    #[arg(long, env = "DASHBOARD_USER_HEADER")]
    pub user_header: Option<String>,
    /// User name for the login, with the password in the variable DASHBOARD_PASSWORD
    #[arg(long, env = "DASHBOARD_USER")]
    pub user: Option<String>,
    /// Tables to show, separated by commas [default: that of --predictions-table]
    #[arg(
        long,
        env = "PREDICTIONS_TABLES",
        value_delimiter = ',',
        value_parser = name_in_postgres
    )]
    pub predictions_tables: Vec<String>,
}
