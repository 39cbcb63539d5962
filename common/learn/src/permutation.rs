//! Permutation importance: by how much a metric gets worse where the values of one feature are
//! those of other rows, and so say nothing of their own (Breiman 2001). It is measured on rows that
//! the model was not fitted on, and means the same for every family.
//!
//! Of features that say the same, each alone seems to matter little: the model has the others.
//!
//! ```
//! use learn::fitted_model::Reader;
//! use learn::permutation::{Sample, importance, unshuffled};
//! use learn::rows::Rows;
//!
//! let model = Reader::standard().read(br#"{
//!     "format_version": 2, "task": "regression", "target": {"name": "price"},
//!     "signature": [{"name": "rooms", "kind": "numeric", "nullable": false},
//!                   {"name": "door", "kind": "numeric", "nullable": false}],
//!     "preprocessing": [
//!         {"numeric": {"name": "rooms", "clip": [null, null], "impute": null,
//!                      "missing_indicator": false, "scale": null}},
//!         {"numeric": {"name": "door", "clip": [null, null], "impute": null,
//!                      "missing_indicator": false, "scale": null}}],
//!     "estimator": {"kind": "linear-regression", "coefficients": [50.0, 0.0], "intercept": 0.0},
//!     "training": {"rows": 4, "converged": true, "options": {}}
//! }"#)?;
//! let mut sample = Sample::of(4, &model, 2);
//! let (x, y) = ([1.0, 7.0, 2.0, 8.0, 3.0, 9.0, 4.0, 10.0], [50.0, 100.0, 150.0, 200.0]);
//! sample.add(0, Rows { x: &x, y: &y, weights: None });
//! let rmse = model.task.metric("rmse").unwrap();
//! let whole = unshuffled(&model, rmse, &sample)?.unwrap();
//! let of_rooms = importance(&model, rmse, &sample, whole, 0)?.unwrap();
//! let of_door = importance(&model, rmse, &sample, whole, 1)?.unwrap();
//! assert!(of_rooms.mean > 0.0);
//! assert_eq!((of_door.feature.as_str(), of_door.mean), ("door", 0.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::fitted_model::FittedModel;
use crate::preprocessing::FittedColumn;
use crate::rows::{RowError, Rows};
use crate::splitmix;
use crate::task::{self, Metric};

/// Rows that are permuted at most, and numbers that they hold: about 32 MiB.
const ROWS: u64 = 10_000;
const NUMBERS: u64 = 4 << 20;
/// Permutations of each feature, as in scikit-learn.
pub const REPEATS: u64 = 5;
/// Features that are permuted at most: those that matter most by the estimator's own measure.
const FEATURES: usize = 100;
/// Pairs of a row and a tree that are scored at most, in all permutations of all features: a few
/// minutes of a processor.
const PAIRS: u64 = 1 << 34;

/// Seeds apart from those that decide folds and replicates.
const PICKS: u64 = 2 << 32;
const SHUFFLES: u64 = 3 << 32;

/// How much worse a metric gets without a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permuted {
    /// Name of the feature.
    pub feature: String,
    /// Mean over the permutations, in units of the metric: positive where the feature helps.
    pub mean: f64,
    /// Their population standard deviation.
    pub std: f64,
}

