//! The step contract, in one place: arguments, outputs, exit codes, progress, logs and signals.
//!
//! A step's `main.rs` is one line, and its library hands its verbs to [`main`]:
//!
//! ```text
//! pub fn main() -> ExitCode { settings::main(command(), run) }
//! ```
//!
//! It stands below the object store and the settings: both are handed in.

mod arguments;
mod findings;
mod folders;
mod opened;
mod outputs;
mod progress;
mod resources;
mod telemetry;
mod workers;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use chrono_tz::Tz;
use clap::{CommandFactory, Subcommand};
use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::failure::{self, Failure};
use crate::retry::Budget;
use crate::work::{Disk, Work, size};

pub use arguments::{Cache, Exceptions, Verbatim, refusal, timezone, with_shared};
pub use findings::{Findings, Problem};
pub use opened::Close;
pub use outputs::Outputs;
pub use progress::Progress;

use arguments::{Cli, Read, Shared};
use folders::Out;
use opened::Opened;
use workers::Workers;

/// How long a verb may take to close what it opened after SIGTERM; Kubernetes kills after 30 s.
const GRACE: Duration = Duration::from_secs(7);
/// How long it may then take to abort uploads.
const ABORT_GRACE: Duration = Duration::from_secs(3);
/// How long it may take to abort uploads after another failure.
const ABORT: Duration = Duration::from_secs(10);

/// Results for each thread that may wait for one that comes before them.
const AHEAD: usize = 8;

/// What every verb of a step can use.
#[derive(Clone, Debug)]
pub struct Step {
    shared: Arc<Shared>,
    name: String,
    threads: usize,
    memory: u64,
    work: Work,
    stop: Arc<AtomicBool>,
    stopping: Arc<Notify>,
    progress: Progress,
    /// In place of those of the process.
    variables: Option<Arc<BTreeMap<String, String>>>,
    opened: Opened,
}

/// The command line of a step: the shared flags and its verbs.
pub fn command<V: Subcommand>(name: &'static str, about: &'static str) -> clap::Command {
    Cli::<V>::command().name(name).bin_name(name).about(about)
}

/// Runs a step: reads its arguments, refuses it for what was found wrong with the settings of all
/// steps, runs the verb, writes its outputs, and gives the exit code of the contract.
///
/// This is the only place that prints to stdout.
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
    let workflow = shared.workflow.clone();
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
    // The panic's own hook has told where it happened.
    match ended.unwrap_or_else(|_| Err(anyhow!("the step panicked"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = failure::exit_code(&error);
            let file = termination_log.as_deref();
            telemetry::report_failure(&error, code, terminal, file, &workflow);
            ExitCode::from(code)
        }
    }
}

/// What was called, for logs and the summary.
struct Call {
    step: String,
    verb: String,
    started: Instant,
    /// Whether it must be able to write outputs before it begins.
    is_checked: bool,
    /// What is wrong with settings in spite of which it works.
    wrong: Option<String>,
    /// Names in the ConfigMap that nothing reads.
    unread: Vec<String>,
}

