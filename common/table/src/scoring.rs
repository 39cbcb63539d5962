//! Metrics of a model on labelled rows, streamed from prepared parts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::config::Config;
use crate::dataset::HoldoutRule;
use crate::labelled::{LabelledRows, Unusable};
use catalog::manifest::DatasetManifest;
use learn::metrics::{
    Classification, RankMetrics, Report, from_ordered_bits, ordered_bits, rank_metrics,
};
use learn::model::Model;
use runtime::step::{Progress, Step};
use runtime::threads::blocking;
use runtime::work::Work;
use store::Store;
use store::spill::Sorters;

/// Metrics of a model on all rows of a labelled data set that `config` prepared. Memory does not
/// grow with the rows, and the numbers do not depend on the threads. Advances `progress` by each
/// row.
///
/// # Errors
/// A feature that is null or not finite, or a row without a label: exit 10. A part that lacks a
/// feature: exit 2.
pub async fn evaluate(
    step: &Step,
    store: &Store,
    config: &Config,
    model: &Model,
    dataset: &DatasetManifest,
    progress: &Progress,
) -> Result<Report> {
    let rows = LabelledRows::new(store, step.work(), config, &model.features)?;
    let ranks = Ranks::new(step.work());
    let mut counts = Classification::new(model.threshold);
    let mut unusable = Unusable::none(model.features.len());
    let score = {
        let (rows, ranks, model) = (rows.clone(), ranks.clone(), Arc::new(model.clone()));
        let (step, progress) = (step.clone(), progress.clone());
        move |part| {
            let mut counts = Classification::new(model.threshold);
            let mut probabilities = Vec::new();
            let unusable = rows.each_chunk(&part, |x, labels| {
                step.check()?;
                probabilities.clear();
                model.predict_probability(x, &mut probabilities);
                counts
                    .add_rows(labels, &probabilities)
                    .with_context(|| format!("scoring {}", part.key))?;
                progress.advance(labels.len() as u64);
                ranks.add(labels, &probabilities)
            })?;
            Ok((counts, unusable))
        }
    };
    step.fold(
        dataset.parts.clone(),
        score,
        |(counts_of_part, unusable_of_part)| {
            counts.merge(&counts_of_part);
            unusable.merge(unusable_of_part);
            Ok(())
        },
    )
    .await?;
    unusable.refuse(dataset, &rows)?;
    let ranks = blocking(move || ranks.metrics()).await?;
    Ok(counts.report(Some(&ranks)))
}

/// Collects scores from several threads and ranks them, on disk when they are many. Cheap to clone.
#[derive(Clone)]
pub struct Ranks(Sorters);

impl Ranks {
    /// Spills into a scratch folder.
    pub fn new(work: impl Into<Work>) -> Self {
        let work = work.into();
        let memory = work.sorter_memory();
        Self(Sorters::with_memory(work, memory))
    }

    /// Adds rows, in any order: labels of 0 or 1, and a score each.
    pub fn add(&self, labels: &[u8], scores: &[f64]) -> Result<()> {
        self.0.lend(|sorter| {
            for (&label, &score) in labels.iter().zip(scores) {
                // Inverted, so that ascending values are descending scores.
                sorter.push(u128::from(!ordered_bits(score)) << 64 | u128::from(label))?;
            }
            Ok(())
        })
    }

    /// The metrics of what was added; nothing is left.
    pub fn metrics(&self) -> Result<RankMetrics> {
        rank_metrics(self.0.finish()?.map(|value| {
            let value = value?;
            Ok::<_, anyhow::Error>((from_ordered_bits(!((value >> 64) as u64)), value & 1 == 1))
        }))
    }
}

/// Why rows of `holdout` may be among those of `train`; `None` when the two are surely disjoint.
/// `same_keys` tells whether both name their rows by the same columns of id and time.
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
