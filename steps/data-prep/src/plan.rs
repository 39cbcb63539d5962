//! `plan`: decides what is prepared from which raw files, and whether that is done already.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::fanout::{Plan, Shard};
use catalog::layout::{self, DataVersion, Split};
use catalog::manifest::{self, DatasetManifest, Inputs, RawShard};
use catalog::selection::Selection;
use runtime::failure::Failure;
use runtime::step::{Cache, Outputs, Step};
use runtime::threads::wait;
use settings::OnBadShard;
use settings::{of_data, published};
use sql::prepare::{Preparation, Purpose};
use store::{Object, Store, digest};
use table::config::Config;
use table::dataset::{HoldoutRule, HoldoutSetting, RepeatedKeys};
use table::models;
use table::raw::files;

use crate::aggregates::must_be_fitted;
use crate::committed::Committed;
use crate::flags::required;
use crate::job::{Job, Windowed};
use crate::looks_back::LooksBack;
use crate::scored::{self, Scored};
use crate::{ALGORITHM, PlanArgs, Rows, TrainSource, again, reduce};

pub(crate) async fn plan(
    step: &Step,
    store: &Store,
    raw: &Store,
    args: &PlanArgs,
) -> Result<Outputs> {
    let version = DataVersion::parse(&args.data_version, step.timezone())?;
    let plan = match args.split {
        Rows::Holdout => again::plan(step, store, args, version, false).await?,
        Rows::Train | Rows::Predict => of_rows(step, store, raw, args, version).await?,
    };
    write(step, store, &plan, usize::from(args.parallelism)).await
}

/// Writes a plan, and gives its groups for the stages that it takes.
pub(crate) async fn write(
    step: &Step,
    store: &Store,
    plan: &Plan<Job>,
    parallelism: usize,
) -> Result<Outputs> {
    let reused = Committed::find(step, store, plan).await?.is_some();
    let (key, groups) = plan.write(store, parallelism).await?;
    tracing::info!(
        plan = key,
        shards = plan.shards.len(),
        reused,
        "planned {} raw files",
        plan.shards.len()
    );
    // Argo skips what is to be run for each item of an empty list.
    let none = || "[]".to_owned();
    let (groups, shuffled) = match plan.job.windows {
        None => (groups, none()),
        Some(_) => (none(), groups),
    };
    let reduced = serde_json::to_string(&reduce::groups(&plan.job, parallelism))?;
    Ok(Outputs::new()
        .set("plan", key)
        .set("groups", groups)
        .set("shuffle-groups", shuffled)
        .set("reduce-groups", reduced)
        .set("data-version", &plan.job.data_version)
        .set("reused", reused))
}

/// Rows to train on, with their holdout, or rows to score.
pub(crate) async fn of_rows(
    step: &Step,
    store: &Store,
    raw: &Store,
    args: &PlanArgs,
    version: DataVersion,
) -> Result<Plan<Job>> {
    let holdout = match args.split {
        Rows::Train => Some(holdout_of(args, &version)?),
        _ => None,
    };
    let config = match holdout {
        Some(_) => Config::from_folder(&args.configuration.config_dir)?,
        None => Config::load(store, required(&args.config, "--config", FOR_PREDICT)?).await?,
    };
    if holdout.is_none() {
        must_be_fitted(&config)?;
    }
    // Wrong SQL is reported before a file is read.
    let preparation = Preparation::new(step, &config, purpose(step, holdout))?;
    published::check_early(preparation.columns(), &config.dataset)?;
    if let Some(rule) = holdout {
        let folder = &args.configuration.config_dir;
        models::check(folder, &config, preparation.columns(), rule)?;
        of_data::check_trained(preparation.columns(), &config.dataset)?;
    } else {
        if let Some(unknown) = of_data::check_scored(preparation.columns())? {
            tracing::warn!("{unknown}");
        }
    }
    let (mut looks_back, mut scored) = (None, None);
    let mut files = match holdout {
        Some(_) if args.train_source == TrainSource::ScoredAndLabelled => {
            let (found, files) = Scored::find(step, store, raw, args, &version).await?;
            scored = Some(found);
            files
        }
        Some(rule) => training_files(raw, args, rule).await?,
        None => {
            let key = required(&args.selection, "--selection", FOR_PREDICT)?;
            let selection = store.require_json::<Selection>(key).await?;
            if preparation.has_windows() {
                let (known, history, all) = LooksBack::of(key, selection)?;
                looks_back = Some((known, digest::of_json(&history)?));
                all
            } else {
                selection.shards
            }
        }
    };
    let retouched = match holdout {
        Some(_) if step.cache() == Cache::Use && scored.is_none() => {
            retouched(step, store, raw, &version, &mut files).await?
        }
        _ => BTreeMap::new(),
    };
    let to_score = looks_back.as_ref().map(|(known, _)| known.files);
    let own = &files[..to_score.unwrap_or(files.len())];
    let mut inputs = inputs(step, &version, &config, holdout, own);
    if preparation.has_windows() {
        inputs = inputs.with(DatasetManifest::WINDOWS, true);
    }
    if let Some(scored) = &scored {
        // By content: a file may have been touched since, and says the same.
        for (key, content) in &scored.contents {
            inputs = inputs.with(Inputs::raw_name(key), content);
        }
        inputs = inputs.with("labels", scored.labels_digest()?);
    }
    if let Some((_, history)) = &looks_back {
        inputs = inputs.with("history", history);
    }
    Ok(Plan {
        inputs,
        job: Job {
            data_version: version,
            config: config.pin(store).await?,
            holdout,
            timezone: step.timezone().name().to_owned(),
            columns: preparation.columns().to_vec(),
            quarantine: (args.preparation.on_bad_shard == OnBadShard::Quarantine)
                .then_some(args.preparation.max_bad_shards),
            max_quarantined_share: (config.dataset.quarantines())
                .then_some(args.preparation.max_quarantined_share),
            retouched,
            repeated_keys: match holdout {
                Some(_) => config.dataset.repeated_keys,
                None => RepeatedKeys::Refuse,
            },
            again: None,
            scored,
            windows: (preparation.has_windows() || preparation.fits_aggregates())
                .then(|| Windowed::of(files.iter().map(|file| file.bytes))),
            looks_back: looks_back.map(|(known, _)| known),
        },
        shards: shards(files),
    })
}