fn start<V: Subcommand>(
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
                tracing::warn!("{wrong}: defaults are used in their place");
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
    fn new(name: &str, shared: Shared) -> Result<Self> {
        let threads = shared.threads.unwrap_or_else(resources::threads);
        let memory = match shared.memory {
            Some(memory) => memory.bytes(),
            None => resources::memory_budget(),
        };
        let work = folders::work(shared.work.as_deref(), Path::new(folders::VOLUME));
        let disk = Disk::new(match shared.disk {
            Some(disk) => disk.bytes(),
            None => resources::disk_budget(&work),
        });
        Ok(Self {
            name: name.to_owned(),
            threads,
            memory,
            work: Work::new(&work, disk, memory / threads as u64),
            stop: Arc::default(),
            stopping: Arc::default(),
            variables: None,
            opened: Opened::default(),
            progress: Progress::new(shared.progress_file.clone(), telemetry::is_text(shared.log)),
            shared: Arc::new(shared),
        })
    }

    /// A step for tests, over the folder `home`: its store is `home/store`, its raw files `home/raw`.
    pub fn for_test(name: &str, home: &Path) -> Self {
        let step =
            Self::new(name, Shared::for_test(home)).expect("the arguments of a test are valid");
        std::fs::create_dir_all(step.work()).expect("the scratch folder of a test can be made");
        step
    }

    /// The same step in another workflow.
    pub fn in_workflow(&self, workflow: &str) -> Self {
        Self {
            shared: Arc::new(Shared {
                workflow: workflow.to_owned(),
                ..(*self.shared).clone()
            }),
            ..self.clone()
        }
    }

    /// The same step with `cache: refresh`.
    pub fn refreshing(&self) -> Self {
        Self {
            shared: Arc::new(Shared {
                cache: Cache::Refresh,
                ..(*self.shared).clone()
            }),
            ..self.clone()
        }
    }

    /// The same step where somebody waits for each answer: a call to a service is tried again for so long at most.
    pub fn within(&self, budget: Budget) -> Self {
        let retry_budget = self.shared.retry_budget.min(budget);
        Self {
            shared: Arc::new(Shared {
                retry_budget,
                ..(*self.shared).clone()
            }),
            ..self.clone()
        }
    }

    /// The same step where SIGTERM does not reach, for answers that a server finishes in the time that it has left.
    pub fn unstopped(&self) -> Self {
        Self {
            stop: Arc::default(),
            stopping: Arc::default(),
            ..self.clone()
        }
    }

    /// The same step on another number of threads.
    pub fn with_threads(&self, threads: usize) -> Self {
        let disk = self.work.disk().clone();
        Self {
            threads,
            work: Work::new(&self.work, disk, self.memory / threads as u64),
            ..self.clone()
        }
    }

    /// The same step with another budget of memory, for tests.
    pub fn with_memory(&self, memory: u64) -> Self {
        Self {
            memory,
            ..self.clone()
        }
        .with_threads(self.threads)
    }

    /// The same step with another budget of disk, for tests.
    pub fn with_disk(&self, bytes: u64) -> Self {
        let memory = self.work.memory();
        Self {
            work: Work::new(&self.work, Disk::new(bytes), memory),
            ..self.clone()
        }
    }

    /// The same step on as many threads as the budget of memory has room for, when each takes `each` bytes besides `once`
    /// bytes that are taken once; always one. `what` says what so much is taken for, such as `rows of 1000 columns`.
    pub fn fitting(&self, once: u64, each: u64, what: &str) -> Self {
        if each > self.memory {
            tracing::warn!(
                "the memory budget of {} is less than what {what} take on one thread, about {}: the \
                 container may be killed for its memory; --memory (ALAMEDA_MEMORY) and the limit of the \
                 container raise it",
                size(self.memory),
                size(each),
            );
        }
        let room = self.memory.saturating_sub(once) / each.max(1);
        let threads = usize::try_from(room)
            .unwrap_or(usize::MAX)
            .clamp(1, self.threads);
        if threads == self.threads {
            return self.clone();
        }
        tracing::info!(
            threads,
            "{threads} of {} threads work at the same time: the memory budget of {} has no room for more, with {} for \
             {what} on each; --memory (ALAMEDA_MEMORY) raises it",
            self.threads,
            size(self.memory),
            size(each),
        );
        self.with_threads(threads)
    }

    /// The same step with its store elsewhere and with other variables, for tests.
    pub fn with_store(&self, url: &str, variables: BTreeMap<String, String>) -> Self {
        let shared = Shared {
            store_url: Some(url.to_owned()),
            ..(*self.shared).clone()
        };
        Self {
            shared: Arc::new(shared),
            variables: Some(Arc::new(variables)),
            ..self.clone()
        }
    }

    /// The same step in another time zone, for tests.
    pub fn in_timezone(&self, timezone: Tz) -> Self {
        Self {
            shared: Arc::new(Shared {
                timezone,
                ..(*self.shared).clone()
            }),
            ..self.clone()
        }
    }

    /// Name of the step, such as `data-prep`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the workflow that runs this step.
    pub fn workflow(&self) -> &str {
        &self.shared.workflow
    }

    /// Whether it is run by hand.
    pub fn is_manual(&self) -> bool {
        self.workflow() == arguments::MANUAL
    }

    /// Whether finished work of the same fingerprint is used.
    pub fn cache(&self) -> Cache {
        self.shared.cache
    }

    /// Time zone in which an instant is cut to its date.
    pub fn timezone(&self) -> Tz {
        self.shared.timezone
    }

    /// Folder for spilled data, with what each thread may use of disk and memory.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Shards worked on at the same time.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Memory budget in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// How long a call to a service is tried again.
    pub fn retry_budget(&self) -> Budget {
        self.shared.retry_budget
    }

    /// Root of the object store; `None` where it is not given.
    pub fn store_url(&self) -> Option<&str> {
        self.shared.store_url.as_deref()
    }

    /// Variables in place of those of the process, in tests.
    pub fn variables(&self) -> Option<&BTreeMap<String, String>> {
        self.variables.as_deref()
    }

    /// What all of this step that open such things share; it is closed before the step exits.
    pub fn opened<T: Close + Default + 'static>(&self) -> Arc<T> {
        self.opened.of_type()
    }

    /// A scratch folder that vanishes when it is dropped.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("alameda-")
            .tempdir_in(self.work())
            .with_context(|| {
                format!(
                    "making a scratch folder in {}; --work names another place",
                    self.work().display()
                )
            })
    }

    /// Fails once SIGTERM has come; long loops on blocking threads ask this for every batch.
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            Err(Failure::Stopped.into())
        } else {
            Ok(())
        }
    }

    /// Waits until SIGTERM has come.
    pub async fn stopped(&self) {
        let notified = self.stopping.notified();
        // Asked after listening began, so that no signal falls in between.
        if self.check().is_ok() {
            notified.await;
        }
    }

    /// Begins the progress of `total` units, such as bytes or shards.
    pub fn progress(&self, total: u64, what: &str) -> &Progress {
        self.progress.begin(total, what);
        &self.progress
    }

    /// The progress that was begun last.
    pub fn current_progress(&self) -> &Progress {
        &self.progress
    }

    /// Works on all items on blocking threads, at most [`Step::threads`] at the same time; gives the results in the
    /// order of the items. The first error ends it.
    pub async fn each<T, R>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
    ) -> Result<Vec<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let mut results = Vec::new();
        self.fold(items, work, |result| {
            results.push(result);
            Ok(())
        })
        .await?;
        Ok(results)
    }

    /// Works on all items as [`Step::each`] does, and takes in each result in the order of the items: results that are
    /// taken in do not stay in memory.
    pub async fn fold<T, R>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
        take: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        self.fold_ahead(AHEAD * self.threads, items, work, take)
            .await
    }

    /// [`Step::fold`] with a limit to how many results are in memory, those that are being made and those that wait for
    /// one before them. A thread that is done goes on to the next item meanwhile.
    pub async fn fold_ahead<T, R>(
        &self,
        ahead: usize,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> Result<R> + Clone + Send + 'static,
        mut take: impl FnMut(R) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let mut items = items.into_iter().enumerate();
        let mut workers = Workers::new(self, work);
        let (mut waiting, mut next, mut failed) = (BTreeMap::new(), 0, false);
        loop {
            // After a failure only what comes before it is of interest: the first error in order is the one to report.
            while !failed
                && workers.busy < self.threads
                && workers.busy + waiting.len() < ahead.max(1)
            {
                match items.next() {
                    Some(item) => workers.give(item),
                    None => break,
                }
            }
            if workers.busy == 0 {
                return Ok(());
            }
            let (number, result) = workers.next().await;
            failed |= result.is_err();
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&next) {
                take(result?)?;
                next += 1;
            }
        }
    }

    /// Runs the verb until it ends, or until SIGTERM and a time of grace in which it can close what it opened.
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

#[cfg(test)]
mod tests;
