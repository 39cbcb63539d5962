//! Queries that look at other rows of the same entity: raw rows are put together by entity first,
//! and the query is run over whole entities.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};

use super::{Checking, Counts, Preparation, Prepared, Takers, split};
use crate::session::{Features, Fit};
use catalog::layout::Split;
use catalog::manifest::Role;
use runtime::failure::Failure;
use runtime::step::Step;
use store::LocalFile;
use table::dataset::{Dataset, Lookback, Unlabelled, WarmUp};
use table::parts;
use table::raw::Reads;
use table::shuffled::Shape;

/// Bytes of rows that are sorted in memory, by each thread: of its memory this share, at least and
/// at most so many.
const SORT_SHARE: u64 = 4;
const SORT_BYTES: (u64, u64) = (4 << 20, 256 << 20);

/// What the rows of a file are, where entities are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfFile {
    /// Rows of the first file, which is held out where files decide.
    First,
    /// Rows like all others.
    Other,
    /// Rows that those to score look back at, and that are not scored themselves.
    Earlier,
}

/// The files of the rows that are on their way through a query.
#[derive(Default)]
struct Files {
    /// The place of the first of these rows among all.
    first: u64,
    of_rows: VecDeque<u32>,
}

impl Files {
    /// That of a row by its place among all.
    fn of(&self, row: u64) -> Option<u32> {
        let place = usize::try_from(row.checked_sub(self.first)?).ok()?;
        self.of_rows.get(place).copied()
    }
}

impl Preparation {
    /// Whether rows of an entity have to be brought together first.
    pub fn has_windows(&self) -> bool {
        self.features.windows().is_some()
    }

    /// Whether there are aggregates over the rows to train on, and those are at hand.
    pub fn fits_aggregates(&self) -> bool {
        !self.pinned && self.features.has_aggregates()
    }

    /// Whether there are aggregates whose values are known from a training.
    pub fn looks_up(&self) -> bool {
        self.pinned && self.features.has_aggregates()
    }

    /// The aggregates of no rows yet, with this share of the memory of a thread.
    ///
    /// # Errors
    /// Keys of a type that are not compared.
    pub fn fit(&self, step: &Step) -> Result<Fit> {
        let each = step.memory() / step.threads() as u64 / SORT_SHARE;
        self.features.fit(each)
    }

    /// Has the values of aggregates attached to rows: tables by name.
    ///
    /// # Errors
    /// Those of [`Features::look_up`].
    pub fn look_up(&self, tables: &[(String, Vec<u8>)]) -> Result<()> {
        self.features.look_up(tables)
    }

    /// Leaves the columns of aggregates null, where rows are looked at before a training.
    ///
    /// # Errors
    /// Those of [`Features::look_up_nothing`].
    pub fn look_up_nothing(&self) -> Result<()> {
        self.features.look_up_nothing()
    }

    /// How far windows may look back; `None` without windows.
    pub fn lookback(&self) -> Option<Lookback> {
        self.features.windows().map(|windows| windows.lookback)
    }

    /// What becomes of rows to train on whose windows reach back behind the earliest row.
    pub fn warm_up(&self) -> WarmUp {
        self.dataset.warm_up
    }

    /// Which raw columns have to be brought together, by which entity, and in which order: that of
    /// the entity, of time, and of the ids.
    ///
    /// # Errors
    /// A column that raw rows do not have.
    pub fn shape(&self) -> Result<Shape> {
        let names = |role: Role| {
            let columns = self.dataset.with_role(role);
            columns.map(|column| column.name.clone())
        };
        let entity = self.dataset.entity_columns();
        let order: Vec<String> = names(Role::Time).chain(names(Role::Id)).collect();
        let raw = self.dataset.raw_schema();
        Shape::new(&raw, &self.features.reads(), &entity, &order)
    }

    /// Bytes of rows that each thread sorts in memory.
    pub fn sort_memory(&self, step: &Step) -> usize {
        let each = step.memory() / step.threads() as u64 / SORT_SHARE;
        each.clamp(SORT_BYTES.0, SORT_BYTES.1) as usize
    }

    /// The step on as many threads as there is memory for rows that are brought together.
    pub fn fitting_entities(&self, step: &Step) -> Step {
        let [reading, writing] = self.needs(step);
        let rows = 2 * parts::batch_memory(&self.dataset.raw_schema());
        let each = reading.max(writing) + rows + SORT_BYTES.0;
        let columns = self.schema().fields().len();
        step.fitting(super::ONCE, each, &format!("rows of {columns} columns"))
    }

