//! Scores the parts of one group, and commits all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::fanout::Shard;
use catalog::layout;
use catalog::manifest::{self, DatasetManifest, Header, ModelManifest, ResultsManifest};
use learn::fitted_model::FittedModel;
use profile::profiles::Baseline;
use runtime::step::{Outputs, Step};
use runtime::threads::wait;
use store::Store;
use table::parts::{self, PartWriter};

use crate::plan::{Job, Plan};
use crate::profiles;
use crate::score::Scorer;
use crate::scored::Scored;

pub(crate) async fn map(
    step: &Step,
    store: &Store,
    plan_key: &str,
    group: &str,
) -> Result<Outputs> {
    let plan = Plan::read(store, plan_key).await?;
    let predict: DatasetManifest = manifest::require(store, &plan.job.predict_manifest).await?;
    if let Some(results) = committed(step, store, &plan, &predict).await? {
        let group = plan.group(store, group).await?;
        let ordinals: BTreeSet<usize> = group.iter().map(|shard| shard.ordinal).collect();
        let of_group = results
            .parts
            .iter()
            .filter(|part| ordinals.contains(&part.ordinal));
        return Ok(Outputs::new()
            .set("rows", of_group.map(|part| part.rows).sum::<u64>())
            .set("reused", true));
    }
    let (model, baseline) = read_model(step, store, &plan.job).await?;
    let baseline = Arc::new(baseline);
    let scoring = Arc::new(Scoring {
        step: step.clone(),
        store: store.clone(),
        fingerprint: plan.inputs.fingerprint(),
        work: layout::work(&plan.inputs.fingerprint()),
        folder: layout::scored(
            &predict.data_version,
            &plan.job.model.model_name,
            plan.job.model.version,
        ),
        data_version: predict.data_version.to_string(),
        job: plan.job.clone(),
        model,
        baseline: Arc::clone(&baseline),
    });
    let (scored, reused) = plan
        .map(step, store, group, move |shard| scoring.score(shard))
        .await?;
    profiles::merge_group(step, store, &plan, &baseline, group, &scored).await?;
    let rows: u64 = scored.iter().map(|scored| scored.part.rows).sum();
    Ok(Outputs::new().set("rows", rows).set("reused", reused))
}

pub(crate) async fn commit(step: &Step, store: &Store, plan_key: &str) -> Result<Outputs> {
    let plan = Plan::read(store, plan_key).await?;
    let predict: DatasetManifest = manifest::require(store, &plan.job.predict_manifest).await?;
    let key = results_key(&plan, &predict);
    if let Some(results) = committed(step, store, &plan, &predict).await? {
        return Ok(Outputs::new()
            .set("manifest", key)
            .set("rows", results.rows)
            .set("reused", true));
    }
    let scored: Vec<Scored> = plan.results(step, store).await?;
    let profiles = profiles::merge(step, store, &plan, &predict, &scored).await?;
    let results = ResultsManifest {
        header: Header::new(plan.inputs, step),
        data_version: predict.data_version,
        model_name: plan.job.model.model_name,
        model_version: plan.job.model.version,
        model: plan.job.model_manifest,
        predict_manifest: plan.job.predict_manifest,
        columns: plan.job.columns,
        rows: scored.iter().map(|scored| scored.part.rows).sum(),
        unscored_rows: scored.iter().map(|scored| scored.unscored_rows).sum(),
        parts: scored.into_iter().map(|scored| scored.part).collect(),
        profiles,
        shards: predict.shards,
        quarantined: predict.quarantined,
        left_out: predict.left_out,
    };
    let (results, reused) = manifest::commit(store, &key, results, step.cache()).await?;
    if results.unscored_rows > 0 {
        tracing::warn!(
            rows = results.unscored_rows,
            "{} of {} rows have no prediction, because a feature is missing or not finite",
            results.unscored_rows,
            results.rows
        );
    }
    Ok(Outputs::new()
        .set("manifest", key)
        .set("rows", results.rows)
        .set("reused", reused))
}

fn results_key(plan: &Plan, predict: &DatasetManifest) -> String {
    let model = &plan.job.model;
    layout::manifest(&layout::scored(
        &predict.data_version,
        &model.model_name,
        model.version,
    ))
}

/// What is committed of the plan, so that marks are needed no more.
async fn committed(
    step: &Step,
    store: &Store,
    plan: &Plan,
    predict: &DatasetManifest,
) -> Result<Option<ResultsManifest>> {
    manifest::reusable(
        store,
        &results_key(plan, predict),
        &plan.inputs,
        step.cache(),
    )
    .await
}

async fn read_model(step: &Step, store: &Store, job: &Job) -> Result<(Arc<FittedModel>, Baseline)> {
    let manifest: ModelManifest = manifest::require(store, &job.model_manifest).await?;
    let model = manifest
        .load_model(store)
        .await
        .with_context(|| format!("reading the model of {}", job.model))?;
    Ok((
        Arc::new(model),
        manifest.load_baseline(store, step.timezone()).await?,
    ))
}

/// What scoring a part takes.
struct Scoring {
    step: Step,
    store: Store,
    fingerprint: String,
    folder: String,
    data_version: String,
    job: Job,
    model: Arc<FittedModel>,
    baseline: Arc<Baseline>,
    /// Where profiles of shards go.
    work: String,
}

impl Scoring {
    fn score(&self, shard: &Shard) -> Result<Scored> {
        // A part's stamp is its digest.
        let file = parts::local(&self.store, &shard.key, &shard.stamp)?;
        let columns: Vec<String> = self
            .job
            .kept()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let kept = parts::schema(&file, &columns)?;
        let scorer = Scorer::new(
            self.model.clone(),
            self.job.model.clone(),
            self.data_version.clone(),
            &kept,
            self.job.carried(),
        )?;
        let key = layout::part(&self.folder, &self.fingerprint, shard.ordinal);
        let mut writer = PartWriter::new(&self.store, key, shard.ordinal, scorer.schema())?;
        let profiling = profiles::of_shard(&self.step, &self.baseline, &self.job, scorer.schema())?;
        let mut unscored_rows = 0;
        for batch in parts::read(&file, &columns, self.step.work())? {
            self.step.check()?;
            let (scored, unscored) = scorer
                .score(&batch?)
                .with_context(|| format!("scoring {}", shard.key))?;
            profiling
                .push(&scored)
                .with_context(|| format!("profiling {}", shard.key))?;
            writer.write(&scored)?;
            unscored_rows += unscored;
        }
        let key = layout::shard_profiles(&self.work, &shard.fingerprint());
        let profiles = wait(profiles::put(
            &self.store,
            key,
            &profiling.finish()?.stored()?,
        ))?;
        Ok(Scored {
            part: writer.finish()?,
            unscored_rows,
            profiles,
        })
    }
}
