//! Logs on stderr: text for a person, JSON for a machine. A failure is reported once, here.

use std::io::IsTerminal;
use std::path::Path;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::failure;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Log {
    /// Text on a terminal, else JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether a person reads the logs.
pub(super) fn is_text(log: Log) -> bool {
    log == Log::Text || (log == Log::Auto && std::io::stderr().is_terminal())
}

pub(super) fn init(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    if is_text(log) {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .compact()
            .init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init();
    }
}

/// How to go on after SIGTERM, where nobody tries the step again by himself. On a terminal it is
/// the runner's.
fn go_on(workflow: Option<&str>, terminal: bool) -> String {
    let Some(workflow) = workflow.filter(|_| !terminal) else {
        return "run it again: finished work is reused".to_owned();
    };
    format!(
        "after `argo stop`, `argo resubmit {workflow}` continues and reuses finished work; \
         `argo suspend {workflow}` and `argo resume {workflow}` pause a run"
    )
}

/// Reports why the step failed: to stderr, and to the file whose text Kubernetes and Argo show
/// beside the exit code. `workflow` is the one that runs the step, if it is not run by hand.
pub(super) fn report_failure(
    error: &anyhow::Error,
    exit_code: u8,
    text: bool,
    termination_log: Option<&Path>,
    workflow: Option<&str>,
) {
    let mut message = format!("{error:#}");
    if let Some(hint) = failure::hint(error) {
        message = format!("{message}\n{hint}");
    }
    if exit_code == failure::STOPPED {
        message = format!("{message}\n{}", go_on(workflow, text));
    }
    if exit_code == failure::BUG {
        message = format!("{message}\nthis is a bug of Alameda: please report it with this log");
    }
    print_failure(&message, exit_code, text);
    write_message(&message, termination_log);
}

/// Writes why the step failed to stderr.
pub(super) fn print_failure(message: &str, exit_code: u8, text: bool) {
    if text {
        eprintln!("error: {message}");
    } else {
        tracing::error!(exit_code, "{message}");
    }
}

/// Writes a text to the file whose text Kubernetes and Argo show beside the exit code.
pub(super) fn write_message(message: &str, termination_log: Option<&Path>) {
    if let Some(file) = termination_log.filter(|file| file.exists()) {
        // It is a courtesy: the exit code and the log have it already.
        let _ = std::fs::write(file, message);
    }
}
