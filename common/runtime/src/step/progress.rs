//! How far a step is: a bar on a terminal, and the lines that Argo reads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of a step; cheap to clone, and safe to advance from several threads.
#[derive(Clone, Debug)]
pub struct Progress {
    file: Option<PathBuf>,
    bar: ProgressBar,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    done: AtomicU64,
    total: AtomicU64,
    /// Per cent that is in the file.
    written: AtomicU64,
}

impl Progress {
    pub(super) fn new(file: Option<PathBuf>, terminal: bool) -> Self {
        let bar = ProgressBar::with_draw_target(
            None,
            if terminal {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        );
        Self {
            file,
            bar,
            state: Arc::default(),
        }
    }

    pub(super) fn begin(&self, total: u64, what: &str) {
        self.state.done.store(0, Ordering::Relaxed);
        self.state.total.store(total, Ordering::Relaxed);
        self.state.written.store(0, Ordering::Relaxed);
        self.bar.set_style(
            ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total);
        self.bar.set_position(0);
    }

    /// Adds finished units.
    pub fn advance(&self, units: u64) {
        let total = self.state.total.load(Ordering::Relaxed).max(1);
        let done = (self.state.done.fetch_add(units, Ordering::Relaxed) + units).min(total);
        self.bar.set_position(done);
        let percent = (u128::from(done) * 100 / u128::from(total)) as u64;
        if self.state.written.fetch_max(percent, Ordering::Relaxed) < percent {
            // Argo shows progress but does not depend on it: a full disk is reported by the step's
            // own writes.
            let _ = self.write(done, total);
        }
    }

    /// Writes that all is done: Argo keeps showing the last line that it read.
    pub(super) fn finish(&self) -> Result<()> {
        let total = self.state.total.load(Ordering::Relaxed).max(1);
        self.bar.finish_and_clear();
        self.write(total, total)
            .context("writing the progress file (ARGO_PROGRESS_FILE)")
    }

    /// Many units are reported in per cent: Argo adds up the numbers of all pods, and a pod that
    /// counts bytes would be all that the workflow's progress shows.
    fn write(&self, done: u64, total: u64) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let (done, total) = match total {
            0..=100 => (done, total),
            _ => ((u128::from(done) * 100 / u128::from(total)) as u64, 100),
        };
        std::fs::write(file, format!("{done}/{total}\n"))
    }
}
