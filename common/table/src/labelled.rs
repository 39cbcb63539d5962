//! Labelled rows of prepared data, as fits and metrics take them: the numbers that a model's
//! preprocessing makes of the features, row by row, and labels.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::filter_record_batch;

use crate::config::Config;
use crate::dataset::Goal;
use crate::features::Features;
use crate::parts::{self, BATCH_BYTES, BATCH_ROWS};
use catalog::manifest::{DatasetManifest, Part};
use learn::frame::{Frame, LabelledFrame};
use learn::preprocessing::{OutOfFold, Preprocessing};
use learn::rows::Rows;
use learn::signature::Signature;
use runtime::failure::Failure;
use runtime::work::Work;
use store::Store;

use folds::Folds;
pub use split::{Side, Split, by};
pub(crate) use twins::Twins;
use unusable::Given;
pub use unusable::{Place, Rounded, Unusable, origin};
use weights::Weights;

mod folds;
mod split;
mod twins;
mod unusable;
mod weights;

/// Rows in which fits and metrics take their sums; a chunk holds some blocks, so that it does not
/// matter how many.
const BLOCK: usize = 256;

/// Reads the labelled rows of prepared parts: all of them, or those of one side of a [`Split`].
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct LabelledRows {
    store: Store,
    work: Work,
    read: Arc<Read>,
    /// Which numbers are no fault.
    numbers: Numbers,
    /// Of training rows.
    folds: Option<Arc<Folds>>,
    /// The side of training rows that is read; all of them without.
    side: Option<(Arc<Split>, Side)>,
    /// What rows weigh, where other data says it.
    weights: Option<Arc<Weights>>,
}

/// Which numbers rows may hold.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    Finite,
    OrMissing,
    Any,
}

/// What is read, and made of it.
#[derive(Debug)]
struct Read {
    /// Names of the columns: the features, then the target, then the weight if there is one.
    columns: Vec<String>,
    signature: Signature,
    preprocessing: Preprocessing,
    /// Names of the numbers of a row.
    inputs: Vec<String>,
    /// The feature that each number of a row is made of.
    feature_of: Vec<usize>,
    goal: Goal,
    weight: Option<String>,
}

/// A batch of rows: the features as they are read, and labels.
struct Batch {
    /// Their places in the part.
    numbers: Vec<u64>,
    features: Features,
    labels: Vec<Option<f64>>,
    /// What they weigh, if they do; NaN for null.
    weights: Option<Vec<f64>>,
    /// Other columns that were asked for.
    beside: Vec<ArrayRef>,
    /// Columns with values that are rounded.
    rounded: Vec<(usize, usize, u64)>,
}

impl LabelledRows {
    /// Of data that `config` prepared, with the numbers that `preprocessing` makes of the features
    /// of `signature`.
    ///
    /// # Errors
    /// A target that no task takes: exit 2.
    pub fn new(
        store: &Store,
        work: &Work,
        config: &Config,
        signature: &Signature,
        preprocessing: &Preprocessing,
    ) -> Result<Self> {
        let (goal, names) = (config.goal()?, signature.names());
        let weight = config.dataset.weight().map(|column| column.name.clone());
        let place = |name: &String| names.iter().position(|known| known == name);
        let outputs = preprocessing.output_columns();
        let feature_of = outputs.iter().map(|output| place(&output.feature));
        let feature_of = feature_of.collect::<Option<Vec<usize>>>();
        Ok(Self {
            store: store.clone(),
            work: work.clone(),
            numbers: Numbers::Finite,
            folds: None,
            side: None,
            weights: None,
            read: Arc::new(Read {
                feature_of: feature_of.context("preprocessing of other features")?,
                columns: names
                    .into_iter()
                    .chain([goal.target.name.clone()])
                    .chain(weight.clone())
                    .collect(),
                weight,
                signature: signature.clone(),
                preprocessing: preprocessing.clone(),
                inputs: outputs.into_iter().map(|output| output.name).collect(),
                goal,
            }),
        })
    }

    /// The same rows, where no number is a fault.
    pub fn with_any_number(mut self) -> Self {
        self.numbers = Numbers::Any;
        self
    }

