//! A model's metrics on a holdout that another configuration prepared: its own features, from the
//! same raw rows.

use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::layout::Split;
use catalog::manifest::{DatasetManifest, RawShard};
use learn::metrics::{Classification, Report};
use learn::model::Model;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::threads::{blocking, wait};
use sql::prepare::{Preparation, Purpose};
use store::Store;
use table::config::Config;
use table::dataset::HoldoutRule;
use table::labelled::LabelledRows;
use table::scoring::Ranks;

/// Metrics of a model on the raw rows of a holdout, prepared by the model's own configuration.
///
/// # Errors
/// Raw files that are gone, changed or break the configuration's contract, and rows without a
/// feature: exit 2 or 10.
pub(crate) async fn score(
    step: &Step,
    raw: &Store,
    config: &Config,
    model: Model,
    holdout: &DatasetManifest,
) -> Result<Report> {
    let rule: HoldoutRule = holdout
        .holdout
        .parse()
        .map_err(|text: String| Failure::usage(format!("holdout: {text}")))?;
    let threshold = model.threshold;
    let ranks = Ranks::new(step.work());
    let shards: Vec<RawShard> = holdout
        .shards
        .iter()
        .filter(|shard| shard.rows > 0)
        .cloned()
        .collect();
    let progress = step
        .progress(
            shards.iter().map(|shard| shard.rows).sum(),
            "rows of raw files",
        )
        .clone();
    let score = {
        let preparation = Arc::new(Preparation::new(
            step,
            config,
            Purpose::Compare(rule, step.timezone()),
        )?);
        let (rows, ranks) = (
            LabelledRows::new(raw, step.work(), config, &model.features)?,
            ranks.clone(),
        );
        let (raw, model) = (raw.clone(), Arc::new(model));
        move |shard: RawShard| {
            let (mut counts, mut probabilities) = (Classification::new(threshold), Vec::new());
            // By shard, all of a holdout's files are held out; by row, it does not matter which
            // file is the first.
            let file = wait(raw.find_file(&shard.key))?.ok_or_else(|| {
                Failure::damaged(format!(
                    "raw file {} of the holdout is gone from {}: restore it, or train the candidate \
                     again on a data version whose raw files are there",
                    shard.key,
                    raw.url()
                ))
            })?;
            let prepared = preparation.file(&shard.key, &file, true, None, |split, batch| {
                if split != Split::Holdout {
                    return Ok(());
                }
                let (x, labels) = rows.split(batch)?;
                let labels: Vec<u8> = labels.into_iter().flatten().collect();
                if x.iter().any(|value| !value.is_finite()) || labels.len() < batch.num_rows() {
                    return Err(Failure::contract(format!(
                        "{} has rows without a feature or a label",
                        shard.key
                    )));
                }
                probabilities.clear();
                model.predict_probability(&x, &mut probabilities);
                counts
                    .add_rows(&labels, &probabilities)
                    .with_context(|| format!("scoring {}", shard.key))?;
                ranks.add(&labels, &probabilities)
            })?;
            if prepared.sha256 != shard.sha256 {
                return Err(Failure::contract(format!(
                    "raw file {} was changed since the holdout was prepared",
                    shard.key
                )));
            }
            progress.advance(shard.rows);
            Ok(counts)
        }
    };
    let mut counts = Classification::new(threshold);
    step.fold(shards, score, |of_shard| {
        counts.merge(&of_shard);
        Ok(())
    })
    .await?;
    let ranks = blocking(move || ranks.metrics()).await?;
    Ok(counts.report(Some(&ranks)))
}
