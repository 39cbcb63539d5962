//! Sample data: raw parquet files to try Alameda with, and for its tests, in a folder or in S3.
//!
//! The target depends on the features through a logistic link, so that there is something to learn:
//! a class-balanced logistic regression on the features and their product reaches a ROC AUC of
//! about 0.74 and an accuracy of about 0.71, where always answering 1 would be right in 85 % of the
//! rows.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use runtime::failure::{self, Failure};
use runtime::threads::wait;
use store::{Access, BlockingUpload, Object, Role, Store};
use tokio::runtime::Handle;

mod random;
#[cfg(test)]
mod tests;

use random::Random;

/// Raised whenever the same options would give other bytes; files of an earlier generator are then
/// replaced.
const GENERATOR: u32 = 1;
/// Footer key that marks a sample file, unlike a user's own.
const MARK: &str = "alameda.sample-data";
/// Rows that are in memory at once, for each file being written.
const BATCH_ROWS: usize = 16 * 1024;
/// Rows of a row group: what the writer buffers, about 10 MiB.
const ROW_GROUP_ROWS: usize = 128 * 1024;
const UUID_CHARS: usize = 36;
/// How long uploads may take to be aborted after a failure.
const ABORT: Duration = Duration::from_secs(10);

/// As much of a file's end as holds the footer of any sample.
const FOOTER_BYTES: u64 = 64 * 1024;

/// What to generate, and where.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// URL of the store that gets the folders `train` and `predict`.
    pub url: String,
    /// Files in `train`, dated 2023 and 2024.
    pub train_files: usize,
    /// Files in `predict`, dated 2025.
    pub predict_files: usize,
    /// Rows of each file, at least 1.
    pub rows_per_file: usize,
    /// Same seed, same bytes; no two files share rows.
    pub seed: u64,
    /// What goes wrong in the files of `predict`.
    pub drift: Vec<Drift>,
}

/// Something that goes wrong over the year of the files to score, to look at in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drift {
    /// The mean of feature1 rises from 50 to 65, and the target follows
    ShiftedMean,
    /// feature2 is 0 in the last quarter, which the data contract allows
    BrokenColumn,
    /// The target depends on the features less and less
    FallingAccuracy,
}

impl Drift {
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// One file that now stands as the options ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileWritten {
    /// Object key.
    pub key: String,
    /// Rows in it.
    pub rows: usize,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether it stood there before and was left untouched.
    pub reused: bool,
}

/// All files together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Files that were written.
    pub written: usize,
    /// Files that stood there before and were left untouched.
    pub reused: usize,
    /// Sample files of other options, beyond the number now asked for, that were removed.
    pub removed: usize,
    /// Rows, reused files included.
    pub rows: usize,
    /// Size, reused files included.
    pub bytes: u64,
}

/// Generates the files `train/part-NNN.parquet` and `predict/part-NNN.parquet`, and leaves those
/// untouched that the same options made before.
///
/// The columns are `date` (timestamp in microseconds, whole seconds), `customerId` (a random UUID),
/// `feature1` (normal, mean 50, deviation 15), `feature2` (exponential, rate 1.3) and `target` (0
/// or 1), in `predict` too; [`Drift`] says how `predict` can differ.
/// `on_file` is called from several threads, after each file.
///
/// # Errors
///
/// If a file can't be written, or if one that this function did not make is in its place.
pub(crate) fn generate(
    options: &Options,
    on_file: impl Fn(&FileWritten) + Sync,
) -> Result<Summary> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    generate_on(threads, options, &on_file)
}

fn generate_on(
    threads: usize,
    options: &Options,
    on_file: &(impl Fn(&FileWritten) + Sync),
) -> Result<Summary> {
    ensure!(
        options.rows_per_file > 0,
        "a sample file needs at least 1 row"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let access = Access::of_process(Role::Raw)?;
    let generated = {
        let _entered = runtime.enter();
        generate_in(
            &Store::create_with(&options.url, &access)?,
            threads,
            options,
            on_file,
        )
    };
    // What a failed file has begun is aborted.
    runtime.block_on(access.uploads.abort_all(ABORT));
    generated
}

fn generate_in(
    store: &Store,
    threads: usize,
    options: &Options,
    on_file: &(impl Fn(&FileWritten) + Sync),
) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut there = BTreeMap::new();
    for split in [Split::Train, Split::Predict] {
        for object in wait(store.list(&split.to_string()))? {
            if is_surplus(store, split, &object, options) {
                wait(store.delete(&object.key))?;
                summary.removed += 1;
            } else {
                there.insert(object.key.clone(), object);
            }
        }
    }

    let targets: Vec<Target> = [Split::Train, Split::Predict]
        .into_iter()
        .flat_map(|split| (0..split.files(options)).map(move |ordinal| Target { split, ordinal }))
        .collect();
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let runtime = Handle::current();
    let work = || -> Result<Vec<FileWritten>> {
        let _entered = runtime.enter();
        let mut files = Vec::new();
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            let file = target
                .ensure_file(store, &there, options)
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            on_file(&file);
            files.push(file);
        }
        Ok(files)
    };
    let results: Vec<Result<Vec<FileWritten>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(targets.len()))
            .map(|_| scope.spawn(work))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    for files in results {
        for file in files? {
            *(if file.reused {
                &mut summary.reused
            } else {
                &mut summary.written
            }) += 1;
            summary.rows += file.rows;
            summary.bytes += file.bytes;
        }
    }
    Ok(summary)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Train,
    Predict,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Predict => "predict",
        })
    }
}

