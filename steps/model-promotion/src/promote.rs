//! The verb `promote`.

use anyhow::{Context, Result};
use catalog::layout::{self, ModelName};
use catalog::manifest::DatasetManifest;
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use settings::GateMode;
use store::Store;
use store::digest;
use tracking::{CHAMPION, PREVIOUS_CHAMPION, Tracking, Version};

use crate::Promote;
use crate::comparison::{self, ComparableChampion, Contender};
use crate::gate::Gate;
use crate::history::History;
use crate::holdout::Holdout;
use crate::pending_comparison::{PendingComparison, commit};
use crate::segments;
use crate::verdict::{self, Comparison, Verdict};

/// Times that somebody else may move the champion before this is called overload.
const ATTEMPTS: usize = 20;

/// Where the aliases point before anything is moved.
pub(crate) struct Standing {
    /// Whether the candidate was champion at some time. Read before the aliases: the same step
    /// that runs twice at once may move the candidate in between, which is no roll back.
    candidate_held: bool,
    pub(crate) champion: Option<u64>,
    previous: Option<u64>,
}

impl Standing {
    pub(crate) async fn read(tracking: &Tracking, candidate: &Version) -> Result<Self> {
        let name = &candidate.model_name;
        let candidate_held = tracking
            .ever_held(name, CHAMPION, candidate.version)
            .await?;
        // The alias that is written first is read first: what it holds is then no younger than the
        // champion.
        let previous = tracking.alias(name, PREVIOUS_CHAMPION).await?;
        let champion = tracking.alias(name, CHAMPION).await?;
        Ok(Self {
            candidate_held,
            champion,
            previous,
        })
    }

    /// The version that the alias points to.
    pub(crate) async fn champion(
        &self,
        tracking: &Tracking,
        name: &ModelName,
    ) -> Result<Option<Version>> {
        let Some(version) = self.champion else {
            return Ok(None);
        };
        let found = tracking.version(name, version).await;
        found
            .map(Some)
            .with_context(|| format!("the alias {CHAMPION} of {name} points to version {version}"))
    }

    /// The candidate and its holdout, or why it is compared with nothing.
    pub(crate) async fn open(
        &self,
        store: &Store,
        candidate: &Version,
    ) -> Result<Result<(Contender, DatasetManifest), (Comparison, String)>> {
        if let Some(champion) = self.champion {
            if champion == candidate.version {
                let why = format!("version {champion} is champion already");
                return Ok(Err((Comparison::ChampionAlready, why)));
            }
            if candidate.version < champion {
                let why = format!(
                    "version {} was registered before champion version {champion}",
                    candidate.version
                );
                return Ok(Err((Comparison::Older, why)));
            }
            if self.candidate_held {
                let why = format!(
                    "version {} was champion before and was rolled back: --rollback --expect={champion} gives it the alias again",
                    candidate.version
                );
                return Ok(Err((Comparison::ChampionBefore, why)));
            }
        }
        let contender =
            match comparison::by_data_or_damage(Contender::read(store, candidate.clone()).await)? {
                Ok(contender) => contender,
                Err(why) => return Ok(Err((Comparison::Damaged, why))),
            };
        Ok(match comparison::holdout(store, &contender).await? {
            Ok(holdout) => Ok((contender, holdout)),
            Err(why) => Err((Comparison::Damaged, why)),
        })
    }
}

/// Compares, writes the verdict, and moves the aliases if the candidate passes; starts over when
/// somebody else moved them.
pub(crate) async fn promote(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    flags: &Promote,
    version: u64,
) -> Result<Outputs> {
    let candidate = tracking.version(&flags.model_name, version).await?;
    let gate = crate::gate(store, &flags.gate, &candidate).await?;
    for _ in 0..ATTEMPTS {
        let standing = Standing::read(tracking, &candidate).await?;
        let (key, verdict) =
            judge(step, store, tracking, flags, &candidate, gate, &standing).await?;
        let in_place = standing.champion == Some(candidate.version);
        let (key, verdict) = match verdict.promoted && !in_place {
            true => go_by(store, step, key, verdict).await?,
            false => (key, verdict),
        };
        if !verdict.promoted || in_place || take_over(tracking, &candidate, &standing).await? {
            return conclude(flags, &standing, &key, &verdict);
        }
        tracing::info!("the champion was moved in the meantime: comparing again");
    }
    Err(Failure::Unavailable(format!(
        "the champion of {} keeps moving; run this step again",
        flags.model_name
    ))
    .into())
}

