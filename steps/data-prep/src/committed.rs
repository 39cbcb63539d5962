//! What is committed of a plan.

use anyhow::Result;
use catalog::fanout::Plan;
use catalog::layout::{self, Split};
use catalog::manifest::{self, DatasetManifest, RawShard};
use runtime::step::Step;
use store::Store;

use crate::job::{Job, Kind, accept, folder};
use crate::quarantine;

/// What is committed of a plan.
pub(crate) struct Committed {
    /// Rows to train on, or to score.
    pub(crate) main: DatasetManifest,
    pub(crate) holdout: Option<DatasetManifest>,
}

impl Committed {
    /// What is committed from the inputs of the plan and whole; `None` when there is still
    /// something to do.
    pub(crate) async fn find(step: &Step, store: &Store, plan: &Plan<Job>) -> Result<Option<Self>> {
        let fingerprint = plan.inputs.fingerprint();
        let find = async |split| {
            let key = layout::manifest(&folder(&plan.job, &fingerprint, split));
            if plan.job.is_again() && is_outdated(store, plan, &key).await? {
                return Ok(None);
            }
            manifest::reusable::<DatasetManifest>(store, &key, &plan.inputs, step.cache()).await
        };
        let Some(main) = find(plan.job.main_split()).await? else {
            return Ok(None);
        };
        let holdout = match plan.job.kind() {
            Kind::Predict | Kind::Holdout(_) => None,
            Kind::Train(_) => match find(Split::Holdout).await? {
                None => return Ok(None),
                found => found,
            },
        };
        accept(&plan.job, &main.quarantined)?;
        quarantine::refuse_many(&plan.job, &main, holdout.as_ref())?;
        Ok(Some(Self { main, holdout }))
    }

    /// The raw files, each with the rows that it gave to one split.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &RawShard> {
        self.holdout
            .iter()
            .chain([&self.main])
            .flat_map(|manifest| &manifest.shards)
    }
}

/// Whether what is committed of a holdout that is prepared once more has to be made again: an
/// earlier release may have made other rows of it, and raw files that were not what they were may
/// be again.
pub(crate) async fn is_outdated(store: &Store, plan: &Plan<Job>, key: &str) -> Result<bool> {
    let found = manifest::read::<DatasetManifest>(store, key).await?;
    Ok(found.is_some_and(|found| {
        !found.quarantined.is_empty() || found.header.fingerprint != plan.inputs.fingerprint()
    }))
}
