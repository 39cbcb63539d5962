//! Sends files, and shows how far it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::failure::Failure;
use store::Store;
use tokio::io::AsyncReadExt;

use super::Source;
use crate::ui;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Files on their way: a bar of bytes on a terminal, a line for each file elsewhere.
pub(super) struct Sending {
    bar: ProgressBar,
    files: usize,
    done: AtomicUsize,
}

impl Sending {
    pub(super) fn new(files: &[Source]) -> Self {
        let terminal = Term::stderr().is_term();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar =
            ProgressBar::with_draw_target(Some(files.iter().map(|file| file.bytes).sum()), target);
        let style = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━━╌"));
        let sending = Self {
            bar,
            files: files.len(),
            done: AtomicUsize::new(0),
        };
        sending
            .bar
            .set_message(format!("0/{} files", sending.files));
        sending
    }

    /// Sends a file. It becomes visible as a whole, or not at all.
    ///
    /// # Errors
    /// A file that changes meanwhile: exit 2.
    pub(super) async fn file(&self, store: &Store, source: Source) -> Result<()> {
        let Source { key, path, bytes } = source;
        let reading = || format!("reading {}", path.display());
        let mut file = tokio::fs::File::open(&path).await.with_context(reading)?;
        let before = file.metadata().await.with_context(reading)?;
        let mut upload = store.upload(&key).await?;
        let (mut buffer, mut sent) = (vec![0; CHUNK], 0);
        loop {
            let read = file.read(&mut buffer).await.with_context(reading)?;
            if read == 0 {
                break;
            }
            upload.write(&buffer[..read]).await?;
            sent += read as u64;
            self.bar.inc(read as u64);
        }
        let after = file.metadata().await.with_context(reading)?;
        if sent != bytes || after.modified().ok() != before.modified().ok() {
            return Err(Failure::usage(format!(
                "{} changed during the upload, so it was not stored: upload it again when no program writes to it",
                path.display()
            )));
        }
        upload.finish().await?;
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(format!("{done}/{} files", self.files));
        if self.bar.is_hidden() {
            ui::eprint(&format!(
                "sent {key}, {}, {done} of {}\n",
                ui::mebibytes(bytes),
                self.files
            ));
        }
        Ok(())
    }
}

impl Drop for Sending {
    /// Prints how many files were sent, if not all were, whatever ended it.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let done = self.done.load(Ordering::Relaxed);
        if done < self.files {
            ui::eprint(&format!(
                "{done} of {} files were sent; run the same command to continue\n",
                self.files
            ));
        }
    }
}
