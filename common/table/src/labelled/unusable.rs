//! Values that neither a fit nor a metric can take, and those that they take rounded.

use std::collections::BTreeMap;

use anyhow::Result;
use arrow::array::RecordBatch;

use super::LabelledRows;
use crate::dataset::Goal;
use crate::{parts, values};
use catalog::manifest::{DatasetManifest, Part, Role};
use learn::task::LabelKind;
use runtime::failure::Failure;
use runtime::threads::{blocking, wait};

/// Features that a refusal names at most.
const SHOWN: usize = 8;

/// What rows are given with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) labels: &'a [Option<f64>],
    pub(super) weights: Option<&'a [f64]>,
}

/// Values that neither a fit nor a metric can take, counted per feature, for the target and for the
/// weight; and values that are taken rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Per feature: rows in which it is null, NaN or infinite.
    features: Vec<u64>,
    /// Rows without a label.
    labels: u64,
    /// Rows whose weight is null, NaN, infinite or negative.
    weights: u64,
    /// Where the first one stands.
    first: Option<Place>,
    /// By the place of a feature; after the features stands the target.
    rounded: BTreeMap<usize, Rounded>,
}

/// A row of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Key of the part.
    pub part: String,
    /// The row's place in it.
    pub row: u64,
}

/// Values of a column that double precision does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounded {
    /// Where the first one stands.
    pub first: Place,
    /// Rows that hold one.
    pub rows: u64,
}

/// Of the columns of a batch that are taken as numbers, the features at these places and then the
/// target, those with values that are rounded: each with the first row, and how many there are.
pub(super) fn rounded(
    batch: &RecordBatch,
    features: &[usize],
    target: usize,
    goal: &Goal,
) -> Vec<(usize, usize, u64)> {
    // A class is compared as it is.
    let target = (goal.task.labels() == LabelKind::Number).then_some(&target);
    let columns = features.iter().chain(target).enumerate();
    let rounded = columns.filter_map(|(at, place)| {
        let (first, rows) = values::rounded(batch.column(*place))?;
        Some((at, first, rows))
    });
    rounded.collect()
}

impl Unusable {
    /// Nothing found yet, for so many features.
    pub fn none(features: usize) -> Self {
        Self {
            features: vec![0; features],
            labels: 0,
            weights: 0,
            first: None,
            rounded: BTreeMap::new(),
        }
    }

    /// Whether there is an unusable value.
    pub fn any(&self) -> bool {
        self.first.is_some()
    }

    /// Counts rows: numbers row by row, each made of the feature in `feature_of`, labels, and the
    /// places of the rows in their part.
    pub(super) fn count(
        &mut self,
        x: &[f64],
        feature_of: &[usize],
        Given { labels, weights }: Given<'_>,
        part: &Part,
        numbers: &[u64],
    ) {
        let width = feature_of.len();
        let labelled = |label: &Option<f64>| label.is_some_and(f64::is_finite);
        let weighs = |weight: f64| weight.is_finite() && weight >= 0.0;
        let weighed = |row: usize| weights.is_none_or(|weights| weighs(weights[row]));
        if x.iter().all(|value| value.is_finite())
            && labels.iter().all(labelled)
            && (0..labels.len()).all(weighed)
        {
            return;
        }
        for (row, label) in labels.iter().enumerate() {
            let values = &x[row * width..(row + 1) * width];
            let usable =
                labelled(label) && weighed(row) && values.iter().all(|value| value.is_finite());
            self.labels += u64::from(!labelled(label));
            self.weights += u64::from(!weighed(row));
            let mut counted = None;
            for (value, feature) in values.iter().zip(feature_of) {
                // The numbers that are made of one feature are side by side.
                if !value.is_finite() && counted != Some(*feature) {
                    self.features[*feature] += 1;
                    counted = Some(*feature);
                }
            }
            if !usable && self.first.is_none() {
                self.first = Some(Place {
                    part: part.key.clone(),
                    row: numbers[row],
                });
            }
        }
    }

    /// Notes what [`rounded`] found in rows of a part, whose places in it are `numbers`.
    pub(super) fn round(&mut self, found: &[(usize, usize, u64)], part: &Part, numbers: &[u64]) {
        for (at, first, rows) in found {
            let (part, row) = (part.key.clone(), numbers[*first]);
            let first = Place { part, row };
            let of = self.rounded.entry(*at);
            of.or_insert(Rounded { first, rows: 0 }).rows += rows;
        }
    }

