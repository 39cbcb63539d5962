//! Beginning a run, so that there is one of each fingerprint however many ask for it.
//!
//! The server makes another run whenever it is asked, and can't tell which of two was there first:
//! start times come from the clocks of those who ask. So they agree by a tag. Whoever has made a
//! run looks whether others made one. Alone, it tags its run as the one that counts. Else it waits:
//! the oldest until the younger ones are gone, everybody else, after deleting their own, until one
//! run is tagged. Somebody who looked too early to see the others has tagged its run, so
//! that they all see it and give theirs up.

use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Utc;
use serde_json::json;

use super::super::{RunSpec, Status};
use super::wire::{Done, KeyValue, NewRun, Run, RunFound};
use super::{Mlflow, names};
use runtime::retry::Trouble;

/// The tag that says who made a run or a version, so that what was made in vain is known as one's
/// own.
pub(super) const CREATOR_TAG: &str = "alameda.creator";
/// The tag of the run that counts.
const AGREED_TAG: &str = "alameda.agreed";
/// How long a run without the tag is waited for: whoever made it was killed before it could tag it,
/// or is slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn is_agreed(run: &Run) -> bool {
    run.tag(AGREED_TAG).is_some()
}

impl Mlflow {
    /// The run of a fingerprint, and whether it was made now.
    pub(super) async fn find_or_create(
        &self,
        spec: &RunSpec,
        experiment: &String,
        tags: &[KeyValue],
    ) -> Result<(Run, bool)> {
        let creator = Self::creator();
        let tags = [tags, &[tag(CREATOR_TAG, &creator)]].concat();
        let mut own = None;
        let agreed = self
            .agree(spec, experiment, &tags, &creator, &mut own)
            .await;
        if let (Err(_), Some(own)) = (&agreed, own) {
            // Else it would stay RUNNING. The error that is given says what is wrong with the
            // server.
            let _ = self
                .update(
                    &own.info.run_id,
                    Status::Failed,
                    Some(Utc::now().timestamp_millis()),
                )
                .await;
        }
        let run = agreed?;
        let is_new = is_of(&run, &creator);
        Ok((run, is_new))
    }

    /// `own` is the run that `creator` has made and not deleted.
    async fn agree(
        &self,
        spec: &RunSpec,
        experiment: &String,
        tags: &[KeyValue],
        creator: &str,
        own: &mut Option<Run>,
    ) -> Result<Run> {
        let mut waiting: Option<Instant> = None;
        loop {
            let mut found = self.look(spec, experiment, tags, own).await?;
            if found.is_empty() {
                continue;
            }
            let is_lonely = found.iter().all(|run| is_of(run, creator));
            let is_late = waiting.get_or_insert_with(Instant::now).elapsed() > PATIENCE;
            let is_decided = is_agreed(&found[0]) || is_lonely || is_late;
            let first = found.remove(0);
            *own = Some(first.clone()).filter(|run| is_of(run, creator));
            for extra in found.iter().filter(|run| is_of(run, creator)) {
                tracing::info!(
                    run = first.info.run_id,
                    "this run was created more than once at the same time"
                );
                self.delete_run(extra).await?;
            }
            if is_decided {
                if !is_agreed(&first) {
                    self.log_batches(&first.info.run_id, &[], &[], &[tag(AGREED_TAG, "true")])
                        .await?;
                }
                return Ok(first);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The runs of the fingerprint, the one that counts first. Where there is none, one is made,
    /// and none is returned.
    ///
    /// Searched before each try, also when an answer was lost.
    async fn look(
        &self,
        spec: &RunSpec,
        experiment: &String,
        tags: &[KeyValue],
        own: &mut Option<Run>,
    ) -> Result<Vec<Run>> {
        let operation = format!("creating the run {}", spec.name);
        let has_own = own.is_some();
        let search_or_create = || async {
            let found = self
                .search(&operation, experiment, &spec.fingerprint)
                .await?;
            if has_own || !found.is_empty() {
                return Ok((found, None));
            }
            let new = NewRun {
                experiment_id: experiment,
                run_name: names::value(&spec.name, names::NAME),
                start_time: Utc::now().timestamp_millis(),
                tags,
            };
            let call = self
                .client
                .post("runs/create", &new)
                .map_err(Trouble::Lasting)?;
            match self.client.once::<RunFound>(&operation, &call).await? {
                Ok(RunFound { run }) => Ok((Vec::new(), Some(run))),
                Err(refusal) => Err(Trouble::Lasting(self.client.refused(&operation, &refusal))),
            }
        };
        let (mut found, made) = self
            .client
            .budget
            .call(&self.client.service, &operation, search_or_create)
            .await?;
        if made.is_some() {
            *own = made;
        } else if found.is_empty() {
            // A server that does not show it yet shows no other one either.
            found.extend(own.clone());
        }
        Ok(found)
    }

    async fn delete_run(&self, run: &Run) -> Result<()> {
        let call = self
            .client
            .post("runs/delete", &json!({ "run_id": run.info.run_id }))?;
        let operation = "deleting the duplicate run";
        match self.client.ask::<Done>(operation, &call).await? {
            // Also the answer to whoever deletes it again.
            Err(refusal) if !refusal.is_missing() && refusal.code != "INVALID_PARAMETER_VALUE" => {
                Err(self.client.refused(operation, &refusal))
            }
            _ => Ok(()),
        }
    }
}

fn tag(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Whether `creator` made a run.
fn is_of(run: &Run, creator: &str) -> bool {
    run.tag(CREATOR_TAG).is_some_and(|tag| tag == creator)
}