    /// The same rows, where a missing number is no fault if `missing` says so, as of an estimator
    /// that takes them.
    pub fn with_missing(mut self, missing: bool) -> Self {
        if missing {
            self.numbers = Numbers::OrMissing;
        }
        self
    }

    /// The same rows, of which `dataset` is all the training data: each in its fold, with the
    /// target encodings that are out of it, where there are any.
    pub fn in_folds(mut self, dataset: &DatasetManifest, of: Option<OutOfFold>) -> Self {
        self.folds = Some(Arc::new(Folds::new(dataset, of)));
        self
    }

    /// The same rows, with the numbers that they would have as rows to score.
    pub fn as_scored(mut self) -> Self {
        self.folds = None;
        self
    }

    /// Whether rows have other numbers here than as rows to score: where the target encodes some
    /// out of each row's fold.
    pub fn differ_from_scored(&self) -> bool {
        let folds = self.folds.as_ref();
        folds.is_some_and(|folds| folds.out_of_fold.is_some())
    }

    /// The rows of one side of a split alone.
    pub fn on_side(mut self, split: &Arc<Split>, side: Side) -> Self {
        self.side = Some((split.clone(), side));
        self
    }

    /// The rows of both sides.
    pub fn on_both_sides(mut self) -> Self {
        self.side = None;
        self
    }

    /// How many rows of a part are handed over.
    ///
    /// # Errors
    /// A part that is not of the data that was split.
    pub fn rows_of(&self, part: &Part) -> Result<u64> {
        match &self.side {
            Some((split, side)) => split.rows_of(part, *side),
            None => Ok(part.rows),
        }
    }

    /// Where and with what memory parts are read.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// The features that are read.
    pub fn signature(&self) -> &Signature {
        &self.read.signature
    }

