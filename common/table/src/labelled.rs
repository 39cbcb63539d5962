//! Labelled rows of prepared data, as fits and metrics take them: row-major features and labels of
//! 0 or 1.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;

use crate::config::Config;
use crate::parts::{self, BATCH_BYTES, BATCH_ROWS};
use catalog::manifest::{DatasetManifest, Part};
use learn::model::Classes;
use runtime::failure::Failure;
use runtime::work::Work;
use store::Store;

/// Rows in which fits and metrics take their sums; a chunk holds some blocks, so that it does not
/// matter how many.
const BLOCK: usize = 256;

/// Reads the labelled rows of prepared parts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LabelledRows {
    store: Store,
    work: Work,
    features: Arc<[String]>,
    target: Arc<str>,
    classes: Classes,
}

/// Values that neither a fit nor a metric can take, counted per feature and for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Per feature: rows in which it is null, NaN or infinite.
    features: Vec<u64>,
    /// Rows without a label.
    labels: u64,
    /// Where the first one stands.
    first: Option<Place>,
}

/// A row of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    part: String,
    row: u64,
}

impl LabelledRows {
    /// Of data that `config` prepared; `features` are the columns to read, in the model's order.
    pub fn new(store: &Store, work: &Work, config: &Config, features: &[String]) -> Result<Self> {
        let classes = config
            .dataset
            .classes()
            .map_err(|text| Failure::usage(format!("dataset.json: {text}")))?;
        Ok(Self {
            store: store.clone(),
            work: work.clone(),
            features: features.into(),
            target: config.dataset.target().name.as_str().into(),
            classes,
        })
    }

    /// Where and with what memory parts are read.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// The columns that are read as features.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The two values of the target.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Row-major features, and labels, of a batch that holds the columns by name. A null feature is
    /// NaN, and a null label `None`.
    ///
    /// # Errors
    /// A label of neither class: exit 10.
    pub fn split(&self, batch: &RecordBatch) -> Result<(Vec<f64>, Vec<Option<u8>>)> {
        let position = |name: &str| batch.schema_ref().index_of(name);
        let features = self
            .features
            .iter()
            .map(|name| position(name))
            .collect::<Result<Vec<_>, _>>()?;
        let matrix = parts::matrix(&batch.project(&features)?, &self.features)?;
        let labels = parts::labels(
            batch.column(position(&self.target)?),
            &self.classes,
            &self.target,
        )?;
        Ok((matrix, labels))
    }

    /// Rows of a chunk: [`BATCH_ROWS`] up to 128 features, and fewer beyond, so that a chunk takes
    /// as much memory. A power of two.
    pub fn chunk_rows(&self) -> usize {
        let of_row = self.features.len().max(1) * size_of::<f64>();
        1 << (BATCH_BYTES / of_row).clamp(BLOCK, BATCH_ROWS).ilog2()
    }

    /// Reads one part from its first row to its last, and hands over chunks of
    /// [`LabelledRows::chunk_rows`] rows, the last one shorter: row-major features, and one
    /// label per row. After the first value that is unusable nothing more is handed over; the
    /// rest is only counted.
    ///
    /// # Errors
    /// A damaged part, a label of neither class, and the first error of `take`.
    pub fn each_chunk(
        &self,
        part: &Part,
        mut take: impl FnMut(&[f64], &[u8]) -> Result<()>,
    ) -> Result<Unusable> {
        let (p, chunk) = (self.features.len(), self.chunk_rows());
        let columns: Vec<String> = self
            .features
            .iter()
            .cloned()
            .chain([self.target.to_string()])
            .collect();
        let mut unusable = Unusable::none(p);
        let (mut x, mut y) = (Vec::<f64>::new(), Vec::<u8>::new());
        let mut rows = 0;
        let file = parts::local(&self.store, &part.key, &part.sha256)?;
        for batch in parts::read(&file, &columns, &self.work)? {
            let batch = batch?;
            let (matrix, labels) = self
                .split(&batch)
                .with_context(|| format!("reading {}", part.key))?;
            unusable.count(&matrix, &labels, part, rows);
            rows += batch.num_rows() as u64;
            if unusable.any() {
                continue;
            }
            let labels: Vec<u8> = labels.into_iter().flatten().collect();
            if y.is_empty() && labels.len() == chunk {
                // A batch is a chunk, but for the last one and where texts end it.
                take(&matrix, &labels)?;
                continue;
            }
            x.extend_from_slice(&matrix);
            y.extend(labels);
            while y.len() >= chunk {
                take(&x[..chunk * p], &y[..chunk])?;
                x.drain(..chunk * p);
                y.drain(..chunk);
            }
        }
        if rows != part.rows {
            return Err(Failure::damaged(format!(
                "{} holds {rows} rows, and its manifest says {}: it was changed; prepare the data again with cache=refresh",
                part.key, part.rows
            )));
        }
        if !unusable.any() && !y.is_empty() {
            take(&x, &y)?;
        }
        Ok(unusable)
    }
}

