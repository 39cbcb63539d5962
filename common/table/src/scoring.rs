//! Metrics of a model on labelled rows, streamed from prepared parts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::ArrayRef;

use crate::config::Config;
use crate::dataset::HoldoutRule;
use crate::labelled::LabelledRows;
use catalog::manifest::DatasetManifest;
use learn::fitted_model::FittedModel;
use learn::metrics::{RankMetrics, from_ordered_bits, ordered_bits, rank_metrics, weighted};
use learn::rows::Rows;
use learn::task::{Evaluation, Metric, Report};
use runtime::step::{Progress, Step};
use runtime::threads::blocking;
use runtime::work::Work;
use store::Store;
use store::spill::Sorters;

pub use paired::Paired;
use paired::{Collector, Pairs};
use pass::{Watch, pass};
pub use permuted::permuted;
pub use resampled::{Resampled, resample};
pub use segments::{Divisions, Segment, Segments, evaluate_segments};
pub use tuned::{calibrate, interval, threshold};

mod paired;
mod pass;
mod permuted;
mod resampled;
mod segments;
mod tuned;

/// Metrics of a model on all rows of a labelled data set that `config` prepared. Memory does not
/// grow with the rows, and the numbers do not depend on the threads. Advances `progress` by each
/// row. With `weights`, rows weigh what they do in that data: the same rows, as another
/// configuration prepared them.
///
/// # Errors
/// A number that is missing or not finite after preprocessing, or a row without a label: exit 10.
/// A part that lacks a feature: exit 2.
pub async fn evaluate(
    step: &Step,
    store: &Store,
    config: &Config,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    progress: &Progress,
    weights: Option<(&Config, &DatasetManifest)>,
) -> Result<Report> {
    let rows = rows_of((step, store, config), model, dataset, weights)?;
    evaluate_rows(step, &rows, model, dataset, progress).await
}

/// As [`evaluate`], on rows of the model's preprocessing.
///
/// # Errors
/// As there.
pub async fn evaluate_rows(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    progress: &Progress,
) -> Result<Report> {
    let ranks = Ranks::of_task(step.work(), model);
    let begin = {
        let model = model.clone();
        move |_| Measured::new(&model, &ranks)
    };
    let measured = pass(step, rows, model, dataset, progress, &[], begin).await?;
    blocking(move || measured.report()).await
}

/// As [`evaluate_rows`], with what a `metric` of another model on the same rows is compared with.
///
/// # Errors
/// As [`evaluate`].
pub async fn evaluate_paired(
    step: &Step,
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    metric: Metric,
    progress: &Progress,
) -> Result<(Report, Paired)> {
    let collector = match Collector::new(rows, model, dataset, metric) {
        Ok(collector) => collector,
        Err(why) => {
            let report = evaluate_rows(step, rows, model, dataset, progress).await?;
            return Ok((report, Paired::none(why)));
        }
    };
    let ranks = Ranks::of_task(step.work(), model);
    let begin = {
        let (model, collector) = (model.clone(), collector.clone());
        move |_| Beside {
            measured: Measured::new(&model, &ranks),
            pairs: collector.part(),
        }
    };
    let columns = collector.columns();
    let found = pass(step, rows, model, dataset, progress, columns, begin).await?;
    blocking(move || {
        let report = found.measured.report()?;
        let paired = collector.finish(found.pairs, &report)?;
        Ok((report, paired))
    })
    .await
}

/// What is measured of rows, and kept to be compared with another model.
struct Beside {
    measured: Measured,
    pairs: Pairs,
}

impl Watch for Beside {
    fn see(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.pairs.see(columns)
    }

    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()> {
        self.measured.take(rows, outputs)?;
        let Measured {
            model, evaluation, ..
        } = &self.measured;
        self.pairs.add(model, evaluation.as_ref(), &rows, outputs)
    }

    fn merge(&mut self, later: Self) {
        self.measured.merge(later.measured);
        self.pairs.merge(later.pairs);
    }
}

/// The rows that [`evaluate`] measures a model on.
///
/// # Errors
/// A target that no task takes, and weights of other rows: exit 2.
pub fn rows_of(
    (step, store, config): (&Step, &Store, &Config),
    model: &FittedModel,
    dataset: &DatasetManifest,
    weights: Option<(&Config, &DatasetManifest)>,
) -> Result<LabelledRows> {
    let (signature, preprocessing) = (&model.signature, &model.preprocessing);
    let rows = LabelledRows::new(store, step.work(), config, signature, preprocessing)?;
    let rows = rows.with_missing(model.estimator.takes_missing());
    match weights {
        Some(weights) => rows.weighed_as(dataset, weights),
        None => Ok(rows),
    }
}

/// In how many orders of its scores rows have to be ranked for a metric of a model.
fn rankings(model: &FittedModel, metric: &str) -> usize {
    match metric {
        "roc_auc" | "pr_auc" => {
            let none = model.task.evaluation(&model.target, &model.rule);
            none.rankings()
        }
        _ => 0,
    }
}

/// Measures a model on rows, in parts that are merged in order.
pub struct Measured {
    model: Arc<FittedModel>,
    evaluation: Box<dyn Evaluation>,
    /// Of all parts, in each order of the task.
    ranks: Vec<Ranks>,
    /// Whether rows weigh.
    weighs: bool,
}

impl Measured {
    /// Of no rows yet, which are ranked in the scratch folder where they are many.
    pub fn of(work: &Work, model: &Arc<FittedModel>) -> Self {
        Self::new(model, &Ranks::of_task(work, model))
    }