    /// The columns with values that are rounded, by the place of a feature; after the features
    /// stands the target.
    pub fn into_rounded(self) -> BTreeMap<usize, Rounded> {
        self.rounded
    }

    /// Adds what was found in later parts.
    pub fn merge(&mut self, later: Self) {
        for (ours, theirs) in self.features.iter_mut().zip(later.features) {
            *ours += theirs;
        }
        self.labels += later.labels;
        self.weights += later.weights;
        self.first = self.first.take().or(later.first);
        for (at, Rounded { first, rows }) in later.rounded {
            let of = self.rounded.entry(at);
            of.or_insert(Rounded { first, rows: 0 }).rows += rows;
        }
    }

    /// Refuses a data set with unusable values.
    ///
    /// # Errors
    /// Exit 10, with columns, counts, and the raw file and the key of the first one; a part that
    /// can't be read.
    pub async fn refuse(&self, dataset: &DatasetManifest, rows: &LabelledRows) -> Result<()> {
        let Some(first) = &self.first else {
            return Ok(());
        };
        let mut found: Vec<String> = Vec::new();
        if self.labels > 0 {
            found.push(format!(
                "target {:?} is null in {} rows",
                rows.goal().target.name,
                self.labels
            ));
        }
        if let Some(weight) = rows.weight().filter(|_| self.weights > 0) {
            found.push(format!(
                "weight {weight:?} is null, NaN, infinite or negative in {} rows",
                self.weights
            ));
        }
        let (of, data, place) = (rows.clone(), dataset.clone(), first.clone());
        let origin = blocking(move || of.origin(&data, &place.part, place.row)).await?;
        let features = rows.signature().features().iter().zip(&self.features);
        for (feature, count) in features.filter(|(_, count)| **count > 0) {
            found.push(format!(
                "feature {:?} is null, NaN or infinite in {count} rows",
                feature.name
            ));
        }
        let more = found.len().saturating_sub(SHOWN);
        found.truncate(SHOWN);
        if more > 0 {
            found.push(format!("and {more} more features"));
        }
        Err(Failure::contract(format!(
            "the {} data of {} can't be used:\n  {}\nthe first is in {origin}; fill such values in \
             features.sql, or leave the rows out of training by the `train_filter` of dataset.json",
            dataset.split,
            dataset.data_version,
            found.join("\n  "),
        )))
    }
}

impl LabelledRows {
    /// As [`origin`], with what names the row if the data has it, such as `, id 17`: rows of the
    /// raw file may be left out of a part, or be in another order. It waits for the store, so it
    /// belongs on a blocking thread.
    ///
    /// # Errors
    /// A part that can't be read.
    pub fn origin(&self, dataset: &DatasetManifest, part: &str, row: u64) -> Result<String> {
        let mut origin = origin(dataset, part, row);
        let columns = dataset.columns.iter();
        let keys = columns.filter(|column| matches!(column.role, Role::Id | Role::Time));
        let names: Vec<String> = keys.map(|column| column.name.clone()).collect();
        if !names.is_empty() {
            let file = wait(self.store.file(part))?;
            let texts = parts::row(&file, &names, row, &self.work)?.unwrap_or_default();
            for (name, text) in names.iter().zip(texts) {
                origin += &format!(", {name} {text}");
            }
        }
        Ok(origin)
    }
}

/// The raw file that a row of a part comes from, and its place in the part, which messages count
/// from 1; `row` counts from 0.
pub fn origin(dataset: &DatasetManifest, part: &str, row: u64) -> String {
    // A raw file whose rows are all left out has no part.
    let mut shards = dataset.shards.iter().filter(|shard| shard.rows > 0);
    let place = dataset.parts.iter().position(|known| known.key == part);
    let shard = place
        .filter(|_| dataset.parts.len() == shards.clone().count())
        .and_then(|place| shards.nth(place));
    let prepared = format!("row {} of {part}", row + 1);
    match shard {
        Some(shard) => format!("raw file {} ({prepared})", shard.key),
        None => prepared,
    }
}
