//! Preparing one raw file: hash it, check it against its contract, compute its features, and split
//! its rows.
//!
//! ```
//! use runtime::step::Step;
//! use sql::prepare::{Preparation, Purpose};
//! use table::config::Config;
//!
//! let dataset = r#"{"columns": [
//!     {"name": "id", "type": "utf8", "role": "id"},
//!     {"name": "amount", "type": "float64", "role": "feature"},
//!     {"name": "churned", "type": "int64", "role": "target", "allowed": [0, 1]}
//! ]}"#;
//! let sql = "SELECT id, amount * 2 AS twice, churned FROM raw";
//! let config = Config::parse(dataset.to_owned(), sql.to_owned())?;
//! let step = Step::outside("example", &std::env::temp_dir())?;
//! let preparation = Preparation::new(&step, &config, Purpose::Predict)?;
//! assert_eq!(preparation.schema().field(1).name(), "twice");
//! # Ok::<(), anyhow::Error>(())
//! ```

mod entities;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;

use crate::session::Features;
use catalog::layout::Split;
use catalog::manifest::{Column, LeftOut, Role, Violation};
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::work::Work;
use store::LocalFile;
use store::digest::Written;
use table::config::Config;
use table::dataset::{Dataset, Holdout, HoldoutRule, Labels, RepeatedKeys, Unlabelled};
use table::labels::HeldLabels;
use table::parts;
use table::raw::{Others, RawFile, Reads, Summary, TakeKey, TakeQuarantined, quarantine_schema};

pub use entities::OfFile;

/// Batches that are in memory for each thread: as they are read, checked, and computed.
const BATCHES: u64 = 3;
/// What pages of a raw file commonly take at most; more is there for those that need it.
const PAGES: u64 = 8 << 20;
/// What a reader and the plan of the query hold for each column besides its values.
const READER_COLUMN: u64 = 12 << 10;
/// The same of a writer.
const WRITER_COLUMN: u64 = 5 << 10;
/// What a step takes besides.
const ONCE: u64 = 64 << 20;

/// What rows are prepared for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    /// To train on, except for those that the rule holds out; a date is one of the time zone. Every
    /// row needs a label, unless the contract leaves out those without.
    Train(HoldoutRule, Tz),
    /// To measure a model that was trained before on the rows that the rule holds out. Rows without
    /// a label are left out: another contract than the model's own may have left them out before.
    Compare(HoldoutRule, Tz),
    /// To be scored. Labels may be missing.
    Predict,
}

/// A configuration made ready to prepare raw files, from any number of threads.
pub struct Preparation {
    dataset: Arc<Dataset>,
    /// The contract of rows that those to score look back at: keys repeat in it as in training.
    earlier: Arc<Dataset>,
    features: Arc<Features>,
    holdout: Option<Holdout>,
    labels: Labels,
    /// Whether the contract is that of a trained model.
    pinned: bool,
    /// Labels that came later than the rows.
    late: Option<HeldLabels>,
    target: usize,
    /// What of the raw rows the queries read.
    reads: Reads,
    others: Others,
    step: Step,
}

/// A prepared raw file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Size of the raw file.
    pub bytes: u64,
    /// Digest of the raw file.
    pub sha256: String,
    /// Rows of the raw file.
    pub rows_read: u64,
    /// Rows that are prepared.
    pub rows: u64,
    /// The other rows.
    pub left_out: LeftOut,
    /// Rows that break the contract, and are quarantined or taken.
    pub violations: Vec<Violation>,
}

/// What takes what of a raw file is no row.
#[derive(Default)]
pub struct Takers {
    /// The hashes of the keys of all rows, in ascending order, if [`Preparation::gives_keys`].
    pub key: Option<TakeKey>,
    /// The rows that the contract has quarantined; without a taker they break it.
    pub quarantined: Option<TakeQuarantined>,
}