impl Unusable {
    /// Nothing found yet, for `p` features.
    pub fn none(p: usize) -> Self {
        Self {
            features: vec![0; p],
            labels: 0,
            first: None,
        }
    }

    /// Whether there is an unusable value.
    pub fn any(&self) -> bool {
        self.first.is_some()
    }

    fn count(&mut self, x: &[f64], labels: &[Option<u8>], part: &Part, before: u64) {
        let p = self.features.len();
        if x.iter().all(|value| value.is_finite()) && labels.iter().all(Option::is_some) {
            return;
        }
        for (row, label) in labels.iter().enumerate() {
            let values = &x[row * p..(row + 1) * p];
            let usable = label.is_some() && values.iter().all(|value| value.is_finite());
            self.labels += u64::from(label.is_none());
            for (count, value) in self.features.iter_mut().zip(values) {
                *count += u64::from(!value.is_finite());
            }
            if !usable && self.first.is_none() {
                self.first = Some(Place {
                    part: part.key.clone(),
                    row: before + row as u64,
                });
            }
        }
    }

    /// Adds what was found in later parts.
    pub fn merge(&mut self, later: Self) {
        for (ours, theirs) in self.features.iter_mut().zip(later.features) {
            *ours += theirs;
        }
        self.labels += later.labels;
        self.first = self.first.take().or(later.first);
    }

    /// Refuses a data set with unusable values.
    ///
    /// # Errors
    /// Exit 10, with columns, counts, and the raw file of the first one.
    pub fn refuse(&self, dataset: &DatasetManifest, rows: &LabelledRows) -> Result<()> {
        let Some(first) = &self.first else {
            return Ok(());
        };
        let mut found: Vec<String> = Vec::new();
        if self.labels > 0 {
            found.push(format!(
                "target {:?} is null in {} rows",
                rows.target(),
                self.labels
            ));
        }
        for (name, count) in rows
            .features()
            .iter()
            .zip(&self.features)
            .filter(|(_, count)| **count > 0)
        {
            found.push(format!(
                "feature {name:?} is null, NaN or infinite in {count} rows"
            ));
        }
        let more = found.len().saturating_sub(8);
        found.truncate(8);
        if more > 0 {
            found.push(format!("and {more} more features"));
        }
        Err(Failure::contract(format!(
            "the {} data of {} can't be used:\n  {}\nthe first is in {}; fill such values in \
             features.sql, or leave the rows out of training by the `train_filter` of dataset.json",
            dataset.split,
            dataset.data_version,
            found.join("\n  "),
            origin(dataset, &first.part, first.row),
        )))
    }
}

/// The raw file that a row of a part comes from, and its place in the part.
pub fn origin(dataset: &DatasetManifest, part: &str, row: u64) -> String {
    let shard = dataset
        .parts
        .iter()
        .position(|known| known.key == part)
        .filter(|_| dataset.parts.len() == dataset.shards.len())
        .map(|index| &dataset.shards[index]);
    let prepared = format!("row {row} of {part}");
    match shard {
        Some(shard) => format!("raw file {} ({prepared})", shard.key),
        None => prepared,
    }
}
