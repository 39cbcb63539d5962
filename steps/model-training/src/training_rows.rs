//! Passes over the training rows, in parallel, with results that do not depend on the threads.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use catalog::manifest::{DatasetManifest, Part};
use learn::preprocessing::{FittedColumn, Preprocessing};
use learn::rows::Rows;
use runtime::step::{Progress, Step};
use runtime::work::Work;
use table::labelled::{LabelledRows, Rounded, Unusable};
use table::parts::BATCH_ROWS;

use crate::memory;
use crate::scratch::{Buffer, Scratch, Shape};

/// Rows whose sums are merged as one, so that the order of all additions is fixed whatever runs in
/// parallel. Many chunks, so that handing out work costs nothing.
pub(crate) const UNIT_ROWS: u64 = 16 * BATCH_ROWS as u64;
/// Decoded rows that are kept in the scratch folder at most, where the budget of disk has room for
/// them.
pub(crate) const SCRATCH_BYTES: u64 = 8 << 30;

/// Sums over rows.
pub(crate) trait Sums: Clone + Send + Sync + 'static {
    /// Bytes of memory that they take.
    fn bytes(&self) -> u64;
    /// Chunks of rows from the row of this number on will be added.
    fn begin(&mut self, _row: u64) {}
    fn add(&mut self, rows: Rows<'_>) -> Result<()>;
    /// Merges the sums of later rows.
    fn merge(&mut self, later: Self) -> Result<()>;
}

/// The training rows, as the numbers that the estimator takes.
#[derive(Clone)]
pub(crate) struct TrainingRows {
    pub(crate) step: Step,
    rows: LabelledRows,
    train: Arc<DatasetManifest>,
    parts: Arc<[PlacedPart]>,
    scratch_bytes: u64,
    /// After the first pass.
    decoded: Arc<OnceLock<Decoded>>,
    pub(crate) progress: Progress,
    /// Rows by which a fit knows when to stop.
    pub(crate) validation: Option<Arc<TrainingRows>>,
    /// Whether a fit says how much each input matters, which may take longer than growing trees.
    pub(crate) ranks: bool,
}

/// What the first pass leaves.
struct Decoded {
    /// The decoded rows, where they fitted.
    scratch: Option<Arc<Scratch>>,
    /// Columns with values that are rounded, as [`Unusable::into_rounded`] gives them.
    rounded: BTreeMap<usize, Rounded>,
}

/// A part, how many of its rows are read, and the number of the first one among all that are.
#[derive(Clone)]
struct PlacedPart {
    part: Part,
    rows: u64,
    first_row: u64,
}

/// Some rows of one part.
struct Unit {
    part: usize,
    first_row: u64,
    rows: u64,
}

impl TrainingRows {
    /// Of prepared data. The first pass decodes and checks all rows, and keeps them in the scratch
    /// folder unless they would take more than `scratch_bytes` there. Of rows of one side of a
    /// split the others are passed over, as if the parts did not hold them.
    ///
    /// # Errors
    /// Rows of a side of other data.
    pub(crate) fn new(
        step: &Step,
        rows: LabelledRows,
        train: &DatasetManifest,
        scratch_bytes: u64,
        progress: &Progress,
    ) -> Result<Self> {
        let mut first_row = 0;
        let place = |part: &Part| {
            let placed = PlacedPart {
                part: part.clone(),
                rows: rows.rows_of(part)?,
                first_row,
            };
            first_row += placed.rows;
            Ok(placed)
        };
        let parts = train.parts.iter().map(place).collect::<Result<_>>()?;
        Ok(Self {
            step: step.clone(),
            rows,
            train: Arc::new(train.clone()),
            parts,
            scratch_bytes,
            decoded: Arc::default(),
            progress: progress.clone(),
            validation: None,
            ranks: true,
        })
    }

    /// The same rows, with others by which a fit knows when to stop.
    pub(crate) fn validated_on(mut self, rows: Self) -> Self {
        self.validation = Some(Arc::new(rows));
        self
    }

    /// The same rows, of a fit that is only measured.
    pub(crate) fn only_measured(mut self) -> Self {
        self.ranks = false;
        self
    }

    /// The rows of both sides, where these are of one.
    ///
    /// # Errors
    /// Those of [`TrainingRows::new`].
    pub(crate) fn on_both_sides(&self) -> Result<Self> {
        self.reopen(self.rows.clone().on_both_sides())
    }

