//! Passes over the training rows, in parallel, with results that do not depend on the threads.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use catalog::manifest::Part;
use learn::model::Moments;
use runtime::step::{Progress, Step};
use table::labelled::{LabelledRows, Unusable};
use table::parts::BATCH_ROWS;

use crate::memory;
use crate::scratch::{Buffer, Scratch};
use crate::task::Task;

/// Rows whose sums are merged as one, so that the order of all additions is fixed whatever runs in
/// parallel. Many chunks, so that handing out work costs nothing.
pub(crate) const UNIT_ROWS: u64 = 16 * BATCH_ROWS as u64;
/// Decoded rows that are kept in the scratch folder at most, where the budget of disk has room for
/// them.
pub(crate) const SCRATCH_BYTES: u64 = 8 << 30;

/// Bytes of a number.
const NUMBER: usize = 8;

/// Sums over rows.
pub(crate) trait Sums: Clone + Send + Sync + 'static {
    /// Bytes of memory that they take.
    fn bytes(&self) -> u64;
    /// Chunks of rows from the row of this number on will be added.
    fn begin(&mut self, _row: u64) {}
    /// Adds a chunk of rows: row-major features, and labels of 0 or 1.
    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()>;
    /// Merges the sums of later rows.
    fn merge(&mut self, later: &Self) -> Result<()>;
}

/// The training rows, after their first pass.
#[derive(Clone)]
pub(crate) struct TrainingRows {
    step: Step,
    rows: LabelledRows,
    parts: Arc<[PlacedPart]>,
    /// The decoded rows, where they fitted.
    scratch: Option<Arc<Scratch>>,
    progress: Progress,
}

/// A part, and the number of its first row among all rows.
#[derive(Clone)]
struct PlacedPart {
    part: Part,
    first_row: u64,
}

/// Some rows of one part.
struct Unit {
    part: usize,
    first_row: u64,
    rows: u64,
}

impl TrainingRows {
    /// The first pass: decodes and checks all rows, sums up their moments, and keeps them in the
    /// scratch folder unless they would take more than `scratch_bytes` there.
    ///
    /// # Errors
    /// Values that no model can be fitted on: exit 10.
    pub(crate) async fn read(
        step: &Step,
        task: &Task,
        scratch_bytes: u64,
        progress: &Progress,
    ) -> Result<(Self, Moments)> {
        let features = task.rows.features();
        let scratch = scratch(step, task, scratch_bytes)?;
        let mut first_row = 0;
        let place = |part: &Part| {
            let placed = PlacedPart {
                part: part.clone(),
                first_row,
            };
            first_row += part.rows;
            placed
        };
        let mut rows = Self {
            step: step.clone(),
            rows: task.rows.clone(),
            parts: task.train.parts.iter().map(place).collect(),
            scratch,
            progress: progress.clone(),
        };
        let full = Arc::new(AtomicBool::new(false));
        let (mut moments, mut unusable) = (Moments::new(features), Unusable::none(features.len()));
        let decode = {
            let (rows, full) = (rows.clone(), full.clone());
            move |placed| rows.decode(&placed, &full)
        };
        let bytes = (NUMBER * features.len() * features.len()) as u64;
        step.fold_ahead(
            memory::ahead(step, features.len(), bytes),
            rows.parts.to_vec(),
            decode,
            |(moments_of_part, unusable_of_part)| {
                moments.merge(&moments_of_part);
                unusable.merge(unusable_of_part);
                Ok(())
            },
        )
        .await?;
        unusable.refuse(&task.train, &task.rows)?;
        if full.load(Ordering::Relaxed) {
            rows.scratch = None;
        }
        Ok((rows, moments))
    }

    /// The part that holds a row of all rows, and the row's place in it.
    pub(crate) fn place(&self, row: u64) -> Option<(&Part, u64)> {
        self.parts
            .iter()
            .filter_map(|placed| Some((&placed.part, row.checked_sub(placed.first_row)?)))
            .find(|(part, row)| *row < part.rows)
    }

    fn decode(&self, placed: &PlacedPart, full: &AtomicBool) -> Result<(Moments, Unusable)> {
        let mut moments = Moments::new(self.rows.features());
        let mut row = placed.first_row;
        let unusable = self.rows.each_chunk(&placed.part, |x, y| {
            self.step.check()?;
            moments
                .add_rows(x, y)
                .with_context(|| format!("reading {}", placed.part.key))?;
            if let Some(scratch) = self
                .scratch
                .as_ref()
                .filter(|_| !full.load(Ordering::Relaxed))
            {
                keep(scratch, row, x, y, full)?;
            }
            row += y.len() as u64;
            self.progress.advance(y.len() as u64);
            Ok(())
        })?;
        Ok((moments, unusable))
    }

