//! The verb `promote`.

use anyhow::{Context, Result};
use catalog::layout;
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use settings::GateMode;
use store::Store;
use store::digest;
use tracking::{CHAMPION, PREVIOUS_CHAMPION, Tracking, Version};

use crate::Promote;
use crate::case::{Case, commit};
use crate::comparison::{self, Contender, Rival};
use crate::history::History;
use crate::verdict::{self, Comparison, Verdict};

/// Times that somebody else may move the champion before this is called overload.
const ATTEMPTS: usize = 20;

/// Where the aliases point before anything is moved.
struct Standing {
    /// Whether the candidate was champion at some time. Read before the aliases: the same step
    /// that runs twice at once may move the candidate in between, which is no roll back.
    candidate_held: bool,
    champion: Option<u64>,
    previous: Option<u64>,
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
    for _ in 0..ATTEMPTS {
        let candidate_held = tracking
            .ever_held(&flags.model_name, CHAMPION, candidate.version)
            .await?;
        // The alias that is written first is read first: what it holds is then no younger than the
        // champion.
        let previous = tracking.alias(&flags.model_name, PREVIOUS_CHAMPION).await?;
        let champion = tracking.alias(&flags.model_name, CHAMPION).await?;
        let standing = Standing {
            candidate_held,
            champion,
            previous,
        };
        let (key, verdict) = judge(step, store, tracking, flags, &candidate, &standing).await?;
        let in_place = champion == Some(candidate.version);
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
    standing: &Standing,
) -> Result<(String, Verdict)> {
    let (name, gate) = (&flags.model_name, flags.gate());
    let folder = folder(candidate)?;
    let champion = match standing.champion {
        Some(version) => Some(tracking.version(name, version).await.with_context(|| {
            format!("the alias {CHAMPION} of {name} points to version {version}")
        })?),
        None => None,
    };
    let settled = |comparison, why| Case::new(flags, candidate, champion.as_ref(), comparison, why);
    if let Some(champion) = standing.champion {
        if champion == candidate.version {
            // Tried again after it was done: the same outputs as the first time.
            if let Some(found) =
                verdict::of_this_workflow(store, folder, &gate, step.workflow()).await?
            {
                return Ok(found);
            }
            let why = format!("version {champion} is champion already");
            return settled(Comparison::ChampionAlready, why)
                .write(step, store, folder)
                .await;
        }
        if candidate.version < champion {
            let why = format!(
                "version {} was registered before champion version {champion}",
                candidate.version
            );
            return settled(Comparison::Older, why)
                .write(step, store, folder)
                .await;
        }
        if standing.candidate_held {
            let why = format!(
                "version {} was champion before and was rolled back: --rollback --expect={champion} gives it the alias again",
                candidate.version
            );
            return settled(Comparison::ChampionBefore, why)
                .write(step, store, folder)
                .await;
        }
    }
    let contender = match comparison::kept(Contender::read(store, candidate.clone()).await)? {
        Ok(contender) => contender,
        Err(why) => {
            return settled(Comparison::Damaged, why)
                .write(step, store, folder)
                .await;
        }
    };
    let holdout = match comparison::holdout(store, &contender).await? {
        Ok(holdout) => holdout,
        Err(why) => {
            return settled(Comparison::Damaged, why)
                .write(step, store, folder)
                .await;
        }
    };
    let Some(champion) = &champion else {
        return settled(Comparison::FirstChampion, String::new())
            .on(&holdout)
            .compare(step, store, folder, &contender, None, &holdout)
            .await;
    };
    let case = settled(Comparison::SameHoldout, String::new()).on(&holdout);
    let raw_url = flags.raw_url.as_deref();
    let rival = Rival::read(step, store, raw_url, champion.clone(), &holdout).await;
    match comparison::by_data(rival)? {
        Ok(rival) => {
            let history = History::read(tracking, &gate, candidate, champion).await?;
            case.beside(history)
                .compare(step, store, folder, &contender, Some(&rival), &holdout)
                .await
        }
        Err(why) => {
            case.not_comparable(step, store, folder, &holdout, &why)
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
             (GATE) goes on with it"
        ))
        .into()),
        Some(champion) => Ok(Outputs::new()
            .set("promoted", verdict.promoted)
            .set("champion-version", champion)
            .set("verdict", key)
            .set("reason", reason)),
    }
}