impl Preparation {
    /// Plans the queries of a configuration.
    ///
    /// # Errors
    /// Those of [`Features::new`] and [`Holdout::new`], and to train on, of
    /// [`Features::must_keep_rows`] and [`Features::must_compute`]: exit 2.
    pub fn new(step: &Step, config: &Config, purpose: Purpose) -> Result<Self> {
        let features = Features::new(config, step.memory())?;
        entities::check(&features, &config.dataset)?;
        if matches!(purpose, Purpose::Train(..)) {
            features.must_keep_rows()?;
            features.must_compute()?;
        }
        let target = features.schema().index_of(&config.dataset.target().name)?;
        let holdout = match purpose {
            Purpose::Train(rule, timezone) | Purpose::Compare(rule, timezone) => {
                Some(Holdout::new(rule, &config.dataset, timezone)?)
            }
            Purpose::Predict => None,
        };
        let labels = match (purpose, config.dataset.unlabelled) {
            (Purpose::Train(..), Unlabelled::Fail) => Labels::Required,
            (Purpose::Train(..) | Purpose::Compare(..), _) => Labels::Dropped,
            (Purpose::Predict, _) => Labels::Optional,
        };
        let mut dataset = config.dataset.clone();
        if purpose == Purpose::Predict {
            // A prediction is found by its key.
            dataset.repeated_keys = RepeatedKeys::Refuse;
        }
        let dataset = Arc::new(dataset);
        let earlier = Arc::new(config.dataset.clone());
        let columns = match purpose {
            Purpose::Train(..) => features.reads_to_fit(),
            Purpose::Compare(..) | Purpose::Predict => features.reads(),
        };
        let reads = Reads {
            columns: Some(columns.into()),
            batch_rows: Some(parts::batch_rows(features.schema())),
        };
        Ok(Self {
            dataset,
            earlier,
            features: Arc::new(features),
            holdout,
            labels,
            pinned: !matches!(purpose, Purpose::Train(..)),
            late: None,
            target,
            reads,
            others: Others::default(),
            step: step.clone(),
        })
    }

    /// The step on as many threads as there is memory for: each holds a row group of every split
    /// that it writes, a few batches, and the pages that it reads.
    pub fn fitting(&self, step: &Step) -> Step {
        let [reading, writing] = self.needs(step);
        let each = match self.spills(step) {
            true => reading.max(writing / self.splits()),
            false => reading + writing,
        };
        let columns = self.schema().fields().len();
        step.fitting(ONCE, each, &format!("rows of {columns} columns"))
    }

    /// Whether prepared rows have to wait in scratch files, so that parts are written one after the
    /// other once the raw file is read: there is no memory for both at once, not even on one
    /// thread.
    pub fn spills(&self, step: &Step) -> bool {
        let [reading, writing] = self.needs(step);
        reading + writing > step.memory()
    }

    /// Bytes that a thread takes to read a raw file, and to write all its splits at once.
    fn needs(&self, step: &Step) -> [u64; 2] {
        let columns = self.schema().fields().len() as u64;
        let work = Work::new(step.work(), step.work().disk().clone(), step.memory());
        // The keys of a file wait for its late labels, and these for their rows.
        let sorters = if self.late.is_some() { 3 } else { 1 };
        let reading = BATCHES * parts::batch_memory(self.schema())
            + sorters * work.sorter_memory() as u64
            + work.page_memory().min(PAGES)
            + READER_COLUMN * columns;
        let writer = parts::writer_memory(self.schema()) + WRITER_COLUMN * columns;
        let quarantine = match self.quarantine_schema() {
            Some(schema) => parts::writer_memory(&schema),
            None => 0,
        };
        [reading + quarantine, self.splits() * writer]
    }

    /// Schema of the rows that the contract has quarantined, if it has.
    pub fn quarantine_schema(&self) -> Option<SchemaRef> {
        let quarantines = self.dataset.quarantines();
        quarantines.then(|| quarantine_schema(&self.dataset))
    }

