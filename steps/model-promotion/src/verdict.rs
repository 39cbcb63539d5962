//! The verdict on a candidate, as it is beside it in `verdict-*.json`.

use anyhow::Result;
use catalog::layout::{self, ModelName};
use learn::metrics::Interval;
use learn::metrics::paired::Difference;
use learn::task::Report;
use serde::{Deserialize, Serialize};
use store::Store;

use crate::gate::Gate;
use crate::past_champion::PastChampion;

/// The format that this version of the code writes.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Why a candidate was promoted or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    /// [`FORMAT_VERSION`].
    pub(crate) format_version: u32,
    pub(crate) model_name: ModelName,
    /// Whether the candidate becomes the champion.
    pub(crate) promoted: bool,
    /// Why, in words.
    pub(crate) reason: String,
    /// How it was compared.
    pub(crate) comparison: Comparison,
    /// What was asked of it.
    pub(crate) gate: Gate,
    /// Key of the manifest of the holdout.
    pub(crate) holdout: String,
    pub(crate) candidate: Side,
    /// The champion at that time, if there was one.
    pub(crate) champion: Option<Side>,
    /// The gate's metric of the candidate less that of the champion, on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) difference: Option<Difference>,
    /// The champions before, of the gate's window, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) past: Vec<PastChampion>,
    /// The segments of the holdout, where the gate looks at them and nothing else refused the
    /// candidate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) segments: Vec<JudgedSegment>,
    /// The workflow that asked.
    pub(crate) workflow: String,
}

/// The rows of the holdout that have the same value in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JudgedSegment {
    pub(crate) column: String,
    /// Its value; `None` of rows without one.
    pub(crate) value: Option<String>,
    pub(crate) rows: u64,
    /// The gate's metric of the candidate.
    pub(crate) candidate: Option<f64>,
    /// Its 95 % interval, where it is defined.
    pub(crate) interval: Option<Interval>,
    /// That of the champion on the same rows, where they are compared.
    pub(crate) champion: Option<f64>,
    /// The 95 % interval of the candidate's less the champion's.
    pub(crate) difference: Option<Interval>,
    /// Whether it refuses the candidate; `None` where it is not judged: of too few rows, or where
    /// the metric or its interval is undefined.
    pub(crate) refuses: Option<bool>,
    /// Why, in words that follow the segment.
    pub(crate) reason: String,
}

/// One of the two models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    pub(crate) version: u64,
    /// Fingerprint of what it was trained from.
    pub(crate) fingerprint: String,
    /// Its metrics on the holdout; `None` where it was not scored.
    pub(crate) report: Option<Report>,
}

/// How a candidate was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Comparison {
    /// With the floor only: there was no champion.
    FirstChampion,
    /// With the champion, on the same holdout.
    SameHoldout,
    /// With nothing: the champion can't be scored fairly on this holdout.
    NotComparable,
    /// With nothing: the candidate's files or data are not as they were written.
    Damaged,
    /// With nothing: the candidate is the champion.
    ChampionAlready,
    /// With nothing: the candidate was the champion before.
    ChampionBefore,
    /// With nothing: the candidate was registered before the champion.
    Older,
}

impl Comparison {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FirstChampion => "first-champion",
            Self::SameHoldout => "same-holdout",
            Self::NotComparable => "not-comparable",
            Self::Damaged => "damaged",
            Self::ChampionAlready => "champion-already",
            Self::ChampionBefore => "champion-before",
            Self::Older => "older",
        }
    }

    /// Whether the gate had a say, so that a verdict against the candidate is a refusal.
    pub(crate) fn is_gated(self) -> bool {
        !matches!(
            self,
            Self::ChampionAlready | Self::ChampionBefore | Self::Older
        )
    }
}

/// The verdict by which this workflow made the candidate champion, if it did; with its key.
pub(crate) async fn of_this_workflow(
    store: &Store,
    folder: &str,
    gate: &Gate,
    workflow: &str,
) -> Result<Option<(String, Verdict)>> {
    for object in store.glob(&layout::verdicts(folder)).await? {
        let verdict: Verdict = store.require_json(&object.key).await?;
        if verdict.promoted && verdict.workflow == workflow && gate.is_that_of(&verdict.gate) {
            return Ok(Some((object.key, verdict)));
        }
    }
    Ok(None)
}