    /// The same rows, with the numbers that they would have as rows to score.
    ///
    /// # Errors
    /// Those of [`TrainingRows::new`].
    pub(crate) fn as_scored(&self) -> Result<Self> {
        if !self.rows.differ_from_scored() {
            return Ok(self.clone());
        }
        self.reopen(self.rows.clone().as_scored())
    }

    /// Other rows of the same data, in a scratch file of their own.
    fn reopen(&self, rows: LabelledRows) -> Result<Self> {
        let (train, progress) = (&self.train, &self.progress);
        Self::new(&self.step, rows, train, self.scratch_bytes, progress)
    }

    /// Names of the numbers of a row.
    pub(crate) fn inputs(&self) -> &[String] {
        self.rows.inputs()
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> u64 {
        self.parts.iter().map(|placed| placed.rows).sum()
    }

    /// Where parts are read.
    pub(crate) fn work(&self) -> &Work {
        self.rows.work()
    }

    /// What makes them of the features.
    pub(crate) fn preprocessing(&self) -> &Preprocessing {
        self.rows.preprocessing()
    }

    /// The columns of which double precision rounds values, by their names: features that are not
    /// dropped, then the target. None before the first pass.
    pub(crate) fn rounded(&self) -> impl Iterator<Item = (&str, &Rounded)> {
        let columns = self.preprocessing().columns();
        let name = move |at: usize| match columns.get(at) {
            Some(FittedColumn::Dropped(_)) => None,
            Some(column) => Some(column.name()),
            None => Some(self.rows.goal().target.name.as_str()),
        };
        let rounded = self.decoded.get().into_iter().flat_map(|of| &of.rounded);
        rounded.filter_map(move |(at, of)| Some((name(*at)?, of)))
    }

    /// The first pass.
    ///
    /// # Errors
    /// Values that no model can be fitted on: exit 10.
    async fn first<S: Sums>(&self, none: S) -> Result<S> {
        let scratch = self.scratch()?;
        let full = Arc::new(AtomicBool::new(false));
        let mut all = none.clone();
        let mut unusable = Unusable::none(self.rows.signature().features().len());
        let ahead = self.ahead(&none);
        let decode = {
            let (rows, scratch, full) = (self.clone(), scratch.clone(), full.clone());
            move |placed| rows.decode(&placed, none.clone(), scratch.as_deref(), &full)
        };
        self.step
            .fold_ahead(
                ahead,
                self.parts.to_vec(),
                decode,
                |(of_part, unusable_of_part)| {
                    unusable.merge(unusable_of_part);
                    match unusable.any() {
                        // Refused below, with all that is wrong.
                        true => Ok(()),
                        false => all.merge(of_part),
                    }
                },
            )
            .await?;
        unusable.refuse(&self.train, &self.rows).await?;
        let decoded = Decoded {
            scratch: scratch.filter(|_| !full.load(Ordering::Relaxed)),
            rounded: unusable.into_rounded(),
        };
        // A pass that was quicker has decoded the same rows.
        let _ = self.decoded.set(decoded);
        Ok(all)
    }

    fn ahead<S: Sums>(&self, none: &S) -> usize {
        memory::ahead(&self.step, none.bytes())
    }

    /// The part that holds a row of the rows of both sides, and the row's place in it.
    pub(crate) fn place(&self, row: u64) -> Option<(&Part, u64)> {
        self.parts
            .iter()
            .filter_map(|placed| Some((&placed.part, row.checked_sub(placed.first_row)?)))
            .find(|(part, row)| *row < part.rows)
    }

    fn decode<S: Sums>(
        &self,
        placed: &PlacedPart,
        mut sums: S,
        scratch: Option<&Scratch>,
        full: &AtomicBool,
    ) -> Result<(S, Unusable)> {
        let mut row = placed.first_row;
        sums.begin(row);
        let unusable = self.rows.each_chunk(&placed.part, |rows| {
            self.step.check()?;
            sums.add(rows)
                .with_context(|| format!("reading {}", placed.part.key))?;
            if let Some(scratch) = scratch.filter(|_| !full.load(Ordering::Relaxed)) {
                keep(scratch, row, rows, full)?;
            }
            row += rows.len() as u64;
            self.progress.advance(rows.len() as u64);
            Ok(())
        })?;
        Ok((sums, unusable))
    }

    /// One pass: the sums over all rows, beginning with `none`, the sums over no rows.
    ///
    /// In the first pass the rows of each part are summed up as one. Later, units are summed up by
    /// themselves and merged into their part. Parts are merged in order: the same additions in the
    /// same order for any number of threads, with the scratch file and without it.
    pub(crate) async fn sum<S: Sums>(&self, none: S) -> Result<S> {
        let Some(decoded) = self.decoded.get() else {
            return self.first(none).await;
        };
        let mut all = none.clone();
        let ahead = self.ahead(&none);
        match &decoded.scratch {
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
                            all.merge(std::mem::replace(&mut current, (part, none.clone())).1)?;
                        }
                        current.1.merge(sums)
                    })
                    .await?;
                all.merge(current.1)?;
            }
            None => {
                let decode = {
                    let rows = self.clone();
                    move |placed: PlacedPart| rows.sum_part(&placed, &none)
                };
                self.step
                    .fold_ahead(ahead, self.parts.to_vec(), decode, |sums| all.merge(sums))
                    .await?;
            }
        }
        Ok(all)
    }

    fn units(&self) -> impl Iterator<Item = Unit> {
        self.parts.iter().enumerate().flat_map(|(part, placed)| {
            (0..placed.rows)
                .step_by(UNIT_ROWS as usize)
                .map(move |row| Unit {
                    part,
                    first_row: placed.first_row + row,
                    rows: UNIT_ROWS.min(placed.rows - row),
                })
        })
    }

    fn read_unit<S: Sums>(&self, scratch: &Scratch, unit: &Unit, mut sums: S) -> Result<S> {
        sums.begin(unit.first_row);
        let mut buffer = Buffer::new();
        let chunk = self.rows.chunk_rows();
        for row in (0..unit.rows).step_by(chunk) {
            let rows = (unit.rows - row).min(chunk as u64);
            let chunk = scratch.read(unit.first_row + row, rows as usize, &mut buffer)?;
            self.step.check()?;
            sums.add(chunk)?;
            self.progress.advance(rows);
        }
        Ok(sums)
    }

    fn sum_part<S: Sums>(&self, placed: &PlacedPart, none: &S) -> Result<S> {
        let (mut of_part, mut of_unit, mut rows) = (none.clone(), none.clone(), 0);
        let mut next = placed.first_row;
        of_unit.begin(next);
        self.rows.each_chunk(&placed.part, |chunk| {
            self.step.check()?;
            of_unit.add(chunk)?;
            rows += chunk.len() as u64;
            next += chunk.len() as u64;
            if rows == UNIT_ROWS {
                of_part.merge(std::mem::replace(&mut of_unit, none.clone()))?;
                of_unit.begin(next);
                rows = 0;
            }
            self.progress.advance(chunk.len() as u64);
            Ok(())
        })?;
        if rows > 0 {
            of_part.merge(of_unit)?;
        }
        Ok(of_part)
    }

    /// Where decoded rows are kept, if the budget of disk has room for them besides the copies of
    /// parts.
    fn scratch(&self) -> Result<Option<Arc<Scratch>>> {
        let step = &self.step;
        let shape = Shape {
            inputs: self.rows.inputs().len(),
            one_hot: self.preprocessing().one_hot(),
            weighs: self.rows.weight().is_some(),
        };
        let wanted = shape.bytes(self.count());
        let largest = self.train.parts.iter().map(|part| part.bytes).max();
        let copies = largest.unwrap_or(0).saturating_mul(step.threads() as u64);
        let disk = step.work().disk();
        let mut space = disk.space();
        let fits = wanted <= self.scratch_bytes
            && wanted.saturating_add(copies) <= disk.free()
            && space.try_grow(wanted);
        if fits {
            let scratch = Scratch::new(step.work(), space, shape).with_context(|| {
                format!(
                    "creating a scratch file in {}; set --work to use another folder",
                    step.work().display()
                )
            })?;
            return Ok(Some(Arc::new(scratch)));
        }
        tracing::info!(
            bytes = wanted,
            "the rows do not fit in the scratch folder (--disk, ALAMEDA_DISK): every pass decodes \
             them again"
        );
        Ok(None)
    }
}

/// Keeps decoded rows; a full disk only means that they are decoded again.
fn keep(scratch: &Scratch, row: u64, rows: Rows<'_>, full: &AtomicBool) -> Result<()> {
    match scratch.write(row, rows) {
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