    /// Checks the raw file that is called `key`, and hands the raw rows that are to be prepared to
    /// `take`, batch by batch in the order of the file.
    ///
    /// `take` may have got rows when this fails: they must not become visible. The same goes for
    /// the takers.
    ///
    /// # Errors
    /// A file that breaks the contract: exit 10, with the file's name.
    pub fn raw_rows(
        &self,
        key: &str,
        local: &LocalFile,
        takers: Takers,
        take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<Prepared> {
        let reads = self.reads_together()?;
        let checking = self.checking(key, local, takers, &self.dataset, &reads)?;
        let Checking { checked, counts } = checking;
        self.hand_over(key, checked, counts, take)
    }

    /// As [`Preparation::raw_rows`], of a file whose rows those to score look back at: rows that
    /// the contract has quarantined are left out, as when the file was read before.
    ///
    /// # Errors
    /// A file that breaks the contract: exit 10, with the file's name.
    pub fn earlier_rows(
        &self,
        key: &str,
        local: &LocalFile,
        take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<Prepared> {
        let takers = Takers {
            key: None,
            quarantined: Some(Box::new(|_| Ok(()))),
        };
        let reads = self.reads_together()?;
        let checking = self.checking(key, local, takers, &self.earlier, &reads)?;
        let Checking { checked, counts } = checking;
        self.hand_over(key, checked, counts, take)
    }

    /// What is read of rows that are put together: the entity too, which a query without windows
    /// may not read.
    fn reads_together(&self) -> Result<Reads> {
        let mut reads = self.reads.clone();
        if let Some(columns) = &reads.columns {
            let mut columns = columns.to_vec();
            let raw = self.dataset.raw_schema();
            for name in self.dataset.entity_columns() {
                columns[raw.index_of(&name)?] = true;
            }
            reads.columns = Some(columns.into());
        }
        Ok(reads)
    }

    fn hand_over(
        &self,
        key: &str,
        checked: impl Iterator<Item = Result<RecordBatch>>,
        counts: Counts,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<Prepared> {
        let mut rows = 0;
        for batch in checked {
            let batch = batch.with_context(|| format!("preparing {key}"))?;
            rows += batch.num_rows() as u64;
            take(&batch)?;
        }
        Ok(counts.of(key, rows))
    }

    /// Hands raw rows to `take`, each with the split that they will be in. `first` says whether
    /// they are of the first file.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn split_raw(
        &self,
        rows: &RecordBatch,
        first: bool,
        mut take: impl FnMut(Split, &RecordBatch) -> Result<()>,
    ) -> Result<()> {
        split(rows, self.held_out(rows, first)?, &mut take)
    }

    /// How many raw rows have a label.
    ///
    /// # Errors
    /// Rows without the target's column.
    pub fn labelled_raw(&self, rows: &RecordBatch) -> Result<u64> {
        let place = rows.schema_ref().index_of(&self.dataset.target().name)?;
        let target = rows.column(place);
        Ok((target.len() - target.null_count()) as u64)
    }

    /// The target's name: rows to score may lack what those of training have.
    pub fn target(&self) -> &str {
        &self.dataset.target().name
    }

    /// Prepares the sorted rows of whole entities, and hands them to `write` with their splits.
    /// `of_file` says by the place of a file what its rows are, and `name` how messages name it.
    /// `what` names the rows in messages.
    ///
    /// # Errors
    /// Rows that the SQL can't be computed from, or that it loses or gains: exit 10.
    pub fn entities(
        &self,
        what: &str,
        shape: &Shape,
        rows: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
        of_file: impl Fn(u32) -> OfFile,
        name: impl Fn(u32) -> Option<String>,
        mut write: impl FnMut(Split, &RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let files: Arc<Mutex<Files>> = Arc::default();
        let (shape, on_their_way) = (shape.clone(), files.clone());
        let raw = rows.map(move |sorted| {
            let (rows, files) = shape.raw_rows(&sorted?)?;
            let mut queue = on_their_way.lock().unwrap_or_else(PoisonError::into_inner);
            queue.of_rows.extend(files);
            Ok(rows)
        });
        let named = |row| {
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            name(files.of(row)?)
        };
        let (mut rows, mut unlabelled) = (0, 0);
        for batch in self.features.compute_of(raw, named)? {
            self.step.check()?;
            let batch = batch.with_context(|| format!("preparing {what}"))?;
            let count = batch.num_rows();
            rows += count as u64;
            unlabelled += count as u64 - self.labelled(&batch);
            let of_batch: Vec<u32> = {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                files.first = rows;
                let most = files.of_rows.len();
                files.of_rows.drain(..count.min(most)).collect()
            };
            if of_batch.len() < count {
                return Err(other_rows(what));
            }
            let which = |wanted: OfFile| -> BooleanArray {
                let of_batch = of_batch.iter();
                of_batch
                    .map(|&file| Some(of_file(file) == wanted))
                    .collect()
            };
            let earlier = which(OfFile::Earlier);
            if earlier.true_count() > 0 {
                // Rows that are looked back at are no rows of the result.
                ensure!(
                    self.holdout.is_none(),
                    "only rows to score look back at files"
                );
                write(
                    Split::Predict,
                    &filter_record_batch(&batch, &not(&earlier)?)?,
                )?;
                continue;
            }
            let held_out = match &self.holdout {
                Some(holdout) if holdout.is_by_file() => Some(which(OfFile::First)),
                _ => self.held_out(&batch, false)?,
            };
            split(&batch, held_out, &mut write)?;
        }
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.of_rows.is_empty() {
            return Err(other_rows(what));
        }
        self.must_keep_rows(what, rows, rows, unlabelled)
    }
}

/// Refuses what would have windows see other rows in training than in scoring.
///
/// # Errors
/// A query with windows whose contract leaves rows out of training alone: exit 2.
pub(super) fn check(features: &Features, dataset: &Dataset) -> Result<()> {
    let alone = match (&dataset.train_filter, dataset.unlabelled) {
        (Some(_), _) => Some("train_filter"),
        (None, Unlabelled::Drop) => Some("unlabelled"),
        (None, Unlabelled::Fail) => None,
    };
    match alone.filter(|_| features.windows().is_some()) {
        None => Ok(()),
        Some(setting) => Err(Failure::usage(format!(
            "features.sql has windows, and `{setting}` of dataset.json leaves rows out of \
             training only: windows would see other rows in training than in scoring; remove it, \
             or leave the rows out everywhere by `filter`"
        ))),
    }
}

fn other_rows(what: &str) -> anyhow::Error {
    Failure::contract(format!(
        "features.sql returns other rows than those in {what}: it must return all of them, and no \
         others; to leave rows out, use `train_filter` in dataset.json, or `filter` if they should \
         not be scored either"
    ))
}
