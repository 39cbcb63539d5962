//! `upload`: brings raw files from this machine to where the steps read them, since no pod may
//! mount a folder of a host.
//!
//! Everything is checked and compared before the first byte is sent. A file becomes visible as a
//! whole; what was sent before an interruption is found by its content, and a file that was under
//! way is sent again from its beginning.

mod send;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use dataset::source::{Source, Sources, find};
use futures::{StreamExt, TryStreamExt};
use runtime::failure::{self, Failure};
use runtime::retry::Budget;
use runtime::threads;
use store::{Access, Object, Role, Store};
use table::raw;
use tokio::signal::unix::{SignalKind, signal};

use crate::ui;
use send::Sending;

/// Files that are worked on at the same time. Each holds two parts of an upload: 16 MiB, up to 8 GB
/// of file.
const CONCURRENT: usize = 4;
/// Names that a message lists.
const NAMED: usize = 10;
/// How long unfinished uploads may take to be aborted.
const ABORT: Duration = Duration::from_secs(10);
/// How long a file that is being read may hold up the end.
const GRACE: Duration = Duration::from_secs(1);

/// What is brought, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Folder with raw files (.parquet, .csv, .csv.gz or .csv.zst); its structure is kept: train/,
    /// predict/, labels/
    pub dir: PathBuf,

    /// Only files whose path below DIR matches, such as 'train/*.parquet'
    #[arg(long)]
    pub glob: Option<String>,

    /// Replace existing files with other content
    #[arg(long)]
    pub overwrite: bool,

    /// Check and compare only; upload nothing
    #[arg(long)]
    pub dry_run: bool,

    /// How long a failing call to S3 is retried
    #[arg(long, env = "ALAMEDA_RETRY_BUDGET", default_value = "30s")]
    pub retry_budget: Budget,
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    new: Vec<Source>,
    /// Other bytes are at the target.
    differ: Vec<Source>,
    /// The same bytes are there.
    there: Vec<Source>,
}

/// `upload`, to the raw files at `url`. Gives 130 or 143 when a signal ended it.
pub(crate) fn run(url: &str, options: &Options) -> Result<ExitCode> {
    let access = Access {
        budget: options.retry_budget,
        ..Access::of_process(Role::Raw)?
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let interrupted = signal(SignalKind::interrupt()).context("listening for SIGINT");
        let terminated = signal(SignalKind::terminate()).context("listening for SIGTERM");
        let (mut interrupted, mut terminated) = (interrupted?, terminated?);
        let ended = tokio::select! {
            ended = upload(url, &access, options) => ended.map(|()| None),
            _ = interrupted.recv() => Ok(Some(130)),
            _ = terminated.recv() => Ok(Some(143)),
        };
        access.uploads.abort_all(ABORT).await;
        // An unfinished file in a folder is removed on a thread of its own, which has begun when
        // this has.
        let _ = tokio::task::spawn_blocking(|| {}).await;
        ended
    });
    runtime.shutdown_timeout(GRACE);
    Ok(match ended? {
        None => ExitCode::SUCCESS,
        Some(code) => {
            ui::eprint("stopped by a signal; run the same command to continue\n");
            ExitCode::from(code)
        }
    })
}

async fn upload(url: &str, access: &Access, options: &Options) -> Result<()> {
    let (dir, glob, target) = (options.dir.clone(), options.glob.clone(), url.to_owned());
    let Sources { files, left_out } =
        threads::blocking(move || find(&dir, glob.as_deref(), &target)).await?;
    let store = Store::create_with(url, access)?;
    check(&files).await?;
    let plan = compare(&store, files).await?;
    if !plan.differ.is_empty() && !options.overwrite {
        return Err(Failure::usage(format!(
            "{} at {url} with other content than in {}: {}\ngive changed files other names, or put them into another folder and set TRAIN_GLOB, because \
             committed data versions refer to the old ones; --overwrite replaces them",
            count(plan.differ.len(), "file exists", "files exist"),
            options.dir.display(),
            names(&plan.differ)
        )));
    }
    let Plan { new, differ, there } = &plan;
    if !options.dry_run {
        send(&store, new.iter().chain(differ).cloned().collect()).await?;
    }
    let verb = if options.dry_run {
        ["to send", "to replace"]
    } else {
        ["sent", "replaced"]
    };
    ui::print(&summary(
        url,
        &[(verb[0], new), (verb[1], differ), ("there already", there)],
        &left_out,
    ));
    Ok(())
}