    /// Whether the check of a raw file knows the keys of prepared rows, the columns `names`: every
    /// query takes these columns as they are.
    pub fn gives_keys(&self, names: &[String]) -> bool {
        let checked = self.dataset.columns.iter();
        let mut checked = checked.filter(|column| matches!(column.role, Role::Id | Role::Time));
        let is_next = |name: &String| {
            let next = checked.next();
            next.is_some_and(|column| column.name == *name)
        };
        names.iter().all(is_next) && checked.next().is_none()
    }

    fn splits(&self) -> u64 {
        if self.holdout.is_some() { 2 } else { 1 }
    }

    /// The same for rows that are given late labels: those that have none even so are left out.
    pub fn with_late(self, held: HeldLabels) -> Self {
        Self {
            labels: Labels::Late,
            late: Some(held),
            ..self
        }
    }

    /// The same, with the files on which advice about one of them is tried.
    pub fn with_others(self, others: Others) -> Self {
        Self { others, ..self }
    }

    /// The same, for a step that works on another number of threads.
    pub fn on(self, step: &Step) -> Self {
        Self {
            step: step.clone(),
            ..self
        }
    }

    /// Columns of prepared rows.
    pub fn columns(&self) -> &[Column] {
        self.features.columns()
    }

    /// Schema of prepared rows; every column may be null.
    pub fn schema(&self) -> &SchemaRef {
        self.features.schema()
    }

    /// How many prepared rows have a label.
    pub fn labelled(&self, batch: &RecordBatch) -> u64 {
        let target = batch.column(self.target);
        (target.len() - target.null_count()) as u64
    }

    /// Prepares the raw file that is called `key`, and hands its rows to `write`, batch by batch
    /// and each with its split. `first` says whether it is the first one in the order of names.
    ///
    /// `write` may have got rows when this fails: they must not become visible. The same goes for
    /// the takers.
    ///
    /// # Errors
    /// A file that breaks the contract, or that the SQL can't be computed from, or that loses or
    /// gains rows in it: exit 10, with the file's name.
    pub fn file(
        &self,
        key: &str,
        local: &LocalFile,
        first: bool,
        takers: Takers,
        mut write: impl FnMut(Split, &RecordBatch) -> Result<()>,
    ) -> Result<Prepared> {
        let Checking { checked, counts } =
            self.checking(key, local, takers, &self.dataset, &self.reads)?;
        let (mut rows, mut unlabelled) = (0, 0);
        for batch in self.features.compute(checked)? {
            let batch = batch.with_context(|| format!("preparing {key}"))?;
            rows += batch.num_rows() as u64;
            unlabelled += batch.num_rows() as u64 - self.labelled(&batch);
            let held_out = self.held_out(&batch, first)?;
            split(&batch, held_out, &mut write)?;
        }
        self.must_keep_rows(key, rows, counts.kept(), unlabelled)?;
        Ok(counts.of(key, rows))
    }

    /// Refuses a query that loses or gains rows of `what`, or labels.
    fn must_keep_rows(&self, what: &str, rows: u64, kept: u64, unlabelled: u64) -> Result<()> {
        if rows != kept {
            return Err(Failure::contract(format!(
                "features.sql returns {rows} rows for the {kept} rows in {what}: it must return \
                 each of them once; to leave rows out, use `train_filter` in dataset.json, or \
                 `filter` if they should not be scored either"
            )));
        }
        if self.holdout.is_some() && unlabelled > 0 {
            return Err(Failure::contract(format!(
                "features.sql leaves {unlabelled} of {rows} rows in {what} without the target {:?}",
                self.dataset.target().name
            )));
        }
        Ok(())
    }