/// What is held out of a data version.
///
/// # Errors
/// A rule that needs a date, and a data version that is none: exit 2.
fn holdout_of(args: &PlanArgs, version: &DataVersion) -> Result<HoldoutRule> {
    let setting = args.preparation.holdout;
    let last = match (args.train_source, setting) {
        (_, HoldoutSetting::Fixed(_)) => None,
        (TrainSource::ScoredAndLabelled, _) => Some(scored::last_date(args, version)?),
        _ => scored::date_of(&version.to_string()),
    };
    setting.rule(last).ok_or_else(|| {
        Failure::usage(format!(
            "the holdout {setting} (HOLDOUT) counts back from the date of the data version, and \
             {version} is not a date: use a date as its name, such as 2026-11-23"
        ))
    })
}

fn purpose(step: &Step, holdout: Option<HoldoutRule>) -> Purpose {
    holdout.map_or(Purpose::Predict, |rule| {
        Purpose::Train(rule, step.timezone())
    })
}

/// Who gives what `--split=predict` requires.
const FOR_PREDICT: &str = "--split=predict takes it from batch-inference resolve";

async fn training_files(raw: &Store, args: &PlanArgs, rule: HoldoutRule) -> Result<Vec<Object>> {
    const SETTING: &str = "--train-glob (TRAIN_GLOB)";
    let (glob, url) = (&args.preparation.train_glob, raw.url());
    let found = files::find(raw, glob, SETTING).await?;
    if found.files.is_empty() {
        let advice = format!("check {SETTING} and --raw-url (RAW_URL)");
        return Err(found.nothing(raw, glob, &advice).await?);
    }
    if let ([only], HoldoutRule::FirstShard) = (&found.files[..], rule) {
        return Err(Failure::usage(format!(
            "{} is the only file that matches {glob} in {url}, and the holdout first-shard takes it all: \
             nothing is left to train on; use --holdout fraction=0.1 (HOLDOUT), or split the file",
            only.key
        )));
    }
    Ok(found.files)
}

/// Gives files that were written again with the very bytes that are committed the stamps of the
/// commit, so that they count as the same, and those that were replaced by other bytes under the
/// same stamp another one; keeps their stamps of today.
async fn retouched(
    step: &Step,
    store: &Store,
    raw: &Store,
    version: &DataVersion,
    files: &mut [Object],
) -> Result<BTreeMap<String, String>> {
    let mut committed: BTreeMap<String, (RawShard, _)> = BTreeMap::new();
    for split in [Split::Train, Split::Holdout] {
        let key = layout::manifest(&layout::dataset(split, version));
        let Some(manifest) = manifest::read::<DatasetManifest>(store, &key).await? else {
            continue;
        };
        let at = manifest.header.created_at;
        let shards = manifest.shards.into_iter();
        committed.extend(shards.map(|shard| (shard.key.clone(), (shard, at))));
    }
    let mut touched = Vec::new();
    for file in files.iter() {
        let known = committed.get(&file.key);
        let Some((shard, at)) = known.filter(|(shard, _)| shard.bytes == file.bytes) else {
            continue;
        };
        if shard.stamp != file.stamp || raw.may_be_replaced(&file.key, *at)? {
            touched.push(file.clone());
        }
    }
    let raw = raw.clone();
    let hash =
        move |file: Object| Ok((file.key.clone(), wait(raw.file(&file.key))?.hash()?.sha256));
    let digests: BTreeMap<String, String> = step.each(touched, hash).await?.into_iter().collect();
    let mut stamps = BTreeMap::new();
    for file in files {
        let (Some(digest), Some((shard, _))) = (digests.get(&file.key), committed.get(&file.key))
        else {
            continue;
        };
        let stamp = match (*digest == shard.sha256, file.stamp == shard.stamp) {
            (true, true) | (false, false) => continue,
            (true, false) => shard.stamp.clone(),
            (false, true) => format!("{} with other content", shard.stamp),
        };
        stamps.insert(file.key.clone(), std::mem::replace(&mut file.stamp, stamp));
    }
    Ok(stamps)
}

fn inputs(
    step: &Step,
    version: &DataVersion,
    config: &Config,
    holdout: Option<HoldoutRule>,
    files: &[Object],
) -> Inputs {
    let mut inputs = Inputs::new(step.name(), ALGORITHM)
        .with("data-version", version)
        .with_raw(files);
    for (name, digest) in config.files() {
        inputs = inputs.with(name, digest);
    }
    match holdout {
        None => inputs.with("split", Split::Predict),
        Some(rule) => {
            let inputs = inputs.with("split", Split::Train).with("holdout", rule);
            match rule {
                HoldoutRule::After(_) => inputs.with("timezone", step.timezone()),
                _ => inputs,
            }
        }
    }
}

fn shards(files: Vec<Object>) -> Vec<Shard> {
    let shard = |(ordinal, file): (usize, Object)| Shard {
        ordinal,
        key: file.key,
        bytes: file.bytes,
        stamp: file.stamp,
    };
    files.into_iter().enumerate().map(shard).collect()
}