impl Split {
    fn files(self, options: &Options) -> usize {
        match self {
            Split::Train => options.train_files,
            Split::Predict => options.predict_files,
        }
    }

    /// First second, and the second after the last, of the dates.
    fn seconds(self) -> (i64, i64) {
        match self {
            Split::Train => (1_672_531_200, 1_735_689_600), // 2023-01-01 to 2025-01-01
            Split::Predict => (1_735_689_600, 1_767_225_600), // 2025-01-01 to 2026-01-01
        }
    }
}

/// Whether it is a sample file beyond those that are asked for: a glob over the folder would read
/// it as well.
fn is_surplus(store: &Store, split: Split, object: &Object, options: &Options) -> bool {
    let name = object
        .key
        .strip_prefix(&format!("{split}/part-"))
        .and_then(|name| name.strip_suffix(".parquet"));
    let ordinal = name.and_then(|digits| digits.parse::<usize>().ok());
    // A file that can't be read as a sample is not ours to remove.
    ordinal.is_some_and(|ordinal| ordinal >= split.files(options))
        && matches!(mark_of(store, object), Ok(Some(_)))
}

/// The mark in a parquet file's footer, or `None` if it has none.
fn mark_of(store: &Store, object: &Object) -> Result<Option<String>> {
    let tail = |bytes| wait(store.tail(&object.key, bytes))?.context("it is gone");
    let mut end = tail(FOOTER_BYTES)?;
    let length = |end: &[u8]| match end.split_last_chunk::<8>() {
        Some((_, &[a, b, c, d, b'P', b'A', b'R', b'1'])) => {
            Ok(u32::from_le_bytes([a, b, c, d]) as usize + 8)
        }
        _ => Err(anyhow::anyhow!("it does not end as a parquet file does")),
    };
    let whole = length(&end)?;
    if whole > end.len() {
        end = tail(whole as u64)?;
    }
    let footer = end.len().checked_sub(whole).context("it is cut")?..end.len() - 8;
    let metadata = ParquetMetaDataReader::decode_metadata(&end[footer])?;
    let pairs = metadata.file_metadata().key_value_metadata();
    Ok(pairs
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == MARK))
        .and_then(|pair| pair.value.clone()))
}

/// One file to be.
#[derive(Debug, Clone, Copy)]
struct Target {
    split: Split,
    ordinal: usize,
}

impl Target {
    /// Everything that the file's bytes depend on.
    fn mark(self, options: &Options) -> String {
        let mark = format!(
            "generator={GENERATOR} split={} ordinal={} rows={} seed={}",
            self.split, self.ordinal, options.rows_per_file, options.seed
        );
        match self.drift(options) {
            [] => mark,
            drift => format!(
                "{mark} drift={}",
                drift
                    .iter()
                    .map(|drift| drift.name())
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        }
    }

    /// What goes wrong in it: training data stays as it is.
    fn drift(self, options: &Options) -> &[Drift] {
        if self.split == Split::Predict {
            &options.drift
        } else {
            &[]
        }
    }

    fn key(self) -> String {
        format!("{}/part-{:03}.parquet", self.split, self.ordinal)
    }

    fn ensure_file(
        self,
        store: &Store,
        there: &BTreeMap<String, Object>,
        options: &Options,
    ) -> Result<FileWritten> {
        let (key, mark, rows) = (self.key(), self.mark(options), options.rows_per_file);
        if let Some(object) = there.get(&key) {
            let foreign = |why: String| {
                Failure::usage(format!(
                    "{}/{key} {why}: move it away or choose another place",
                    store.url()
                ))
            };
            match mark_of(store, object) {
                Ok(Some(found)) if found == mark => {
                    return Ok(FileWritten {
                        key,
                        rows,
                        bytes: object.bytes,
                        reused: true,
                    });
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(foreign("was not made by sample-data".to_owned())),
                Err(error) if failure::exit_code(&error) == failure::UNAVAILABLE => {
                    return Err(error);
                }
                Err(error) => {
                    return Err(foreign(format!(
                        "is not a readable Parquet file ({error:#})"
                    )));
                }
            }
        }
        let bytes = self
            .write(store, &key, mark, options)
            .with_context(|| format!("writing {}/{key}", store.url()))?;
        Ok(FileWritten {
            key,
            rows,
            bytes,
            reused: false,
        })
    }

    /// Gives the size.
    fn write(self, store: &Store, key: &str, mark: String, options: &Options) -> Result<u64> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Hardly a value occurs twice, except in the target.
            .set_dictionary_enabled(false)
            .set_column_dictionary_enabled("target".into(), true)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_key_value_metadata(Some(vec![KeyValue::new(MARK.to_owned(), mark)]))
            .build();
        let schema = schema();
        let upload = BlockingUpload(wait(store.upload(key))?);
        let mut writer = ArrowWriter::try_new(upload, schema.clone(), Some(properties))?;
        let mut random = Random::new(options.seed, self);
        let mut left = options.rows_per_file;
        while left > 0 {
            let rows = left.min(BATCH_ROWS);
            writer.write(&random.batch(&schema, self.split, self.drift(options), rows)?)?;
            left -= rows;
        }
        let BlockingUpload(upload) = writer.into_inner()?;
        Ok(wait(upload.finish())?.bytes)
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "date",
            DataType::Timestamp(TimeUnit::Microsecond, None),
            false,
        ),
        Field::new("customerId", DataType::Utf8, false),
        Field::new("feature1", DataType::Float64, false),
        Field::new("feature2", DataType::Float64, false),
        Field::new("target", DataType::Int64, false),
    ]))
}