    fn new(model: &Arc<FittedModel>, ranks: &[Ranks]) -> Self {
        Self {
            model: model.clone(),
            evaluation: model.task.evaluation(&model.target, &model.rule),
            ranks: ranks.to_vec(),
            weighs: false,
        }
    }

    /// Adds rows: labels, what the model predicts, row by row, and what the rows weigh, if any
    /// does.
    ///
    /// # Errors
    /// A row that cannot be measured.
    pub fn add(&mut self, labels: &[f64], outputs: &[f64], weights: Option<&[f64]>) -> Result<()> {
        self.evaluation.add(labels, outputs, weights)?;
        self.weighs |= weights.is_some();
        let width = self.model.estimator.outputs();
        for (order, ranks) in self.ranks.iter().enumerate() {
            let rows = labels.iter().zip(outputs.chunks_exact(width)).enumerate();
            ranks.add(rows.map(|(row, (label, outputs))| {
                let (score, positive) = self.evaluation.ranked(order, *label, outputs);
                let weight = weights.map_or(1.0, |weights| weights[row]);
                (positive, score, weight)
            }))?;
        }
        Ok(())
    }

    /// What was measured.
    ///
    /// # Errors
    /// A scratch folder that fails.
    pub fn report(&self) -> Result<Report> {
        let ranks = self.ranks.iter().map(|ranks| match self.weighs {
            true => ranks.weighted_metrics(),
            false => ranks.metrics(),
        });
        Ok(self.evaluation.report(&ranks.collect::<Result<Vec<_>>>()?))
    }
}

impl Watch for Measured {
    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()> {
        self.add(rows.y, outputs, rows.weights)
    }

    fn merge(&mut self, later: Self) {
        self.evaluation.merge(later.evaluation);
        self.weighs |= later.weighs;
    }
}

/// Collects scores from several threads and ranks them, on disk when they are many. Cheap to clone.
#[derive(Clone)]
struct Ranks(Sorters);

impl Ranks {
    /// One for each order in which the task ranks rows; they share the memory of one.
    fn of_task(work: &Work, model: &FittedModel) -> Vec<Self> {
        let none = model.task.evaluation(&model.target, &model.rule);
        let orders = none.rankings();
        (0..orders).map(|_| Self::one_of(orders, work)).collect()
    }

    /// One of so many that are filled at the same time.
    fn one_of(many: usize, work: &Work) -> Self {
        let memory = work.sorter_memory() / many;
        Self(Sorters::with_memory(work.clone(), memory))
    }

    /// Adds rows, in any order: whether each is a positive, its score, and its weight.
    fn add(&self, rows: impl Iterator<Item = (bool, f64, f64)>) -> Result<()> {
        self.0.lend(|sorter| {
            for (positive, score, weight) in rows {
                // A weight is not negative: its sign is free to say what the row is.
                let low = u64::from(positive) << 63 | weight.abs().to_bits();
                // Inverted, so that ascending values are descending scores.
                sorter.push(u128::from(!ordered_bits(score)) << 64 | u128::from(low))?;
            }
            Ok(())
        })
    }

    /// The rows in descending order of their scores; nothing is left.
    fn ranked(&self) -> Result<impl Iterator<Item = Result<(f64, bool, f64)>>> {
        Ok(self.0.finish()?.map(|value| {
            let value = value?;
            let (score, low) = (from_ordered_bits(!((value >> 64) as u64)), value as u64);
            Ok((score, low >> 63 == 1, f64::from_bits(low << 1 >> 1)))
        }))
    }

    /// The metrics of what was added, where every row weighs the same; nothing is left.
    fn metrics(&self) -> Result<RankMetrics> {
        rank_metrics(
            self.ranked()?
                .map(|row| row.map(|(score, positive, _)| (score, positive))),
        )
    }

    /// The metrics of what was added, by weight; nothing is left.
    fn weighted_metrics(&self) -> Result<RankMetrics> {
        let mut ranking = weighted::Ranking::default();
        for row in self.ranked()? {
            let (score, positive, weight) = row?;
            ranking.add(score, positive, weight)?;
        }
        Ok(ranking.metrics())
    }
}

/// Why rows of `holdout` may be among those of `train`; `None` when the two are surely disjoint.
/// `same_keys` says whether both name their rows by the same columns of id and time.
///
/// A rule on a row's id or time never puts a row on both sides. Else no raw file may be on both,
/// neither by its key nor by its content, unless it gave no rows.
pub fn overlap<'a>(
    train: &'a DatasetManifest,
    holdout: &'a DatasetManifest,
    same_keys: bool,
) -> Option<String> {
    let by_row = holdout.holdout != HoldoutRule::FirstShard.to_string();
    if by_row && same_keys && holdout.holdout == train.holdout {
        return None;
    }
    let filled =
        |manifest: &'a DatasetManifest| manifest.shards.iter().filter(|shard| shard.rows > 0);
    let keys: HashSet<&str> = filled(train).map(|shard| shard.key.as_str()).collect();
    let contents: HashMap<&str, &str> = filled(train)
        .map(|shard| (shard.sha256.as_str(), shard.key.as_str()))
        .collect();
    filled(holdout).find_map(|shard| {
        if keys.contains(shard.key.as_str()) {
            return Some(format!(
                "raw file {} is in the training data and in the holdout",
                shard.key
            ));
        }
        let twin = contents.get(shard.sha256.as_str())?;
        Some(format!(
            "raw file {} of the holdout has the same content as {twin} of the training data",
            shard.key
        ))
    })
}

#[cfg(test)]
mod tests;
