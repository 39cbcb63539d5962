//! A holdout that is prepared once more, by the configuration of a champion that was trained on other
//! features: so it is measured on the rows that judge the candidate.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::compared::Compared;
use catalog::fanout::{Plan, Shard};
use catalog::layout::{DataVersion, Split};
use catalog::manifest::{self, DatasetManifest, Inputs, RawShard};
use runtime::failure::Failure;
use runtime::step::Step;
use sql::prepare::{Preparation, Purpose};
use store::Store;
use table::config::Config;
use table::dataset::{HoldoutRule, RepeatedKeys};

use crate::job::{Again, Job};
use crate::plan::required;
use crate::{ALGORITHM, PlanArgs};

/// Who gives what `--split=holdout` requires.
const FOR_HOLDOUT: &str = "--split=holdout takes it from model-promotion plan";

/// Plans the raw files of a holdout, as they were when it was made.
///
/// # Errors
/// Another data version than that of the holdout, and a configuration whose SQL can't be planned or
/// that can't follow the holdout's rule: exit 2.
pub(crate) async fn plan(
    step: &Step,
    store: &Store,
    args: &PlanArgs,
    version: DataVersion,
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
    let files: Vec<&RawShard> = holdout
        .shards
        .iter()
        .filter(|shard| shard.rows > 0)
        .collect();
    let contents: BTreeMap<String, String> = files
        .iter()
        .map(|file| (file.key.clone(), file.sha256.clone()))
        .collect();
    Ok(Plan {
        inputs: compared.inputs(Inputs::new(step.name(), ALGORITHM)),
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
            }),
        },
        shards: files.into_iter().enumerate().map(shard).collect(),
    })
}

fn shard((ordinal, file): (usize, &RawShard)) -> Shard {
    Shard {
        ordinal,
        key: file.key.clone(),
        bytes: file.bytes,
        stamp: file.stamp.clone(),
    }
}
