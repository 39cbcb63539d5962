//! How a step begins and ends.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::{CommandFactory, Subcommand};
use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument;

use super::arguments::{self, Cli, Exceptions, Read, Shared};
use super::findings::Findings;
use super::folders::{self, Out};
use super::{Outputs, Step, telemetry};
use crate::failure::{self, Failure};

/// How long a verb may take to close what it opened after SIGTERM; Kubernetes kills after 30 s.
const GRACE: Duration = Duration::from_secs(7);
/// How long it may then take to abort uploads.
const ABORT_GRACE: Duration = Duration::from_secs(3);
/// How long it may take to abort uploads after another failure.
const ABORT: Duration = Duration::from_secs(10);

/// The command line of a step: the shared flags and its verbs.
pub fn command<V: Subcommand>(name: &'static str, about: &'static str) -> clap::Command {
    Cli::<V>::command().name(name).bin_name(name).about(about)
}

/// Runs a step: reads its arguments, refuses it for what was found wrong with the settings of all
/// steps, runs the verb, writes its outputs, and gives the exit code of the contract.
///
/// Nothing but what it calls prints to stdout.
pub fn main<V: Subcommand>(
    command: clap::Command,
    findings: Findings,
    exceptions: Exceptions,
    run: impl AsyncFnOnce(&Step, V) -> Result<Outputs>,
) -> ExitCode {
    let started = Instant::now();
    let line: Vec<_> = std::env::args_os().collect();
    let Read {
        verb: verb_name,
        cli: Cli { shared, verb },
        wrong,
        unread,
    } = match arguments::read::<V>(command.clone(), &line, findings, exceptions) {
        Ok(read) => read,
        Err(error) => return ExitCode::from(arguments::report(&error, &line)),
    };
    telemetry::init(shared.log);
    let terminal = telemetry::is_text(shared.log);
    let termination_log = shared.termination_log.clone();
    let workflow = (!shared.is_manual()).then(|| shared.workflow.clone());
    let call = Call {
        step: command.get_name().to_owned(),
        is_checked: [exceptions.tolerant, exceptions.independent]
            .iter()
            .all(|verbs| !verbs.contains(&verb_name.as_str())),
        verb: verb_name,
        started,
        wrong,
        unread,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| start(&call, shared, verb, run)));
    // The panic's own hook has printed where it happened.
    match ended.unwrap_or_else(|_| Err(anyhow!("the step panicked"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = failure::exit_code(&error);
            let file = termination_log.as_deref();
            telemetry::report_failure(&error, code, terminal, file, workflow.as_deref());
            ExitCode::from(code)
        }
    }
}

/// What was called, for logs and the summary.
pub(super) struct Call {
    pub(super) step: String,
    pub(super) verb: String,
    pub(super) started: Instant,
    /// Whether it must be able to write outputs before it begins.
    pub(super) is_checked: bool,
    /// What is wrong with settings in spite of which it works.
    pub(super) wrong: Option<String>,
    /// Names in the ConfigMap that nothing reads.
    pub(super) unread: Vec<String>,
}

pub(super) fn start<V: Subcommand>(
    call: &Call,
    shared: Shared,
    verb: V,
    run: impl AsyncFnOnce(&Step, V) -> Result<Outputs>,
) -> Result<()> {
    let step = Step::new(&call.step, shared)?;
    let out = Out::new(step.shared.out.as_deref(), Path::new(folders::VOLUME));
    if call.is_checked {
        folders::check(&out)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(step.threads.clamp(1, 4))
        .max_blocking_threads(step.threads + 4)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    // A person reads one step's log and knows whose it is; a machine reads all of them.
    let span = match telemetry::is_text(step.shared.log) {
        true => tracing::Span::none(),
        false => tracing::info_span!(
            "step",
            step = call.step,
            verb = call.verb,
            workflow = step.shared.workflow
        ),
    };
    let result = runtime.block_on(
        async {
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                threads = step.threads,
                "{} {} starts",
                call.step,
                call.verb
            );
            if let Some(wrong) = &call.wrong {
                tracing::warn!("{wrong}: using the defaults instead");
            }
            for name in &call.unread {
                tracing::warn!("the ConfigMap holds {name}, which no step reads");
            }
            // A panic must not keep what was opened from being closed.
            let result = AssertUnwindSafe(step.stoppable(run(&step, verb)))
                .catch_unwind()
                .await;
            step.opened
                .close(if step.check().is_err() {
                    ABORT_GRACE
                } else {
                    ABORT
                })
                .await;
            result.unwrap_or_else(|panic| resume_unwind(panic))
        }
        .instrument(span.clone()),
    );
    // Blocking threads that have not noticed the end yet must not hold it up.
    runtime.shutdown_background();
    let outputs = result?;
    outputs.write(&out)?;
    step.progress.finish()?;
    let elapsed_ms = call.started.elapsed().as_millis() as u64;
    span.in_scope(|| tracing::info!(elapsed_ms, "{} {} is done", call.step, call.verb));
    outputs.print_summary(&call.step, &call.verb)?;
    match (outputs.refusal(), &call.wrong) {
        (Some(why), _) => Err(Failure::Refused(why.to_owned()).into()),
        (None, Some(wrong)) => Err(Failure::usage(wrong.clone())),
        (None, None) => Ok(()),
    }
}

impl Step {
    /// Runs the verb until it ends, or until SIGTERM and a time of grace in which it can close what
    /// it opened.
    async fn stoppable(&self, run: impl Future<Output = Result<Outputs>>) -> Result<Outputs> {
        let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        tokio::pin!(run);
        tokio::select! {
            result = &mut run => return result,
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        self.stop.store(true, Ordering::Relaxed);
        self.stopping.notify_waiters();
        tracing::warn!("stopping on a signal");
        // Whoever waits for an upload is let go at once.
        match tokio::join!(tokio::time::timeout(GRACE, run), self.opened.close(GRACE)) {
            // Done before it noticed.
            (Ok(Ok(outputs)), ()) => Ok(outputs),
            _ => Err(Failure::Stopped.into()),
        }
    }
}