/// Some of the rows, chosen by their numbers alone.
#[derive(Clone, Debug)]
pub struct Sample {
    width: usize,
    /// A row is in it where its random number is at most this.
    below: u64,
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Sample {
    /// Of no rows yet, of so many that come, on which so many features of a model are permuted:
    /// about 10,000 at most, and fewer where they are of very many numbers, or very many trees
    /// score each.
    pub fn of(rows: u64, model: &FittedModel, features: usize) -> Self {
        let width = model.estimator.inputs();
        let trees = model.estimator.trees().unwrap_or(0) as u64;
        let of_row = REPEATS * features as u64 * trees;
        let most = ROWS.min(NUMBERS / (width as u64).max(1));
        let most = most.min(PAIRS / of_row.max(1)).max(1);
        let share = most as f64 / rows.max(1) as f64;
        Self {
            width,
            below: match rows <= most {
                true => u64::MAX,
                // 2^64 times the share: what is lost in a float is less than a row.
                false => (share * 18_446_744_073_709_551_616.0) as u64,
            },
            x: Vec::new(),
            y: Vec::new(),
            weights: None,
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.y.len()
    }

    /// Takes those that are in it of the rows from number `first` on.
    pub fn add(&mut self, first: u64, rows: Rows<'_>) {
        for at in 0..rows.len() {
            if splitmix::number(PICKS, first + at as u64) > self.below {
                continue;
            }
            self.x
                .extend(&rows.x[at * self.width..(at + 1) * self.width]);
            self.y.push(rows.y[at]);
            if let Some(weights) = rows.weights {
                self.weights.get_or_insert_default().push(weights[at]);
            }
        }
    }

    /// Appends later rows.
    pub fn merge(&mut self, later: Self) {
        self.x.extend(later.x);
        self.y.extend(later.y);
        if let Some(weights) = later.weights {
            self.weights.get_or_insert_default().extend(weights);
        }
    }

    /// The order of a permutation: Fisher and Yates' shuffle.
    fn shuffled(&self, repeat: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        for last in (1..order.len()).rev() {
            let random = splitmix::number(SHUFFLES + repeat, last as u64);
            let other = (u128::from(random) * (last as u128 + 1)) >> 64;
            order.swap(last, other as usize);
        }
        order
    }
}

/// The features to permute, by their places in the signature: all, or of very many those that
/// matter most by the estimator's own measure. `std` is the standard deviation of each of its
/// inputs.
pub fn features(model: &FittedModel, std: &[f64]) -> Vec<usize> {
    let sizes = model.estimator.importance(std);
    let mut sizes = sizes.iter();
    let columns = model.preprocessing.columns().iter();
    let of_column = |column: &FittedColumn| -> f64 { sizes.by_ref().take(column.width()).sum() };
    let sizes: Vec<f64> = columns.map(of_column).collect();
    let mut places: Vec<usize> = (0..sizes.len()).collect();
    places.sort_by(|a, b| sizes[*b].total_cmp(&sizes[*a]));
    places.truncate(FEATURES);
    places
}

/// The metric on the rows as they are, as if higher were always better: what permuted features are
/// compared with. `None` where it is undefined.
///
/// # Errors
/// A row that cannot be measured.
pub fn unshuffled(
    model: &FittedModel,
    metric: Metric,
    sample: &Sample,
) -> Result<Option<f64>, RowError> {
    measure(model, metric, sample, &sample.x)
}

/// Permutes the feature at a place of the signature; all inputs that are made of it move together.
/// `whole` is the metric that [`unshuffled`] gives. `None` where the metric is undefined.
///
/// # Errors
/// A row that cannot be measured.
///
/// # Panics
/// When the sample is of rows of another width, or the feature does not exist: a bug of the caller.
pub fn importance(
    model: &FittedModel,
    metric: Metric,
    sample: &Sample,
    whole: f64,
    place: usize,
) -> Result<Option<Permuted>, RowError> {
    let columns = model.preprocessing.columns();
    let first: usize = columns[..place].iter().map(FittedColumn::width).sum();
    let inputs = first..first + columns[place].width();
    let mut losses = Vec::with_capacity(REPEATS as usize);
    let mut x = sample.x.clone();
    for repeat in 0..REPEATS {
        let rows = x.chunks_exact_mut(sample.width);
        for (row, from) in rows.zip(sample.shuffled(repeat)) {
            let from = &sample.x[from * sample.width..];
            row[inputs.clone()].copy_from_slice(&from[inputs.clone()]);
        }
        let Some(permuted) = measure(model, metric, sample, &x)? else {
            return Ok(None);
        };
        losses.push(whole - permuted);
    }
    let count = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / count;
    let squares: f64 = losses
        .iter()
        .map(|loss| (loss - mean) * (loss - mean))
        .sum();
    Ok(Some(Permuted {
        feature: columns[place].name().to_owned(),
        mean,
        std: (squares / count).sqrt(),
    }))
}

/// The metric, as if higher were always better.
fn measure(
    model: &FittedModel,
    metric: Metric,
    sample: &Sample,
    x: &[f64],
) -> Result<Option<f64>, RowError> {
    let mut outputs = Vec::new();
    model.outputs(x, &mut outputs);
    let evaluation = model.task.evaluation(&model.target, &model.rule);
    let report = task::evaluate(evaluation, &sample.y, &outputs, sample.weights.as_deref())?;
    let value = report.number(metric.name);
    Ok(value.map(|value| metric.higher_is_better(value)))
}

#[cfg(test)]
mod tests;