    /// What makes numbers of them.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.read.preprocessing
    }

    /// Names of the numbers of a row.
    pub fn inputs(&self) -> &[String] {
        &self.read.inputs
    }

    /// What is predicted.
    pub fn goal(&self) -> &Goal {
        &self.read.goal
    }

    /// The column of what a row weighs, if there is one.
    pub fn weight(&self) -> Option<&str> {
        match &self.weights {
            Some(weights) => weights.column.as_deref(),
            None => self.read.weight.as_deref(),
        }
    }

    /// The same rows, which are those of `dataset`, with what they weigh in `other`: data that
    /// another configuration, `config`, prepared of the same rows.
    ///
    /// # Errors
    /// Other raw files: exit 10.
    pub fn weighed_as(
        mut self,
        dataset: &DatasetManifest,
        (config, other): (&Config, &DatasetManifest),
    ) -> Result<Self> {
        let column = config.dataset.weight().map(|column| column.name.clone());
        self.weights = Some(Arc::new(Weights::new(column, dataset, other)?));
        Ok(self)
    }

    /// The rows of a batch that are read; `before` are before it in its part.
    fn batch(&self, batch: RecordBatch, before: u64, beside: &[String]) -> Result<Batch> {
        let mut numbers: Vec<u64> = (before..before + batch.num_rows() as u64).collect();
        let batch = match &self.side {
            None => batch,
            Some((split, side)) => {
                let read = split.rows_on(*side, &batch)?;
                let mut is_read = read.values().iter();
                numbers.retain(|_| is_read.next().unwrap_or(false));
                filter_record_batch(&batch, &read)?
            }
        };
        let places = self.read.columns.iter();
        let places = places.map(|name| batch.schema_ref().index_of(name));
        let mut places = places.collect::<Result<Vec<usize>, _>>()?;
        let weights = match &self.read.weight {
            None => None,
            Some(name) => {
                let weight = batch.column(places.pop().context("a weight")?);
                Some(parts::floats(weight, name)?.values().to_vec())
            }
        };
        let target = places.pop().context("a target")?;
        Ok(Batch {
            numbers,
            weights,
            features: Features::of(&batch, &places, &self.read.signature)?,
            labels: parts::labels(batch.column(target), &self.read.goal)?,
            beside: columns(&batch, beside)?,
            rounded: unusable::rounded(&batch, &places, target, &self.read.goal),
        })
    }

    /// Rows of a chunk: [`BATCH_ROWS`] up to 128 numbers a row, and fewer beyond, so that a chunk
    /// takes as much memory. A power of two.
    pub fn chunk_rows(&self) -> usize {
        let of_row = self.read.inputs.len().max(1) * size_of::<f64>();
        1 << (BATCH_BYTES / of_row).clamp(BLOCK, BATCH_ROWS).ilog2()
    }

    /// Reads one part from its first row to its last, and hands over chunks of
    /// [`LabelledRows::chunk_rows`] rows, the last one shorter. After the first value that is
    /// unusable nothing more is handed over; the rest is only counted.
    ///
    /// # Errors
    /// A damaged part, a label that the task does not take, and the first error of `take`.
    pub fn each_chunk(
        &self,
        part: &Part,
        take: impl FnMut(Rows<'_>) -> Result<()>,
    ) -> Result<Unusable> {
        self.each_chunk_beside(part, &[], |_| Ok(()), take)
    }

    /// [`LabelledRows::each_chunk`], which hands over other columns of the same rows as well: those
    /// of a row no later than the row, in batches of their own.
    ///
    /// # Errors
    /// As [`LabelledRows::each_chunk`], a column that is missing, and the first error of `see`.
    pub fn each_chunk_beside(
        &self,
        part: &Part,
        beside: &[String],
        mut see: impl FnMut(&[ArrayRef]) -> Result<()>,
        mut take: impl FnMut(Rows<'_>) -> Result<()>,
    ) -> Result<Unusable> {
        let (width, chunk) = (self.read.inputs.len(), self.chunk_rows());
        let mut unusable = Unusable::none(self.read.signature.features().len());
        let (mut x, mut y) = (Vec::<f64>::new(), Vec::<f64>::new());
        let mut w = Vec::<f64>::new();
        let (mut matrix, mut refused) = (Vec::new(), Vec::new());
        let mut present = Vec::new();
        self.each_batch(part, beside, |batch| {
            see(&batch.beside)?;
            unusable.round(&batch.rounded, part, &batch.numbers);
            batch.features.with(|frame| -> Result<()> {
                for first in (0..frame.len()).step_by(chunk) {
                    let rows = first..(first + chunk).min(frame.len());
                    let labels = &batch.labels[rows.clone()];
                    let numbers = &batch.numbers[rows.clone()];
                    let weights = batch.weights.as_ref();
                    let weights = weights.map(|weights| &weights[rows.clone()]);
                    refused.clear();
                    let frame = frame.slice(rows);
                    self.transform(&frame, part, numbers, &mut matrix, &mut refused)?;
                    let feature_of = &self.read.feature_of;
                    let given = Given { labels, weights };
                    match self.numbers {
                        Numbers::Any => unusable.count(&[], &[], given, part, numbers),
                        Numbers::Finite => {
                            unusable.count(&matrix, feature_of, given, part, numbers);
                        }
                        Numbers::OrMissing => {
                            present.clear();
                            let of = |value: &f64| if value.is_nan() { 0.0 } else { *value };
                            present.extend(matrix.iter().map(of));
                            unusable.count(&present, feature_of, given, part, numbers);
                        }
                    }
                    if unusable.any() {
                        continue;
                    }
                    let labels = labels.iter().copied().flatten();
                    if y.is_empty() && matrix.len() == chunk * width {
                        // A batch is a chunk, but for the last one and where texts end it.
                        take(Rows {
                            x: &matrix,
                            y: &labels.collect::<Vec<f64>>(),
                            weights,
                        })?;
                        continue;
                    }
                    x.extend_from_slice(&matrix);
                    y.extend(labels);
                    w.extend_from_slice(weights.unwrap_or_default());
                    while y.len() >= chunk {
                        take(Rows {
                            x: &x[..chunk * width],
                            y: &y[..chunk],
                            weights: weights.map(|_| &w[..chunk]),
                        })?;
                        x.drain(..chunk * width);
                        y.drain(..chunk);
                        w.drain(..chunk.min(w.len()));
                    }
                }
                Ok(())
            })
        })?;
        if !unusable.any() && !y.is_empty() {
            take(Rows {
                x: &x,
                y: &y,
                weights: self.weight().map(|_| w.as_slice()),
            })?;
        }
        Ok(unusable)
    }

    /// What is made of rows of a part, whose places in it are `numbers`.
    fn transform(
        &self,
        frame: &Frame<'_>,
        part: &Part,
        numbers: &[u64],
        matrix: &mut Vec<f64>,
        refused: &mut Vec<usize>,
    ) -> Result<()> {
        let preprocessing = &self.read.preprocessing;
        let folds = self.folds.as_ref();
        match folds.and_then(|folds| Some((folds, folds.out_of_fold.as_ref()?))) {
            None => preprocessing.transform_or_refuse(frame, matrix, refused)?,
            Some((folds, tables)) => {
                let folds = folds.of(part, numbers)?;
                preprocessing.transform_training(frame, tables, &folds, matrix, refused)?;
            }
        }
        Ok(())
    }

    /// Reads one part, and hands over batches of the features as they are, of the rows that have a
    /// label, with the places of the rows in the part.
    ///
    /// # Errors
    /// As [`LabelledRows::each_chunk`].
    pub fn each_frame(
        &self,
        part: &Part,
        mut take: impl FnMut(&LabelledFrame<'_>, &[u64]) -> Result<()>,
    ) -> Result<Unusable> {
        let mut unusable = Unusable::none(self.read.signature.features().len());
        self.each_batch(part, &[], |batch| {
            let given = Given {
                labels: &batch.labels,
                weights: batch.weights.as_deref(),
            };
            unusable.count(&[], &[], given, part, &batch.numbers);
            if unusable.any() {
                return Ok(());
            }
            let y: Vec<f64> = batch.labels.iter().copied().flatten().collect();
            let folds = self.folds.as_ref();
            let folds = folds.map(|folds| folds.of(part, &batch.numbers));
            let folds = folds.transpose()?;
            batch.features.with(|frame| {
                let labelled = LabelledFrame {
                    frame: frame.clone(),
                    y: &y,
                    weights: batch.weights.as_deref(),
                    folds: folds.as_deref(),
                };
                take(&labelled, &batch.numbers)
            })
        })?;
        Ok(unusable)
    }

    fn each_batch(
        &self,
        part: &Part,
        beside: &[String],
        mut take: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        let mut rows = 0;
        let file = parts::local(&self.store, &part.key, &part.sha256)?;
        let keys = self.side.iter().flat_map(|(split, _)| split.columns());
        let read = self.read.columns.iter().chain(keys);
        let mut columns: Vec<String> = read.cloned().collect();
        let others = beside.iter().filter(|name| !columns.contains(name));
        let others: Vec<String> = others.cloned().collect();
        columns.extend(others);
        let weights = self.weights.as_ref();
        let weights = weights.map(|weights| weights.of(&self.store, &self.work, part));
        let mut weights = weights.transpose()?;
        let mut read = Vec::new();
        for batch in parts::read(&file, &columns, &self.work)? {
            let (batch, before) = (batch?, rows);
            rows += batch.num_rows() as u64;
            let batch = self.batch(batch, before, beside);
            let mut batch = batch.with_context(|| format!("reading {}", part.key))?;
            if let Some(others) = &mut weights {
                // No side is read of data that other data weighs.
                batch.weights = match others {
                    None => None,
                    Some(others) => {
                        while read.len() < batch.numbers.len() {
                            read.extend(others.next().context("a weight of each row")??);
                        }
                        Some(read.drain(..batch.numbers.len()).collect())
                    }
                };
            }
            if !batch.numbers.is_empty() {
                take(batch)?;
            }
        }
        if rows != part.rows {
            return Err(Failure::damaged(format!(
                "{} holds {rows} rows, and its manifest says {}: it was changed; prepare the data \
                 again with cache=refresh",
                part.key, part.rows
            )));
        }
        Ok(())
    }
}

/// The named columns of a batch.
fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    let columns = names.iter().map(|name| {
        let place = batch.schema_ref().index_of(name)?;
        Ok(batch.column(place).clone())
    });
    columns.collect()
}