    /// One pass: the sums over all rows, beginning with `none`, the sums over no rows.
    ///
    /// Units are summed up by themselves, merged into their part, and parts are merged in order:
    /// the same additions in the same order for any number of threads, with the scratch file
    /// and without it.
    pub(crate) async fn sum<S: Sums>(&self, none: S) -> Result<S> {
        let mut all = none.clone();
        let ahead = memory::ahead(&self.step, self.rows.features().len(), none.bytes());
        match &self.scratch {
            Some(scratch) => {
                let read = {
                    let (rows, scratch, none) = (self.clone(), scratch.clone(), none.clone());
                    move |unit: Unit| {
                        rows.read_unit(&scratch, &unit, none.clone())
                            .map(|sums| (unit.part, sums))
                    }
                };
                let mut current = (0, none.clone());
                self.step
                    .fold_ahead(ahead, self.units(), read, |(part, sums)| {
                        if part != current.0 {
                            all.merge(&std::mem::replace(&mut current, (part, none.clone())).1)?;
                        }
                        current.1.merge(&sums)
                    })
                    .await?;
                all.merge(&current.1)?;
            }
            None => {
                let decode = {
                    let rows = self.clone();
                    move |placed: PlacedPart| rows.sum_part(&placed, &none)
                };
                self.step
                    .fold_ahead(ahead, self.parts.to_vec(), decode, |sums| all.merge(&sums))
                    .await?;
            }
        }
        Ok(all)
    }

    fn units(&self) -> impl Iterator<Item = Unit> {
        self.parts.iter().enumerate().flat_map(|(part, placed)| {
            (0..placed.part.rows)
                .step_by(UNIT_ROWS as usize)
                .map(move |row| Unit {
                    part,
                    first_row: placed.first_row + row,
                    rows: UNIT_ROWS.min(placed.part.rows - row),
                })
        })
    }

    fn read_unit<S: Sums>(&self, scratch: &Scratch, unit: &Unit, mut sums: S) -> Result<S> {
        sums.begin(unit.first_row);
        let mut buffer = Buffer::new();
        let chunk = self.rows.chunk_rows();
        for row in (0..unit.rows).step_by(chunk) {
            let rows = (unit.rows - row).min(chunk as u64);
            let (x, y) = scratch.read(unit.first_row + row, rows as usize, &mut buffer)?;
            self.step.check()?;
            sums.add(x, y)?;
            self.progress.advance(rows);
        }
        Ok(sums)
    }

    fn sum_part<S: Sums>(&self, placed: &PlacedPart, none: &S) -> Result<S> {
        let (mut of_part, mut of_unit, mut rows) = (none.clone(), none.clone(), 0);
        let mut next = placed.first_row;
        of_unit.begin(next);
        self.rows.each_chunk(&placed.part, |x, y| {
            self.step.check()?;
            of_unit.add(x, y)?;
            rows += y.len() as u64;
            next += y.len() as u64;
            if rows == UNIT_ROWS {
                of_part.merge(&std::mem::replace(&mut of_unit, none.clone()))?;
                of_unit.begin(next);
                rows = 0;
            }
            self.progress.advance(y.len() as u64);
            Ok(())
        })?;
        if rows > 0 {
            of_part.merge(&of_unit)?;
        }
        Ok(of_part)
    }
}

/// Where decoded rows are kept, if the budget of disk has room for them besides the copies of
/// parts.
fn scratch(step: &Step, task: &Task, most: u64) -> Result<Option<Arc<Scratch>>> {
    let features = task.rows.features().len();
    let wanted = Scratch::bytes(task.train.rows, features);
    let largest = task.train.parts.iter().map(|part| part.bytes).max();
    let copies = largest.unwrap_or(0).saturating_mul(step.threads() as u64);
    let disk = step.work().disk();
    let mut space = disk.space();
    if wanted <= most && wanted.saturating_add(copies) <= disk.free() && space.try_grow(wanted) {
        let scratch = Scratch::new(step.work(), space, features).with_context(|| {
            format!(
                "making a scratch file in {}; --work names another place",
                step.work().display()
            )
        })?;
        return Ok(Some(Arc::new(scratch)));
    }
    tracing::info!(
        bytes = wanted,
        "the rows do not fit in the scratch folder (--disk, ALAMEDA_DISK): every pass decodes them again"
    );
    Ok(None)
}

/// Keeps decoded rows; a full disk only means that they are decoded again.
fn keep(scratch: &Scratch, row: u64, x: &[f64], y: &[u8], full: &AtomicBool) -> Result<()> {
    match scratch.write(row, x, y) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            if !full.swap(true, Ordering::Relaxed) {
                tracing::warn!("the scratch folder is full: every pass decodes the rows again");
            }
            Ok(())
        }
        Err(error) => Err(error).context("writing decoded rows into the scratch folder (--work)"),
    }
}