/// The verdict and its key: read if this comparison was made before, else made.
async fn judge(
    step: &Step,
    store: &Store,
    tracking: &Tracking,
    flags: &Promote,
    candidate: &Version,
    gate: Gate,
    standing: &Standing,
) -> Result<(String, Verdict)> {
    let name = &flags.model_name;
    let folder = folder(candidate)?;
    let champion = standing.champion(tracking, name).await?;
    let settled = |comparison, why| {
        PendingComparison::new((flags, gate), candidate, champion.as_ref(), comparison, why)
    };
    let (contender, manifest) = match standing.open(store, candidate).await? {
        Ok(open) => open,
        Err((comparison, why)) => {
            // Tried again after it was done: the same outputs as the first time.
            if comparison == Comparison::ChampionAlready
                && let Some(found) =
                    verdict::of_this_workflow(store, folder, &gate, step.workflow()).await?
            {
                return Ok(found);
            }
            return settled(comparison, why).write(step, store, folder).await;
        }
    };
    let holdout = Holdout {
        step,
        store,
        flags,
        champion: standing.champion,
        key: &contender.manifest.holdout_manifest,
        manifest: &manifest,
    };
    let setting = &flags.segments.segment_columns;
    let columns = segments::columns(store, &gate, setting, &contender, &manifest).await?;
    let Some(champion) = &champion else {
        return settled(Comparison::FirstChampion, String::new())
            .on(&manifest)
            .divided_by(columns)?
            .compare(step, store, folder, &contender, None, &holdout)
            .await;
    };
    let pending = settled(Comparison::SameHoldout, String::new()).on(&manifest);
    let pending = pending.divided_by(columns)?;
    let comparable = ComparableChampion::read(store, champion.clone(), &manifest).await;
    match comparison::by_data(comparable)? {
        Ok(comparable) => {
            let history = History::read(tracking, &gate, candidate, champion).await?;
            pending
                .beside(history)
                .compare(step, store, folder, &contender, Some(&comparable), &holdout)
                .await
        }
        Err(why) => {
            pending
                .not_comparable(step, store, folder, &manifest, &why)
                .await
        }
    }
}

/// The folder of a version's files.
fn folder(version: &Version) -> Result<&str> {
    version
        .model
        .rsplit_once('/')
        .map(|(folder, _)| folder)
        .context("the key of a manifest has a folder")
}

/// The verdict by which this workflow moves the champion, written before the move: that of another
/// workflow is copied, so that an attempt that dies after the move knows it for its own.
async fn go_by(
    store: &Store,
    step: &Step,
    key: String,
    verdict: Verdict,
) -> Result<(String, Verdict)> {
    if verdict.workflow == step.workflow() {
        return Ok((key, verdict));
    }
    let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = layout::verdict(
        folder,
        &digest::hex(format!("{key} {}", step.workflow()).as_bytes()),
    );
    commit(
        store,
        own,
        Verdict {
            workflow: step.workflow().to_owned(),
            ..verdict
        },
    )
    .await
}

/// Moves `previous-champion`, then `champion`. False when somebody else was faster.
async fn take_over(tracking: &Tracking, candidate: &Version, standing: &Standing) -> Result<bool> {
    let name = &candidate.model_name;
    if let Some(champion) = standing.champion
        && !tracking
            .set_alias(name, PREVIOUS_CHAMPION, champion, standing.previous)
            .await?
    {
        return Ok(false);
    }
    tracking
        .set_alias(name, CHAMPION, candidate.version, standing.champion)
        .await
}

/// Outputs, or the failure that the gate or a missing champion means.
fn conclude(flags: &Promote, standing: &Standing, key: &str, verdict: &Verdict) -> Result<Outputs> {
    let champion = if verdict.promoted {
        Some(verdict.candidate.version)
    } else {
        standing.champion
    };
    let Verdict {
        model_name, reason, ..
    } = verdict;
    let candidate = verdict.candidate.version;
    if verdict.promoted {
        tracing::info!(
            verdict = key,
            "version {candidate} of {model_name} is champion: {reason}"
        );
    } else {
        tracing::warn!(
            verdict = key,
            "version {candidate} of {model_name} is not promoted: {reason}"
        );
    }
    let refused = !verdict.promoted && verdict.comparison.is_gated();
    match champion {
        None => Err(Failure::Refused(format!(
            "version {candidate} of {model_name} is refused, and there is no champion: {reason} ({key})\ntrain a better model, \
             or lower the gate (--gate-floor, GATE_FLOOR)"
        ))
        .into()),
        Some(champion) if refused && flags.gate.gate == GateMode::Hard => Err(Failure::Refused(format!(
            "version {candidate} of {model_name} is refused: {reason} ({key})\nversion {champion} stays champion; --gate=soft \
             (GATE) continues with it"
        ))
        .into()),
        Some(champion) => Ok(Outputs::new()
            .set("promoted", verdict.promoted)
            .set("champion-version", champion)
            .set("verdict", key)
            .set("reason", reason)),
    }
}