    /// Which rows the contract's filters keep; those that they leave out are counted in `left_out`.
    fn keep(
        &self,
        training: bool,
        left_out: &Arc<Mutex<LeftOut>>,
    ) -> impl FnMut(&RecordBatch) -> Result<Option<BooleanArray>> + Send + 'static {
        let (features, step) = (self.features.clone(), self.step.clone());
        let left_out = left_out.clone();
        let left = |batch: &RecordBatch, keep: &Option<BooleanArray>| {
            keep.as_ref()
                .map_or(batch.num_rows(), BooleanArray::true_count) as u64
        };
        move |batch| {
            step.check()?;
            let mut keep = features.keep(batch)?;
            let filtered = left(batch, &keep);
            if training && let Some(also) = features.keep_in_training(batch, keep.as_ref())? {
                keep = Some(also);
            }
            let mut left_out = left_out.lock().unwrap_or_else(PoisonError::into_inner);
            left_out.filter += batch.num_rows() as u64 - filtered;
            left_out.train_filter += filtered - left(batch, &keep);
            Ok(keep)
        }
    }

    /// The raw rows of a file that are to be prepared, and where they are counted. Of the other
    /// columns than those of `reads` nothing is read.
    fn checking(
        &self,
        key: &str,
        local: &LocalFile,
        takers: Takers,
        dataset: &Arc<Dataset>,
        reads: &Reads,
    ) -> Result<Checking> {
        let hashed = local.hash()?;
        let training = self.holdout.is_some();
        let file = RawFile {
            key: key.to_owned(),
            path: local.path().to_owned(),
            dataset: dataset.clone(),
            labels: self.labels,
            pinned: self.pinned,
            decisive: self.features.decisive(training),
            reads: reads.clone(),
            others: self.others.clone(),
        };
        let left_out = Arc::new(Mutex::new(LeftOut::default()));
        let work = self.step.work();
        let checked = file.checked(work, self.keep(training, &left_out))?;
        let checked = checked.with_late(self.late.as_ref(), work)?;
        let checked = checked.with_keys(takers.key);
        let checked = checked.with_quarantine(takers.quarantined);
        let counts = Counts {
            hashed,
            left_out,
            summary: checked.summary(),
        };
        Ok(Checking {
            checked: Box::new(checked),
            counts,
        })
    }

    /// Which rows are held out, where rows are; `first` says whether they are of the first file.
    fn held_out(&self, batch: &RecordBatch, first: bool) -> Result<Option<BooleanArray>> {
        let holdout = self.holdout.as_ref();
        holdout
            .map(|holdout| holdout.held_out(batch, first))
            .transpose()
    }
}

/// Hands the rows of a batch to `write`, each with its split: rows to score where none are held
/// out.
fn split(
    batch: &RecordBatch,
    held_out: Option<BooleanArray>,
    write: &mut impl FnMut(Split, &RecordBatch) -> Result<()>,
) -> Result<()> {
    let Some(held_out) = held_out else {
        return write(Split::Predict, batch);
    };
    match held_out.true_count() {
        0 => write(Split::Train, batch),
        all if all == batch.num_rows() => write(Split::Holdout, batch),
        _ => {
            write(Split::Holdout, &filter_record_batch(batch, &held_out)?)?;
            write(Split::Train, &filter_record_batch(batch, &not(&held_out)?)?)
        }
    }
}

/// The raw rows of a file that are to be prepared.
struct Checking {
    checked: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
    counts: Counts,
}

/// What is counted while the rows of a file are read.
struct Counts {
    hashed: Written,
    left_out: Arc<Mutex<LeftOut>>,
    summary: Arc<Mutex<Summary>>,
}

impl Counts {
    /// Rows that are prepared, once all are read.
    fn kept(&self) -> u64 {
        let summary = self.summary.lock();
        summary.unwrap_or_else(PoisonError::into_inner).kept
    }

    /// What is known of the file `key`, of which so many rows were prepared.
    fn of(self, key: &str, rows: u64) -> Prepared {
        let summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = *self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.unlabelled = summary.unlabelled;
        left_out.quarantined = summary.quarantined;
        for (column, count) in &summary.not_finite {
            tracing::warn!(
                key,
                column,
                rows = count,
                "a column holds infinite values, or NaN that the contract keeps"
            );
        }
        if !left_out.is_none() {
            tracing::info!(
                key,
                rows = left_out.total(),
                "left out of {key}: {left_out}"
            );
        }
        Prepared {
            bytes: self.hashed.bytes,
            sha256: self.hashed.sha256,
            rows_read: summary.rows,
            rows,
            left_out,
            violations: summary.violations.clone(),
        }
    }
}