/// Refuses what no step could read.
async fn check(files: &[Source]) -> Result<()> {
    let mut refused = Vec::new();
    let mut checks = futures::stream::iter(files.to_vec())
        .map(|file| threads::blocking(move || raw::check_file(&file.path, &file.key)))
        .buffered(CONCURRENT);
    while let Some(checked) = checks.next().await {
        match checked {
            Err(error) if failure::exit_code(&error) == failure::CONTRACT => {
                refused.push(format!("{error:#}"))
            }
            checked => checked?,
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let more = refused.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!("\nand {more} more")
    } else {
        String::new()
    };
    let shown = refused[..refused.len().min(NAMED)].join("\n");
    Err(Failure::contract(format!(
        "{shown}{more}\nnothing was sent"
    )))
}

/// Looks up what is at the target.
async fn compare(store: &Store, files: Vec<Source>) -> Result<Plan> {
    let mut there: BTreeMap<String, Object> = BTreeMap::new();
    let folders: BTreeSet<&str> = files
        .iter()
        .map(|file| file.key.rsplit_once('/').map_or("", |split| split.0))
        .collect();
    for folder in folders {
        let pattern = if folder.is_empty() {
            "*".to_owned()
        } else {
            format!("{folder}/*")
        };
        there.extend(
            store
                .glob(&pattern)
                .await?
                .into_iter()
                .map(|object| (object.key.clone(), object)),
        );
    }
    let same: Vec<(Source, Option<bool>)> = futures::stream::iter(files)
        .map(|file| async {
            Ok::<_, anyhow::Error>(match there.get(&file.key) {
                Some(object) => (file.clone(), Some(store.holds(object, &file.path).await?)),
                None => (file, None),
            })
        })
        .buffered(CONCURRENT)
        .try_collect()
        .await?;
    let mut plan = Plan::default();
    for (file, same) in same {
        match same {
            None => plan.new.push(file),
            Some(true) => plan.there.push(file),
            Some(false) => plan.differ.push(file),
        }
    }
    Ok(plan)
}

async fn send(store: &Store, files: Vec<Source>) -> Result<()> {
    let sending = Sending::new(&files);
    let sent = futures::stream::iter(files)
        .map(|file| sending.file(store, file))
        .buffer_unordered(CONCURRENT);
    sent.try_collect().await
}

fn summary(url: &str, fates: &[(&str, &Vec<Source>)], left_out: &[(String, &str)]) -> String {
    let mut rows = vec![[String::new(), "FILES".to_owned(), "SIZE".to_owned()].to_vec()];
    for (fate, files) in fates {
        let size = ui::mebibytes(files.iter().map(|file| file.bytes).sum());
        rows.push(vec![(*fate).to_owned(), files.len().to_string(), size]);
    }
    if !left_out.is_empty() {
        rows.push(vec![
            "left out".to_owned(),
            left_out.len().to_string(),
            String::new(),
        ]);
    }
    let left_out: Vec<String> = left_out
        .iter()
        .take(NAMED)
        .map(|(name, why)| match raw::files::is_key(name) {
            true => format!("left out {name}: {why}\n"),
            false => format!("left out {name:?}: {why}\n"),
        })
        .collect();
    format!("{url}\n\n{}{}", ui::table(&rows), left_out.concat())
}

fn names(files: &[Source]) -> String {
    let shown: Vec<&str> = files
        .iter()
        .take(NAMED)
        .map(|file| file.key.as_str())
        .collect();
    let more = files.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
