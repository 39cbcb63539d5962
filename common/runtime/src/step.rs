//! The step contract, in one place: arguments, outputs, exit codes, progress, logs and signals.
//!
//! A step's `main.rs` is one line, and its library hands its verbs to [`main`]:
//!
//! ```text
//! pub fn main() -> ExitCode { settings::main(command(), run) }
//! ```
//!
//! It is below the object store and the settings: both are handed in.

mod arguments;
mod findings;
mod folders;
mod opened;
mod ordered;
mod outputs;
mod program;
mod progress;
mod resources;
mod telemetry;
mod workers;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use chrono_tz::Tz;
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::retry::Budget;
use crate::work::{Disk, Work, size};

pub use arguments::{Cache, Exceptions, Verbatim, refusal, timezone, with_shared};
pub use findings::{Findings, Problem};
pub use opened::Close;
pub use outputs::Outputs;
pub use program::{command, main};
pub use progress::Progress;

use arguments::Shared;
use opened::Opened;

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

    /// What works as a step does, outside of a workflow and without a store: it spills into the
    /// folder `work`, and takes what the machine has.
    ///
    /// # Errors
    /// Limits of the machine that can't be read.
    pub fn outside(name: &str, work: &Path) -> Result<Self> {
        Self::new(name, Shared::outside(work))
    }

    /// A step for tests, over the folder `home`: its store is `home/store`, its raw files
    /// `home/raw`.
    #[expect(clippy::expect_used, reason = "for tests alone")]
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

    /// The same step where somebody waits for each answer: a call to a service is tried again for
    /// so long at most.
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

    /// The same step where SIGTERM does not reach, for answers that a server finishes in the time
    /// that it has left.
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

    /// The same step on as many threads as the budget of memory has room for, when each takes
    /// `each` bytes besides `once` bytes that are taken once; always one. `what` says what so
    /// much is taken for, such as `rows of 1000 columns`.
    pub fn fitting(&self, once: u64, each: u64, what: &str) -> Self {
        if each > self.memory {
            tracing::warn!(
                "the memory budget of {} is less than {what} need on one thread, about {}: the \
                 container may be OOM-killed; raise --memory (ALAMEDA_MEMORY) and the container's \
                 limit",
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
            "{threads} of {} threads run at the same time: the memory budget of {} allows no \
             more, with {} for {what} \
             on each; raise --memory (ALAMEDA_MEMORY) to use more",
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
        self.shared.is_manual()
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
                    "creating a scratch folder in {}; set --work to use another folder",
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
}

#[cfg(test)]
mod tests;
