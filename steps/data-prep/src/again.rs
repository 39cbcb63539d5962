//! A holdout that is prepared once more, by the configuration of a champion that was trained on
//! other features: so it is measured on the rows that judge the candidate.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use catalog::compared::Compared;
use catalog::fanout::{Plan, Shard};
use catalog::layout::{self, DataVersion, Split};
use catalog::manifest::{self, DatasetManifest, Inputs, RawShard};
use runtime::failure::Failure;
use runtime::step::Step;
use sql::prepare::{Preparation, Purpose};
use store::Store;
use table::config::Config;
use table::dataset::{HoldoutRule, RepeatedKeys};

use crate::aggregates::must_be_fitted;
use crate::flags::required;
use crate::job::{Again, Job, Windowed};
use crate::scored::Scored;
use crate::{ALGORITHM, PlanArgs};

/// Who gives what `--split=holdout` requires.
const FOR_HOLDOUT: &str = "--split=holdout takes it from model-promotion plan";

/// Plans the raw files of a holdout, as they were when it was made, and beside them those to train
/// on where features are computed from several rows, as of a query with windows or by
/// `brings_together`.
///
/// # Errors
/// Another data version than that of the holdout, and a configuration whose SQL can't be planned or
/// that can't follow the holdout's rule: exit 2.
pub(crate) async fn plan(
    step: &Step,
    store: &Store,
    args: &PlanArgs,
    version: DataVersion,
    brings_together: bool,
) -> Result<Plan<Job>> {
    let key = required(&args.holdout_manifest, "--holdout-manifest", FOR_HOLDOUT)?;
    let holdout: DatasetManifest = manifest::require(store, key).await?;
    if (&holdout.data_version, holdout.split) != (&version, Split::Holdout) {
        return Err(Failure::usage(format!(
            "{key} is the {} data of {}, and not the holdout of {version}: give --data-version and \
             --holdout-manifest as model-promotion plan gives them",
            holdout.split, holdout.data_version
        )));
    }
    let config = Config::load(store, required(&args.config, "--config", FOR_HOLDOUT)?).await?;
    must_be_fitted(&config)?;
    let rule: HoldoutRule = holdout
        .holdout
        .parse()
        .map_err(|text: String| Failure::usage(format!("holdout: {text}")))?;
    let purpose = Purpose::Compare(rule, step.timezone());
    let preparation = Preparation::new(step, &config, purpose)?;
    let config = config.digest();
    let compared = Compared {
        holdout: &holdout,
        config: &config,
        timezone: step.timezone(),
    };
    let mut files: Vec<RawShard> = with_rows(&holdout).collect();
    let mut inputs = compared.inputs(Inputs::new(step.name(), ALGORITHM));
    let (mut history, mut windows) = (BTreeSet::new(), None);
    if brings_together || preparation.has_windows() {
        // Rows that are held out look at those to train on.
        let key = layout::manifest(&layout::dataset(Split::Train, &version));
        let train: DatasetManifest = manifest::require(store, &key).await?;
        inputs = inputs.with("history", train.content());
        let known: BTreeSet<String> = files.iter().map(|file| file.key.clone()).collect();
        files.extend(with_rows(&train).filter(|file| !known.contains(&file.key)));
        files.sort_by(|a, b| a.key.cmp(&b.key));
        let keys = files.iter().map(|file| file.key.clone());
        history.extend(keys.filter(|key| !known.contains(key)));
        windows = Some(Windowed::of(files.iter().map(|file| file.bytes)));
    }
    let contents: BTreeMap<String, String> = files
        .iter()
        .map(|file| (file.key.clone(), file.sha256.clone()))
        .collect();
    Ok(Plan {
        inputs,
        job: Job {
            data_version: version,
            config: config.clone(),
            holdout: Some(rule),
            timezone: step.timezone().name().to_owned(),
            columns: preparation.columns().to_vec(),
            quarantine: None,
            max_quarantined_share: None,
            retouched: BTreeMap::new(),
            repeated_keys: RepeatedKeys::Refuse,
            again: Some(Again {
                folder: compared.folder(),
                contents,
                history,
            }),
            scored: Scored::again(&holdout),
            windows,
            looks_back: None,
        },
        shards: files.iter().enumerate().map(shard).collect(),
    })
}

/// The raw files that rows of a data set are from.
fn with_rows(data: &DatasetManifest) -> impl Iterator<Item = RawShard> {
    data.shards.iter().filter(|file| file.rows > 0).cloned()
}

fn shard((ordinal, file): (usize, &RawShard)) -> Shard {
    Shard {
        ordinal,
        key: file.key.clone(),
        bytes: file.bytes,
        stamp: file.stamp.clone(),
    }
}
